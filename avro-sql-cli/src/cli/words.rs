//! The words of a command line before they are parsed: names and forms of `avro-tools`, and options before the command.

use std::ffi::OsString;

use clap::Command;

/// Commands of `avro-tools` that are forms of a command here.
const FORMS: [(&str, &str, &str); 2] =
    [("canonical", "schema", "--canonical"), ("fingerprint", "schema", "--fingerprint")];

/// Commands of `avro-tools` that are actions of `rpc` here.
const RPC: [(&str, &str); 3] = [("rpcprotocol", "protocol"), ("rpcsend", "send"), ("rpcreceive", "receive")];

/// Commands of `avro-tools` that do not exist here, by the start of their names, and what to use instead.
const ELSEWHERE: [(&str, &str); 4] = [
    ("induce", "a schema comes from Java classes there; `avro-sql schema FILE` prints the schema of a file"),
    ("compile", "it generates Java code, which avro-sql does not; use avro-tools or the generator of your language"),
    ("tether", "it runs MapReduce jobs; use avro-sql -c with SQL"),
    ("trevni", "Trevni files are not read here; for columns use Parquet: avro-sql convert x.avro x.parquet"),
];

/// Returns what to use instead of a command of `avro-tools` that does not exist here.
pub(super) fn elsewhere(word: &str) -> Option<String> {
    let is_path = word.contains(['.', '/']);
    let (_, instead) = ELSEWHERE.iter().find(|(start, _)| word.starts_with(start) && !is_path)?;
    Some(format!("`{word}` is a command of avro-tools only: {instead}"))
}

/// Returns the words with options before the command moved after it, and forms of `avro-tools` replaced by those here.
pub(super) fn rewritten(words: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let Some(at) = command_at(&words, command) else { return words };
    let mut words = words;
    let before = words.drain(1..at).collect::<Vec<_>>();
    let name = words.get(1).and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    match FORMS.iter().find(|(form, ..)| *form == name) {
        Some((_, here, option)) => {
            let is_given = words.iter().any(|word| word.to_str().is_some_and(|word| word.starts_with(option)));
            let option = if *option == "--fingerprint" { "--fingerprint=rabin" } else { *option };
            let form = (!is_given).then(|| OsString::from(option));
            words.splice(1..2, [OsString::from(here)].into_iter().chain(form).chain(before));
        }
        None => match RPC.iter().find(|(form, _)| *form == name) {
            Some((_, action)) => {
                words.splice(1..2, ["rpc", *action].map(OsString::from).into_iter().chain(before));
            }
            None => {
                words.splice(2..2, before);
            }
        },
    }
    if name.starts_with("rpc") {
        two_hyphens(&mut words);
    }
    if name == "tojson" {
        join_head(&mut words);
    }
    words
}

/// Returns the place of the command: the first word that is neither an option nor the value of one.
fn command_at(words: &[OsString], command: &Command) -> Option<usize> {
    let takes_value = |word: &str| {
        if word.contains('=') {
            return false;
        }
        let commands = std::iter::once(command).chain(command.get_subcommands());
        let mut options = commands.flat_map(Command::get_arguments);
        let is_it = |option: &&clap::Arg| match word.strip_prefix("--") {
            Some(long) => {
                option.get_long() == Some(long) || option.get_all_aliases().is_some_and(|all| all.contains(&long))
            }
            None => option.get_short().is_some_and(|short| word == format!("-{short}")),
        };
        options.find(is_it).is_some_and(|option| option.get_action().takes_values())
    };
    let mut at = 1;
    while let Some(word) = words.get(at)?.to_str() {
        match word.starts_with('-') {
            // SQL and files stand in place of a command.
            true if ["-c", "--command", "-f", "--file", "--"].contains(&word) => return None,
            true => at += 1 + usize::from(takes_value(word)),
            false => {
                let is_form = FORMS.iter().any(|(form, ..)| *form == word);
                return (is_form || command.find_subcommand(word).is_some()).then_some(at);
            }
        }
    }
    None
}

/// Replaces `-data` and `-file`, as `avro-tools` takes them, by the options here.
fn two_hyphens(words: &mut [OsString]) {
    for word in words.iter_mut() {
        if word == "-data" || word == "-file" {
            let option = OsString::from(format!("-{}", word.to_string_lossy()));
            *word = option;
        }
    }
}

/// Joins `--head 2`, as `avro-tools` takes it, to `--head=2`.
fn join_head(words: &mut Vec<OsString>) {
    let is_number =
        |word: Option<&OsString>| word.and_then(|word| word.to_str()).is_some_and(|n| n.parse::<u64>().is_ok());
    if let Some(at) = words.iter().position(|word| word == "--head").filter(|at| is_number(words.get(at + 1))) {
        let number = words.remove(at + 1);
        if let Some(head) = words.get_mut(at) {
            head.push("=");
            head.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::CommandLine;
    use avro_testing::check_all;

    #[test]
    fn words_become_those_of_a_command_here() {
        let cases = [
            ("", ""),
            ("count x", "count x"),
            ("--lenient count x", "count --lenient x"),
            ("--threads 2 -q count x", "count --threads 2 -q x"),
            ("--format json cat x", "cat --format json x"),
            ("--threads count x", "--threads count x"),
            ("-c count", "-c count"),
            ("canonical x.avsc", "schema --canonical x.avsc"),
            ("-q canonical x.avsc", "schema --canonical -q x.avsc"),
            ("fingerprint x.avsc", "schema --fingerprint=rabin x.avsc"),
            ("fingerprint --fingerprint md5 x.avsc", "schema --fingerprint md5 x.avsc"),
            ("tojson --head 2 x.avro", "tojson --head=2 x.avro"),
            ("tojson --head x.avro", "tojson --head x.avro"),
            ("head --head 2", "head --head 2"),
            ("rpcsend http://h/ p.avpr m -data {}", "rpc send http://h/ p.avpr m --data {}"),
            ("-q rpcreceive u p m -file f", "rpc receive -q u p m --file f"),
            ("rpc protocol u", "rpc protocol u"),
            ("nonsense", "nonsense"),
        ];
        let split = |text: &str| text.split_whitespace().map(OsString::from).collect::<Vec<_>>();
        check_all(cases, |(typed, expected)| {
            let typed = split(&format!("avro-sql {typed}"));
            assert_eq!(rewritten(typed, &CommandLine::command()), split(&format!("avro-sql {expected}")));
        });
    }
}
