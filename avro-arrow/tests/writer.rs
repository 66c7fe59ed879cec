//! The writer: what is written is read back the same, by whichever way it is written; and what cannot be written is
//! said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampNanosecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use avro_arrow::schema::Schema;
use avro_arrow::{
    Codec, Enums, Limits, LogicalMaps, Options, ReaderBuilder, Strings, Unions, WriteOptions, WriterBuilder, container,
};
use avro_testing::{Rng, check_all, check_seeds, random_rows, random_schema};
use std::io::Cursor;
use std::sync::Arc;

const SYNC: [u8; 16] = *b"0123456789abcdef";

fn schema(json: &str) -> Schema {
    Schema::parse(json, &Limits::default()).unwrap()
}

fn read(file: &[u8], options: &Options) -> avro_arrow::Result<(SchemaRef, Vec<RecordBatch>)> {
    let reader = ReaderBuilder::new().with_options(options.clone()).build(file)?;
    let arrow = reader.schema();
    Ok((arrow, reader.collect::<Result<_, _>>()?))
}

fn write(arrow: &SchemaRef, batches: &[RecordBatch], options: &WriteOptions) -> avro_arrow::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new(arrow.clone()).with_options(options.clone()).build(Vec::new())?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()
}

/// Rows and the way they are read, of a seed; none where they have no Arrow type or are no rows.
fn random_batches(rng: &mut Rng) -> Option<(Schema, Options, SchemaRef, Vec<RecordBatch>)> {
    let schema = schema(&random_schema(rng));
    let n_rows = rng.pick(10, &[0, 1, 3, 100]);
    let rows = random_rows(rng, &schema, n_rows);
    let mut file = container::header_bytes(schema.json(), Codec::Null, &[], &SYNC);
    container::frame(n_rows as u64, &rows, &SYNC, &mut file);
    let options = Options::default()
        .with_batch_size(rng.pick(8192, &[1, 7]))
        .with_unions(rng.pick(Unions::Dense, &[Unions::Dense, Unions::Struct]))
        .with_strings(rng.pick(Strings::View, &[Strings::Utf8]))
        .with_enums(rng.pick(Enums::Dictionary, &[Enums::String]))
        .with_logical_maps(rng.pick(LogicalMaps::List, &[LogicalMaps::Map]))
        .with_recursion_levels(rng.pick(0, &[0, 1]));
    let (arrow, batches) = read(&file, &options).ok()?;
    Some((schema, options, arrow, batches))
}

#[test]
fn written_random_batches_are_read_back() {
    let codecs = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz];
    let mut n_rows = 0;
    check_seeds(0..600, |rng| {
        let Some((schema, options, arrow, batches)) = random_batches(rng) else { return };
        let rows = concat_batches(&arrow, &batches).unwrap();
        let write_options = WriteOptions::default()
            .with_codec(rng.pick(Codec::Null, &codecs))
            .with_block_bytes(rng.pick(128 << 10, &[1, 50, 1000]))
            .with_schema(Some(schema.clone()))
            .with_check_schema(false)
            .with_sync(Some(SYNC));
        let file = write(&arrow, &batches, &write_options).unwrap_or_else(|e| panic!("{e}\n{}", schema.json()));
        let (_, back) = read(&file, &options).unwrap_or_else(|e| panic!("{e}\n{}", schema.json()));
        let back = concat_batches(&arrow, &back).unwrap();
        assert_eq!(back, rows, "{}", schema.json());
        n_rows += rows.num_rows();

        // Slices of the same rows, on threads.
        let mut writer = WriterBuilder::new(arrow.clone())
            .with_options(write_options.clone())
            .build_parallel(Vec::new(), 3)
            .unwrap();
        let mut at = 0;
        while at < rows.num_rows() {
            let n = (1 + rng.below(9)).min(rows.num_rows() - at);
            writer.write(&rows.slice(at, n)).unwrap();
            at += n;
        }
        let file = writer.finish().unwrap();
        let (_, back) = read(&file, &options).unwrap();
        assert_eq!(concat_batches(&arrow, &back).unwrap(), rows, "slices: {}", schema.json());
    });
    assert!(n_rows > 5_000, "{n_rows}");
}

#[test]
fn writer_without_schema_writes_schema_of_metadata() {
    let mut n_same = 0;
    check_seeds(0..600, |rng| {
        let Some((schema, options, arrow, batches)) = random_batches(rng) else { return };
        let is_plain = options.unions == Unions::Dense
            && options.logical_maps == LogicalMaps::List
            && options.recursion_levels == 0
            && options.enums == Enums::Dictionary;
        if !is_plain {
            return;
        }
        let file = write(&arrow, &batches, &WriteOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        let (header, _) = container::Header::read(&mut file.as_slice(), &Limits::default()).unwrap();
        assert_eq!(header.schema.json(), schema.json());
        let (_, back) = read(&file, &options).unwrap();
        assert_eq!(concat_batches(&arrow, &back).unwrap(), concat_batches(&arrow, &batches).unwrap());
        // Without that word of it, types are the same but for what Arrow does not tell.
        let bare = Arc::new(arrow.as_ref().clone().with_metadata(Default::default()));
        let of = |batch: &RecordBatch| {
            let n_rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(bare.clone(), batch.columns().to_vec(), &n_rows).unwrap()
        };
        let bare_batches: Vec<_> = batches.iter().map(of).collect();
        if let Ok(file) = write(&bare, &bare_batches, &WriteOptions::default()) {
            let (found, back) = read(&file, &options).unwrap();
            if found.fields().iter().map(|f| f.data_type()).eq(arrow.fields().iter().map(|f| f.data_type())) {
                let back = concat_batches(&found, &back).unwrap();
                assert_eq!(back.columns(), concat_batches(&arrow, &batches).unwrap().columns());
                n_same += 1;
            }
        }
    });
    assert!(n_same > 30, "{n_same}");
}

/// A column and the `type` of the field it is written to; the Arrow type it is read back as, or the error.
fn cases() -> Vec<(ArrayRef, &'static str, Result<DataType, &'static str>)> {
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-300)]));
    let to = |data_type: &DataType| cast(&ints, data_type).unwrap();
    let no_nulls: ArrayRef = Arc::new(Int64Array::from(vec![1 << 40, 5]));
    let nanos = |values: &[i64]| -> ArrayRef { Arc::new(TimestampNanosecondArray::from(values.to_vec())) };
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a long one, longer than sixteen bytes"]));
    let enumeration = r#"{"type":"enum","name":"E","symbols":["b","a"]}"#;
    let few: ArrayRef = texts.slice(0, 2);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let enum_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let decimals = cast(&ints, &DataType::Decimal128(10, 2)).unwrap();
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    vec![
        (to(&DataType::Int8).slice(0, 2), r#"["null","int"]"#, Ok(DataType::Int32)),
        (to(&DataType::Int16), r#"["long","null"]"#, Ok(DataType::Int64)),
        (to(&DataType::Float32), r#"["null","double"]"#, Ok(DataType::Float64)),
        (ints.clone(), r#""long""#, Err("null, which the schema forbids here (field c, row 1)")),
        (ints.clone(), r#"["null","string"]"#, Err("`c` is Int64, which string cannot hold")),
        (
            ints.clone(),
            r#"["null","string","boolean"]"#,
            Err("`c` is Int64, which [null, string, boolean] cannot hold"),
        ),
        (no_nulls.clone(), r#"["long"]"#, Ok(DataType::Int64)),
        (no_nulls.clone(), r#""int""#, Err("1099511627776")),
        (to(&DataType::Utf8), r#"["null","bytes"]"#, Ok(DataType::Binary)),
        (cast(&few, &DataType::LargeUtf8).unwrap(), r#""string""#, Ok(DataType::Utf8)),
        (cast(&texts, &dictionary).unwrap(), r#""string""#, Ok(DataType::Utf8)),
        (cast(&few, &dictionary).unwrap(), enumeration, Ok(enum_type.clone())),
        (cast(&few, &DataType::Utf8View).unwrap(), enumeration, Ok(enum_type)),
        (texts.clone(), enumeration, Err("a value is not a symbol of the enum (field c, row 2)")),
        (few.clone(), r#"{"type":"fixed","name":"F","size":1}"#, Err("`c` is Utf8, which fixed F(1) cannot hold")),
        (
            cast(&few, &DataType::Binary).unwrap(),
            r#"{"type":"fixed","name":"F","size":1}"#,
            Ok(DataType::FixedSizeBinary(1)),
        ),
        (
            cast(&texts, &DataType::Binary).unwrap(),
            r#"{"type":"fixed","name":"F","size":1}"#,
            Err("a value has 37 bytes, expected a fixed of 1 (field c, row 2)"),
        ),
        (
            decimals.clone(),
            r#"["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}]"#,
            Ok(DataType::Decimal128(20, 3)),
        ),
        (
            decimals.clone(),
            r#"["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":1}]"#,
            Err("`c` is Decimal128(10, 2), which bytes (decimal(20, 1)) cannot hold"),
        ),
        (
            decimals,
            r#"["null",{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":2}]"#,
            Err("precision 4"),
        ),
        (to(&DataType::Duration(TimeUnit::Millisecond)), r#"["null","long"]"#, Ok(DataType::Int64)),
        (nanos(&[5000, -7000]), r#"{"type":"long","logicalType":"local-timestamp-micros"}"#, Ok(micros)),
        (nanos(&[5000, 5001]), r#"{"type":"long","logicalType":"timestamp-micros"}"#, Err("is between two of")),
    ]
}

#[test]
fn writer_casts_columns_to_schema() {
    for (array, json, expected) in cases() {
        let batch = RecordBatch::try_from_iter([("c", array.clone())]).unwrap();
        let json = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"c","type":{json}}}]}}"#);
        let options = WriteOptions::default().with_schema(Some(schema(&json)));
        let found = write(&batch.schema(), std::slice::from_ref(&batch), &options);
        match expected {
            Ok(data_type) => {
                let file = found.unwrap_or_else(|e| panic!("{json}: {e}"));
                let plain = Options::default().with_strings(Strings::Utf8);
                let (_, back) = read(&file, &plain).unwrap();
                let column = back[0].column(0);
                assert_eq!(*column.data_type(), data_type, "{json}");
                assert_eq!(column, &cast(&array, &data_type).unwrap(), "{json}");
            }
            Err(text) => {
                let found = found.err().map(|e| e.to_string()).unwrap_or_default();
                assert!(found.contains(text), "{json}: {found}");
            }
        }
    }
}

#[test]
fn writer_prefers_exact_branch_over_first_possible() {
    let longs: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-300)]));
    let batch = RecordBatch::try_from_iter([("c", longs.clone())]).unwrap();
    let json = r#"{"type":"record","name":"R","fields":[{"name":"c","type":["string","int","null","long"]}]}"#;
    let options = WriteOptions::default().with_schema(Some(schema(json)));
    let file = write(&batch.schema(), &[batch], &options).unwrap();
    let (_, back) = read(&file, &Options::default().with_unions(Unions::Struct)).unwrap();
    let branches = back[0].column(0).as_any().downcast_ref::<StructArray>().unwrap();
    assert_eq!(branches.column_by_name("long").unwrap(), &longs);
}

#[test]
fn writer_checks_schema_against_specification() {
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![7]));
    let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let json = r#"{"type":"record","name":"my-rec","fields":[{"name":"id","type":"int"}]}"#;
    let options = WriteOptions::default().with_schema(Some(schema(json)));
    let refused = write(&batch.schema(), std::slice::from_ref(&batch), &options).unwrap_err().to_string();
    assert!(refused.contains("record `my-rec` has an invalid name"), "{refused}");
    let unchecked = options.with_check_schema(false);
    let file = write(&batch.schema(), &[batch], &unchecked).unwrap();
    // What is read is written again as it is.
    let (arrow, batches) = read(&file, &Options::default()).unwrap();
    write(&arrow, &batches, &WriteOptions::default()).unwrap();
}

/// A record inside itself is text. Where the record around it is null, the text is missing.
#[test]
fn writer_of_missing_text_fails() {
    let json = r#"{"type":"record","name":"R","fields":[{"name":"in","type":["null",{"type":"record","name":"I","fields":[
        {"name":"next","type":"R"}]}]}]}"#;
    let mut file = container::header_bytes(json, Codec::Null, &[], &SYNC);
    // Null; a record of null; a record of a record of null.
    container::frame(3, &[0, 2, 0, 2, 2, 0], &SYNC, &mut file);
    let (arrow, batches) = read(&file, &Options::default()).unwrap();
    let written = write(&arrow, &batches, &WriteOptions::default()).unwrap();
    let (_, back) = read(&written, &Options::default()).unwrap();
    assert_eq!(back, batches);

    let damaged: ArrayRef = Arc::new(StringArray::from(vec![Some(r#"{"in":null}"#), Some("{"), None]));
    let fields = vec![Arc::new(Field::new("next", DataType::Utf8, true))];
    let nulls = NullBuffer::from(vec![true, true, false]);
    let inner: ArrayRef = Arc::new(StructArray::new(fields.into(), vec![damaged], Some(nulls)));
    let batch = RecordBatch::try_from_iter([("in", inner)]).unwrap();
    let options = WriteOptions::default().with_schema(Some(schema(json)));
    let found = write(&batch.schema(), &[batch], &options).unwrap_err().to_string();
    assert!(found.contains("(field in.next, row 1)"), "{found}");
}

/// Records that may be null, mostly there or mostly not: what is below a null does not matter, and what is not must be
/// right.
#[test]
fn writer_hides_values_below_null_record() {
    let json = r#"{"type":"record","name":"R","fields":[{"name":"r","type":["null",{"type":"record","name":"S","fields":[
        {"name":"id","type":"long"},{"name":"word","type":"string"},{"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]}},
        {"name":"maybe","type":["string","null"]}]}]}]}"#;
    let options = WriteOptions::default().with_schema(Some(schema(json)));
    let words = [
        "",
        "short",
        "of more than twelve bytes",
        "of more bytes than those that are copied at once, as most texts are",
    ];
    for (n, absent) in [(1, 0), (10, 1), (10, 9), (300, 7), (300, 150), (300, 290), (300, 300)] {
        let is_there = |row: usize| (row * 7) % n >= absent;
        for (wrong, expected) in [
            ("", None),
            ("id", Some("null, which the schema forbids here")),
            ("kind", Some("a value is not a symbol of the enum")),
        ] {
            // What is not there is of no use at all; of what is there, one value is.
            let last = (0..n).rfind(|row| is_there(*row)).filter(|_| !wrong.is_empty());
            let fits = |row: usize, name: &str| is_there(row) && !(wrong == name && last == Some(row));
            let id = |row: usize| fits(row, "id").then_some([row as i64, -(1 << 60)][usize::from(row % 50 == 49)]);
            let word = |row: usize| is_there(row).then_some(words[row % 4]);
            let kind = |row: usize| Some(if fits(row, "kind") { ["A", "B"][row % 2] } else { "C" });
            let maybe = |row: usize| (!row.is_multiple_of(3)).then_some(words[(row + 1) % 4]);
            let fields: Vec<(&str, ArrayRef)> = vec![
                ("id", Arc::new((0..n).map(id).collect::<Int64Array>())),
                ("word", Arc::new((0..n).map(word).collect::<StringArray>())),
                ("kind", Arc::new((0..n).map(kind).collect::<StringArray>())),
                ("maybe", Arc::new((0..n).map(maybe).collect::<StringArray>())),
            ];
            let (fields, arrays): (Vec<_>, Vec<_>) = fields
                .into_iter()
                .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
                .unzip();
            let nulls = NullBuffer::from_iter((0..n).map(is_there));
            let records: ArrayRef = Arc::new(StructArray::new(fields.into(), arrays, Some(nulls)));
            let batch = RecordBatch::try_from_iter([("r", Arc::clone(&records))]).unwrap();
            let written = write(&batch.schema(), &[batch], &options).map_err(|e| e.to_string());
            if let (Some(expected), true) = (expected, last.is_some()) {
                let row = format!("row {}", last.unwrap());
                assert!(
                    written.as_ref().is_err_and(|e| e.contains(expected) && e.contains(&row)),
                    "{n} {absent}: {written:?}"
                );
                continue;
            }
            let plain = Options::default().with_strings(Strings::Utf8).with_enums(Enums::String);
            let (_, back) = read(&written.unwrap(), &plain).unwrap();
            let back = back[0].column(0).as_any().downcast_ref::<StructArray>().unwrap();
            let records = records.as_any().downcast_ref::<StructArray>().unwrap();
            for row in 0..n {
                assert_eq!(back.is_valid(row), is_there(row), "{n} {absent}: {row}");
                let same = |(a, b): (&ArrayRef, &ArrayRef)| a.slice(row, 1).to_data() == b.slice(row, 1).to_data();
                assert!(
                    !is_there(row) || back.columns().iter().zip(records.columns()).all(same),
                    "{n} {absent}: {row}"
                );
            }
        }
    }
}

/// The error of a value in a list has the row of the list.
#[test]
fn writer_of_wrong_item_names_row() {
    let json = r#"{"type":"record","name":"R","fields":[{"name":"l","type":["null",{"type":"array","items":
        {"type":"record","name":"I","fields":[{"name":"id","type":"long"},{"name":"m","type":{"type":"map","values":"string"}}]}}]}]}"#;
    let options = WriteOptions::default().with_schema(Some(schema(json)));
    for n in [1, 128, 129, 1000] {
        for (wrong, path) in [("id", "l[].id"), ("m", "l[].m")] {
            // Every row has two items but every third, which is null; the last but one item of all is wrong.
            let rows = (0..n).map(|row| row % 3 != 1).collect::<Vec<_>>();
            let items = 2 * rows.iter().filter(|there| **there).count();
            let last = rows.iter().rposition(|there| *there).unwrap();
            let ids = (0..items).map(|item| (wrong != "id" || item + 2 != items).then_some(item as i64));
            let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
            for item in 0..items {
                maps.keys().append_value("key");
                maps.values().append_option((wrong != "m" || item + 2 != items).then_some("value"));
                maps.append(true).unwrap();
            }
            let maps = maps.finish();
            let fields =
                vec![Field::new("id", DataType::Int64, true), Field::new("m", maps.data_type().clone(), false)];
            let records =
                StructArray::new(fields.into(), vec![Arc::new(ids.collect::<Int64Array>()), Arc::new(maps)], None);
            let lengths = rows.iter().map(|there| if *there { 2 } else { 0 });
            let item = Arc::new(Field::new("item", records.data_type().clone(), false));
            let nulls = NullBuffer::from(rows.clone());
            let lists = ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(records), Some(nulls));
            let batch = RecordBatch::try_from_iter([("l", Arc::new(lists) as ArrayRef)]).unwrap();
            let found = write(&batch.schema(), &[batch], &options).unwrap_err().to_string();
            assert!(found.contains("null, which the schema forbids here"), "{n} {wrong}: {found}");
            assert!(found.contains(&format!("row {last}")) && found.contains(path), "{n} {wrong}: {found}");
        }
    }
}

#[test]
fn writer_matches_columns_to_fields_by_name() {
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![7, 8]));
    let batch = RecordBatch::try_from_iter([("b", ids.clone()), ("a", ids)]).unwrap();
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let ab = r#"{"name":"a","type":"int"},{"name":"b","type":"long"}"#;
    let cases = [
        (record(ab), Ok(vec![("a", 7), ("b", 7)])),
        (record(&format!(r#"{ab},{{"name":"c","type":"int","default":-5}}"#)), Ok(vec![("a", 7), ("b", 7), ("c", -5)])),
        (record(&format!(r#"{ab},{{"name":"c","type":["null","int"]}}"#)), Ok(vec![("a", 7), ("b", 7), ("c", 0)])),
        (record(&format!(r#"{ab},{{"name":"c","type":"int"}}"#)), Err("the field `c` has no column, and no default")),
        (record(&format!(r#"{ab},{{"name":"c","type":"int","default":"x"}}"#)), Err("the default of `c` is invalid")),
        (record(r#"{"name":"a","type":"int"}"#), Err("the schema has no field `b`")),
        (r#""int""#.to_owned(), Err("the schema is one int, but there are 2 columns")),
    ];
    check_all(cases, |(json, expected)| {
        let options = WriteOptions::default().with_schema(Some(schema(&json)));
        let found = write(&batch.schema(), std::slice::from_ref(&batch), &options).map_err(|e| e.to_string());
        match expected {
            Ok(values) => {
                let (_, back) = read(&found.unwrap(), &Options::default()).unwrap();
                let value = |column: &ArrayRef| cast(column, &DataType::Int64).unwrap().slice(0, 1);
                for (name, expected) in values {
                    let value = value(back[0].column_by_name(name).unwrap());
                    let value = value.as_any().downcast_ref::<Int64Array>().unwrap();
                    assert_eq!(if value.is_null(0) { 0 } else { value.value(0) }, expected, "{json} {name}");
                }
            }
            Err(text) => assert!(found.as_ref().is_err_and(|e| e.contains(text)), "{json}: {found:?}"),
        }
    });
}

#[test]
fn writer_renames_invalid_names() {
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![7, 8]));
    let names = ["count(*)", "count___", "1st", "a.b", "ä", "count[*]"];
    let batch = RecordBatch::try_from_iter(names.map(|name| (name, ids.clone()))).unwrap();
    let file = write(&batch.schema(), &[batch], &WriteOptions::default()).unwrap();
    let (arrow, _) = read(&file, &Options::default()).unwrap();
    let found: Vec<_> = arrow.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(found, ["count____2", "count___", "_1st", "a_b", "_", "count____3"]);
}

#[test]
fn writer_fills_blocks_to_block_bytes() {
    let ids: ArrayRef = Arc::new((0..100_000).collect::<Int32Array>());
    let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    for threads in [None, Some(2)] {
        let options = WriteOptions::default().with_codec(Codec::Null).with_block_bytes(10_000);
        let (file, written) = match threads {
            None => {
                let mut writer =
                    WriterBuilder::new(batch.schema()).with_options(options.clone()).build(Vec::new()).unwrap();
                // One batch or many: the blocks are the same.
                (0..100).for_each(|at| writer.write(&batch.slice(at * 1000, 1000)).unwrap());
                let written = writer.written().to_vec();
                (writer.finish().unwrap(), written)
            }
            Some(threads) => {
                let mut writer = WriterBuilder::new(batch.schema())
                    .with_options(options.clone())
                    .build_parallel(Vec::new(), threads)
                    .unwrap();
                (0..100).for_each(|at| writer.write(&batch.slice(at * 1000, 1000)).unwrap());
                let written = writer.written().to_vec();
                (writer.finish().unwrap(), written)
            }
        };
        assert!(written.iter().all(|block| block.raw_bytes <= 10_000 && block.bytes <= 10_050));
        if threads.is_none() {
            assert!(written.iter().all(|block| block.raw_bytes > 9_990), "{written:?}");
        }
        let (_, back) = read(&file, &Options::default()).unwrap();
        assert_eq!(concat_batches(&batch.schema(), &back).unwrap().columns(), batch.columns());
    }
}

#[test]
fn append_writer_continues_file() {
    let ids = |from: i32| -> RecordBatch {
        let ids: ArrayRef = Arc::new((from..from + 10).collect::<Int32Array>());
        RecordBatch::try_from_iter([("id", ids)]).unwrap()
    };
    let (first, second) = (ids(0), ids(10));
    let options = WriteOptions::default().with_codec(Codec::Deflate).with_level(Some(1));
    let file = write(&first.schema(), std::slice::from_ref(&first), &options).unwrap();
    let mut writer = WriterBuilder::new(second.schema()).build_append(Cursor::new(file.clone())).unwrap();
    writer.write(&second).unwrap();
    let longer = writer.finish().unwrap().into_inner();
    assert!(longer.starts_with(&file));
    let (arrow, back) = read(&longer, &Options::default()).unwrap();
    let expected = (0..20).collect::<Int32Array>();
    assert_eq!(concat_batches(&arrow, &back).unwrap().column(0).as_ref(), &expected as &dyn Array);

    let cut = Cursor::new(file[..file.len() - 3].to_vec());
    let e = WriterBuilder::new(second.schema()).build_append(cut).unwrap_err();
    assert!(e.to_string().contains("sync marker"), "{e}");
}

#[test]
fn writer_with_invalid_options_fails() {
    let arrow = RecordBatch::try_from_iter([("id", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap().schema();
    let default = WriteOptions::default;
    let cases = [
        (default().with_level(Some(3)), "codec snappy has no levels"),
        (
            default().with_codec(Codec::Zstandard).with_level(Some(99)),
            "level 99 is not valid for zstandard; expected -7 to 22",
        ),
        (default().with_block_bytes(0), "`block_bytes` must be at least 1"),
        (
            default().with_metadata(vec![("avro.x".into(), vec![])]),
            "`avro.x`: keys that start with `avro.` are reserved",
        ),
    ];
    check_all(cases, |(options, text)| {
        let e =
            WriterBuilder::new(arrow.clone()).with_options(options.clone()).build(Vec::new()).unwrap_err().to_string();
        assert!(e.contains(text), "{e}");
    });
}
