//! Wrong usage: turns clap's error into one line that names the right usage.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::words::elsewhere;
use crate::error::one_line;

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

/// Returns a specific message if the unknown word or option shows the user's intent.
fn unknown(e: &clap::Error, tool: Option<&str>) -> Option<String> {
    let text = |kind| match e.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match e.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand)?;
            if Path::new(word).exists() {
                let what = if Path::new(word).is_dir() { "a directory" } else { "a file" };
                return Some(format!(
                    "{word} is {what}, not a command; use -c \"SELECT * FROM '{word}'\" or avro-sql head {word}"
                ));
            }
            if let Some(instead) = elsewhere(word) {
                return Some(instead);
            }
            let is_sql = word.contains(char::is_whitespace);
            is_sql.then(|| format!("`{}` is not a command; pass SQL in quotes with -c", one_line(word)))
        }
        // `-q 'select 1'`: clap takes the SQL for a command.
        ErrorKind::ArgumentConflict => {
            let message = e.to_string();
            let (word, _) = message.split_once("the subcommand '")?.1.split_once('\'')?;
            let is_sql = word.contains(char::is_whitespace);
            is_sql.then(|| format!("`{}` is not a command; pass SQL in quotes with -c", one_line(word)))
        }
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
