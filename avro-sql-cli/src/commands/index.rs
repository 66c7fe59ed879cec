//! `index`: files in, a block index for each out, and a line about each on standard output.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use avro_datafusion::AvroOptions;
use avro_datafusion::index::{IndexOptions, IndexProgress};

use crate::error::{Error, Result, n_of};
use crate::options::Resources;
use crate::progress::{Bar, Meter, Reading};
use crate::session::Session;
use crate::terminal::interrupt;

/// What to index.
#[derive(Debug)]
pub(crate) struct Task {
    /// Files, directories, globs and URLs.
    pub(crate) inputs: Vec<PathBuf>,
    /// Which columns, and what becomes of indexes that are there.
    pub(crate) index: IndexOptions,
    /// Is nothing said about what was done?
    pub(crate) quiet: bool,
}

/// Builds the indexes.
pub(crate) async fn run(mut task: Task, reading: AvroOptions, resources: &Resources) -> Result<()> {
    let text = |path: PathBuf| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Error::Usage(format!("{}: not a name in UTF-8", path.display())))
    };
    let paths = task.inputs.into_iter().map(text).collect::<Result<Vec<_>>>()?;
    let session = Session::open(resources, &reading, &[]).await?;
    let progress = Arc::new(IndexProgress::default());
    task.index.progress = Some(Arc::clone(&progress));
    let bar = Bar::start(Arc::new(Indexing(progress)));
    let indexed = interrupt::unless_interrupted(session.index(paths, reading, task.index)).await?;
    drop(bar);
    if task.quiet {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    for file in indexed {
        let done = if file.built { "built" } else { "kept" };
        let (blocks, rows) = (n_of(file.blocks, "block"), n_of(file.rows, "row"));
        writeln!(out, "{done} {}: {blocks}, {rows}, {} bytes", file.index, file.bytes)?;
    }
    Ok(())
}

/// How far the indexes are.
struct Indexing(Arc<IndexProgress>);

impl Meter for Indexing {
    fn read(&self) -> Reading {
        Reading { bytes: self.0.bytes(), total_bytes: self.0.total_bytes(), rows: self.0.rows() }
    }
}
