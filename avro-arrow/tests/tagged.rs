//! Tagged structs: unions of random rows are the same, whether they are read as such or made of tagged structs
//! afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use arrow_select::concat::concat_batches;
use avro_arrow::schema::Schema;
use avro_arrow::tagged::{dense_batch, dense_schema};
use avro_arrow::{Codec, Limits, Options, ReaderBuilder, Unions, container};
use avro_testing::{check_seeds, random_rows, random_schema};
use std::sync::Arc;

const SYNC: [u8; 16] = *b"0123456789abcdef";

fn read(file: &[u8], unions: Unions) -> Option<(SchemaRef, Vec<RecordBatch>)> {
    let reader = ReaderBuilder::new().with_options(Options::default().with_unions(unions)).build(file).ok()?;
    let arrow = reader.schema();
    Some((arrow, reader.collect::<Result<_, _>>().ok()?))
}

#[test]
fn tagged_unions_convert_to_dense() {
    let mut n_unions = 0;
    check_seeds(0..700, |rng| {
        let schema = Schema::parse(&random_schema(rng), &Limits::default()).unwrap();
        let rows = random_rows(rng, &schema, 40);
        let mut file = container::header_bytes(schema.json(), Codec::Null, &[], &SYNC);
        container::frame(40, &rows, &SYNC, &mut file);
        let Some((arrow, batches)) = read(&file, Unions::Dense) else { return };
        let expected = concat_batches(&arrow, &batches).unwrap();
        let (tagged, batches) = read(&file, Unions::Tagged).unwrap();
        let found = concat_batches(&tagged, &batches).unwrap();
        let found = match dense_schema(&tagged) {
            Some(dense) => {
                n_unions += 1;
                dense_batch(&found, &dense).unwrap()
            }
            None => found,
        };
        assert_eq!(found, expected, "{}", schema.json());
    });
    assert!(n_unions > 100, "{n_unions}");
}

/// As behind an outer join: the struct is null, whatever is below.
#[test]
fn tagged_union_that_can_be_null_gets_null_branch() {
    let json = r#"{"type":"record","name":"r","fields":[{"name":"u","type":["int","string"]}]}"#;
    let mut file = container::header_bytes(json, Codec::Null, &[], &SYNC);
    container::frame(3, b"\x00\x02\x02\x02a\x00\x04", &SYNC, &mut file);
    let (schema, batches) = read(&file, Unions::Tagged).unwrap();
    let union = batches[0].column(0).as_struct();
    let nulls = NullBuffer::from(vec![true, false, true]);
    let array = StructArray::new(union.fields().clone(), union.columns().to_vec(), Some(nulls));
    let field = schema.field(0).clone().with_nullable(true);
    let schema = Arc::new(ArrowSchema::new(vec![field]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(array) as ArrayRef]).unwrap();
    let dense = dense_schema(&schema).unwrap();
    let found = dense_batch(&batch, &dense).unwrap();
    let DataType::Union(children, _) = dense.field(0).data_type() else { panic!("{dense:?}") };
    let names: Vec<_> = children.iter().map(|(_, child)| child.name().as_str()).collect();
    assert_eq!(names, ["null", "int", "string"]);
    let union = found.column(0).as_union();
    assert_eq!(union.type_ids().as_ref(), [1, 0, 1]);
    assert_eq!(union.child(1).as_primitive::<arrow_array::types::Int32Type>(), &Int32Array::from(vec![1, 2]));
    assert_eq!(union.child(2).len(), 0);
}

#[test]
fn tagged_schema_without_unions_is_unchanged() {
    let fields = vec![Field::new("a", DataType::Int32, true)];
    assert!(dense_schema(&ArrowSchema::new(fields)).is_none());
}
