//! Rewrites `SUMMARIZE t`, `SUMMARIZE 'path'` and `SUMMARIZE SELECT ..` as `SELECT * FROM summarize('..')`.
//!
//! It stands wherever a query may: in `FROM (SUMMARIZE t)`, `CREATE TABLE s AS SUMMARIZE t` and `EXPLAIN SUMMARIZE t`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{AFTER_COLUMN, is_space, whitespace};

/// Rewrites every such query.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) {
    // The last one first: it may be inside of another.
    for at in (0..tokens.len()).rev() {
        if begins_summary(tokens, at) {
            replace(tokens, at);
        }
    }
}

/// Whether this is the word `SUMMARIZE` before a table, a path or a query.
fn begins_summary(tokens: &[TokenWithSpan], at: usize) -> bool {
    let is_word = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("summarize"));
    if !tokens.get(at).is_some_and(is_word) {
        return false;
    }
    let mut before = tokens.iter().take(at).rev().map(|token| &token.token).filter(|token| !is_space(token));
    let begins_query = match before.next() {
        None | Some(Token::LParen | Token::SemiColon) => true,
        // `SELECT 1 AS summarize FROM t` names a column.
        Some(Token::Word(word)) if word.keyword == Keyword::AS => creates(tokens),
        Some(Token::Word(word)) => {
            matches!(word.keyword, Keyword::EXPLAIN | Keyword::ANALYZE | Keyword::VERBOSE | Keyword::DESCRIBE)
        }
        _ => false,
    };
    let mut after = tokens.iter().skip(at + 1).map(|token| &token.token).filter(|token| !is_space(token));
    begins_query
        && match after.next() {
            Some(Token::Word(word)) => word.keyword == Keyword::FROM || !AFTER_COLUMN.contains(&word.keyword),
            Some(Token::SingleQuotedString(_) | Token::LParen) => true,
            _ => false,
        }
}

/// Whether the statement creates a table or a view.
pub(super) fn creates(tokens: &[TokenWithSpan]) -> bool {
    let first = tokens.iter().map(|token| &token.token).find(|token| !is_space(token));
    matches!(first, Some(Token::Word(word)) if word.keyword == Keyword::CREATE)
}

fn replace(tokens: &mut Vec<TokenWithSpan>, at: usize) {
    let Some(span) = tokens.get(at).map(|token| token.span) else { return };
    let end = end(tokens, at + 1);
    let source = tokens.get(at + 1..end).unwrap_or_default();
    let first = source.iter().map(|token| &token.token).find(|token| !is_space(token));
    let is_query = match first {
        Some(Token::Word(word)) => {
            matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::FROM | Keyword::VALUES)
        }
        Some(Token::LParen) => true,
        _ => false,
    };
    let text: String = source.iter().map(|token| token.token.to_string()).collect();
    let text = if is_query { text } else { format!("FROM {}", text.trim()) };
    let made = [
        Token::make_keyword("SELECT"),
        whitespace(),
        Token::Mul,
        whitespace(),
        Token::make_keyword("FROM"),
        whitespace(),
        Token::make_word("summarize", None),
        Token::LParen,
        Token::SingleQuotedString(text.trim().to_owned()),
        Token::RParen,
    ];
    tokens.splice(at..end, made.into_iter().map(|token| TokenWithSpan { token, span }));
}

/// Returns where the query that begins here ends.
fn end(tokens: &[TokenWithSpan], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return at,
            Token::RParen => depth -= 1,
            Token::SemiColon if depth == 0 => return at,
            _ => {}
        }
    }
    tokens.len()
}
