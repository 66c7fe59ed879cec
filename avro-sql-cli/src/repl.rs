//! The prompt: lines in, answers out, until Ctrl-D or `\q`. A statement may take several lines; `;` ends it.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Editor, Helper};

use crate::error::{Error, Result, report, say};
use crate::interrupt::unless_interrupted;
use crate::options::Query;
use crate::session::Session;
use crate::{run, sql};

const HELP: &str = "\
Statements end with `;` and may take several lines. 'FILE', 'DIRECTORY/' or 'GLOB' in quotes is a table.
  \\d           the tables, as \\dt
  \\d TABLE     the columns of a table or of a path in quotes
  \\timing      say how long each statement takes, or stop
  \\?           this help
  \\q           leave, as Ctrl-D
Ctrl-C gives up a running statement or the line being written.";

const TABLES: &str = "SELECT table_schema AS schema, table_name AS name, table_type AS type FROM information_schema.tables \
                      WHERE table_schema <> 'information_schema' ORDER BY 1, 2";

/// Asks until the user leaves.
pub(crate) async fn prompt(session: &Session, mut query: Query) -> Result<()> {
    if query.output.is_some() {
        return Err(Error::Usage("-o needs a statement (-c) or a script (-f)".to_owned()));
    }
    let mut editor: Editor<Input, FileHistory> =
        Editor::new().map_err(|e| Error::Failed(format!("cannot start the prompt: {e}")))?;
    editor.set_helper(Some(Input));
    let history = history_file();
    if let Some(history) = &history {
        let _ = editor.load_history(history); // there is none the first time
    }
    if query.rc {
        start_up_script(session, &query).await;
    }
    if !query.quiet {
        say(&format!("avro-sql {}; \\? for help", env!("CARGO_PKG_VERSION")));
    }
    loop {
        // The terminal is read in place: nothing else runs while a person types.
        match editor.readline("avro-sql> ") {
            Ok(line) => {
                let _ = editor.add_history_entry(line.trim());
                match one(session, &mut query, line.trim()).await {
                    Ok(Next::Go) => {}
                    Ok(Next::Leave) | Err(Error::ClosedPipe) => break,
                    Err(e) => report(&e),
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(Error::Failed(format!("cannot read the terminal: {e}"))),
        }
    }
    if let Some(history) = &history {
        // A prompt without a history is still a prompt.
        let _ = editor.save_history(history);
    }
    Ok(())
}

enum Next {
    Go,
    Leave,
}

/// Does what one input asks for: a backslash command or statements.
async fn one(session: &Session, query: &mut Query, line: &str) -> Result<Next> {
    let Some(command) = line.strip_prefix('\\') else {
        statements(session, query, line).await?;
        return Ok(Next::Go);
    };
    let command = command.trim_end_matches(';').trim();
    let (name, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    match (name, argument.trim()) {
        ("q" | "quit" | "exit", "") => return Ok(Next::Leave),
        ("?" | "h" | "help", "") => say(HELP),
        ("timing", "") => {
            query.timing = !query.timing;
            say(if query.timing { "timing is on" } else { "timing is off" });
        }
        ("d" | "dt", "") => statements(session, query, TABLES).await?,
        ("d", table) => statements(session, query, &format!("DESCRIBE SELECT * FROM {table}")).await?,
        _ => return Err(Error::Failed(format!("unknown command \\{name}; \\? lists them"))),
    }
    Ok(Next::Go)
}

/// Runs statements; Ctrl-C gives up the one that runs and those after it.
async fn statements(session: &Session, query: &Query, text: &str) -> Result<()> {
    let script = sql::split(text).map_err(|e| Error::Failed(e.to_string()))?;
    let mut stdout = io::BufWriter::with_capacity(1 << 16, io::stdout());
    for statement in script.statements {
        unless_interrupted(run::one(session, query, statement.text, &mut stdout)).await?;
    }
    stdout.flush()?;
    Ok(())
}

/// Runs the user's start-up script, if there is one. What fails in it is said, and the prompt comes all the same.
async fn start_up_script(session: &Session, query: &Query) {
    let Some(path) = dirs::config_dir().map(|dir| dir.join("avro-sql").join("rc.sql")) else { return };
    let Ok(text) = fs::read_to_string(&path) else { return };
    if let Err(e) = statements(session, query, &text).await {
        report(&e.within(&path.display().to_string()));
    }
}

/// Where lines are remembered; `None` where there is no place for it.
fn history_file() -> Option<PathBuf> {
    let dir = dirs::data_dir()?.join("avro-sql");
    fs::create_dir_all(&dir).ok()?;
    Some(dir.join("history"))
}

/// Tells the line editor whether an input is whole.
struct Input;

/// Is the input whole: empty, a backslash command, or ended by a `;`? A `;` inside a string or comment does not count.
fn is_whole(input: &str) -> bool {
    let text = input.trim();
    text.is_empty() || text.starts_with('\\') || sql::split(input).is_ok_and(|script| script.ended)
}

impl Validator for Input {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Helper for Input {}
impl Highlighter for Input {}
impl Hinter for Input {
    type Hint = String;
}
impl Completer for Input {
    type Candidate = String;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_are_whole() {
        for input in ["", "  \n", "\\q", "\\d t", "select 1;", "select ';';", "select 1; -- done", "-- nothing"] {
            assert!(is_whole(input), "{input}");
        }
        for input in ["select 1", "select ';", "select 1 -- ;", "select 1; select", "select /* ;", "select \"a;"] {
            assert!(!is_whole(input), "{input}");
        }
    }
}
