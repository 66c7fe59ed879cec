//! Schemas and blocks made to do harm: to the stack, to memory, to time. The program gives what the reference decoder
//! gives, or an error that says what was too much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::tests::{check, program_batches};
use crate::container::testing::long;
use crate::options::{Enums, Options, Strings, Unions};
use crate::program::Program;
use crate::schema::Schema;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn program(schema: &str, options: &Options) -> crate::Result<Program> {
    Program::compile(&Schema::parse(schema, &Default::default()).unwrap(), options)
}

fn record(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, t)| format!(r#"{{"name":"{name}","type":{t}}}"#));
    format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.collect::<Vec<_>>().join(","))
}

fn without(name: &str) -> Options {
    Options { projection: Some(vec![name.into()]), ..Options::default() }
}

#[test]
fn odd_schemas_and_counts() {
    let no_symbols = r#"{"type":"enum","name":"E","symbols":[]}"#;
    let nullable_enum = record(&[("a", &format!(r#"["null",{no_symbols}]"#))]);
    let in_null_record = record(&[(
        "a",
        &format!(r#"["null",{{"type":"record","name":"I","fields":[{{"name":"e","type":{no_symbols}}}]}}]"#),
    )]);
    let in_union = record(&[("a", &format!(r#"["int","null",{no_symbols}]"#))]);
    let strings = Options { enums: Enums::String, ..Options::default() };
    let plain = Options { enums: Enums::String, strings: Strings::Utf8, ..Options::default() };
    let structs = Options { unions: Unions::Struct, ..Options::default() };
    let all = Options::default();
    let skipped = record(&[("a", r#"{"type":"array","items":"int"}"#), ("b", "\"int\"")]);
    let sized = |count: i64| [long(count), long(1), vec![2, 0], long(5)].concat();
    let itself = record(&[
        (
            "a",
            r#"{"type":"array","items":{"type":"record","name":"S","fields":[
        {"name":"s","type":"S"}]}}"#,
        ),
        ("b", "\"int\""),
    ]);
    let cases: [(&str, &Options, u64, Vec<u8>, bool); 13] = [
        (&nullable_enum, &all, 2, vec![0, 0], true),
        (&nullable_enum, &plain, 2, vec![0, 0], true),
        (&nullable_enum, &all, 2, vec![0, 2, 0], false),
        (&in_null_record, &all, 2, vec![0, 0], true),
        (&in_null_record, &strings, 2, vec![0, 0], true),
        (&in_null_record, &plain, 2, vec![0, 0], true),
        (&in_union, &all, 2, vec![0, 0, 2], true),
        (&in_union, &structs, 2, vec![0, 0, 2], true),
        (&skipped, &without("b"), 1, sized(-3), true),
        (&skipped, &without("b"), 1, sized(i64::MIN), false),
        (&skipped, &all, 1, sized(i64::MIN), false),
        // A record that only holds itself has no values.
        (&itself, &all, 1, vec![0, 10], true),
        (&itself, &without("b"), 1, vec![0, 10], true),
    ];
    for (schema, options, rows, data, valid) in cases {
        let program = program(schema, options).unwrap();
        check(&format!("{schema} {data:?}"), &program, &[(rows, data)], Some(valid));
    }
}

#[test]
fn enums_as_strings_share_their_symbols() {
    let symbols = ["short".to_string(), "x".repeat(1 << 20), "ä long symbol".to_string()];
    let schema = record(&[("a", &format!(r#"["null",{{"type":"enum","name":"E","symbols":{symbols:?}}}]"#))]);
    for (strings, batch_size) in [(Strings::View, 8192), (Strings::View, usize::MAX), (Strings::Utf8, 8192)] {
        let mut options = Options { enums: Enums::String, strings, batch_size, ..Options::default() };
        options.limits.batch_bytes = 100 << 20;
        let program = Arc::new(program(&schema, &options).unwrap());
        let start = Instant::now();
        let n_rows = if strings == Strings::View { 100_000 } else { 300 };
        let data: Vec<u8> =
            (0..n_rows).flat_map(|i| if i % 4 == 3 { vec![0] } else { vec![2, i as u8 % 4 * 2] }).collect();
        let batches = program_batches(&program, &[(n_rows, data)]).unwrap();
        let mut row = 0;
        for batch in batches {
            for at in 0..batch.num_rows() {
                let array = batch.column(0);
                let text = if strings == Strings::View {
                    array.as_string_view().iter().nth(at).unwrap()
                } else {
                    array.as_string::<i32>().iter().nth(at).unwrap()
                };
                if row % 997 < 4 {
                    assert_eq!(text, symbols.get(row % 4).map(String::as_str), "{row}");
                }
                row += 1;
            }
        }
        assert_eq!(row, n_rows as usize);
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    }
}

/// Symbols and defaults that stand in many rows are in memory once, and do not keep the blocks of other columns there.
#[test]
fn constants_are_not_copied() {
    let long_text = "é".repeat(1 << 15);
    let r#enum = format!(r#"{{"type":"enum","name":"E","symbols":["a","{long_text}"]}}"#);
    let writer = record(&[("a", &r#enum), ("skipped", "\"bytes\"")]);
    let reader = record(&[("a", "\"string\""), ("b", &format!(r#""string","default":"{long_text}""#))]);
    let options =
        Options { reader_schema: Some(Schema::parse(&reader, &Default::default()).unwrap()), ..Options::default() };
    let program = Arc::new(program(&writer, &options).unwrap());
    // What is kept is chosen by a sample of each 31st row.
    let n_rows = 3000u64;
    let short = |i: u64| i.is_multiple_of(31);
    let data =
        (0..n_rows).flat_map(|i| [vec![if short(i) { 0 } else { 2 }], long(100), vec![7; 100]].concat()).collect();
    let batches = program_batches(&program, &[(n_rows, data)]).unwrap();
    assert_eq!(batches.len(), 1);
    for column in batches[0].columns() {
        let column = column.as_string_view();
        let held: usize = column.data_buffers().iter().map(|buffer| buffer.len()).sum();
        assert!(held < 5 * long_text.len(), "{held}");
    }
    let [a, b] = [0, 1].map(|at| batches[0].column(at).as_string_view());
    assert!((0..n_rows).all(|i| a.value(i as usize) == if short(i) { "a" } else { &long_text }));
    assert!(b.iter().all(|text| text == Some(&long_text)));
}

/// The branches of a writer's union that each hold the same large record, or one that takes a long default.
#[test]
fn ways_to_the_same_record() {
    let read = |inner: &str, n: usize, reader: &str| {
        let others: Vec<String> = (1..n)
            .map(|at| format!(r#"{{"type":"record","name":"A{at}","fields":[{{"name":"x","type":"W"}}]}}"#))
            .collect();
        let first = format!(r#"{{"type":"record","name":"A0","fields":[{{"name":"x","type":{inner}}}]}}"#);
        let names: Vec<String> = (0..n).map(|at| format!(r#""A{at}""#)).collect();
        let reader = format!(
            r#"{{"type":"record","name":"R","aliases":[{}],"fields":[{{"name":"x","type":{reader}}}]}}"#,
            names.join(",")
        );
        let reader_schema = Some(Schema::parse(&reader, &Default::default()).unwrap());
        let options = Options { reader_schema, ..Options::default() };
        program(&format!("[{first},{}]", others.join(",")), &options).map(drop).map_err(|error| error.to_string())
    };
    let fields: Vec<String> = (0..60_000).map(|at| format!(r#"{{"name":"f{at}","type":"null"}}"#)).collect();
    let wide = format!(r#"{{"type":"record","name":"W","fields":[{}]}}"#, fields.join(","));
    let empty = r#"{"type":"record","name":"W","fields":[]}"#;
    let text = "x".repeat(500_000);
    let default =
        format!(r#"{{"type":"record","name":"W","fields":[{{"name":"s","type":"string","default":"{text}"}}]}}"#);
    assert_eq!(read(&wide, 2, empty), Ok(()));
    assert!(read(&wide, 20, empty).unwrap_err().contains("is read in more than"));
    assert_eq!(read(empty, 2, &default), Ok(()));
    assert!(read(empty, 40, &default).unwrap_err().contains("metadata_bytes"));
}

#[test]
fn fixed_of_more_than_32_bits() {
    let size = (1u64 << 32) + 1;
    let written = format!(r#"{{"type":"fixed","name":"F","size":{size},"logicalType":"decimal","precision":4}}"#);
    let reader =
        Schema::parse(r#"{"type":"bytes","logicalType":"decimal","precision":4}"#, &Default::default()).unwrap();
    let error = program(&written, &Options { reader_schema: Some(reader), ..Options::default() }).unwrap_err();
    assert!(error.to_string().contains("fixed of 4294967297"), "{error}");
    for logical in ["", r#","logicalType":"decimal","precision":4"#] {
        let fixed = format!(r#"{{"type":"fixed","name":"F","size":{size}{logical}}}"#);
        let schema = record(&[("a", &format!(r#"{{"type":"array","items":{fixed}}}"#)), ("b", "\"int\"")]);
        let error = program(&schema, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("fixed of 4294967297"), "{error}");
        let skips = program(&schema, &without("b")).unwrap();
        check(&schema, &skips, &[(1, [long(1), vec![7], long(0), long(5)].concat())], Some(false));
        check(&schema, &skips, &[(1, [long(0), long(5)].concat())], Some(true));
    }
}

/// What is skipped of a recursive type may be nested a thousand records deep, with a hundred arrays in each.
#[test]
fn the_stack_does_not_grow_with_the_data() {
    let arrays =
        |inner: &str, n: usize| [r#"{"type":"array","items":"#.repeat(n), inner.to_string(), "}".repeat(n)].concat();
    let schema = record(&[("a", &arrays("\"R\"", 100)), ("b", "\"int\"")]);
    let skipping = program(&schema, &without("b")).unwrap();
    for (depth, valid) in [(3, true), (900, true), (1100, false)] {
        let data = [
            long(1).repeat(100 * depth),
            long(0),
            (0..depth).flat_map(|_| [long(7), long(0).repeat(100)].concat()).collect(),
            long(7),
        ]
        .concat();
        check(&format!("{depth} deep"), &skipping, &[(1, data)], Some(valid));
    }
}

/// Each record has the one before twice: one value of the last is 2^60 of the first, which a block cannot have.
#[test]
fn skips_of_records_that_double_at_every_level() {
    let doubling = |first: &str, levels: usize| {
        let mut fields =
            vec![format!(r#"{{"name":"f","type":["null",{{"type":"record","name":"R0","fields":[{first}]}}]}}"#)];
        fields.extend((1..=levels).map(|level| {
            let below = level - 1;
            let record = format!(
                r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":"R{below}"}},{{"name":"b","type":"R{below}"}}]}}"#
            );
            format!(r#"{{"name":"f{level}","type":{{"type":"array","items":{record}}}}}"#)
        }));
        format!(r#"{{"type":"record","name":"R","fields":[{},{{"name":"wanted","type":"int"}}]}}"#, fields.join(","))
    };
    let (int, fixed) = (r#"{"name":"a","type":"int"}"#, r#"{"name":"a","type":"double"}"#);
    let mixed = r#"{"name":"a","type":"int"},{"name":"b","type":"string"},{"name":"c","type":["null","string"]}"#;
    let empty = r#"{"name":"a","type":"null"}"#;
    for (first, zeros_per_value) in [(int, 1), (fixed, 8), (mixed, 3), (empty, 0)] {
        let start = Instant::now();
        let schema = doubling(first, 60);
        let program = program(&schema, &without("wanted")).unwrap();
        assert!(program.ops.len() < 2000, "{} ops for {first}", program.ops.len());
        // No items but of one level, of which there is one.
        let rows = |level: usize, value: usize| {
            let before = vec![0; level];
            [before, long(1), vec![0; value], long(0), vec![0; 60 - level], long(5)].concat()
        };
        for level in [1, 2, 3, 4, 5, 9, 12, 16] {
            let value = zeros_per_value << level;
            check(&format!("{first} at {level}"), &program, &[(1, rows(level, value))], Some(true));
            if value > 0 {
                // What comes after is more zeros than the value lacks, and then one byte is too much or too little.
                check(&format!("{first} at {level}, short"), &program, &[(1, rows(level, value - 1))], None);
                check(&format!("{first} at {level}, cut"), &program, &[(1, vec![0; level + value / 2])], Some(false));
            }
        }
        if zeros_per_value > 0 {
            check(&format!("{first} at 60"), &program, &[(1, rows(60, 1000))], Some(false));
        }
        // Doubling takes years; a busy machine may take a while.
        assert!(start.elapsed() < Duration::from_secs(100), "{first}: {:?}", start.elapsed());
    }
}

#[test]
fn wide_nulls_take_no_more_than_allowed() {
    let fixed = |size: u64| format!(r#"["null",{{"type":"fixed","name":"F","size":{size}}}]"#);
    let wide = |n: usize| {
        let fields: Vec<_> = (0..n).map(|i| format!(r#"{{"name":"f{i}","type":["null","string"]}}"#)).collect();
        format!(r#"["null",{{"type":"record","name":"W","fields":[{}]}}]"#, fields.join(","))
    };
    let list = |items: &str| format!(r#"{{"type":"array","items":{items}}}"#);
    let nulls = |n: usize| vec![0; n];
    let items = |n: i64| [long(n), nulls(n as usize), long(0)].concat();
    let union = format!(r#"["int",{},"string"]"#, &fixed(1 << 28)[8..].trim_end_matches(']'));
    type Case = (&'static str, String, u64, Vec<u8>, Option<&'static str>);
    let cases: [Case; 9] = [
        ("nulls of 16 MiB", fixed(16 << 20), 20, nulls(20), None),
        ("one null of 2 GiB", fixed(i32::MAX as u64), 1, nulls(1), Some("`batch_bytes`")),
        ("many nulls of 2 GiB", fixed(i32::MAX as u64), 100_000, nulls(100_000), Some("`batch_bytes`")),
        ("null records of 5000 fields", wide(5000), 2_000, nulls(2_000), None),
        ("one item of 2 MiB", list(&fixed(2 << 20)), 1, items(1), None),
        ("rows of 20 items of 2 MiB each", list(&fixed(2 << 20)), 10, items(20).repeat(10), None),
        ("items of 2 MiB", list(&fixed(2 << 20)), 1, items(100_000), Some("`batch_bytes`")),
        ("items of 5000 fields", list(&wide(5000)), 1, items(100_000), Some("`batch_bytes`")),
        ("a wide branch that is not taken", union, 3, vec![0, 0, 0, 2, 4, 0], None),
    ];
    for (what, schema, rows, data, limit) in cases {
        for portable in [false, true] {
            let mut options = Options { batch_size: if portable { usize::MAX } else { 8192 }, ..Options::default() };
            options.limits.batch_bytes = 64 << 20;
            let program = Arc::new(program(&record(&[("a", &schema)]), &options).expect(what));
            let start = Instant::now();
            match (program_batches(&program, &[(rows, data.clone())]), limit) {
                (Ok(batches), None) => {
                    let n_rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
                    assert_eq!(n_rows as u64, rows, "{what}");
                    let largest = batches.iter().map(|batch| batch.get_array_memory_size()).max();
                    assert!(largest < Some(160 << 20), "{what}: {largest:?}");
                }
                (Err(error), Some(limit)) => {
                    assert!(error.to_string().contains(limit), "{what}: {error}");
                    assert_eq!(error.position().block, Some(0));
                }
                (Ok(_), Some(_)) => panic!("{what}: no error"),
                (Err(error), None) => panic!("{what}: {error}"),
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{what}: {:?}", start.elapsed());
        }
    }
}

/// Positions are 32 bits: lanes that are each within what is allowed are so together.
#[test]
fn lists_of_nulls_in_all_lanes() {
    const NULLS: i64 = 10_000_000;
    let schema = record(&[("a", "\"int\""), ("b", r#"{"type":"array","items":"null"}"#)]);
    let program = Arc::new(program(&schema, &Options::default()).unwrap());
    let blocks: Vec<_> = (0..240).map(|i| (1, [long(i), long(NULLS), long(0)].concat())).collect();
    let mut n_rows = 0;
    // Twice as many: what one chunk needed is expected of the next.
    for batch in program_batches(&program, &[&blocks[..], &blocks].concat()).unwrap() {
        let lists = batch.column(1).as_list::<i32>();
        assert!(lists.offsets().lengths().all(|n| n == NULLS as usize));
        n_rows += lists.len();
    }
    assert_eq!(n_rows, 2 * blocks.len());
}

/// Each branch of a union as a struct fills the slots of all others.
#[test]
fn unions_as_structs_of_unions() {
    // Each record names the one before; as JSON can be nested no deeper, they stand side by side.
    let fields: Vec<String> = (0..40)
        .map(|depth| {
            let more: Vec<String> =
                (0..100).map(|i| format!(r#"{{"type":"enum","name":"E{depth}_{i}","symbols":["A"]}}"#)).collect();
            let inner = if depth == 0 { "null".to_string() } else { format!("R{}", depth - 1) };
            let union = format!(r#"["{inner}",{}]"#, more.join(","));
            let record = format!(r#"{{"type":"record","name":"R{depth}","fields":[{{"name":"a","type":{union}}}]}}"#);
            format!(r#"{{"name":"f{depth}","type":{record}}}"#)
        })
        .collect();
    let schema = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
    let deepest = Some(vec!["f39".to_string()]);
    let start = Instant::now();
    let structs = Options { unions: Unions::Struct, projection: deepest.clone(), ..Options::default() };
    let error = program(&schema, &structs).unwrap_err().to_string();
    assert!(error.contains("ops"), "{error}");
    program(&schema, &Options { projection: deepest, ..Options::default() }).unwrap();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
