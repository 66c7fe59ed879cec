//! Backslash commands: a line in, what it asks for out; and the answers for those who know other prompts.

use std::fmt::Write;

/// A command of the prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) argument: Argument,
    /// What it does.
    what: &'static str,
}

/// What stands behind a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    None,
    /// A table or nothing.
    Table,
    /// Part of a name or nothing.
    Word,
    File,
    FileOrNone,
    Format,
    /// `on`, `off`, or nothing for the other of the two.
    Switch,
}

const COMMANDS: [Command; 11] = [
    Command {
        name: "d",
        argument: Argument::Table,
        what: "the columns of a table or of a 'PATH'; without either, the tables",
    },
    Command { name: "dt", argument: Argument::None, what: "the tables and views" },
    Command { name: "df", argument: Argument::Word, what: "the functions, or those with WORD in their names" },
    Command {
        name: "format",
        argument: Argument::Format,
        what: "how rows are written: table, csv, tsv, json, ndjson, markdown, ...",
    },
    Command { name: "x", argument: Argument::Switch, what: "show each row as lines, one for each value, or stop" },
    Command { name: "timing", argument: Argument::Switch, what: "say how long each statement takes, or stop" },
    Command {
        name: "pager",
        argument: Argument::Switch,
        what: "page answers that are longer than the screen, or stop",
    },
    Command {
        name: "o",
        argument: Argument::FileOrNone,
        what: "write answers to this file; without one, finish it and show answers again",
    },
    Command { name: "i", argument: Argument::File, what: "run the statements and commands in this file" },
    Command { name: "?", argument: Argument::None, what: "this help" },
    Command { name: "q", argument: Argument::None, what: "leave, as Ctrl-D" },
];

/// Other names of commands, as other prompts have them.
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

/// What people type who know another prompt, and what it is here.
const ELSEWHERE: [(&str, &str); 20] = [
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
    ("\\c", "FROM 'PATH': there is nothing to connect to"),
];

/// All commands, in the order in which help lists them.
pub(super) fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter()
}

/// The command of this name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    COMMANDS.iter().find(|command| command.name == name)
}

/// A line taken apart: the command and its argument. The error says what would be right.
pub(super) fn parse(line: &str) -> Result<(&'static Command, &str), String> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    if let Some((_, here)) = ELSEWHERE.iter().find(|(there, _)| *there == word) {
        return Err(format!("`{word}` is {here} here; \\? lists all commands"));
    }
    let found = word.strip_prefix('\\').and_then(find);
    let Some(command) = found else { return Err(format!("there is no command `{word}`; \\? lists them")) };
    match (command.argument, argument) {
        (Argument::None, argument) if !argument.is_empty() => Err(format!("\\{} stands alone", command.name)),
        (Argument::File, "") => Err(format!("\\{} needs the name of a file", command.name)),
        (Argument::Switch, argument) if !["", "on", "off"].contains(&argument) => {
            Err(format!("\\{} is on, off, or nothing behind it, for the other of the two", command.name))
        }
        _ => Ok((command, argument)),
    }
}

/// What is being typed goes on like this; `None` where there is nothing to say.
pub(super) fn usage(line: &str) -> Option<String> {
    let name = line.strip_prefix('\\')?;
    let command = find(name)?;
    let argument = command.argument.text();
    Some(if argument.is_empty() { format!("   {}", command.what) } else { format!(" {argument}   {}", command.what) })
}

impl Argument {
    /// What stands behind the command, as help shows it.
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

/// The help of the prompt.
pub(super) fn help() -> String {
    let mut text = String::from(
        "Statements end with `;` and may take several lines. 'FILE', 'DIRECTORY/', 'GLOB' or a URL in quotes is a table.\n",
    );
    for command in &COMMANDS {
        let usage = format!("\\{} {}", command.name, command.argument.text());
        let _ = writeln!(text, "  {usage:<17} {}", command.what); // writing to a String cannot fail
    }
    text.push_str(
        "Tab completes words, names and paths. Ctrl-C gives up a running statement or the line being written.",
    );
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let cases = [
            ("\\q", Ok(("q", ""))),
            ("\\quit;", Ok(("q", ""))),
            ("\\d  a.b ;", Ok(("d", "a.b"))),
            ("\\x on", Ok(("x", "on"))),
            ("\\x maybe", Err("\\x is on, off, or nothing behind it")),
            ("\\q now", Err("\\q stands alone")),
            ("\\i", Err("\\i needs the name of a file")),
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
