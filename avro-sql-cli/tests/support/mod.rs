//! Support for the tests of the command: a folder of files, Avro files, and the command itself.
#![allow(missing_docs, dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(unix)]
pub(crate) mod terminal;
#[cfg(all(unix, feature = "cluster"))]
pub(crate) mod worker;

pub(crate) use avro_testing::wire::Value;

use avro_testing::wire::file_of_rows;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A temporary folder in which the command runs.
pub(crate) struct Folder {
    dir: tempfile::TempDir,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Folder { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and creates its folders.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Returns the names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Returns the command with these arguments in this folder, without the user's settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avro-sql"));
        command.args(arguments).current_dir(self.dir.path()).env("HOME", self.dir.path());
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs the command with this standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        self.run_in(arguments, input, &[])
    }

    /// Runs the command with this standard input and these environment variables.
    pub(crate) fn run_in(&self, arguments: &[&str], input: &str, settings: &[(&str, &str)]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.envs(settings.iter().copied()).stdin(Stdio::piped()).spawn().unwrap();
        // The command may end without reading everything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

impl Ran {
    pub(crate) fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Checks that it succeeded, wrote this and printed no message.
    #[track_caller]
    pub(crate) fn wrote(&self, stdout: &str) {
        assert_eq!((self.stderr.as_str(), self.stdout(), self.code), ("", stdout, 0));
    }

    /// Checks that it failed with this exit code and one error line that contains these words.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        let is_one_line = self.stderr.ends_with('\n') && self.stderr.lines().count() == 1;
        assert!(self.stderr.starts_with("avro-sql: error: ") && is_one_line, "{:?}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{:?} has no {word:?}", self.stderr);
        }
        assert_eq!(self.code, code, "{:?}", self.stderr);
    }
}

/// Returns a container file with `rows_per_block` rows in each block.
pub(crate) fn avro(schema: &str, rows_per_block: usize, rows: &[Value]) -> Vec<u8> {
    let rows: Vec<Vec<u8>> = rows.iter().map(Value::encoded).collect();
    let metadata = [("avro.schema", schema.as_bytes()), ("avro.codec", &b"null"[..])];
    file_of_rows(&metadata, &rows, rows_per_block, b"0123456789abcdef")
}

pub(crate) const PEOPLE: &str = r#"{"type":"record","name":"Person","fields":[
    {"name":"id","type":"long"},
    {"name":"name","type":["null","string"]},
    {"name":"color","type":{"type":"enum","name":"Color","symbols":["RED","BLUE"]}},
    {"name":"tags","type":{"type":"array","items":"string"}}]}"#;

fn person(id: i64, name: Option<&str>, color: i64, tags: &[&str]) -> Value {
    Value::Record(vec![id.into(), name.into(), color.into(), Value::Array(tags.iter().map(|t| (*t).into()).collect())])
}

/// Writes people.avro (three rows) and logs/{1,2}.avro (two rows and one).
pub(crate) fn people(folder: &Folder) {
    let people =
        [person(1, Some("Ann, \"A\""), 0, &["x", "y"]), person(2, None, 1, &[]), person(3, Some("Çelik"), 0, &["z"])];
    folder.file("people.avro", avro(PEOPLE, 2, &people));
    folder.file("logs/1.avro", avro(PEOPLE, 1, &people[..2]));
    folder.file("logs/2.avro", avro(PEOPLE, 1, &people[2..]));
}
