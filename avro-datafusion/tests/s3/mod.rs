//! Tables on S3: a real server over the loopback interface, queries in; their answers, errors and requests out.
//!
//! `server` is the server, which notes requests and makes things go wrong; `data` makes files. Nothing here depends on
//! the environment: options say where the server is and which keys it knows.

mod costs;
mod credentials;
mod data;
mod errors;
mod faults;
mod indexes;
mod server;
mod writes;

use data::Rows;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use server::{BUCKET, KEY, SECRET, Server};

/// A session with this many partitions, configured for the server's bucket.
async fn session(server: &Server, partitions: usize) -> SessionContext {
    let ctx = avro_datafusion::new_session(SessionConfig::new().with_target_partitions(partitions)).unwrap();
    introduce(&ctx, server, "").await.unwrap();
    ctx
}

/// Tells a session of the server, by a table with options. The table itself is of no interest.
async fn introduce(ctx: &SessionContext, server: &Server, more: &str) -> Result<()> {
    server.put("introduction.avro", Rows { first: 0, blocks: 1, per_block: 1, pad: 0 }.file()).await;
    table(ctx, server, "introduction", "introduction.avro", more).await?;
    ctx.deregister_table("introduction")?;
    server.requests();
    Ok(())
}

/// A table of the files at this place of the bucket, with these options besides those that it takes to get there.
async fn table(ctx: &SessionContext, server: &Server, name: &str, at: &str, more: &str) -> Result<()> {
    let Server { endpoint, .. } = server;
    ctx.sql(&format!(
        "CREATE EXTERNAL TABLE {name} STORED AS AVRO LOCATION 's3://{BUCKET}/{at}' OPTIONS ('aws.endpoint' '{endpoint}', \
         'aws.access_key_id' '{KEY}', 'aws.secret_access_key' '{SECRET}', 'aws.region' 'us-east-1'{more})"
    ))
    .await?
    .collect()
    .await?;
    Ok(())
}

/// The numbers that a query answers, row by row.
async fn numbers(ctx: &SessionContext, sql: &str) -> Result<Vec<i64>> {
    let batches = ctx.sql(sql).await?.collect().await?;
    let mut numbers = vec![];
    for batch in batches {
        for row in 0..batch.num_rows() {
            numbers.extend(batch.columns().iter().map(|column| column.as_primitive::<Int64Type>().value(row)));
        }
    }
    Ok(numbers)
}
