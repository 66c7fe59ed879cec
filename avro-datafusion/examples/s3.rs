//! Measures reads from S3 over the loopback interface: requests, seconds and MB/s of a query, and of a plain download
//! of the same objects.
//!
//! ```text
//! cargo run --release -p avro-datafusion --example s3 -- serve FILE.avro ..    # prints an endpoint, and waits
//! cargo run --release -p avro-datafusion --example s3 -- query ENDPOINT 'SELECT sum(l_quantity), sum(l_tax) FROM t'
//! cargo run --release -p avro-datafusion --example s3 -- download ENDPOINT
//! ```
//!
//! Server and client are processes of their own, so that `/usr/bin/time -v` tells the memory of one of them.

use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::SessionConfig;
use futures::{StreamExt, TryStreamExt};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{Body, HttpResponse};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "AKIAEXAMPLE";
const SECRET: &str = "secret";
/// Requests of the plain download that are under way at once, and their bytes.
const PARALLEL: usize = 12;
const PIECE: u64 = 8 << 20;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", files @ ..] if !files.is_empty() => serve(files).await,
        ["query", endpoint, sql] => query(endpoint, sql).await,
        ["download", endpoint] => download(endpoint).await,
        _ => Err(failed("serve FILE.. | query ENDPOINT SQL | download ENDPOINT")),
    }
}

fn failed(e: impl std::fmt::Debug) -> DataFusionError {
    DataFusionError::Execution(format!("{e:?}"))
}

/// Serves copies of these files until it is stopped. At `/gets` it says how many requests for parts of objects there
/// were since it was last asked.
async fn serve(files: &[&str]) -> Result<()> {
    let root = tempfile::tempdir()?;
    std::fs::create_dir(root.path().join("bucket"))?;
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).map_err(failed)?);
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let (s3, gets) = (builder.build(), Arc::new(AtomicU64::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (s3, gets) = (s3.clone(), Arc::clone(&gets));
            let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (s3, gets) = (s3.clone(), Arc::clone(&gets));
                async move {
                    if request.uri().path() == "/gets" {
                        let count = gets.swap(0, Ordering::Relaxed).to_string();
                        return Ok::<HttpResponse, String>(Response::new(Body::from(count)));
                    }
                    let is_get = request.method() == Method::GET && request.headers().contains_key("range");
                    gets.fetch_add(u64::from(is_get), Ordering::Relaxed);
                    s3.call(request.map(Body::from)).await.map_err(|e| format!("{e:?}"))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    let store = client(&endpoint)?;
    for file in files {
        let name = std::path::Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        store.put(&Path::from(name), PutPayload::from(std::fs::read(file)?)).await?;
    }
    println!("{endpoint}");
    std::future::pending().await
}

fn client(endpoint: &str) -> Result<AmazonS3> {
    let builder = AmazonS3Builder::new().with_bucket_name("bucket").with_endpoint(endpoint).with_allow_http(true);
    Ok(builder.with_region("us-east-1").with_access_key_id(KEY).with_secret_access_key(SECRET).build()?)
}

async fn gets(endpoint: &str) -> Result<String> {
    let mut socket = TcpStream::connect(endpoint.trim_start_matches("http://")).await?;
    socket.write_all(b"GET /gets HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer.lines().last().unwrap_or_default().to_owned())
}

async fn objects(store: &AmazonS3) -> Result<Vec<(Path, u64)>> {
    Ok(store.list(None).map_ok(|object| (object.location, object.size)).try_collect().await?)
}

async fn report(endpoint: &str, what: &str, start: Instant, bytes: u64) -> Result<()> {
    let (seconds, mib) = (start.elapsed().as_secs_f64(), bytes as f64 / (1u64 << 20) as f64);
    println!("{what}: {} requests, {mib:.0} MiB, {seconds:.2} s, {:.0} MiB/s", gets(endpoint).await?, mib / seconds);
    Ok(())
}

async fn query(endpoint: &str, sql: &str) -> Result<()> {
    let total: u64 = objects(&client(endpoint)?).await?.iter().map(|(_, len)| len).sum();
    let ctx = avro_datafusion::new_session(SessionConfig::new())?;
    gets(endpoint).await?;
    let start = Instant::now();
    ctx.sql(&format!(
        "CREATE EXTERNAL TABLE t STORED AS AVRO LOCATION 's3://bucket/' OPTIONS ('aws.endpoint' '{endpoint}', \
         'aws.access_key_id' '{KEY}', 'aws.secret_access_key' '{SECRET}', 'aws.region' 'us-east-1')"
    ))
    .await?;
    let answer = ctx.sql(sql).await?.collect().await?;
    report(endpoint, "query", start, total).await?;
    println!("{}", datafusion::arrow::util::pretty::pretty_format_batches(&answer)?);
    Ok(())
}

async fn download(endpoint: &str) -> Result<()> {
    let store = client(endpoint)?;
    gets(endpoint).await?;
    let start = Instant::now();
    let objects = objects(&store).await?;
    let pieces = objects
        .iter()
        .flat_map(|(path, len)| (0..*len).step_by(PIECE as usize).map(move |at| (path, at..(at + PIECE).min(*len))));
    let fetched = futures::stream::iter(pieces).map(|(path, range)| store.get_range(path, range));
    let lens = fetched.buffer_unordered(PARALLEL).map_ok(|piece| piece.len() as u64);
    let total = lens.try_fold(0, |sum, len| async move { Ok(sum + len) }).await?;
    report(endpoint, "download", start, total).await
}
