//! Arrow schemas and the Avro schemas that they become; and there and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::{Options, Program};
use arrow_schema::{Fields, UnionFields, UnionMode};
use avro_testing::{check_all, check_seeds, random_schema};
use std::sync::Arc;

fn from(fields: Vec<Field>) -> String {
    match Schema::from_arrow(&ArrowSchema::new(fields)) {
        Ok(schema) => {
            let json: Json = serde_json::from_str(schema.json()).unwrap();
            json["fields"].to_string()
        }
        Err(e) => e.to_string(),
    }
}

#[test]
fn from_arrow_converts_each_type() {
    use DataType::*;
    let item = |data_type| Arc::new(Field::new("item", data_type, false));
    let pair = |key, value| {
        let fields = vec![Field::new("keys", key, false), Field::new("values", value, true)];
        Map(Arc::new(Field::new("entries", Struct(fields.into()), false)), false)
    };
    let union = |types: &[DataType]| {
        let fields = types.iter().map(|t| Field::new(t.to_string(), t.clone(), *t == Null));
        Union(UnionFields::try_new(0..types.len() as i8, fields).unwrap(), UnionMode::Dense)
    };
    let x = |data_type| Struct(Fields::from(vec![Field::new("x", data_type, false)]));
    let logical = |word: &str, logical: &str| format!(r#"{{"type":"{word}","logicalType":"{logical}"}}"#);
    let utc = || Some(Arc::from("+02:00"));
    let cases = [
        (Null, "\"null\"".to_owned()),
        (Boolean, "\"boolean\"".to_owned()),
        (Int8, "\"int\"".to_owned()),
        (UInt16, "\"int\"".to_owned()),
        (Int32, "\"int\"".to_owned()),
        (UInt32, "\"long\"".to_owned()),
        (UInt64, "\"long\"".to_owned()),
        (Float16, "\"float\"".to_owned()),
        (Float64, "\"double\"".to_owned()),
        (LargeUtf8, "\"string\"".to_owned()),
        (BinaryView, "\"bytes\"".to_owned()),
        (Dictionary(Box::new(Int8), Box::new(Utf8)), "\"string\"".to_owned()),
        (Date32, logical("int", "date")),
        (Date64, logical("int", "date")),
        (Time32(TimeUnit::Second), logical("int", "time-millis")),
        (Time64(TimeUnit::Nanosecond), logical("long", "time-micros")),
        (Timestamp(TimeUnit::Second, None), logical("long", "local-timestamp-millis")),
        (Timestamp(TimeUnit::Microsecond, utc()), logical("long", "timestamp-micros")),
        (Timestamp(TimeUnit::Nanosecond, None), logical("long", "local-timestamp-nanos")),
        (FixedSizeBinary(3), r#"{"type":"fixed","name":"f","size":3}"#.to_owned()),
        (
            Interval(IntervalUnit::MonthDayNano),
            r#"{"type":"fixed","name":"f","size":12,"logicalType":"duration"}"#.to_owned(),
        ),
        (Decimal64(9, 2), r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#.to_owned()),
        (FixedSizeList(item(Int8), 3), r#"{"type":"array","items":"int"}"#.to_owned()),
        (LargeListView(item(x(Utf8))), {
            r#"{"type":"array","items":{"type":"record","name":"f","fields":[{"name":"x","type":"string"}]}}"#
                .to_owned()
        }),
        (pair(Utf8, Int32), r#"{"type":"map","values":["null","int"]}"#.to_owned()),
        (pair(Int32, Utf8), {
            r#"{"type":"array","logicalType":"map","items":{"type":"record","name":"f","fields":[{"name":"key","type":"int"},{"name":"value","type":["null","string"],"default":null}]}}"#
                .to_owned()
        }),
        (union(&[Int32, Utf8]), r#"["int","string"]"#.to_owned()),
        (union(&[Int32, Null, x(Int8)]), {
            r#"["int","null",{"type":"record","name":"Struct__x___non_null_Int8_","fields":[{"name":"x","type":"int"}]}]"#
                .to_owned()
        }),
        (Duration(TimeUnit::Second), r#"{"type":"long","logicalType":"arrow.duration-seconds"}"#.to_owned()),
        (Duration(TimeUnit::Nanosecond), r#"{"type":"long","logicalType":"arrow.duration-nanos"}"#.to_owned()),
        (x(x(Utf8)), {
            r#"{"type":"record","name":"f","fields":[{"name":"x","type":{"type":"record","name":"x","fields":[{"name":"x","type":"string"}]}}]}"#
                .to_owned()
        }),
    ];
    check_all(cases, |(data_type, want)| {
        let found = from(vec![Field::new("f", data_type.clone(), false)]);
        assert_eq!(found, format!(r#"[{{"name":"f","type":{want}}}]"#), "{data_type}");
    });
    let more_cases = [
        (Interval(IntervalUnit::YearMonth), "f"),
        (Decimal128(5, -1), "f"),
        (Decimal128(5, 6), "f"),
        (union(&[Int32, Int8]), "f"),
    ];
    check_all(more_cases, |(data_type, at)| {
        let found = from(vec![Field::new("f", data_type.clone(), false)]);
        assert_eq!(found, format!("not supported: Arrow's {data_type} as an Avro type, at `{at}`"));
    });
    let inner = Interval(IntervalUnit::YearMonth);
    let found = from(vec![Field::new("f", List(item(x(inner.clone()))), false)]);
    assert_eq!(found, format!("not supported: Arrow's {inner} as an Avro type, at `f[].x`"));
    let deep = (0..45).fold(Int32, |inner, _| x(inner));
    let found = from(vec![Field::new("f", deep, false)]);
    assert!(found.starts_with("not supported: an Avro schema of more than 120 levels of JSON, at `f.x.x"), "{found}");
}

#[test]
fn from_arrow_keeps_nullability_names_and_metadata() {
    let with = |field: Field, metadata: &[(&str, &str)]| {
        field.with_metadata(metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    };
    let record = |name: &str| Field::new(name, DataType::Struct(Fields::empty()), true);
    let of_record = |name: &str| with(record(name), &[("avro.name", "n.S")]);
    let declared = |name: &str, symbols: &str| {
        let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        with(Field::new(name, data_type, false), &[(ENUM_SYMBOLS, symbols)])
    };
    let cases = [
        (
            vec![with(
                Field::new("a b", DataType::Utf8, true),
                &[("PARQUET:field_id", "3"), ("avro.doc", "5"), ("other", "x")],
            )],
            r#"[{"name":"a b","type":["null","string"],"default":null,"field-id":3,"doc":"5"}]"#,
        ),
        // A name after the field, and another where that is taken.
        (
            vec![record("1 ü"), record("1_ü"), record("int")],
            r#"[{"name":"1 ü","type":["null",{"type":"record","name":"_1__","fields":[]}],"default":null},{"name":"1_ü","type":["null",{"type":"record","name":"_1___1","fields":[]}],"default":null},{"name":"int","type":["null",{"type":"record","name":"int_1","fields":[]}],"default":null}]"#,
        ),
        // One type is defined once; another type of that name gets another name.
        (
            vec![
                of_record("a"),
                of_record("b"),
                with(Field::new("c", DataType::FixedSizeBinary(1), false), &[("avro.name", "n.S")]),
            ],
            r#"[{"name":"a","type":["null",{"type":"record","name":"S","namespace":"n","fields":[]}],"default":null},{"name":"b","type":["null","n.S"],"default":null},{"name":"c","type":{"type":"fixed","name":"S_1","namespace":"n","aliases":["S"],"size":1}}]"#,
        ),
        // A dictionary of declared symbols is an enum, if Avro allows the symbols.
        (
            vec![declared("a", "B\nC"), declared("b", "not a name")],
            r#"[{"name":"a","type":{"type":"enum","name":"a","symbols":["B","C"]}},{"name":"b","type":"string"}]"#,
        ),
        // Metadata of a type that the column no longer is of does not make it one.
        (
            vec![with(Field::new("a", DataType::Int64, false), &[("avro.logicalType", "timestamp-millis")])],
            r#"[{"name":"a","type":"long","logicalType":"timestamp-millis"}]"#,
        ),
        (
            vec![with(
                Field::new("a", DataType::Int64, false),
                &[("avro.logicalType", "weeks"), ("avro.aliases", r#"["b"]"#)],
            )],
            r#"[{"name":"a","type":{"type":"long","logicalType":"weeks"},"aliases":["b"]}]"#,
        ),
    ];
    check_all(cases, |(fields, want)| {
        let found: Json = from(fields).parse().unwrap();
        assert_eq!(found, want.parse::<Json>().unwrap(), "{found}");
    });
}

/// The columns of a schema, made a schema, whose columns are the same: names, types, nullability and metadata, but for
/// the text of the schema.
fn there_and_back(json: &str) -> Option<()> {
    let schema = Schema::parse(json, &Limits::default()).ok()?;
    let arrow = Program::compile(&schema, &Options::default()).ok()?.arrow_schema().clone();
    let back = Schema::from_arrow(&arrow).unwrap_or_else(|e| panic!("{e}: {json}"));
    let again = Program::compile(&back, &Options::default()).unwrap_or_else(|e| panic!("{e}: {json}"));
    assert_eq!(again.arrow_schema().fields(), arrow.fields(), "{json}\n{}", back.json());
    Some(())
}

#[test]
fn from_arrow_of_random_schema_round_trips() {
    let mut n = 0;
    check_seeds(0..3_000, |rng| n += usize::from(there_and_back(&random_schema(rng)).is_some()));
    assert!(n > 2_500, "{n}");
}

#[test]
fn from_arrow_of_test_files_round_trips() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "avro") {
            let mut file = std::fs::File::open(&path).unwrap();
            let (header, _) = crate::container::Header::read(&mut file, &Limits::default()).unwrap();
            n += there_and_back(header.schema.json()).map_or(0, |()| 1);
        }
    }
    assert!(n > 30, "{n}");
}

/// What a file's columns become can read the file, also when Arrow's types are all there is to go by.
#[test]
fn from_arrow_of_random_schema_resolves_to_it() {
    use crate::options::{Enums, Strings};
    use crate::resolve::Resolution;
    let mut n = 0;
    check_seeds(0..3_000, |rng| {
        let json = random_schema(rng);
        let kind = rng.below(3);
        let Ok(schema) = Schema::parse(&json, &Limits::default()) else { return };
        let options = match kind {
            0 => Options { strings: Strings::Utf8, enums: Enums::String, ..Options::default() },
            _ => Options::default(),
        };
        let Ok(program) = Program::compile(&schema, &options) else { return };
        let mut arrow = program.arrow_schema().as_ref().clone();
        let has_recursion = (0..schema.len()).any(|at| schema.is_recursive(NodeId(at as u32)));
        let root_is_record = matches!(schema.node(schema.root()).kind, Kind::Record(_));
        if kind == 1 && !has_recursion && root_is_record {
            arrow.metadata.clear();
        }
        let reader = match Schema::from_arrow(&arrow) {
            Ok(reader) => reader,
            // Two enums of a union became two strings.
            Err(e) => {
                assert!(e.to_string().contains("Union") && kind < 2, "{e}: {json}");
                return;
            }
        };
        let found = Resolution::new(
            &schema,
            &reader,
            crate::options::FieldMatch::Name,
            crate::resolve::Rules::LENIENT,
            &Limits::default(),
        );
        found.unwrap_or_else(|e| panic!("{e}\n{json}\n{}", reader.json()));
        n += 1;
    });
    assert!(n > 2_500, "{n}");
}
