//! Wrong usage: turns clap's error into one line that names the right usage.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::words::elsewhere;
use crate::error::nearby::{nearby, nearest};
use crate::error::{Error, Result, one_line};
use crate::files::stdin;

/// Returns the error in these arguments on one line, without clap's usage section.
pub(super) fn usage_error(e: &clap::Error, arguments: &[OsString], command: &Command) -> String {
    // Options before the command may have values that look like command names.
    let first = arguments.get(1).and_then(|word| word.to_str());
    let tool = first.and_then(|word| command.find_subcommand(word)).map(Command::get_name);
    let what = unknown(e, tool).unwrap_or_else(|| {
        let text = e.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // A mistyped option is not meant as a file name.
        let ends = ["\nUsage:", "\nFor more information", "\n  tip: to pass '"];
        let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
        one_line(text.get(..end).unwrap_or(text))
    });
    match tool {
        Some(tool) => format!("{what} (see avro-sql {tool} --help)"),
        None => format!("{what} (see avro-sql --help)"),
    }
}

/// Returns an error for words that stand where a file may stand, and name neither a file nor a command.
pub(super) fn check_files(words: &[String], command: &Command) -> Result<()> {
    let is_path = |word: &str| {
        stdin::is_stdin(word) || word.contains("://") || word.contains(['*', '?', '[', '{']) || Path::new(word).exists()
    };
    let Some(word) = words.iter().find(|word| !is_path(word)) else { return Ok(()) };
    let commands =
        command.get_subcommands().flat_map(|command| [command.get_name()].into_iter().chain(command.get_all_aliases()));
    let what = if let Some(instead) = elsewhere(word) {
        instead
    } else if word.contains(char::is_whitespace) {
        format!("`{}` is not a command; pass SQL in quotes with -c", one_line(word))
    } else if let Some(near) = nearest(word, commands) {
        format!("`{word}` is neither a command nor a file; did you mean the command `{near}`?")
    } else if let Some(near) = nearby(Path::new(word)) {
        format!("{word}: no such file; did you mean {}?", near.display())
    } else {
        format!("`{word}` is neither a command nor a file")
    };
    Err(Error::Usage(format!("{what} (see avro-sql --help)")))
}

/// Returns a specific message if the unknown word or option shows the user's intent.
fn unknown(e: &clap::Error, tool: Option<&str>) -> Option<String> {
    let text = |kind| match e.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match e.kind() {
        // `head -3`, as in Unix.
        ErrorKind::UnknownArgument if matches!(tool, Some("head" | "cat")) => {
            let word = text(ContextKind::InvalidArg)?;
            let number = word.strip_prefix('-').filter(|n| n.parse::<u64>().is_ok())?;
            Some(format!("use -n {number} for the number of rows"))
        }
        ErrorKind::UnknownArgument if tool.is_none() => {
            let word = text(ContextKind::InvalidArg)?;
            ["-e", "--execute", "--query", "--sql"]
                .contains(&word)
                .then(|| format!("{word} is -c here; pass SQL in quotes"))
        }
        _ => None,
    }
}
