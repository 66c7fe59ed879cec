//! `index`: builds a block index for each file and prints a line about each.

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

/// Which files to index.
#[derive(Debug)]
pub(crate) struct IndexTask {
    /// Files, directories, globs and URLs.
    pub(crate) inputs: Vec<PathBuf>,
    /// The columns, and whether existing indexes are rebuilt.
    pub(crate) index: IndexOptions,
    /// Whether nothing is printed about the built indexes.
    pub(crate) quiet: bool,
}

/// Builds the indexes.
pub(crate) async fn run(mut task: IndexTask, reading: AvroOptions, resources: &Resources) -> Result<()> {
    let text = |path: PathBuf| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Error::Usage(format!("{}: the name is not valid UTF-8", path.display())))
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

/// The progress of building.
struct Indexing(Arc<IndexProgress>);

impl Meter for Indexing {
    fn read(&self) -> Reading {
        Reading { bytes: self.0.bytes(), total_bytes: self.0.total_bytes(), rows: self.0.rows() }
    }
}
