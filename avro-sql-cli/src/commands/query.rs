//! Runs SQL: executes statements and writes their rows to one output, batch by batch.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::commands::convert::print_renamed;
use crate::error::{Error, Result, print_stderr};
use crate::files::output_file::OutputFile;
use crate::options::{Query, SqlSource};
use crate::output::{Counts, Format};
use crate::progress::{Bar, Meter, Reading, size, thousands};
use crate::session::{ResultPart, Session};
use crate::sql::split;
use crate::terminal::interrupt::unless_interrupted;
use crate::terminal::pager::Screen;

/// Where results go.
pub(crate) struct Destination<'a> {
    pub(crate) to: &'a mut (dyn Write + Send),
    pub(crate) format: Format,
    /// Results written so far.
    pub(crate) results_written: u64,
}

/// The outcome of a statement.
struct Done {
    /// The rows and columns written; `None` for statements without a result, such as `CREATE VIEW`.
    counts: Option<Counts>,
    /// What it read.
    read: Reading,
}

/// Runs all statements of the source. The first failure ends it, and no output file appears.
pub(crate) async fn script(session: &Session, query: &Query) -> Result<()> {
    let (scripts, place) = match &query.source {
        SqlSource::Commands(commands) => (commands.clone(), None),
        SqlSource::File(file) => (vec![read(file)?], Some(file.display().to_string())),
        SqlSource::Stdin | SqlSource::Prompt => {
            let place = "standard input";
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Error::from(e).with_context(place))?;
            (vec![text(bytes, place)?], Some(place.to_owned()))
        }
    };
    let place = place.as_deref();
    unless_interrupted(async {
        match &query.output {
            Some(path) => {
                let mut file = OutputFile::create(path)?;
                all(session, query, &scripts, place, &mut file).await?;
                file.commit()
            }
            None => {
                let mut screen = Screen::plain(query.on_terminal);
                all(session, query, &scripts, place, &mut screen).await?;
                screen.finish()
            }
        }
    })
    .await
}

/// Returns the text of a script file.
pub(crate) fn read(file: &Path) -> Result<String> {
    text(fs::read(file).map_err(|e| Error::file(file, e))?, &file.display().to_string())
}

/// Decodes a script as UTF-8, without a byte order mark.
fn text(bytes: Vec<u8>, place: &str) -> Result<String> {
    let mut text = String::from_utf8(bytes).map_err(|e| {
        Error::Failed(format!("{place}: SQL must be UTF-8; byte {} is invalid", e.utf8_error().valid_up_to()))
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// Runs all statements. Errors in a script name the statement.
async fn all(
    session: &Session,
    query: &Query,
    scripts: &[String],
    place: Option<&str>,
    to: &mut (dyn Write + Send),
) -> Result<()> {
    let mut destination = Destination { to, format: query.format, results_written: 0 };
    for text in scripts {
        let script = split::split(text).map_err(|e| {
            let error = Error::Failed(e.to_string());
            if let Some(place) = place { error.with_context(place) } else { error }
        })?;
        let many = script.statements.len() > 1;
        for (n, statement) in script.statements.iter().enumerate() {
            let done = one(session, query, statement.text, &mut destination).await;
            done.map_err(|e| match place {
                Some(place) => e.with_context(&format!("{place}: statement {} (line {})", n + 1, statement.line)),
                None if many => e.with_context(&format!("statement {}", n + 1)),
                None => e,
            })?;
        }
    }
    Ok(())
}

/// Runs one statement and prints what the options ask for.
pub(crate) async fn one(session: &Session, query: &Query, text: &str, to: &mut Destination<'_>) -> Result<()> {
    let start = Instant::now();
    let outcome = execute(session, query, text, to).await;
    let time = start.elapsed();
    let flushed = to.to.flush();
    if !query.quiet {
        session.notes.print();
    }
    let done = outcome?;
    flushed?;
    if !query.quiet
        && let Some(note) = done.counts.and_then(|counts| note(counts, query))
    {
        print_stderr(&note);
    }
    if query.timing || query.verbose {
        print_stderr(&summary(&done, time, query.verbose));
    }
    Ok(())
}

/// Returns a note on what a cut result leaves out, and how to see it.
fn note(counts: Counts, query: &Query) -> Option<String> {
    let mut parts = Vec::new();
    let mut options = Vec::new();
    if counts.rows_shown < counts.rows {
        parts.push(format!("{} of {} rows", counts.rows_shown, counts.rows));
        options.push("--max-rows 0");
    }
    if counts.columns_shown < counts.columns {
        parts.push(format!("{} of {} columns", counts.columns_shown, counts.columns));
        options.push("--max-width 0");
    } else if counts.cut && options.is_empty() {
        parts.push("only part of long values".to_owned());
        options.push("--max-width 0");
    }
    let all = match (&query.source, options.as_slice()) {
        (_, []) => return None,
        (SqlSource::Prompt, [.., "--max-width 0"]) => "\\x shows whole rows".to_owned(),
        (_, [one]) => format!("{one} shows all"),
        (_, many) => format!("{} show all", many.join(" and ")),
    };
    Some(format!("{} shown; {all}", parts.join(" and ")))
}

/// Returns the time of a statement, and what it read.
fn summary(done: &Done, time: Duration, verbose: bool) -> String {
    let rows = done.counts.map(|c| if c.rows == 1 { "1 row in ".to_owned() } else { format!("{} rows in ", c.rows) });
    let mut text = format!("{}{:.3} s", rows.unwrap_or_default(), time.as_secs_f64());
    if verbose && done.read.total_bytes > 0 {
        let Reading { bytes, total_bytes, rows } = done.read;
        // A range of a file is read a little beyond its end, to the end of the last block.
        let of = if bytes < total_bytes { format!(" of {}", size(total_bytes)) } else { String::new() };
        text.push_str(&format!("; read {}{of}, {} rows", size(bytes), thousands(rows)));
    }
    text
}

/// Runs one statement and writes its rows.
async fn execute(session: &Session, query: &Query, text: &str, destination: &mut Destination<'_>) -> Result<Done> {
    if text.starts_with('\\') {
        return Err(Error::Failed(
            "backslash commands work only at the prompt and in files run with \\i; in SQL use DESCRIBE or SHOW TABLES"
                .to_owned(),
        ));
    }
    let mut result = session.execute(text);
    let meter = result.meter.clone();
    let _bar = Bar::start(meter.clone());
    let mut next = result.next().await?;
    if destination.results_written > 0 && matches!(next, Some(ResultPart::Columns(_))) {
        destination.to.write_all(destination.format.separator())?;
    }
    let mut output = destination.format.output(destination.to, query.display);
    let mut begun = false;
    while let Some(part) = next {
        match part {
            ResultPart::Columns(_) if destination.format.is_binary() && destination.results_written > 0 => {
                return Err(Error::Failed(format!(
                    "--format {} can hold the rows of one statement only",
                    destination.format.name()
                )));
            }
            ResultPart::Columns(schema) => {
                begun = true;
                if destination.format == Format::Avro {
                    let file = query.output.as_deref().map_or("the result".into(), |path| path.display().to_string());
                    print_renamed(&file, &schema);
                }
                output.begin(&schema)?;
            }
            ResultPart::Rows(batch) => output.batch(&batch)?,
        }
        next = result.next().await?;
    }
    let counts = if begun { Some(output.end()?) } else { None };
    destination.results_written += u64::from(begun);
    Ok(Done { counts, read: meter.read() })
}
