//! Help by topic: its examples run, and the options of the code are those of the documents.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use support::Folder;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A folder with the sample files as `events/`.
fn folder() -> Folder {
    let folder = Folder::new();
    let events = Path::new(ROOT).join("testdata/sql/events");
    for day in fs::read_dir(events).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(&day).unwrap().map(|entry| entry.unwrap().path()) {
            let (day, name) = (day.file_name().unwrap(), file.file_name().unwrap());
            folder.file(
                &format!("events/{}/{}", day.to_str().unwrap(), name.to_str().unwrap()),
                fs::read(&file).unwrap(),
            );
        }
    }
    folder
}

#[test]
fn examples_of_topics_run() {
    let folder = folder();
    let mut n = 0;
    for topic in ["sql", "types", "unions", "dates", "options", "s3"] {
        let help = folder.run(&["help", topic]);
        assert_eq!(help.code, 0, "{topic}");
        for line in help.stdout().lines().map(str::trim).filter(|line| line.ends_with(';')) {
            if ["SELECT", "DESCRIBE", "SET"].iter().any(|word| line.starts_with(word)) {
                let ran = folder.run(&["-c", line]);
                assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{line}");
                n += 1;
            }
        }
    }
    assert!(n > 15, "{n} examples");
}

#[test]
fn documents_have_all_options() {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/sql.md")).unwrap();
    let sql = "SELECT '| `' || name || '` | ' AS start, kind, description FROM avro_options()";
    let ran = Folder::new().run(&["--format", "tsv", "-c", sql]);
    let rows: Vec<Vec<&str>> = ran.stdout().lines().skip(1).map(|line| line.split('\t').collect()).collect();
    assert!(rows.len() > 30, "{rows:?}");
    for row in &rows {
        let line =
            document.lines().find(|line| line.starts_with(row[0])).unwrap_or_else(|| panic!("{} is missing", row[0]));
        // The table of write options says more than fits a line of help.
        assert!(row[1] == "write" || line.ends_with(&format!("| {} |", row[2])), "{line}\n{}", row[2]);
    }
}
