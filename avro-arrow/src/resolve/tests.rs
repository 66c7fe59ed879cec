//! Pairs of schemas: what comes of them, and those made to be large.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::options::Options;
use crate::program::Program;
use avro_testing::check_all;
use std::time::{Duration, Instant};

fn schema(json: &str) -> Schema {
    Schema::parse(json, &Limits::default()).unwrap_or_else(|e| panic!("{e}: {json}"))
}

fn resolve(writer: &Schema, reader: &Schema) -> Result<Resolution> {
    Resolution::new(writer, reader, FieldMatch::Name, Rules::LENIENT, &Limits::default())
}

/// Records nested to a depth, each holding the next twice, with `bottom` in the last.
fn doubling(levels: usize, letter: &str, bottom: &str) -> Schema {
    let mut json = format!(r#"{{"type":"record","name":"{letter}0","fields":[{{"name":"a","type":"{bottom}"}}]}}"#);
    for level in 1..levels {
        json = format!(
            r#"{{"type":"record","name":"{letter}{level}","fields":[{{"name":"a","type":{json}}},
                {{"name":"b","type":"{letter}{}"}}]}}"#,
            level - 1
        );
    }
    schema(&json)
}

/// A union in a list: the branches that the writer's become.
fn branches(writer: &str, reader: &str) -> Vec<Option<usize>> {
    let (writer, reader) = (schema(writer), schema(reader));
    let resolution = resolve(&writer, &reader).unwrap();
    let Action::FromUnion(branches) = &resolution.pair(resolution.root).action else { panic!("no union") };
    let branch = |pair: &Option<PairId>| match &resolution.pair((*pair)?).action {
        Action::ToUnion { branch, .. } => Some(*branch),
        other => panic!("{other:?}"),
    };
    branches.iter().map(branch).collect()
}

#[test]
fn resolve_takes_best_branch() {
    let record = |name: &str| format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#);
    let (a, b, other_a) = (record("n.A"), record("n.B"), record("m.A"));
    let aliased =
        |name: &str, alias: &str| format!(r#"{{"type":"record","name":"{name}","aliases":["{alias}"],"fields":[]}}"#);
    let fixed = |name: &str, size: usize| format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#);
    let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    let list = |items: &str| format!(r#"{{"type":"array","items":{items}}}"#);
    let cases: Vec<(String, String, &[Option<usize>])> = vec![
        (r#"["null","int","string"]"#.into(), r#"["string","null","int"]"#.into(), &[Some(1), Some(2), Some(0)]),
        (r#"["int","long"]"#.into(), r#"["double","long"]"#.into(), &[Some(0), Some(1)]),
        (r#"["int","boolean"]"#.into(), r#"["float","double"]"#.into(), &[Some(0), None]),
        // One name before another of the same simple name; any record before none.
        (format!("[{a},{b}]"), format!("[{other_a},{b},{a}]"), &[Some(2), Some(1)]),
        (format!("[{a},{b}]"), format!("[{other_a},{b}]"), &[Some(0), Some(1)]),
        (format!(r#"[{a},"int"]"#), format!(r#"["int",{b}]"#), &[Some(1), Some(0)]),
        (
            format!("[{},{}]", fixed("F", 2), fixed("G", 3)),
            format!("[{},{}]", fixed("X", 3), fixed("F", 2)),
            &[Some(1), None],
        ),
        // A name is overlooked only where both sides have one type of the kind.
        (format!(r#"[{a},"int"]"#), format!("[{b},{other_a}]"), &[Some(1), None]),
        (format!(r#"[{a},{b},"int"]"#), format!(r#"["int",{}]"#, record("n.C")), &[None, None, Some(0)]),
        (format!("[{a},{b}]"), format!(r#"["int",{other_a},{}]"#, record("n.C")), &[Some(1), None]),
        (format!(r#"["null",{}]"#, list(&a)), format!(r#"["null",{}]"#, list(&b)), &[Some(0), Some(1)]),
        // A full name before an alias, that before a name in another namespace, and this before an alias there.
        (
            format!("[{a},{other_a}]"),
            format!("[{},{}]", aliased("k.A", "l.A"), aliased("k.X", "m.A")),
            &[Some(0), Some(1)],
        ),
        (format!("[{a},{other_a}]"), format!("[{a},{}]", aliased("k.X", "n.A")), &[Some(0), Some(0)]),
        (format!("[{a}]"), format!("[{},{other_a}]", aliased("k.X", "k.A")), &[Some(1)]),
        (format!(r#"[{millis},"int"]"#), format!(r#"["int",{millis}]"#), &[Some(1), Some(0)]),
        (format!("[{}]", list("\"int\"")), format!(r#"["int",{}]"#, list("\"long\"")), &[Some(1)]),
        (format!(r#"[{},"null"]"#, list("\"int\"")), format!(r#"["null",{}]"#, list("\"string\"")), &[None, Some(0)]),
    ];
    check_all(cases, |(writer, reader, want)| {
        assert_eq!(branches(&writer, &reader), want, "{writer} read as {reader}");
    });
}

/// With itself, a schema is what it is, also where its own rules would not find that.
#[test]
fn same() {
    let twice = schema(r#"["int","int",{"type":"array","items":"int"}]"#);
    let resolution = Resolution::same(&twice);
    let Action::FromUnion(branches) = &resolution.pair(resolution.root).action else { panic!("no union") };
    for (at, pair) in branches.iter().enumerate() {
        let Action::ToUnion { branch, .. } = resolution.pair(pair.unwrap()).action else { panic!("no branch") };
        assert_eq!(branch, at);
    }
}

#[test]
fn resolve_of_types_that_double_makes_a_pair_for_each_level() {
    let start = Instant::now();
    let (writer, reader) = (doubling(40, "W", "int"), doubling(40, "R", "long"));
    let resolution = resolve(&writer, &reader).unwrap();
    assert_eq!(resolution.pairs.len(), 41);
    // What is wrong at the bottom is said once.
    let error = resolve(&writer, &doubling(40, "R", "string")).unwrap_err();
    let ErrorKind::Resolve { mismatches } = error.kind() else { panic!("{error}") };
    assert_eq!(mismatches.len(), 1);
    assert_eq!(mismatches[0].path, vec!["a"; 40].join("."));
    // Columns of all of it would be too many.
    let options = Options { reader_schema: Some(reader), ..Options::default() };
    let error = Program::compile(&writer, &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit { limit: "arrow_fields", .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

/// Defaults that stand for more and more of themselves.
#[test]
fn resolve_of_defaults_that_double_is_limited() {
    let start = Instant::now();
    let mut json = r#"{"type":"record","name":"D0","fields":[{"name":"x","type":"int","default":1}]}"#.to_string();
    for level in 1..40 {
        let below = level - 1;
        json = format!(
            r#"{{"type":"record","name":"D{level}","fields":[{{"name":"a","type":{json},"default":{{}}}},
                {{"name":"b","type":"D{below}","default":{{}}}}]}}"#
        );
    }
    let reader =
        schema(&format!(r#"{{"type":"record","name":"R","fields":[{{"name":"d","type":{json},"default":{{}}}}]}}"#));
    let error = resolve(&schema(r#"{"type":"record","name":"R","fields":[]}"#), &reader).unwrap_err().to_string();
    assert!(error.contains("the writer has no field `d`, and defaults inside of defaults come to no end"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

/// Every type of one schema meets every type of the other, as the writer's union at each level has many branches.
#[test]
fn resolve_of_rings_limits_pairs() {
    // Rings of different lengths: in every step both go on, and so all of one meet all of the other.
    let ring = |letter: &str, n: usize| {
        let mut json = format!(r#""{letter}0""#);
        for at in (1..n).rev() {
            json = format!(
                r#"{{"type":"record","name":"{letter}{at}","fields":[{{"name":"next","type":["null",{json}]}}]}}"#
            );
        }
        schema(&format!(
            r#"{{"type":"record","name":"{letter}0","fields":[{{"name":"next","type":["null",{json}]}}]}}"#
        ))
    };
    let (writer, reader) = (ring("W", 29), ring("R", 31));
    let resolution = resolve(&writer, &reader).unwrap();
    assert!(resolution.pairs.len() > 29 * 31, "{}", resolution.pairs.len());
    let few = Limits { schema_nodes: 100, ..Limits::default() };
    let error = Resolution::new(&writer, &reader, FieldMatch::Name, Rules::LENIENT, &few).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit { limit: "schema_nodes", .. }), "{error}");
}

/// Each branch of a union is held against each of the other's.
#[test]
fn resolve_of_wide_unions_limits_parts_of_pairs() {
    let union = |kind: &str, n: usize| {
        let branch = |at: usize| match kind {
            "enum" => format!(r#"{{"type":"enum","name":"E{at}","symbols":["a"]}}"#),
            _ => format!(r#"{{"type":"fixed","name":"F{at}","size":1}}"#),
        };
        schema(&format!("[{}]", (0..n).map(branch).collect::<Vec<_>>().join(",")))
    };
    let (writer, reader) = (union("enum", 200), union("fixed", 200));
    let limit = |limits: Limits| {
        let error = Resolution::new(&writer, &reader, FieldMatch::Name, Rules::LENIENT, &limits).unwrap_err();
        let ErrorKind::Limit { limit, .. } = error.kind() else { panic!("{error}") };
        *limit
    };
    assert_eq!(limit(Limits { schema_nodes: 1000, ..Limits::default() }), "schema_nodes");
    assert_eq!(limit(Limits { metadata_bytes: 1000, ..Limits::default() }), "metadata_bytes");
}

/// Types that go round in rings of different lengths meet after ever more steps.
#[test]
fn mismatches_at_the_end_of_long_paths() {
    let ring = |letter: &str, n: usize, more: &str| {
        let mut json = format!(r#""{letter}0""#);
        for at in (0..n).rev() {
            json = format!(
                r#"{{"type":"record","name":"{letter}{at}","fields":[{{"name":"next","type":{json}}}{more}]}}"#
            );
        }
        schema(&json)
    };
    let (writer, reader) = (ring("W", 29, ""), ring("R", 31, r#",{"name":"x","type":"int"}"#));
    let error = resolve(&writer, &reader).unwrap_err();
    let ErrorKind::Resolve { mismatches } = error.kind() else { panic!("{error}") };
    assert!(mismatches.len() > 100, "{}", mismatches.len());
    let bytes: usize = mismatches.iter().map(|mismatch| mismatch.path.len()).sum();
    assert!(bytes < 1 << 20, "{bytes}");
    assert!(mismatches.iter().all(|mismatch| mismatch.path.len() < 3000));
    assert!(mismatches.iter().any(|mismatch| mismatch.path.ends_with('…')));
}

/// A long default is looked at for one branch of a union after the other.
#[test]
fn resolve_of_long_default_for_many_branches_is_limited() {
    let branches: Vec<String> = (0..200).map(|at| format!(r#"{{"type":"fixed","name":"F{at}","size":1}}"#)).collect();
    let reader = schema(&format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"d","type":[{}],"default":"{}"}}]}}"#,
        branches.join(","),
        "x".repeat(100_000)
    ));
    let error = resolve(&schema(r#"{"type":"record","name":"R","fields":[]}"#), &reader).unwrap_err().to_string();
    assert!(error.contains("defaults inside of defaults come to no end"), "{error}");
}

/// A union of many records in each of many records: as many ways as there are, all to the same columns.
#[test]
fn resolve_of_nested_unions_of_records_is_fast() {
    let start = Instant::now();
    let (mut writer, mut reader) = (r#""int""#.to_string(), r#""long""#.to_string());
    for level in 0..8 {
        let record = |at: usize, inner: &str| {
            format!(r#"{{"type":"record","name":"R{level}_{at}","fields":[{{"name":"x","type":{inner}}}]}}"#)
        };
        let others: Vec<String> = (1..10).map(|at| record(at, if level == 0 { r#""int""# } else { "\"W\"" })).collect();
        let named = if level == 0 {
            writer.clone()
        } else {
            format!(
                r#"{{"type":"record","name":"W","namespace":"n{level}","fields":[{{"name":"u","type":{writer}}}]}}"#
            )
        };
        writer = format!("[{},{}]", record(0, &named), others.join(",").replace("\"W\"", &format!("\"n{level}.W\"")));
        let wrapped = if level == 0 {
            reader.clone()
        } else {
            format!(r#"{{"type":"record","name":"W{level}","fields":[{{"name":"u","type":{reader}}}]}}"#)
        };
        let aliases: Vec<String> = (1..10).map(|at| format!("\"R{level}_{at}\"")).collect();
        reader = format!(
            r#"{{"type":"record","name":"R{level}_0","aliases":[{}],"fields":[{{"name":"x","type":{wrapped}}}]}}"#,
            aliases.join(",")
        );
    }
    let (writer, reader) = (schema(&writer), schema(&reader));
    resolve(&writer, &reader).unwrap();
    let options = Options { reader_schema: Some(reader), ..Options::default() };
    let error = Program::compile(&writer, &options).unwrap_err().to_string();
    assert!(error.contains("is read in more than"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
