//! Runs `tests/cases/*.txt`: each file holds commands with their expected output. `UPDATE_EXPECT=1 cargo test` rewrites
//! the output.
//!
//! ```text
//! # A comment. All commands of a file run in one folder, which has people.avro and logs/{1,2}.avro.
//! @file q.sql            writes the indented lines to a file
//!     SELECT 1 AS a
//! @copy valid/x.avro     copies a file of the project's test data to x.avro
//! $ avro-sql -f q.sql    a command, split into words as in a shell
//!   < text               lines of its standard input
//!     a                  lines of its standard output
//!     1
//!   ! text               lines of its standard error
//!   = 1                  its exit code, if not 0
//! ```
//! `[..]` matches anything within a line.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use support::Folder;

/// The variable with the addresses of workers.
const WORKERS: &str = "AVRO_SQL_WORKERS";
/// Makes the planner use several tasks for the files of the cases.
const SEVERAL_TASKS: &str = "SET distributed.file_scan_config_bytes_per_partition = 64";

#[test]
fn case_files_match() {
    check(&[]);
}

/// Each query makes columnar copies of the files that it reads whole, and reads these; nothing else may change.
#[test]
fn case_files_match_with_copies() {
    if std::env::var_os("UPDATE_EXPECT").is_none() {
        check(&[("AVRO_SQL_CACHE", "auto")]);
    }
}

/// Each query keeps the columns of the files that it reads whole in memory, and reads these; nothing may change.
#[test]
fn case_files_match_with_columns_in_memory() {
    if std::env::var_os("UPDATE_EXPECT").is_none() {
        let settings = [("AVRO_SQL_CACHE", "memory")];
        let folder = Folder::new();
        support::people(&folder);
        // Else the cases would prove nothing.
        let sum = "SELECT sum(id) FROM 'people.avro'";
        let plan = folder.run_in(&["-c", sum, "-c", &format!("EXPLAIN {sum}")], "", &settings);
        assert!(plan.stdout().contains("memory=the file"), "{}{}", plan.stdout(), plan.stderr);
        check(&settings);
    }
}

/// Workers share each query that they can; nothing may change.
#[cfg(all(unix, feature = "cluster"))]
#[test]
fn case_files_match_on_workers() {
    if std::env::var_os("UPDATE_EXPECT").is_none() {
        let folder = Folder::new();
        support::people(&folder);
        let workers = [(); 2].map(|()| support::worker::Worker::start(&folder, &[]));
        let addresses = workers.each_ref().map(|worker| worker.url.as_str()).join(",");
        let settings = [(WORKERS, addresses.as_str())];
        // Else the cases would prove nothing.
        let explain = ["-c", SEVERAL_TASKS, "-c", "EXPLAIN SELECT sum(id) FROM 'people.avro'"];
        let plan = folder.run_in(&explain, "", &settings);
        assert!(plan.stdout().contains("tasks=2"), "{}{}", plan.stdout(), plan.stderr);
        check(&settings);
    }
}

fn check(settings: &[(&str, &str)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "txt")) {
        let text = fs::read_to_string(file).unwrap();
        let found = play(&text, settings);
        if found == text {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(file, found).unwrap();
        } else {
            let lines = text.lines().zip(found.lines()).position(|(a, b)| a != b).unwrap_or(0);
            let from = |text: &str| text.lines().skip(lines.saturating_sub(2)).take(14).collect::<Vec<_>>().join("\n");
            writeln!(
                wrong,
                "{}:{}\n-- expected\n{}\n-- found\n{}",
                file.display(),
                lines + 1,
                from(&text),
                from(&found)
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Runs the commands of a file, and returns the file with their actual output.
fn play(text: &str, settings: &[(&str, &str)]) -> String {
    let folder = Folder::new();
    support::people(&folder);
    let mut told = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(told, "{line}").unwrap();
        let mut indented = |prefix: &str| {
            let mut block = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with(prefix)) {
                block.push(line[prefix.len()..].to_owned());
            }
            block
        };
        if let Some(name) = line.strip_prefix("@file ") {
            let block = indented("    ");
            block.iter().for_each(|line| writeln!(told, "    {line}").unwrap());
            folder.file(
                name.split_whitespace().next().unwrap(),
                block.iter().map(|l| l.to_owned() + "\n").collect::<String>(),
            );
        } else if let Some(path) = line.strip_prefix("@copy ") {
            let path = Path::new(path.split_whitespace().next().unwrap());
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(path);
            folder.file(path.file_name().unwrap().to_str().unwrap(), fs::read(from).unwrap());
        } else if let Some(command) = line.strip_prefix("$ avro-sql") {
            let mut input = String::new();
            for line in indented("  < ") {
                writeln!(told, "  < {line}").unwrap();
                writeln!(input, "{line}").unwrap();
            }
            let (stdout, stderr, code) = (indented("    "), indented("  ! "), indented("  = "));
            let words = words(command);
            // Plans and statistics say which bytes are read.
            let is_plan = command.contains("EXPLAIN") || command.contains(" -v ");
            let settings = if is_plan { &[("AVRO_SQL_CACHE", "ignore")] } else { settings };
            let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
            let has_workers = settings.iter().any(|(name, _)| *name == WORKERS);
            let counts_statements = ["-p", "-o", "--timing"].iter().any(|option| arguments.contains(option));
            if has_workers && arguments.contains(&"-c") && !counts_statements {
                arguments.splice(0..0, ["-c", SEVERAL_TASKS]);
            }
            let ran = folder.run_in(&arguments, &input, settings);
            tell("    ", &stdout, ran.stdout(), &mut told);
            tell("  ! ", &stderr, &ran.stderr, &mut told);
            let _ = code;
            if ran.code != 0 {
                writeln!(told, "  = {}", ran.code).unwrap();
            }
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "neither a command nor a remark: {line}");
        }
    }
    told
}

/// Appends the lines of an output, with the expected line where it matches.
fn tell(prefix: &str, expected: &[String], found: &str, to: &mut String) {
    for (n, line) in found.lines().enumerate() {
        let line = expected.get(n).filter(|pattern| fits(pattern, line)).map_or(line, String::as_str);
        writeln!(to, "{prefix}{line}").unwrap();
    }
}

/// Whether the line matches the pattern, in which `[..]` matches anything.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("[..]") else { return pattern == line };
    let Some(line) = line.strip_prefix(start) else { return false };
    line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| fits(rest, &line[at..]))
}

/// Splits a command into words as a shell does: blanks in quotes do not end a word.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote is open: {command}");
    words.extend(word);
    words
}
