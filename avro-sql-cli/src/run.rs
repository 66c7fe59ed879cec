//! Runs SQL: statements in, rows to one output, batch by batch.

use std::fs;
use std::io::{self, Read, Write};
use std::time::Instant;

use crate::error::{Error, Result, say};
use crate::interrupt::unless_interrupted;
use crate::options::{Query, Source};
use crate::outfile::OutFile;
use crate::output::Counts;
use crate::session::{Part, Session};
use crate::sql;

/// Runs all statements of the source. The first that fails ends it, and then an output file does not appear.
pub(crate) async fn script(session: &Session, query: &Query) -> Result<()> {
    let (scripts, place) = match &query.source {
        Source::Commands(commands) => (commands.clone(), None),
        Source::File(file) => {
            let text = fs::read_to_string(file).map_err(|e| Error::file(file, e))?;
            (vec![text], Some(file.display().to_string()))
        }
        Source::Stdin | Source::Prompt => {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).map_err(|e| Error::from(e).within("standard input"))?;
            (vec![text], Some("standard input".to_owned()))
        }
    };
    match &query.output {
        Some(path) => {
            let mut file = OutFile::create(path)?;
            unless_interrupted(all(session, query, &scripts, place.as_deref(), &mut file)).await?;
            file.commit()
        }
        None => {
            let mut stdout = io::BufWriter::with_capacity(1 << 16, io::stdout());
            unless_interrupted(all(session, query, &scripts, place.as_deref(), &mut stdout)).await?;
            stdout.flush()?;
            Ok(())
        }
    }
}

/// Runs all statements. Errors in a script say which statement it was.
async fn all(
    session: &Session,
    query: &Query,
    scripts: &[String],
    place: Option<&str>,
    to: &mut dyn Write,
) -> Result<()> {
    for text in scripts {
        let script = sql::split(text).map_err(|e| {
            let error = Error::Failed(e.to_string());
            if let Some(place) = place { error.within(place) } else { error }
        })?;
        let many = script.statements.len() > 1;
        for (n, statement) in script.statements.iter().enumerate() {
            let done = one(session, query, statement.text, to).await;
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
pub(crate) async fn one(session: &Session, query: &Query, text: &str, to: &mut dyn Write) -> Result<()> {
    let start = Instant::now();
    let answered = answer(session, query, text, to).await;
    let flushed = to.flush();
    if !query.quiet {
        session.skipped.say();
        session.warned.say();
    }
    let counts = answered?;
    flushed?;
    if let Some(Counts { rows, shown }) = counts
        && shown < rows
        && !query.quiet
    {
        say(&format!("{shown} of {rows} rows shown; --max-rows 0 shows all"));
    }
    if query.timing {
        let rows = counts.map(|c| if c.rows == 1 { "1 row in ".to_owned() } else { format!("{} rows in ", c.rows) });
        say(&format!("{}{:.3} s", rows.unwrap_or_default(), start.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// Runs one statement and writes its rows; `None` where it has none to give, as `CREATE VIEW`.
async fn answer(session: &Session, query: &Query, text: &str, to: &mut dyn Write) -> Result<Option<Counts>> {
    let mut answer = session.answer(text);
    let mut output = query.format.output(to, query.max_rows);
    let mut begun = false;
    while let Some(part) = answer.next().await? {
        match part {
            Part::Columns(schema) => {
                begun = true;
                output.begin(&schema)?;
            }
            Part::Rows(batch) => output.batch(&batch)?,
        }
    }
    if begun { Ok(Some(output.end()?)) } else { Ok(None) }
}
