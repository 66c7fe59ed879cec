//! The prompt: reads statements and commands, prints results, until Ctrl-D or `\q`. A statement may span several lines;
//! `;` ends it.
//!
//! Next files: `commands.rs` for backslash commands, `editor.rs` for the line editor's callbacks.

mod apply;
mod commands;
mod complete;
mod editor;
mod external;
mod lex;
mod names;
mod redirect;
mod settings;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustyline::error::ReadlineError;

use crate::commands::query;
use crate::commands::query::Destination;
use crate::error::place::syntax;
use crate::error::{Error, Result, print_stderr, report};
use crate::options::{Query, format_by_name};
use crate::output::{Display, Format};
use crate::session::Session;
use crate::sql::split;
use crate::terminal::interrupt::{self, unless_interrupted};
use crate::terminal::pager::Screen;
use crate::topics;
use names::Names;
use redirect::Redirect;
use settings::Kept;

/// Rows that a table shows without a pager.
const ROWS_UNPAGED: u64 = 40;

/// The prompt.
const PROMPT: &str = "avro-sql> ";

/// Earlier statements whose tables are remembered for completion.
const HISTORY_READ: usize = 20;

/// Maximum depth of files that run other files.
const NESTED_MAX: usize = 16;

const TABLES: &str = "SELECT table_schema AS schema, table_name AS name, table_type AS type FROM information_schema.tables \
                      WHERE table_schema <> 'information_schema' ORDER BY 1, 2";

/// Runs the prompt until the user quits.
pub(crate) async fn prompt(session: Session, query: Query) -> Result<()> {
    if query.output.is_some() {
        return Err(Error::Usage("-o needs a statement (-c) or a script (-f); at the prompt use \\o".to_owned()));
    }
    let mut editor = editor::editor(Names::new(&session))?;
    let history = history_file();
    if let Some(history) = &history {
        let _ = editor.load_history(history); // there is no history the first time
    }
    let past: Vec<String> = editor.history().iter().rev().take(HISTORY_READ).cloned().collect();
    if let Some(helper) = editor.helper_mut() {
        helper.names.remember(past.iter().rev().flat_map(|statement| tables(statement)));
    }
    let kept = Kept::read(config_dir().filter(|_| query.rc).map(|dir| dir.join("settings")));
    let mut shell = Shell { session, query, paged: true, redirect: None, once: false, last: String::new(), kept };
    if shell.query.rc {
        shell.start_up().await;
    }
    if !shell.query.quiet {
        print_stderr(&format!("avro-sql {}; \\? for help", env!("CARGO_PKG_VERSION")));
        let named = shell.query.tables.len() - shell.query.unnamed_tables;
        shell.query.tables.iter().skip(named).for_each(|(name, path)| print_stderr(&format!("table {name}: {path}")));
    }
    interrupt::exit_on_sigterm_during_readline()?;
    let mut open = String::new();
    loop {
        if let Some(helper) = editor.helper_mut() {
            helper.names.forget(&shell.session);
            helper.names.remember(tables(&shell.last));
        }
        // The terminal is read on this thread: nothing else runs while a person types.
        match interrupt::while_reading(|| editor.readline_with_initial(PROMPT, (&open, "")))? {
            Ok(line) => {
                // A command in an open statement is heard, and the statement stays open.
                let (before, input) = editor::last_command(&line).unwrap_or(("", line.as_str()));
                before.clone_into(&mut open);
                let input = input.trim();
                if !input.is_empty() && editor.add_history_entry(input).unwrap_or(false) {
                    // The prompt works without a history.
                    let _ = history.as_ref().map(|history| editor.append_history(history));
                }
                match shell.input(input, &mut open, 0).await {
                    Ok(Next::Go) => {}
                    Ok(Next::Leave) | Err(Error::ClosedPipe) => break,
                    Err(e) => shell.failed(&e)?,
                }
            }
            Err(ReadlineError::Interrupted) => open.clear(),
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(Error::Failed(format!("cannot read the terminal: {e}"))),
        }
    }
    shell.finish_file()
}

/// Returns the tables that a statement names.
fn tables(statement: &str) -> Vec<names::TableName> {
    complete::tables_of(&lex::lex(statement)).into_iter().map(|(table, _)| table).collect()
}

/// The state of the prompt between inputs.
struct Shell {
    session: Session,
    query: Query,
    /// Whether long results go to the user's pager.
    paged: bool,
    /// The file that results go to.
    redirect: Option<RedirectedResults>,
    /// Whether only the next statement goes to that file.
    once: bool,
    /// The last statements, for commands that run them again.
    last: String,
    /// The settings that are kept in a file.
    kept: Kept,
}

/// The file that results go to.
struct RedirectedResults {
    file: Redirect,
    format: Format,
    results_written: u64,
}

enum Next {
    Go,
    Leave,
}

impl Shell {
    /// Runs one input: a command or statements. Commands may change the `open` statement.
    async fn input(&mut self, line: &str, open: &mut String, depth: usize) -> Result<Next> {
        if editor::is_quit(line) {
            return Ok(Next::Leave);
        }
        if !editor::is_command(line) {
            self.last = line.to_owned();
            self.statements(line).await?;
            return Ok(Next::Go);
        }
        if line.eq_ignore_ascii_case("help") {
            print_stderr(&commands::help());
            return Ok(Next::Go);
        }
        let (command, argument) = commands::parse(line).map_err(Error::Failed)?;
        let argument = argument.as_str();
        match command.name {
            "q" => return Ok(Next::Leave),
            "?" => print_stderr(&topics::text(argument).unwrap_or_else(commands::help)),
            "d" if argument.is_empty() => self.list(TABLES).await?,
            "dt" => self.list(TABLES).await?,
            "d" => self.list(&format!("DESCRIBE SELECT * FROM {}", table(argument))).await?,
            "df" => self.list(&self.functions(argument)).await?,
            "timing" => self.query.timing = switch("timing", self.query.timing, argument),
            "x" => self.query.display.expanded = switch("expanded display", self.query.display.expanded, argument),
            "pager" => self.paged = switch("pager", self.paged, argument),
            "format" => self.format(argument)?,
            "set" => self.set(argument).await?,
            "o" | "once" => self.write_to(argument, command.name == "once")?,
            "r" => open.clear(),
            "g" => self.again(open).await?,
            "e" if depth > 0 => return Err(Error::Failed("\\e works only at the prompt".to_owned())),
            "e" => self.edit(open).await?,
            "watch" => self.watch(argument).await?,
            "workers" => match self.session.cluster() {
                Some(cluster) => print_stderr(&cluster.table().await),
                None => print_stderr("queries run on this machine; start avro-sql with --workers to use others"),
            },
            "!" => external::shell(argument)?,
            "cd" => change_directory(argument)?,
            _ => Box::pin(self.script(Path::new(argument), depth + 1)).await?,
        }
        Ok(Next::Go)
    }

    /// Runs a statement that lists things: as a table, whatever the display of rows is.
    async fn list(&mut self, statement: &str) -> Result<()> {
        let (display, max_rows_given) = (self.query.display.clone(), self.query.max_rows_given);
        let max_width = display.max_width;
        self.query.display = Display { types: false, max_rows: None, max_width, ..Display::default() };
        self.query.max_rows_given = true;
        let done = self.statements(statement).await;
        self.query.display = display;
        self.query.max_rows_given = max_rows_given;
        done
    }

    /// Sends results to a file, or finishes the current one.
    fn write_to(&mut self, path: &str, once: bool) -> Result<()> {
        self.finish_file()?;
        if path.is_empty() {
            return Ok(());
        }
        if self.session.read_only {
            return Err(Error::Failed("\\o writes a file, which --read-only forbids".to_owned()));
        }
        let format = format_by_name(Path::new(path))?;
        let file = Redirect::create(Path::new(path))?;
        self.redirect = Some(RedirectedResults { file, format, results_written: 0 });
        self.once = once;
        Ok(())
    }

    /// Runs the open statement, or else the last one.
    async fn again(&mut self, open: &mut String) -> Result<()> {
        if !open.trim().is_empty() {
            self.last = std::mem::take(open);
        }
        let last = self.last.clone();
        self.statements(&last).await
    }

    /// Lets the user edit the open statement, or else the last one. It runs if it is complete.
    async fn edit(&mut self, open: &mut String) -> Result<()> {
        let text = external::edit(if open.trim().is_empty() { &self.last } else { open })?;
        let text = text.trim();
        if text.is_empty() || !editor::is_whole(text) {
            *open = if text.is_empty() { String::new() } else { format!("{text}\n") };
            print_stderr(text);
            return Ok(());
        }
        open.clear();
        self.last = text.to_owned();
        print_stderr(text);
        self.statements(text).await
    }

    /// Repeats the last statement until it fails or the user presses Ctrl-C.
    async fn watch(&mut self, argument: &str) -> Result<()> {
        let seconds: f64 = if argument.is_empty() { 2.0 } else { argument.parse().unwrap_or(f64::NAN) };
        let pause = Duration::try_from_secs_f64(seconds).ok().filter(|pause| !pause.is_zero());
        let Some(pause) = pause else {
            return Err(Error::Failed(format!("\\watch takes a number of seconds, not `{argument}`")));
        };
        if self.last.is_empty() {
            return Err(Error::Failed("\\watch repeats the last statement; run one first".to_owned()));
        }
        print_stderr(&format!("every {seconds} s; Ctrl-C stops"));
        let (paged, last) = (std::mem::take(&mut self.paged), self.last.clone());
        let stopped = loop {
            if let Err(e) = self.statements(&last).await {
                break e;
            }
            let rest = async {
                tokio::time::sleep(pause).await;
                Ok(())
            };
            if let Err(e) = unless_interrupted(rest).await {
                break e;
            }
        };
        self.paged = paged;
        match stopped {
            Error::Interrupted => {
                print_stderr("");
                self.session.renew_threads()
            }
            e => Err(e),
        }
    }

    /// Prints an error and prepares for the next input.
    fn failed(&mut self, e: &Error) -> Result<()> {
        report(e);
        if let Error::Interrupted = e {
            self.session.renew_threads()?;
        }
        Ok(())
    }

    fn format(&mut self, name: &str) -> Result<()> {
        match Format::named(name) {
            None if name.is_empty() => print_stderr(&format!("format is {}", self.query.format.name())),
            None => {
                let names: Vec<_> = Format::NAMES.iter().map(|(name, _)| *name).collect();
                return Err(Error::Failed(format!("there is no format `{name}`; formats are {}", names.join(", "))));
            }
            Some(format) if format.is_binary() && self.query.on_terminal => {
                return Err(Error::Failed(format!("cannot write {name} to the terminal; use \\o x.{name}")));
            }
            Some(format) => self.query.format = format,
        }
        Ok(())
    }

    /// Runs statements; Ctrl-C cancels the current one and those after it.
    async fn statements(&mut self, text: &str) -> Result<()> {
        let script = split::split(text).map_err(|e| syntax(&e.to_string(), text))?;
        for statement in script.statements {
            match &mut self.redirect {
                Some(redirect) => {
                    let RedirectedResults { file, format, results_written } = redirect;
                    let place = file.place()?;
                    let mut to = Destination { to: file, format: *format, results_written: *results_written };
                    let done = query::one(&self.session, &self.query, statement.text, &mut to);
                    let done = unless_interrupted(done).await;
                    *results_written = to.results_written;
                    if done.is_err() {
                        file.back_to(place)?; // no partial results among whole ones
                    }
                    done?;
                    if std::mem::take(&mut self.once) {
                        self.finish_file()?;
                    }
                }
                None => self.show(statement.text).await?,
            }
        }
        Ok(())
    }

    /// Runs a statement and prints its result.
    async fn show(&mut self, statement: &str) -> Result<()> {
        let on_terminal = self.query.on_terminal;
        let mut screen = if on_terminal && self.paged { Screen::paged() } else { Screen::plain(on_terminal) };
        if on_terminal && !self.query.max_rows_given {
            self.query.display.max_rows = if screen.may_page() { None } else { Some(ROWS_UNPAGED) };
        }
        if on_terminal && !self.query.max_width_given {
            self.query.display.max_width = screen.width(); // windows change size
        }
        self.query.display.colored = screen.has_colors();
        let mut to = Destination { to: &mut screen, format: self.query.format, results_written: 0 };
        let done = unless_interrupted(query::one(&self.session, &self.query, statement, &mut to)).await;
        let left = matches!(done, Err(Error::ClosedPipe)) && screen.is_paged();
        let finished = screen.finish();
        if left { Ok(()) } else { done.and(finished) }
    }

    /// Runs the statements and commands of a file until one fails.
    async fn script(&mut self, path: &Path, depth: usize) -> Result<()> {
        if depth > NESTED_MAX {
            return Err(Error::Failed(format!("{}: \\i is nested more than {NESTED_MAX} levels deep", path.display())));
        }
        let text = query::read(path)?;
        let mut open = String::new(); // inputs of a script are whole
        for (line, input) in inputs(&text) {
            match self.input(input, &mut open, depth).await {
                Ok(Next::Go) => {}
                Ok(Next::Leave) => break,
                Err(e) => return Err(e.with_context(&format!("{}: line {line}", path.display()))),
            }
        }
        Ok(())
    }

    /// Applies the settings that were kept, and runs the user's start-up script, if there is one. A failure is printed,
    /// and the prompt starts anyway.
    async fn start_up(&mut self) {
        self.apply_kept().await;
        let Some(path) = config_dir().map(|dir| dir.join("rc.sql")) else { return };
        if path.exists()
            && let Err(e) = self.script(&path, 1).await
        {
            report(&e);
        }
    }

    /// Finishes the file that results went to.
    fn finish_file(&mut self) -> Result<()> {
        match self.redirect.take() {
            Some(redirect) => redirect.file.commit(),
            None => Ok(()),
        }
    }

    /// Returns SQL that lists the functions whose names contain a word.
    fn functions(&self, word: &str) -> String {
        let names = self.session.context().state().table_functions().keys().cloned().collect::<Vec<_>>();
        let tables: String =
            names.iter().map(|name| format!(" UNION ALL SELECT '{name}', 'TABLE', 'a table'")).collect();
        format!(
            "SELECT name, kind, max(what) AS what FROM (SELECT routine_name AS name, function_type AS kind, description AS what \
             FROM information_schema.routines{tables}) WHERE strpos(name, '{}') > 0 OR '{0}' = '' GROUP BY name, kind \
             ORDER BY name, kind",
            word.to_lowercase().replace('\'', "''")
        )
    }
}

/// Changes the directory that relative paths start from: to the home directory without an argument.
fn change_directory(argument: &str) -> Result<()> {
    let to = match argument {
        "" | "~" => dirs::home_dir().ok_or_else(|| Error::Failed("\\cd: there is no home directory".to_owned()))?,
        path => PathBuf::from(path.trim_matches('\'')),
    };
    std::env::set_current_dir(&to).map_err(|e| Error::file(&to, e))?;
    if let Ok(here) = std::env::current_dir() {
        print_stderr(&here.display().to_string());
    }
    Ok(())
}

/// Returns a table as SQL names it: paths get quotes.
fn table(argument: &str) -> String {
    let quoted = argument.starts_with(['\'', '"']);
    let is_path = argument.contains(['/', '*']) || Path::new(argument).exists();
    if !quoted && is_path { format!("'{}'", argument.replace('\'', "''")) } else { argument.to_owned() }
}

/// Returns the new state of a switch, and prints it.
fn switch(name: &str, now: bool, argument: &str) -> bool {
    let next = match argument {
        "on" => true,
        "off" => false,
        _ => !now,
    };
    print_stderr(&format!("{name} is {}", if next { "on" } else { "off" }));
    next
}

/// Returns the inputs of a script as a person would type them, each with its first line, from 1.
fn inputs(script: &str) -> Vec<(usize, &str)> {
    let mut inputs = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let mut at = 0;
    for (n, line) in script.split_inclusive('\n').enumerate() {
        let whole = |text: &str| (line.contains(';') || editor::is_command(text.trim())) && editor::is_whole(text);
        if script.get(start..at).is_some_and(|text| text.trim().is_empty()) {
            (start, start_line) = (at, n + 1);
        }
        at += line.len();
        if let Some(text) = script.get(start..at).filter(|text| whole(text)) {
            inputs.push((start_line, text.trim()));
            start = at;
        }
    }
    if let Some(rest) = script.get(start..).map(str::trim).filter(|text| !text.is_empty()) {
        inputs.push((start_line, rest));
    }
    inputs
}

/// Returns the directory of the settings and the start-up script.
fn config_dir() -> Option<PathBuf> {
    dirs::config_dir().map(|dir| dir.join("avro-sql"))
}

/// Returns the path of the history; `None` if there is no place for it.
fn history_file() -> Option<PathBuf> {
    let dir = dirs::data_dir()?.join("avro-sql");
    fs::create_dir_all(&dir).ok()?;
    Some(dir.join("history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_split_script_with_lines() {
        let cases: [(&str, &[(usize, &str)]); 7] = [
            ("", &[]),
            ("\n\n", &[]),
            ("\\x\nselect 1;\n", &[(1, "\\x"), (2, "select 1;")]),
            ("select\n';\n' ;\n\\timing on\n", &[(1, "select\n';\n' ;"), (4, "\\timing on")]),
            ("\nselect 1; select\n2;\n\nselect 3", &[(2, "select 1; select\n2;"), (5, "select 3")]),
            ("-- a; b\nselect 1;", &[(1, "-- a; b"), (2, "select 1;")]),
            ("select\n\\x\n;", &[(1, "select\n\\x\n;")]),
        ];
        for (script, expected) in cases {
            assert_eq!(inputs(script), expected, "{script}");
        }
    }

    #[test]
    fn paths_get_quotes() {
        let cases = [("t", "t"), ("a.b", "a.b"), ("d/x.avro", "'d/x.avro'"), ("'d/x'", "'d/x'"), ("\"A\"", "\"A\"")];
        for (argument, expected) in cases {
            assert_eq!(table(argument), expected);
        }
    }
}
