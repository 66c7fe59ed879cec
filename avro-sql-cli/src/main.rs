//! The command `avro-sql`: arguments → options → what was asked for → exit code.
//!
//! Next file to read: `cli.rs` for what can be asked, `run.rs` for how a question is answered.
#![forbid(unsafe_code)]

mod cli;
mod convert;
mod copies;
mod describe;
mod error;
mod exhausted;
mod formats;
mod hints;
mod indexing;
mod inputs;
mod inspect;
mod interrupt;
mod manual;
mod memory;
mod meter;
mod options;
mod outfile;
mod output;
mod pager;
mod progress;
mod read_only;
mod repl;
mod replan;
mod run;
mod session;
mod skipped;
mod sql;
mod sql_names;
mod statement;
mod text;
mod tools;
mod warned;
mod wording;

use std::process::ExitCode;

use error::Result;
use options::{Options, Source, Task};
use session::Session;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let Options { task, resources, mut reading, reader_schema, bars } = options;
    if bars {
        progress::enable();
    }
    if let Some(file) = reader_schema {
        reading.reader_schema = Some(inspect::reader_schema(&file, &reading)?);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().thread_stack_size(session::STACK_BYTES).enable_all().build()?;
    match task {
        Task::Query(query) => runtime.block_on(async {
            let session = interrupt::unless_interrupted(Session::open(&resources, &reading, &query.tables)).await?;
            match query.source {
                Source::Prompt => repl::prompt(session, query).await,
                _ => run::script(&session, &query).await,
            }
        }),
        Task::Convert(task) => runtime.block_on(convert::run(*task, reading, &resources)),
        Task::Index(task) => runtime.block_on(indexing::run(task, reading, &resources)),
        Task::Tool(task) => runtime.block_on(tools::run(task, reading, &resources)),
    }
}
