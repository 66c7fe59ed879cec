//! Keywords: adjusts the tokens of a statement before parsing.
//!
//! - A keyword where a column must be, as in `SELECT id, offset, "end" FROM ..`, becomes a name.
//! - DuckDB's short forms become long ones: `FROM t WHERE ..`, `DESCRIBE read_avro(..)`, `SHOW COLUMNS FROM t`.

use super::tokens::{AFTER_COLUMN, is_space, whitespace};
use super::{absent, copy, pivot, prefix_alias, sample, shares, star_like, summarize, types};
use datafusion::common::{Result, plan_err};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

/// Keywords that the parser does not accept as names everywhere.
const KEYWORDS: &[Keyword] = &[
    Keyword::ANALYZE,
    Keyword::ANTI,
    Keyword::CLUSTER,
    Keyword::CONNECT,
    Keyword::CROSS,
    Keyword::DISTRIBUTE,
    Keyword::END,
    Keyword::EXCEPT,
    Keyword::EXCLUDE,
    Keyword::EXISTS,
    Keyword::EXPLAIN,
    Keyword::FETCH,
    Keyword::FOR,
    Keyword::FORMAT,
    Keyword::FROM,
    Keyword::FULL,
    Keyword::GLOBAL,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::INNER,
    Keyword::INTERSECT,
    Keyword::INTERVAL,
    Keyword::INTO,
    Keyword::JOIN,
    Keyword::LATERAL,
    Keyword::LEFT,
    Keyword::LIMIT,
    Keyword::MATCH_RECOGNIZE,
    Keyword::MINUS,
    Keyword::NATURAL,
    Keyword::OFFSET,
    Keyword::ON,
    Keyword::ORDER,
    Keyword::OUTER,
    Keyword::PARTITION,
    Keyword::PIVOT,
    Keyword::PREWHERE,
    Keyword::QUALIFY,
    Keyword::RETURNING,
    Keyword::RIGHT,
    Keyword::SELECT,
    Keyword::SEMI,
    Keyword::SET,
    Keyword::SETTINGS,
    Keyword::SORT,
    Keyword::START,
    Keyword::STRUCT,
    Keyword::TABLE,
    Keyword::TABLESAMPLE,
    Keyword::TOP,
    Keyword::TRIM,
    Keyword::UNION,
    Keyword::UNPIVOT,
    Keyword::USING,
    Keyword::VALUES,
    Keyword::VIEW,
    Keyword::WHERE,
    Keyword::WINDOW,
    Keyword::WITH,
];

/// Keywords that an expression follows.
const BEFORE_COLUMN: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::DISTINCT,
    Keyword::WHERE,
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::BY,
    Keyword::ON,
    Keyword::CASE,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::HAVING,
    Keyword::QUALIFY,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::BETWEEN,
    Keyword::EXCLUDE,
];

/// Returns the adjusted tokens of a statement.
pub(super) fn tokens(sql: &str, dialect: &dyn Dialect) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location();
    let mut tokens = tokens.map_err(|e| DataFusionError::from(ParserError::from(e)))?;
    if tokens.windows(2).any(|pair| pair.iter().all(|token| token.token == Token::Mul)) {
        return plan_err!("`**` is not an operator here; use power(x, y)");
    }
    absent::reject(&tokens)?;
    copy::rewrite(&mut tokens)?;
    pivot::rewrite(&mut tokens)?;
    sample::rewrite(&mut tokens)?;
    shares::rewrite(&mut tokens);
    prefix_alias::rewrite(&mut tokens);
    star_like::rewrite(&mut tokens);
    summarize::rewrite(&mut tokens);
    columns_named_like_keywords(&mut tokens);
    without_materialized(&mut tokens);
    types::rewrite(&mut tokens);
    described(&mut tokens);
    select_before_from(&mut tokens);
    Ok(tokens)
}

/// Whether a name is that of a virtual column: `_file`, `_block`, `_row` or `_offset`.
pub(super) fn name_places(tokens: &[TokenWithSpan]) -> bool {
    let is_place =
        |word: &Word| ["_file", "_block", "_row", "_offset"].iter().any(|n| word.value.eq_ignore_ascii_case(n));
    tokens.iter().any(|token| matches!(&token.token, Token::Word(word) if is_place(word)))
}

/// Whether this word is a keyword that must be quoted as a column name.
pub(crate) fn is_keyword(word: &str) -> bool {
    let is = |keyword: &Keyword| format!("{keyword:?}").eq_ignore_ascii_case(word);
    KEYWORDS.iter().chain([Keyword::ALL, Keyword::AS, Keyword::BY, Keyword::CASE, Keyword::DISTINCT].iter()).any(is)
}

/// Turns keywords into names where an expression begins and the next token cannot continue a clause.
fn columns_named_like_keywords(tokens: &mut [TokenWithSpan]) {
    let mut before: Option<Token> = None;
    for at in 0..tokens.len() {
        let mut behind = tokens.iter().skip(at + 1).map(|token| &token.token).filter(|token| !is_space(token));
        let next = behind.next().cloned();
        // `INTERVAL - '1 day'`
        let is_signed = matches!(next, Some(Token::Plus | Token::Minus))
            && matches!(behind.next(), Some(Token::SingleQuotedString(_)));
        let Some(TokenWithSpan { token, .. }) = tokens.get_mut(at) else { return };
        if is_space(token) {
            continue;
        }
        if let Token::Word(word) = token
            && (is_part(before.as_ref(), next.as_ref())
                || before.as_ref().is_some_and(begins_column)
                    && ends_column(next.as_ref(), word.keyword)
                    && !(is_signed && word.keyword == Keyword::INTERVAL)
                    && (KEYWORDS.contains(&word.keyword)
                        || is_first_item(word.keyword, before.as_ref(), next.as_ref())))
        {
            // The parser would recognize `from` again unless it is quoted; MySQL's quotes leave the case open.
            word.quote_style = (word.keyword == Keyword::FROM).then_some('`');
            word.keyword = Keyword::NoKeyword;
        }
        before = Some(token.clone());
    }
}

/// Whether the word between these tokens is the name of a field, as in `e.user.name`.
fn is_part(before: Option<&Token>, next: Option<&Token>) -> bool {
    before == Some(&Token::Period) && next != Some(&Token::LParen)
}

/// Whether this is a column in `SELECT all, ..` rather than a quantifier.
fn is_first_item(keyword: Keyword, before: Option<&Token>, next: Option<&Token>) -> bool {
    let is = |token: Option<&Token>, keyword| matches!(token, Some(Token::Word(word)) if word.keyword == keyword);
    matches!(keyword, Keyword::ALL | Keyword::DISTINCT)
        && (is(before, Keyword::SELECT) || before == Some(&Token::Comma))
        && (is(next, Keyword::FROM) || next == Some(&Token::Comma))
}

/// Whether an expression begins after this token.
fn begins_column(before: &Token) -> bool {
    match before {
        Token::Word(word) => BEFORE_COLUMN.contains(&word.keyword),
        Token::Comma | Token::LParen | Token::LBracket | Token::Period => true,
        token => is_operator(token),
    }
}

/// Whether the tokens before this one are a whole column.
fn ends_column(next: Option<&Token>, keyword: Keyword) -> bool {
    match next {
        None => true,
        Some(Token::Word(word)) => AFTER_COLUMN.contains(&word.keyword),
        Some(
            Token::Comma | Token::RParen | Token::RBracket | Token::Period | Token::DoubleColon | Token::SemiColon,
        ) => true,
        // These may begin the operand of the keyword: `SELECT *`, `SELECT -1`, `WHERE -a < b`.
        Some(Token::Mul) => !matches!(keyword, Keyword::SELECT | Keyword::TOP),
        Some(Token::LBracket | Token::Plus | Token::Minus) => {
            !matches!(keyword, Keyword::SELECT | Keyword::WHERE | Keyword::TOP | Keyword::STRUCT | Keyword::FROM)
        }
        Some(token) => is_operator(token),
    }
}

fn is_operator(token: &Token) -> bool {
    matches!(
        token,
        Token::Eq
            | Token::DoubleEq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
    )
}

/// Rewrites `DESCRIBE read_avro(..)` as `DESCRIBE SELECT * FROM read_avro(..)`, and `SHOW COLUMNS FROM t` as `DESCRIBE
/// t`. `SHOW TABLES` lists the user's tables only.
fn described(tokens: &mut Vec<TokenWithSpan>) {
    let words: Vec<usize> =
        (0..tokens.len()).filter(|at| !tokens.get(*at).is_none_or(|t| is_space(&t.token))).collect();
    let token = |n: usize| words.get(n).and_then(|at| tokens.get(*at)).map(|token| &token.token);
    let keyword = |n: usize| match token(n) {
        Some(Token::Word(word)) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let is_shown = keyword(0) == Keyword::SHOW
        && matches!(keyword(1), Keyword::COLUMNS | Keyword::FIELDS)
        && matches!(keyword(2), Keyword::FROM | Keyword::IN)
        // The engine reports errors in `LIKE` and `FROM a_schema`.
        && words.iter().skip(4).all(|at| tokens.get(*at).is_some_and(|t| matches!(t.token, Token::SemiColon | Token::Period | Token::Word(Word { keyword: Keyword::NoKeyword, .. }))));
    let is_tables = keyword(0) == Keyword::SHOW && keyword(1) == Keyword::TABLES;
    if is_tables && words.iter().skip(2).all(|at| tokens.get(*at).is_some_and(|t| t.token == Token::SemiColon)) {
        return show_tables(tokens);
    }
    if is_shown {
        let first = words.first().and_then(|at| tokens.get(*at)).cloned();
        if let (Some(table), Some(mut describe)) = (words.get(3).copied(), first) {
            describe.token = Token::make_keyword("DESCRIBE");
            let space = TokenWithSpan { token: Token::make_word(" ", None), span: describe.span };
            let space = TokenWithSpan { token: whitespace(), ..space };
            tokens.splice(..table, [describe, space]);
        }
        return;
    }
    let is_function = matches!(keyword(0), Keyword::DESCRIBE | Keyword::DESC)
        && matches!(token(1), Some(Token::Word(word)) if !matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES))
        && token(2) == Some(&Token::LParen);
    if let (true, Some(at)) = (is_function, words.get(1).copied()) {
        insert(tokens, at, &["SELECT", "*", "FROM"]);
    }
}

/// Removes `MATERIALIZED` from `WITH t AS [NOT] MATERIALIZED (..)`: it does not change the result.
fn without_materialized(tokens: &mut Vec<TokenWithSpan>) {
    for at in (0..tokens.len()).rev() {
        let keyword = |at: usize| match tokens.get(at).map(|token| &token.token) {
            Some(Token::Word(word)) => word.keyword,
            _ => Keyword::NoKeyword,
        };
        let is_token = |at: &usize| tokens.get(*at).is_some_and(|token| !is_space(&token.token));
        let mut before = (0..at).rev().filter(is_token);
        let after = (at + 1..tokens.len()).find(is_token).and_then(|at| tokens.get(at));
        if keyword(at) != Keyword::MATERIALIZED || after.is_none_or(|token| token.token != Token::LParen) {
            continue;
        }
        let first = match before.next() {
            Some(not) if keyword(not) == Keyword::NOT && before.next().map(keyword) == Some(Keyword::AS) => not,
            Some(as_) if keyword(as_) == Keyword::AS => at,
            _ => continue,
        };
        tokens.drain(first..=at);
    }
}

/// Rewrites `SHOW TABLES` as a query of the user's tables.
fn show_tables(tokens: &mut Vec<TokenWithSpan>) {
    let sql = "SELECT table_name, table_type FROM information_schema.tables \
               WHERE table_schema <> 'information_schema' ORDER BY table_name";
    if let Ok(query) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() {
        *tokens = query;
    }
}

/// Inserts `SELECT *` before each `FROM` that begins a query without a `SELECT` after its tables.
fn select_before_from(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 0;
    while at < tokens.len() {
        if is_first_from(tokens, at) && !has_select(tokens, at) {
            insert(tokens, at, &["SELECT", "*"]);
            at += 4;
        }
        at += 1;
    }
}

/// Whether a query begins with this `FROM`.
fn is_first_from(tokens: &[TokenWithSpan], at: usize) -> bool {
    let is_from = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.keyword == Keyword::FROM);
    if !tokens.get(at).is_some_and(is_from) {
        return false;
    }
    let mut before = tokens.iter().take(at).rev().map(|token| &token.token).filter(|token| !is_space(token));
    match before.next() {
        None | Some(Token::SemiColon) => true,
        Some(Token::LParen) => {
            // `trim(FROM x)`
            !matches!(before.next(), Some(Token::Word(word)) if word.keyword == Keyword::TRIM)
        }
        Some(Token::RParen) => is_behind_with(tokens, at),
        Some(Token::Word(word)) => match word.keyword {
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::EXPLAIN | Keyword::DESCRIBE => true,
            Keyword::ALL => matches!(
                before.next(),
                Some(Token::Word(word)) if matches!(word.keyword, Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT)
            ),
            // `CREATE VIEW v AS FROM t`
            Keyword::AS => true,
            _ => false,
        },
        _ => false,
    }
}

/// Whether the tokens before this one, which end with `)`, begin with `WITH`.
fn is_behind_with(tokens: &[TokenWithSpan], at: usize) -> bool {
    let mut depth = 0usize;
    for token in tokens.iter().take(at).rev() {
        match &token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return false,
            Token::LParen => depth -= 1,
            Token::Word(word) if depth == 0 => match word.keyword {
                Keyword::WITH => return true,
                Keyword::SELECT | Keyword::FROM => return false,
                _ => {}
            },
            _ => {}
        }
    }
    false
}

/// Whether a `SELECT` follows the tables of this `FROM`.
fn has_select(tokens: &[TokenWithSpan], from: usize) -> bool {
    let mut depth = 0usize;
    for token in tokens.iter().skip(from + 1) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return false,
            Token::RParen => depth -= 1,
            Token::Word(word) if depth == 0 => match word.keyword {
                Keyword::SELECT => return true,
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => return false,
                _ => {}
            },
            _ => {}
        }
    }
    false
}

/// Inserts words before a token, at its position.
fn insert(tokens: &mut Vec<TokenWithSpan>, at: usize, words: &[&str]) {
    let Some(span) = tokens.get(at).map(|token| token.span) else { return };
    let made = words.iter().flat_map(|word| {
        let token = if *word == "*" { Token::Mul } else { Token::make_keyword(word) };
        [token, whitespace()].map(|token| TokenWithSpan { token, span })
    });
    tokens.splice(at..at, made.collect::<Vec<_>>());
}
