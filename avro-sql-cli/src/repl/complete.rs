//! Completion: the candidates for the word at the cursor.

use std::collections::BTreeSet;
use std::fs;

use rustyline::completion::Pair;

use super::commands::{self, Argument};
use super::lex::{Token, TokenKind, lex};
use super::names::{Names, TableName};
use super::settings::{self, SettingKind};
use super::words::{is_keyword, keywords};
use crate::output::Format;

/// Keywords that a table follows.
const BEFORE_TABLES: [&str; 7] = ["from", "join", "into", "table", "update", "describe", "view"];

/// Returns the start of the completed word, and its candidates.
pub(super) fn complete(names: &Names, line: &str, pos: usize) -> (usize, Vec<Pair>) {
    let before = line.get(..pos).unwrap_or(line);
    if let Some(command) = before.trim_start().strip_prefix('\\') {
        return command_line(names, before, command);
    }
    let tokens = lex(before);
    let open_word = tokens.last().filter(|t| t.kind == TokenKind::Word || (t.kind == TokenKind::Name && !t.ended));
    let start = open_word.map_or(pos, |token| token.start);
    if let Some(token) = tokens.last().filter(|t| t.kind == TokenKind::Text && !t.ended) {
        let content = token.unquoted();
        let closing = if line.get(pos..).is_some_and(|rest| rest.starts_with('\'')) { "" } else { "'" };
        let (from, paths) = paths(content, Some(closing));
        return (pos - content.len() + from, paths);
    }
    if tokens.last().is_some_and(|t| t.kind == TokenKind::Comment || t.kind == TokenKind::Number) {
        return (pos, Vec::new());
    }
    let typed = open_word.map_or("", |token| token.unquoted());
    let in_quotes = open_word.is_some_and(|token| token.kind == TokenKind::Name);
    let earlier: Vec<_> = tokens
        .iter()
        .filter(|t| t.start < start && !matches!(t.kind, TokenKind::Space | TokenKind::Comment))
        .copied()
        .collect();
    let mut found = Candidates { typed, in_quotes, pairs: Vec::new() };
    let mut tables = tables_of(&lex(line));
    if tables.is_empty() {
        tables = names.likely_tables().into_iter().map(|table| (table, String::new())).collect();
    }
    match earlier.as_slice() {
        [.., _, dot] if dot.text == "." => {
            let path = path_before(&earlier);
            let (first, rest) = path.split_first().unwrap_or((&"", &[]));
            let named = |(_, alias): &&(TableName, String)| alias.eq_ignore_ascii_case(first);
            let columns = tables.iter().filter(named).flat_map(|(table, _)| names.fields_at(table, rest));
            let fields = tables.iter().flat_map(|(table, _)| names.fields_at(table, &path));
            found.names(columns.chain(fields).collect());
        }
        [.., word] if BEFORE_TABLES.iter().any(|keyword| word.is(keyword)) => {
            found.names(names.tables());
            found.functions(names.table_functions());
        }
        _ => {
            found.names(tables.iter().flat_map(|(table, _)| names.columns(table)).collect());
            found.names(tables.iter().map(|(_, alias)| alias.clone()).filter(|alias| !alias.is_empty()).collect());
            // Listing everything for an empty word helps nobody.
            if !typed.is_empty() && !in_quotes {
                found.functions(names.functions());
                found.keywords();
                found.names(names.tables());
            }
        }
    }
    found.pairs.dedup_by(|a, b| a.replacement == b.replacement);
    (start, found.pairs)
}

/// Returns the names before the last dot: `p` and `address` of `select p.address.`.
fn path_before<'a>(tokens: &'a [Token<'_>]) -> Vec<&'a str> {
    let mut path = Vec::new();
    let mut rest = tokens.iter().rev();
    while rest.next().is_some_and(|token| token.text == ".") {
        match rest.next() {
            Some(token) if matches!(token.kind, TokenKind::Word | TokenKind::Name) => path.push(token.unquoted()),
            _ => break,
        }
    }
    path.reverse();
    path
}

/// The typed part of a word, and its candidates.
struct Candidates<'a> {
    typed: &'a str,
    /// Whether a double quote precedes it.
    in_quotes: bool,
    pairs: Vec<Pair>,
}

impl Candidates<'_> {
    /// Whether the name starts with the typed text. Between quotes, case matters.
    fn fits(&self, name: &str) -> bool {
        let same = |(a, b): (char, char)| a == b || (!self.in_quotes && a.to_lowercase().eq(b.to_lowercase()));
        name.chars().count() >= self.typed.chars().count() && name.chars().zip(self.typed.chars()).all(same)
    }

    fn add(&mut self, display: &str, replacement: String) {
        if !self.pairs.iter().any(|pair| pair.replacement == replacement) {
            self.pairs.push(Pair { display: display.to_owned(), replacement });
        }
    }

    /// Adds tables or columns, quoted if SQL needs it.
    fn names(&mut self, names: BTreeSet<String>) {
        for name in names.into_iter().filter(|name| self.fits(name)).collect::<Vec<_>>() {
            let replacement = match self.in_quotes || needs_quotes(&name) {
                true => format!("\"{}\"", name.replace('"', "\"\"")),
                false => name.clone(),
            };
            self.add(&name, replacement);
        }
    }

    fn functions(&mut self, names: BTreeSet<String>) {
        for name in names.into_iter().filter(|name| self.fits(name)).collect::<Vec<_>>() {
            self.add(&format!("{name}()"), format!("{name}("));
        }
    }

    /// Adds keywords, in the case that is being typed.
    fn keywords(&mut self) {
        let lower = !self.typed.contains(|c: char| c.is_uppercase());
        for keyword in keywords().filter(|keyword| self.fits(keyword)).collect::<Vec<_>>() {
            let keyword = if lower { keyword.to_ascii_lowercase() } else { keyword.to_owned() };
            self.add(&keyword.clone(), keyword);
        }
    }
}

/// Whether the name needs quotes in SQL. A dot separates schema and table.
fn needs_quotes(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    !name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') || !name.chars().all(plain) || is_keyword(name)
}

/// Returns the tables that a statement names, each with the qualifier of its columns.
pub(super) fn tables_of(tokens: &[Token<'_>]) -> Vec<(TableName, String)> {
    let mut rest =
        tokens.iter().filter(|t| !matches!(t.kind, TokenKind::Space | TokenKind::Comment)).copied().peekable();
    let mut tables = Vec::new();
    let mut in_list = false; // after FROM, where a comma precedes another table
    while let Some(token) = rest.next() {
        let starts_table = ["from", "join", "into", "update", "describe"].iter().any(|keyword| token.is(keyword));
        let another = in_list && token.text == ",";
        if !starts_table && !another {
            in_list &= token.kind != TokenKind::Word || !is_keyword(token.text);
            continue;
        }
        in_list = true;
        let Some(mut last) = rest.next_if(|t| matches!(t.kind, TokenKind::Word | TokenKind::Name | TokenKind::Text))
        else {
            continue;
        };
        let mut name = last.text.to_owned();
        while rest.next_if(|t| t.text == ".").is_some() {
            let Some(part) = rest.next_if(|t| matches!(t.kind, TokenKind::Word | TokenKind::Name)) else { break };
            name = format!("{name}.{}", part.text);
            last = part;
        }
        if rest.next_if(|t| t.text == "(").is_some() {
            // A table function: its argument may be the path of a table.
            if let Some(path) = rest.next_if(|t| t.kind == TokenKind::Text && t.ended) {
                tables.push((TableName::Quoted(path.unquoted().replace("''", "'")), String::new()));
            }
            let mut depth = 1usize;
            while depth > 0
                && let Some(token) = rest.next()
            {
                match token.text {
                    "(" => depth += 1,
                    ")" => depth -= 1,
                    _ => {}
                }
            }
            continue;
        }
        let table = match last.kind {
            TokenKind::Text => TableName::Quoted(last.unquoted().replace("''", "'")),
            _ => TableName::Named(name),
        };
        let _ = rest.next_if(|t| t.is("as"));
        let alias = rest.next_if(|t| t.kind == TokenKind::Name || (t.kind == TokenKind::Word && !is_keyword(t.text)));
        let alias = match (alias, &table) {
            (Some(alias), _) => alias.unquoted().to_owned(),
            (None, TableName::Named(_)) => last.unquoted().to_owned(),
            (None, TableName::Quoted(_)) => String::new(),
        };
        tables.push((table, alias));
    }
    tables
}

/// Returns files and directories: the byte of `typed` where the last name starts, and its candidates. Between quotes a
/// candidate may end with a closing one.
fn paths(typed: &str, quotes: Option<&str>) -> (usize, Vec<Pair>) {
    if typed.contains("://") {
        return (typed.len(), Vec::new()); // remote files are not listed while a person waits
    }
    let from = typed.rfind(std::path::is_separator).map_or(0, |at| at + 1);
    let (directory, name) = typed.split_at_checked(from).unwrap_or(("", typed));
    let Ok(entries) = fs::read_dir(if directory.is_empty() { "." } else { directory }) else {
        return (from, Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(file) = entry.file_name().into_string() else { continue };
        if !file.starts_with(name) || (file.starts_with('.') && !name.starts_with('.')) {
            continue;
        }
        let (end, mark) = if entry.path().is_dir() { ("/", "/") } else { (quotes.unwrap_or(""), "") };
        let replacement = if quotes.is_some() { file.replace('\'', "''") } else { file.clone() };
        found.push(Pair { display: format!("{file}{mark}"), replacement: replacement + end });
    }
    found.sort_by(|a, b| a.display.cmp(&b.display));
    (from, found)
}

/// Completes a backslash command.
fn command_line(names: &Names, before: &str, command: &str) -> (usize, Vec<Pair>) {
    let pair = |text: &str| Pair { display: text.to_owned(), replacement: text.to_owned() };
    let Some((name, argument)) = command.split_once(char::is_whitespace) else {
        let all = commands::all().filter(|c| c.name.starts_with(command)).map(|c| pair(c.name));
        return (before.len() - command.len(), all.collect());
    };
    let argument = argument.trim_start();
    let start = before.len() - argument.len();
    match commands::find(&format!("\\{name}")).map(|(command, _)| command.argument) {
        Some(Argument::Table) if argument.starts_with('\'') => {
            let typed = argument.get(1..).unwrap_or_default();
            let (from, paths) = paths(typed, Some("'"));
            (start + 1 + from, paths)
        }
        Some(Argument::Table) => {
            let mut found = Candidates { typed: argument, in_quotes: false, pairs: Vec::new() };
            found.names(names.tables());
            (start, found.pairs)
        }
        Some(Argument::File | Argument::FileOrNone | Argument::Directory) => {
            let (from, paths) = paths(argument, None);
            (start + from, paths)
        }
        Some(Argument::Format) => {
            let fitting = Format::NAMES.iter().filter(|(name, _)| name.starts_with(argument));
            (start, fitting.map(|(name, _)| pair(name)).collect())
        }
        Some(Argument::Switch) => {
            (start, ["off", "on"].into_iter().filter(|word| word.starts_with(argument)).map(pair).collect())
        }
        Some(Argument::Setting) => setting(argument, start),
        _ => (start, Vec::new()),
    }
}

/// Completes the name of a setting, or its value.
fn setting(argument: &str, start: usize) -> (usize, Vec<Pair>) {
    let fitting = |words: Vec<&str>, typed: &str| {
        let fits = words.into_iter().filter(|word| word.starts_with(typed));
        fits.map(|word| Pair { display: word.to_owned(), replacement: word.to_owned() }).collect()
    };
    let Some((name, value)) = argument.split_once(' ') else { return (start, fitting(settings::names(), argument)) };
    let kind = settings::parse(name).ok().map(|(setting, _)| setting.kind);
    let values = match kind {
        Some(SettingKind::Limit) => vec!["all", "default"],
        Some(SettingKind::Switch) => vec!["on", "off", "default"],
        Some(SettingKind::Format) => Format::NAMES.iter().map(|(name, _)| *name).collect(),
        _ => Vec::new(),
    };
    (start + name.len() + 1, fitting(values, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_finds_tables_and_aliases() {
        let cases: [(&str, &[(&str, &str)]); 10] = [
            ("select 1", &[]),
            ("select x from read_avro(", &[]),
            ("select x from read_avro('d/', true) where", &[("'d/'", "")]),
            ("select x from t", &[("t", "t")]),
            ("select x from t where a, b", &[("t", "t")]),
            ("select * from a, s.b as c join 'd/*.avro' e on 1", &[("a", "a"), ("s.b", "c"), ("'d/*.avro'", "e")]),
            ("select * from 'it''s.avro'", &[("'it's.avro'", "")]),
            ("select * from \"T\" -- x\n u", &[("\"T\"", "u")]),
            ("select (select 1 from x) from z", &[("x", "x"), ("z", "z")]),
            ("select from", &[]),
        ];
        for (sql, expected) in cases {
            let tables = tables_of(&lex(sql));
            let text = |table: &TableName| match table {
                TableName::Named(name) => name.clone(),
                TableName::Quoted(path) => format!("'{path}'"),
            };
            let found: Vec<_> = tables.iter().map(|(table, alias)| (text(table), alias.clone())).collect();
            let found: Vec<_> = found.iter().map(|(table, alias)| (table.as_str(), alias.as_str())).collect();
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[test]
    fn path_before_ends_at_the_last_dot() {
        for (sql, expected) in [
            ("select a.", vec!["a"]),
            ("select 1, p.\"Ad\".x.", vec!["p", "Ad", "x"]),
            ("select f(1).", vec![]),
            ("select .", vec![]),
        ] {
            let tokens: Vec<_> = lex(sql).into_iter().filter(|token| token.kind != TokenKind::Space).collect();
            let found = path_before(&tokens);
            let found: Vec<_> = found.into_iter().filter(|name| *name != "select").collect();
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[test]
    fn needs_quotes_detects_names() {
        for (name, expected) in
            [("a_1", false), ("A", true), ("1a", true), ("a b", true), ("select", true), ("s.t", false)]
        {
            assert_eq!(needs_quotes(name), expected, "{name}");
        }
    }
}
