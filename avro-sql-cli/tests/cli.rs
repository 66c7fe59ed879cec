//! The command as a process: checks standard output, standard error and exit codes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::File;
use std::io::Read;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use arrow::ipc::reader::{FileReader, StreamReader};
use avro_testing::check_all;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use support::{Folder, PEOPLE, Value, avro, people};

/// A folder with people.avro (three rows) and logs/{1,2}.avro (two and one).
fn folder() -> Folder {
    let folder = Folder::new();
    people(&folder);
    folder
}

/// A schema with everything that output formats treat specially.
const ODD: &str = r#"{"type":"record","name":"Odd","fields":[
    {"name":"u","type":["null","long",{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}]},
    {"name":"d","type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}},
    {"name":"n","type":"null"},
    {"name":"e","type":{"type":"record","name":"Empty","fields":[]}},
    {"name":"f","type":{"type":"fixed","name":"F0","size":0}},
    {"name":"m","type":{"type":"map","values":["null","double"]}},
    {"name":"l","type":{"type":"array","items":["string","D"]}},
    {"name":"b","type":{"type":"bytes","logicalType":"decimal","precision":50,"scale":2}}]}"#;

fn odd(u: Value) -> Value {
    let duration = || Value::Fixed(vec![1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
    Value::Record(vec![
        u,
        duration(),
        Value::Null,
        Value::Record(vec![]),
        Value::Fixed(vec![]),
        Value::Map(vec![("k", Some(Value::Double(1.5)).into()), ("none", None::<Value>.into())]),
        Value::Array(vec![Value::Union(0, Box::new("s".into())), Value::Union(1, Box::new(duration()))]),
        Value::Text(vec![0xff, 0x85]),
    ])
}

fn odd_file() -> Vec<u8> {
    let record = Value::Union(2, Box::new(Value::Record(vec!["text".into()])));
    let unions = [Value::Union(0, Box::new(Value::Null)), Value::Union(1, Box::new(7.into())), record];
    avro(ODD, 2, &unions.map(odd))
}

#[test]
fn query_result_goes_to_stdout() {
    let folder = folder();
    let cases: [(&[&str], &str); 16] = [
        (&["-c", "SELECT id, name FROM 'people.avro' ORDER BY id"], "id,name\n1,\"Ann, \"\"A\"\"\"\n2,\n3,Çelik\n"),
        (&["-c", "SELECT count(*) AS n FROM 'logs/*.avro'"], "n\n3\n"),
        (&["-c", "SELECT count(*) AS n FROM 'logs'"], "n\n3\n"),
        (&["-t", "p=people.avro", "-c", "SELECT max(id) AS m FROM p"], "m\n3\n"),
        (&["-t", "p=people.avro", "-t", "l=logs", "-c", "SELECT count(*) AS n FROM p JOIN l USING (id)"], "n\n3\n"),
        (&["-c", "SELECT 1 AS a; SELECT ';' AS b;", "-c", "SELECT 3 AS c"], "a\n1\nb\n;\nc\n3\n"),
        (&["-c", ""], ""),
        (&["-c", "-- nothing; at all\n;;"], ""),
        (
            &["--format", "tsv", "-c", "SELECT tags, color FROM 'people.avro' WHERE id = 1"],
            "tags\tcolor\n[\"x\",\"y\"]\tRED\n",
        ),
        (
            &["--format", "json", "-c", "SELECT * FROM 'people.avro' WHERE id = 2"],
            "[\n{\"id\":2,\"name\":null,\"color\":\"BLUE\",\"tags\":[]}\n]\n",
        ),
        (
            &["--format", "ndjson", "-c", "SELECT id FROM 'people.avro' WHERE id < 3 ORDER BY id"],
            "{\"id\":1}\n{\"id\":2}\n",
        ),
        (
            &["--format", "table", "-c", "SELECT id FROM 'people.avro' ORDER BY id"],
            "+--------+\n|     id |\n| BIGINT |\n+--------+\n|      1 |\n|      2 |\n|      3 |\n+--------+\n",
        ),
        (&["-c", "SELECT id FROM 'people.avro' WHERE id > 99"], "id\n"),
        (&["-c", "CREATE VIEW v AS SELECT 5 AS five; SELECT * FROM v"], "five\n5\n"),
        (
            &["-c", "CREATE EXTERNAL TABLE x STORED AS AVRO LOCATION 'people.avro'; SELECT count(*) AS n FROM x"],
            "n\n3\n",
        ),
        (
            &[
                "--threads",
                "1",
                "--batch-size",
                "1",
                "--memory-limit",
                "100M",
                "-c",
                "SELECT sum(id) AS s FROM 'people.avro'",
            ],
            "s\n6\n",
        ),
    ];
    check_all(cases, |(arguments, expected)| {
        folder.run(arguments).wrote(expected);
    });
}

#[test]
fn scripts_run_from_file_and_stdin() {
    let folder = folder();
    folder.file("q.sql", "-- two\nSELECT 1 AS a;\nSELECT 'x;y' AS b;\n");
    folder.run(&["-f", "q.sql"]).wrote("a\n1\nb\nx;y\n");
    folder.run_with(&["-f", "-"], "SELECT 1 AS a").wrote("a\n1\n");
    folder.run_with(&[], "SELECT 1 AS a;").wrote("a\n1\n");
    folder.run_with(&[], "").wrote("");

    folder.file("bad.sql", "SELECT 1 AS a;\n\nSELECT nonsense;\nSELECT 2 AS b;");
    let ran = folder.run(&["-f", "bad.sql"]);
    ran.failed(1, &["bad.sql: statement 2 (line 3): ", "nonsense"]);
    assert_eq!(ran.stdout(), "a\n1\n");
    folder.run_with(&[], "SELECT 1; SELECT FROM WHERE").failed(1, &["standard input: statement 2 (line 1): "]);
    folder
        .file("bom.sql", "\u{feff}SELECT 1 AS a;\r\nSELECT 2 AS b;\r\n")
        .run(&["-f", "bom.sql"])
        .wrote("a\n1\nb\n2\n");
    folder.run_with(&[], "\u{feff}SELECT 1 AS a").wrote("a\n1\n");
    folder.run(&["-c", "SELECT 1 AS a", "-o", "-"]).wrote("a\n1\n");
    folder.run(&["-f", "people.avro"]).failed(1, &["people.avro: SQL must be UTF-8; byte"]);
    folder.run(&["-c", "\\d people.avro"]).failed(1, &["backslash commands work only at the prompt", "DESCRIBE"]);
    folder.run(&["-f", "missing.sql"]).failed(1, &["missing.sql: No such file or directory"]);
}

#[test]
fn errors_are_one_line_with_location() {
    let folder = folder();
    let mut cut = folder.read("people.avro");
    cut.truncate(cut.len() - 20);
    folder.file("cut.avro", cut).file("text.avro", "hello");
    std::fs::create_dir(folder.path("nothing")).unwrap();
    let cases: [(&[&str], i32, &[&str]); 15] = [
        (&["-c", "SELECT * FROM 'nothing'"], 1, &["table 'nothing' not found; it is a directory without data files"]),
        (&["-c", "SELECT"], 1, &[]),
        (&["-c", "SELECT * FROM nowhere"], 1, &["error: table 'nowhere' not found"]),
        (&["-c", "SELEC 1"], 1, &["SELEC"]),
        (&["-c", "SELECT 1; SELECT 'open"], 1, &["this text has no closing quote"]),
        (&["-c", "SELECT x FROM 'people.avro'"], 1, &["x"]),
        (&["-c", "SELECT * FROM 'missing.avro'"], 1, &["missing.avro"]),
        (&["-c", "SELECT * FROM 'cut.avro'"], 1, &["cut.avro", "the file ends inside"]),
        (&["-c", "SELECT * FROM 'text.avro'"], 1, &["text.avro", "not an Avro container file"]),
        (&["-t", "t=missing.avro", "-c", "SELECT 1"], 1, &["table t", "missing.avro"]),
        (&["-c", "SELECT 1 / (id - 1) FROM 'people.avro'"], 1, &["ivi"]),
        (&["--nonsense"], 2, &["--nonsense", "--help"]),
        (&["-t", "t", "-c", "SELECT 1"], 2, &["NAME=PATH"]),
        (&["--format", "xml", "-c", "SELECT 1"], 2, &["xml", "ndjson"]),
        (&["-c", "SELECT 1", "-f", "x.sql"], 2, &["cannot be used with"]),
    ];
    check_all(cases, |(arguments, code, words)| {
        let ran = folder.run(arguments);
        ran.failed(code, words);
        for noise in ["External error", "Arrow error", "DataFusion error", "backtrace", "panicked", "Internal"] {
            assert!(!ran.stderr.contains(noise), "{:?}", ran.stderr);
        }
    });
}

#[test]
fn failed_query_leaves_no_output_file() {
    let folder = folder();
    let before = folder.names();
    folder
        .run(&["-c", "SELECT id FROM 'people.avro' ORDER BY id; SELECT nonsense", "-o", "out.csv"])
        .failed(1, &["statement 2"]);
    assert_eq!(folder.names(), before);
    for (name, expected) in
        [("out.csv", "a\n1\n"), ("out.json", "[\n{\"a\":1}\n]\n"), ("out.jsonl", "{\"a\":1}\n"), ("out", "a\n1\n")]
    {
        folder.run(&["-c", "SELECT 1 AS a", "-o", name]).wrote("");
        assert_eq!(folder.read(name), expected.as_bytes(), "{name}");
    }
    folder.run(&["-c", "SELECT nonsense", "-o", "out.csv"]).failed(1, &["nonsense"]);
    assert_eq!(folder.read("out.csv"), b"a\n1\n", "the old file stays where the new one fails");
    folder.run(&["-c", "SELECT 1", "-o", "no/such/out.csv"]).failed(1, &["no/such/out.csv"]);
    folder.run(&["-c", "SELECT 1", "-o", "logs"]).failed(1, &["logs: is a directory"]);
}

#[test]
fn closed_pipe_exits_0() {
    let folder = folder();
    for format in ["ndjson", "csv", "arrow", "parquet", "avro"] {
        let sql = "SELECT * FROM range(0, 1000000)";
        let mut child = folder.command(&["-c", sql, "--format", format]).spawn().unwrap();
        let mut start = [0; 4];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut start).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{format}");
    }
}

/// A full disk on standard output is reported as such, not as an error of the input files.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_on_stdout_names_stdout() {
    let folder = folder();
    let cases: [&[&str]; 5] = [
        &["-c", "SELECT 1"],
        &["cat", "people.avro", "--format", "parquet"],
        &["tojson", "people.avro"],
        &["recodec", "people.avro", "-"],
        &["--help"],
    ];
    check_all(cases, |arguments| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = folder.command(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(said, "avro-sql: error: standard output: No space left on device\n", "{arguments:?}");
    });
}

#[cfg(unix)]
#[test]
fn interrupted_query_leaves_no_file() {
    let folder = folder();
    let before = folder.names();
    let sql = "SELECT count(*) FROM range(0, 1000000) a CROSS JOIN range(0, 1000000) b WHERE a.value * b.value = 7";
    let child = folder.command(&["-c", sql, "-o", "out.csv"]).spawn().unwrap();
    while folder.names() == before {
        std::thread::sleep(std::time::Duration::from_millis(10)); // until the output exists, which has to be removed
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "avro-sql: interrupted\n");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(folder.names(), before);
}

#[test]
fn timing_verbose_and_quiet_control_messages() {
    let folder = folder();
    let ran = folder.run(&["--timing", "-c", "SELECT 1 AS a; CREATE VIEW v AS SELECT 1"]);
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("1 row in 0.") && lines[1].starts_with("0."), "{lines:?}");
    let query = ["--format", "table", "--max-rows", "2", "-c", "SELECT id FROM 'people.avro' ORDER BY id"];
    let ran = folder.run(&query);
    assert_eq!(ran.stdout().lines().count(), 2 + 6);
    assert_eq!(ran.stderr, "2 of 3 rows shown; --max-rows 0 shows all\n");
    assert_eq!(folder.run(&[&["-q"], query.as_slice()].concat()).stderr, "");
    let version = folder.run(&["--version"]);
    version.wrote(&format!("avro-sql {}\n", env!("CARGO_PKG_VERSION")));
    let help = folder.run(&["--help"]);
    assert!(help.code == 0 && help.stdout().contains("Examples:") && help.stderr.is_empty());
}

#[test]
fn man_and_completions_print() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        let ran = folder.run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        for word in ["avro-sql", "convert", "reader-schema", "markdown"] {
            assert!(ran.stdout().contains(word), "{shell} has no {word}");
        }
    }
    for (arguments, words) in [(&["man"][..], "avro\\-sql \\- "), (&["man", "count"], "avro\\-sql\\-count \\- ")] {
        let ran = folder.run(arguments);
        assert!(ran.stdout().contains(".TH ") && ran.stdout().contains(words), "{}", ran.stdout());
        assert!(ran.stdout().contains("\n.SH EXAMPLES\n.nf\navro\\-sql "), "{}", ran.stdout());
    }
    assert!(folder.run(&["man"]).stdout().contains("avro\\-sql \\- SQL over Avro files"));
    for (command, same) in [(&["help"][..], &["--help"][..]), (&["help", "count"], &["count", "--help"])] {
        folder.run(command).wrote(folder.run(same).stdout());
    }
}

/// Completions of the bash script: commands, their options, and the values of options.
#[cfg(unix)]
#[test]
fn bash_completion_completes_commands() {
    let folder = folder();
    folder.file("completions", folder.run(&["completions", "bash"]).stdout());
    let cases: [(&[&str], &str); 5] = [
        (&["rec"], "recodec"),
        (&["--format", "mark"], "markdown"),
        (&["schema", "--finger"], "--fingerprint"),
        (&["recodec", "--codec", "sn"], "snappy"),
        (&["explain-program", "--col"], "--columns"),
    ];
    for (words, expected) in cases {
        let last = words.len();
        let (word, before) = (words[last - 1], if last > 1 { words[last - 2] } else { "avro-sql" });
        let script = format!(
            "source completions; COMP_WORDS=(avro-sql {}); COMP_CWORD={last}; _avro__sql avro-sql {word} {before}; echo ${{COMPREPLY[*]}}",
            words.join(" ")
        );
        let bash = std::process::Command::new("bash").args(["-c", &script]).current_dir(folder.path("")).output();
        let Ok(ran) = bash else { return }; // bash is not installed
        let said = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(said.trim(), expected, "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn schema_prints_data_and_schema_files() {
    let folder = folder();
    let ran = folder.run(&["schema", "people.avro"]);
    let shown: serde_json::Value = serde_json::from_str(ran.stdout()).unwrap();
    assert_eq!(shown, serde_json::from_str::<serde_json::Value>(PEOPLE).unwrap());
    assert!(ran.stdout().starts_with("{\n  \"type\": \"record\",\n") && ran.stdout().ends_with("}\n"));
    folder.run(&["schema", "--arrow", "people.avro"]).wrote(
        "id: Int64 not null\nname: Utf8View\ncolor: Dictionary(Int32, Utf8) not null\ntags: List not null\n  item: Utf8View not null\n",
    );
    folder.run(&["schema", "missing.avro"]).failed(1, &["missing.avro: No such file or directory"]);
    folder.run(&["schema", "logs"]).failed(2, &["2 files; use --merged for the schema of all", "logs/1.avro"]);
    folder.run(&["schema"]).failed(2, &["FILE"]);
}

#[test]
fn schema_forms_print() {
    let folder = folder();
    let list = r#"{ "type": "record", "name": "List", "namespace": "x", "fields": [
        { "name": "value", "type": { "type": "int", "logicalType": "date" }, "default": 1 },
        { "name": "next", "type": ["null", "List"], "doc": "the rest" } ] }"#;
    let form = r#"{"name":"x.List","type":"record","fields":[{"name":"value","type":"int"},{"name":"next","type":["null","x.List"]}]}"#;
    folder.file("list.avsc", list).file("form.json", form).file("mark.avsc", format!("\u{feff}{list}\n"));
    folder.file("list.avro", avro(list, 1, &[])).file("bare", "string").file("int.avro", avro("\"int\"", 1, &[]));
    for name in ["list.avsc", "form.json", "mark.avsc", "list.avro"] {
        folder.run(&["schema", name, "--canonical"]).wrote(&format!("{form}\n"));
        // The values of fastavro.
        for (hash, fingerprint) in [
            ("rabin", "6cf7d1c2531bca85"),
            ("md5", "872b01e888b1297840e2273d5bc73a1f"),
            ("sha256", "449886b19bae8d608c1291acb66292f756b9cf862083294097f166790587a313"),
        ] {
            folder.run(&["schema", "--fingerprint", hash, name]).wrote(&format!("{fingerprint}\n"));
        }
    }
    let shown = folder.run(&["schema", "list.avsc"]);
    assert_eq!(shown.stdout(), folder.run(&["schema", "list.avro"]).stdout());
    assert!(shown.stdout().contains("\n      \"doc\": \"the rest\"\n"), "{}", shown.stdout());
    folder.run(&["schema", "bare"]).wrote("string\n");
    folder.run(&["schema", "bare", "--canonical"]).wrote("\"string\"\n");
    folder.run(&["schema", "bare", "--arrow"]).wrote("value: Utf8View not null\n");
    folder.run(&["schema", "int.avro"]).wrote("\"int\"\n");
}

#[test]
fn schema_of_invalid_file_fails() {
    let folder = folder();
    let long = format!(r#"["null"{}]"#, " ".repeat(16 << 20));
    for (file, error) in [
        (&b""[..], "not an Avro container file: it is empty"),
        (b"Ob", "the file ends inside the header"),
        (b"Obj\x01", "the file ends inside the header"),
        (b"Obj\x02", "Avro container format version 2 is not supported"),
        (b"PAR1", "not an Avro container file: this is Parquet"),
        (b"hello", "not an Avro container file: it starts with hell"),
        (b"{\"a\": 1}", "invalid Avro schema: the object has no `type` at $"),
        (b"\n[\"nul\"]", "invalid Avro schema: type `nul` is not defined before its use at $[0]"),
        (b"{\"type\": ", "invalid Avro schema: not JSON"),
        (b"{\"type\": \"\xff\"}", "not UTF-8 at byte 10"),
        (long.as_bytes(), "larger than 16777216 bytes, the limit for a schema"),
    ] {
        folder.file("x.avsc", file);
        for form in [&["schema", "x.avsc"][..], &["schema", "--canonical", "x.avsc"]] {
            folder.run(form).failed(1, &[&format!("error: x.avsc: {error}")]);
        }
    }
}

#[test]
fn count_prints_rows() {
    let folder = folder();
    folder.file("text.avro", "hello");
    folder.run(&["count", "people.avro"]).wrote("3\n");
    folder.run(&["count", "logs", "people.avro"]).wrote("6\n");
    folder.run(&["count", "--per-file", "logs/*.avro"]).wrote("2\tlogs/1.avro\n1\tlogs/2.avro\n");
    folder.run(&["count", "text.avro"]).failed(1, &["text.avro: not an Avro container file"]);
    folder.run(&["count", "none*.avro"]).failed(1, &["none*.avro: no file matches"]);
}

#[test]
fn object_store_errors_are_explained() {
    let folder = folder();
    // No request is sent: these errors are detected before.
    let nobody = "AWS_ENDPOINT_URL=http://127.0.0.1:1";
    let query = |sql: &str| {
        let mut command = folder.command(&["-c", sql]);
        let settings = [nobody, "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_REGION=c"];
        command.envs(settings.map(|setting| setting.split_once('=').unwrap()));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let options = |options: &str| {
        format!(
            "CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION 's3://bucket/x.avro' OPTIONS ('aws.max_retries' '0'{options})"
        )
    };
    let cases = [
        (options(""), "s3://bucket: cannot reach the server; is the endpoint (AWS_ENDPOINT_URL"),
        (options(", 'aws.regoin' 'x'"), "unknown object store option `aws.regoin`"),
        ("SELECT * FROM 'sftp://host/x.avro'".to_owned(), "no object store for sftp://; supported are s3://"),
    ];
    check_all(cases, |(sql, expected)| {
        let (code, said) = query(&sql);
        assert!(code == Some(1) && said.contains(expected) && said.lines().count() == 1, "{said}");
    });
    folder.run(&["--option", "aws.region=x", "-c", "SELECT 1"]).failed(2, &["aws.region", "CREATE EXTERNAL TABLE"]);
}

fn parquet(folder: &Folder, name: &str) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(folder.path(name)).unwrap()).unwrap();
    builder.build().unwrap().collect::<Result<_, _>>().unwrap()
}

fn arrow_file(folder: &Folder, name: &str) -> Vec<RecordBatch> {
    FileReader::try_new(File::open(folder.path(name)).unwrap(), None).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn conversion_keeps_rows_and_types() {
    let folder = folder();
    for (inputs, rows) in [(vec!["people.avro"], 3), (vec!["logs"], 3), (vec!["logs/*.avro", "people.avro"], 6)] {
        for output in ["out.parquet", "out.arrow", "out.feather", "out.arrows"] {
            folder.run(&[&["convert"], inputs.as_slice(), &[output]].concat()).wrote("");
            let batches = match output {
                "out.parquet" => parquet(&folder, output),
                "out.arrows" => {
                    let file = File::open(folder.path(output)).unwrap();
                    StreamReader::try_new(file, None).unwrap().collect::<Result<_, _>>().unwrap()
                }
                _ => arrow_file(&folder, output),
            };
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows, "{inputs:?} {output}");
            let batch = &batches[0];
            assert_eq!(batch.column(1).as_string::<i32>().value(0), "Ann, \"A\"");
            assert_eq!(batch.column(2).as_dictionary::<arrow::datatypes::Int32Type>().values().len(), 2);
            assert!(batch.schema().field(1).is_nullable() && !batch.schema().field(0).is_nullable());
        }
    }
}

#[test]
fn convert_unsupported_types_fails() {
    let folder = Folder::new();
    folder.file("odd.avro", odd_file());
    folder.run(&["convert", "odd.avro", "odd.arrow"]).wrote("");
    let batches = arrow_file(&folder, "odd.arrow");
    assert_eq!(batches[0].num_rows(), 3);
    assert!(matches!(batches[0].column(0).data_type(), DataType::Union(..)));
    assert!(matches!(batches[0].column(1).data_type(), DataType::Interval(_)));

    for codec in ["none", "snappy", "gzip", "lz4", "zstd"] {
        folder.run(&["convert", "--codec", codec, "odd.avro", "odd.parquet"]).wrote("");
        let batch = parquet(&folder, "odd.parquet").remove(0);
        assert_eq!(batch.num_rows(), 3);
        let union = batch.column(0).as_struct();
        let nulls: Vec<_> = union.columns().iter().map(|c| (0..3).map(|i| c.is_null(i)).collect::<Vec<_>>()).collect();
        assert_eq!(nulls, [[true, false, true], [true, true, false]]);
        assert_eq!(batch.column(1).as_fixed_size_binary().value(2), [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(batch.column(2).logical_null_count(), 3);
        assert!(batch.column(3).as_boolean().value(1));
        assert_eq!(batch.column(4).as_binary::<i32>().value(0), b"");
        assert_eq!(batch.column(7).as_primitive::<arrow::datatypes::Decimal256Type>().value_as_string(0), "-1.23");
    }

    folder.file("unit.avro", avro(r#"{"type":"record","name":"U","fields":[]}"#, 5, &vec![Value::Record(vec![]); 7]));
    folder.run(&["convert", "unit.avro", "unit.arrow"]).wrote("");
    let batches = arrow_file(&folder, "unit.arrow");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 7);
    folder
        .run(&["convert", "unit.avro", "unit.parquet"])
        .failed(1, &["unit.parquet: Parquet cannot store rows without columns"]);
}

#[test]
fn failed_convert_leaves_no_file() {
    let folder = folder();
    let mut cut = folder.read("people.avro");
    cut.truncate(cut.len() - 20);
    folder.file("cut.avro", cut);
    folder.file(
        "other.avro",
        avro(r#"{"type":"record","name":"O","fields":[{"name":"id","type":"string"}]}"#, 1, &["x".into()]),
    );
    let before = folder.names();
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (&["convert", "cut.avro", "out.arrow"], 1, &["cut.avro: ", "the file ends inside", "offset"]),
        (&["convert", "people.avro", "cut.avro", "out.parquet"], 1, &["cut.avro: the file ends inside"]),
        (
            &["convert", "people.avro", "other.avro", "out.arrow"],
            1,
            &["`id` is", "in people.avro but string in other.avro: these types cannot be merged"],
        ),
        (
            &["convert", "people.avro", "out.xyz"],
            2,
            &["out.xyz", ".avro, .parquet, .arrow, .feather", ".arrows", "--to"],
        ),
        (&["convert", "people.avro", "--codec", "zstd", "out.arrow"], 2, &["--codec applies to Parquet and Avro"]),
        (&["convert", "people.avro"], 2, &["at least one input and an output"]),
    ];
    check_all(cases, |(arguments, code, words)| {
        folder.run(arguments).failed(code, words);
        assert_eq!(folder.names(), before, "{arguments:?}");
    });
}

#[test]
fn enums_with_different_symbols_share_arrow_file() {
    let folder = Folder::new();
    for (name, symbols) in [("a.avro", r#"["X","Y"]"#), ("b.avro", r#"["Y","Z"]"#)] {
        let schema = format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"e","type":{{"type":"enum","name":"E","symbols":{symbols}}}}}]}}"#
        );
        folder.file(name, avro(&schema, 9, &[0.into(), 1.into()]));
    }
    folder.run(&["convert", "*.avro", "out.arrow"]).wrote("");
    let texts: Vec<_> = arrow_file(&folder, "out.arrow")
        .iter()
        .flat_map(|b| {
            let keys = b.column(0).as_dictionary::<Int32Type>();
            let symbols = keys.downcast_dict::<StringArray>().unwrap();
            symbols.into_iter().map(|v| v.unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(texts, ["X", "Y", "Y", "Z"]);
}

/// Files whose schema evolved, as one table, one file, and one schema.
#[test]
fn evolved_schemas_read_as_one_table() {
    let folder = Folder::new();
    let v1 = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"int"},{"name":"old","type":"string"}]}"#;
    let v2 = r#"{"type":"record","name":"R","fields":[{"name":"new","aliases":["old"],"type":"string"},
        {"name":"n","type":"long","default":7},{"name":"id","type":"long"}]}"#;
    folder.file("t/1.avro", avro(v1, 9, &[Value::Record(vec![1.into(), "one".into()])]));
    folder.file("t/2.avro", avro(v2, 9, &[Value::Record(vec!["two".into(), 9.into(), 2.into()])]));
    folder.file("reader.avsc", r#"{"type":"record","name":"R","fields":[{"name":"id","type":"double"}]}"#);
    folder.file(
        "wrong.avsc",
        r#"{"type":"record","name":"R","fields":[{"name":"id","type":"int"},{"name":"x","type":"int"}]}"#,
    );

    let query = "SELECT * FROM 't' ORDER BY id";
    folder.run(&["-c", query]).wrote("id,new,n\n1,one,7\n2,two,9\n");
    folder.run(&["--reader-schema", "reader.avsc", "-c", query]).wrote("id\n1.0\n2.0\n");
    folder.run(&["convert", "t", "out.arrow"]).wrote("");
    let rows: usize = arrow_file(&folder, "out.arrow").iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(rows, 2);
    folder.run(&["convert", "--reader-schema", "reader.avsc", "t", "out.arrow"]).wrote("");
    let columns: Vec<_> = arrow_file(&folder, "out.arrow")[0].schema().fields().iter().map(|f| f.to_string()).collect();
    assert_eq!(columns.len(), 1, "{columns:?}");
    folder.run(&["convert", "--reader-schema", "wrong.avsc", "t", "o.arrow"]).failed(
        1,
        &["t/1.avro", "the reader's schema does not fit", "the writer has no field `x`, and the reader no default"],
    );

    let merged = folder.run(&["schema", "--merged", "t"]);
    let json: serde_json::Value = serde_json::from_slice(&merged.stdout).unwrap();
    assert_eq!(json["fields"][0], serde_json::json!({"name": "id", "type": "long"}));
    assert!(merged.stderr.contains("id") && merged.stderr.contains("renamed from old"), "{}", merged.stderr);
    folder.run(&["schema", "t/1.avro", "t/2.avro"]).failed(2, &["--merged"]);

    folder.run(&["compat", "t/2.avro", "t/1.avro"]).wrote("");
    let said = folder.run(&["compat", "wrong.avsc", "t/2.avro"]);
    said.failed(1, &["wrong.avsc cannot read t/2.avro: 2 reasons"]);
    assert_eq!(
        said.stdout(),
        "the writer has no field `x`, and the reader no default\nid: long cannot be read as int\n"
    );
}
