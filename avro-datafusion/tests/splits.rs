//! Byte ranges and partitions: however a file is split, every row is read exactly once.
#![allow(clippy::single_range_in_vec_init)]

use crate::support::{self, Dir, Row, SYNC, avro, query, record, row, session};
use arrow_schema::{DataType, Field, Schema};
use avro_datafusion::{AvroFormat, AvroOptions, AvroSessionExt, BlockAccessPlan};
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
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

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
async fn every_partitioning_returns_each_row_once() {
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
                ctx.register_avro_table("t", dir.path().join("t").to_str().unwrap(), AvroOptions::default())
                    .await
                    .unwrap();
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
async fn every_split_position_returns_each_row_once() {
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

/// A value may hold what is a whole block to a scan that starts inside it, here one that even ends where the real block
/// does. The file's parts then give its rows, or an error that says how to read it; never other rows.
#[tokio::test]
async fn forged_block_in_value_is_an_error() {
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
        ctx.register_avro_table("t", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
        for sql in ["SELECT count(*) AS c FROM t", "SELECT count(*) AS c FROM t WHERE b <> X'00'"] {
            match support::run(&ctx, sql).await.as_str() {
                "c\n6" => {}
                error if error.contains("a.avro: a value contains what looks like a block") => noticed += 1,
                other => panic!("{partitions} partitions: {other}"),
            }
        }
    }
    assert!(noticed > 0);
}

#[tokio::test]
async fn plan_shows_file_ranges() {
    let dir = Dir::new();
    let path = dir.write("a.avro", file(50_000, 100));
    let mut config = SessionConfig::new().with_target_partitions(4);
    config.options_mut().optimizer.repartition_file_min_size = 1;
    let ctx = SessionContext::new_with_config(config);
    ctx.register_avro_table("t", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
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

/// Scans a file of one column `a` with an access plan, as a caller with an index of its own does.
async fn scan_with_plan(path: &Path, plan: BlockAccessPlan, parts: usize) -> datafusion::error::Result<Vec<i64>> {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(parts));
    let format = AvroFormat::default();
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
    let source = format.file_source(TableSchema::from(schema));
    let size = std::fs::metadata(path).unwrap().len();
    let location = path.to_str().unwrap().trim_start_matches('/');
    let file = PartitionedFile::new(location, size).with_extension(plan);
    let bound = |i: usize| (size as usize * i / parts) as i64;
    let parts = (0..parts).map(|i| FileGroup::new(vec![file.clone().with_range(bound(i), bound(i + 1))])).collect();
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source).with_file_groups(parts);
    let plan = format.create_physical_plan(&ctx.state(), config.build()).await?;
    let batches = collect(plan, ctx.task_ctx()).await?;
    let values = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    let mut values: Vec<i64> = values.collect();
    // Partitions finish in any order.
    values.sort_unstable();
    Ok(values)
}

#[tokio::test]
async fn access_plan_reads_only_its_blocks() {
    let dir = Dir::new();
    let rows: Vec<Row> = (0..40).map(|i| row().long(i)).collect();
    let bytes = avro(&record(&[r#"{"name": "a", "type": "long"}"#]), &rows, 10);
    let path = dir.write("t.avro", &bytes);
    let ends: Vec<u64> =
        (16..=bytes.len()).filter(|&end| bytes[..end].ends_with(&SYNC)).map(|end| end as u64).collect();
    let [header, first, second, third, fourth] = ends[..] else { panic!("expected four blocks, found {ends:?}") };
    let cases: [(&[Range<u64>], &[i64]); 5] = [
        (&[], &[]),
        (&[header..fourth], &[0, 10, 20, 30]),
        (&[header..first, second..third], &[0, 20]),
        (&[first..second, second..third], &[10, 20]),
        (&[third..fourth], &[30]),
    ];
    for (ranges, expected) in cases {
        for parts in [1, 2, 5] {
            let plan = BlockAccessPlan::try_new(ranges.to_vec()).unwrap();
            let expected: Vec<i64> = expected.iter().flat_map(|&first| first..first + 10).collect();
            assert_eq!(scan_with_plan(&path, plan, parts).await.unwrap(), expected, "{ranges:?} in {parts} parts");
        }
    }
    let wrong = [
        (header + 1..second, "no block boundaries at the offsets in the block access plan"),
        (header..first + 1, "the file ends inside a block"),
        (header - 1..first, "is outside of the blocks of the file"),
        (third..fourth + 1, "is outside of the blocks of the file"),
    ];
    for (range, expected) in wrong {
        let plan = BlockAccessPlan::try_new([range.clone()]).unwrap();
        let error = scan_with_plan(&path, plan, 1).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{range:?}: {error}");
    }
}
