//! Converts files of the project's test data to text and back by their schema: the rows must be equal.
//! `testdata/round_trips.py` does this for many more files.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use support::Folder;

/// One file in `STEP`, because each takes a dozen runs of the command.
const STEP: usize = 3;

/// Returns a schema with this many levels.
fn nested(levels: usize, wrap: impl Fn(usize, &str) -> String) -> String {
    let deep = (0..levels).fold("\"int\"".to_owned(), |inner, level| wrap(level, &inner));
    format!(r#"{{"type":"record","name":"Top","fields":[{{"name":"x","type":{deep}}}]}}"#)
}

#[test]
fn types_at_nesting_limit_convert_and_query() {
    let record = |level, inner: &str| {
        format!(r#"{{"type":"record","name":"R{level}","fields":[{{"name":"f","type":{inner}}}]}}"#)
    };
    let kinds = [
        ("records", nested(60, |level, inner| record(level, &format!(r#"["null",{inner}]"#))), r#"{"x":{"f":null}}"#),
        ("arrays", nested(120, |_, inner| format!(r#"{{"type":"array","items":{inner}}}"#)), r#"{"x":[]}"#),
        ("maps", nested(120, |_, inner| format!(r#"{{"type":"map","values":{inner}}}"#)), r#"{"x":{}}"#),
        (
            "unions",
            nested(60, |level, inner| format!(r#"["null","string",{}]"#, record(level, inner))),
            r#"{"x":null}"#,
        ),
    ];
    let folder = Folder::new();
    for (kind, schema, row) in &kinds {
        folder.file("schema.avsc", schema);
        folder.file("rows.json", row);
        let made = folder.run(&["fromjson", "--plain", "rows.json", "in.avro", "--schema-file", "schema.avsc"]);
        assert_eq!(made.code, 0, "{kind}: {}", made.stderr);
        for format in ["parquet", "arrow", "csv", "ndjson", "avro"] {
            let done = folder.run(&["convert", "in.avro", &format!("out.{format}")]);
            assert_eq!(done.code, 0, "{kind} to {format}: {}", done.stderr);
        }
        for sql in
            ["SELECT DISTINCT x FROM 'in.avro'", "COPY 'in.avro' TO 'copy.parquet'", "SELECT x::varchar FROM 'in.avro'"]
        {
            let done = folder.run(&["-c", sql]);
            assert_eq!(done.code, 0, "{kind}, {sql}: {}", done.stderr);
        }
    }
}

#[test]
fn text_formats_round_trip_with_schema() {
    let valid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/valid");
    let Ok(entries) = fs::read_dir(&valid) else {
        eprintln!("{} is not there: nothing is tested", valid.display());
        return;
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "avro"));
    files.sort();
    let folder = Folder::new();
    let mut wrong = Vec::new();
    for file in files.iter().step_by(STEP) {
        let file = file.to_str().unwrap();
        let rows = |name: &str| folder.run(&["tojson", "--plain", name]).stdout().to_owned();
        let before = rows(file);
        for format in ["csv", "ndjson"] {
            let text = format!("rows.{format}");
            let written = folder.run(&["convert", file, &text]);
            let read = folder.run(&["convert", &text, "back.avro", "--schema", file, "--lenient"]);
            if (written.code, read.code) != (0, 0) {
                wrong.push(format!("{file} {format}: {}{}", written.stderr, read.stderr));
            } else if rows("back.avro") != before {
                wrong.push(format!("{file} {format}: {before} became {}", rows("back.avro")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
