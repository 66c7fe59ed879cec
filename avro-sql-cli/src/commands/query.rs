//! Runs SQL: statements in, rows to one output, batch by batch.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::commands::convert::say_renamed;
use crate::error::{Error, Result, say};
use crate::files::atomic_file::OutFile;
use crate::options::{Query, Source};
use crate::output::{Counts, Format};
use crate::progress::{Bar, Meter, Reading, size, thousands};
use crate::session::{Part, Session};
use crate::sql::split;
use crate::terminal::interrupt::unless_interrupted;
use crate::terminal::pager::Screen;

/// Where answers go.
pub(crate) struct Destination<'a> {
    pub(crate) to: &'a mut (dyn Write + Send),
    pub(crate) format: Format,
    /// Answers that are there already.
    pub(crate) answers: u64,
}

/// What became of a statement.
struct Done {
    /// What was written of its rows; `None` where it has none to give, as `CREATE VIEW`.
    counts: Option<Counts>,
    /// What it read.
    read: Reading,
}

/// Runs all statements of the source. The first that fails ends it, and then an output file does not appear.
pub(crate) async fn script(session: &Session, query: &Query) -> Result<()> {
    let (scripts, place) = match &query.source {
        Source::Commands(commands) => (commands.clone(), None),
        Source::File(file) => (vec![read(file)?], Some(file.display().to_string())),
        Source::Stdin | Source::Prompt => {
            let place = "standard input";
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Error::from(e).within(place))?;
            (vec![text(bytes, place)?], Some(place.to_owned()))
        }
    };
    let place = place.as_deref();
    unless_interrupted(async {
        match &query.output {
            Some(path) => {
                let mut file = OutFile::create(path)?;
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

/// The text of a script.
pub(crate) fn read(file: &Path) -> Result<String> {
    text(fs::read(file).map_err(|e| Error::file(file, e))?, &file.display().to_string())
}

/// The bytes of a script as text, without the mark that some editors put before it.
fn text(bytes: Vec<u8>, place: &str) -> Result<String> {
    let mut text = String::from_utf8(bytes).map_err(|e| {
        Error::Failed(format!("{place}: this is no SQL: not UTF-8 at byte {}", e.utf8_error().valid_up_to()))
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// Runs all statements. Errors in a script say which statement it was.
async fn all(
    session: &Session,
    query: &Query,
    scripts: &[String],
    place: Option<&str>,
    to: &mut (dyn Write + Send),
) -> Result<()> {
    let mut destination = Destination { to, format: query.format, answers: 0 };
    for text in scripts {
        let script = split::split(text).map_err(|e| {
            let error = Error::Failed(e.to_string());
            if let Some(place) = place { error.within(place) } else { error }
        })?;
        let many = script.statements.len() > 1;
        for (n, statement) in script.statements.iter().enumerate() {
            let done = one(session, query, statement.text, &mut destination).await;
            done.map_err(|e| match place {
                Some(place) => e.within(&format!("{place}: statement {} (line {})", n + 1, statement.line)),
                None if many => e.within(&format!("statement {}", n + 1)),
                None => e,
            })?;
        }
    }
    Ok(())
}

/// Runs one statement and says about it what the options ask for.
pub(crate) async fn one(session: &Session, query: &Query, text: &str, to: &mut Destination<'_>) -> Result<()> {
    let start = Instant::now();
    let answered = answer(session, query, text, to).await;
    let time = start.elapsed();
    let flushed = to.to.flush();
    if !query.quiet {
        session.skipped.say();
        session.warned.say();
    }
    let done = answered?;
    flushed?;
    if !query.quiet
        && let Some(note) = done.counts.and_then(|counts| note(counts, query))
    {
        say(&note);
    }
    if query.timing || query.verbose {
        say(&summary(&done, time, query.verbose));
    }
    Ok(())
}

/// What is not shown of an answer, and how to see it.
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
        parts.push("not all of long values".to_owned());
        options.push("--max-width 0");
    }
    let all = match (&query.source, options.as_slice()) {
        (_, []) => return None,
        (Source::Prompt, [.., "--max-width 0"]) => "\\x shows each row whole".to_owned(),
        (_, [one]) => format!("{one} shows all"),
        (_, many) => format!("{} show all", many.join(" and ")),
    };
    Some(format!("{} shown; {all}", parts.join(" and ")))
}

/// How long a statement took, and what it read.
fn summary(done: &Done, time: Duration, verbose: bool) -> String {
    let rows = done.counts.map(|c| if c.rows == 1 { "1 row in ".to_owned() } else { format!("{} rows in ", c.rows) });
    let mut text = format!("{}{:.3} s", rows.unwrap_or_default(), time.as_secs_f64());
    if verbose && done.read.total_bytes > 0 {
        let Reading { bytes, total_bytes, rows } = done.read;
        // Parts of a file are read with a little of the next, to the end of the last block.
        let of = if bytes < total_bytes { format!(" of {}", size(total_bytes)) } else { String::new() };
        text.push_str(&format!("; read {}{of}, {} rows", size(bytes), thousands(rows)));
    }
    text
}

/// Runs one statement and writes its rows.
async fn answer(session: &Session, query: &Query, text: &str, destination: &mut Destination<'_>) -> Result<Done> {
    if text.starts_with('\\') {
        return Err(Error::Failed(
            "backslash commands are the prompt's, as is \\i FILE, which runs a file that has some; SQL has DESCRIBE and SHOW TABLES"
                .to_owned(),
        ));
    }
    let mut answer = session.answer(text);
    let meter = answer.meter.clone();
    let _bar = Bar::start(meter.clone());
    let mut next = answer.next().await?;
    if destination.answers > 0 && matches!(next, Some(Part::Columns(_))) {
        destination.to.write_all(destination.format.separator())?;
    }
    let mut output = destination.format.output(destination.to, query.display);
    let mut begun = false;
    while let Some(part) = next {
        match part {
            Part::Columns(_) if destination.format.is_binary() && destination.answers > 0 => {
                return Err(Error::Failed(format!(
                    "--format {} holds the rows of one statement, and has those of another already",
                    destination.format.name()
                )));
            }
            Part::Columns(schema) => {
                begun = true;
                if destination.format == Format::Avro {
                    let file = query.output.as_deref().map_or("the answer".into(), |path| path.display().to_string());
                    say_renamed(&file, &schema);
                }
                output.begin(&schema)?;
            }
            Part::Rows(batch) => output.batch(&batch)?,
        }
        next = answer.next().await?;
    }
    let counts = if begun { Some(output.end()?) } else { None };
    destination.answers += u64::from(begun);
    Ok(Done { counts, read: meter.read() })
}
