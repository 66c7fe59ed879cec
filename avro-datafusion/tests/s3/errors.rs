//! Errors with advice.

use super::server::{BUCKET, KEY, SECRET, Server};
use super::{numbers, session};
use datafusion::prelude::SessionConfig;

#[tokio::test(flavor = "multi_thread")]
async fn missing_buckets_and_keys_are_explained() {
    let server = Server::start().await;
    server.put("there.avro", b"Obj\x01 is not enough".to_vec()).await;
    server.put("empty.avro", vec![]).await;
    let ctx = session(&server, 1).await;
    let cases = [
        ("SELECT * FROM 's3://bucket/missing.avro'", "no such file or directory: s3://bucket/missing.avro"),
        ("SELECT * FROM 's3://bucket/missing/'", "no files at s3://bucket/missing/"),
        ("SELECT * FROM 's3://bucket/m*.avro'", "no Avro files at s3://bucket/m*.avro"),
        ("SELECT * FROM 's3://bucket/there.avro'", "s3://bucket/there.avro"),
        ("SELECT * FROM 's3://bucket/empty.avro'", "s3://bucket/empty.avro"),
        ("SELECT * FROM 'hdfs://host/x.avro'", "no object store for hdfs://; supported are s3://, s3a://"),
    ];
    for (sql, expected) in cases {
        let error = numbers(&ctx, sql).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_options_are_errors() {
    let server = Server::start().await;
    server.put("x.avro", super::data::Rows { first: 0, blocks: 1, per_block: 1, pad: 0 }.file()).await;
    let Server { endpoint, .. } = &server;
    let at = |bucket: &str, key: &str, secret: &str, more: &str| {
        format!(
            "CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION 's3://{bucket}/x.avro' OPTIONS ('aws.endpoint' '{endpoint}', \
             'aws.access_key_id' '{key}', 'aws.secret_access_key' '{secret}', 'aws.region' 'us-east-1'{more})"
        )
    };
    let nobody = "http://127.0.0.1:1";
    let cases = [
        (at("nothere", KEY, SECRET, ""), "no bucket `nothere` at this endpoint"),
        (at(BUCKET, "AKIAWRONG", SECRET, ""), "AWS_ACCESS_KEY_ID"),
        (at(BUCKET, KEY, "wrong", ""), "AWS_SECRET_ACCESS_KEY"),
        (at(BUCKET, KEY, SECRET, ", 'aws.reigon' 'x'"), "unknown object store option `aws.reigon`"),
        (at(BUCKET, KEY, SECRET, ", 'gcp.skip_signature' 'x'"), "option `gcp.skip_signature` applies to gs://"),
        (at(BUCKET, KEY, SECRET, ", 'unions' 'x'"), "option `unions`: expected "),
        (
            at(BUCKET, KEY, SECRET, ", 'aws.max_retries' '0'").replace(endpoint.as_str(), nobody),
            "s3://bucket: cannot reach the server; is the endpoint",
        ),
    ];
    for (sql, expected) in cases {
        let ctx = avro_datafusion::new_session(SessionConfig::new()).unwrap();
        let error = numbers(&ctx, &sql).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}
