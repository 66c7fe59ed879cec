//! Unusual files: compressed, concatenated, damaged, many, and with special names.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;

use support::Folder;

/// `a,b` and two rows, as CSV, NDJSON and a JSON array, compressed by gzip.
const CSV_GZ: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\xd4\x49\xe2\x32\xd4\xa9\xe0\x32\xd2\xa9\xe4\x02\x00\
    \xc2\x96\x7e\x9d\x0c\x00\x00\x00";
const NDJSON_GZ: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x54\xb2\x32\xd4\x51\x4a\x52\xb2\x52\xaa\x50\
    \xaa\xe5\xaa\x06\xf1\x8d\x20\xfc\x4a\x20\x1f\x00\xf9\x51\x7a\x61\x20\x00\x00\x00";
const JSON_GZ: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x8b\xae\x56\x4a\x54\xb2\x32\xd4\x51\x4a\x52\xb2\x52\xaa\
    \x50\xaa\xd5\x01\xf3\x8d\x20\xfc\x4a\xa5\xda\x58\x00\x48\x4e\x63\x41\x21\x00\x00\x00";

const ROWS: &str = "a,b\n1,x\n2,y\n";

#[test]
fn compressed_text_reads_as_table() {
    let folder = Folder::new();
    let files = [("x.csv.gz", CSV_GZ), ("x.ndjson.gz", NDJSON_GZ), ("x.jsonl.gz", NDJSON_GZ), ("x.json.gz", JSON_GZ)];
    for (name, bytes) in files {
        folder.file(name, bytes).file(&format!("in-{name}/{name}"), bytes);
        folder.run(&["-c", &format!("SELECT a, b FROM '{name}' ORDER BY a")]).wrote(ROWS);
        folder.run(&["-c", &format!("SELECT a, b FROM 'in-{name}/' ORDER BY a")]).wrote(ROWS);
        folder.run(&["convert", name, "out.avro"]).wrote("");
        folder.run(&["-c", "SELECT a, b FROM 'out.avro' ORDER BY a"]).wrote(ROWS);
        folder.run(&["convert", &format!("in-{name}/"), "out.csv"]).wrote("");
        folder.run(&["-c", "SELECT a, b FROM 'out.csv' ORDER BY a"]).wrote(ROWS);
    }
    // Hidden files are not data, and another extension is another table.
    folder.file("in-x.csv.gz/_SUCCESS", "{}");
    folder.run(&["-c", "SELECT a, b FROM 'in-x.csv.gz/' ORDER BY a"]).wrote(ROWS);
    folder.file("in-x.csv.gz/y.csv", "a,b\n3,z\n");
    let ran = folder.run(&["-c", "SELECT a, b FROM 'in-x.csv.gz/' ORDER BY a"]);
    assert_eq!((ran.stdout(), ran.code), (ROWS, 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("left out y.csv and others like it"), "{}", ran.stderr);
    folder.run(&["convert", "in-x.csv.gz/", "out.avro"]).failed(2, &["have different compression"]);
    fs::remove_file(folder.path("in-x.csv.gz/y.csv")).unwrap();
    folder.run(&["convert", "in-x.csv.gz/", "each/", "--to", "avro"]).wrote("");
    folder.run(&["-c", "SELECT a, b FROM 'each/x.avro' ORDER BY a"]).wrote(ROWS);
}

#[test]
fn compressed_avro_warns() {
    let folder = Folder::new();
    support::people(&folder);
    folder.file("x.avro.gz", CSV_GZ).file("gz/a.avro.gz", CSV_GZ).file("dir/a.avro.gz", CSV_GZ);
    folder.file("dir/b.avro", folder.read("people.avro"));
    let gzip = "this is gzip; decompress it first";
    folder.run(&["count", "x.avro.gz"]).failed(1, &[gzip]);
    folder.run(&["convert", "x.avro.gz", "x.csv"]).failed(1, &[gzip]);
    folder.run(&["-c", "SELECT * FROM 'x.avro.gz'"]).failed(1, &[gzip]);
    folder.run(&["-c", "SELECT * FROM 'gz/*'"]).failed(1, &[gzip]);
    let left_out = "left out: a.avro.gz (gzip; decompress first: gunzip)";
    folder.run(&["count", "gz/"]).failed(1, &["gz/: no Avro files", left_out]);
    folder.run(&["-c", "SELECT * FROM 'gz/'"]).failed(1, &[left_out]);
    for command in [
        &["-c", "SELECT count(*) FROM 'dir/'"][..],
        &["-c", "SELECT count(*) FROM avro_metadata('dir/')"],
        &["count", "dir/"],
        &["cat", "dir/"],
        &["meta", "dir/"],
        &["convert", "dir/", "all.csv"],
        &["index", "dir/"],
    ] {
        let ran = folder.run(command);
        let warning = "avro-sql: warning: dir/: left out a.avro.gz (gzip; decompress first: gunzip)\n";
        assert_eq!((ran.stderr.as_str(), ran.code), (warning, 0), "{command:?}");
        assert_eq!(folder.run(&[command, &["--quiet"]].concat()).stderr, "", "{command:?}");
    }
}

/// Rows keep the order of the files, on any number of threads.
#[test]
fn unordered_query_keeps_file_order() {
    let folder = Folder::new();
    let make = |from: u32, to: u32, file: &str| {
        let rows = format!("SELECT value AS id, repeat('x', 400) || value AS t FROM generate_series({from}, {to})");
        let copied = folder.run(&["-c", &format!("COPY ({rows}) TO '{file}' OPTIONS (codec 'null')")]);
        assert_eq!(copied.code, 0, "{}", copied.stderr);
    };
    fs::create_dir(folder.path("d")).unwrap();
    make(0, 29_999, "d/a.avro");
    make(30_000, 30_009, "d/b.avro");
    make(30_010, 59_999, "d/c.avro");
    let ids = |text: &str| text.lines().skip(1).map(|line| line.parse().unwrap()).collect::<Vec<u32>>();
    let all: Vec<u32> = (0..60_000).collect();
    let odd: Vec<u32> = (0..60_000).filter(|id| id % 3 == 1).collect();
    let threads = ["--threads", "5"];
    let answer = |sql: &str| {
        let ran = folder.run(&[&threads[..], &["-c", sql]].concat());
        assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{sql}");
        ids(ran.stdout())
    };
    let is = |found: Vec<u32>, expected: &[u32], what: &str| {
        let first = found.iter().zip(expected).position(|(a, b)| a != b);
        assert!(found == expected, "{what}: {} rows, the first other one is {first:?}", found.len());
    };
    is(answer("SELECT id FROM 'd/'"), &all, "all");
    is(answer("SELECT id FROM 'd/' WHERE id % 3 = 1"), &odd, "a filter");
    is(answer("SELECT id FROM 'd/' WHERE length(t) > 3 AND id % 3 = 1"), &odd, "two filters");
    is(answer("SELECT id FROM 'd/' WHERE id % 3 = 1 LIMIT 1000"), &odd[..1000], "a limit");
    is(answer("SELECT id FROM 'd/' OFFSET 29900 LIMIT 15000"), &all[29_900..44_900], "an offset");
    is(answer("SELECT id FROM (SELECT id + 0 AS id FROM 'd/') WHERE id >= 10"), &all[10..], "a subquery");
    is(answer("SELECT unnest([id]) AS id FROM 'd/'"), &all, "unnest");
    let twice = [&all[30_010..], &all[..30_000]].concat();
    is(answer("SELECT id FROM 'd/c.avro' UNION ALL SELECT id FROM 'd/a.avro'"), &twice, "a union");
    let grouped = answer("SELECT id FROM 'd/' GROUP BY id UNION ALL SELECT id FROM 'd/b.avro'");
    is(grouped[60_000..].to_vec(), &all[30_000..30_010], "a union of what has no order");
    folder.run(&[&threads[..], &["-c", "SELECT id FROM 'd/'", "-o", "o.csv"]].concat()).wrote("");
    is(ids(std::str::from_utf8(&folder.read("o.csv")).unwrap()), &all, "-o");
    for to in ["copy.avro", "copy.parquet", "copy.csv"] {
        let copied = folder.run(&[&threads[..], &["-c", &format!("COPY (SELECT id, t FROM 'd/') TO '{to}'")]].concat());
        assert_eq!(copied.code, 0, "{}", copied.stderr);
        is(answer(&format!("SELECT id FROM '{to}'")), &all, to);
    }
    for more in [&["--select", "id"][..], &[]] {
        folder.run(&[&["convert", "d/", "converted.csv"], &threads[..], more].concat()).wrote("");
        is(answer("SELECT id FROM 'converted.csv'"), &all, "convert");
    }
    // With little memory, and with an early end.
    let little = [&threads[..], &["--memory-limit", "40M", "-c", "SELECT id FROM 'd/'"]].concat();
    let ran = folder.run(&little);
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0));
    is(ids(ran.stdout()), &all, "little memory");
}

#[test]
fn concatenated_files_are_read_and_repaired() {
    let folder = Folder::new();
    support::people(&folder);
    let copy = |rows: &str, file: &str| {
        let ran = folder.run(&["-c", &format!("COPY ({rows}) TO '{file}' OPTIONS (codec 'null')")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    };
    copy("SELECT value AS id FROM generate_series(1, 3)", "a.avro");
    copy("SELECT value AS id FROM generate_series(4, 6)", "b.avro");
    let at = folder.read("a.avro").len();
    folder.file("ab.avro", [folder.read("a.avro"), folder.read("b.avro")].concat());
    let words = ["a second file begins here", "`avro-sql repair`", &format!("file offset {at}")];
    for command in
        [&["-c", "SELECT * FROM 'ab.avro'"][..], &["count", "ab.avro"], &["cat", "ab.avro"], &["meta", "ab.avro"]]
    {
        let ran = folder.run(command);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{command:?}: {}", ran.stderr));
        assert_eq!(ran.code, 1, "{command:?}");
    }
    let repaired = folder.run(&["repair", "ab.avro", "r.avro"]);
    assert!(repaired.stdout().ends_with("2 intact blocks, 6 rows kept, 0 lost\n"), "{}", repaired.stdout());
    let six = "id\n1\n2\n3\n4\n5\n6\n";
    folder.run(&["-c", "SELECT id FROM 'r.avro'"]).wrote(six);
    for command in [
        &["--lenient", "-c", "SELECT id FROM 'ab.avro'"][..],
        &["cat", "--lenient", "--format", "csv", "ab.avro"],
        &["cat", "--lenient", "--threads", "1", "--format", "csv", "ab.avro"],
    ] {
        let ran = folder.run(command);
        assert_eq!((ran.stdout(), ran.code), (six, 0), "{command:?} {}", ran.stderr);
        assert!(ran.stderr.contains("skipped 0 rows"), "{}", ran.stderr);
    }
    // Rows of another schema do not belong to this file.
    folder.file("ap.avro", [folder.read("a.avro"), folder.read("people.avro")].concat());
    let repaired = folder.run(&["repair", "ap.avro", "r.avro"]);
    assert!(repaired.stdout().contains("a second file with a different schema begins here"), "{}", repaired.stdout());
    folder.run(&["-c", "SELECT id FROM 'r.avro'"]).wrote("id\n1\n2\n3\n");
}

/// A bad row costs no other row.
#[test]
fn bad_row_repair_keeps_rest() {
    let folder = Folder::new();
    let rows = "SELECT value AS id, 'text' || value AS t FROM generate_series(1, 9)";
    let ran = folder.run(&["-c", &format!("COPY ({rows}) TO 'a.avro' OPTIONS (codec 'null')")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut bytes = folder.read("a.avro");
    let at = bytes.windows(5).position(|five| five == b"text5").unwrap();
    bytes[at] = 0xff;
    folder.file("bad.avro", bytes);
    let repaired = folder.run(&["repair", "bad.avro", "r.avro"]);
    let words = ["lost 1 row of the 9 rows of a block", "0 intact blocks, 8 rows kept, 1 lost"];
    words.iter().for_each(|word| assert!(repaired.stdout().contains(word), "{}", repaired.stdout()));
    folder.run(&["-c", "SELECT count(*) AS n, sum(id) AS s FROM 'r.avro'"]).wrote("n,s\n8,40\n");
}

#[test]
fn bad_file_in_directory_is_reported() {
    let folder = Folder::new();
    support::people(&folder);
    folder.file("d/a.avro", folder.read("people.avro")).file("d/b.avro", "no Avro at all");
    folder.file("d/c.avro", folder.read("people.avro"));
    let bad = "not an Avro container file: it starts with no A";
    for command in [
        &["--lenient", "-c", "SELECT count(*) AS n FROM 'd/'"][..],
        &["-c", "SELECT count(*) AS n FROM read_avro('d/', damage => 'skip')"],
        &["count", "--lenient", "d/"],
    ] {
        let ran = folder.run(command);
        assert_eq!((ran.stdout().trim_start_matches("n\n"), ran.code), ("6\n", 0), "{command:?} {}", ran.stderr);
        assert!(ran.stderr.contains("skipped a file: ") && ran.stderr.contains("b.avro"), "{}", ran.stderr);
    }
    for command in [&["cat", "--lenient", "d/", "-o", "o.csv"][..], &["convert", "--lenient", "d/", "o.csv"]] {
        let ran = folder.run(command);
        assert!(ran.stderr.contains("skipped a file: ") && ran.code == 0, "{command:?} {}", ran.stderr);
        folder.run(&["-c", "SELECT count(*) AS n FROM 'o.csv'"]).wrote("n\n6\n");
    }
    let ran = folder.run(&["count", "--per-file", "d/"]);
    assert_eq!((ran.stdout(), ran.code), ("3\td/a.avro\n3\td/c.avro\n", 1));
    assert!(ran.stderr.contains(bad) && ran.stderr.contains("1 of 3 files cannot be read"), "{}", ran.stderr);
    let ran = folder.run(&["meta", "--json", "d/"]);
    assert_eq!((ran.stdout().lines().count(), ran.code), (3, 1));
    assert!(ran.stdout().lines().nth(1).unwrap().contains("\"error\":"), "{}", ran.stdout());
    let names = "regexp_replace(file, '.*/', '') AS file, error";
    let answer = format!("file,error\nb.avro,{bad} (file offset 0)\n");
    for function in ["avro_schema", "avro_metadata"] {
        let sql = format!("SELECT DISTINCT {names} FROM {function}('d/') WHERE error IS NOT NULL");
        folder.run(&["-c", &sql]).wrote(&answer);
        let sql = format!("SELECT count(DISTINCT file) AS n FROM {function}('d/') WHERE error IS NULL");
        folder.run(&["-c", &sql]).wrote("n\n2\n");
    }
}

#[cfg(unix)]
#[test]
fn special_file_names_are_read_and_written() {
    let folder = Folder::new();
    support::people(&folder);
    let three = "n\n3\n";
    for name in ["a [1].avro", "b *?.avro", "c %41 {x,y}+.avro", "é#&;.avro"] {
        folder.run(&["-c", &format!("COPY (SELECT * FROM 'people.avro') TO '{name}'")]).wrote("count\n3\n");
        assert!(folder.path(name).is_file(), "{name}");
        folder.run(&["-c", &format!("SELECT count(*) AS n FROM '{name}'")]).wrote(three);
        folder.run(&["count", name]).wrote("3\n");
        let text = name.replace(".avro", ".csv");
        folder.run(&["convert", name, &text]).wrote("");
        folder.run(&["-c", &format!("SELECT count(*) AS n FROM '{text}'")]).wrote(three);
        folder.run(&["convert", &text, "back.avro"]).wrote("");
        folder.run(&["-c", "SELECT count(*) AS n FROM 'back.avro'"]).wrote(three);
        folder.run(&["-c", &format!("COPY (SELECT * FROM '{text}') TO 'copy {text}'")]).wrote("count\n3\n");
        assert!(folder.path(&format!("copy {text}")).is_file(), "{name}");
    }
    // The home directory is the folder.
    folder.run(&["-c", "SELECT count(*) AS n FROM '~/people.avro'"]).wrote(three);
    folder.run(&["-c", "COPY (SELECT 1 AS a) TO '~/home.avro'"]).wrote("count\n1\n");
    assert!(folder.path("home.avro").is_file());
    // The engine cannot name it; other files are read.
    for name in ["x\ny.avro", "a.avro", "z.avro", "in/b.avro", "in/c.avro"] {
        folder.file(&format!("nl/{name}"), folder.read("people.avro"));
    }
    let ran = folder.run(&["-c", "SELECT count(*) AS n FROM 'nl/'"]);
    assert_eq!((ran.stdout(), ran.code), ("n\n12\n", 0), "{}", ran.stderr);
    let ran = folder.run(&["-c", "SELECT count(*) AS n FROM 'nl/*.avro'"]);
    assert_eq!((ran.stdout(), ran.code), ("n\n6\n", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("left out x\\ny.avro (a control character"), "{}", ran.stderr);
    folder.run(&["count", "nl/"]).wrote("15\n");
    folder.run(&["-c", "DROP TABLE 'nl/'"]).failed(1, &["delete files with rm"]);
    folder.run(&["-c", "DROP TABLE IF EXISTS 'people.avro'"]).failed(1, &["delete files with rm"]);
}

/// `cat` keeps the codec and metadata of its input.
#[test]
fn cat_to_avro_keeps_codec_and_metadata() {
    let folder = Folder::new();
    let copy = "COPY (SELECT 1 AS a) TO 'a.avro' OPTIONS (codec 'zstandard', 'metadata::who' 'me')";
    folder.run(&["-c", copy]).wrote("count\n1\n");
    folder.run(&["cat", "a.avro", "-o", "b.avro"]).wrote("");
    folder.run(&["meta", "--key", "who", "b.avro"]).wrote("me\n");
    folder.run(&["meta", "--key", "avro.codec", "b.avro"]).wrote("zstandard\n");
}

#[test]
fn declared_columns_match_case_insensitively() {
    let folder = Folder::new();
    let copy =
        "COPY (SELECT 7 AS \"userId\", {'City': 'x', 'zip': 1} AS \"Addr\", 1 AS \"Id\", 2 AS \"ID\") TO 'u.avro'";
    folder.run(&["-c", copy]).wrote("count\n1\n");
    let table = |columns: &str| format!("CREATE EXTERNAL TABLE t ({columns}) STORED AS AVRO LOCATION 'u.avro'");
    let one = "x\n7\n";
    for (columns, sql) in [
        ("userId BIGINT", "SELECT userId AS x FROM t"),
        ("USERID BIGINT", "SELECT userid AS x FROM t WHERE userId = 7"),
        ("userid VARCHAR", "SELECT userid AS x FROM t"),
        ("\"userId\" BIGINT", "SELECT \"userId\" AS x FROM t"),
        ("\"ID\" BIGINT, userid INT", "SELECT userid AS x FROM t WHERE \"ID\" = 2"),
        ("addr STRUCT<city VARCHAR>, userid INT", "SELECT userid AS x FROM t WHERE addr.city = 'x'"),
    ] {
        let ran = folder.run(&["-c", &table(columns), "-c", sql]);
        assert_eq!((ran.stderr.as_str(), ran.stdout()), ("", one), "{columns}");
    }
    for (columns, words) in [
        ("nope BIGINT", "no file has the declared column `nope`; available: Addr, ID, Id, userId"),
        ("addr STRUCT<nope VARCHAR>", "no file has the declared column `addr.nope`; available: City, zip"),
        ("id BIGINT", "the declared column `id` matches `Id` and `ID`"),
    ] {
        folder.run(&["-c", &table(columns)]).failed(1, &[words]);
    }
    // A table over an empty directory has its declared columns.
    let empty = "CREATE EXTERNAL TABLE t (a BIGINT, day INT) STORED AS AVRO PARTITIONED BY (day) LOCATION 'new/'";
    let ran = folder.run(&["-c", empty, "-c", "INSERT INTO t VALUES (1, 2)", "-c", "SELECT * FROM t"]);
    assert_eq!((ran.stderr.as_str(), ran.stdout()), ("", "count\n1\na,day\n1,2\n"));
    // A new row gets the file's column name.
    let sql = "CREATE EXTERNAL TABLE t (userId BIGINT) STORED AS AVRO LOCATION 'in/'";
    folder.file("in/u.avro", folder.read("u.avro"));
    let ran = folder.run(&["-c", sql, "-c", "INSERT INTO t VALUES (8)", "-c", "SELECT sum(userId) AS x FROM t"]);
    assert_eq!((ran.stderr.as_str(), ran.stdout()), ("", "count\n1\nx\n15\n"));
    folder.run(&["-c", "SELECT sum(\"userId\") AS x FROM 'in/'"]).wrote("x\n15\n");
}
