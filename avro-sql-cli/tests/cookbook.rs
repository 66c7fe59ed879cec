//! Runs every command of `docs/cookbook.md` in a folder that has `events/`, and compares the output. All commands run
//! in one folder, in sequence. `UPDATE_EXPECT=1 cargo test --test cookbook` rewrites the output in the book.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::Folder;

/// Copies a folder of test data.
fn copy(folder: &Folder, from: &Path, to: &str) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = format!("{to}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            copy(folder, &path, &to);
        } else {
            folder.file(&to, fs::read(&path).unwrap());
        }
    }
}

/// Returns what a shell prints for a command, both of its outputs.
fn shell(folder: &Folder, line: &str) -> String {
    // The shell finds this build of the command first.
    let binary = Path::new(env!("CARGO_BIN_EXE_avro-sql"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{{ {line}; }} 2>&1")]).current_dir(folder.path("")).stdin(Stdio::null());
    command.env("PATH", path).env("HOME", folder.path("")).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
#[cfg(unix)]
fn cookbook_commands_print_documented_output() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = root.join("docs/cookbook.md");
    let text = fs::read_to_string(&book).unwrap();
    let folder = Folder::new();
    copy(&folder, &root.join("testdata/sql/events"), "events");
    let mut played = String::new();
    let (mut is_console, mut commands) = (false, 0);
    for line in text.lines() {
        let fence = line.starts_with("```");
        if fence {
            is_console = line == "```console";
        }
        let said = match line.strip_prefix("$ ").filter(|_| is_console) {
            Some(command) => {
                commands += 1;
                shell(&folder, command)
            }
            // Replace the expected output.
            None if is_console && !fence => continue,
            None => String::new(),
        };
        played.push_str(line);
        played.push('\n');
        played.push_str(&said);
        if !said.is_empty() && !said.ends_with('\n') {
            played.push('\n');
        }
    }
    assert!(commands > 20, "{commands} commands");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&book, &played).unwrap();
        return;
    }
    for (n, (expected, found)) in text.lines().zip(played.lines()).enumerate() {
        assert_eq!(expected, found, "docs/cookbook.md:{}", n + 1);
    }
    assert_eq!(text, played);
}
