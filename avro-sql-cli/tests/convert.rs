//! `convert`: all formats in both directions, selections, directories, and cleanup after failures.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::time::{Duration, Instant};

use avro_testing::check_all;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use support::{Folder, Value, avro};

const SCHEMA: &str = r#"{"type":"record","name":"x.Row","doc":"rows","fields":[
    {"name":"id","type":"long","doc":"a number","field-id":7},
    {"name":"name","type":["null","string"],"default":null},
    {"name":"tags","type":{"type":"array","items":"string"}},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;

fn row(id: i64) -> Value {
    let name = if id % 3 == 0 { None } else { Some(Value::from(format!("n, {id}").as_str())) };
    Value::Record(vec![id.into(), name.into(), Value::Array(vec!["a".into(), "b".into()]), (id * 1_000_000).into()])
}

/// A folder with a file of the rows 1 to 5.
fn folder() -> Folder {
    let folder = Folder::new();
    let rows: Vec<_> = (1..=5).map(row).collect();
    folder.file("a.avro", avro(SCHEMA, 2, &rows));
    folder
}

/// Returns the rows of a file as NDJSON.
fn rows(folder: &Folder, name: &str) -> String {
    let ran = folder.run(&["convert", name, "check.ndjson"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{name}");
    let text = String::from_utf8(folder.read("check.ndjson")).unwrap();
    fs::remove_file(folder.path("check.ndjson")).unwrap();
    text
}

#[test]
fn convert_between_all_formats_keeps_rows() {
    let folder = folder();
    let expected = rows(&folder, "a.avro");
    assert_eq!(expected.lines().count(), 5);
    assert!(expected.starts_with("{\"id\":1,\"name\":\"n, 1\",\"tags\":[\"a\",\"b\"],"), "{expected}");
    let endings = ["avro", "parquet", "arrow", "arrows", "feather", "ndjson", "json"];
    for from in endings {
        folder.run(&["convert", "a.avro", &format!("from.{from}")]).wrote("");
        for to in endings {
            let (from, to) = (format!("from.{from}"), format!("to.{to}"));
            folder.run(&["convert", &from, &to]).wrote("");
            // JSON has no types for times: they stay text.
            let found = rows(&folder, &to);
            assert_eq!(
                found.replace("T", " ").replace("Z", ""),
                expected.replace("T", " ").replace("Z", ""),
                "{from} {to}"
            );
        }
    }
    for (to, separator) in [("out.csv", ','), ("out.tsv", '\t')] {
        folder.run(&["convert", "--select", "id, name", "a.avro", to]).wrote("");
        let text = String::from_utf8(folder.read(to)).unwrap();
        assert!(text.starts_with(&format!("id{separator}name\n1{separator}")), "{text}");
        folder.run(&["convert", to, "back.avro"]).wrote("");
        assert!(rows(&folder, "back.avro").starts_with("{\"id\":1,\"name\":\"n, 1\"}\n{\"id\":2,"));
    }
}

#[test]
fn avro_keeps_its_schema_through_parquet() {
    let folder = folder();
    folder.run(&["convert", "a.avro", "a.parquet"]).wrote("");
    let file = ParquetRecordBatchReaderBuilder::try_new(File::open(folder.path("a.parquet")).unwrap()).unwrap();
    let metadata = file.metadata().clone();
    assert_eq!(metadata.num_row_groups(), 1);
    assert!(metadata.row_group(0).column(0).statistics().is_some());
    assert_eq!(file.parquet_schema().root_schema().get_fields()[0].get_basic_info().id(), 7);
    let schema = file.schema();
    assert_eq!(schema.field(0).metadata()["avro.doc"], "a number");
    assert!(schema.metadata()["avro.schema"].contains("x.Row"));
    folder.run(&["convert", "a.parquet", "b.avro"]).wrote("");
    let schema_of = |name: &str| folder.run(&["schema", "--canonical", name]).stdout;
    assert_eq!(schema_of("b.avro"), schema_of("a.avro"));
}

#[test]
fn select_and_where_choose_rows() {
    let folder = folder();
    let ndjson = |arguments: &[&str]| {
        folder.run(&[&["convert"], arguments, &["a.avro", "out.ndjson"]].concat()).wrote("");
        String::from_utf8(folder.read("out.ndjson")).unwrap()
    };
    assert_eq!(
        ndjson(&["--select", "id * 2 AS twice", "--where", "id > 1 AND id < 4"]),
        "{\"twice\":4}\n{\"twice\":6}\n"
    );
    assert_eq!(ndjson(&["--where", "name IS NULL", "--select", "id"]), "{\"id\":3}\n");
    assert_eq!(ndjson(&["--where", "false"]), "");
    let strict =
        r#"{"type":"record","name":"S","fields":[{"name":"id","type":"int"},{"name":"name","type":"string"}]}"#;
    folder.file("s.avsc", strict);
    let convert = |arguments: &[&str]| folder.run(&[&["convert"], arguments, &["a.avro", "s.avro"]].concat());
    convert(&["--schema", "s.avsc", "--select", "id, name", "--where", "id < 3", "--codec", "deflate", "--level", "9"])
        .wrote("");
    let schema = folder.run(&["schema", "--canonical", "s.avro"]);
    assert!(String::from_utf8_lossy(&schema.stdout).contains(r#""type":"int""#));
    let header = folder.read("s.avro");
    assert!(header.windows(7).any(|bytes| bytes == b"deflate"));
    fs::remove_file(folder.path("s.avro")).unwrap();
    // A null that the schema forbids, and conflicting arguments.
    convert(&["--schema", "s.avsc", "--select", "id, name"]).failed(1, &["s.avro", "name"]);
    convert(&["--select", "nonsense"]).failed(1, &["nonsense"]);
    convert(&["--codec", "gzip"]).failed(2, &["codec not supported by Avro; use none, deflate"]);
    convert(&["--codec", "zstd", "--level", "99"]).failed(2, &["level 99 is not valid for zstandard"]);
    convert(&["--partition-by", "id"]).failed(2, &["--partition-by needs an output directory; write s.avro/"]);
    let parquet = |arguments: &[&str]| folder.run(&[&["convert"], arguments, &["a.avro", "s.parquet"]].concat());
    parquet(&["--schema", "s.avsc"]).failed(2, &["--schema applies to Avro"]);
    parquet(&["--codec", "xz"]).failed(2, &["codec not supported by Parquet; use none, snappy"]);
    parquet(&["--codec", "snappy", "--level", "3"]).failed(2, &["--level applies to the codecs zstd and gzip"]);
    assert!(!folder.names().iter().any(|name| name.starts_with("s.avro") || name.starts_with("s.parquet")));
}

#[test]
fn unions_of_queries_and_arrow_files_are_structs_in_parquet() {
    let folder = Folder::new();
    let schema = r#"{"type":"record","name":"U","fields":[{"name":"u","type":["null","long","string"]}]}"#;
    let values = [
        Value::Union(1, Box::new(7.into())),
        Value::Union(0, Box::new(Value::Null)),
        Value::Union(2, Box::new("x".into())),
    ];
    folder.file("u.avro", avro(schema, 9, &values.map(|value| Value::Record(vec![value]))));
    folder.run(&["convert", "u.avro", "u.arrow"]).wrote("");
    folder.run(&["convert", "u.avro", "direct.parquet"]).wrote("");
    folder.run(&["convert", "u.arrow", "arrow.parquet"]).wrote("");
    folder.run(&["-c", "SELECT * FROM 'u.avro'", "-o", "query.parquet"]).wrote("");
    let expected = rows(&folder, "direct.parquet");
    assert_eq!(expected.lines().count(), 3);
    assert!(expected.contains("7") && expected.contains("\"x\""), "{expected}");
    for name in ["arrow.parquet", "query.parquet"] {
        assert_eq!(rows(&folder, name), expected, "{name}");
    }
}

#[test]
fn convert_many_files_to_one_or_directory() {
    let folder = folder();
    folder.file("d/x/b.avro", avro(SCHEMA, 2, &[row(6)])).file("d/c.avro", avro(SCHEMA, 2, &[row(7)]));
    folder.run(&["convert", "a.avro", "d", "out/", "--to", "parquet"]).wrote("");
    assert_eq!(rows(&folder, "out/a.parquet").lines().count(), 5);
    assert!(rows(&folder, "out/x/b.parquet").starts_with("{\"id\":6,"));
    assert!(rows(&folder, "out/c.parquet").starts_with("{\"id\":7,"));
    // A directory of Parquet back into one file.
    folder.run(&["convert", "out", "all.avro"]).wrote("");
    assert_eq!(rows(&folder, "all.avro").lines().count(), 7);
    folder.run(&["convert", "a.avro", "d/c.avro", "all.csv", "--select", "id"]).wrote("");
    assert_eq!(folder.read("all.csv"), b"id\n1\n2\n3\n4\n5\n7\n");
    folder.run(&["convert", "a.avro", "out/a.parquet", "all.csv"]).failed(2, &["all inputs must have one format"]);
    folder.file("e/a.avro", avro(SCHEMA, 2, &[row(6)]));
    folder
        .run(&["convert", "a.avro", "e/a.avro", "twice/", "--to", "csv"])
        .failed(1, &["would both become twice/a.csv"]);
    folder.run(&["convert", "a.avro", "nothing/"]).failed(2, &["--to"]);
}

#[test]
fn partition_by_writes_directories() {
    let folder = folder();
    for (to, ending) in [("avro", "avro"), ("parquet", "parquet"), ("ndjson", "ndjson"), ("csv", "csv")] {
        let out = format!("by-{to}/");
        let select = "id, id % 2 AS k, name";
        folder.run(&["convert", "a.avro", &out, "--to", to, "--select", select, "--partition-by", "k,name"]).wrote("");
        let part = format!("{out}k=1/name=__HIVE_DEFAULT_PARTITION__/part-00002.{ending}");
        assert!(rows(&folder, &part).starts_with("{\"id\":3}"), "{to}");
        folder.run(&["convert", "a.avro", &out, "--to", to, "--partition-by", "id"]).failed(1, &["is not empty"]);
    }
    folder.run(&["-c", "SELECT k, sum(id) AS s FROM 'by-avro/' GROUP BY k ORDER BY k"]).wrote("k,s\n0,6\n1,9\n");
    folder
        .run(&["convert", "a.avro", "no/", "--to", "avro", "--partition-by", "z"])
        .failed(1, &["no column `z` to partition by"]);
}

/// More directories than open files, and rows of all of them in every batch.
#[test]
fn partition_by_many_values_bounds_open_files() {
    let folder = folder();
    let rows = "SELECT value AS v, value * 7 % 400 AS k FROM generate_series(1, 40000)";
    folder.run(&["-c", &format!("COPY ({rows}) TO 'many.avro'")]).wrote("count\n40000\n");
    folder.run(&["convert", "many.avro", "by/", "--to", "csv", "--partition-by", "k"]).wrote("");
    let directories: Vec<_> = fs::read_dir(folder.path("by")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files = directories.iter().map(|directory| fs::read_dir(directory).unwrap().count());
    assert_eq!((directories.len(), files.sum::<usize>()), (400, 400), "a file in each");
    let sums = "SELECT count(*) AS n, count(DISTINCT k) AS ks, sum(v) AS s, sum(v * k) AS sk FROM";
    let expected = folder.run(&["-c", &format!("{sums} 'many.avro'")]).stdout().to_owned();
    let by = "CREATE EXTERNAL TABLE by (v BIGINT, k BIGINT) STORED AS CSV PARTITIONED BY (k) LOCATION 'by/'";
    folder.run(&["-c", by, "-c", &format!("{sums} by")]).wrote(&expected);
}

#[test]
fn query_output_writes_avro() {
    let folder = folder();
    folder.run(&["-c", "SELECT id, name FROM 'a.avro' WHERE id < 3", "-o", "q.avro"]).wrote("");
    assert_eq!(rows(&folder, "q.avro"), "{\"id\":1,\"name\":\"n, 1\"}\n{\"id\":2,\"name\":\"n, 2\"}\n");
    let ran = folder.run(&["--format", "avro", "-c", "SELECT 1 AS one"]);
    assert!(ran.code == 0 && ran.stdout.starts_with(b"Obj\x01"));
    folder.run(&["-c", "COPY (SELECT id FROM 'a.avro') TO 'copy.avro' OPTIONS (codec 'xz')"]).wrote("count\n5\n");
    assert_eq!(rows(&folder, "copy.avro").lines().count(), 5);
}

/// Kills the command once it has begun to write, and returns the names in the folder.
#[cfg(unix)]
fn killed(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let mut child = folder.command(arguments).spawn().unwrap();
    let begun = Instant::now();
    let is_writing = || {
        let sizes =
            fs::read_dir(folder.path("out")).unwrap().map(|entry| entry.unwrap().metadata().map_or(0, |m| m.len()));
        sizes.sum::<u64>() > 1 << 20
    };
    while !is_writing() && begun.elapsed() < Duration::from_secs(60) {
        assert!(child.try_wait().unwrap().is_none(), "{arguments:?} is done already");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(is_writing(), "{arguments:?} wrote nothing");
    child.kill().unwrap();
    child.wait().unwrap();
    let entries = fs::read_dir(folder.path("out")).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.iter().for_each(|name| fs::remove_file(folder.path("out").join(name)).unwrap());
    names
}

#[cfg(unix)]
#[test]
fn killed_convert_leaves_no_output_name() {
    let folder = Folder::new();
    fs::create_dir(folder.path("out")).unwrap();
    let rows = "SELECT value AS id, random() AS a, random() AS b FROM generate_series(1, 1000000)";
    folder.run(&["-c", &format!("COPY ({rows}) TO 'big.avro' OPTIONS (codec 'null')")]).wrote("count\n1000000\n");
    let endless = "SELECT random() AS a FROM generate_series(1, 1000000000000)";
    let copy = format!("COPY ({endless}) TO 'out/x.avro' OPTIONS (codec 'null')");
    let inputs = ["big.avro"; 20];
    let convert = |to: &'static str| [&["convert"], inputs.as_slice(), &[to]].concat();
    let recodec = vec!["recodec", "big.avro", "out/x.avro", "--codec", "zstandard", "--level", "19"];
    for arguments in [
        convert("out/x.csv"),
        convert("out/x.avro"),
        vec!["-c", &copy],
        vec!["-c", endless, "-o", "out/x.avro"],
        recodec,
        vec!["repair", "big.avro", "out/x.avro"],
    ] {
        let names = killed(&folder, &arguments);
        let is_whole = |name: &String| name == "x.avro" || name == "x.csv";
        assert!(!names.iter().any(is_whole) && names.len() == 1, "{arguments:?}: {names:?}");
    }
}

#[test]
fn convert_to_stdout_writes() {
    let folder = folder();
    let expected = rows(&folder, "a.avro");
    for output in ["-", "/dev/stdout"] {
        folder.run(&["convert", "a.avro", output, "--to", "ndjson"]).wrote(&expected);
        folder.run(&["-c", "SELECT id FROM 'a.avro' LIMIT 1", "-o", output]).wrote("id\n1\n");
        // A file that others write to before and after.
        let log = File::create(folder.path("log")).unwrap();
        for _ in 0..2 {
            let mut command = folder.command(&["convert", "a.avro", output, "--to", "ndjson"]);
            assert!(command.stdout(log.try_clone().unwrap()).status().unwrap().success());
        }
        assert_eq!(folder.read("log"), expected.repeat(2).into_bytes(), "{output}");
    }
    assert_eq!(folder.names(), ["a.avro", "log"]);
    folder.run(&["convert", "-", "b.csv"]).failed(1, &["standard input: it is empty"]);
    folder.run(&["convert", "a.avro", "-"]).failed(2, &["--to"]);
}

#[test]
fn unwritable_output_fails() {
    let folder = folder();
    let copy = |to: &str| format!("COPY (SELECT 1 AS a) TO '{to}' STORED AS CSV");
    let cases: [(&[&str], i32, &str); 7] = [
        (
            &["-c", "SELECT 1", "-o", "a.xlsx"],
            2,
            "cannot tell the output format from the name `a.xlsx`; known extensions are .avro",
        ),
        (&["cat", "a.avro", "-o", "a.csv.gz"], 2, "or use --format"),
        (&["convert", "a.avro", "https://host/a.csv"], 2, "https://host/a.csv: cannot write to a web server"),
        (&["-c", "SELECT 1", "-o", "s3://bucket/a/x.csv/"], 2, "s3://bucket/a/x.csv/: not the URL of a file"),
        (
            &["-c", &copy("/dev/stdout")],
            1,
            "COPY writes regular files only, not /dev/stdout; a query alone writes to standard output",
        ),
        (&["-c", &copy("/dev/null")], 1, "COPY writes regular files only, not /dev/null"),
        (&["convert", "a.avro", "/dev/full", "--to", "csv"], 1, "/dev/full: No space left on device"),
    ];
    check_all(cases, |(arguments, code, words)| {
        folder.run(arguments).failed(code, &[words]);
    });
    assert_eq!(folder.names(), ["a.avro"]);
    folder.run(&["-c", "SELECT 1 AS a", "-o", "plain"]).wrote("");
    assert_eq!(folder.read("plain"), b"a\n1\n");
}

#[test]
fn duplicate_column_names_fail() {
    let folder = folder();
    folder.file("d.csv", "a,b,a\n1,2,3\n");
    folder.run(&["convert", "d.csv", "d.avro"]).failed(1, &["d.csv: two columns are named `a`"]);
}

/// Types that Parquet lacks: only null, seconds; and decimals beyond their precision, which it would truncate.
#[test]
fn types_without_parquet_equivalent_convert_or_fail() {
    let folder = folder();
    let nulls = r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","null"]}]}"#;
    folder.file("nulls.avro", avro(nulls, 2, &[Value::Record(vec![0.into()]), Value::Record(vec![1.into()])]));
    folder.run(&["cat", "nulls.avro", "-o", "nulls.parquet"]).wrote("");
    let times = "SELECT to_timestamp_seconds(86401) AS at, arrow_cast('2024-01-02', 'Date64') AS day";
    folder.run(&["-c", times, "-o", "times.parquet"]).wrote("");
    let types = "SELECT arrow_typeof(at) AS at, arrow_typeof(day) AS day FROM 'times.parquet'";
    folder.run(&["-c", types]).wrote("at,day\n\"Timestamp(ms, \"\"UTC\"\")\",Date32\n");
    folder.run(&["-c", "SELECT * FROM 'times.parquet'"]).wrote("at,day\n1970-01-02T00:00:01Z,2024-01-02\n");
    let wide = r#"{"type":"record","name":"R","fields":[
        {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":40}}]}"#;
    let digits: String = (0..20).map(|_| 'x').collect();
    folder.file("wide.avro", avro(wide, 2, &[Value::Record(vec![digits.as_str().into()])]));
    folder
        .run(&["convert", "wide.avro", "wide.parquet"])
        .failed(1, &["wide.parquet: column d: a decimal of 48 digits is too large"]);
}

#[test]
fn arrow_types_without_avro_equivalent_convert_or_fail() {
    let folder = folder();
    let query = "SELECT to_timestamp(90) - to_timestamp(30) AS took";
    folder.run(&["-c", query, "-o", "d.avro"]).wrote("");
    let schema = folder.run(&["schema", "d.avro"]);
    assert!(schema.stdout().contains("\"arrow.duration-nanos\""), "{}", schema.stdout());
    folder.run(&["cat", "d.avro"]).wrote("took\n60000000000\n");

    let json = r#"{"type":"record","name":"R","fields":[{"name":"in","type":["null",{"type":"record","name":"I","fields":[
        {"name":"next","type":"R"}]}]}]}"#;
    let none = || Value::Record(vec![0.into()]);
    let some = Value::Record(vec![1.into(), none()]);
    folder.file("self.avro", avro(json, 3, &[some, none()]));
    folder.run(&["convert", "self.avro", "again.avro"]).wrote("");
    folder.run(&["tojson", "again.avro"]).wrote("{\"in\":{\"I\":{\"next\":{\"in\":null}}}}\n{\"in\":null}\n");
}

#[test]
fn failed_copy_leaves_no_file() {
    let folder = folder();
    let copy = |divisor: i64, to: &str| {
        format!("COPY (SELECT a, 1 / ({divisor} - a) AS x FROM generate_series(1, 300000) t(a)) TO '{to}'")
    };
    for to in ["new/b.parquet", "b.parquet", "b.csv", "b.json", "b.avro"] {
        folder.run(&["-c", &copy(200_000, to)]).failed(1, &["division by zero"]);
        assert!(!folder.path(to).exists(), "{to}");
        folder.run(&["-c", &copy(-1, to)]).wrote("count\n300000\n");
        let before = folder.read(to);
        folder.run(&["-c", &copy(200_000, to)]).failed(1, &["division by zero"]);
        assert!(folder.read(to) == before, "{to}");
    }
    assert_eq!(folder.names(), ["a.avro", "b.avro", "b.csv", "b.json", "b.parquet", "new"]);
    folder.run(&["-c", "COPY (SELECT 1 AS a) TO 'several' STORED AS CSV"]).wrote("count\n1\n");
    assert!(folder.path("several").is_dir());
}
