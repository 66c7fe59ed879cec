//! `convert`: files of one format in, files of another out, batch by batch: in bounded memory, whatever their size.
//!
//! Next files: `jobs.rs` for which files become which, `source.rs` for reading (`columns.rs` looks at names first), `sink.rs` for writing, `output/parquet/shape.rs` for what Parquet
//! cannot hold as it is. The formats themselves are in `output`.

mod columns;
mod jobs;
mod kind;
mod names;
mod sink;
mod source;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;
use avro_arrow::schema::Schema;
use avro_arrow::{Enums, Options, Strings, derived_schema};
use avro_datafusion::{AvroOptions, DamageSink, Report, WarningSink, Warnings};
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::files::atomic_file::Written;
use crate::files::text::Dialect;
use crate::options::Resources;
use crate::output::{Format, UnionText, Writing};
use crate::progress::{Bar, Counter};
use crate::session::Session;
use crate::terminal::interrupt;
use jobs::Job;
use kind::Kind;
use names::Originals;
pub(crate) use names::say_renamed;
use sink::Sink;
pub(crate) use source::Wanted;
use source::{Decoded, Queried, Rows};
use text::Layout;
use text::Text;

/// What to convert to what.
#[derive(Debug)]
pub(crate) struct Task {
    /// Files, directories, globs and URLs.
    pub(crate) inputs: Vec<PathBuf>,
    /// The file to write, or the directory of files.
    pub(crate) output: PathBuf,
    /// Is it a directory?
    pub(crate) into_directory: bool,
    /// The format to write.
    pub(crate) format: Format,
    /// How it is written.
    pub(crate) writing: Writing,
    /// What of the rows is written.
    pub(crate) wanted: Wanted,
    /// The columns that directories are named after.
    pub(crate) partition_by: Vec<String>,
}

/// Converts. Files appear whole or not at all, and only when all of them are there.
pub(crate) async fn run(task: Task, reading: AvroOptions, resources: &Resources) -> Result<()> {
    // Parquet files have no views, but are written from them; other files would have them.
    let strings = if task.format == Format::Parquet { Strings::View } else { Strings::Utf8 };
    let reading = AvroOptions { strings, enums: Enums::Dictionary, ..reading };
    let session = Session::open(resources, &reading, &[]).await?;
    let skipped: Arc<dyn DamageSink> = Arc::clone(&session.skipped) as _;
    let warned: Arc<dyn WarningSink> = Arc::clone(&session.warned) as _;
    let reading = AvroOptions { report: Report::to(skipped), warnings: Warnings::to(warned), ..reading };
    let given_up = Arc::new(AtomicBool::new(false));
    let conversion = Conversion {
        task,
        reading,
        session,
        threads: resources.threads,
        batch_rows: resources.batch_rows,
        given_up: Arc::clone(&given_up),
        runtime: Handle::current(),
        read: Arc::default(),
    };
    let requested = interrupt::requested();
    let mut work = tokio::task::spawn_blocking(move || conversion.run());
    let done = tokio::select! {
        done = &mut work => done,
        () = requested => {
            // The thread cannot be stopped from outside; it looks at the flag at every batch, and removes its files.
            given_up.store(true, Ordering::Relaxed);
            work.await
        }
    };
    done.map_err(|e| Error::Failed(format!("internal error: {e}")))?
}

struct Conversion {
    task: Task,
    reading: AvroOptions,
    session: Session,
    threads: usize,
    batch_rows: usize,
    given_up: Arc<AtomicBool>,
    runtime: Handle,
    read: Arc<Counter>,
}

impl Conversion {
    fn run(self) -> Result<()> {
        let jobs = jobs::plan(&self.task, &self.reading.file_extension)?;
        let inputs = jobs.iter().flat_map(|job| &job.inputs);
        let bytes = inputs.filter_map(|file| file.path.metadata().ok()).map(|file| file.len()).sum();
        self.read.total_bytes.store(bytes, Ordering::Relaxed);
        let _bar = Bar::start(Arc::clone(&self.read) as _);
        let mut written = Vec::new();
        for job in &jobs {
            written.extend(self.convert(job)?);
        }
        self.session.skipped.say();
        self.session.warned.say();
        written.into_iter().try_for_each(Written::commit)
    }

    fn convert(&self, job: &Job) -> Result<Vec<Written>> {
        let mut rows = self.rows(job)?;
        self.say_renamed(job, rows.schema());
        let names = Originals::of(rows.schema(), self.task.format);
        let schema = names.schema();
        let Task { format, partition_by, writing, .. } = &self.task;
        let writing = Writing { threads: self.threads, unions: UnionText::Tagged, ..writing.clone() };
        let mut sink = match partition_by.as_slice() {
            [] => Sink::file(&job.output, &schema, *format, &writing)?,
            by => Sink::directories(&job.output, by, &schema, *format, &writing)?,
        };
        while let Some(batch) = rows.next()? {
            if self.given_up.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            sink.write(&names.batch(&batch)?)?;
            self.read.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        }
        sink.finish()
    }

    /// How rows are decoded where no query runs.
    fn decoder(&self) -> Options {
        let unions = self.task.format.unions(self.reading.unions);
        self.reading.decoder(None, self.batch_rows).with_unions(unions)
    }

    /// How text files are read by a schema: the one that was asked for, or, of CSV, one of the types that its values have.
    fn text(&self, job: &Job, kind: Kind) -> Result<Option<(Layout, Schema)>> {
        match &self.task.writing.avro.schema {
            Some(schema) => Ok(kind.layout(&job.inputs)?.map(|layout| (layout, schema.clone()))),
            None if kind == Kind::Csv => {
                let csv = text::inferred(&job.inputs)?;
                let columns = Arc::new(csv.schema);
                self.say_renamed(job, &columns);
                let schema = derived_schema(&columns, &self.reading.limits)?;
                Ok(Some((Layout::Cells(Dialect::Csv(csv.delimiter)), schema)))
            }
            None => Ok(None),
        }
    }

    /// Says which columns have other names in the Avro file that is written.
    fn say_renamed(&self, job: &Job, columns: &SchemaRef) {
        if self.task.format == Format::Avro && self.task.writing.avro.schema.is_none() {
            say_renamed(&job.output.display().to_string(), columns);
        }
    }

    /// The rows of a job's files.
    fn rows(&self, job: &Job) -> Result<Rows> {
        let kind = Kind::of_all(&job.inputs)?;
        let reading = &self.reading;
        // Directories that are columns are the engine's.
        if !job.is_remote
            && self.task.wanted.is_all()
            && source::partitions(&job.inputs).is_none()
            && let Some((layout, schema)) = self.text(job, kind)?
        {
            let options = self.decoder();
            return Text::open(&job.inputs, layout, &schema, &options, self.threads, &self.read)
                .map(|rows| Rows::Text(Box::new(rows)));
        }
        if kind != Kind::Avro || job.is_remote || !self.task.wanted.is_all() {
            let wanted = &self.task.wanted;
            let runtime = self.runtime.clone();
            return Queried::open(&self.session, job, kind, reading, wanted, runtime).map(Rows::Queried);
        }
        let options = self.decoder();
        Decoded::open(job, &options, reading, self.threads, &self.read).map(|rows| Rows::Decoded(Box::new(rows)))
    }
}
