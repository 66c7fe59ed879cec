//! Runs the registry of this crate's tests, so that other clients can try it: prints its address, and ends with its
//! standard input.
//!
//! `testdata/registry_stub.py` drives it with confluent-kafka's client.

#[path = "../tests/stub/mod.rs"]
mod stub;

#[tokio::main]
async fn main() {
    let stub = stub::Stub::start().await;
    println!("{}", stub.url);
    // The other end closes it when it has finished.
    let _ = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await;
}
