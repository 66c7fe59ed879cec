//! The tools that read or write files block by block: what is asked for in; files, texts and reports out. A file for each tool;
//! `input.rs` opens what they read, `out.rs` what they write, `ordered.rs` shares their work among threads.

mod cat;
mod concat;
mod count;
pub(crate) mod documents;
mod explain;
mod failures;
mod fragment;
mod fromjson;
mod input;
mod meta;
mod ordered;
mod out;
mod pretty;
mod random;
mod recodec;
mod repair;
mod schema;
mod tojson;
mod values;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use avro_arrow::schema::Schema;
use avro_arrow::{Codec, Limits};
use avro_datafusion::AvroOptions;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::options::{Resources, Total};
use crate::progress::{Bar, Counter};
use crate::terminal::interrupt::requested;
use crate::threads::STACK_BYTES;

pub(crate) use cat::Cat;
pub(crate) use concat::Concat;
pub(crate) use count::Count;
pub(crate) use explain::Explain;
pub(crate) use fragment::{Fragment, FragmentTo};
pub(crate) use fromjson::{FromJson, SchemaFrom};
pub(crate) use meta::{Meta, Said};
pub(crate) use random::Random;
pub(crate) use recodec::Recodec;
pub(crate) use repair::{Keep, Repair};
pub(crate) use schema::{Compat, ShowSchema};
pub(crate) use tojson::ToJson;

use input::{Input, Job};

/// How long a tool that was interrupted may take to remove what it began to write.
const FAREWELL: Duration = Duration::from_secs(2);

/// A tool and what it is asked for.
#[derive(Debug)]
pub(crate) enum Task {
    /// A schema.
    Schema(ShowSchema),
    /// Whether one schema reads what another wrote.
    Compat(Compat),
    /// How many rows there are.
    Count(Count),
    /// What files say of themselves.
    Meta(Meta),
    /// Rows.
    Cat(Cat),
    /// Rows as JSON.
    ToJson(ToJson),
    /// JSON as a file.
    FromJson(FromJson),
    /// Files as one.
    Concat(Concat),
    /// A file with another codec.
    Recodec(Recodec),
    /// What is whole of a file.
    Repair(Repair),
    /// Test data.
    Random(Random),
    /// The compiled program.
    Explain(Explain),
    /// One datum without a file around it.
    Fragment(Fragment),
}

/// How the blocks of a file that is written are compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compression {
    /// By which codec.
    pub(crate) codec: Codec,
    /// At which of its levels.
    pub(crate) level: Option<i32>,
}

/// Of what else tools have to know.
struct Context {
    reading: AvroOptions,
    threads: usize,
    batch_rows: usize,
    job: Arc<Job>,
}

impl Context {
    fn limits(&self) -> &Limits {
        &self.reading.limits
    }

    /// Checks that a schema which the user gave may be written: other readers refuse what the specification forbids.
    fn check_written(&self, schema: &Schema) -> Result<()> {
        if self.reading.writing.check_schema {
            schema.check_valid()?;
        }
        Ok(())
    }

    /// An error if the user wants no more of it.
    fn check(&self) -> Result<()> {
        if self.job.given_up.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

impl Task {
    fn inputs(&self) -> &[PathBuf] {
        match self {
            Task::Schema(task) => &task.inputs,
            Task::Compat(task) => &task.inputs,
            Task::Count(task) => &task.inputs,
            Task::Meta(task) => &task.inputs,
            Task::Cat(task) => &task.inputs,
            Task::ToJson(task) => &task.inputs,
            Task::FromJson(task) => std::slice::from_ref(&task.input),
            Task::Concat(task) => &task.inputs,
            Task::Recodec(task) => std::slice::from_ref(&task.input),
            Task::Repair(task) => std::slice::from_ref(&task.input),
            Task::Random(_) => &[],
            Task::Explain(task) => std::slice::from_ref(&task.input),
            Task::Fragment(task) => std::slice::from_ref(&task.input),
        }
    }

    /// Is there nothing for a bar to show?
    fn needs_no_bar(&self) -> bool {
        let output = match self {
            Task::Schema(_) | Task::Compat(_) | Task::Explain(_) => return true,
            Task::Count(_) | Task::Meta(_) => return io::stdout().is_terminal(),
            Task::Cat(task) => &task.output,
            Task::ToJson(task) => &task.output,
            Task::FromJson(task) => &task.output,
            Task::Concat(task) => &task.output,
            Task::Recodec(task) => &task.output,
            // What it says comes in the end.
            Task::Repair(_) => return false,
            // It reads nothing that could be counted.
            Task::Random(_) => return true,
            Task::Fragment(task) => &task.output,
        };
        output.as_os_str() == "-" && io::stdout().is_terminal()
    }

    /// Whether it says by itself which files cannot be read.
    fn goes_on(&self) -> bool {
        matches!(self, Task::Meta(_) | Task::Compat(_) | Task::Count(Count { total: Total::PerFile, .. }))
    }

    fn run(self, inputs: &[Input], context: &Context) -> Result<()> {
        match self {
            Task::Schema(task) => task.run(inputs, context),
            Task::Compat(task) => task.run(inputs, context),
            Task::Count(task) => task.run(inputs, context),
            Task::Meta(task) => task.run(inputs, context),
            Task::Cat(task) => task.run(inputs, context),
            Task::ToJson(task) => task.run(inputs, context),
            Task::FromJson(task) => task.run(only(inputs)?, context),
            Task::Concat(task) => task.run(inputs, context),
            Task::Recodec(task) => task.run(only(inputs)?, context),
            Task::Repair(task) => task.run(only(inputs)?, context),
            Task::Random(task) => task.run(context),
            Task::Explain(task) => task.run(only(inputs)?, context),
            Task::Fragment(task) => task.run(only(inputs)?, context),
        }
    }
}

/// Runs a tool, on a thread of its own: the one that minds Ctrl-C must not wait for files.
pub(crate) async fn run(task: Task, reading: AvroOptions, resources: &Resources) -> Result<()> {
    let job = Arc::new(Job::default());
    let mut requested = pin!(requested());
    let inputs = tokio::select! {
        inputs = input::find(task.inputs(), &reading, resources, &job) => inputs?,
        () = &mut requested => return Err(Error::Interrupted),
    };
    let (threads, batch_rows) = (resources.threads, resources.batch_rows);
    let context = Context { reading, threads, batch_rows, job: Arc::clone(&job) };
    let counter: Arc<Counter> = Arc::clone(&job.read);
    // What goes to the terminal shows by itself how far it is.
    let _bar = (!task.needs_no_bar()).then(|| Bar::start(counter));
    let (done, mut finished) = oneshot::channel();
    let work = move || {
        let inputs = match task.goes_on() {
            true => Ok(inputs),
            false => input::readable(inputs, matches!(task, Task::Schema(_)), &context),
        };
        drop(done.send(inputs.and_then(|inputs| task.run(&inputs, &context))));
    };
    thread::Builder::new().name("tool".to_owned()).stack_size(STACK_BYTES).spawn(work)?;
    let result = tokio::select! {
        result = &mut finished => result,
        () = &mut requested => {
            job.given_up.store(true, Ordering::Relaxed);
            let (wake, timeout) = oneshot::channel();
            thread::spawn(move || {
                thread::sleep(FAREWELL);
                let _ = wake.send(());
            });
            tokio::select! {
                _ = &mut finished => {}
                _ = timeout => {}
            }
            return Err(Error::Interrupted);
        }
    };
    // A thread that does not say how it ended has panicked, of which `catch_panics` knows more.
    result.unwrap_or_else(|_| Err(Error::Failed("internal error: a tool died".to_owned())))
}

/// The one file that a tool reads.
fn only(inputs: &[Input]) -> Result<&Input> {
    match inputs {
        [input] => Ok(input),
        [] => Err(Error::Failed("there is no file to read".to_owned())),
        [first, second, ..] => {
            Err(Error::Usage(format!("one file is needed, and here are more: {}, {}", first.name(), second.name())))
        }
    }
}
