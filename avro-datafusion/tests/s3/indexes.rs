//! Block indexes in the store: building, reading, and the requests they save.

use super::costs::cost;
use super::data::Rows;
use super::server::Server;
use super::{numbers, session};

#[tokio::test(flavor = "multi_thread")]
async fn index_saves_requests_and_bytes() {
    let server = Server::start().await;
    let rows = Rows { first: 0, blocks: 300, per_block: 100, pad: 700 };
    let file = rows.file();
    let len = file.len() as u64;
    server.put("big.avro", file).await;
    let ctx = session(&server, 2).await;
    let found = numbers(&ctx, "SELECT blocks, rows FROM avro_index('s3://bucket/big.avro')").await.unwrap();
    assert_eq!(found, [300, rows.count()]);
    let (_, bytes, _) = cost(&server.requests());
    assert!(bytes < len + (2 << 20), "the object is read once: {bytes} bytes of {len}");
    // Queries, their answers, and the most requests and bytes, with the header and the index.
    let cases = [
        ("SELECT count(*), max(id) FROM {}", vec![rows.count(), rows.count() - 1], 2, 300 << 10),
        ("SELECT sum(id), count(pad) FROM {} WHERE id < 10", vec![45, 10], 3, 400 << 10),
        ("SELECT id FROM {} ORDER BY id DESC LIMIT 2", vec![rows.count() - 1, rows.count() - 2], 4, 1 << 20),
        ("SELECT count(pad) FROM {} WHERE id < 0", vec![0], 2, 300 << 10),
    ];
    for (sql, expected, gets_max, bytes_max) in cases {
        let ctx = session(&server, 2).await;
        let found = numbers(&ctx, &sql.replace("{}", "'s3://bucket/big.avro'")).await.unwrap();
        assert_eq!(found, expected, "{sql}");
        let (gets, bytes, _) = cost(&server.requests());
        assert!(gets <= gets_max && bytes <= bytes_max, "{sql}: {gets} requests, {bytes} bytes of {len}");
    }
    // A rewritten object has another entity tag, so the index is not used.
    let rows = Rows { first: 5, ..rows };
    server.put("big.avro", rows.file()).await;
    let ctx = session(&server, 2).await;
    let found = numbers(&ctx, "SELECT count(*), min(id) FROM 's3://bucket/big.avro'").await.unwrap();
    assert_eq!(found, [rows.count(), 5]);
}
