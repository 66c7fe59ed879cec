//! `cache`: makes columnar copies of files, lists them, or removes them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use avro_datafusion::AvroOptions;
use avro_datafusion::cache::{CacheOptions, CacheProgress, CachedCopy, FileCached, clear_copies, list_copies};

use crate::error::{Error, Result, n_of};
use crate::options::Resources;
use crate::progress::{Bar, Meter, Reading};
use crate::session::Session;
use crate::terminal::interrupt;

/// What to do with copies.
#[derive(Debug)]
pub(crate) struct CacheTask {
    /// What to do.
    pub(crate) action: CacheAction,
    /// Whether nothing is printed about the copies.
    pub(crate) quiet: bool,
}

/// What to do with copies.
#[derive(Debug)]
pub(crate) enum CacheAction {
    /// Make the copies of these files, directories, globs and URLs.
    Build(Vec<PathBuf>, CacheOptions),
    /// List all copies.
    List,
    /// Remove the copies of these files, or all without any.
    Clear(Vec<PathBuf>),
}

/// Makes, lists or removes copies.
pub(crate) async fn run(task: CacheTask, reading: AvroOptions, resources: &Resources) -> Result<()> {
    let Some(directory) = reading.cache_path.clone() else {
        return Err(Error::Usage("there is no directory for the cache; use --dir".to_owned()));
    };
    let lines = match task.action {
        CacheAction::Build(inputs, mut cache) => {
            let progress = Arc::new(CacheProgress::default());
            cache.progress = Some(Arc::clone(&progress));
            let session = Session::open(resources, &reading, &[]).await?;
            let bar = Bar::start(Arc::new(Copying(progress)));
            let made = interrupt::unless_interrupted(session.cache(texts(inputs)?, reading, cache)).await?;
            drop(bar);
            made.iter().map(made_line).collect()
        }
        CacheAction::List => {
            let copies = list_copies(&directory)?;
            let mut lines: Vec<_> = copies.iter().map(listed_line).collect();
            let bytes = copies.iter().map(|copy| copy.bytes).sum::<u64>();
            lines.push(format!("{} of {bytes} bytes in {directory}", n_copies(copies.len() as u64)));
            lines
        }
        CacheAction::Clear(inputs) if inputs.is_empty() => {
            let (copies, bytes) = clear_copies(&directory)?;
            vec![format!("removed {} of {bytes} bytes from {directory}", n_copies(copies))]
        }
        CacheAction::Clear(inputs) => {
            let session = Session::open(resources, &reading, &[]).await?;
            let removed = interrupt::unless_interrupted(session.uncache(texts(inputs)?, reading)).await?;
            vec![format!("removed {} from {directory}", n_copies(removed))]
        }
    };
    if !task.quiet {
        let mut out = io::stdout().lock();
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(())
}

fn texts(inputs: Vec<PathBuf>) -> Result<Vec<String>> {
    let text = |path: PathBuf| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Error::Usage(format!("{}: the name is not valid UTF-8", path.display())))
    };
    inputs.into_iter().map(text).collect()
}

fn n_copies(n: u64) -> String {
    if n == 1 { "1 copy".to_owned() } else { format!("{n} copies") }
}

/// Returns the line about a file.
fn made_line(made: &FileCached) -> String {
    let left_out = match made.left_out.as_slice() {
        [] => String::new(),
        names => format!("; not in the copy: {}", names.join(", ")),
    };
    match &made.copy {
        Some(copy) => {
            let done = if made.built { "built" } else { "kept" };
            let (rows, columns) = (n_of(copy.rows, "row"), n_of(copy.columns.len() as u64, "column"));
            format!("{done} the copy of {}: {rows}, {columns}, {} bytes{left_out}", made.file, copy.bytes)
        }
        None if made.left_out.is_empty() => {
            format!("no copy of {}: it is larger than the cache; use --max-size", made.file)
        }
        None => format!("no copy of {}{left_out}", made.file),
    }
}

fn listed_line(copy: &CachedCopy) -> String {
    let age = SystemTime::now().duration_since(copy.used).unwrap_or_default().as_secs();
    let used = match (age / 86_400, age / 3600, age / 60) {
        (0, 0, 0) => "just now".to_owned(),
        (0, 0, minutes) => format!("{} ago", n_of(minutes, "minute")),
        (0, hours, _) => format!("{} ago", n_of(hours, "hour")),
        (days, _, _) => format!("{} ago", n_of(days, "day")),
    };
    let (rows, columns) = (n_of(copy.rows, "row"), n_of(copy.columns.len() as u64, "column"));
    format!("{}: {rows}, {columns}, {} bytes, used {used}", copy.file, copy.bytes)
}

/// The progress of copying.
struct Copying(Arc<CacheProgress>);

impl Meter for Copying {
    fn read(&self) -> Reading {
        Reading { bytes: self.0.bytes(), total_bytes: self.0.total_bytes(), rows: self.0.rows() }
    }
}
