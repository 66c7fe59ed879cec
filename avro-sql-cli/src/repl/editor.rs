//! The line editor's callbacks: whether input is complete, colors, completions, hints.

use std::borrow::Cow;

use datafusion::sql::parser::DFParser;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{ColorMode, CompletionType, Configurer};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper};

use super::lex::{Token, TokenKind, lex};
use super::names::Names;
use super::words::is_keyword;
use super::{commands, complete};
use crate::error::place::without_place;
use crate::error::{Error, Result, one_line};
use crate::sql::split;
use crate::terminal::colors;

const BOLD: &str = "\x1b[1m";
const BLUE: &str = "\x1b[1;34m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const GREY: &str = "\x1b[90m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Maximum number of history entries.
const HISTORY_LEN: usize = 10_000;

/// The sign that a statement is open.
const OPEN: &str = "-> `;` ends the statement, \\r discards it";

/// Maximum width of a hint.
const HINT_LEN: usize = 100;

/// The state of the callbacks.
pub(super) struct EditorHelper {
    pub(super) names: Names,
    colored: bool,
}

/// Returns an editor with these names for completion.
pub(super) fn editor(names: Names) -> Result<Editor<EditorHelper, FileHistory>> {
    let fail = |e| Error::Failed(format!("cannot start the prompt: {e}"));
    let colored = colors::enabled();
    let mut editor: Editor<EditorHelper, FileHistory> = Editor::new().map_err(fail)?;
    editor.set_color_mode(if colored { ColorMode::Enabled } else { ColorMode::Disabled });
    editor.set_completion_type(CompletionType::List);
    editor.set_max_history_size(HISTORY_LEN).map_err(fail)?;
    editor.set_helper(Some(EditorHelper { names, colored }));
    Ok(editor)
}

/// Whether the input is complete: empty, a command, or ended by `;` outside strings and comments.
pub(super) fn is_whole(input: &str) -> bool {
    let text = input.trim();
    is_command(text) || text.is_empty() || split::split(input).is_ok_and(|script| script.ended)
}

/// Whether the input is a command rather than a statement. Commands of other prompts and words such as `exit` count.
pub(super) fn is_command(text: &str) -> bool {
    text.starts_with(['\\', '.']) || is_quit(text) || text.eq_ignore_ascii_case("help")
}

/// Splits an open statement whose last line is a backslash command: into the lines before it, and the command.
pub(super) fn last_command(input: &str) -> Option<(&str, &str)> {
    let (before, last) = input.split_at_checked(input.rfind('\n')? + 1)?;
    let is_in_quotes = lex(before).last().is_some_and(|token| !token.ended);
    let is_open = !before.trim().is_empty() && !is_command(before.trim_start()) && !is_in_quotes;
    (is_open && last.trim_start().starts_with('\\')).then_some((before, last.trim()))
}

/// Whether the input is a word for quitting.
pub(super) fn is_quit(text: &str) -> bool {
    ["quit", "exit"].iter().any(|word| text.trim_end_matches(';').trim_end().eq_ignore_ascii_case(word))
}

impl Validator for EditorHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let ends = is_whole(context.input()) || last_command(context.input()).is_some();
        Ok(if ends { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Highlighter for EditorHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.colored {
            return Cow::Borrowed(line);
        }
        if line.starts_with(['\\', '.']) {
            return Cow::Owned(format!("{BOLD}{line}{PLAIN}"));
        }
        let mut text = String::with_capacity(line.len() * 2);
        for token in lex(line) {
            match color(&token) {
                Some(color) => text.extend([color, token.text, PLAIN]),
                None => text.push_str(token.text),
            }
        }
        Cow::Owned(text)
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.colored { Cow::Owned(format!("{BOLD}{prompt}{PLAIN}")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colored { Cow::Owned(format!("{GREY}{hint}{PLAIN}")) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colored
    }
}

fn color(token: &Token<'_>) -> Option<&'static str> {
    match token.kind {
        TokenKind::Text | TokenKind::Name if !token.ended => Some(RED),
        TokenKind::Text => Some(GREEN),
        TokenKind::Number => Some(CYAN),
        TokenKind::Comment => Some(GREY),
        TokenKind::Word if is_keyword(token.text) => Some(BLUE),
        _ => None,
    }
}

/// A hint after the cursor that is not part of the line.
pub(super) struct HintText(String);

impl Hint for HintText {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for EditorHelper {
    type Hint = HintText;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<HintText> {
        if pos < line.len() || line.is_empty() {
            return None;
        }
        if line.starts_with('\\') {
            return commands::usage(line).map(HintText);
        }
        if line.ends_with('\n') && !is_whole(line) {
            return Some(HintText(OPEN.to_owned()));
        }
        mistake(line).map(HintText)
    }
}

/// Returns the error of statements that look complete.
fn mistake(line: &str) -> Option<String> {
    if !line.trim_end().ends_with(';') || is_command(line.trim()) || !is_whole(line) {
        return None;
    }
    let script = split::split(line).ok()?;
    let wrong = script.statements.iter().find_map(|statement| DFParser::parse_sql(statement.text).err())?;
    let text = without_place(&one_line(&Error::from(wrong).to_string()));
    Some(format!("   -- {}", text.chars().take(HINT_LEN).collect::<String>()))
}

impl Completer for EditorHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete::complete(&self.names, line, pos))
    }
}

impl Helper for EditorHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_whole_needs_semicolon_outside_quotes() {
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
    fn last_line_of_open_statement_may_be_a_command() {
        let cases = [
            ("select\n\\d t", Some(("select\n", "\\d t"))),
            ("select\n1\n  \\r", Some(("select\n1\n", "\\r"))),
            ("select '\n\\d", None),
            ("select\n1", None),
            ("\\d t", None),
            ("\n\\d t", None),
        ];
        for (input, expected) in cases {
            assert_eq!(last_command(input), expected, "{input}");
        }
    }

    #[test]
    fn complete_wrong_statement_shows_hint() {
        for (line, expected) in [
            ("selec 1", None),
            ("select 1;", None),
            ("select 'x", None),
            ("quit;", None),
            ("selec 1;", Some("   -- expected a statement, found `selec`")),
            ("select 1; select 1 +;", Some("   -- expected")),
        ] {
            let found = mistake(line);
            match expected {
                Some(start) => assert!(found.as_ref().is_some_and(|text| text.starts_with(start)), "{line}: {found:?}"),
                None => assert_eq!(found, None, "{line}"),
            }
        }
    }
}
