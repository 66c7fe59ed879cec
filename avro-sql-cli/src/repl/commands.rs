//! Backslash commands: parses a line into a command, and answers commands of other prompts.

use std::fmt::Write;

/// A command of the prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) argument: Argument,
    /// Its description.
    what: &'static str,
}

/// The argument of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    None,
    /// A table, or nothing.
    Table,
    /// Part of a name, or nothing.
    Word,
    File,
    FileOrNone,
    Format,
    /// `on`, `off`, or nothing to switch.
    Switch,
}

const COMMANDS: [Command; 11] = [
    Command { name: "d", argument: Argument::Table, what: "list the columns of a table or 'PATH'; alone, list tables" },
    Command { name: "dt", argument: Argument::None, what: "list tables and views" },
    Command { name: "df", argument: Argument::Word, what: "list functions, or those whose names contain WORD" },
    Command {
        name: "format",
        argument: Argument::Format,
        what: "set the output format: table, csv, tsv, json, ndjson, markdown, ...",
    },
    Command { name: "x", argument: Argument::Switch, what: "switch expanded display: one line for each value" },
    Command { name: "timing", argument: Argument::Switch, what: "switch printing the time of each statement" },
    Command { name: "pager", argument: Argument::Switch, what: "switch paging of results longer than the screen" },
    Command { name: "o", argument: Argument::FileOrNone, what: "write results to FILE; alone, finish the file" },
    Command { name: "i", argument: Argument::File, what: "run the statements and commands in FILE" },
    Command { name: "?", argument: Argument::None, what: "show this help" },
    Command { name: "q", argument: Argument::None, what: "quit, as Ctrl-D" },
];

/// Other names of commands, from other prompts.
const ALIASES: [(&str, &str); 8] = [
    ("quit", "q"),
    ("exit", "q"),
    ("h", "?"),
    ("help", "?"),
    ("dv", "dt"),
    ("d+", "d"),
    ("dt+", "dt"),
    ("include", "i"),
];

/// Commands of other prompts, and their replacement here.
const OTHER_PROMPTS: [(&str, &str); 20] = [
    (".help", "\\?"),
    (".tables", "\\dt"),
    (".table", "\\dt"),
    (".schema", "\\d TABLE"),
    (".columns", "\\d TABLE"),
    (".indexes", "\\d TABLE"),
    (".mode", "\\format FORMAT, and \\x for .mode line"),
    (".headers", "\\format FORMAT"),
    (".timer", "\\timing"),
    (".output", "\\o FILE"),
    (".once", "\\o FILE, and \\o to finish it"),
    (".read", "\\i FILE"),
    (".quit", "\\q"),
    (".exit", "\\q"),
    (".open", "FROM 'PATH': every file is a table"),
    (".import", "FROM 'PATH': every file is a table"),
    (".databases", "\\dt"),
    (".functions", "\\df"),
    ("\\l", "\\dt: there is one database"),
    ("\\c", "FROM 'PATH': no connection is needed"),
];

/// Returns all commands in the order of the help.
pub(super) fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter()
}

/// Returns the command with this name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    COMMANDS.iter().find(|command| command.name == name)
}

/// Parses a line into a command and its argument. The error names the right form.
pub(super) fn parse(line: &str) -> Result<(&'static Command, &str), String> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    if let Some((_, here)) = OTHER_PROMPTS.iter().find(|(there, _)| *there == word) {
        return Err(format!("`{word}` is {here} here; \\? lists all commands"));
    }
    let found = word.strip_prefix('\\').and_then(find);
    let Some(command) = found else { return Err(format!("there is no command `{word}`; \\? lists them")) };
    match (command.argument, argument) {
        (Argument::None, argument) if !argument.is_empty() => Err(format!("\\{} takes no argument", command.name)),
        (Argument::File, "") => Err(format!("\\{} needs a file name", command.name)),
        (Argument::Switch, argument) if !["", "on", "off"].contains(&argument) => {
            Err(format!("\\{} takes on, off or no argument", command.name))
        }
        _ => Ok((command, argument)),
    }
}

/// Returns a hint for the rest of the line, if there is one.
pub(super) fn usage(line: &str) -> Option<String> {
    let name = line.strip_prefix('\\')?;
    let command = find(name)?;
    let argument = command.argument.text();
    Some(if argument.is_empty() { format!("   {}", command.what) } else { format!(" {argument}   {}", command.what) })
}

impl Argument {
    /// Returns the argument as help shows it.
    fn text(self) -> &'static str {
        match self {
            Argument::None => "",
            Argument::Table => "[TABLE]",
            Argument::Word => "[WORD]",
            Argument::File => "FILE",
            Argument::FileOrNone => "[FILE]",
            Argument::Format => "[FORMAT]",
            Argument::Switch => "[on|off]",
        }
    }
}

/// Returns the help of the prompt.
pub(super) fn help() -> String {
    let mut text = String::from(
        "Statements end with `;` and may span several lines. 'FILE', 'DIRECTORY/', 'GLOB' or a URL in quotes is a table.\n",
    );
    for command in &COMMANDS {
        let usage = format!("\\{} {}", command.name, command.argument.text());
        let _ = writeln!(text, "  {usage:<17} {}", command.what); // writing to a String cannot fail
    }
    text.push_str("Tab completes words, names and paths. Ctrl-C cancels the running statement or the current line.");
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_parse() {
        let cases = [
            ("\\q", Ok(("q", ""))),
            ("\\quit;", Ok(("q", ""))),
            ("\\d  a.b ;", Ok(("d", "a.b"))),
            ("\\x on", Ok(("x", "on"))),
            ("\\x maybe", Err("\\x takes on, off or no argument")),
            ("\\q now", Err("\\q takes no argument")),
            ("\\i", Err("\\i needs a file name")),
            ("\\nonsense", Err("there is no command `\\nonsense`; \\? lists them")),
            (".tables", Err("`.tables` is \\dt here")),
            (".mode csv", Err("`.mode` is \\format FORMAT")),
            (".nonsense", Err("there is no command `.nonsense`")),
            ("\\", Err("there is no command `\\`")),
        ];
        for (line, expected) in cases {
            match (parse(line), expected) {
                (Ok((command, argument)), Ok(expected)) => assert_eq!((command.name, argument), expected, "{line}"),
                (Err(text), Err(expected)) => assert!(text.starts_with(expected), "{text}"),
                (found, _) => assert!(found.is_err(), "{line}: {found:?}"),
            }
        }
    }

    #[test]
    fn every_command_is_in_the_help() {
        let help = help();
        for command in all() {
            assert!(help.contains(&format!("\n  \\{} ", command.name)), "{}", command.name);
            assert_eq!(find(command.name), Some(command));
        }
        for (alias, name) in ALIASES {
            assert_eq!(find(alias).unwrap().name, name);
        }
    }
}
