//! The tools that read or write files block by block, a file for each.
//!
//! `input.rs` opens inputs, `out.rs` writes outputs, `ordered.rs` shares work among threads.

mod cat;
mod concat;
mod count;
pub(crate) mod documents;
mod explain;
mod failures;
mod fragment;
mod fromjson;
mod idl;
mod input;
mod meta;
mod ordered;
mod out;
pub(crate) mod pretty;
mod random;
mod recodec;
mod registry;
mod repair;
mod schema;
mod text;
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
use crate::options::{CountMode, Resources};
use crate::progress::{Bar, Counter};
use crate::terminal::interrupt::requested;
use crate::threads::STACK_BYTES;

pub(crate) use cat::Cat;
pub(crate) use concat::Concat;
pub(crate) use count::Count;
pub(crate) use explain::Explain;
pub(crate) use fragment::{Fragment, FragmentTo};
pub(crate) use fromjson::{FromJson, SchemaSource};
pub(crate) use idl::{Idl, Schemata};
pub(crate) use meta::{Meta, MetaFields};
pub(crate) use random::Random;
pub(crate) use recodec::Recodec;
pub(crate) use registry::{RegistryAction, RegistryTool};
pub(crate) use repair::{Keep, Repair};
pub(crate) use schema::{Compat, ShowSchema};
pub(crate) use text::{FromText, ToText};
pub(crate) use tojson::ToJson;

use input::{Input, ToolJob};

/// Time that a canceled tool gets to remove its unfinished output.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(2);

/// A tool and its arguments.
#[derive(Debug)]
pub(crate) enum ToolTask {
    /// Print a schema.
    Schema(ShowSchema),
    /// Compare two schemas.
    Compat(Compat),
    /// Count rows.
    Count(Count),
    /// Print metadata.
    Meta(Meta),
    /// Print rows.
    Cat(Cat),
    /// Print rows as JSON.
    ToJson(ToJson),
    /// Make a file from JSON.
    FromJson(FromJson),
    /// Concatenate files.
    Concat(Concat),
    /// Recompress a file.
    Recodec(Recodec),
    /// Write the intact part of a file.
    Repair(Repair),
    /// Write random rows.
    Random(Random),
    /// Print the compiled program.
    Explain(Explain),
    /// Convert bare datums.
    Fragment(Fragment),
    /// Make a file from lines of text.
    FromText(FromText),
    /// Print a file of bytes as lines of text.
    ToText(ToText),
    /// Print the JSON of Avro IDL.
    Idl(Idl),
    /// Write the types of Avro IDL to schema files.
    Schemata(Schemata),
    /// Ask a schema registry.
    Registry(RegistryTool),
}

/// The compression of an output file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compression {
    /// The codec.
    pub(crate) codec: Codec,
    /// The level; `None` for the codec's default.
    pub(crate) level: Option<i32>,
}

/// What all tools share.
struct Context {
    reading: AvroOptions,
    threads: usize,
    batch_rows: usize,
    job: Arc<ToolJob>,
}

impl Context {
    fn limits(&self) -> &Limits {
        &self.reading.limits
    }

    /// Checks that the user's schema may be written: other readers reject schemas that violate the specification.
    fn check_written(&self, schema: &Schema) -> Result<()> {
        if self.reading.writing.check_schema {
            schema.check_valid()?;
        }
        Ok(())
    }

    /// Returns an error if the job was canceled.
    fn check(&self) -> Result<()> {
        if self.job.canceled.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

impl ToolTask {
    fn inputs(&self) -> &[PathBuf] {
        match self {
            ToolTask::Schema(task) => &task.inputs,
            ToolTask::Compat(task) => &task.inputs,
            ToolTask::Count(task) => &task.inputs,
            ToolTask::Meta(task) => &task.inputs,
            ToolTask::Cat(task) => &task.inputs,
            ToolTask::ToJson(task) => &task.inputs,
            ToolTask::FromJson(task) => std::slice::from_ref(&task.input),
            ToolTask::Concat(task) => &task.inputs,
            ToolTask::Recodec(task) => std::slice::from_ref(&task.input),
            ToolTask::Repair(task) => std::slice::from_ref(&task.input),
            ToolTask::Random(_) | ToolTask::Registry(_) => &[],
            ToolTask::Explain(task) => std::slice::from_ref(&task.input),
            ToolTask::Fragment(task) => std::slice::from_ref(&task.input),
            ToolTask::FromText(task) => std::slice::from_ref(&task.input),
            ToolTask::ToText(task) => std::slice::from_ref(&task.input),
            ToolTask::Idl(task) => std::slice::from_ref(&task.input),
            ToolTask::Schemata(task) => std::slice::from_ref(&task.input),
        }
    }

    /// Whether no progress bar is useful.
    fn needs_no_bar(&self) -> bool {
        let output = match self {
            ToolTask::Schema(_) | ToolTask::Compat(_) | ToolTask::Explain(_) => return true,
            ToolTask::Idl(_) | ToolTask::Schemata(_) => return true,
            ToolTask::Count(_) | ToolTask::Meta(_) => return io::stdout().is_terminal(),
            ToolTask::Cat(task) => &task.output,
            ToolTask::ToJson(task) => &task.output,
            ToolTask::FromJson(task) => &task.output,
            ToolTask::Concat(task) => &task.output,
            ToolTask::Recodec(task) => &task.output,
            // Its report comes at the end.
            ToolTask::Repair(_) => return false,
            // They read nothing.
            ToolTask::Random(_) | ToolTask::Registry(_) => return true,
            ToolTask::Fragment(task) => &task.output,
            ToolTask::FromText(task) => &task.output,
            ToolTask::ToText(task) => &task.output,
        };
        output.as_os_str() == "-" && io::stdout().is_terminal()
    }

    /// Whether it reports unreadable files itself and continues.
    fn continues_after_failure(&self) -> bool {
        matches!(
            self,
            ToolTask::Meta(_) | ToolTask::Compat(_) | ToolTask::Count(Count { total: CountMode::PerFile, .. })
        )
    }

    fn run(self, inputs: &[Input], context: &Context) -> Result<()> {
        match self {
            ToolTask::Schema(task) => task.run(inputs, context),
            ToolTask::Compat(task) => task.run(inputs, context),
            ToolTask::Count(task) => task.run(inputs, context),
            ToolTask::Meta(task) => task.run(inputs, context),
            ToolTask::Cat(task) => task.run(inputs, context),
            ToolTask::ToJson(task) => task.run(inputs, context),
            ToolTask::FromJson(task) => task.run(only(inputs)?, context),
            ToolTask::Concat(task) => task.run(inputs, context),
            ToolTask::Recodec(task) => task.run(only(inputs)?, context),
            ToolTask::Repair(task) => task.run(only(inputs)?, context),
            ToolTask::Random(task) => task.run(context),
            ToolTask::Explain(task) => task.run(only(inputs)?, context),
            ToolTask::Fragment(task) => task.run(only(inputs)?, context),
            ToolTask::FromText(task) => task.run(only(inputs)?, context),
            ToolTask::ToText(task) => task.run(only(inputs)?, context),
            ToolTask::Idl(task) => task.run(only(inputs)?, context),
            ToolTask::Schemata(task) => task.run(only(inputs)?, context),
            ToolTask::Registry(task) => task.run(context),
        }
    }
}

/// Runs a tool on its own thread: the one that handles Ctrl-C must not wait for files.
pub(crate) async fn run(task: ToolTask, reading: AvroOptions, resources: &Resources) -> Result<()> {
    let job = Arc::new(ToolJob::default());
    let mut requested = pin!(requested());
    let inputs = tokio::select! {
        inputs = input::find(task.inputs(), &reading, resources, &job) => inputs?,
        () = &mut requested => return Err(Error::Interrupted),
    };
    let (threads, batch_rows) = (resources.threads, resources.batch_rows);
    let context = Context { reading, threads, batch_rows, job: Arc::clone(&job) };
    let counter: Arc<Counter> = Arc::clone(&job.read);
    // Output on the terminal shows the progress already.
    let _bar = (!task.needs_no_bar()).then(|| Bar::start(counter));
    let (done, mut finished) = oneshot::channel();
    let work = move || {
        let inputs = match task.continues_after_failure() {
            true => Ok(inputs),
            false => input::readable(inputs, matches!(task, ToolTask::Schema(_)), &context),
        };
        drop(done.send(inputs.and_then(|inputs| task.run(&inputs, &context))));
    };
    thread::Builder::new().name("tool".to_owned()).stack_size(STACK_BYTES).spawn(work)?;
    let result = tokio::select! {
        result = &mut finished => result,
        () = &mut requested => {
            job.canceled.store(true, Ordering::Relaxed);
            let (wake, timeout) = oneshot::channel();
            thread::spawn(move || {
                thread::sleep(CLEANUP_TIMEOUT);
                let _ = wake.send(());
            });
            tokio::select! {
                _ = &mut finished => {}
                _ = timeout => {}
            }
            return Err(Error::Interrupted);
        }
    };
    // A thread without a result has panicked; `catch_panics` has the details.
    result.unwrap_or_else(|_| Err(Error::Failed("internal error: a worker thread stopped".to_owned())))
}

/// Returns the only input of a tool.
fn only(inputs: &[Input]) -> Result<&Input> {
    match inputs {
        [input] => Ok(input),
        [] => Err(Error::Failed("there is no input file".to_owned())),
        [first, second, ..] => {
            Err(Error::Usage(format!("expected one file, found several: {}, {}", first.name(), second.name())))
        }
    }
}
