//! The command `avro-sql` as a library: parses arguments into options, runs the task, returns the exit code.
//!
//! Read `cli.rs` next for the arguments, `commands/query.rs` for how a query runs. [`embed`] runs the command's SQL
//! inside another program, as the Python package does.
#![forbid(unsafe_code)]

// In the order of the data: a module imports only from those above it.
mod threads;
mod progress;
mod type_names;
mod error;
mod terminal;
mod files;
mod sql;
mod diagnostics;
mod output;
mod summarize;
mod topics;
mod options;
mod cluster;
mod session;
pub mod embed;
mod commands;
mod repl;
mod cli;

use std::ffi::OsString;

use cli::{Options, Task};
use error::Result;
use options::SqlSource;
use session::Session;

/// Runs the command with these arguments, of which the first is its name, and returns the exit code.
pub fn run(arguments: Vec<OsString>) -> u8 {
    error::catch_panics(|| {
        let options = match cli::parse(arguments) {
            Ok(Some(options)) => options,
            Ok(None) => return Ok(()), // help or version was printed
            Err(e) => return Err(e),
        };
        let done = execute(options);
        files::stdin::clean_up();
        files::upload::clean_up();
        done
    })
}

fn execute(options: Options) -> Result<()> {
    let Options { task, resources, mut reading, reader_schema, bars } = options;
    if bars {
        progress::enable();
    }
    if let Some(file) = reader_schema {
        reading.reader_schema = Some(commands::schema::reader_schema(&file, &reading)?);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().thread_stack_size(threads::STACK_BYTES).enable_all().build()?;
    match task {
        Task::Query(query) => runtime.block_on(async {
            let session =
                terminal::interrupt::unless_interrupted(Session::open(&resources, &reading, &query.tables)).await?;
            let session = match &query.workers {
                Some(workers) => session.on(cluster::Cluster::connect(workers).await?)?,
                None => session,
            };
            session.set_parameters(&query.parameters);
            match query.source {
                SqlSource::Prompt => repl::prompt(session, query).await,
                _ => commands::query::script(&session, &query).await,
            }
        }),
        Task::Convert(task) => runtime.block_on(commands::convert::run(*task, reading, &resources)),
        Task::Index(task) => runtime.block_on(commands::index::run(task, reading, &resources)),
        Task::Cache(task) => runtime.block_on(commands::cache::run(task, reading, &resources)),
        // Signals need the runtime's context before the work begins.
        Task::Rpc(task) => runtime.block_on(async {
            terminal::interrupt::unless_interrupted(commands::rpc::run(*task, &reading.limits)).await
        }),
        Task::Worker(task) => runtime.block_on(commands::worker::run(task, &resources)),
        Task::Tool(task) => runtime.block_on(commands::tools::run(task, reading, &resources)),
    }
}
