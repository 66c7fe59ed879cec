//! Splits SQL text into statements. The tokenizer decides where a statement ends, so a `;` in a string or comment does
//! not end it.

use std::ops::Range;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer, TokenizerError};

/// One statement of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Its text, without the `;`.
    pub(crate) text: &'a str,
    /// Its first line in the script, from 1.
    pub(crate) line: usize,
}

/// A split script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script<'a> {
    /// The statements, without empty ones (only white space and comments).
    pub(crate) statements: Vec<Statement<'a>>,
    /// Whether the last statement ends with `;`, or the script has no statement.
    pub(crate) ended: bool,
}

/// Splits a script. Fails on an unterminated string, quoted name or comment.
pub(crate) fn split(script: &str) -> Result<Script<'_>, TokenizerError> {
    let tokens = Tokenizer::new(&GenericDialect {}, script).tokenize_with_location()?;
    let mut offsets = Offsets { rest: script.char_indices(), at: Location { line: 1, column: 1 }, end: script.len() };
    let mut statements = Vec::new();
    let mut begin: Option<(usize, usize)> = None; // byte and line of the first word of the current statement
    for token in tokens {
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => {
                let end = offsets.find(token.span.start);
                if let Some((byte, line)) = begin.take() {
                    statements.push(statement(script, byte..end, line));
                }
            }
            _ if begin.is_none() => {
                begin = Some((offsets.find(token.span.start), usize::try_from(token.span.start.line).unwrap_or(0)));
            }
            _ => {}
        }
    }
    let ended = begin.is_none();
    if let Some((byte, line)) = begin {
        statements.push(statement(script, byte..script.len(), line));
    }
    Ok(Script { statements, ended })
}

fn statement(script: &str, range: Range<usize>, line: usize) -> Statement<'_> {
    Statement { text: script.get(range).unwrap_or_default().trim_end(), line }
}

/// Converts lines and columns to byte offsets in one pass. Positions must come in order.
struct Offsets<'a> {
    rest: std::str::CharIndices<'a>,
    at: Location,
    end: usize,
}

impl Offsets<'_> {
    fn find(&mut self, place: Location) -> usize {
        while (self.at.line, self.at.column) < (place.line, place.column) {
            match self.rest.next() {
                None => return self.end,
                Some((_, '\n')) => self.at = Location { line: self.at.line + 1, column: 1 },
                Some(_) => self.at.column += 1,
            }
        }
        self.rest.offset()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn split_semicolon_in_string_or_comment_does_not_end_statement() {
        type Case = (&'static str, &'static [(&'static str, usize)], bool);
        let cases: [Case; 11] = [
            ("", &[], true),
            (" ;; ; ", &[], true),
            ("select 1", &[("select 1", 1)], false),
            ("select 1;", &[("select 1", 1)], true),
            ("select ';' ; select 2", &[("select ';'", 1), ("select 2", 1)], false),
            ("select 'it''s;';\n\nselect 2;", &[("select 'it''s;'", 1), ("select 2", 3)], true),
            ("-- a; b\nselect 1; -- c; d", &[("select 1", 2)], true),
            ("/* ; */ select /* ; */ 1 /* ; */;", &[("select /* ; */ 1 /* ; */", 1)], true),
            ("select \"a;b\" from t;", &[("select \"a;b\" from t", 1)], true),
            ("select 'ünï;';\r\nselect 'é'", &[("select 'ünï;'", 1), ("select 'é'", 2)], false),
            ("select $$ a;b $$;select 2", &[("select $$ a;b $$", 1), ("select 2", 1)], false),
        ];
        check_all(cases, |(script, expected, ended)| {
            let found = split(script).unwrap();
            let statements: Vec<_> = found.statements.iter().map(|s| (s.text, s.line)).collect();
            assert_eq!((statements.as_slice(), found.ended), (expected, ended), "{script}");
        });
    }

    #[test]
    fn split_unterminated_token_fails() {
        for script in ["select 'a", "select \"a", "select /* a"] {
            assert!(split(script).is_err(), "{script}");
        }
    }
}
