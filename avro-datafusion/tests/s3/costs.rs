//! How many requests and bytes queries may cost.

use super::data::Rows;
use super::server::{Fault, Logged, Rule, Server};
use super::{numbers, session, table};
use hyper::Method;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// Requests of objects' bytes, their bytes, and how many requests there were of another kind.
pub(super) fn cost(requests: &[Logged]) -> (u64, u64, u64) {
    let is_get = |logged: &&Logged| logged.method == Method::GET && logged.range.is_some();
    let gets: Vec<_> = requests.iter().filter(is_get).collect();
    for logged in &gets {
        let range = logged.range.clone().unwrap();
        assert_eq!((logged.status, logged.bytes), (206, range.end - range.start), "{logged:?}");
    }
    (gets.len() as u64, gets.iter().map(|logged| logged.bytes).sum(), (requests.len() - gets.len()) as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_takes_few_requests() {
    let server = Server::start().await;
    let rows = Rows { first: 7, blocks: 300, per_block: 100, pad: 700 };
    let file = rows.file();
    let len = file.len() as u64;
    assert!(len > 20 * MIB);
    server.put("big.avro", file).await;
    let (n, sum) = (rows.count(), rows.sum());
    let last = rows.first + n - 1;
    // Queries and their answers; requests and bytes that they may cost at most, with schema inference. Where all is
    // read, bytes that are read twice are those at the ends of ranges.
    let whole = len / (4 * MIB) + 2;
    let cases = [
        ("SELECT count(*) FROM {}", vec![n], whole, len + MIB),
        ("SELECT sum(id), max(id) FROM {}", vec![sum, last], whole, len + MIB),
        ("SELECT sum(id + char_length(name)), count(pad) FROM {} WHERE id < 10", vec![24 + 3 * 5, 3], whole, len + MIB),
        ("SELECT id FROM {} LIMIT 3", vec![7, 8, 9], 3, 512 << 10),
        ("SELECT count(*) FROM (SELECT * FROM {} LIMIT 10)", vec![10], 3, 512 << 10),
        ("SELECT count(*) FROM (SELECT id FROM {} LIMIT 20000)", vec![20000], 14, 24 * MIB),
    ];
    for partitions in [1, 2, 16] {
        for (sql, expected, gets_max, bytes_max) in &cases {
            let ctx = session(&server, partitions).await;
            let found = numbers(&ctx, &sql.replace("{}", "'s3://bucket/big.avro'")).await.unwrap();
            assert_eq!(found, *expected, "{sql} in {partitions}");
            let (gets, bytes, others) = cost(&server.requests());
            let case = format!("{sql} in {partitions}: {gets} requests, {bytes} bytes of {len}, {others} others");
            assert!(gets <= *gets_max && bytes <= *bytes_max, "{case}");
            // One request to plan, one to scan, and one to look for an index.
            assert_eq!(others, 3, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_last_block_of_range_takes_one_request() {
    let server = Server::start().await;
    // Blocks of about 1 MiB, which no guess would fit.
    let rows = Rows { first: 0, blocks: 36, per_block: 1000, pad: 1030 };
    let file = rows.file();
    let len = file.len() as u64;
    server.put("big.avro", file).await;
    let ctx = session(&server, 2).await;
    let found = numbers(&ctx, "SELECT sum(id), count(pad) FROM 's3://bucket/big.avro'").await.unwrap();
    assert_eq!(found, [rows.sum(), rows.count()]);
    let (gets, bytes, _) = cost(&server.requests());
    assert!(gets <= len / (4 * MIB) + 2 && bytes <= len + 4 * MIB, "{gets} requests, {bytes} bytes of {len}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_take_one_request_each() {
    let server = Server::start().await;
    let (mut total, mut sum, mut len) = (0, 0, 0);
    for month in 1..=3 {
        for day in 1..=3 {
            let rows = Rows { first: total, blocks: 3, per_block: 40, pad: 900 };
            let file = rows.file();
            (total, sum, len) = (total + rows.count(), sum + rows.sum(), len + file.len() as u64);
            server.put(&format!("2024/{month:02}/{day:02}.avro"), file).await;
        }
    }
    server.put("2024/01/notes.txt", b"not Avro".to_vec()).await;
    server.put("2024/_SUCCESS", vec![]).await;
    let cases = [
        ("SELECT count(*), sum(id) FROM 's3://bucket/2024/*/*.avro'", vec![total, sum]),
        ("SELECT count(*), sum(id) FROM 's3://bucket/2024/'", vec![total, sum]),
        ("SELECT count(*), max(id) FROM 's3://bucket/2024/0[12]/*.avro'", vec![720, 719]),
        ("SELECT id FROM 's3://bucket/2024/**/*.avro' LIMIT 2", vec![0, 1]),
    ];
    for (sql, expected) in cases {
        let ctx = session(&server, 4).await;
        assert_eq!(numbers(&ctx, sql).await.unwrap(), expected, "{sql}");
        let requests = server.requests();
        let files = if sql.contains("0[12]") { 6 } else { 9 };
        let (gets, bytes, _) = cost(&requests);
        // All headers, and the data of the one file that LIMIT needs.
        assert!(gets <= 2 * files, "{sql}: {gets} requests");
        assert!(bytes <= len + files * (64 << 10), "{sql}: {bytes} bytes of {len}");
        let lists = requests.iter().filter(|logged| logged.what.contains("list-type=2")).count();
        // Eleven objects, two at a time, for each listing.
        assert!(lists >= 6 && lists % 6 == 0, "{sql}: {lists} listings");
        assert!(requests.iter().any(|logged| logged.what.contains("continuation-token")));
        assert!(requests.iter().all(|logged| !logged.what.ends_with("notes.txt") || sql.contains("2024/'")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_reads_headers_once() {
    let server = Server::start().await;
    for (i, key) in ["day=1/a.avro", "day=1/b.avro", "day=2/c.avro"].into_iter().enumerate() {
        server.put(&format!("t/{key}"), Rows { first: 10 * i as i64, blocks: 2, per_block: 5, pad: 1 }.file()).await;
    }
    let ctx = session(&server, 2).await;
    table(&ctx, &server, "t", "t/", "").await.unwrap();
    let (gets, bytes, others) = cost(&server.requests());
    assert_eq!((gets, others), (3, 2), "a header of each, and two pages of a listing");
    assert!(bytes < 3 << 10);

    // The headers are known, and files of other partitions are not looked at.
    assert_eq!(numbers(&ctx, "SELECT count(*), sum(id) FROM t WHERE day = '2'").await.unwrap(), [10, 245]);
    let requests = server.requests();
    let (gets, _, _) = cost(&requests);
    assert_eq!(gets, 1, "{requests:?}");

    // A new file is seen, and only its header is read.
    server.put("t/day=2/d.avro", Rows { first: 1000, blocks: 1, per_block: 1, pad: 1 }.file()).await;
    assert_eq!(numbers(&ctx, "SELECT count(*), sum(id) FROM t WHERE day = '2'").await.unwrap(), [11, 1245]);
    let (gets, _, _) = cost(&server.requests());
    assert!(gets <= 3, "{gets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_query_stops_requests() {
    let server = Server::start().await;
    server.put("big.avro", Rows { first: 0, blocks: 700, per_block: 100, pad: 700 }.file()).await;
    let ctx = session(&server, 1).await;
    // Its first rows come; the others, which are asked for at once with them, are under way for ever.
    let slow = Fault::Delay(Duration::from_secs(3600));
    server.fail(vec![Rule { name: "big.avro", from: 1 << 20, after: 0, times: usize::MAX, fault: slow }]);
    let frame = ctx.sql("SELECT id FROM 's3://bucket/big.avro'").await.unwrap();
    let mut rows = frame.execute_stream().await.unwrap();
    assert!(futures::StreamExt::next(&mut rows).await.unwrap().unwrap().num_rows() > 0);
    wait_for_requests_under_way(&server, 5).await;
    drop(rows);
    wait_for_requests_under_way(&server, 0).await;
    // Is it there, has it an index, its header, is it still there, its first rows.
    assert_eq!(server.requests().len(), 5, "no others were made");
}

/// Waits until exactly this many requests are in flight.
async fn wait_for_requests_under_way(server: &Server, expected: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.under_way() != expected {
        assert!(Instant::now() < deadline, "{} requests are under way, not {expected}", server.under_way());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_with_reader_schema_reads_one_header_of_each_directory() {
    let server = Server::start().await;
    let rows = Rows { first: 1, blocks: 1, per_block: 10, pad: 10 };
    for (day, file) in (0..3).flat_map(|day| (0..5).map(move |file| (day, file))) {
        server.put(&format!("t/day={day}/{file}.avro"), rows.file()).await;
    }
    let schema = r#"reader_schema => '{"type":"record","name":"row","fields":[{"name":"id","type":"long"}]}'"#;
    let cases = [
        (schema.to_owned(), 3),
        (format!("{schema}, partition_types => 'string'"), 0),
        ("index => 'use'".to_owned(), 15),
    ];
    for (options, headers) in cases {
        let ctx = session(&server, 2).await;
        let sql = format!("SELECT id, day FROM read_avro('s3://bucket/t/', {options})");
        let frame = ctx.sql(&sql).await.unwrap();
        frame.clone().create_physical_plan().await.unwrap();
        assert_eq!(cost(&server.requests()).0, headers, "{options}");
        let found = numbers(&ctx, &format!("SELECT sum(id), count(day) FROM ({sql})")).await.unwrap();
        assert_eq!(found, [825, 150], "{options}");
        server.requests();
    }
}
