//! Statistics for the planner: estimates of distinct values from a few blocks of large local files.

use crate::support::{Dir, Row, avro, record, row, session};
use avro_datafusion::{AvroOptions, AvroSessionExt};
use datafusion::common::stats::Precision;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::prelude::SessionContext;

/// Rows of a unique key, each key four times, three kinds, random numbers below 2,000, nulls, a list, and a long text.
fn rows(range: std::ops::Range<i64>) -> Vec<Row> {
    let random = |i: i64| {
        // The finalizer of MurmurHash3.
        let x = (i as u64).wrapping_add(1).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        ((x ^ (x >> 33)) % 2_000) as i64
    };
    range
        .map(|i| {
            let row = row().long(i).long(i / 4).string(&format!("kind {}", i % 3)).long(random(i));
            row.long(0).long(1).long(i).long(0).bytes(&[b'x'; 150])
        })
        .collect()
}

fn schema() -> String {
    record(&[
        r#"{"name": "key", "type": "long"}"#,
        r#"{"name": "four", "type": "long"}"#,
        r#"{"name": "kind", "type": "string"}"#,
        r#"{"name": "random", "type": "long"}"#,
        r#"{"name": "nothing", "type": ["null", "long"]}"#,
        r#"{"name": "list", "type": {"type": "array", "items": "long"}}"#,
        r#"{"name": "text", "type": "bytes"}"#,
    ])
}

/// The estimates of the columns of a table, in their order.
async fn distinct(ctx: &SessionContext, table: &str) -> Vec<Precision<usize>> {
    let plan = ctx.table(table).await.unwrap().create_physical_plan().await.unwrap();
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).unwrap();
    statistics.column_statistics.iter().map(|column| column.distinct_count).collect()
}

#[tokio::test]
async fn distinct_values_of_large_tables_are_estimated() {
    let dir = Dir::new();
    // 21 MB in two files, and a small table.
    dir.write("large/a.avro", avro(&schema(), &rows(0..30_000), 300));
    dir.write("large/b.avro", avro(&schema(), &rows(30_000..120_000), 300));
    dir.write("small/a.avro", avro(&schema(), &rows(0..1_000), 300));
    let ctx = session(2);
    for table in ["large", "small"] {
        let path = dir.path().join(table);
        ctx.register_avro_table(table, path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    }
    let estimates = distinct(&ctx, "large").await;
    let [key, four, kind, random, nothing, list, text] = estimates[..] else { panic!("{estimates:?}") };
    let between = |estimate: Precision<usize>, low: usize, high: usize| match estimate {
        Precision::Inexact(n) => (low..=high).contains(&n),
        _ => false,
    };
    assert!(between(key, 100_000, 140_000), "{key:?}");
    assert!(between(four, 25_000, 35_000), "{four:?}");
    assert_eq!((kind, nothing, text), (Precision::Inexact(3), Precision::Inexact(0), Precision::Inexact(1)));
    assert!(between(random, 1_000, 4_000), "{random:?}");
    assert_eq!(list, Precision::Absent);
    assert!(distinct(&ctx, "small").await.iter().all(|estimate| *estimate == Precision::Absent));

    // A damaged sample is an error of the scan, not of the plan.
    let mut damaged = avro(&schema(), &rows(0..120_000), 300);
    damaged[1_000_000..].fill(0xff);
    dir.write("damaged/a.avro", damaged);
    let path = dir.path().join("damaged");
    ctx.register_avro_table("damaged", path.to_str().unwrap(), AvroOptions::default()).await.unwrap();
    assert!(distinct(&ctx, "damaged").await.iter().all(|estimate| *estimate == Precision::Absent));
}
