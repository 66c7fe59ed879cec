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

#[test]
fn case_files_match() {
    let mut wrong = String::new();
    for file in support::cases::files() {
        let text = fs::read_to_string(&file).unwrap();
        let found = support::cases::play(&text, &[]);
        if found == text {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, found).unwrap();
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
