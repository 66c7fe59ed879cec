//! Byte ranges and partitions: however a file is split, every row is read exactly once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_datafusion::{AvroContext, AvroFormat, AvroOptions};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStoreExt;
use std::sync::Arc;
use support::{Dir, Row, SYNC, avro, query, record, row, session};

/// Rows of `i`, a text whose length varies and which sometimes is a sync marker, and `i` again.
fn file(rows: i64, rows_per_block: usize) -> Vec<u8> {
    let schema = record(&[
        r#"{"name": "i", "type": "long"}"#,
        r#"{"name": "text", "type": "bytes"}"#,
        r#"{"name": "j", "type": ["null", "long"]}"#,
    ]);
    let rows: Vec<Row> = (0..rows)
        .map(|i| {
            let text = if i % 17 == 0 { SYNC.repeat(2) } else { vec![b'x'; usize::try_from(i * 7 % 50).unwrap()] };
            row().long(i).bytes(&text).long(1).long(i)
        })
        .collect();
    avro(&schema, &rows, rows_per_block)
}

#[tokio::test]
async fn every_row_once_for_all_partitions() {
    let dir = Dir::new();
    dir.write("t/a.avro", file(2_000, 7));
    dir.write("t/b.avro", file(500, 100));
    dir.write("t/c.avro", file(1, 1));
    dir.write("t/d.avro", file(3_000, 3_000));
    let sum = |n: i64| n * (n - 1) / 2;
    let expected =
        format!("{} | {} | {}", 5_501, sum(2_000) + sum(500) + sum(3_000), sum(2_000) + sum(500) + sum(3_000));
    for partitions in 1..=8 {
        for min_size in [0, 1, 5_000, 1 << 20] {
            for batch_size in [1_000, 8_192] {
                let mut config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(batch_size);
                config.options_mut().optimizer.repartition_file_min_size = min_size;
                let ctx = SessionContext::new_with_config(config);
                ctx.register_avro("t", dir.path().join("t").to_str().unwrap(), AvroOptions::default()).await.unwrap();
                let found = support::run(&ctx, "SELECT count(*) AS c, sum(i) AS i, sum(j) AS j FROM t").await;
                assert_eq!(found, format!("c | i | j\n{expected}"), "{partitions} partitions from {min_size} bytes");
                let found = support::run(&ctx, "SELECT count(*) AS c FROM t").await;
                assert_eq!(found, "c\n5501", "{partitions} partitions from {min_size} bytes");
            }
        }
    }
}

/// A file cut in two at every byte: the two scans together have every row once, in order, and so have their counts.
#[tokio::test]
async fn every_cut() {
    let store = Arc::new(object_store::memory::InMemory::new());
    let bytes = file(60, 7);
    let len = i64::try_from(bytes.len()).unwrap();
    let path = object_store::path::Path::from("f.avro");
    store.put(&path, bytes.into()).await.unwrap();
    let object = store.head(&path).await.unwrap();
    let ctx = session(1);
    let url = ObjectStoreUrl::parse("mem://").unwrap();
    ctx.register_object_store(url.as_ref(), store.clone());
    let format = AvroFormat::new(AvroOptions::default());
    let schema = format.infer_schema(&ctx.state(), &(store as _), std::slice::from_ref(&object)).await.unwrap();

    for cut in 0..=len {
        let groups = [(0, cut), (cut, len)].map(|(start, end)| {
            FileGroup::new(vec![PartitionedFile::new_from_meta(object.clone()).with_range(start, end)])
        });
        for columns in [vec![0], vec![]] {
            let mut rows = vec![];
            let mut count = 0;
            for group in groups.clone() {
                let source = format.file_source(TableSchema::from(schema.clone()));
                let config = FileScanConfigBuilder::new(url.clone(), source)
                    .with_file_group(group)
                    .with_projection_indices(Some(columns.clone()))
                    .unwrap()
                    .build();
                let plan = format.create_physical_plan(&ctx.state(), config).await.unwrap();
                for batch in collect(plan, ctx.task_ctx()).await.unwrap() {
                    count += batch.num_rows();
                    if batch.num_columns() > 0 {
                        rows.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
                    }
                }
            }
            assert_eq!(count, 60, "cut at {cut}");
            if !columns.is_empty() {
                assert_eq!(rows, (0..60).collect::<Vec<_>>(), "cut at {cut}");
            }
        }
    }
}

/// A value may hold what is a whole block to a scan that starts inside it, here one that even ends where the real block does.
/// The file's parts then give its rows, or an error that says how to read it; never other rows.
#[tokio::test]
async fn a_forged_block_is_noticed() {
    let schema = record(&[r#"{"name": "b", "type": "bytes"}"#]);
    let forged_row = row().bytes(b"forged").0;
    let forged = row().raw(&[b'x'; 40]).raw(&SYNC).long(1).bytes(&forged_row).0;
    let rows: Vec<Row> = (0..6).map(|i| row().bytes(if i == 3 { &forged } else { b"right" })).collect();
    let dir = Dir::new();
    let bytes = avro(&schema, &rows, 1);
    let path = dir.write("a.avro", &bytes);
    let mut noticed = 0;
    for partitions in (1..60).step_by(4) {
        let mut config = SessionConfig::new().with_target_partitions(partitions);
        config.options_mut().optimizer.repartition_file_min_size = 0;
        let ctx = SessionContext::new_with_config(config);
        ctx.register_avro("t", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
        for sql in ["SELECT count(*) AS c FROM t", "SELECT count(*) AS c FROM t WHERE b <> X'00'"] {
            match support::run(&ctx, sql).await.as_str() {
                "c\n6" => {}
                error if error.contains("a.avro: a value of this file holds what looks like a block") => noticed += 1,
                other => panic!("{partitions} partitions: {other}"),
            }
        }
    }
    assert!(noticed > 0);
}

#[tokio::test]
async fn plans() {
    let dir = Dir::new();
    let path = dir.write("a.avro", file(50_000, 100));
    let mut config = SessionConfig::new().with_target_partitions(4);
    config.options_mut().optimizer.repartition_file_min_size = 1;
    let ctx = SessionContext::new_with_config(config);
    ctx.register_avro("t", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    for (sql, expected) in [
        ("SELECT i FROM t WHERE j > 3", "decoded=[i], predicate=j@"),
        ("SELECT 1 FROM t", "decoded=row counts only"),
        ("SELECT sum(i) FROM t", "file_groups={4 groups:"),
        ("SELECT sum(i) FROM t", "projection=[i]"),
        ("SELECT * FROM t LIMIT 3", "limit=3"),
        ("SELECT * FROM t LIMIT 3", "file_groups={1 group:"),
        ("SELECT * FROM t LIMIT 300000", "file_groups={4 groups:"),
        ("SELECT i + 1 FROM t", "decoded=[i]"),
    ] {
        let batches = query(&ctx, &format!("EXPLAIN FORMAT INDENT {sql}")).await.unwrap();
        let plan = format!("{}", datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap());
        assert!(plan.contains(expected), "{sql}: no `{expected}` in\n{plan}");
    }
}
