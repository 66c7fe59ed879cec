//! `--lenient`: queries and tools skip damaged blocks and report each; and read options.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use avro_testing::wire::{block_with_sync, header_with_sync};
use support::{Folder, Ran};

/// Returns a file of the test data.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)
}

/// Returns three blocks of two rows, the second with a bad boolean, the third with a truncated sync marker.
fn damaged() -> (Vec<u8>, usize) {
    let long = |n: u8| n * 2;
    let schema = br#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}, {"name": "b", "type": "boolean"}]}"#;
    let marker = b"\xa5sync\x00marker\xff\xfe\xfd\x01";
    let mut file = header_with_sync(&[("avro.schema", &schema[..])], marker);
    let start = file.len();
    for (first, flag) in [(0, 1), (2, 7), (4, 1)] {
        file.extend(block_with_sync(2, &[long(first), 1, long(first + 1), flag], marker));
    }
    file.truncate(file.len() - 5);
    (file, start)
}

#[track_caller]
fn warned(ran: &Ran, stdout: &str, lines: &[String]) {
    assert_eq!((ran.stdout(), ran.code), (stdout, 0), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn lenient_query_reports_skipped_blocks() {
    let folder = Folder::new();
    let (file, start) = damaged();
    folder.file("x.avro", &file);
    let full = folder.path("x.avro").canonicalize().unwrap().display().to_string();
    let (second, third) = (start + 22, start + 44);
    let bad = |name: &str| {
        format!(
            "avro-sql: {name}: skipped 2 rows in 22 bytes: boolean 7 is neither 0 nor 1 (field b, row 1, block 1, file offset \
             {second}, offset in block 3)"
        )
    };
    let cut = |name: &str| {
        format!(
            "avro-sql: {name}: skipped an unknown number of rows in 17 bytes: the file ends inside a block (block 2, file offset \
             {third})"
        )
    };
    let both = |name: &str| [bad(name), cut(name)];

    // Without --lenient.
    folder.run(&["-c", "SELECT * FROM 'x.avro'"]).failed(1, &["boolean 7"]);
    folder.run(&["convert", "x.avro", "x.arrow"]).failed(1, &["x.avro: boolean 7"]);
    folder.run(&["count", "x.avro"]).failed(1, &["the file ends inside a block"]);

    let ran = folder.run(&["--lenient", "-c", "SELECT * FROM 'x.avro'"]);
    warned(&ran, "n,b\n0,true\n1,true\n", &both(&full));
    // Read twice and reported once, by the statement that skipped it.
    let twice = "SELECT count(*) AS c FROM 'x.avro' a JOIN 'x.avro' b USING (n, b); SELECT 1 AS one";
    warned(&folder.run(&["--lenient", "-c", twice]), "c\n2\none\n1\n", &both(&full));
    let ran = folder.run(&["--lenient", "-t", "t=x.avro", "-c", "SELECT sum(n) AS s FROM t WHERE b"]);
    warned(&ran, "s\n1\n", &both(&full));
    warned(&folder.run(&["--lenient", "-q", "-c", "SELECT n FROM 'x.avro'"]), "n\n0\n1\n2\n3\n", &[]);
    // A tool.
    warned(&folder.run(&["convert", "--lenient", "x.avro", "x.arrow"]), "", &both("x.avro"));
    assert!(folder.names().contains(&"x.arrow".to_owned()));
    // Counting does not check values.
    warned(&folder.run(&["count", "x.avro", "--lenient"]), "4\n", &[cut("x.avro")]);
    // The whole list in SQL, with and without --lenient.
    let list = "SELECT block, \"offset\", bytes, \"rows\" FROM avro_damage('x.avro')";
    folder.run(&["-c", list]).wrote(&format!("block,offset,bytes,rows\n1,{second},22,2\n2,{third},17,\n"));
}

#[test]
fn lenient_damaged_header_fails() {
    let folder = Folder::new();
    folder.file("x.avro", b"Obj\x01\x02");
    folder.run(&["--lenient", "-c", "SELECT * FROM 'x.avro'"]).failed(1, &["x.avro: the file ends inside"]);
    let ran = folder.run(&["-c", "SELECT file, block, reason FROM avro_damage('x.avro')"]);
    assert!(ran.stdout().contains(",,the file ends inside"), "{}", ran.stdout());
}

#[test]
fn limits_options_apply() {
    let folder = Folder::new();
    let valid = data("valid/records-deep.avro").display().to_string();
    let all = format!("SELECT * FROM '{valid}'");
    assert_eq!(folder.run(&["-c", &all]).code, 0);
    for (option, words) in [
        ("block_bytes=3", "`block_bytes`"),
        ("batch_bytes=3", "`batch_bytes`"),
        ("metadata_bytes=10", "`metadata_bytes`"),
        ("schema_nodes=1", "`schema_nodes`"),
        ("arrow_fields=1", "`arrow_fields`"),
        ("nesting=0", "`nesting`"),
    ] {
        folder.run(&["--option", option, "-c", &all]).failed(1, &[words]);
        folder.run(&["convert", &valid, "x.arrow", "--option", option]).failed(1, &[words]);
    }
    let nested = data("hostile/value-nested-20000.avro").display().to_string();
    let nulls = data("hostile/nulls-2-billion.avro").display().to_string();
    let deep = format!("SELECT length(items[1]) > 20000 AS deep FROM '{nested}'");
    folder.run(&["-c", &deep]).failed(1, &["value_nesting"]);
    folder.run(&["--option", "value_nesting=100000", "-c", &deep]).wrote("deep\ntrue\n");
    folder.run(&["count", &nulls]).failed(1, &["zero_width_items"]);
    folder.run(&["count", &nulls, "--option", "zero_width_items=2000000000"]).wrote("2000000000\n");
    let plain = folder.run(&["schema", "--arrow", &valid, "--option", "strings=plain"]);
    assert!(!plain.stdout().contains("View") && plain.code == 0, "{}", plain.stdout());
}
