//! Wrong usage: what was written and clap's error in, one line that says what would be right out.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::one_line;

/// What is wrong with these arguments of the command, on one line, without clap's usage section.
pub(super) fn usage_error(e: &clap::Error, arguments: &[OsString], command: &Command) -> String {
    // Options that stand in front may have values, which could be names of commands.
    let first = arguments.get(1).and_then(|word| word.to_str());
    let tool = first.and_then(|word| command.find_subcommand(word)).map(Command::get_name);
    let what = unknown(e, tool).unwrap_or_else(|| {
        let text = e.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // Nobody who mistypes an option means a file of that name.
        let ends = ["\nUsage:", "\nFor more information", "\n  tip: to pass '"];
        let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
        one_line(text.get(..end).unwrap_or(text))
    });
    match tool {
        Some(tool) => format!("{what} (see avro-sql {tool} --help)"),
        None => format!("{what} (see avro-sql --help)"),
    }
}

/// What stands where an option or a command should, if it tells what was meant.
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
                    "{word} is {what}, not a command; -c \"SELECT * FROM '{word}'\" or avro-sql head {word} shows what is in it"
                ));
            }
            let is_sql = word.contains(char::is_whitespace);
            is_sql.then(|| format!("`{}` is no command; SQL stands behind -c, in quotes", one_line(word)))
        }
        // As `head -3` of Unix.
        ErrorKind::UnknownArgument if matches!(tool, Some("head" | "cat")) => {
            let word = text(ContextKind::InvalidArg)?;
            let number = word.strip_prefix('-').filter(|n| n.parse::<u64>().is_ok())?;
            Some(format!("the number of rows is -n {number}"))
        }
        _ => None,
    }
}
