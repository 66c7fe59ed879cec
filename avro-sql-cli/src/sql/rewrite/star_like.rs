//! `SELECT * LIKE 'a%'`, as in DuckDB: rewrites it as `SELECT COLUMNS('^a.*$')`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::is_space;

/// Rewrites `* LIKE`, `* ILIKE` and `* SIMILAR TO` that begin an item.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) {
    for at in (0..tokens.len()).rev() {
        if let Some((regex, end)) = matched(tokens, at)
            && let Some(span) = tokens.get(at).map(|token| token.span)
        {
            let made =
                [Token::make_word("columns", None), Token::LParen, Token::SingleQuotedString(regex), Token::RParen];
            tokens.splice(at..=end, made.into_iter().map(|token| TokenWithSpan { token, span }));
        }
    }
}

/// Returns the regular expression of the columns, and where its pattern is.
fn matched(tokens: &[TokenWithSpan], at: usize) -> Option<(String, usize)> {
    if tokens.get(at)?.token != Token::Mul {
        return None;
    }
    let before = tokens.get(..at)?.iter().rev().map(|token| &token.token).find(|token| !is_space(token));
    let begins_item = match before {
        Some(Token::Word(word)) => matches!(word.keyword, Keyword::SELECT | Keyword::DISTINCT),
        Some(Token::Comma) => true,
        _ => false,
    };
    let mut after = (at + 1..tokens.len()).filter(|at| tokens.get(*at).is_some_and(|token| !is_space(&token.token)));
    let keyword = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let operator = keyword(after.next()?);
    let is_similar = operator == Keyword::SIMILAR && keyword(after.next()?) == Keyword::TO;
    let end = after.next()?;
    let Token::SingleQuotedString(pattern) = &tokens.get(end)?.token else { return None };
    let regex = match operator {
        _ if is_similar => format!("^(?:{pattern})$"),
        Keyword::LIKE => like(pattern),
        Keyword::ILIKE => format!("(?i){}", like(pattern)),
        _ => return None,
    };
    begins_item.then_some((regex, end))
}

/// Returns the regular expression of a pattern of `LIKE`.
fn like(pattern: &str) -> String {
    let mut regex = String::from("^");
    for c in pattern.chars() {
        match c {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
    }
    regex.push('$');
    regex
}
