//! Schema resolution: rows written with one schema and read with another. Each case is a writer's schema, a row of it,
//! a reader's schema, and the row that comes out or the error, through the program and the reference decoder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_arrow::schema::Schema;
use avro_arrow::{Error, FieldMatch, Limits, Options, Program, ReaderBuilder, TypeNames, Unions, reference};
use avro_testing::check_all;
use avro_testing::wire::{block, bytes, file, long};
use support::json::lines;

/// The rows as JSON, or the error.
fn read(writer: &str, row: &[u8], reader: &str, options: &Options) -> String {
    let schema = Schema::parse(reader, &Limits::default()).unwrap_or_else(|e| panic!("{e}: {reader}"));
    let options = options.clone().with_reader_schema(Some(schema));
    // Several blocks of several rows: all lanes, and the rests of them.
    let rows = 5;
    let blocks: Vec<Vec<u8>> = (0..9).map(|_| block(rows, &row.repeat(rows as usize))).collect();
    let file = file(writer, "null", &blocks);
    let text = |read: Result<Vec<_>, Error>| match read {
        Ok(batches) => {
            let lines = lines(&batches);
            assert_eq!(lines.len(), blocks.len() * rows as usize);
            assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
            lines[0].clone()
        }
        Err(error) => match (&error.position().path, error.position().offset_in_block) {
            (Some(path), Some(at)) => format!("error: {} at {path}, byte {at}", error.kind()),
            _ => format!("error: {error}"),
        },
    };
    let fast = text(
        ReaderBuilder::new().with_options(options.clone()).build(file.as_slice()).and_then(|reader| reader.collect()),
    );
    let slow = text(reference::read(file.as_slice(), &options));
    assert_eq!(fast, slow, "the program and the reference: {writer} {reader}");
    fast
}

fn check(cases: &[(&str, Vec<u8>, &str, &str)]) {
    check_all(cases, |(writer, row, reader, want)| {
        let got = read(writer, row, reader, &Options::default());
        assert_eq!(got, *want, "{writer} read as {reader}");
    });
}

/// A record of these fields.
fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

/// Records of these fields.
fn check_fields(cases: &[(&str, Vec<u8>, &str, &str)]) {
    check_all(cases, |(writer, row, reader, want)| {
        let got = read(&record(writer), row, &record(reader), &Options::default());
        assert_eq!(got, *want, "{writer} read as {reader}");
    });
}

#[test]
fn resolution_promotes_types() {
    let big = (1i64 << 53) + 1;
    check(&[
        (r#""int""#, long(-7), r#""long""#, r#"{"value":-7}"#),
        (r#""int""#, long(-7), r#""float""#, r#"{"value":"-7.0"}"#),
        (r#""int""#, long(i32::MAX.into()), r#""double""#, r#"{"value":"2147483647.0"}"#),
        (r#""long""#, long(big), r#""float""#, r#"{"value":"9007199000000000.0"}"#),
        (r#""long""#, long(big), r#""double""#, r#"{"value":"9007199254740992.0"}"#),
        (r#""float""#, 0.1f32.to_le_bytes().to_vec(), r#""double""#, r#"{"value":"0.10000000149011612"}"#),
        (r#""float""#, f32::NEG_INFINITY.to_le_bytes().to_vec(), r#""double""#, r#"{"value":"-inf"}"#),
        (r#""string""#, bytes("é".as_bytes()), r#""bytes""#, r#"{"value":"c3a9"}"#),
        (r#""bytes""#, bytes("é".as_bytes()), r#""string""#, r#"{"value":"é"}"#),
        (r#""bytes""#, bytes(b"\xff"), r#""string""#, "error: a string is not valid UTF-8 at value, byte 0"),
        (r#""int""#, long(1 << 31), r#""double""#, "error: int 2147483648 exceeds 32 bits at value, byte 0"),
        // There is no way back.
        (
            r#""long""#,
            long(1),
            r#""int""#,
            "error: the reader's schema does not fit the file's: long cannot be read as int",
        ),
        (
            r#""double""#,
            vec![0; 8],
            r#""float""#,
            "error: the reader's schema does not fit the file's: double cannot be read as float",
        ),
        (
            r#""boolean""#,
            vec![1],
            r#""int""#,
            "error: the reader's schema does not fit the file's: boolean cannot be read as int",
        ),
    ]);
    let ints = [long(2), long(3), long(4), long(0)].concat();
    check(&[
        (
            r#"{"type":"array","items":"int"}"#,
            ints.clone(),
            r#"{"type":"array","items":"double"}"#,
            r#"{"value":["3.0","4.0"]}"#,
        ),
        (
            r#"{"type":"map","values":"int"}"#,
            [long(1), bytes(b"k"), long(5), long(0)].concat(),
            r#"{"type":"map","values":["null","long"]}"#,
            r#"{"value":[["k",5]]}"#,
        ),
        (
            r#"{"type":"array","items":"int"}"#,
            ints,
            r#"{"type":"map","values":"int"}"#,
            "error: the reader's schema does not fit the file's: array cannot be read as map",
        ),
    ]);
}

#[test]
fn resolution_matches_fields_by_name_and_alias() {
    let row = || [long(1), bytes(b"two"), long(3)].concat();
    let writer = r#"{"name":"a","type":"int"},{"name":"b","type":"string"},{"name":"c","type":"long"}"#;
    check_fields(&[
        // Left out, moved, promoted.
        (writer, row(), r#"{"name":"c","type":"long"},{"name":"a","type":"double"}"#, r#"{"c":3,"a":"1.0"}"#),
        (writer, row(), "", "{}"),
        // Found by an alias; a field that has its own name keeps it.
        (writer, row(), r#"{"name":"x","type":"string","aliases":["y","b"]}"#, r#"{"x":"two"}"#),
        (
            writer,
            row(),
            r#"{"name":"x","type":"int","aliases":["a"],"default":9},{"name":"a","type":"int"}"#,
            r#"{"x":9,"a":1}"#,
        ),
        // The writer's aliases are its own matter.
        (
            r#"{"name":"a","type":"int","aliases":["b"]}"#,
            long(1),
            r#"{"name":"b","type":"int"}"#,
            "error: the reader's schema does not fit the file's: the writer has no field `b`, and the reader no default",
        ),
        // All that is wrong is said.
        (
            writer,
            row(),
            r#"{"name":"a","type":"boolean"},{"name":"d","type":"int"},{"name":"e","type":"int","default":"x"}"#,
            "error: the reader's schema does not fit the file's: the writer has no field `d`, and the reader no default; \
             the writer has no field `e`, and the default \"x\" is no int; a: int cannot be read as boolean",
        ),
        // Real schemas have two fields of one name.
        (
            r#"{"name":"a","type":"int"},{"name":"a","type":"int"}"#,
            [long(1), long(2)].concat(),
            r#"{"name":"a","type":"long"},{"name":"a","type":"double"}"#,
            r#"{"a":1,"a":"2.0"}"#,
        ),
    ]);
}

#[test]
fn resolution_matches_fields_by_id() {
    let writer = record(r#"{"name":"a","type":"int","field-id":1},{"name":"b","type":"int","field-id":2}"#);
    let without = record(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#);
    let reader = record(
        r#"{"name":"b","type":"long","field-id":1},{"name":"c","type":["null","int"],"field-id":3,"default":null},
           {"name":"a","type":"int","default":0},{"name":"z","type":"int","field-id":"2"}"#,
    );
    let row = [long(10), long(20)].concat();
    let by_id = Options::default().with_field_match(FieldMatch::Id);
    let cases = [
        (&writer, &by_id, r#"{"b":10,"c":null,"a":0,"z":20}"#),
        // Files from before there were ids.
        (
            &without,
            &by_id,
            "error: the reader's schema does not fit the file's: the writer has no field `z`, and the reader no default",
        ),
        (
            &writer,
            &Options::default(),
            "error: the reader's schema does not fit the file's: the writer has no field `z`, and the reader no default",
        ),
    ];
    check_all(cases, |(writer, options, want)| {
        assert_eq!(read(writer, &row, &reader, options), want, "{writer}");
    });
}

#[test]
fn resolution_fills_in_defaults() {
    let all = [
        (r#""null""#, "null", "null"),
        (r#""boolean""#, "true", "true"),
        (r#""int""#, "-2147483648", "-2147483648"),
        (r#""int""#, "3.0", "3"),
        (r#""long""#, "9223372036854775807", "9223372036854775807"),
        (r#""float""#, "0.5", r#""0.5""#),
        (r#""double""#, "1", r#""1.0""#),
        (r#""double""#, r#""NaN""#, r#""NaN""#),
        (r#""string""#, r#""short""#, r#""short""#),
        (r#""string""#, r#""longer than twelve é""#, r#""longer than twelve é""#),
        (r#""bytes""#, r#""\u0000\u00ffé""#, r#""00ffe9""#),
        (r#""bytes""#, r#""longer than twelve é""#, r#""6c6f6e676572207468616e207477656c766520e9""#),
        (r#"{"type":"int","logicalType":"date"}"#, "-1", "-1"),
        (r#"{"type":"fixed","name":"F","size":2}"#, r#""\u0001\u00fe""#, r#""01fe""#),
        (r#"{"type":"fixed","name":"F","size":0}"#, r#""""#, r#""""#),
        (r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}"#, r#""\u00ff""#, r#""-1""#),
        (
            r#"{"type":"fixed","name":"F","size":20,"logicalType":"decimal","precision":40}"#,
            r#""\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0001\u0000""#,
            r#""256""#,
        ),
        (
            r#"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#,
            r#""\u0001\u0000\u0000\u0000\u0002\u0000\u0000\u0000\u0003\u0000\u0000\u0000""#,
            r#"{"months":1,"days":2,"millis":3}"#,
        ),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, r#""B""#, r#""B""#),
        (r#"{"type":"array","items":"int"}"#, "[]", "[]"),
        (r#"{"type":"array","items":["null","string"]}"#, "[null,null]", "[null,null]"),
        (
            r#"{"type":"map","values":"int"}"#,
            r#"{"a":1,"a key of many letters":2}"#,
            r#"[["a",1],["a key of many letters",2]]"#,
        ),
        (r#"["null","int"]"#, "null", "null"),
        (r#"["int","null"]"#, "7", "7"),
        // The first branch that matches, which need not be the first.
        (r#"["null","int"]"#, "7", "7"),
        (r#"["int","string","null"]"#, r#""text""#, r#"{"branch":"string","value":"text"}"#),
        (r#"["int","string","null"]"#, "null", r#"{"branch":"null","value":null}"#),
        // Records take the defaults of their own fields.
        (
            r#"{"type":"record","name":"P","fields":[{"name":"x","type":"int","default":1},{"name":"y","type":"int"}]}"#,
            r#"{"y":2}"#,
            r#"{"x":1,"y":2}"#,
        ),
        (
            r#"["null",{"type":"record","name":"P","fields":[{"name":"x","type":"int","default":1}]}]"#,
            "{}",
            r#"{"x":1}"#,
        ),
        (
            r#"{"type":"array","items":{"type":"record","name":"P","fields":[{"name":"x","type":"string","default":"d"}]}}"#,
            r#"[{},{"x":"e"}]"#,
            r#"[{"x":"d"},{"x":"e"}]"#,
        ),
        // A type inside itself becomes text, and so does its default.
        (
            r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"],"default":null}]}"#,
            r#"{"v":1,"next":{"v":2}}"#,
            r#"{"v":1,"next":"{\"v\":2,\"next\":null}"}"#,
        ),
        // Floats are rounded, in columns and in text alike; to the nearest.
        (r#""float""#, "16777217", r#""16777216.0""#),
        (r#""float""#, "1e300", r#""inf""#),
        (r#""float""#, "1e-30", r#""1e-30""#),
        (r#""double""#, "1e-30", r#""1e-30""#),
        (
            r#"{"type":"record","name":"L","fields":[{"name":"v","type":"float"},{"name":"next","type":["null","L"],"default":null}]}"#,
            r#"{"v":0.1,"next":{"v":16777217,"next":{"v":-1e300,"next":{"v":0.1}}}}"#,
            r#"{"v":"0.1","next":"{\"v\":16777216.0,\"next\":{\"L\":{\"v\":\"-Infinity\",\"next\":{\"L\":{\"v\":0.1,\"next\":null}}}}}"}"#,
        ),
    ];
    for (of, default, want) in all {
        let reader = record(&format!(r#"{{"name":"a","type":"int"}},{{"name":"d","type":{of},"default":{default}}}"#));
        for unions in [Unions::Dense, Unions::Struct] {
            let options = Options::default().with_unions(unions);
            let got = read(&record(r#"{"name":"a","type":"int"}"#), &long(1), &reader, &options);
            let want = match (unions, want) {
                (Unions::Struct, r#"{"branch":"string","value":"text"}"#) => r#"{"int":null,"string":"text"}"#,
                (Unions::Struct, r#"{"branch":"null","value":null}"#) => "null",
                _ => want,
            };
            assert_eq!(got, format!(r#"{{"a":1,"d":{want}}}"#), "{of} default {default}");
        }
    }
    let wrong = [
        (r#""int""#, "2147483648", "the default 2147483648 is no int"),
        (r#""int""#, "1.5", "the default 1.5 is no int"),
        (r#""bytes""#, r#""漢""#, "the default \"漢\" is no bytes"),
        (r#"{"type":"fixed","name":"F","size":2}"#, r#""abc""#, "the default \"abc\" is no fixed"),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, r#""C""#, "the default \"C\" is no enum"),
        (r#"["null","int"]"#, r#""x""#, "the default \"x\" matches no branch of the union"),
        (
            r#"{"type":"record","name":"P","fields":[{"name":"x","type":"int"}]}"#,
            "{}",
            "the default {} has no `x`, which has no default itself",
        ),
        (
            r#"{"type":"record","name":"P","fields":[{"name":"x","type":["P","null"],"default":{}}]}"#,
            "{}",
            "the default {} matches no branch of the union",
        ),
    ];
    for (of, default, want) in wrong {
        let reader = record(&format!(r#"{{"name":"d","type":{of},"default":{default}}}"#));
        let got = read(&record(""), &[], &reader, &Options::default());
        let want =
            format!("error: the reader's schema does not fit the file's: the writer has no field `d`, and {want}");
        assert_eq!(got, want);
        // What is not used is not checked.
        let unused = format!(r#"{{"name":"d","type":{of}}}"#);
        let schema = Schema::parse(&reader, &Limits::default()).unwrap();
        let writer = Schema::parse(&record(&unused), &Limits::default()).unwrap();
        assert_eq!(schema.mismatches(&writer, FieldMatch::Name, &Limits::default()).unwrap(), []);
    }
}

#[test]
fn resolution_maps_enum_symbols() {
    let writer = r#"{"type":"enum","name":"n.E","symbols":["A","B","C"]}"#;
    let cases = [
        (r#"{"type":"enum","name":"E","symbols":["C","B","A"]}"#, ["A", "B", "C"]),
        (r#"{"type":"enum","name":"E","symbols":["C","X"],"default":"X"}"#, ["X", "X", "C"]),
        (r#"{"type":"enum","name":"E","symbols":["A","B","C","D"]}"#, ["A", "B", "C"]),
        (r#"["null",{"type":"enum","name":"E","symbols":["Z","C","B","A"]}]"#, ["A", "B", "C"]),
        (r#""string""#, ["A", "B", "C"]),
        (r#"["null","string"]"#, ["A", "B", "C"]),
    ];
    check_all(cases, |(reader, symbols)| {
        for (index, symbol) in symbols.iter().enumerate() {
            let got = read(writer, &long(index as i64), reader, &Options::default());
            assert_eq!(got, format!(r#"{{"value":"{symbol}"}}"#), "{reader}");
        }
    });
    // A symbol that is not there is an error where it occurs.
    let fewer = r#"{"type":"enum","name":"E","symbols":["C","A"]}"#;
    check(&[
        (writer, long(0), fewer, r#"{"value":"A"}"#),
        (
            writer,
            long(1),
            fewer,
            "error: the reader's enum has neither the enum's symbol 1 nor a default at value, byte 0",
        ),
        (writer, long(3), fewer, "error: enum has no symbol 3 at value, byte 0"),
    ]);
    let long_symbols = r#"{"type":"enum","name":"E","symbols":["short","a_symbol_of_many_letters"]}"#;
    check(&[(long_symbols, long(1), r#""string""#, r#"{"value":"a_symbol_of_many_letters"}"#)]);
}

#[test]
fn resolution_maps_union_branches() {
    let union = |branch: i64, value: Vec<u8>| [long(branch), value].concat();
    let of_three = r#"["null","int","string"]"#;
    check(&[
        // Both unions: by the type, wherever it stands.
        (of_three, union(1, long(5)), r#"["string","int","null"]"#, r#"{"value":{"branch":"int","value":5}}"#),
        (of_three, union(2, bytes(b"s")), r#"["string","int","null"]"#, r#"{"value":{"branch":"string","value":"s"}}"#),
        (of_three, union(0, vec![]), r#"["string","int","null"]"#, r#"{"value":{"branch":"null","value":null}}"#),
        (r#"["null","int"]"#, union(1, long(5)), r#"["long","null"]"#, r#"{"value":5}"#),
        (r#"["int","null"]"#, union(1, vec![]), r#"["null","long"]"#, r#"{"value":null}"#),
        // The very type before one that it could be promoted to.
        (r#"["int"]"#, union(0, long(5)), r#"["double","int"]"#, r#"{"value":{"branch":"int","value":5}}"#),
        (r#""int""#, long(5), r#"["string","double","long"]"#, r#"{"value":{"branch":"double","value":"5.0"}}"#),
        // Only the reader's is a union.
        (r#""int""#, long(5), r#"["null","int"]"#, r#"{"value":5}"#),
        (r#""int""#, long(5), r#"["null","boolean","int"]"#, r#"{"value":{"branch":"int","value":5}}"#),
        (r#""int""#, long(5), r#"["int"]"#, r#"{"value":5}"#),
        (r#""null""#, vec![], r#"["int","null"]"#, r#"{"value":null}"#),
        // Only the writer's is.
        (r#"["null","int"]"#, union(1, long(5)), r#""int""#, r#"{"value":5}"#),
        (r#"["string","int"]"#, union(1, long(5)), r#""double""#, r#"{"value":"5.0"}"#),
        (r#"["int"]"#, union(0, long(5)), r#""double""#, r#"{"value":"5.0"}"#),
        (
            r#"["null","int"]"#,
            union(0, vec![]),
            r#""int""#,
            "error: the reader's schema has no type for values of the union's branch 0 at value, byte 0",
        ),
        (
            r#"["null","int","string"]"#,
            union(2, bytes(b"s")),
            r#"["null","int"]"#,
            "error: the reader's schema has no type for values of the union's branch 2 at value, byte 0",
        ),
        (
            r#"["null","boolean"]"#,
            union(0, vec![]),
            r#""int""#,
            "error: the reader's schema does not fit the file's: <null>: null cannot be read as int; <boolean>: boolean \
             cannot be read as int",
        ),
        (
            r#""boolean""#,
            vec![1],
            r#"["null","int"]"#,
            "error: the reader's schema does not fit the file's: boolean matches no branch of [null, int]",
        ),
    ]);
    // Records by their names, without the namespace; or else by being the only record there is on both sides.
    let a = r#"{"type":"record","name":"n.A","fields":[{"name":"x","type":"int"}]}"#;
    let b = r#"{"type":"record","name":"m.B","fields":[{"name":"x","type":"int"}]}"#;
    let other_a = r#"{"type":"record","name":"m.A","fields":[{"name":"x","type":"long"}]}"#;
    let aliased = |name: &str, alias: &str| {
        format!(r#"{{"type":"record","name":"{name}","aliases":["{alias}"],"fields":[{{"name":"x","type":"long"}}]}}"#)
    };
    let no_type =
        |place: &str| format!("error: the reader's schema has no type for record n.A of the writer's union ({place})");
    let writer = format!("[{a},{b}]");
    check(&[
        (&writer, union(1, long(1)), &format!("[{other_a},{b}]"), r#"{"value":{"branch":"B","value":{"x":1}}}"#),
        (&writer, union(0, long(1)), &format!("[{b},{other_a}]"), r#"{"value":{"branch":"A","value":{"x":1}}}"#),
        (a, long(1), &format!(r#"["null",{b}]"#), r#"{"value":{"x":1}}"#),
        (&format!(r#"["null",{a}]"#), union(1, long(1)), &format!(r#"["null",{b}]"#), r#"{"value":{"x":1}}"#),
        // Of several records, one of another name matches no record of the reader, whether that has a union or not.
        (&writer, union(1, long(1)), b, r#"{"x":1}"#),
        (&writer, union(0, long(1)), b, &no_type("row 0, block 0, file offset 189, offset in block 0")),
        (
            &writer,
            union(0, long(1)),
            &format!(r#"[{b},{}]"#, b.replace("m.B", "m.C")),
            "error: the reader's schema has no type for values of the union's branch 0 at value, byte 0",
        ),
        // SPEC: Aliases. They rank above names without their namespaces.
        (
            &format!("[{a},{other_a}]"),
            union(1, long(1)),
            &format!(r#"[{},{}]"#, aliased("L.A", "n.A"), aliased("M.A", "m.A")),
            r#"{"value":{"branch":"M.A","value":{"x":1}}}"#,
        ),
    ]);
    let strict = Options::default().with_type_names(TypeNames::Strict);
    assert_eq!(
        read(a, &long(1), &format!(r#"["null",{b}]"#), &strict),
        "error: the reader's schema does not fit the file's: record n.A matches no branch of [null, record m.B]"
    );
    for unions in [Unions::Dense, Unions::Struct] {
        let options = Options::default().with_unions(unions);
        let got = read(r#"["int","null"]"#, &union(0, long(3)), r#"["null","string","long"]"#, &options);
        let want = match unions {
            Unions::Dense => r#"{"value":{"branch":"long","value":3}}"#,
            _ => r#"{"value":{"string":null,"long":3}}"#,
        };
        assert_eq!(got, want);
    }
}

#[test]
fn resolution_checks_names_and_logical_types() {
    let bytes_decimal =
        |p: u8, s: u8| format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{p},"scale":{s}}}"#);
    let fixed_decimal = r#"{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":2}"#;
    let long_of = |logical: &str| format!(r#"{{"type":"long","logicalType":"{logical}"}}"#);
    check(&[
        (
            r#"{"type":"fixed","name":"F","size":2}"#,
            vec![1, 2],
            r#"{"type":"fixed","name":"G","size":2}"#,
            r#"{"value":"0102"}"#,
        ),
        (
            r#"{"type":"fixed","name":"F","size":2}"#,
            vec![1, 2],
            r#"{"type":"fixed","name":"F","size":3}"#,
            "error: the reader's schema does not fit the file's: fixed F(2) cannot be read as fixed F(3)",
        ),
        // Decimals match by scale and precision, however they are stored.
        (&bytes_decimal(9, 2), bytes(&[1, 0]), fixed_decimal, r#"{"value":"256"}"#),
        (fixed_decimal, vec![255, 255, 255, 255], &bytes_decimal(9, 2), r#"{"value":"-1"}"#),
        (&bytes_decimal(9, 2), bytes(&[1, 0]), &bytes_decimal(50, 2), r#"{"value":"256"}"#),
        (
            &bytes_decimal(9, 2),
            bytes(&[1, 0]),
            &bytes_decimal(9, 3),
            "error: the reader's schema does not fit the file's: bytes (decimal(9, 2)) cannot be read as bytes (decimal(9, 3))",
        ),
        (&bytes_decimal(9, 2), bytes(&[1, 0]), r#""bytes""#, r#"{"value":"0100"}"#),
        (r#""bytes""#, bytes(&[1, 0]), &bytes_decimal(9, 2), r#"{"value":"256"}"#),
        (r#""string""#, bytes(&[1, 0]), &bytes_decimal(9, 2), r#"{"value":"256"}"#),
        // A number is one of whatever the reader says, unless the writer says something else.
        (r#""int""#, long(3), &long_of("timestamp-millis"), r#"{"value":3}"#),
        (&long_of("timestamp-millis"), long(3), r#""long""#, r#"{"value":3}"#),
        (
            &long_of("timestamp-millis"),
            long(3),
            &long_of("timestamp-micros"),
            "error: the reader's schema does not fit the file's: long (timestamp-millis) cannot be read as long \
             (timestamp-micros)",
        ),
    ]);
}

#[test]
fn resolution_of_recursive_types() {
    let writer = r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"extra","type":"string"},
        {"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]}},{"name":"next","type":["null","L"]}]}"#;
    let reader = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["L","null"]},{"name":"value","type":"double",
        "aliases":["v"]},{"name":"kind","type":{"type":"enum","name":"K","symbols":["B"],"default":"B"}},
        {"name":"more","type":{"type":"array","items":"int"},"default":[1]}]}"#;
    let row = [long(1), bytes(b"x"), long(0), long(1), long(2), bytes(b"yy"), long(1), long(0)].concat();
    let text =
        r#"{"next":"{\"next\":null,\"value\":2.0,\"kind\":\"B\",\"more\":[1]}","value":"1.0","kind":"B","more":[1]}"#;
    check(&[(writer, row.clone(), reader, text)]);
    let options = Options::default().with_recursion_levels(1);
    assert_eq!(
        read(writer, &row, reader, &options),
        r#"{"next":{"next":null,"value":"2.0","kind":"B","more":[1]},"value":"1.0","kind":"B","more":[1]}"#
    );
    // A reader that does not go as deep, with types of its own.
    let flat = r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null",
        {"type":"record","name":"Next","fields":[{"name":"v","type":"long"}]}]}]}"#;
    check(&[(writer, row, flat, r#"{"v":1,"next":{"v":2}}"#)]);
}

#[test]
fn resolution_projects_reader_schema() {
    let writer = record(
        r#"{"name":"a","type":"int"},{"name":"p","type":{"type":"record","name":"P","fields":[
        {"name":"x","type":"int"},{"name":"y","type":"string"}]}}"#,
    );
    let reader = record(
        r#"{"name":"q","aliases":["p"],"type":{"type":"record","name":"P","fields":[
        {"name":"z","type":"string","default":"new"},{"name":"y","type":"string"},{"name":"x","type":"long"}]}},
        {"name":"b","type":"int","default":4},{"name":"a","type":"int"}"#,
    );
    let row = [long(1), long(2), bytes(b"y")].concat();
    for (columns, want) in
        [(&["a", "q.x"][..], r#"{"a":1,"q":{"x":2}}"#), (&["q.z"][..], r#"{"q":{"z":"new"}}"#), (&[][..], "{}")]
    {
        let projection = Some(columns.iter().map(|column| column.to_string()).collect());
        let options = Options::default().with_projection(projection);
        assert_eq!(read(&writer, &row, &reader, &options), want);
    }
}

#[test]
fn resolution_with_widen_converts_units() {
    let of_long = |word: &str| format!(r#"{{"type":"long","logicalType":"{word}"}}"#);
    let int = |word: &str| format!(r#"{{"type":"int","logicalType":"{word}"}}"#);
    let dec = |p: u32, s: u32| format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{p},"scale":{s}}}"#);
    let fixed = |size: usize, p: u32, s: u32| {
        format!(r#"{{"type":"fixed","name":"F","size":{size},"logicalType":"decimal","precision":{p},"scale":{s}}}"#)
    };
    let nullable = |t: &str| format!(r#"["null",{t}]"#);
    let list = |t: &str| format!(r#"{{"type":"array","items":{t}}}"#);
    let field = |t: &str| format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{t}}}]}}"#);
    let too_large = "error: 9223372036854775807 is too large for the smaller unit of the reader's schema at f, byte 0";
    let cases: Vec<(String, Vec<u8>, String, String)> = vec![
        (of_long("timestamp-millis"), long(-3), of_long("timestamp-micros"), "-3000".into()),
        (of_long("timestamp-millis"), long(5), of_long("timestamp-nanos"), "5000000".into()),
        (of_long("local-timestamp-micros"), long(5), of_long("local-timestamp-nanos"), "5000".into()),
        (int("time-millis"), long(5), of_long("time-micros"), "5000".into()),
        (int("date"), long(-1), of_long("timestamp-millis"), "-86400000".into()),
        (int("date"), long(1), of_long("local-timestamp-nanos"), "86400000000000".into()),
        (of_long("timestamp-millis"), long(i64::MAX), of_long("timestamp-micros"), too_large.into()),
        (dec(10, 2), bytes(&[125]), dec(12, 4), "\"12500\"".into()),
        (dec(10, 2), bytes(&[0x83]), dec(50, 4), "\"-12500\"".into()),
        (dec(50, 2), bytes(&[125]), dec(52, 4), "\"12500\"".into()),
        (fixed(2, 4, 2), vec![0, 125], dec(12, 4), "\"12500\"".into()),
        (
            nullable(&of_long("timestamp-millis")),
            [long(1), long(5)].concat(),
            nullable(&of_long("timestamp-micros")),
            "5000".into(),
        ),
        (nullable(&dec(4, 1)), long(0), nullable(&dec(5, 2)), "null".into()),
        (
            list(&of_long("timestamp-millis")),
            [long(2), long(1), long(2), long(0)].concat(),
            list(&of_long("timestamp-micros")),
            "[1000,2000]".into(),
        ),
    ];
    let widen = Options::default().with_widen(true);
    check_all(cases, |(writer, row, reader, want)| {
        let (writer, reader) = (field(&writer), field(&reader));
        let want = if want.starts_with("error") { want } else { format!(r#"{{"f":{want}}}"#) };
        assert_eq!(read(&writer, &row, &reader, &widen), want, "{writer} {reader}");
        // The specification does not match them.
        let strict = read(&writer, &row, &reader, &Options::default());
        // Of a union, null is still read.
        let of_union = writer.contains(r#"["null""#);
        assert!(of_union || strict.contains("cannot be read as"), "{strict}");
        // Nor is anything rounded.
        let back = Schema::parse(&reader, &Limits::default()).unwrap();
        let smaller = Schema::parse(&writer, &Limits::default()).unwrap();
        let options = widen.clone().with_reader_schema(Some(smaller));
        assert!(of_union || Program::compile(&back, &options).is_err(), "{reader} {writer}");
    });
}
