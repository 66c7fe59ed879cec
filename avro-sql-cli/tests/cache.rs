//! `avro-sql cache`: columnar copies are made, used, left when their file changes, and never change an answer.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use support::{Folder, Ran, Value, avro};

const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[
    {"name":"id","type":"long"},{"name":"name","type":["null","string"]}]}"#;

fn rows(ids: std::ops::Range<i64>) -> Vec<Value> {
    ids.map(|id| Value::Record(vec![id.into(), (id % 3 > 0).then_some("x").into()])).collect()
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("logs/1.avro", avro(SCHEMA, 10, &rows(0..100)));
    folder.file("logs/2.avro", avro(SCHEMA, 10, &rows(100..200)));
    folder
}

/// Runs a command that must succeed without a message.
#[track_caller]
fn run(folder: &Folder, arguments: &[&str]) -> String {
    let ran = folder.run(arguments);
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{arguments:?}");
    ran.stdout().to_owned()
}

/// Returns what the plan of a query says about copies.
#[track_caller]
fn cached(folder: &Folder, sql: &str) -> Option<String> {
    let plan = run(folder, &["-c", &format!("EXPLAIN {sql}")]);
    let (_, cached) = plan.split_once("cached=")?;
    let root = folder.path("").canonicalize().unwrap().display().to_string();
    let cached = cached.lines().next().unwrap().split(", predicate=").next().unwrap();
    Some(cached.replace(&format!("{root}/"), ""))
}

/// Runs a query with the setting of the cache.
fn with(folder: &Folder, cache: &str, arguments: &[&str]) -> Ran {
    let mut all = vec!["--option", cache];
    all.extend(arguments);
    folder.run(&all)
}

/// Checks that a query has the same result with copies and without.
#[track_caller]
fn same(folder: &Folder, sql: &str) {
    let ask = |cache| {
        let ran = with(folder, cache, &["--json", "-c", sql]);
        (ran.stdout().to_owned(), ran.stderr, ran.code)
    };
    assert_eq!(ask("cache=use"), ask("cache=ignore"), "{sql}");
}

fn copies(folder: &Folder) -> Vec<String> {
    let files = fs::read_dir(folder.path(".cache/avro-sql")).into_iter().flatten();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn cache_command_makes_keeps_lists_and_clears() {
    let folder = folder();
    let root = folder.path("").canonicalize().unwrap().display().to_string();
    let lines = |arguments: &[&str]| {
        let mut lines: Vec<String> = run(&folder, arguments)
            .lines()
            .map(|line| line.replace(&format!("{root}/"), ""))
            .map(|line| line.split(" bytes").next().unwrap().trim_end_matches(|c: char| c.is_ascii_digit()).to_owned())
            .collect();
        lines.sort();
        lines
    };
    let line = |word: &str, columns: &str| {
        ["logs/1.avro", "logs/2.avro"].map(|file| format!("{word} the copy of {file}: 100 rows, {columns}, ")).to_vec()
    };
    assert_eq!(cached(&folder, "SELECT id FROM 'logs'"), None);
    assert_eq!(lines(&["cache", "logs", "--columns", "id"]), line("built", "1 column"));
    assert_eq!(cached(&folder, "SELECT id FROM 'logs'").as_deref(), Some("all 2 files"));
    assert_eq!(cached(&folder, "SELECT name FROM 'logs'"), None);
    assert_eq!(lines(&["cache", "logs", "--columns", "ID"]), line("kept", "1 column"));
    // The columns of a copy stay.
    assert_eq!(lines(&["cache", "logs", "--columns", "name"]), line("built", "2 columns"));
    assert_eq!(lines(&["cache", "logs"]), line("kept", "2 columns"));
    assert_eq!(lines(&["cache", "logs/1.avro", "--force"]), line("built", "2 columns")[..1]);
    assert_eq!(cached(&folder, "SELECT name FROM 'logs/1.avro'").as_deref(), Some("the file"));
    assert_eq!(
        lines(&["cache", "list"]),
        ["2 copies of ", "logs/1.avro: 100 rows, 2 columns, ", "logs/2.avro: 100 rows, 2 columns, "]
    );
    run(&folder, &["cache", "clear", "logs/1.avro"]);
    assert_eq!(cached(&folder, "SELECT name FROM 'logs'").as_deref(), Some("1 of 2 files [logs/2.avro]"));
    same(&folder, "SELECT * FROM 'logs'");
    assert!(run(&folder, &["cache", "clear"]).starts_with("removed 1 copy of "));
    assert_eq!(copies(&folder).len(), 0);
    folder.run(&["cache", "logs", "--columns", "no"]).failed(1, &["no column `no` in the files; available: id, name"]);
    folder.run(&["cache", "missing"]).failed(1, &["no such file"]);
}

#[test]
fn queries_have_same_answers() {
    let folder = folder();
    folder.file("parts/day=1/a.avro", avro(SCHEMA, 7, &rows(0..50)));
    folder.file("parts/day=2/a.avro", avro(SCHEMA, 7, &rows(50..99)));
    run(&folder, &["cache", "logs", "parts"]);
    let cases = [
        ("SELECT * FROM 'logs'", "all 2 files"),
        ("SELECT name FROM 'logs' WHERE id > 150", "all 2 files"),
        ("SELECT id FROM 'logs' WHERE name IS NULL AND id % 7 = 1", "all 2 files"),
        ("SELECT * FROM 'logs' WHERE id < 0", "all 2 files"),
        ("SELECT * FROM 'logs' ORDER BY id DESC LIMIT 3", "all 2 files"),
        ("SELECT * FROM 'logs' LIMIT 3", "all 2 files"),
        ("SELECT * FROM 'logs' WHERE name = 'x' LIMIT 3", "all 2 files"),
        ("SELECT name, sum(id) FROM 'logs' GROUP BY name ORDER BY 2", "all 2 files"),
        ("SELECT a.id, b.name FROM 'logs' a JOIN 'logs/2.avro' b ON a.id = b.id WHERE b.name = 'x' ORDER BY 1", ""),
        ("SELECT day, count(name), min(id) FROM 'parts' GROUP BY day ORDER BY day", "all 2 files"),
        ("SELECT id FROM 'parts' WHERE day = 2 AND id > 60", "the file"),
        ("SELECT id, day FROM 'parts' WHERE day * 40 < id", "all 2 files"),
        ("SELECT CAST(name AS INT) FROM 'logs'", "all 2 files"),
        ("SELECT id FROM 'logs' WHERE CAST(name AS INT) = 1", "all 2 files"),
        ("SELECT id FROM 'logs' WHERE 100 / (id - 150) > 3", "all 2 files"),
        ("SELECT count(*), min(id), max(id), count(name) FROM 'logs'", ""),
        ("SELECT id, _file FROM 'logs' ORDER BY id LIMIT 5", ""),
        ("SELECT id, _block, _row, _offset FROM 'logs'", ""),
    ];
    for (sql, expected) in cases {
        same(&folder, sql);
        if !expected.is_empty() {
            assert_eq!(cached(&folder, sql).as_deref(), Some(expected), "{sql}");
        }
    }
    assert_eq!(cached(&folder, "SELECT id, _row FROM 'logs'"), None);
    let lenient = run(&folder, &["--lenient", "-c", "EXPLAIN SELECT id FROM 'logs'"]);
    assert!(!lenient.contains("cached="), "damaged blocks are only seen in the file: {lenient}");
}

#[test]
fn all_types_have_same_values() {
    let folder = Folder::new();
    let valid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/valid");
    let (mut script, mut explain) = (String::new(), String::new());
    let mut names = vec!["cache".to_owned()];
    for entry in fs::read_dir(valid).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|e| e == "avro") {
            folder.file(&name, fs::read(&path).unwrap());
            script.push_str(&format!("SELECT * FROM '{name}';\n"));
            explain.push_str(&format!("EXPLAIN SELECT * FROM '{name}';\n"));
            names.push(name);
        }
    }
    folder.file("all.sql", script).file("explain.sql", explain);
    let expected = with(&folder, "cache=ignore", &["--json", "-f", "all.sql"]);
    assert_eq!((expected.stderr.as_str(), expected.code), ("", 0));
    run(&folder, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let plans = run(&folder, &["-f", "explain.sql"]);
    let (n, of) = (plans.matches("cached=the file").count(), plans.matches("file_type=avro").count());
    assert!(n * 10 > of * 8, "of {of} files, {n} are read whole from copies");
    let found = with(&folder, "cache=use", &["--json", "-f", "all.sql"]);
    assert!(found.stdout() == expected.stdout(), "an answer differs");
    assert_eq!((found.stderr.as_str(), found.code), ("", 0));
    for option in ["unions=struct", "strings=plain", "enums=string", "decimals=bytes", "recursion_levels=2"] {
        let ask = |cache| {
            let ran = with(&folder, cache, &["--option", option, "--json", "-f", "all.sql"]);
            (ran.stdout().to_owned(), ran.stderr, ran.code)
        };
        assert!(ask("cache=use") == ask("cache=ignore"), "an answer differs with {option}");
    }
}

#[test]
fn changed_files_are_read_themselves() {
    let folder = folder();
    let sql = "SELECT count(*) AS n, sum(id) AS s FROM 'logs/1.avro' WHERE id >= 0";
    let path = folder.path("logs/1.avro");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let set_time = |time| File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let fresh = || {
        run(&folder, &["cache", "logs/1.avro"]);
        assert_eq!(cached(&folder, sql).as_deref(), Some("the file"));
    };
    fresh();
    set_time(modified + Duration::from_secs(5));
    assert_eq!(cached(&folder, sql), None, "another time");
    fresh();
    // Size and time stay, but not the marker.
    let text = fs::read(&path).unwrap();
    let marker = b"0123456789abcdef";
    let place = |bytes: &[u8], from: usize| bytes[from..].windows(16).position(|w| w == marker).map(|at| from + at);
    let mut same_rows = text.clone();
    let mut at = 0;
    while let Some(found) = place(&same_rows, at) {
        same_rows[found] = b'Z';
        at = found + 16;
    }
    fs::write(&path, &same_rows).unwrap();
    set_time(modified + Duration::from_secs(5));
    assert_eq!(cached(&folder, sql), None, "another sync marker");
    fresh();
    fs::write(&path, avro(SCHEMA, 10, &rows(0..101))).unwrap();
    assert_eq!(run(&folder, &["-c", sql]), "n,s\n101,5050\n");
    assert_eq!(cached(&folder, sql), None, "another size");
    // A copy that is cut, or is not one.
    fresh();
    let copy = folder.path(".cache/avro-sql").join(&copies(&folder)[0]);
    let bytes = fs::read(&copy).unwrap();
    for bad in [&bytes[..bytes.len() / 2], b"PAR1", b""] {
        fs::write(&copy, bad).unwrap();
        assert_eq!(run(&folder, &["-c", sql]), "n,s\n101,5050\n");
        assert_eq!(cached(&folder, sql), None);
    }
    fresh();
}

#[test]
fn evolved_directories_resolve_the_same() {
    let folder = Folder::new();
    let color = r#"{"type":"enum","name":"C","symbols":["RED","BLUE"],"default":"RED"}"#;
    let old = format!(
        r#"{{"type":"record","name":"r","fields":[{{"name":"id","type":"int"}},{{"name":"v","type":"float"}},
        {{"name":"c","type":{color}}},{{"name":"gone","type":"string"}}]}}"#
    );
    let new = r#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"},{"name":"v","type":"double"},
        {"name":"c","type":{"type":"enum","name":"C","symbols":["BLUE","GREEN","RED"],"default":"RED"}},
        {"name":"more","type":["null","string"],"default":null},{"name":"n","type":"int","default":7},
        {"name":"t","type":"string","default":"none"}]}"#;
    let float = |v: f32| Value::Fixed(v.to_le_bytes().to_vec());
    let old_row = |id: i64| Value::Record(vec![id.into(), float(0.1 + id as f32), (id % 2).into(), "g".into()]);
    let new_row = |id: i64| {
        let more = (id % 2 == 0).then_some("m").into();
        Value::Record(vec![id.into(), Value::Double(0.3), (id % 3).into(), more, 1.into(), "t".into()])
    };
    folder.file("d/old.avro", avro(&old, 10, &(0..40).map(old_row).collect::<Vec<_>>()));
    folder.file("d/new.avro", avro(new, 10, &(1 << 40..(1 << 40) + 30).map(new_row).collect::<Vec<_>>()));
    folder.file("r.avsc", new);
    let queries = [
        "SELECT * FROM 'd' ORDER BY id",
        "SELECT sum(id), sum(v), min(id), max(id) FROM 'd'",
        "SELECT c, count(*) FROM 'd' GROUP BY c ORDER BY c",
        "SELECT id FROM 'd' WHERE more IS NULL AND n = 7 AND c = 'RED'",
        "SELECT count(*) FROM 'd' WHERE v > 0.1",
        "SELECT * FROM 'd/old.avro'",
        "SELECT max(id), min(v) FROM 'd/old.avro'",
    ];
    // Copies of the files alone, of the directory, and of both.
    for path in ["d/old.avro", "d", "d/new.avro", "d/old.avro"] {
        run(&folder, &["cache", path]);
        queries.iter().for_each(|sql| same(&folder, sql));
    }
    run(&folder, &["cache", "clear"]);
    run(&folder, &["cache", "d"]);
    assert_eq!(cached(&folder, "SELECT * FROM 'd'").as_deref(), Some("all 2 files"));
    for sql in queries {
        let ask = |cache| with(&folder, cache, &["--reader-schema", "r.avsc", "--json", "-c", sql]);
        let (found, expected) = (ask("cache=use"), ask("cache=ignore"));
        assert_eq!((found.stdout(), &found.stderr), (expected.stdout(), &expected.stderr), "{sql}");
    }
    // A file with another column leaves the columns of the others as they are.
    let third = r#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"},{"name":"late","type":"int","default":1}]}"#;
    folder.file("e/new.avro", folder.read("d/new.avro"));
    run(&folder, &["cache", "e"]);
    folder.file("e/late.avro", avro(third, 10, &[Value::Record(vec![5.into(), 6.into()])]));
    let found = cached(&folder, "SELECT id FROM 'e'");
    assert_eq!(found.as_deref(), Some("1 of 2 files [e/new.avro]"));
    same(&folder, "SELECT id, late FROM 'e' ORDER BY id");
}

#[test]
fn queries_make_copies_with_auto() {
    let folder = folder();
    let auto = |sql: &str| with(&folder, "cache=auto", &["-c", sql]);
    auto("SELECT id FROM 'logs' LIMIT 3").wrote("id\n0\n1\n2\n");
    auto("EXPLAIN SELECT sum(id) AS s FROM 'logs'");
    assert_eq!(copies(&folder).len(), 0, "neither reads all rows");
    auto("SELECT sum(id) AS s FROM 'logs'").wrote("s\n19900\n");
    assert_eq!(cached(&folder, "SELECT id FROM 'logs'").as_deref(), Some("all 2 files"));
    assert_eq!(cached(&folder, "SELECT name FROM 'logs'"), None);
    auto("SELECT count(*) AS n FROM 'logs' WHERE name = 'x' AND id > 10").wrote("n\n126\n");
    assert_eq!(cached(&folder, "SELECT * FROM 'logs'").as_deref(), Some("all 2 files"));
    assert_eq!(copies(&folder).len(), 2);
    // Without a place to write, queries go on.
    let ran = folder.run(&[
        "--option",
        "cache=auto",
        "--option",
        "cache_path=logs/1.avro/x",
        "-c",
        "SELECT max(id) FROM 'logs'",
    ]);
    assert_eq!((ran.stdout(), ran.code), ("max(id)\n199\n", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("no copy in the cache"), "{}", ran.stderr);
    run(&folder, &["cache", "clear"]);
    let ran = folder.run(&["--read-only", "--option", "cache=auto", "-c", "SELECT max(id) FROM 'logs'"]);
    ran.wrote("max(id)\n199\n");
    assert_eq!(copies(&folder).len(), 0);
}

#[test]
fn statements_make_and_remove_copies() {
    let folder = folder();
    let script = "CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION 'logs'; CREATE CACHE ON t (ID); CREATE CACHE ON 'logs/2.avro';";
    run(&folder, &["-c", script]);
    assert_eq!(cached(&folder, "SELECT id FROM 'logs'").as_deref(), Some("all 2 files"));
    assert_eq!(cached(&folder, "SELECT * FROM 'logs'").as_deref(), Some("1 of 2 files [logs/2.avro]"));
    run(&folder, &["-t", "t=logs", "-c", "DROP CACHE ON T;"]);
    assert_eq!(copies(&folder).len(), 0);
    let cases: [(&str, &str); 6] = [
        ("CREATE CACHE ON missing", "missing"),
        ("CREATE CACHE t", "write CREATE CACHE ON t"),
        ("CREATE CACHE ON t (a + b)", "names of columns"),
        ("CREATE CACHE ON t (no)", "no column `no` in the files; available: id, name"),
        ("DROP CACHE ON t (id)", "unexpected `(`"),
        ("CREATE TABLE m AS SELECT 1 AS a; CREATE CACHE ON m", "m is not a table of Avro files"),
    ];
    for (sql, words) in cases {
        folder.run(&["-t", "t=logs", "-c", sql]).failed(1, &[words]);
    }
    folder.run(&["--read-only", "-t", "t=logs", "-c", "CREATE CACHE ON t"]).failed(1, &["--read-only forbids"]);
}

#[test]
fn values_that_parquet_would_change_stay_with_avro() {
    let folder = Folder::new();
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
    let schema = format!(
        r#"{{"type":"record","name":"r","fields":[{{"name":"id","type":"long"}},{{"name":"d","type":{decimal}}},
        {{"name":"e","type":{{"type":"record","name":"Empty","fields":[]}}}},
        {{"name":"l","type":{{"type":"array","items":{decimal}}}}}]}}"#
    );
    let bytes = |n: i64| Value::Text(n.to_be_bytes().to_vec());
    let row = |id: i64, d: i64, l: i64| {
        Value::Record(vec![id.into(), bytes(d), Value::Record(vec![]), Value::Array(vec![bytes(l)])])
    };
    folder.file("wide.avro", avro(&schema, 2, &[row(1, 1234, 5), row(2, 123_456_789_012, 5), row(3, -1, 5)]));
    folder.file("fits.avro", avro(&schema, 2, &[row(1, 1234, 5), row(2, -9999, 9_999)]));
    assert!(run(&folder, &["cache", "wide.avro"]).contains("; not in the copy: e, d"));
    assert!(run(&folder, &["cache", "fits.avro"]).contains("; not in the copy: e\n"));
    for file in ["wide", "fits"] {
        for columns in ["*", "d", "id, l", "id"] {
            same(&folder, &format!("SELECT {columns} FROM '{file}.avro'"));
        }
    }
    assert_eq!(cached(&folder, "SELECT id, l FROM 'wide.avro'").as_deref(), Some("the file"));
    assert_eq!(cached(&folder, "SELECT id, d FROM 'wide.avro'"), None);
    assert_eq!(cached(&folder, "SELECT id, d, l FROM 'fits.avro'").as_deref(), Some("the file"));
}

/// Writes a file of several megabytes with many blocks.
fn big(folder: &Folder) {
    let sql = "COPY (SELECT value AS id, value % 1000 AS k, 'row number ' || (value * 7919 % 1000003) AS name, \
               [value, value + 1] AS l FROM range(700000)) TO 'big.avro' (codec 'null')";
    run(folder, &["-c", sql]);
    assert!(fs::metadata(folder.path("big.avro")).unwrap().len() > 20 << 20);
}

#[test]
fn large_files_have_several_row_groups_in_order() {
    let folder = Folder::new();
    big(&folder);
    run(&folder, &["cache", "big.avro", "--threads", "3"]);
    let queries = [
        "SELECT sum(id), sum(k), count(name), sum(l[2]), min(name), max(name) FROM 'big.avro'",
        "SELECT id, name FROM 'big.avro' WHERE id BETWEEN 262000 AND 262300 OR id = 699999",
        "SELECT id FROM 'big.avro' WHERE k = 77",
        "SELECT id, l FROM 'big.avro' ORDER BY id DESC LIMIT 5",
        "SELECT id FROM 'big.avro' OFFSET 400000 LIMIT 4",
        "SELECT k, count(*) FROM 'big.avro' WHERE name LIKE '%99' GROUP BY k ORDER BY k LIMIT 10",
    ];
    for sql in queries {
        assert!(cached(&folder, sql).is_some(), "{sql}");
        for threads in ["1", "4"] {
            let ask = |cache| {
                let ran = with(&folder, cache, &["--threads", threads, "-c", sql]);
                (ran.stdout().to_owned(), ran.stderr, ran.code)
            };
            assert_eq!(ask("cache=use"), ask("cache=ignore"), "{sql} with {threads} threads");
        }
    }
    let analyzed = run(&folder, &["-c", "EXPLAIN ANALYZE SELECT name FROM 'big.avro' WHERE id > 650000"]);
    let pruned = analyzed.split("blocks_pruned=").nth(1).unwrap().split([',', ']']).next().unwrap();
    assert_ne!(pruned, "0", "row groups have bounds: {analyzed}");
}

#[test]
fn killed_and_concurrent_processes_leave_whole_copies() {
    let folder = Folder::new();
    big(&folder);
    let sql = "SELECT sum(id) AS a, sum(k) AS b, count(name) AS c FROM 'big.avro'";
    let expected = run(&folder, &["-c", sql]);
    for milliseconds in [100, 300, 600, 1000] {
        let mut child = folder.command(&["cache", "big.avro"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(run(&folder, &["-c", sql]), expected, "killed after {milliseconds} ms");
    }
    // Several write the same copy, while others read.
    let mut children: Vec<_> = (0..3)
        .map(|_| folder.command(&["cache", "big.avro", "--force"]).spawn().unwrap())
        .chain((0..2).map(|_| folder.command(&["--option", "cache=auto", "-c", sql]).spawn().unwrap()))
        .collect();
    for _ in 0..3 {
        assert_eq!(run(&folder, &["-c", sql]), expected);
    }
    for child in children.drain(..) {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(cached(&folder, sql).as_deref(), Some("the file"));
    assert_eq!(run(&folder, &["-c", sql]), expected);
    // What killed processes left goes with time.
    for name in copies(&folder).iter().filter(|name| name.ends_with(".writing")) {
        let file = File::options().write(true).open(folder.path(".cache/avro-sql").join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    }
    run(&folder, &["cache", "big.avro", "--force", "--columns", "id"]);
    assert_eq!(copies(&folder).len(), 1);
}

#[test]
fn copies_are_removed_when_the_cache_is_full() {
    let folder = folder();
    run(&folder, &["cache", "logs", "--dir", "copies"]);
    let all = run(&folder, &["cache", "list", "--dir", "copies"]);
    let bytes = |line: &str| line.split(" bytes").next().unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let one = bytes(all.lines().next().unwrap());
    let max = (one * 3 / 2).to_string();
    run(&folder, &["cache", "logs", "--dir", "copies", "--force", "--max-size", &max]);
    assert!(run(&folder, &["cache", "list", "--dir", "copies"]).contains("1 copy of "));
    let small = run(&folder, &["cache", "logs/1.avro", "--dir", "copies", "--force", "--max-size", "100"]);
    assert!(small.contains("it is larger than the cache; use --max-size"), "{small}");
    let plan = folder.run(&["--option", "cache_path=copies", "-c", "EXPLAIN SELECT id FROM 'logs'"]);
    assert!(plan.stdout().contains("cached=1 of 2 files"), "{}", plan.stdout());
}
