//! The tools that work block by block: tables of arguments and expected results.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use avro_testing::check_all;
use support::{Folder, Value, avro};

const PEOPLE: &str = r#"{"type":"record","name":"Person","fields":[
    {"name":"id","type":"long"},
    {"name":"name","type":["null","string"]},
    {"name":"tags","type":{"type":"array","items":"string"}}]}"#;

fn person(id: i64, name: Option<&str>, tags: &[&str]) -> Value {
    Value::Record(vec![id.into(), name.into(), Value::Array(tags.iter().map(|t| (*t).into()).collect())])
}

/// A folder with people.avro (three rows in two blocks) and logs/{1,2}.avro (two rows and one).
fn folder() -> Folder {
    let folder = Folder::new();
    let people = [person(1, Some("Ann"), &["x", "y"]), person(2, None, &[]), person(3, Some("Çelik"), &["z"])];
    folder.file("people.avro", avro(PEOPLE, 2, &people));
    folder.file("logs/1.avro", avro(PEOPLE, 1, &people[..2]));
    folder.file("logs/2.avro", avro(PEOPLE, 1, &people[2..]));
    folder.file("person.avsc", PEOPLE);
    folder
}

const LINES: &str = "{\"id\":1,\"name\":{\"string\":\"Ann\"},\"tags\":[\"x\",\"y\"]}\n\
    {\"id\":2,\"name\":null,\"tags\":[]}\n\
    {\"id\":3,\"name\":{\"string\":\"Çelik\"},\"tags\":[\"z\"]}\n";
const PLAIN: &str = "{\"id\":1,\"name\":\"Ann\",\"tags\":[\"x\",\"y\"]}\n\
    {\"id\":2,\"name\":null,\"tags\":[]}\n\
    {\"id\":3,\"name\":\"Çelik\",\"tags\":[\"z\"]}\n";

fn first(n: usize) -> String {
    LINES.lines().take(n).map(|line| format!("{line}\n")).collect()
}

/// Returns the bytes that a command writes.
fn bytes(folder: &Folder, arguments: &[&str]) -> Vec<u8> {
    let ran = folder.run(arguments);
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{arguments:?}");
    ran.stdout
}

#[test]
fn meta_prints_header_fields() {
    let folder = folder();
    let header = folder.read("people.avro").windows(16).position(|w| w == b"0123456789abcdef").unwrap() + 16;
    let schema = PEOPLE.replace('\n', " ");
    let stored = folder.read("people.avro").len() - header - 2 * 18;
    let fingerprint = String::from_utf8(bytes(&folder, &["schema", "person.avsc", "--fingerprint", "rabin"])).unwrap();
    let fingerprint = fingerprint.trim();
    let marker = "30313233343536373839616263646566";
    folder.run(&["meta", "people.avro"]).wrote(&format!(
        "people.avro\n  schema       record Person, CRC-64-AVRO {fingerprint}\n  codec        null\n  sync marker  {marker}\n  \
         blocks       2\n  rows         3\n  bytes        {}: header {header}, blocks as stored {stored}\n  metadata\n    \
         avro.schema\t{schema}\n    avro.codec\tnull\n",
        header + stored + 2 * 18
    ));
    folder.run(&["meta", "people.avro", "--key", "avro.codec"]).wrote("null\n");
    folder.run(&["meta", "people.avro", "logs", "--key", "avro.codec"]).wrote("null\nnull\nnull\n");
    folder
        .run(&["meta", "people.avro", "--key", "none"])
        .failed(1, &["people.avro: there is no metadata key `none`", "avro.codec"]);
    let first_bytes = folder.read("people.avro")[header + 1] / 2;
    let second = header + 18 + usize::from(first_bytes);
    let second_bytes = folder.read("people.avro")[second + 1] / 2;
    let blocks = format!(
        "file\tblock\toffset\trows\tbytes\npeople.avro\t0\t{header}\t2\t{first_bytes}\npeople.avro\t1\t{second}\t1\t{second_bytes}\n"
    );
    folder.run(&["meta", "--blocks", "people.avro"]).wrote(&blocks);
    let json = String::from_utf8(bytes(&folder, &["meta", "--json", "people.avro", "logs/1.avro"])).unwrap();
    let of: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((of.len(), &of[0]["rows"], &of[1]["rows"]), (2, &3.into(), &2.into()), "{json}");
    assert_eq!((&of[0]["sync"], &of[0]["metadata"]["avro.schema"]), (&marker.into(), &PEOPLE.into()), "{json}");
    let blocks = String::from_utf8(bytes(&folder, &["meta", "--json", "--blocks", "people.avro"])).unwrap();
    let last =
        format!("{{\"file\":\"people.avro\",\"block\":1,\"offset\":{second},\"rows\":1,\"bytes\":{second_bytes}}}");
    assert_eq!(blocks.lines().last(), Some(last.as_str()));

    // Standard input cannot seek.
    let piped = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        command.stdin(fs::File::open(folder.path("people.avro")).unwrap()).output().unwrap()
    };
    assert_eq!(piped(&["count", "-"]).stdout, b"3\n");
    assert_eq!(piped(&["schema", "-"]).stdout, bytes(&folder, &["schema", "people.avro"]));
    let output = piped(&["meta", "--json", "-"]);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with(r#"{"file":"standard input","#));

    // Every truncation, and a wrong sync marker.
    let whole = folder.read("people.avro");
    for len in header..whole.len() {
        folder.file("cut.avro", &whole[..len]);
        match len == header || len == second {
            true => drop(bytes(&folder, &["meta", "cut.avro"])),
            false if len % 5 == 0 => folder.run(&["meta", "cut.avro"]).failed(1, &["the file ends inside a block"]),
            false => {}
        }
    }
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    folder.file("cut.avro", other);
    let place = format!("block 1, file offset {second}");
    folder.run(&["meta", "cut.avro"]).failed(1, &["cut.avro", "sync marker after the block does not match", &place]);
}

#[test]
fn cat_and_head_print_rows() {
    let folder = folder();
    let cases: [(&[&str], &str); 11] = [
        // The option names of Apache's tools.
        (&["cat", "logs", "--limit", "9", "--samplerate", "1", "--format", "ndjson"], PLAIN),
        (&["getmeta", "people.avro", "--key", "avro.codec"], "null\n"),
        (&["head", "-n", "1", "people.avro"], "id,name,tags\n1,Ann,\"[\"\"x\"\",\"\"y\"\"]\"\n"),
        (&["head", "people.avro", "--format", "ndjson"], PLAIN),
        (&["head", "people.avro", "-n", "0"], "id,name,tags\n"),
        (&["cat", "logs", "--format", "ndjson"], PLAIN),
        (
            &["cat", "logs/2.avro", "logs/1.avro", "--format", "ndjson", "-n", "1"],
            "{\"id\":3,\"name\":\"Çelik\",\"tags\":[\"z\"]}\n",
        ),
        (&["cat", "logs", "--offset", "1", "-n", "1", "--format", "tsv"], "id\tname\ttags\n2\t\t[]\n"),
        (&["cat", "logs", "--offset", "9", "--format", "ndjson"], ""),
        (&["cat", "logs", "--sample", "0", "--format", "ndjson"], ""),
        (&["cat", "logs", "--sample", "1", "--threads", "1", "--batch-size", "1", "--format", "ndjson"], PLAIN),
    ];
    check_all(cases, |(arguments, expected)| {
        folder.run(arguments).wrote(expected);
    });
    folder.run(&["cat", "people.avro", "-o", "out.ndjson"]).wrote("");
    assert_eq!(String::from_utf8(folder.read("out.ndjson")).unwrap(), PLAIN);
    folder.run(&["cat", "people.avro", "--sample", "2"]).failed(2, &["from 0 to 1"]);
    folder.run(&["cat", "nothing.avro"]).failed(1, &["nothing.avro: No such file"]);
    folder.run(&["head"]).failed(1, &["standard input: not an Avro container file: it is empty"]);

    // A sample of many rows, equal for equal seeds.
    folder.run(&["random", "person.avsc", "many.avro", "--count", "10000", "--seed", "1"]).wrote("");
    let sample = |seed: &str| {
        bytes(
            &folder,
            &["cat", "many.avro", "--sample", "0.1", "--seed", seed, "--format", "ndjson", "--batch-size", "100"],
        )
    };
    let n = String::from_utf8(sample("1")).unwrap().lines().count();
    assert!((850..1150).contains(&n), "{n}");
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
}

#[test]
fn tojson_prints_rows() {
    let folder = folder();
    let reader = r#"{"type":"record","name":"Person","fields":[{"name":"id","type":["null","double"]},{"name":"n","type":"int","default":7}]}"#;
    folder.file("reader.avsc", reader);
    let (two, one) = (first(2), first(1));
    let cases: [(&[&str], &str); 11] = [
        (&["tojson", "people.avro", "--head=1", "--reader-schema", reader], "{\"id\":{\"double\":1.0},\"n\":7}\n"),
        (
            &["tojson", "people.avro", "--head=1", "--reader-schema-file", "reader.avsc"],
            "{\"id\":{\"double\":1.0},\"n\":7}\n",
        ),
        (&["tojson", "people.avro"], LINES),
        (&["tojson", "logs", "--threads", "1"], LINES),
        (&["tojson", "--plain", "logs/*.avro"], PLAIN),
        (&["tojson", "people.avro", "--head"], LINES),
        (&["tojson", "logs", "--head=2"], &two),
        (&["tojson", "people.avro", "--head=1"], &one),
        (&["tojson", "people.avro", "--head=0"], ""),
        (
            &["tojson", "people.avro", "--head=1", "--pretty"],
            "{\n  \"id\": 1,\n  \"name\": {\n    \"string\": \"Ann\"\n  },\n  \"tags\": [\n    \"x\",\n    \"y\"\n  ]\n}\n",
        ),
        (
            &["tojson", "people.avro", "--reader-schema", "reader.avsc", "--head=1"],
            "{\"id\":{\"double\":1.0},\"n\":7}\n",
        ),
    ];
    check_all(cases, |(arguments, expected)| {
        folder.run(arguments).wrote(expected);
    });
    folder.run(&["tojson", "people.avro", "-o", "out.json"]).wrote("");
    assert_eq!(folder.read("out.json"), LINES.as_bytes());
    folder
        .run(&["tojson", "people.avro", "--reader-schema", "{\"type\":"])
        .failed(1, &["--reader-schema: invalid Avro schema"]);
    let mut command = folder.command(&["tojson", "-"]);
    let output = command.stdin(fs::File::open(folder.path("people.avro")).unwrap()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), LINES);

    // The last block is truncated, and the byte after the rows of the first is wrong.
    let whole = folder.read("people.avro");
    folder.file("cut.avro", &whole[..whole.len() - 1]);
    let ran = folder.run(&["tojson", "cut.avro"]);
    assert_eq!((ran.stdout(), ran.code), (two.as_str(), 1), "what is before the damage is written");
    assert!(ran.stderr.contains("cut.avro: the file ends inside a block"), "{}", ran.stderr);
    let ran = folder.run(&["tojson", "--lenient", "cut.avro"]);
    assert_eq!((ran.stdout(), ran.code), (two.as_str(), 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("cut.avro: skipped"), "{}", ran.stderr);
    folder.run(&["tojson", "cut.avro", "-o", "never.json"]).failed(1, &["cut.avro"]);
    assert!(!folder.names().contains(&"never.json".to_owned()));
}

#[test]
fn fromjson_writes_files() {
    let folder = folder();
    folder
        .file("in.json", LINES)
        .file("plain.json", PLAIN)
        .file("pretty.json", LINES.replace(',', ",\n ").replace("}\n{", "} {"));
    let cases: [&[&str]; 5] = [
        &["fromjson", "in.json", "out.avro", "--schema-file", "person.avsc"],
        &["fromjson", "in.json", "out.avro", "--schema", PEOPLE, "--codec", "null", "--threads", "1"],
        &["fromjson", "plain.json", "out.avro", "--plain", "--schema-file", "people.avro", "--codec", "snappy"],
        &["fromjson", "pretty.json", "out.avro", "--schema-file", "person.avsc", "--codec", "deflate", "--level", "9"],
        &["fromjson", "pretty.json", "out.avro", "--schema-file", "person.avsc", "--codec", "zstd", "--level", "-1"],
    ];
    check_all(cases, |arguments| {
        folder.run(arguments).wrote("");
        folder.run(&["tojson", "out.avro"]).wrote(LINES);
        folder
            .run(&["schema", "out.avro", "--canonical"])
            .wrote(&String::from_utf8(bytes(&folder, &["schema", "person.avsc", "--canonical"])).unwrap());
    });
    let ran = folder.run_with(&["fromjson", "-", "-", "--schema", "\"long\""], "1 2\n3 ");
    folder.file("piped.avro", ran.stdout);
    folder.run(&["tojson", "piped.avro"]).wrote("1\n2\n3\n");
    folder.run_with(&["fromjson", "-", "empty.avro", "--schema", "\"long\""], "").wrote("");
    folder.run(&["count", "empty.avro"]).wrote("0\n");

    let schema = "person.avsc";
    let wrong: [(&str, &[&str], i32, &[&str]); 10] = [
        (
            " [{\"id\":1}]",
            &["--schema-file", schema],
            1,
            &["found an array of 1; expected one JSON document for each row"],
        ),
        (
            "{\"id\":1,\"name\":null,\"tags\":[]}\n\n{\"id\":1,\n\"name\":2,\"tags\":[]}",
            &["--schema-file", schema],
            1,
            &["document 2 (line 3): $.name: expected one of null, {\"string\": …}, found 2"],
        ),
        ("{\"id\":1", &["--schema-file", schema], 1, &["standard input: document 1 (line 1): byte 7: not JSON"]),
        ("{\"id\":1,\"name\":\"x\",\"tags\":[]}", &["--schema-file", schema], 1, &["$.name: expected"]),
        (
            "{\"id\":1,\"name\":null,\"tags\":[1]}",
            &["--plain", "--schema-file", schema],
            1,
            &["$.tags[0]: expected string, found 1"],
        ),
        ("1", &["--schema", "{"], 1, &["--schema: ", "not JSON"]),
        ("1", &["--schema-file", "none.avsc"], 1, &["none.avsc"]),
        ("1", &[], 2, &["--schema"]),
        ("1", &["--schema", "\"int\"", "--codec", "snappy", "--level", "1"], 2, &["snappy has no levels"]),
        ("1", &["--schema", "\"int\"", "--codec", "deflate", "--level", "13"], 2, &["1 to 12"]),
    ];
    for (text, arguments, code, words) in wrong {
        let arguments = [&["fromjson", "-", "never.avro"], arguments].concat();
        folder.run_with(&arguments, text).failed(code, words);
        assert!(!folder.names().iter().any(|name| name.contains("never")), "{:?}", folder.names());
    }
}

#[test]
fn concat_joins_files() {
    let folder = folder();
    // Schemas too deep for some parsers are compared too.
    for kind in ["int", "long"] {
        let deep = format!("{}\"{kind}\"{}", "{\"type\":".repeat(200), "}".repeat(200));
        folder.file(&format!("{kind}.avro"), avro(&deep, 1, &[]));
    }
    folder.run(&["concat", "int.avro", "int.avro", "ints.avro"]).wrote("");
    folder.run(&["concat", "int.avro", "long.avro", "never.avro"]).failed(1, &["different schemas"]);
    let other = PEOPLE.replace("\"id\"", "\"key\"");
    folder.file("other.avro", avro(&other, 1, &[person(4, None, &[])]));
    // Only white space differs.
    folder.file("spaced.avro", avro(&PEOPLE.replace(',', " , "), 1, &[person(4, None, &[])]));
    folder.run(&["concat", "logs", "spaced.avro", "out.avro"]).wrote("");
    let lines = format!("{LINES}{{\"id\":4,\"name\":null,\"tags\":[]}}\n");
    folder.run(&["tojson", "out.avro"]).wrote(&lines);
    assert_eq!(bytes(&folder, &["concat", "people.avro", "-"]), folder.read("people.avro"));
    folder.run(&["recodec", "people.avro", "snappy.avro", "--codec", "snappy"]).wrote("");
    let mut tagged = b"Obj\x01\x06".to_vec();
    tagged.extend(&folder.read("people.avro")[5..]);
    let end = tagged.windows(5).position(|w| w == b"null\0").unwrap() + 4;
    tagged.splice(end..end, *b"\x02k\x02v");
    folder.file("tagged.avro", tagged);
    let cases: [(&[&str], i32, &[&str]); 5] = [
        (
            &["concat", "people.avro", "other.avro", "never.avro"],
            1,
            &["people.avro and other.avro have different schemas"],
        ),
        (&["concat", "people.avro", "snappy.avro", "never.avro"], 1, &["different codecs, null and snappy", "recodec"]),
        (
            &["concat", "people.avro", "tagged.avro", "never.avro"],
            1,
            &["people.avro and tagged.avro have different metadata `k`"],
        ),
        (&["concat", "tagged.avro", "people.avro", "never.avro"], 1, &["different metadata `k`"]),
        (&["concat", "people.avro"], 2, &["at least one input and an output"]),
    ];
    check_all(cases, |(arguments, code, words)| {
        folder.run(arguments).failed(code, words);
        assert!(!folder.names().iter().any(|name| name.contains("never")), "{:?}", folder.names());
    });
}

#[test]
fn repair_keeps_intact_blocks() {
    let folder = Folder::new();
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"n","type":"int"},{"name":"b","type":"boolean"}]}"#;
    let row = |n: i64| Value::Record(vec![n.into(), Value::Fixed(vec![1])]);
    let rows: Vec<Value> = (0..9).map(row).collect();
    let whole = avro(schema, 3, &rows);
    let start = whole.len() - 3 * (2 + 6 + 16);
    let numbers = |numbers: &[i64]| numbers.iter().map(|n| format!("{{\"n\":{n},\"b\":true}}\n")).collect::<String>();
    folder.file("whole.avro", &whole);
    folder.run(&["repair", "whole.avro", "out.avro"]).wrote("3 intact blocks, 9 rows kept, 0 lost\n");
    assert_eq!(folder.read("out.avro"), whole);
    folder.run(&["repair", "whole.avro", "--report"]).wrote("3 intact blocks, 9 rows kept, 0 lost\n");

    // The second row of the second block.
    let mut bad = whole.clone();
    bad[start + 24 + 2 + 3] = 9;
    folder.file("bad.avro", &bad);
    let bad_row =
        format!("boolean 9 is neither 0 nor 1 (row 1, block 1, file offset {}, offset in block 3)\n", start + 24);
    let line = format!("lost 1 row of the 3 rows of a block: {bad_row}");
    let prior = format!("lost 2 rows after 1 row of a block: {bad_row}");
    let cases: [(&[&str], &[i64], &str, &str); 4] = [
        (&[], &[0, 1, 2, 3, 5, 6, 7, 8], &line, "2 intact blocks, 8 rows kept, 1 lost\n"),
        (&["-o", "all"], &[0, 1, 2, 3, 5, 6, 7, 8], &line, "2 intact blocks, 8 rows kept, 1 lost\n"),
        (&["-o", "prior"], &[0, 1, 2, 3], &prior, "2 intact blocks, 4 rows before the first damage kept, 2 lost\n"),
        (&["-o", "after"], &[6, 7, 8], &line, "2 intact blocks, 3 rows after the first damage kept, 1 lost\n"),
    ];
    check_all(cases, |(arguments, kept, line, summary)| {
        folder.run(&[&["repair", "bad.avro", "out.avro"], arguments].concat()).wrote(&format!("{line}{summary}"));
        folder.run(&["tojson", "out.avro"]).wrote(&numbers(kept));
    });
    let ran = folder.run(&["repair", "bad.avro", "--report"]);
    assert_eq!((ran.stdout(), ran.code), (format!("{line}2 intact blocks, 8 rows kept, 1 lost\n").as_str(), 1));
    assert_eq!(ran.stderr, "avro-sql: error: bad.avro: damaged in 1 place\n");
    let ran = folder.run(&["repair", "bad.avro", "-"]);
    folder.file("piped.avro", &ran.stdout);
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    folder.run(&["tojson", "piped.avro"]).wrote(&numbers(&[0, 1, 2, 3, 5, 6, 7, 8]));
    let quiet: [&[&str]; 4] = [
        &["repair", "bad.avro", "-", "--quiet"],
        &["tojson", "bad.avro", "--lenient", "--quiet"],
        &["cat", "bad.avro", "--lenient", "--quiet"],
        &["schema", "--merged", "whole.avro", "bad.avro", "--quiet"],
    ];
    for arguments in quiet {
        let ran = folder.run(arguments);
        assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{arguments:?}");
    }

    // A wrong size, and a missing end.
    let mut bad = whole[..whole.len() - 5].to_vec();
    bad[start + 24 + 1] = 100;
    folder.file("bad.avro", &bad);
    let ran = folder.run(&["repair", "bad.avro", "out.avro"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout().ends_with("1 intact block, 3 rows kept, 0 or more lost\n"), "{}", ran.stdout());
    folder.run(&["tojson", "out.avro"]).wrote(&numbers(&[0, 1, 2]));

    folder.file("bad.avro", b"Obj\x01");
    folder.run(&["repair", "bad.avro", "out.avro"]).failed(1, &["the file ends inside the header"]);
    folder.run(&["repair", "bad.avro"]).failed(2, &["repair needs an output, or --report"]);
}

#[test]
fn random_writes_rows() {
    let folder = folder();
    let schema = r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":["null",{"type":"array","items":["R","int"]}]},{"name":"b","type":{"type":"map","values":["R","double"]}},
        {"name":"d","type":{"type":"int","logicalType":"date"}},{"name":"t","type":{"type":"long","logicalType":"timestamp-nanos"}},
        {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}},
        {"name":"f","type":{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":9,"scale":2}},
        {"name":"u","type":{"type":"string","logicalType":"uuid"}},{"name":"v","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}},
        {"name":"i","type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"n","type":"null"},{"name":"o","type":"boolean"},
        {"name":"x","type":"float"},{"name":"y","type":"bytes"},{"name":"z","type":{"type":"int","logicalType":"time-millis"}},
        {"name":"w","type":{"type":"bytes","logicalType":"big-decimal"}}]}"#;
    folder.file("all.avsc", schema);
    let random = |name: &str, threads: &str, seed: &str| {
        let out =
            ["random", "all.avsc", name, "--count", "2500", "--seed", seed, "--threads", threads, "--codec", "deflate"];
        folder.run(&out).wrote("");
        folder.read(name)
    };
    let one = random("1.avro", "1", "5");
    assert_eq!(one, random("2.avro", "3", "5"));
    assert_ne!(one, random("2.avro", "3", "6"));
    folder.run(&["count", "1.avro"]).wrote("2500\n");
    // Dates of these decades, and numbers of the requested precision.
    let sql = "SELECT count(*) AS n, min(d) >= '2000-01-01' AND max(t) < '2031-01-01' AS dates, max(abs(f)) < 10000000 AS f FROM '1.avro'";
    folder.run(&["-c", sql]).wrote("n,dates,f\n2500,true,true\n");
    let sql = "SELECT count(*) AS n FROM '1.avro' WHERE encode(v, 'hex') !~ '^.{12}4.{3}[89ab].{15}$'";
    folder.run(&["-c", sql]).wrote("n\n0\n");
    assert_ne!(
        bytes(&folder, &["random", "person.avsc", "-", "--count", "5"]),
        bytes(&folder, &["random", "person.avsc", "-", "--count", "5"])
    );
    folder.run(&["random", "people.avro", "0.avro", "--count", "0"]).wrote("");
    folder.run(&["count", "0.avro"]).wrote("0\n");

    folder.file("endless.avsc", r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#);
    folder.run(&["random", "endless.avsc", "never.avro", "--count", "1"]).failed(1, &["endless.avsc", "without end"]);
    let mut double = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    for n in 1..28 {
        let again = format!("R{}", n - 1);
        double = format!(
            r#"{{"type":"record","name":"R{n}","fields":[{{"name":"a","type":{double}}},{{"name":"b","type":"{again}"}}]}}"#
        );
    }
    folder.file("double.avsc", double);
    folder.run(&["random", "double.avsc", "never.avro", "--count", "1"]).failed(1, &["double.avsc", "too large"]);
}

#[test]
fn explain_program_and_fragments_print() {
    let folder = folder();
    folder
        .run(&["explain-program", "people.avro", "--columns", "name"])
        .wrote("skip 1 varints\nnull or string -> b0, valid b1\nskip items\n  skip 1 lengths and bytes\n");
    folder.run(&["explain-program", "person.avsc", "--columns", "none"]).failed(1, &["none"]);
    let schema = r#"["null",{"type":"array","items":"long"}]"#;
    folder.file("datum", [2, 4, 2, 4, 0]).file("datums", [0, 2, 4, 2, 4, 0]).file("bad", [2, 4, 2, 0x80]);
    let cases: [(&[&str], &str); 4] = [
        (&["fragtojson", "datum", "--schema", schema], "{\"array\":[1,2]}\n"),
        (&["fragtojson", "datum", "--schema", schema, "--plain"], "[1,2]\n"),
        (&["fragtojson", "datums", "--schema", schema, "--plain"], "null\n[1,2]\n"),
        (&["fragtojson", "datum", "--schema", schema, "--plain", "--pretty"], "[\n  1,\n  2\n]\n"),
    ];
    check_all(cases, |(arguments, expected)| {
        folder.run(arguments).wrote(expected);
    });
    folder.run(&["fragtojson", "bad", "--schema", schema]).failed(1, &["bad: a value runs past the end", "offset 3"]);
    folder.file("empty", "").run(&["fragtojson", "empty", "--schema", "\"null\""]).wrote("null\n");
    let ran = folder.run_with(&["jsontofrag", "-", "--schema", schema], "{\"array\":[1,2]}");
    assert_eq!((ran.stdout, ran.code), (vec![2, 4, 2, 4, 0], 0), "{}", ran.stderr);
    folder.run_with(&["jsontofrag", "-", "out", "--schema", schema, "--plain"], " [1, 2]").wrote("");
    assert_eq!(folder.read("out"), [2, 4, 2, 4, 0]);
    // Several datums of `fragtojson` are read back.
    let ran = folder.run_with(&["jsontofrag", "-", "--schema", schema], "null\n{\"array\":[1,2]}\n");
    assert_eq!((ran.stdout, ran.code), (folder.read("datums"), 0), "{}", ran.stderr);
    for (json, expected) in [("null\n\n[1]", "document 2 (line 3): $: expected one of null"), (" \n", "no JSON found")]
    {
        folder.run_with(&["jsontofrag", "-", "--schema", schema], json).failed(1, &[expected]);
    }
    folder
        .run_with(&["jsontofrag", "-", "--schema", schema], "[1]")
        .failed(1, &["standard input: $: expected one of null"]);
}

/// Ctrl-C while a tool waits for standard input leaves no file.
#[cfg(unix)]
#[test]
fn interrupted_tool_exits_130() {
    let folder = folder();
    let mut command = folder.command(&["fromjson", "-", "never.avro", "--schema", "\"int\""]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take(); // stays open
    while !folder.names().iter().any(|name| name.contains("never")) {
        std::thread::sleep(std::time::Duration::from_millis(10)); // until the output exists, which has to be removed
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(130), b"avro-sql: interrupted\n".as_slice()));
    assert!(!folder.names().iter().any(|name| name.contains("never")), "{:?}", folder.names());
}

/// Files in stores are read by ranges; here the store is the disk.
#[test]
fn tools_read_object_stores() {
    let folder = folder();
    folder.run(&["random", "person.avsc", "many.avro", "--count", "20000", "--seed", "3", "--codec", "null"]).wrote("");
    let url = |name: &str| format!("file://{}", folder.path(name).canonicalize().unwrap().display());
    let (people, logs, many) = (url("people.avro"), url("logs"), url("many.avro"));
    folder.run(&["tojson", &people]).wrote(LINES);
    folder.run(&["tojson", &logs]).wrote(LINES);
    folder.run(&["cat", &logs, "people.avro", "--format", "ndjson"]).wrote(&PLAIN.repeat(2));
    folder.run(&["head", &people, "-n", "3", "--format", "ndjson"]).wrote(PLAIN);
    assert_eq!(bytes(&folder, &["tojson", &many]), bytes(&folder, &["tojson", "many.avro"]));
    assert_eq!(
        bytes(&folder, &["meta", "--blocks", &many]).len(),
        bytes(&folder, &["meta", "--blocks", "many.avro"]).len()
            + (bytes(&folder, &["meta", "--blocks", &many]).iter().filter(|b| **b == b'\n').count() - 1)
                * (many.len() - "file://".len() - "many.avro".len())
    );
    folder.run(&["count", &logs, &many, "--per-file"]).wrote(&format!(
        "2\t{0}/1.avro\n1\t{0}/2.avro\n20000\t{1}\n",
        &logs["file://".len()..],
        &many["file://".len()..]
    ));
    assert_eq!(bytes(&folder, &["schema", &people]), bytes(&folder, &["schema", "person.avsc"]));
    assert_eq!(bytes(&folder, &["schema", "--arrow", &people]), bytes(&folder, &["schema", "--arrow", "person.avsc"]));
    folder.run(&["compat", "person.avsc", &people]).wrote("");
    folder
        .run(&["explain-program", &people, "--columns", "id"])
        .wrote("long -> b0\nskip null or length and bytes\nskip items\n  skip 1 lengths and bytes\n");
    folder.run(&["concat", &people, "out.avro"]).wrote("");
    assert_eq!(folder.read("out.avro"), folder.read("people.avro"));
    folder.run(&["tojson", &people.replace("people", "nobody")]).failed(1, &["nobody.avro"]);
    folder.run(&["recodec", &logs, "out.avro"]).failed(2, &["expected one file"]);
    let mut cut = folder.read("people.avro");
    cut.truncate(cut.len() - 3);
    folder.file("cut.avro", cut);
    folder
        .run(&["tojson", &url("cut.avro"), "-o", "never.json"])
        .failed(1, &["cut.avro: the file ends inside a block"]);
}

/// Returns the files of a folder of test data; none in a packaged crate.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(folder);
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("{} is not there: nothing is tested", folder.display());
        return Vec::new();
    };
    let all = entries.map(|e| e.unwrap().path());
    let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|e| e == "avro")).collect();
    files.sort();
    files
}

/// Each tool that writes files keeps the rows.
#[test]
fn valid_files_survive_every_rewriting_tool() {
    let folder = Folder::new();
    let codecs = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"];
    for (at, file) in files("valid").into_iter().enumerate() {
        let name = file.to_str().unwrap();
        let lines = bytes(&folder, &["tojson", name]);
        let mut to = vec!["recodec", "concat", "repair"];
        if at % 4 == 0 {
            // Not for every file: processes start slowly.
            to.push("fromjson");
        }
        let to = to[at % to.len()];
        let codec = codecs[at / 4 % codecs.len()];
        folder.file("lines.json", &lines);
        match to {
            "recodec" => drop(bytes(&folder, &["recodec", name, "out.avro", "--codec", codec])),
            "fromjson" => {
                let from = ["fromjson", "lines.json", "out.avro", "--schema-file", name, "--codec", codec, "--lenient"];
                drop(bytes(&folder, &from));
            }
            to => drop(bytes(&folder, &[to, name, "out.avro"])),
        }
        assert_eq!(bytes(&folder, &["tojson", "out.avro"]), lines, "{to} {name}");
        let count = String::from_utf8(bytes(&folder, &["count", "out.avro"])).unwrap();
        assert_eq!(count.trim().parse::<usize>().unwrap(), lines.iter().filter(|b| **b == b'\n').count(), "{name}");
    }
}

/// The output of repair can be read strictly.
#[test]
fn corrupt_files_are_repaired_or_rejected() {
    let folder = Folder::new();
    let mut n_repaired = 0;
    for file in files("corrupt") {
        let name = file.to_str().unwrap();
        let ran = folder.run(&["repair", name, "out.avro"]);
        match ran.code {
            0 => {
                drop(bytes(&folder, &["tojson", "out.avro"]));
                n_repaired += 1;
            }
            _ => ran.failed(1, &[]),
        }
    }
    assert!(n_repaired > 5 || files("corrupt").is_empty(), "{n_repaired}");
}
