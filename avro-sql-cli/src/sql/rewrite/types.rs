//! `STRUCT(city VARCHAR, zip VARCHAR)` as a type, as `DESCRIBE` prints it: sqlparser reads `STRUCT<city VARCHAR, ..>`
//! in DataFusion's dialects.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::is_space;

/// Rewrites the type in casts. The function `struct(..)` stays as it is.
pub(super) fn rewrite(tokens: &mut [TokenWithSpan]) {
    for at in 0..tokens.len() {
        let is_cast = match before(tokens, at) {
            Some(Token::DoubleColon) => true,
            Some(Token::Word(word)) => word.keyword == Keyword::AS,
            _ => false,
        };
        if is_cast {
            rewrite_type(tokens, at);
        }
    }
}

/// Rewrites the type that begins here, and the types in its parentheses.
fn rewrite_type(tokens: &mut [TokenWithSpan], at: usize) {
    let word = |at: usize, tokens: &[TokenWithSpan]| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    if !matches!(word(at, tokens).as_str(), "STRUCT" | "MAP" | "ROW") {
        return;
    }
    let Some(open) = after(tokens, at).filter(|at| tokens.get(*at).is_some_and(|token| token.token == Token::LParen))
    else {
        return;
    };
    let mut depth = 0usize;
    for close in open..tokens.len() {
        match tokens.get(close).map(|token| &token.token) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            (open + 1..close).for_each(|at| rewrite_type(tokens, at));
            if word(at, tokens) != "MAP" {
                for (at, token) in [(open, Token::Lt), (close, Token::Gt)] {
                    if let Some(own) = tokens.get_mut(at) {
                        own.token = token;
                    }
                }
                if let Some(TokenWithSpan { token, .. }) = tokens.get_mut(at) {
                    *token = Token::make_keyword("STRUCT");
                }
            }
            return;
        }
    }
}

fn before(tokens: &[TokenWithSpan], at: usize) -> Option<&Token> {
    tokens.get(..at)?.iter().rev().map(|token| &token.token).find(|token| !is_space(token))
}

fn after(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at + 1..tokens.len()).find(|at| tokens.get(*at).is_some_and(|token| !is_space(&token.token)))
}
