//! The place of an error in a statement: a terminal shows its line, with a caret below the place.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::{Error, wording};

/// Columns of a line that are shown on each side of the place.
const SHOWN: usize = 60;

/// The start of the engine's text about a place.
const AT: &str = " at Line: ";

/// What the parser found after the last word.
const END: &str = "found the end of the statement";

/// Starts of messages that name something missing, and what follows the name.
const MISSING: [(&str, char); 7] = [
    ("there is no column `", '`'),
    ("there is no field `", '`'),
    ("there is no function `", '`'),
    ("there is no table function `", '`'),
    ("table '", '\''),
    ("no such file: ", ';'),
    ("no such directory: ", ';'),
];

/// A line of a statement, and a column in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line, shortened around the place.
    text: String,
    /// Characters before the place.
    indent: usize,
    /// The line and column, from 1, if the engine said where the error is.
    told: Option<(usize, usize)>,
}

impl Place {
    /// Returns the place at this line and column of a statement, from 1.
    fn new(sql: &str, line: usize, column: usize) -> Place {
        let chars: Vec<char> = sql.lines().nth(line.saturating_sub(1)).unwrap_or("").chars().collect();
        let column = column.saturating_sub(1).min(chars.len());
        let start = column.saturating_sub(SHOWN);
        let shown = chars.iter().skip(start).take(2 * SHOWN);
        let text = shown.map(|c| if c.is_control() { ' ' } else { *c }).collect();
        Place { text, indent: column - start, told: None }
    }

    /// Returns the place in a text file.
    pub(crate) fn of_text(place: &avro_arrow::TextPlace) -> Place {
        Place::new(&place.text, 1, place.column)
    }

    /// Returns the line, and the line with the caret.
    pub(super) fn lines(&self) -> String {
        let before: String = self.text.chars().take(self.indent).collect();
        let blank = " ".repeat(unicode_width::UnicodeWidthStr::width(before.as_str()));
        format!("  {}\n  {blank}^", self.text.trim_end())
    }

    /// Returns the place in words, if the engine said it.
    pub(super) fn words(&self) -> String {
        self.told.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default()
    }
}

/// Returns the error of a statement with its place, if the error tells it or names a word that occurs once.
pub(crate) fn locate(error: Error, sql: &str) -> Error {
    let Error::Failed(text) = error else { return error };
    if let Some((what, line, column)) = told(&text) {
        return Error::Statement(what, Place { told: Some((line, column)), ..Place::new(sql, line, column) });
    }
    let place = if text.contains(END) { Some(end_of(sql)) } else { word_of(&text).and_then(|word| only(sql, word)) };
    match place {
        Some((line, column)) => Error::Statement(text, Place::new(sql, line, column)),
        None => Error::Failed(text),
    }
}

/// Returns the error of splitting a text into tokens.
pub(crate) fn syntax(reason: &str, sql: &str) -> Error {
    locate(Error::Failed(wording::plain(reason)), sql)
}

/// Removes the engine's words about the place from a message.
pub(crate) fn without_place(text: &str) -> String {
    told(text).map_or_else(|| text.to_owned(), |(what, _, _)| what)
}

/// Splits the message `expected .. at Line: 1, Column: 8; ..` into its other words, the line and the column.
fn told(text: &str) -> Option<(String, usize, usize)> {
    let (before, rest) = text.split_once(AT)?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (column, after) = rest.split_at(end);
    Some((format!("{before}{after}"), line.parse().ok()?, column.parse().ok()?))
}

/// Returns the line and column after the last character.
fn end_of(sql: &str) -> (usize, usize) {
    let last = sql.trim_end().lines().enumerate().last();
    last.map_or((1, 1), |(n, line)| (n + 1, line.chars().count() + 1))
}

/// Returns the missing name of a message, without its qualifier.
fn word_of(text: &str) -> Option<&str> {
    let (start, end) = MISSING.iter().find(|(start, _)| text.starts_with(start))?;
    let name = text.strip_prefix(start)?.split(*end).next()?;
    let is_path = start.starts_with("no such") || *end == '\'';
    Some(if is_path { name } else { name.rsplit('.').next().unwrap_or(name) })
}

/// Returns the line and column of the only token with this text.
fn only(sql: &str, word: &str) -> Option<(usize, usize)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let is_it = |token: &Token| match token {
        Token::Word(found) => found.value.eq_ignore_ascii_case(word),
        Token::SingleQuotedString(found) => found == word,
        _ => false,
    };
    let mut found = tokens.iter().filter(|token| is_it(&token.token));
    let Location { line, column } = found.next()?.span.start;
    if found.next().is_some() {
        return None;
    }
    Some((usize::try_from(line).ok()?, usize::try_from(column).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn report_puts_caret_below_the_place() {
        let long = format!("SELECT {}, nam", vec!["1"; 100].join(", "));
        let cases = [
            ("select * frm x", "expected a table, found `frm` at Line: 1, Column: 10; quote it", "frm x|         ^"),
            ("select\n  1 +\n", "expected an expression, found the end of the statement", "  1 +|     ^"),
            ("select 'é', nam\nfrom t", "there is no column `t.nam`; did you mean `name`?", "nam|            ^"),
            ("select é日, nam", "there is no column `nam`", "nam|            ^"),
            ("select * from 'x.csv'", "no such file: x.csv", "'x.csv'|              ^"),
            (&long, "there is no column `nam`", ", 1, nam|                          ^"),
        ];
        check_all(cases, |(sql, text, expected)| {
            let found = locate(Error::Failed(text.to_owned()), sql);
            let lines = if let Error::Statement(_, place) = &found { place.lines() } else { String::new() };
            let (line, caret) = lines.split_once('\n').unwrap_or_default();
            let (end, indent) = expected.split_once('|').unwrap_or_default();
            assert!(line.ends_with(end) && caret.ends_with(indent), "{lines}");
            assert!(line.len() <= 130, "{lines}");
        });
    }

    #[test]
    fn report_of_other_errors_has_no_caret() {
        for (sql, text) in [
            ("select nam, nam", "there is no column `nam`"),
            ("select 1", "division by zero"),
            ("select nam", "there is no column `other`"),
        ] {
            assert!(
                matches!(locate(Error::Failed(text.to_owned()), sql), Error::Failed(found) if found == text),
                "{sql}"
            );
        }
    }
}
