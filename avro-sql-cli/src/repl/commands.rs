//! Backslash commands: parses a line into a command. Words of other prompts are other names of these commands.

use std::fmt::Write;

use super::settings;

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
    /// A directory, or nothing.
    Directory,
    Format,
    /// `on`, `off`, or nothing to switch.
    Switch,
    /// The name and value of a setting, or nothing.
    Setting,
    /// A number of seconds, or nothing.
    Seconds,
    /// A command of the shell, or nothing.
    Shell,
    /// A topic of the help, or nothing.
    Topic,
}

const COMMANDS: [Command; 20] = [
    Command { name: "d", argument: Argument::Table, what: "list the columns of a table or 'PATH'; alone, list tables" },
    Command { name: "dt", argument: Argument::None, what: "list tables and views" },
    Command { name: "df", argument: Argument::Word, what: "list functions, or those whose names contain WORD" },
    Command {
        name: "format",
        argument: Argument::Format,
        what: "set the output format: table, line, csv, tsv, json, ndjson, markdown, html, ...",
    },
    Command { name: "x", argument: Argument::Switch, what: "switch expanded display: one line for each value" },
    Command {
        name: "set",
        argument: Argument::Setting,
        what: "change a setting and keep it; alone, list the settings",
    },
    Command { name: "timing", argument: Argument::Switch, what: "switch printing the time of each statement" },
    Command { name: "pager", argument: Argument::Switch, what: "switch paging of results longer than the screen" },
    Command { name: "o", argument: Argument::FileOrNone, what: "write results to FILE; alone, finish the file" },
    Command { name: "once", argument: Argument::File, what: "write the result of the next statement to FILE" },
    Command { name: "i", argument: Argument::File, what: "run the statements and commands in FILE" },
    Command { name: "e", argument: Argument::None, what: "edit the open or last statement in $EDITOR, then run it" },
    Command { name: "g", argument: Argument::None, what: "run the open or last statement, as `;`" },
    Command { name: "r", argument: Argument::None, what: "discard the open statement, as Ctrl-C" },
    Command { name: "watch", argument: Argument::Seconds, what: "repeat the last statement every 2 or N seconds" },
    Command { name: "workers", argument: Argument::None, what: "list the workers that run queries" },
    Command { name: "cd", argument: Argument::Directory, what: "change the directory of relative paths" },
    Command { name: "!", argument: Argument::Shell, what: "run a command of the shell; alone, start a shell" },
    Command { name: "?", argument: Argument::Topic, what: "show this help, or that of sql, types, options, s3, ..." },
    Command { name: "q", argument: Argument::None, what: "quit, as Ctrl-D" },
];

/// Other names of commands, from other prompts, with the first words of their arguments.
const ALIASES: [(&str, &str); 42] = [
    ("\\quit", "q"),
    ("\\exit", "q"),
    ("\\h", "?"),
    ("\\help", "?"),
    ("\\dv", "dt"),
    ("\\d+", "d"),
    ("\\dt+", "dt"),
    ("\\include", "i"),
    ("\\pset", "set"),
    ("\\maxrows", "set max_rows"),
    ("\\maxwidth", "set max_width"),
    ("\\null", "set null"),
    ("\\edit", "e"),
    ("\\go", "g"),
    ("\\reset", "r"),
    ("\\shell", "!"),
    (".help", "?"),
    (".tables", "dt"),
    (".table", "dt"),
    (".databases", "dt"),
    (".schema", "d"),
    (".columns", "d"),
    (".functions", "df"),
    (".mode", "format"),
    (".show", "set"),
    (".maxrows", "set max_rows"),
    (".maxwidth", "set max_width"),
    (".nullvalue", "set null"),
    (".timer", "timing"),
    (".pager", "pager"),
    (".output", "o"),
    (".once", "once"),
    (".read", "i"),
    (".edit", "e"),
    (".shell", "!"),
    (".system", "!"),
    (".sh", "!"),
    (".cd", "cd"),
    (".watch", "watch"),
    (".quit", "q"),
    (".exit", "q"),
    (".q", "q"),
];

/// Commands of other prompts that have none here, and what to use instead.
const OTHER_PROMPTS: [(&str, &str); 9] = [
    (".indexes", "`avro_index` and `avro-sql index`: an index belongs to a file"),
    (".headers", "always on: tables and CSV have the names of their columns"),
    (".header", "always on: tables and CSV have the names of their columns"),
    (".width", "\\set max_width N: columns are as wide as their values need"),
    (".open", "FROM 'PATH': every file is a table"),
    (".import", "FROM 'PATH': every file is a table"),
    ("\\copy", "COPY .. TO 'PATH': statements read and write the files of this machine"),
    ("\\l", "\\dt: there is one database"),
    ("\\c", "FROM 'PATH': no connection is needed"),
];

/// Returns all commands in the order of the help.
pub(super) fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter()
}

/// Returns the command of a word with its prefix, and the first words of its argument.
pub(super) fn find(word: &str) -> Option<(&'static Command, &'static str)> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == word).map(|(_, words)| *words);
    let (name, first) = match alias {
        Some(words) => words.split_once(' ').unwrap_or((words, "")),
        None => (word.strip_prefix('\\')?, ""),
    };
    COMMANDS.iter().find(|command| command.name == name).map(|command| (command, first))
}

/// Splits a line into the word of the command and its argument. `\!ls` needs no space.
fn words(line: &str) -> (&str, &str) {
    match line.strip_prefix("\\!") {
        Some(argument) => ("\\!", argument),
        None => line.split_once(char::is_whitespace).unwrap_or((line, "")),
    }
}

/// Parses a line into a command and its argument. The error names the right form.
pub(super) fn parse(line: &str) -> Result<(&'static Command, String), String> {
    let line = line.trim();
    let (word, argument) = words(line);
    // A semicolon may belong to a command of the shell.
    let is_shell = find(word).is_some_and(|(command, _)| command.argument == Argument::Shell);
    let line = if is_shell { line } else { line.trim_end_matches(';').trim_end() };
    let (word, argument) = if is_shell { (word, argument) } else { words(line) };
    let argument = argument.trim();
    if let Some((_, here)) = OTHER_PROMPTS.iter().find(|(there, _)| *there == word) {
        return Err(format!("`{word}` is {here} here; \\? lists all commands"));
    }
    let Some((command, first)) = find(word) else {
        return Err(format!("there is no command `{word}`; \\? lists them"));
    };
    let argument = format!("{first} {argument}").trim().to_owned();
    match (command.argument, argument.as_str()) {
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
    let (command, _) = find(line).filter(|_| line.starts_with('\\'))?;
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
            Argument::Directory => "[DIRECTORY]",
            Argument::Format => "[FORMAT]",
            Argument::Switch => "[on|off]",
            Argument::Setting => "[NAME VALUE]",
            Argument::Seconds => "[N]",
            Argument::Shell => "[COMMAND]",
            Argument::Topic => "[TOPIC]",
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
    let _ = writeln!(text, "Settings are {}.", settings::names().join(", "));
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
            (".tables", Ok(("dt", ""))),
            (".mode csv", Ok(("format", "csv"))),
            (".maxrows 7", Ok(("set", "max_rows 7"))),
            (".nullvalue ", Ok(("set", "null"))),
            (".headers on", Err("`.headers` is always on")),
            (".nonsense", Err("there is no command `.nonsense`")),
            ("\\!ls; ls -l;", Ok(("!", "ls; ls -l;"))),
            ("\\! ls", Ok(("!", "ls"))),
            ("\\h select", Ok(("?", "select"))),
            ("\\", Err("there is no command `\\`")),
        ];
        for (line, expected) in cases {
            match (parse(line), expected) {
                (Ok((command, argument)), Ok(expected)) => {
                    assert_eq!((command.name, argument.as_str()), expected, "{line}");
                }
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
            assert_eq!(find(&format!("\\{}", command.name)), Some((command, "")));
        }
        for (alias, words) in ALIASES {
            let name = words.split(' ').next().unwrap();
            assert_eq!(find(alias).unwrap().0.name, name);
        }
        for (word, _) in OTHER_PROMPTS {
            assert_eq!(find(word), None);
        }
    }
}
