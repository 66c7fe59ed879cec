//! What the line editor asks while a person types: is it whole, what colours has it, what may come next, what is wrong.

use std::borrow::Cow;
use std::env;

use datafusion::sql::parser::DFParser;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{ColorMode, CompletionType, Configurer};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper};

use super::lex::{Kind, Token, lex};
use super::names::Names;
use super::words::is_keyword;
use super::{commands, complete};
use crate::error::{Error, Result, one_line};
use crate::sql::split;

const BOLD: &str = "\x1b[1m";
const BLUE: &str = "\x1b[1;34m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const GREY: &str = "\x1b[90m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Entries of the history that are kept.
const HISTORY_LEN: usize = 10_000;

/// Columns that a hint takes at most.
const HINT_LEN: usize = 100;

/// Answers the editor's questions.
pub(super) struct Input {
    pub(super) names: Names,
    coloured: bool,
}

/// An editor that knows these names.
pub(super) fn editor(names: Names) -> Result<Editor<Input, FileHistory>> {
    let fail = |e| Error::Failed(format!("cannot start the prompt: {e}"));
    let coloured = env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let mut editor: Editor<Input, FileHistory> = Editor::new().map_err(fail)?;
    editor.set_color_mode(if coloured { ColorMode::Enabled } else { ColorMode::Disabled });
    editor.set_completion_type(CompletionType::List);
    editor.set_max_history_size(HISTORY_LEN).map_err(fail)?;
    editor.set_helper(Some(Input { names, coloured }));
    Ok(editor)
}

/// Is the input whole: empty, a command, or ended by a `;`? A `;` inside a string or comment does not count.
pub(super) fn is_whole(input: &str) -> bool {
    let text = input.trim();
    is_command(text) || text.is_empty() || split::split(input).is_ok_and(|script| script.ended)
}

/// Is it a command rather than a statement? Those of other prompts are too, and so are the words that people type to leave.
pub(super) fn is_command(text: &str) -> bool {
    text.starts_with(['\\', '.']) || leaves(text) || text.eq_ignore_ascii_case("help")
}

/// Does it ask to leave, in words?
pub(super) fn leaves(text: &str) -> bool {
    ["quit", "exit"].iter().any(|word| text.trim_end_matches(';').trim_end().eq_ignore_ascii_case(word))
}

impl Validator for Input {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Highlighter for Input {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.coloured {
            return Cow::Borrowed(line);
        }
        if line.starts_with(['\\', '.']) {
            return Cow::Owned(format!("{BOLD}{line}{PLAIN}"));
        }
        let mut text = String::with_capacity(line.len() * 2);
        for token in lex(line) {
            match colour(&token) {
                Some(colour) => text.extend([colour, token.text, PLAIN]),
                None => text.push_str(token.text),
            }
        }
        Cow::Owned(text)
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.coloured { Cow::Owned(format!("{BOLD}{prompt}{PLAIN}")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.coloured { Cow::Owned(format!("{GREY}{hint}{PLAIN}")) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.coloured
    }
}

fn colour(token: &Token<'_>) -> Option<&'static str> {
    match token.kind {
        Kind::Text | Kind::Name if !token.ended => Some(RED),
        Kind::Text => Some(GREEN),
        Kind::Number => Some(CYAN),
        Kind::Comment => Some(GREY),
        Kind::Word if is_keyword(token.text) => Some(BLUE),
        _ => None,
    }
}

/// Something said behind the cursor, which is not part of the line.
pub(super) struct Said(String);

impl Hint for Said {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Input {
    type Hint = Said;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Said> {
        if pos < line.len() || line.is_empty() {
            return None;
        }
        if line.starts_with('\\') {
            return commands::usage(line).map(Said);
        }
        mistake(line).map(Said)
    }
}

/// What is wrong with statements that are whole by their looks.
fn mistake(line: &str) -> Option<String> {
    if !line.trim_end().ends_with(';') || is_command(line.trim()) || !is_whole(line) {
        return None;
    }
    let script = split::split(line).ok()?;
    let wrong = script.statements.iter().find_map(|statement| DFParser::parse_sql(statement.text).err())?;
    let text = one_line(&Error::from(wrong).to_string());
    Some(format!("   -- {}", text.chars().take(HINT_LEN).collect::<String>()))
}

impl Completer for Input {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete::complete(&self.names, line, pos))
    }
}

impl Helper for Input {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_are_whole() {
        for input in [
            "",
            "  \n",
            "\\q",
            "\\d t",
            "select 1;",
            "select ';';",
            "select 1; -- done",
            "-- nothing",
            ".tables",
            "quit",
            "EXIT",
            "help",
        ] {
            assert!(is_whole(input), "{input}");
        }
        for input in
            ["select 1", "select ';", "select 1 -- ;", "select 1; select", "select /* ;", "select \"a;", "quit x"]
        {
            assert!(!is_whole(input), "{input}");
        }
    }

    #[test]
    fn mistakes_are_hinted_once_the_statement_ends() {
        for (line, expected) in [
            ("selec 1", None),
            ("select 1;", None),
            ("select 'x", None),
            ("quit;", None),
            ("selec 1;", Some("   -- Expected: an SQL statement, found: selec")),
            ("select 1; select 1 +;", Some("   -- Expected")),
        ] {
            let found = mistake(line);
            match expected {
                Some(start) => assert!(found.as_ref().is_some_and(|text| text.starts_with(start)), "{line}: {found:?}"),
                None => assert_eq!(found, None, "{line}"),
            }
        }
    }
}
