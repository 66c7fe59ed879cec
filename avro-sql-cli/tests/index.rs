//! `avro-sql index`: block indexes are built, used, and reported when stale.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_testing::check_all;
use support::{Folder, Value, avro};

const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[
    {"name":"id","type":"long"},{"name":"name","type":["null","string"]}]}"#;

fn rows(ids: std::ops::Range<i64>) -> Vec<Value> {
    ids.map(|id| Value::Record(vec![id.into(), Some("x").into()])).collect()
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("logs/1.avro", avro(SCHEMA, 10, &rows(0..100)));
    folder.file("logs/2.avro", avro(SCHEMA, 10, &rows(100..200)));
    folder
}

/// Returns the lines of standard output without the folder's path.
fn lines(folder: &Folder, stdout: &str) -> Vec<String> {
    let root = folder.path("").canonicalize().unwrap().display().to_string();
    let cut = |line: &str| line.replace(&format!("{root}/"), "").rsplit_once(", ").unwrap().0.to_owned();
    stdout.lines().map(cut).collect()
}

#[test]
fn index_command_builds_keeps_and_rebuilds() {
    let folder = folder();
    let built = ["logs/.1.avro.avroidx: 10 blocks, 100 rows", "logs/.2.avro.avroidx: 10 blocks, 100 rows"];
    let line = |word: &str| built.map(|rest| format!("{word} {rest}")).to_vec();
    let cases: [(&[&str], Vec<String>); 5] = [
        (&["index", "logs"], line("built")),
        (&["index", "logs"], line("kept")),
        (&["index", "logs", "--columns", "id"], line("kept")),
        (&["index", "--force", "logs/*.avro", "--columns", "id,name", "--threads", "1"], line("built")),
        (&["index", "logs/1.avro", "logs/2.avro"], line("kept")),
    ];
    check_all(cases, |(arguments, expected)| {
        let ran = folder.run(arguments);
        assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{arguments:?}");
        assert_eq!(lines(&folder, ran.stdout()), expected, "{arguments:?}");
    });
    folder.run(&["index", "--quiet", "--force", "logs"]).wrote("");
    folder.run(&["-c", "SELECT count(*) AS n, max(id) AS m FROM 'logs'"]).wrote("n,m\n200,199\n");
    let plan = folder.run(&["-c", "EXPLAIN SELECT count(*), max(id) FROM 'logs'"]);
    assert!(!plan.stdout().contains("DataSourceExec"), "{}", plan.stdout());
}

#[test]
fn index_dir_holds_indexes() {
    let folder = folder();
    let ran = folder.run(&["index", "logs/1.avro", "--index-dir", "indexes"]);
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0));
    assert!(ran.stdout().contains("/indexes/file/"), "{}", ran.stdout());
    assert!(!folder.path("logs/.1.avro.avroidx").exists());
    let sql = "EXPLAIN SELECT count(*), max(id) FROM 'logs/1.avro'";
    for (arguments, reads) in [(&["--index-dir", "indexes", "-c", sql][..], false), (&["-c", sql], true)] {
        let plan = folder.run(arguments);
        assert_eq!(plan.stdout().contains("DataSourceExec"), reads, "{}", plan.stdout());
    }
}

#[test]
fn stale_index_warns_once() {
    let folder = folder();
    folder.run(&["index", "logs"]);
    folder.file("logs/2.avro", avro(SCHEMA, 10, &rows(100..300)));
    let sql = "SELECT count(*) AS n FROM 'logs' WHERE id >= 0";
    let ran = folder.run(&["-c", sql, "-c", sql]);
    assert_eq!((ran.stdout(), ran.code), ("n\n300\nn\n300\n", 0));
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("avro-sql: warning: ") && ran.stderr.contains("logs/2.avro: block index not used"));
    folder.run(&["--quiet", "-c", sql]).wrote("n\n300\n");
    folder.run(&["--option", "index=ignore", "-c", sql]).wrote("n\n300\n");
    let ran = folder.run(&["index", "logs"]);
    let words: Vec<_> = ran.stdout().lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["kept", "built"]);
    folder.run(&["-c", sql]).wrote("n\n300\n");
}

#[test]
fn unindexable_input_fails() {
    let folder = folder();
    let mut cut = avro(SCHEMA, 10, &rows(0..100));
    cut.pop();
    folder.file("bad/cut.avro", cut);
    let cases: [(&[&str], &[&str]); 4] = [
        (
            &["index", "logs", "--columns", "nothing"],
            &["1.avro", "no column `nothing` that can be indexed", "id, name"],
        ),
        (&["index", "nothing.avro"], &["no such file or directory: nothing.avro"]),
        (&["index", "bad"], &["cut.avro"]),
        (&["index", "logs", "bad"], &["cut.avro"]),
    ];
    check_all(cases, |(arguments, words)| {
        folder.run(arguments).failed(1, words);
    });
    assert!(!folder.path("bad/.cut.avro.avroidx").exists());
}
