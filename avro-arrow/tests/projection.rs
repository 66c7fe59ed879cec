//! Projections: a schema, names and paths in, the Arrow columns or the refusal out, as text; and the values, which are
//! those of the whole columns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field};
use avro_arrow::schema::Schema;
use avro_arrow::{Limits, LogicalMaps, Options, Program, Unions};
use avro_testing::{Rng, keep, random_paths};
use expect_test::{Expect, expect};
use support::cases;
use support::ways::{Way, assert_prefix, header_and_program, whole};

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"},
    {"name": "who", "type": {"type": "record", "name": "Who", "fields": [
        {"name": "name", "type": "string"}, {"name": "age", "type": ["null", "int"]},
        {"name": "at", "type": ["null", {"type": "record", "name": "At", "fields": [
            {"name": "x", "type": "double"}, {"name": "y", "type": "float"}]}]}]}},
    {"name": "items", "type": {"type": "array", "items": "At"}},
    {"name": "deep", "type": {"type": "array", "items": {"type": "map", "values": ["null", {"type": "array", "items": ["At", "null"]}]}}},
    {"name": "any", "type": ["null", "int", "Who"]},
    {"name": "one", "type": ["Who"]},
    {"name": "pairs", "type": {"type": "array", "logicalType": "map", "items": {"type": "record", "name": "P", "fields": [
        {"name": "key", "type": "int"}, {"name": "value", "type": "Who"}]}}},
    {"name": "list", "type": {"type": "record", "name": "L", "fields": [
        {"name": "v", "type": "int"}, {"name": "w", "type": "int"}, {"name": "next", "type": ["null", "L"]}]}}]}"#;

/// For each projection, its columns.
fn check(schema: &str, options: &Options, projections: &[&[&str]], want: Expect) {
    let schema = Schema::parse(schema, &Limits::default()).unwrap();
    let mut text = String::new();
    for paths in projections {
        let projection = Some(paths.iter().map(|path| path.to_string()).collect());
        let columns = match Program::compile(&schema, &options.clone().with_projection(projection)) {
            Ok(program) => {
                program.arrow_schema().fields().iter().map(|f| format!("    {}\n", print(f))).collect::<String>()
            }
            Err(error) => format!("    error: {error}\n"),
        };
        text.push_str(&format!("{}\n{columns}", paths.join(", ")));
    }
    want.assert_eq(&text);
}

fn print(field: &Field) -> String {
    let null = if field.is_nullable() { "?" } else { "" };
    let inner = match field.data_type() {
        DataType::Struct(fields) => {
            format!("{{{}}}", fields.iter().map(|f| print(f)).collect::<Vec<_>>().join(", "))
        }
        DataType::List(item) => format!("[{}]", print(item)),
        DataType::Map(entries, _) => format!("map {}", print(entries)),
        other => other.to_string(),
    };
    format!("{}{null} {inner}", field.name())
}

#[test]
fn projection_selects_columns() {
    check(
        SCHEMA,
        &Options::default(),
        &[
            &["who.age"],
            &["who.at.y", "id", "who.name"],
            &["who.at", "who.at.x"],
            &["who.at.x", "who.at"],
            &["who", "id", "who.name"],
            &["items.y"],
            &["items.y", "items.x"],
            &["deep.x"],
            &["one.at.x"],
            &["any"],
            &["pairs.value.name"],
            &["list.w", "list.v"],
            &["list.next"],
        ],
        expect![[r#"
            who.age
                who {age? Int32}
            who.at.y, id, who.name
                who {at? {y Float32}, name Utf8View}
                id Int64
            who.at, who.at.x
                who {at? {x Float64, y Float32}}
            who.at.x, who.at
                who {at? {x Float64, y Float32}}
            who, id, who.name
                who {name Utf8View, age? Int32, at? {x Float64, y Float32}}
                id Int64
            items.y
                items [item {y Float32}]
            items.y, items.x
                items [item {y Float32, x Float64}]
            deep.x
                deep [item map entries {key Utf8View, value? [item? {x Float64}]}]
            one.at.x
                one {at? {x Float64}}
            any
                any? Union(Dense, 0: ("null": Null), 1: ("int": non-null Int32), 2: ("Who": non-null Struct("name": non-null Utf8View, "age": Int32, "at": Struct("x": non-null Float64, "y": non-null Float32), metadata: {"avro.name": "At"}), metadata: {"avro.name": "Who"}))
            pairs.value.name
                pairs [item {value {name Utf8View}}]
            list.w, list.v
                list {w Int32, v Int32}
            list.next
                list {next? Utf8View}
        "#]],
    );
}

#[test]
fn projection_selects_from_other_arrow_types() {
    let maps = Options::default().with_logical_maps(LogicalMaps::Map);
    check(
        SCHEMA,
        &maps,
        &[&["pairs.name"], &["pairs.at.x", "pairs.age"], &["pairs", "pairs.age"]],
        expect![[r#"
        pairs.name
            pairs map entries {key Int32, value {name Utf8View}}
        pairs.at.x, pairs.age
            pairs map entries {key Int32, value {at? {x Float64}, age? Int32}}
        pairs, pairs.age
            pairs map entries {key Int32, value {name Utf8View, age? Int32, at? {x Float64, y Float32}}}
    "#]],
    );
    let expanded = Options::default().with_recursion_levels(2);
    check(
        SCHEMA,
        &expanded,
        &[&["list.next.next.v"], &["list.next.next.next"]],
        expect![[r#"
        list.next.next.v
            list {next? {next? {v Int32}}}
        list.next.next.next
            list {next? {next? {next? Utf8View}}}
    "#]],
    );
}

#[test]
fn projection_of_other_top_levels() {
    let at =
        r#"{"type": "record", "name": "At", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "int"}]}"#;
    let array = format!(r#"{{"type": "array", "items": ["null", {at}]}}"#);
    check(
        &array,
        &Options::default(),
        &[&["value.y"], &["value"], &[], &["y"]],
        expect![[r#"
        value.y
            value [item? {y Int32}]
        value
            value [item? {x Int32, y Int32}]

        y
            error: no column `y`; there are: value
    "#]],
    );
    check(
        &format!(r#"["null", {at}]"#),
        &Options::default(),
        &[&["value.y"]],
        expect![[r#"
        value.y
            value? {y Int32}
    "#]],
    );
}

/// Names that the specification forbids.
#[test]
fn projection_prefers_name_with_dots_over_path() {
    let record = |name: &str, field: &str| {
        format!(r#"{{"type": "record", "name": "{name}", "fields": [{{"name": "{field}", "type": "int"}}]}}"#)
    };
    let schema = format!(
        r#"{{"type": "record", "name": "R", "fields": [{{"name": "a", "type": {}}}, {{"name": "a.b", "type": {}}},
            {{"name": "a", "type": "string"}}, {{"name": "", "type": "float"}}]}}"#,
        record("A", "b"),
        record("B", "c.d"),
    );
    check(
        &schema,
        &Options::default(),
        &[&["a"], &["a.b"], &["a.b.c.d"], &["a.b.c"], &["a.c"], &[""], &[".a"]],
        expect![[r#"
            a
                a {b Int32}
            a.b
                a.b {c.d Int32}
            a.b.c.d
                a.b {c.d Int32}
            a.b.c
                error: no column `a.b.c`; in `a.b` there are: c.d
            a.c
                error: no column `a.c`; in `a` there are: b

                 Float32
            .a
                error: no column `.a`: `` has no fields: it is of the type float
        "#]],
    );
}

#[test]
fn projection_of_missing_column_is_refused() {
    let structs = Options::default().with_unions(Unions::Struct);
    check(
        SCHEMA,
        &structs,
        &[
            &["nobody"],
            &["who.nobody"],
            &["who."],
            &[".who"],
            &["who..name"],
            &["deep.nobody"],
            &["deep.x.z"],
            &["id.x"],
            &["any.Who"],
            &["any.name"],
            &["list.next.v"],
            &["id", "id"],
            &["who.name", "id", "who.name"],
            &["who", "who.nobody"],
            &["who", "who"],
            &["pairs.name"],
        ],
        expect![[r#"
            nobody
                error: no column `nobody`; there are: id, who, items, deep, any, one, pairs, list
            who.nobody
                error: no column `who.nobody`; in `who` there are: name, age, at
            who.
                error: no column `who.`; in `who` there are: name, age, at
            .who
                error: no column `.who`; there are: id, who, items, deep, any, one, pairs, list
            who..name
                error: no column `who..name`; in `who` there are: name, age, at
            deep.nobody
                error: no column `deep.nobody`; in `deep` there are: x, y
            deep.x.z
                error: no column `deep.x.z`: `deep.x` has no fields: it is of the type double
            id.x
                error: no column `id.x`: `id` has no fields: it is of the type long
            any.Who
                error: no column `any.Who`: `any` is a union of several types, which is read whole or not at all
            any.name
                error: no column `any.name`: `any` is a union of several types, which is read whole or not at all
            list.next.v
                error: no column `list.next.v`: `list.next` is of a type inside itself, read as JSON text; a higher `recursion_levels` expands it
            id, id
                error: column `id` is asked for twice
            who.name, id, who.name
                error: column `who.name` is asked for twice
            who, who.nobody
                error: no column `who.nobody`; in `who` there are: name, age, at
            who, who
                error: column `who` is asked for twice
            pairs.name
                error: no column `pairs.name`; in `pairs` there are: key, value
        "#]],
    );
    let levels = Options::default().with_limits(Limits::default().with_nesting(4));
    let deep = Options::default().with_recursion_levels(1000);
    let long = format!("list{}", ".next".repeat(500));
    check(
        SCHEMA,
        &levels,
        &[&["deep"], &["deep.x"], &["who.at.x"]],
        expect![[r#"
        deep
            error: 5 exceeds the limit `nesting` (4); raise the limit if the data is trusted
        deep.x
            error: 5 exceeds the limit `nesting` (4); raise the limit if the data is trusted
        who.at.x
            who {at? {x Float64}}
    "#]],
    );
    let schema = Schema::parse(SCHEMA, &Limits::default()).unwrap();
    let error = Program::compile(&schema, &deep.with_projection(Some(vec![long]))).unwrap_err().to_string();
    assert!(error.contains("`nesting`"), "{error}");
}

/// The program of a record with these fields, of which only these paths are wanted.
fn check_program(fields: &str, paths: &[&str], want: Expect) {
    let schema = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    let schema = Schema::parse(&schema, &Limits::default()).unwrap();
    let projection = Some(paths.iter().map(|path| path.to_string()).collect());
    let program = Program::compile(&schema, &Options::default().with_projection(projection)).unwrap();
    want.assert_eq(&program.to_string());
}

const WHO: &str = r#"
    {"name": "who", "type": {"type": "record", "name": "Who", "fields": [
        {"name": "name", "type": "string"}, {"name": "age", "type": "int"},
        {"name": "at", "type": {"type": "record", "name": "At", "fields": [
            {"name": "x", "type": "double"}, {"name": "y", "type": "double"}]}}]}},
    {"name": "last", "type": ["At", "null"]}, {"name": "id", "type": "long"}"#;

#[test]
fn projection_into_records_skips_other_fields() {
    check_program(
        WHO,
        &["id", "who.at.y"],
        expect![[r#"
            skip 1 lengths and bytes
            skip 1 varints
            skip 8 bytes
            double -> b1
            skip 16 bytes or null
            long -> b0
        "#]],
    );
    check_program(
        WHO,
        &["who.at", "who.name"],
        expect![[r#"
            string -> b2
            skip 1 varints
            double -> b0
            double -> b1
            skip 16 bytes or null
            skip 1 varints
        "#]],
    );
    check_program(
        WHO,
        &["last.y", "who.name"],
        expect![[r#"
            string -> b2
            skip 1 varints
            skip 16 bytes
            switch branch
             0:
              valid -> b1
              skip 8 bytes
              double -> b0
             1:
              zeros(8) -> b0
              zeros(1) -> b1
            skip 1 varints
        "#]],
    );
}

const ITEM: &str = r#"{"type": "record", "name": "Item", "fields": [
    {"name": "sku", "type": "string"}, {"name": "n", "type": "int"}, {"name": "price", "type": "double"},
    {"name": "tags", "type": {"type": "array", "items": "string"}}]}"#;

#[test]
fn projection_into_lists_and_maps_skips_other_fields() {
    let items = format!(r#"{{"name": "items", "type": {{"type": "array", "items": {ITEM}}}}}"#);
    check_program(
        &items,
        &["items.price"],
        expect![[r#"
            items -> b1, level 1
              skip 1 lengths and bytes
              skip 1 varints
              double -> b0
              skip items
                skip 1 lengths and bytes
        "#]],
    );
    let more = format!(r#"{{"name": "more", "type": ["null", {{"type": "array", "items": ["null", {ITEM}]}}]}}"#);
    check_program(
        &more,
        &["more.n", "more.tags"],
        expect![[r#"
            switch branch
             0:
              no items -> b4, level 1
              zeros(1) -> b5
             1:
              valid -> b5
              items -> b4, level 1
                switch branch
                 0:
                  zeros(4) -> b0
                  no items -> b2, level 2
                  zeros(1) -> b3
                 1:
                  valid -> b3
                  skip 1 lengths and bytes
                  int -> b0
                  skip 8 bytes
                  items -> b2, level 2
                    string -> b1
        "#]],
    );
    let by = format!(r#"{{"name": "by", "type": {{"type": "map", "values": {{"type": "array", "items": {ITEM}}}}}}}"#);
    check_program(
        &by,
        &["by.sku"],
        expect![[r#"
            items -> b3, level 1
              string -> b0
              items -> b2, level 2
                string -> b1
                skip 1 varints
                skip 8 bytes
                skip items
                  skip 1 lengths and bytes
        "#]],
    );
}

#[test]
fn projected_values_equal_those_of_whole_columns() {
    let mut nested = 0;
    for case in cases("valid", "json") {
        let all = whole(&case.name, &case.file, &Options::default());
        for seed in 0..5 {
            let paths = random_paths(&mut Rng::new(seed), &all.schema());
            nested += usize::from(paths.iter().any(|path| path.contains('.')));
            let what = format!("{}, {paths:?}", case.name);
            let options = Options::default().with_projection(Some(paths));
            let (_, program) = header_and_program(&case.file, &options).unwrap();
            let schema = program.arrow_schema();
            let kept = schema.fields().iter().map(|field| {
                let column = all.column_by_name(field.name()).unwrap();
                keep(column, field.data_type()).unwrap()
            });
            let n_rows = RecordBatchOptions::new().with_row_count(Some(all.num_rows()));
            let want = RecordBatch::try_new_with_options(schema.clone(), kept.collect(), &n_rows).unwrap();
            for way in [Way::Reader, Way::Pieces(3), Way::Reference] {
                let what = format!("{what}, {way}");
                let batches = way.read(&case.file, &options).unwrap(&what);
                assert_eq!(assert_prefix(&what, &batches, &want), all.num_rows(), "{what}");
            }
        }
    }
    assert!(nested > 50, "{nested} projections with paths");
}
