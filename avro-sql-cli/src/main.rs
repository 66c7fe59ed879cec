//! The command `avro-sql`: arguments → options → what was asked for → exit code.
//!
//! Next file to read: `cli.rs` for what can be asked, `run.rs` for how a question is answered.
#![forbid(unsafe_code)]

mod cli;
mod convert;
mod error;
mod inputs;
mod inspect;
mod interrupt;
mod options;
mod outfile;
mod output;
mod repl;
mod run;
mod session;
mod sql;

use std::process::ExitCode;

use error::{Error, Result};
use options::{Options, Source, Task};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stack of a worker thread: planning a deeply nested query needs more than the usual 2 MiB. Only what is used is taken.
const STACK_BYTES: usize = 16 << 20;

fn main() -> ExitCode {
    error::catch_panics(|| {
        let options = match cli::parse(std::env::args_os()) {
            Ok(Some(options)) => options,
            Ok(None) => return Ok(()), // help or version, which are printed by now
            Err(e) => return Err(e),
        };
        execute(options)
    })
}

fn execute(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.resources.threads)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|e| Error::Failed(format!("cannot start threads: {e}")))?;
    let threads = options.resources.threads;
    let result = runtime.block_on(async {
        match options.task {
            Task::Query(query) => {
                let context = session::open(&options.resources, &query.tables).await?;
                match query.source {
                    Source::Prompt => repl::prompt(&context, query).await,
                    _ => run::script(&context, &query).await,
                }
            }
            Task::Convert(task) => convert::run(task, threads, options.resources.batch_rows).await,
            Task::Schema { file, form } => inspect::schema(&file, form),
            Task::Count { inputs, total } => inspect::count(&inputs, total),
        }
    });
    // Threads that still decode for a query that was given up are not waited for.
    runtime.shutdown_background();
    result
}
