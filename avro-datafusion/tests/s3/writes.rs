//! Writing to S3: an object is there when it is whole, and nothing is left of one that is given up.

use super::server::Server;
use super::{numbers, session};
use datafusion::prelude::SessionContext;
use std::time::Duration;

/// Runs a statement; the error as text, or nothing.
async fn run(ctx: &SessionContext, sql: &str) -> Result<(), String> {
    let done = match ctx.sql(sql).await {
        Ok(frame) => frame.collect().await,
        Err(e) => Err(e),
    };
    done.map(drop).map_err(|e| e.strip_backtrace())
}

/// Waits until nothing but the introduction is stored.
async fn is_empty_soon(server: &Server) {
    for _ in 0..3_000 {
        if server.stored() == ["bucket/introduction.avro"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.stored(), ["bucket/introduction.avro"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_uses_put_or_multipart() {
    let server = Server::start().await;
    let ctx = session(&server, 2).await;
    // About 24 MB, in parts of 10 MiB.
    let rows = "SELECT value, random() AS a, random() AS b FROM generate_series(1, 1000000)";
    for (sql, expected) in [
        ("COPY (SELECT 1 AS value) TO 's3://bucket/x/small.avro'", [1, 1]),
        (&format!("COPY ({rows}) TO 's3://bucket/x/large.avro'"), [1_000_000, 500_000_500_000]),
    ] {
        run(&ctx, sql).await.unwrap();
        let path = sql.rsplit_once(" TO ").unwrap().1;
        let found = numbers(&ctx, &format!("SELECT count(*), sum(value) FROM {path}")).await.unwrap();
        assert_eq!(found, expected);
    }
    let sql = "COPY (SELECT value, value % 3 AS k FROM generate_series(1, 10)) TO 's3://bucket/p/' STORED AS AVRO \
               PARTITIONED BY (k) OPTIONS (write_index 'true')";
    run(&ctx, sql).await.unwrap();
    let found = numbers(&ctx, "SELECT k, sum(value) FROM 's3://bucket/p/' GROUP BY k ORDER BY k").await.unwrap();
    assert_eq!(found, [0, 18, 1, 22, 2, 15]);
    let stored = server.stored();
    let indexes = stored.iter().filter(|name| name.ends_with(".avroidx")).count();
    assert_eq!((stored.len(), indexes), (3 + 6, 3), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_or_dropped_uploads_are_aborted() {
    let server = Server::start().await;
    let ctx = session(&server, 2).await;
    let failing =
        "SELECT value, random() AS a, random() AS b, 1 / (value - 999999) AS c FROM generate_series(1, 1000000)";
    let e = run(&ctx, &format!("COPY ({failing}) TO 's3://bucket/a.avro'")).await.unwrap_err();
    assert!(e.contains("Divide by zero"), "{e}");
    is_empty_soon(&server).await;

    let sql = "COPY (SELECT random() AS a FROM generate_series(1, 1000000000000)) TO 's3://bucket/b.avro'";
    let task = tokio::spawn({
        let ctx = ctx.clone();
        async move { run(&ctx, sql).await }
    });
    for _ in 0..10_000 {
        if server.stored().len() > 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(server.stored().len() > 2, "parts were sent");
    task.abort();
    assert!(task.await.is_err());
    is_empty_soon(&server).await;
}
