//! `convert`: converts files between formats, batch by batch, in bounded memory.
//!
//! Next files: `jobs.rs` maps inputs to outputs, `source.rs` reads (after `columns.rs` checks names), `sink.rs` writes.
//! `output/parquet/shape.rs` converts values that Parquet cannot store. The formats are in `output`.

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
use avro_datafusion::AvroOptions;
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::files::output_file::Finished;
use crate::files::stdin;
use crate::files::text::CellDialect;
use crate::options::Resources;
use crate::output::{Format, UnionText, Writing};
use crate::progress::{Bar, Counter};
use crate::session::Session;
use crate::terminal::interrupt;
use jobs::ConvertJob;
use kind::InputFormat;
use names::Originals;
pub(crate) use names::print_renamed;
use sink::Sink;
pub(crate) use source::RowSelection;
use source::{DecodedFiles, QueryRows, Rows};
use text::Layout;
use text::Text;

/// A conversion.
#[derive(Debug)]
pub(crate) struct ConvertTask {
    /// Files, directories, globs and URLs.
    pub(crate) inputs: Vec<PathBuf>,
    /// The file to write, or the directory of files.
    pub(crate) output: PathBuf,
    /// Whether the output is a directory.
    pub(crate) into_directory: bool,
    /// The format to write.
    pub(crate) format: Format,
    /// How it is written.
    pub(crate) writing: Writing,
    /// Which rows and columns are written.
    pub(crate) wanted: RowSelection,
    /// The columns that name the directories.
    pub(crate) partition_by: Vec<String>,
}

/// Converts. Files appear whole or not at all, and only after all of them are complete.
pub(crate) async fn run(mut task: ConvertTask, reading: AvroOptions, resources: &Resources) -> Result<()> {
    for input in task.inputs.iter_mut().filter(|input| input.to_str().is_some_and(stdin::is_stdin)) {
        *input = interrupt::unless_interrupted(stdin::copy()).await?;
    }
    // Parquet is written from views but stores none; the other formats would store them.
    let strings = if task.format == Format::Parquet { Strings::View } else { Strings::Utf8 };
    let reading = reading.with_strings(strings).with_enums(Enums::Dictionary);
    let session = Session::open(resources, &reading, &[]).await?;
    let reading = reading.with_observer(Arc::clone(&session.notes) as _);
    let canceled = Arc::new(AtomicBool::new(false));
    let conversion = Conversion {
        task,
        reading,
        session,
        threads: resources.threads,
        batch_rows: resources.batch_rows,
        canceled: Arc::clone(&canceled),
        runtime: Handle::current(),
        read: Arc::default(),
    };
    let requested = interrupt::requested();
    let mut work = tokio::task::spawn_blocking(move || conversion.run());
    let done = tokio::select! {
        done = &mut work => done,
        () = requested => {
            // The thread cannot be stopped from outside; it checks the flag at each batch, and removes its files.
            canceled.store(true, Ordering::Relaxed);
            work.await.map(|done| done.map_err(|_| Error::Interrupted))
        }
    };
    done.map_err(|e| Error::Failed(format!("internal error: {e}")))?
}

struct Conversion {
    task: ConvertTask,
    reading: AvroOptions,
    session: Session,
    threads: usize,
    batch_rows: usize,
    canceled: Arc<AtomicBool>,
    runtime: Handle,
    read: Arc<Counter>,
}

impl Conversion {
    fn run(self) -> Result<()> {
        let jobs = jobs::plan(&self.task, &self.reading.file_extension, |url| {
            let files = async { self.session.files(&url.to_string_lossy(), &self.reading).await };
            self.runtime.block_on(interrupt::unless_interrupted(files))
        })?;
        let inputs = jobs.iter().flat_map(|job| &job.inputs);
        let bytes = inputs.filter_map(|file| file.path.metadata().ok()).map(|file| file.len()).sum();
        self.read.total_bytes.store(bytes, Ordering::Relaxed);
        let _bar = Bar::start(Arc::clone(&self.read) as _);
        let mut written = Vec::new();
        for job in &jobs {
            written.extend(self.convert(job)?);
        }
        self.session.notes.print();
        written.into_iter().try_for_each(Finished::commit)
    }

    fn convert(&self, job: &ConvertJob) -> Result<Vec<Finished>> {
        let mut rows = self.rows(job)?;
        self.print_renamed(job, rows.schema());
        let names = Originals::new(rows.schema(), self.task.format);
        let schema = names.schema();
        let ConvertTask { format, partition_by, writing, .. } = &self.task;
        let writing = Writing { threads: self.threads, unions: UnionText::Tagged, ..writing.clone() };
        let mut sink = match partition_by.as_slice() {
            [] => Sink::file(&job.output, &schema, *format, &writing)?,
            by => Sink::directories(&job.output, by, &schema, *format, &writing)?,
        };
        while let Some(batch) = rows.next()? {
            if self.canceled.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            sink.write(&names.batch(&batch)?)?;
            self.read.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        }
        sink.finish()
    }

    /// Returns the decoder options for conversions without a query.
    fn decoder(&self) -> Options {
        let unions = self.task.format.unions(self.reading.unions);
        self.reading.decoder(None, self.batch_rows).with_unions(unions)
    }

    /// Returns the layout and schema of text inputs: the given schema, or for CSV the inferred one.
    fn text(&self, job: &ConvertJob, kind: InputFormat) -> Result<Option<(Layout, Schema)>> {
        match &self.task.writing.avro.schema {
            Some(schema) => Ok(kind.layout(&job.inputs)?.map(|layout| (layout, schema.clone()))),
            None if kind == InputFormat::Csv => {
                let csv = text::inferred(&job.inputs)?;
                let columns = Arc::new(csv.schema);
                self.print_renamed(job, &columns);
                let schema = derived_schema(&columns, &self.reading.limits)?;
                Ok(Some((Layout::Cells(CellDialect::Csv(csv.delimiter)), schema)))
            }
            None => Ok(None),
        }
    }

    /// Prints which columns are renamed in the Avro output.
    fn print_renamed(&self, job: &ConvertJob, columns: &SchemaRef) {
        if self.task.format == Format::Avro && self.task.writing.avro.schema.is_none() {
            print_renamed(&job.output.display().to_string(), columns);
        }
    }

    /// Opens the rows of a job's files.
    fn rows(&self, job: &ConvertJob) -> Result<Rows> {
        let kind = InputFormat::from_files(&job.inputs)?;
        let reading = &self.reading;
        // The engine reads directories that are columns.
        if !job.is_remote
            && self.task.wanted.is_all()
            && source::partitions(&job.inputs).is_none()
            && let Some((layout, schema)) = self.text(job, kind)?
        {
            let options = self.decoder();
            return Text::open(&job.inputs, layout, &schema, &options, self.threads, &self.read)
                .map(|rows| Rows::Text(Box::new(rows)));
        }
        if kind != InputFormat::Avro || job.is_remote || !self.task.wanted.is_all() {
            let wanted = &self.task.wanted;
            let runtime = self.runtime.clone();
            return QueryRows::open(&self.session, job, kind, reading, wanted, runtime).map(Rows::Query);
        }
        let options = self.decoder();
        DecodedFiles::open(job, &options, reading, self.threads, &self.read).map(|rows| Rows::Decoded(Box::new(rows)))
    }
}
