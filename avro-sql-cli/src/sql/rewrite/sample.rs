//! `FROM t TABLESAMPLE (10 PERCENT)` and DuckDB's `FROM t USING SAMPLE 100 ROWS`: replaces the table by a query of some
//! of its rows.
//!
//! With `REPEATABLE (seed)`, a hash of file, row and seed chooses the rows, so that every run, with any number of
//! threads, has the same ones.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Query, SetExpr, Statement as Sql, TableAlias, TableFactor, TableSample, TableSampleKind, TableSampleMethod,
    TableSampleUnit, Value, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{is_space, whitespace};
use super::walk::visit;

/// The column of the sort key of a sample.
const KEY: &str = "__sample";

/// Rewrites `USING SAMPLE ..` as `TABLESAMPLE ..` after the table.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    percents(tokens);
    for at in (0..tokens.len()).rev() {
        if is_word(tokens, at, "USING") && next(tokens, at + 1).is_some_and(|next| is_word(tokens, next, "SAMPLE")) {
            using_sample(tokens, at)?;
        }
    }
    Ok(())
}

/// Whether the statement has a sample with a seed, which needs the position of each row.
pub(super) fn has_seed(tokens: &[TokenWithSpan]) -> bool {
    (0..tokens.len()).any(|at| is_word(tokens, at, "TABLESAMPLE"))
        && (0..tokens.len()).any(|at| is_word(tokens, at, "REPEATABLE") || is_word(tokens, at, "SEED"))
}

fn is_word(tokens: &[TokenWithSpan], at: usize, expected: &str) -> bool {
    matches!(tokens.get(at).map(|token| &token.token), Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// Returns the next token that is not a space.
fn next(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    (from..tokens.len()).find(|at| tokens.get(*at).is_some_and(|token| !is_space(&token.token)))
}

/// Writes `10%` after `TABLESAMPLE` as `10 PERCENT`.
fn percents(tokens: &mut Vec<TokenWithSpan>) {
    let Some(first) = (0..tokens.len()).find(|at| is_word(tokens, *at, "TABLESAMPLE")) else { return };
    for at in (first..tokens.len()).rev() {
        let ends =
            next(tokens, at + 1).and_then(|next| tokens.get(next)).is_none_or(|next| next.token == Token::RParen);
        let is_number = at.checked_sub(1).and_then(|before| tokens.get(before));
        let is_number = matches!(is_number.map(|token| &token.token), Some(Token::Number(..)));
        if let Some(TokenWithSpan { token: token @ Token::Mod, span }) = tokens.get_mut(at)
            && ends
            && is_number
        {
            *token = Token::make_keyword("PERCENT");
            let space = TokenWithSpan { token: whitespace(), span: *span };
            tokens.insert(at, space);
        }
    }
}

/// How many rows a sample has, and its seed.
struct Sample {
    amount: String,
    is_percent: bool,
    seed: Option<String>,
}

/// Parses `10%`, `10 PERCENT`, `5 ROWS`, `reservoir(5 ROWS)`, `10% (bernoulli, 42)`, `.. REPEATABLE (42)`.
fn parse(tokens: &[Token]) -> Option<Sample> {
    let mut sample: Option<Sample> = None;
    let mut is_seed = false;
    for token in tokens {
        match (token, &mut sample) {
            (Token::Number(amount, _), None) => {
                sample = Some(Sample { amount: amount.clone(), is_percent: false, seed: None });
            }
            (Token::Number(seed, _), Some(sample)) if is_seed => sample.seed = Some(seed.clone()),
            (Token::Mod, Some(sample)) => sample.is_percent = true,
            (Token::Word(word), sample) => match (word.value.to_ascii_lowercase().as_str(), sample) {
                ("percent", Some(sample)) => sample.is_percent = true,
                ("rows" | "row", Some(_)) => {}
                ("reservoir" | "bernoulli" | "system", _) => is_seed = false,
                ("repeatable" | "seed", Some(_)) => is_seed = true,
                _ => return None,
            },
            // The seed follows the method.
            (Token::Comma, Some(_)) => is_seed = true,
            (Token::LParen | Token::RParen, _) => {}
            _ => return None,
        }
    }
    sample
}

fn using_sample(tokens: &mut Vec<TokenWithSpan>, at: usize) -> Result<()> {
    let mut depth = 0usize;
    let mut end = tokens.len();
    for (n, token) in tokens.iter().enumerate().skip(at) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => end = n,
            Token::RParen => depth -= 1,
            Token::SemiColon => end = n,
            _ => {}
        }
        if end < tokens.len() {
            break;
        }
    }
    let said: Vec<Token> = tokens.get(at..end).unwrap_or_default().iter().map(|token| token.token.clone()).collect();
    let said: Vec<Token> = said.into_iter().filter(|token| !is_space(token)).skip(2).collect();
    let Some(sample) = parse(&said) else {
        return plan_err!("write USING SAMPLE 10%, USING SAMPLE 100 ROWS or .. REPEATABLE (42)");
    };
    let Some(span) = tokens.get(at).map(|token| token.span) else { return Ok(()) };
    let place = end_of_table(tokens, at)?;
    tokens.drain(at..end);
    let mut made = vec![
        whitespace(),
        Token::make_keyword("TABLESAMPLE"),
        whitespace(),
        Token::LParen,
        Token::Number(sample.amount, false),
        whitespace(),
        Token::make_keyword(if sample.is_percent { "PERCENT" } else { "ROWS" }),
        Token::RParen,
    ];
    if let Some(seed) = sample.seed {
        made.extend([whitespace(), Token::make_keyword("REPEATABLE"), Token::LParen]);
        made.extend([Token::Number(seed, false), Token::RParen]);
    }
    made.push(whitespace());
    tokens.splice(place..place, made.into_iter().map(|token| TokenWithSpan { token, span }));
    Ok(())
}

/// Returns where the table of the query ends that this `USING` belongs to.
fn end_of_table(tokens: &[TokenWithSpan], at: usize) -> Result<usize> {
    let clauses = ["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "QUALIFY", "WINDOW"];
    let (mut depth, mut end) = (0usize, at);
    // Commas and joins between the start of the current clause and the end.
    let mut has_others = false;
    for n in (0..at).rev() {
        match tokens.get(n).map(|token| &token.token) {
            Some(Token::RParen) => depth += 1,
            Some(Token::LParen) if depth == 0 => break,
            Some(Token::LParen) => depth -= 1,
            Some(Token::Comma) if depth == 0 => has_others = true,
            _ if depth > 0 => {}
            _ if is_word(tokens, n, "FROM") => return if has_others { of_one_table() } else { Ok(end) },
            _ if is_word(tokens, n, "JOIN") => has_others = true,
            _ if clauses.iter().any(|clause| is_word(tokens, n, clause)) => (end, has_others) = (n, false),
            _ => {}
        }
    }
    plan_err!("USING SAMPLE needs a table in FROM")
}

fn of_one_table<T>() -> Result<T> {
    plan_err!("USING SAMPLE samples one table; write TABLESAMPLE (10 PERCENT) after each table to sample")
}

/// Replaces sampled tables by queries of their rows.
pub(super) fn replace_all(statement: &mut Statement) -> Result<()> {
    let mut samples = Samples(Ok(()));
    visit(statement, &mut samples);
    samples.0
}

struct Samples(Result<()>);

impl VisitorMut for Samples {
    type Break = Infallible;

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        if self.0.is_ok() {
            self.0 = replace(table);
        }
        ControlFlow::Continue(())
    }
}

/// Replaces a sampled table by a query of its rows.
fn replace(table: &mut TableFactor) -> Result<()> {
    let (sample, alias) = match table {
        TableFactor::Table { name, alias, sample, .. } => {
            let own = name.0.last().and_then(|part| part.as_ident()).cloned();
            let own = own.map(|name| TableAlias { explicit: true, name, columns: vec![], at: None });
            let Some(sample) = sample.take() else { return Ok(()) };
            (sample, alias.take().or(own))
        }
        TableFactor::Derived { sample, alias, .. } => {
            let Some(sample) = sample.take() else { return Ok(()) };
            (sample, alias.clone())
        }
        _ => return Ok(()),
    };
    let (TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample)) = sample;
    let template = match chosen(&sample)? {
        Chosen::Where(condition) => format!("SELECT * FROM t WHERE {condition}"),
        // The key is a column, because the engine sorts no rows without columns, as in `SELECT count(*)`.
        Chosen::First { by, rows } => {
            format!("SELECT * EXCLUDE ({KEY}) FROM (SELECT *, {by} AS {KEY} FROM t) AS s ORDER BY {KEY} LIMIT {rows}")
        }
    };
    let parsed = Parser::parse_sql(&GenericDialect {}, &template)?.into_iter().next();
    let Some(Sql::Query(mut query)) = parsed else { return Ok(()) };
    if let Some(sampled) = innermost(&mut query) {
        std::mem::swap(sampled, table);
    }
    *table = TableFactor::Derived { lateral: false, subquery: query, alias, sample: None };
    Ok(())
}

/// Returns the table of the innermost query.
fn innermost(query: &mut Query) -> Option<&mut TableFactor> {
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    match &mut select.from.first_mut()?.relation {
        TableFactor::Derived { subquery, .. } => innermost(subquery),
        table => Some(table),
    }
}

/// How rows are chosen.
enum Chosen {
    /// By a condition.
    Where(String),
    /// The first rows in an order.
    First { by: String, rows: u64 },
}

fn chosen(sample: &TableSample) -> Result<Chosen> {
    let usage =
        || plan_err!("write TABLESAMPLE (10 PERCENT) or TABLESAMPLE (100 ROWS), and REPEATABLE (42) for a seed");
    let Some(quantity) = &sample.quantity else { return usage() };
    let Expr::Value(value) = &quantity.value else { return usage() };
    let Value::Number(amount, _) = &value.value else { return usage() };
    let seed = sample.seed.as_ref().map(|seed| seed.value.to_string());
    let hash = seed.map(|seed| format!("md5(concat('{seed} ', _row, ' ', _file))"));
    let is_percent = match quantity.unit {
        Some(TableSampleUnit::Percent) => true,
        Some(TableSampleUnit::Rows) => false,
        None => matches!(sample.name, Some(TableSampleMethod::Bernoulli | TableSampleMethod::System)),
    };
    if !is_percent {
        let Ok(rows) = amount.parse() else {
            return plan_err!("TABLESAMPLE: the number of rows must be whole, not {amount}");
        };
        return Ok(Chosen::First { by: hash.unwrap_or_else(|| "random()".to_owned()), rows });
    }
    let Some(percent) = amount.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent)) else {
        return plan_err!("TABLESAMPLE: the percentage must be between 0 and 100, not {amount}");
    };
    Ok(Chosen::Where(match hash {
        // The first eight hexadecimal digits are a number of 32 bits.
        Some(hash) if percent < 100.0 => format!("{hash} < '{:08x}'", (percent / 100.0 * 4_294_967_296.0) as u32),
        _ => format!("random() < {}", percent / 100.0),
    }))
}
