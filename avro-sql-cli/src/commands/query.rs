//! Runs SQL: executes statements and writes their rows to one output, batch by batch.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::commands::convert::print_renamed;
use crate::error::place::syntax;
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
    /// How long its rows took, without the time that a person spent in the pager.
    time: Duration,
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
            let error = syntax(&e.to_string(), text);
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
    let format = to.format;
    let outcome = execute(session, query, text, to).await;
    let flushed = to.to.flush();
    if !query.quiet {
        session.notes.print();
    }
    let done = outcome?;
    flushed?;
    let asked = query.timing || query.verbose;
    let for_people =
        query.on_terminal && format.is_for_people() && done.counts.is_some_and(|counts| counts.columns > 0);
    if for_people && (asked || !query.quiet) {
        print_stderr(&last_line(&done, query));
    } else {
        if !query.quiet
            && let Some(note) = done.counts.and_then(|counts| note(counts, query))
        {
            print_stderr(&note);
        }
        if asked {
            print_stderr(&summary(&done, query.verbose));
        }
    }
    Ok(())
}

/// Returns the line below a table on a terminal: its rows, its time, and what it leaves out.
fn last_line(done: &Done, query: &Query) -> String {
    let counts = done.counts.unwrap_or_default();
    let mut text = rows(counts.rows);
    if counts.rows_shown < counts.rows {
        text.push_str(&format!(" ({} shown)", thousands(counts.rows_shown)));
    }
    if counts.columns_shown < counts.columns {
        text.push_str(&format!(", {} columns ({} shown)", counts.columns, counts.columns_shown));
    }
    if matches!(query.source, SqlSource::Prompt) || query.timing || query.verbose {
        text.push_str(&format!(" in {:.3} s", done.time.as_secs_f64()));
    }
    if query.verbose {
        text.push_str(&read_text(&done.read));
    }
    match remedy(counts, query) {
        Some(remedy) => format!("{text}; {remedy}"),
        None => text,
    }
}

/// Returns a number of rows with its noun.
fn rows(n: u64) -> String {
    format!("{} row{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// Returns a note on what a cut result leaves out, and how to see it.
fn note(counts: Counts, query: &Query) -> Option<String> {
    let mut parts = Vec::new();
    if counts.rows_shown < counts.rows {
        parts.push(format!("{} of {}", thousands(counts.rows_shown), rows(counts.rows)));
    }
    if counts.columns_shown < counts.columns {
        parts.push(format!("{} of {} columns", counts.columns_shown, counts.columns));
    } else if counts.cut && parts.is_empty() {
        parts.push("only part of long values".to_owned());
    }
    Some(format!("{} shown; {}", parts.join(" and "), remedy(counts, query)?))
}

/// Returns how to see what a result leaves out; `None` if it leaves nothing out.
fn remedy(counts: Counts, query: &Query) -> Option<String> {
    let rows = counts.rows_shown < counts.rows;
    let columns = counts.columns_shown < counts.columns || (counts.cut && !rows);
    let at_prompt = matches!(query.source, SqlSource::Prompt);
    Some(match (rows, columns) {
        (false, false) => return None,
        (_, true) if at_prompt => "\\x shows whole rows".to_owned(),
        (true, false) if at_prompt => "\\set max_rows all shows all".to_owned(),
        (true, true) => "--max-rows 0 and --max-width 0 show all".to_owned(),
        (true, false) => "--max-rows 0 shows all".to_owned(),
        (false, true) => "--max-width 0 shows all".to_owned(),
    })
}

/// Returns the time of a statement, and what it read.
fn summary(done: &Done, verbose: bool) -> String {
    let table = done.counts.filter(|counts| counts.columns > 0);
    let rows = table.map(|counts| format!("{} in ", rows(counts.rows))).unwrap_or_default();
    let read = if verbose { read_text(&done.read) } else { String::new() };
    format!("{rows}{:.3} s{read}", done.time.as_secs_f64())
}

/// Returns what a statement read.
fn read_text(read: &Reading) -> String {
    let Reading { bytes, total_bytes, rows } = *read;
    if total_bytes == 0 {
        return String::new();
    }
    // A range of a file is read a little beyond its end, to the end of the last block.
    let of = if bytes < total_bytes { format!(" of {}", size(total_bytes)) } else { String::new() };
    format!("; read {}{of}, {} rows", size(bytes), thousands(rows))
}

/// Runs one statement and writes its rows.
async fn execute(session: &Session, query: &Query, text: &str, destination: &mut Destination<'_>) -> Result<Done> {
    if text.starts_with('\\') {
        return Err(Error::Failed(
            "backslash commands work only at the prompt and in files run with \\i; in SQL use DESCRIBE or SHOW TABLES"
                .to_owned(),
        ));
    }
    let start = Instant::now();
    let mut result = session.execute(text);
    let meter = result.meter.clone();
    let _bar = Bar::start(meter.clone());
    let mut next = result.next().await?;
    if destination.results_written > 0 && matches!(next, Some(ResultPart::Columns(_))) {
        destination.to.write_all(destination.format.separator())?;
    }
    let mut output = None;
    // A pager accepts rows only as fast as a person reads them.
    let mut writing = Duration::ZERO;
    let to = &mut *destination.to;
    let mut to = Some(to);
    while let Some(part) = next {
        let written = Instant::now();
        match (part, &mut output, to.take()) {
            (ResultPart::Columns(_), ..) if destination.format.is_binary() && destination.results_written > 0 => {
                return Err(Error::Failed(format!(
                    "--format {} can hold the rows of one statement only",
                    destination.format.name()
                )));
            }
            (ResultPart::Columns(schema), output, Some(to)) => {
                if destination.format == Format::Avro {
                    let file = query.output.as_deref().map_or("the result".into(), |path| path.display().to_string());
                    print_renamed(&file, &schema);
                }
                output.insert(destination.format.output(to, &query.display, &schema)).begin(&schema)?;
            }
            (ResultPart::Rows(batch), Some(output), _) => output.batch(&batch)?,
            _ => {}
        }
        writing += written.elapsed();
        next = result.next().await?;
    }
    let written = Instant::now();
    let counts = output.as_mut().map(|output| output.end()).transpose()?;
    writing += written.elapsed();
    drop(output);
    destination.results_written += u64::from(counts.is_some());
    let time = if query.on_terminal { start.elapsed().saturating_sub(writing) } else { start.elapsed() };
    Ok(Done { counts, read: meter.read(), time })
}
