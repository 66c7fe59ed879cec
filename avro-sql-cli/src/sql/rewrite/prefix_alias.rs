//! `SELECT total: sum(x)`, as in DuckDB: rewrites it as `SELECT sum(x) AS total`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{is_space, whitespace};

/// Keywords that end the list of a `SELECT`.
const ENDS: [Keyword; 12] = [
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::QUALIFY,
    Keyword::WINDOW,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
];

/// Rewrites every such item.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) {
    for at in (0..tokens.len()).rev() {
        if let Some(colon) = named(tokens, at) {
            let end = end(tokens, colon + 1);
            let Some(name) = tokens.get(at).cloned() else { continue };
            let span = name.span;
            let made = [whitespace(), Token::make_keyword("AS"), whitespace(), name.token, whitespace()];
            tokens.splice(end..end, made.into_iter().map(|token| TokenWithSpan { token, span }));
            tokens.drain(at..=colon);
        }
    }
}

/// Returns the colon after a name that begins an item of a `SELECT`.
fn named(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let Token::Word(_) = &tokens.get(at)?.token else { return None };
    let colon = (at + 1..tokens.len()).find(|at| tokens.get(*at).is_some_and(|token| !is_space(&token.token)))?;
    if tokens.get(colon)?.token != Token::Colon {
        return None;
    }
    // The item follows SELECT or a comma that is in no parentheses, brackets or braces.
    let mut depth = 0usize;
    let mut is_first = true;
    for token in tokens.get(..at)?.iter().rev().map(|token| &token.token).filter(|token| !is_space(token)) {
        match token {
            Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
            Token::LParen | Token::LBracket | Token::LBrace if depth == 0 => return None,
            Token::LParen | Token::LBracket | Token::LBrace => depth -= 1,
            Token::Word(word) if depth == 0 && matches!(word.keyword, Keyword::SELECT | Keyword::DISTINCT) => {
                return Some(colon);
            }
            Token::Word(word) if depth == 0 && ENDS.contains(&word.keyword) => return None,
            Token::Comma => {}
            _ if is_first => return None,
            _ => {}
        }
        is_first = false;
    }
    None
}

/// Returns where the item ends.
fn end(tokens: &[TokenWithSpan], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace if depth == 0 => return at,
            Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
            Token::Comma | Token::SemiColon if depth == 0 => return at,
            Token::Word(word) if depth == 0 && ENDS.contains(&word.keyword) => return at,
            _ => {}
        }
    }
    tokens.len()
}
