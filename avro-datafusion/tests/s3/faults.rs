//! Servers that are slow or broken, and objects that change while they are read.

use super::data::Rows;
use super::server::{Fault, Rule, Server};
use super::{numbers, session, table};
use std::time::{Duration, Instant};

const ROWS: Rows = Rows { first: 0, blocks: 12, per_block: 100, pad: 900 };

fn rule(after: usize, times: usize, fault: Fault) -> Rule {
    Rule { name: "x.avro", from: 0, after, times, fault }
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_failures_are_retried() {
    let server = Server::start().await;
    server.put("x.avro", ROWS.file()).await;
    // The requests are: is it there, its header, is it still there, its rows; rules say nothing of its index.
    let cases = [
        vec![rule(0, 2, Fault::SlowDown)],
        vec![rule(1, 2, Fault::SlowDown)],
        vec![rule(2, 2, Fault::SlowDown)],
        vec![rule(3, 2, Fault::SlowDown)],
        vec![rule(1, 1, Fault::Drop), rule(2, 1, Fault::Drop)],
        vec![rule(1, 1, Fault::Truncate(100))],
        vec![rule(3, 1, Fault::Truncate(0))],
        vec![rule(3, 2, Fault::Truncate(300_000))],
        vec![
            rule(1, 1, Fault::Delay(Duration::from_millis(200))),
            rule(2, 1, Fault::Delay(Duration::from_millis(200))),
        ],
        vec![rule(0, 1, Fault::SlowDown), rule(1, 1, Fault::Drop), rule(3, 1, Fault::Truncate(5000))],
    ];
    for rules in cases {
        let ctx = session(&server, 1).await;
        let undisturbed = {
            numbers(&ctx, "SELECT sum(id) FROM 's3://bucket/x.avro'").await.unwrap();
            server.requests().len()
        };
        server.fail(rules.clone());
        let ctx = session(&server, 1).await;
        let found = numbers(&ctx, "SELECT sum(id), count(pad) FROM 's3://bucket/x.avro'").await;
        assert_eq!(found.unwrap(), [ROWS.sum(), ROWS.count()], "{rules:?}");
        let delays = rules.iter().filter(|rule| matches!(rule.fault, Fault::Delay(_))).count();
        let failures = rules.iter().map(|rule| rule.times).sum::<usize>() - delays;
        assert_eq!(server.requests().len(), undisturbed + failures, "{rules:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn permanent_failures_are_errors() {
    let server = Server::start().await;
    server.put("x.avro", ROWS.file()).await;
    let cases = [
        (Fault::SlowDown, ", 'aws.max_retries' '2'", "SlowDown"),
        (Fault::Drop, ", 'aws.max_retries' '1'", "cannot reach the server; is the endpoint"),
        (Fault::Truncate(300_000), ", 'aws.max_retries' '1'", "the connection broke off"),
        (
            Fault::Delay(Duration::from_secs(3600)),
            ", 'aws.max_retries' '0', 'aws.timeout' '2s'",
            "cannot reach the server",
        ),
    ];
    for (fault, options, expected) in cases {
        let ctx = session(&server, 1).await;
        server.fail(vec![]);
        table(&ctx, &server, "t", "x.avro", options).await.unwrap();
        server.fail(vec![rule(1, usize::MAX, fault.clone())]);
        let start = Instant::now();
        let error = numbers(&ctx, "SELECT sum(id) FROM t").await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("x.avro"), "{fault:?}: {error}");
        assert!(start.elapsed() < Duration::from_secs(40), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_object_fails_the_query() {
    let server = Server::start().await;
    let rows = Rows { first: 0, blocks: 300, per_block: 100, pad: 700 };
    server.put("x.avro", rows.file()).await;
    // The third request is for the first rows.
    for (fault, from) in [(Fault::OtherTag, 2), (Fault::OtherTag, 3)] {
        for limit in ["", "LIMIT 25000"] {
            let ctx = session(&server, 1).await;
            table(&ctx, &server, "t", "x.avro", "").await.unwrap();
            let sql = format!("SELECT count(id) FROM (SELECT id FROM t {limit})");
            server.fail(vec![rule(from, usize::MAX, fault.clone())]);
            let error = numbers(&ctx, &sql).await.unwrap_err().to_string();
            assert!(error.contains("s3://bucket/x.avro: the file changed while it was read"), "{error}");
            // The object has its old content again, and is read again.
            server.fail(vec![]);
            assert!(numbers(&ctx, &sql).await.is_ok());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_object_is_read_by_the_next_query() {
    let server = Server::start().await;
    let (old, new) = (Rows { first: 0, ..ROWS }, Rows { first: 500, ..ROWS });
    server.put("x.avro", old.file()).await;
    let ctx = session(&server, 2).await;
    table(&ctx, &server, "t", "x.avro", "").await.unwrap();
    assert_eq!(numbers(&ctx, "SELECT sum(id) FROM t").await.unwrap(), [old.sum()]);
    for (rows, tags) in [(new, true), (old, true), (new, false), (Rows { blocks: 2, ..old }, false)] {
        server.put("x.avro", rows.file()).await;
        server.fail(vec![rule(0, if tags { 0 } else { usize::MAX }, Fault::NoTag)]);
        // A server that says nothing but a time in seconds may need to be asked twice.
        let found = match numbers(&ctx, "SELECT sum(id) FROM t").await {
            Err(e) if !tags && e.to_string().contains("changed while it was read") => {
                numbers(&ctx, "SELECT sum(id) FROM t").await
            }
            found => found,
        };
        assert_eq!(found.unwrap(), [rows.sum()], "{rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_objects_are_errors() {
    let server = Server::start().await;
    server.put("x.avro", ROWS.file()).await;
    let ctx = session(&server, 1).await;
    table(&ctx, &server, "t", "x.avro", "").await.unwrap();
    let plan = ctx.sql("SELECT sum(id) FROM t").await.unwrap().create_physical_plan().await.unwrap();
    // Between planning and reading it becomes shorter.
    server.put("x.avro", Rows { blocks: 1, ..ROWS }.file()).await;
    let error = datafusion::physical_plan::collect(plan, ctx.task_ctx()).await.unwrap_err().to_string();
    assert!(error.contains("s3://bucket/x.avro: the file changed while it was read"), "{error}");
}
