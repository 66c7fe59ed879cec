//! Every case at a small scale: all engines see the same rows. And what the checksum sees, and which cases a text
//! means.
#![allow(clippy::unwrap_used)]

use crate::avro_writer::{Blocks, Codec, Encoder, KIB_64, Writer};
use crate::cases::{cases, matching};
use crate::checksum::Checksum;
use crate::data;
use crate::engines::{Engine, Input, Task};
use crate::kinds::{self, KINDS};
use crate::measure::{How, agree, measure};
use std::collections::HashSet;
use std::path::PathBuf;

/// A directory of this test's own.
fn dir(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("avro-benches-{test}-{}", std::process::id()))
}

#[test]
fn engines_agree() {
    let dir = dir("agree");
    let mut with_limit = 0;
    for case in cases() {
        let path = data::file(&dir, case.data, 0.001).unwrap();
        let expected = case.data.write(std::io::sink(), 0.001).unwrap();
        let columns = case.columns.map(|names| names.iter().map(|n| n.to_string()).collect());
        let input = Input { path: &path, columns, task: case.task, data: Some(case.data) };
        let mut engines = vec![(Engine::Ours, 1), (Engine::Ours, 3), (Engine::ArrowAvro, 1), (Engine::ApacheAvro, 1)];
        if Engine::Limit.reads(&input) && Engine::Limit.runs_here() {
            engines.push((Engine::Limit, 1));
            with_limit += 1;
        }
        let sums: Vec<_> = engines.iter().map(|(e, n)| (e.name(), e.checksum(&input, *n).unwrap())).collect();
        assert_eq!(sums[0].1.rows, expected, "{}", case.name);
        assert_ne!(sums[0].1.sum, 0, "{}", case.name);
        agree(&case.name, &sums).unwrap();
        for (engine, threads) in engines {
            assert_eq!(engine.drain(&input, threads).unwrap(), expected, "{}", case.name);
        }
    }
    // Two sizes of blocks, four codecs, three choices of columns.
    assert_eq!(with_limit, if Engine::Limit.runs_here() { 24 } else { 0 });
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn data_is_the_same_each_time_and_no_two_files_are_alike() {
    let mut files = HashSet::new();
    for case in cases() {
        let write = || {
            let mut file = Vec::new();
            case.data.write(&mut file, 0.0003).unwrap();
            file
        };
        let file = write();
        assert!(file == write(), "{}", case.name);
        // Cases of the same data have the same file.
        files.insert((format!("{:?}", case.data), file));
    }
    let names: HashSet<_> = files.iter().map(|(name, _)| name).collect();
    let contents: HashSet<_> = files.iter().map(|(_, file)| file).collect();
    assert_eq!((names.len(), contents.len()), (files.len(), files.len()));
}

#[test]
fn cases_have_names_of_their_own() {
    let all = cases();
    let names: HashSet<_> = all.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
}

/// The checksum of rows of `type`, which are given as their bytes.
fn checksum(engine: Engine, of: &str, rows: &[&[u8]]) -> Checksum {
    let fields = r#""name":"a","type":"#;
    let schema = format!(r#"{{"type":"record","name":"R","fields":[{{{fields}{of}}}]}}"#);
    let mut writer = Writer::new(Vec::new(), &schema, Codec::Null, Blocks::Rows(2)).unwrap();
    for row in rows {
        writer.row(|out| out.fixed(row)).unwrap();
    }
    let dir = dir("checksum");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(format!("{}.avro", engine.name()));
    std::fs::write(&path, writer.finish().unwrap().0).unwrap();
    let sum = engine.checksum(&Input { path: &path, columns: None, task: Task::Decode, data: None }, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    sum
}

#[test]
fn checksums_see_values_their_order_and_their_nesting() {
    // Of each type: rows that differ pairwise.
    let different: [(&str, &[&[&[u8]]]); 10] = [
        (r#""int""#, &[&[&[2], &[4]], &[&[4], &[2]], &[&[2], &[2]], &[&[2]]]),
        (r#""boolean""#, &[&[&[0]], &[&[1]]]),
        (r#"["null","int"]"#, &[&[&[0], &[2, 0]], &[&[2, 0], &[0]], &[&[2, 0], &[2, 0]], &[&[0], &[0]]]),
        (r#""string""#, &[&[&[2, b'a']], &[&[2, b'b']], &[&[0]], &[&[4, b'a', b'b']], &[&[4, b'b', b'a']]]),
        (r#""float""#, &[&[&[0, 0, 0, 0]], &[&[0, 0, 0, 0x80]], &[&[0, 0, 0x80, 0x3f]]]),
        (r#"["null","int","string"]"#, &[&[&[0]], &[&[2, 0]], &[&[2, 2]], &[&[4, 0]], &[&[4, 2, b'a']]]),
        (
            r#"{"type":"array","items":"int"}"#,
            &[&[&[0], &[2, 2, 0]], &[&[2, 2, 0], &[0]], &[&[2, 2, 0]], &[&[4, 2, 4, 0]], &[&[4, 4, 2, 0]]],
        ),
        (
            r#"{"type":"map","values":["null","int"]}"#,
            &[&[&[0]], &[&[2, 2, b'a', 0, 0]], &[&[2, 2, b'b', 0, 0]], &[&[2, 2, b'a', 2, 0, 0]]],
        ),
        (
            r#"["null",{"type":"record","name":"S","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}]"#,
            &[&[&[0]], &[&[2, 0, 0]], &[&[2, 2, 4]], &[&[2, 4, 2]]],
        ),
        (
            r#"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#,
            &[&[&[0; 12]], &[&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]], &[&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]]],
        ),
    ];
    for (of, all) in different {
        let mut seen = HashSet::new();
        for rows in all {
            let sums = [Engine::Ours, Engine::ArrowAvro, Engine::ApacheAvro].map(|e| (e.name(), checksum(e, of, rows)));
            agree(of, &sums).unwrap();
            assert!(seen.insert(sums[0].1.sum), "{of}: {rows:?}");
        }
    }
    let _ = std::fs::remove_dir(dir("checksum"));
}

#[test]
fn kinds_are_read_alike_by_all() {
    let dir = dir("kinds");
    std::fs::create_dir_all(&dir).unwrap();
    for kind in KINDS {
        for (key, columns) in [(None, 1), (Some("key"), 3)] {
            let path = dir.join("kind.avro");
            std::fs::write(&path, kinds::file(kind, key.is_some(), columns, 500).unwrap()).unwrap();
            let columns = key.map(|name| vec![name.to_string()]);
            let input = Input { path: &path, columns, task: Task::Decode, data: None };
            let engines = [Engine::Ours, Engine::ArrowAvro, Engine::ApacheAvro];
            let sums = engines.map(|e| (e.name(), e.checksum(&input, 1).unwrap()));
            assert_eq!(sums[0].1.rows, 500, "{}", kind.name);
            agree(kind.name, &sums).unwrap();
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn varints_have_the_length_of_their_name() {
    for (name, len) in [("varint-1", 1), ("varint-2", 2), ("varint-3", 3), ("varint-5", 5), ("varint-9", 9)] {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        let file_len = |rows| kinds::file(kind, false, 1, rows).unwrap().len();
        // One block's head is as long for 1000 rows as for 1001, and so is its size.
        assert_eq!(file_len(1001) - file_len(1000), len, "{name}");
    }
}

#[test]
fn disagreement_is_an_error() {
    let sum = |rows, sum| Checksum { rows, sum };
    assert!(agree("x", &[("a", sum(1, 2)), ("b", sum(1, 2))]).is_ok());
    for other in [sum(1, 3), sum(2, 2)] {
        let error = agree("x", &[("a", sum(1, 2)), ("b", sum(1, 2)), ("c", other)]).unwrap_err();
        assert!(error.contains("x: the engines disagree"), "{error}");
    }
}

#[test]
fn an_engine_that_cannot_read_a_file_has_no_line() {
    let dir = dir("cannot");
    std::fs::create_dir_all(&dir).unwrap();
    // arrow-avro refuses files whose rows are not records.
    let path = dir.join("long.avro");
    let mut writer = Writer::new(Vec::new(), r#""long""#, Codec::Null, KIB_64).unwrap();
    writer.row(|out: &mut Encoder| out.long(7)).unwrap();
    std::fs::write(&path, writer.finish().unwrap().0).unwrap();
    let input = Input { path: &path, columns: None, task: Task::Decode, data: None };
    let how = How { engines: &[Engine::Ours, Engine::ArrowAvro, Engine::ApacheAvro], threads: 1, runs: 1 };
    let lines: Vec<String> = measure("long", &input, &how).unwrap().iter().map(ToString::to_string).collect();
    let engines: Vec<&str> = lines.iter().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(engines, ["ours", "apache-avro"]);
    assert!(lines.iter().all(|line| line.ends_with("\t-")), "{lines:?}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn cases_are_found_by_name_start_or_pattern() {
    for (wanted, expected) in [
        (&["lineitem"][..], &["lineitem"][..]),
        (&["lineitem-2of16", "wide-1of100"], &["lineitem-2of16", "wide-1of100"]),
        (&["events-i"], &["events-items"]),
        (&["wide*"], &["wide", "wide-1of100", "wide-5of100"]),
        (&["types/time-*"], &["types/time-millis", "types/time-micros"]),
        (&["types/int??", "types/int32"], &["types/int32", "types/int64"]),
    ] {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let found = matching(cases(), &wanted).unwrap();
        assert_eq!(found.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), expected, "{wanted:?}");
    }
    assert_eq!(matching(cases(), &[]).unwrap().len(), cases().len());
    assert!(matching(cases(), &["nothing".into()]).is_err());
}
