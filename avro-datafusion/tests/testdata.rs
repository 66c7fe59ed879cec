//! The files of `testdata/valid`, written by other Avro implementations: a scan returns the decoder's rows, however it
//! is split.

use crate::support::{self, query};
use avro_arrow::ReaderBuilder;
use avro_datafusion::{AvroOptions, AvroSessionExt, Unions};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/valid");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "avro"));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn joined(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let columns: Vec<_> = concat_batches(schema, batches).unwrap().columns().to_vec();
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).unwrap()
}

#[tokio::test]
async fn scan_agrees_with_decoder() {
    for file in files() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let reader = ReaderBuilder::new().build(std::fs::File::open(&file).unwrap()).unwrap();
        let schema = reader.schema();
        let expected = joined(&schema, &reader.collect::<avro_arrow::Result<Vec<_>>>().unwrap());
        // This one has a whole block with its sync markers inside a value, which only a reader from the start can tell
        // from a block of the file; nothing but a forgery has that.
        let partitions: &[usize] = if name == "sync-in-data.avro" { &[1] } else { &[1, 3] };
        for &partitions in partitions {
            let mut config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(7);
            config.options_mut().optimizer.repartition_file_min_size = 0;
            let ctx = SessionContext::new_with_config(config);
            let options = AvroOptions::default().with_unions(Unions::Dense);
            ctx.register_avro_table("t", file.to_str().unwrap(), options).await.unwrap();

            let count = support::run(&ctx, "SELECT count(*) AS c FROM t").await;
            assert_eq!(count, format!("c\n{}", expected.num_rows()), "{name}");
            // With more than one partition the order is anyone's, but the number of rows is not.
            let found = query(&ctx, "SELECT * FROM t").await.unwrap_or_else(|e| panic!("{name}: {e}"));
            let found = joined(&schema, &found);
            assert_eq!(found.num_rows(), expected.num_rows(), "{name}");
            if partitions == 1 {
                assert_eq!(found, expected, "{name}");
            }
        }
    }
}
