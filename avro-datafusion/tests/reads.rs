//! Requests to the object store: ranges instead of whole files, few for `LIMIT`, headers once.

use crate::support::counting::Counting;
use crate::support::{Row, avro, record, row, run, session};
use avro_datafusion::{AvroOptions, AvroSessionExt};
use datafusion::prelude::SessionContext;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::sync::Arc;
use url::Url;

const MB: u64 = 1 << 20;

/// `mem://bucket/big/big.avro` of about 10 MB, and 100 files under `many/`.
async fn store() -> (SessionContext, Arc<Counting>) {
    let inner = InMemory::new();
    let schema = record(&[r#"{"name": "i", "type": "long"}"#, r#"{"name": "pad", "type": "bytes"}"#]);
    let rows: Vec<Row> = (0..100_000).map(|i| row().long(i).bytes(&[b'x'; 100])).collect();
    inner.put(&Path::from("big/big.avro"), avro(&schema, &rows, 160).into()).await.unwrap();
    for i in 0..100 {
        inner.put(&Path::from(format!("many/{i}.avro")), avro(&schema, &rows[..10], 10).into()).await.unwrap();
    }
    let store = Arc::new(Counting::new(Arc::new(inner)));
    let ctx = session(4);
    ctx.register_object_store(&Url::parse("mem://bucket").unwrap(), store.clone());
    (ctx, store)
}

#[tokio::test]
async fn large_file_is_read_ahead() {
    let (ctx, store) = store().await;
    ctx.register_avro_table("big", "mem://bucket/big/", AvroOptions::default()).await.unwrap();
    let header = store.take_gets();
    assert_eq!(header, [("big/big.avro".to_owned(), 0..64 << 10)], "the schema needs the header alone");

    assert_eq!(run(&ctx, "SELECT i FROM big LIMIT 1").await, "i\n0");
    let bytes: u64 = store.take_gets().iter().map(|(_, range)| range.end - range.start).sum();
    assert!(bytes <= 256 << 10, "LIMIT 1 read {bytes} bytes");

    assert_eq!(run(&ctx, "SELECT count(*) AS c, sum(i) AS s FROM big").await, "c | s\n100000 | 4999950000");
    let gets = store.take_gets();
    let bytes: u64 = gets.iter().map(|(_, range)| range.end - range.start).sum();
    assert!((10 * MB..12 * MB).contains(&bytes), "a full scan read {bytes} bytes");
    assert!(gets.iter().all(|(_, range)| range.start > 0), "the header is read once");
    assert!(gets.iter().all(|(_, range)| range.end - range.start <= 12 * MB), "memory is bounded: {gets:?}");
}

#[tokio::test]
async fn many_small_files_are_read_once() {
    let (ctx, store) = store().await;
    ctx.register_avro_table("many", "mem://bucket/many/*.avro", AvroOptions::default()).await.unwrap();
    assert_eq!(store.take_gets().len(), 100);
    assert_eq!(run(&ctx, "SELECT count(*) AS c, sum(i) AS s FROM many").await, "c | s\n1000 | 4500");
    assert_eq!(store.take_gets().len(), 100, "headers are kept");
    assert_eq!(run(&ctx, "SELECT i FROM many LIMIT 15").await.lines().count(), 16);
    assert_eq!(store.take_gets().len(), 2, "no more files than the limit needs");
    assert_eq!(run(&ctx, "SELECT count(*) AS c FROM 'mem://bucket/many/1*.avro'").await, "c\n110");
    assert_eq!(run(&ctx, "SELECT count(*) AS c FROM 'mem://bucket/many/1.avro'").await, "c\n10");
    assert_eq!(run(&ctx, "SELECT count(*) AS c FROM 'mem://bucket/many'").await, "c\n1000");
    let missing = run(&ctx, "SELECT * FROM 'mem://bucket/gone.avro'").await;
    assert_eq!(missing, "error: Error during planning: no such file or directory: mem://bucket/gone.avro");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_read_once_in_a_session() {
    let (ctx, store) = store().await;
    let headers = async |sql: &str| {
        let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        assert!(!plan.schema().fields().is_empty());
        store.take_gets().len()
    };
    assert_eq!(headers("SELECT i FROM 'mem://bucket/many/*.avro'").await, 100);
    assert_eq!(headers("SELECT pad FROM 'mem://bucket/many/*.avro' WHERE i > 3").await, 0);
    assert_eq!(headers("SELECT i FROM 'mem://bucket/many/1*.avro'").await, 0);
    let with_option = "SELECT i FROM read_avro('mem://bucket/many/1.avro', strings => 'plain')";
    assert_eq!(headers(with_option).await, 1, "headers depend on the options");
    // A file that has changed is read again.
    let changed = avro(&record(&[r#"{"name": "i", "type": "long"}"#]), &[row().long(1)], 1);
    store.put(&Path::from("many/7.avro"), changed.into()).await.unwrap();
    assert_eq!(headers("SELECT i FROM 'mem://bucket/many/7.avro'").await, 1);
}
