//! Statements and clauses of other engines that there are not, and what to use instead.

use datafusion::common::{Result, not_impl_err};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// First words of statements.
const STATEMENTS: &[(&[&str], &str)] = &[
    (&["ATTACH"], "ATTACH; every file is a table: FROM 'PATH'"),
    (&["DETACH"], "DETACH; there is one database"),
    (&["BEGIN"], "transactions; each statement takes effect wholly or not at all"),
    (&["START", "TRANSACTION"], "transactions; each statement takes effect wholly or not at all"),
    (&["COMMIT"], "transactions; each statement takes effect wholly or not at all"),
    (&["ROLLBACK"], "transactions; each statement takes effect wholly or not at all"),
    (&["PRAGMA"], "PRAGMA; use SHOW ALL for settings, DESCRIBE for columns"),
    (&["INSTALL"], "INSTALL; everything is built in"),
    (&["LOAD"], "LOAD; everything is built in"),
    (&["CHECKPOINT"], "CHECKPOINT; files are complete when a statement ends"),
    (&["VACUUM"], "VACUUM; there is nothing to clean up"),
    (&["IMPORT", "DATABASE"], "IMPORT DATABASE; run a script with -f"),
    (&["EXPORT", "DATABASE"], "EXPORT DATABASE; use COPY t TO 'PATH'"),
];

/// Words in the middle of statements.
const CLAUSES: &[(&[&str], &str)] = &[
    (
        &["ASOF", "JOIN"],
        "ASOF JOIN; use JOIN b ON b.at <= a.at QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.at DESC) = 1",
    ),
    (&["ASOF", "LEFT", "JOIN"], "ASOF JOIN; use LEFT JOIN b ON b.at <= a.at and QUALIFY row_number() OVER (..) = 1"),
    (&["POSITIONAL", "JOIN"], "POSITIONAL JOIN; join the row_number() OVER () of both sides"),
    (&["FOLLOWING", "EXCLUDE"], "EXCLUDE in a window frame"),
    (&["PRECEDING", "EXCLUDE"], "EXCLUDE in a window frame"),
    (&["ROW", "EXCLUDE"], "EXCLUDE in a window frame"),
];

/// Rejects what there is not.
pub(super) fn reject(tokens: &[TokenWithSpan]) -> Result<()> {
    let words: Vec<&Token> = tokens.iter().map(|token| &token.token).filter(|token| !is_blank(token)).collect();
    let starts = STATEMENTS.iter().find(|(known, _)| begins(&words, known));
    let within =
        |(known, _): &&(&[&str], &str)| (1..words.len()).any(|at| begins(words.get(at..).unwrap_or(&[]), known));
    match starts.or_else(|| CLAUSES.iter().find(within)) {
        Some((_, what)) => not_impl_err!("{what}"),
        None => Ok(()),
    }
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

/// Whether tokens begin with these words.
fn begins(tokens: &[&Token], words: &[&str]) -> bool {
    let is = |(token, word): (&&Token, &&str)| matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word));
    tokens.len() >= words.len() && tokens.iter().zip(words).all(is)
}
