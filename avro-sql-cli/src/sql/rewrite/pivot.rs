//! `PIVOT t ON kind USING sum(x) GROUP BY day` and `UNPIVOT t ON a, b`, as in DuckDB: rewrites them as the standard's
//! `SELECT * FROM t PIVOT (sum(x) FOR kind IN (..))`, and looks up the values of `ON` where none are given. On several
//! columns, there is a column for each combination of their values.
//!
//! `names/pivot.rs` makes queries of the standard's form. It has no `GROUP BY`, so the call `__pivot_groups(day)`
//! stands for it among the aggregates.

use std::ops::ControlFlow;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionState;
use datafusion::physical_plan::collect;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, ExprWithAlias, PivotValueSource, Query, Statement as Sql, TableFactor, Value, VisitorMut, With,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::summarize::creates;
use super::tokens::{AFTER_COLUMN, is_space, whitespace};
use super::walk::walk_statement;

/// The function that stands for `GROUP BY`.
pub(super) const GROUPS: &str = "__pivot_groups";

/// Columns that a pivot makes at most.
const VALUES_MAX: usize = 1000;

/// Rewrites the statements `PIVOT` and `UNPIVOT`, wherever a query may stand.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    for at in (0..tokens.len()).rev() {
        match begins(tokens, at) {
            Some(Keyword::PIVOT) => pivot(tokens, at)?,
            Some(Keyword::UNPIVOT) => unpivot(tokens, at)?,
            _ => {}
        }
    }
    Ok(())
}

/// Returns the keyword if a statement begins here.
fn begins(tokens: &[TokenWithSpan], at: usize) -> Option<Keyword> {
    let Token::Word(word) = &tokens.get(at)?.token else { return None };
    let before = tokens.iter().take(at).rev().map(|token| &token.token).find(|token| !is_space(token));
    let is_first = match before {
        None | Some(Token::LParen | Token::SemiColon) => true,
        Some(Token::Word(word)) if word.keyword == Keyword::AS => creates(tokens),
        Some(Token::Word(word)) => matches!(word.keyword, Keyword::EXPLAIN | Keyword::ANALYZE),
        _ => false,
    };
    let after = tokens.iter().skip(at + 1).map(|token| &token.token).find(|token| !is_space(token));
    let is_table = match after {
        Some(Token::Word(next)) => !AFTER_COLUMN.contains(&next.keyword),
        Some(Token::SingleQuotedString(_) | Token::LParen) => true,
        _ => false,
    };
    (is_first && is_table).then_some(word.keyword)
}

/// The clauses of a statement by the keyword before each; the first has none.
struct Clauses {
    parts: Vec<(Keyword, Vec<Token>)>,
    /// Where the statement ends.
    end: usize,
}

impl Clauses {
    /// Splits the tokens after the first word at these keywords, outside of parentheses.
    fn split(tokens: &[TokenWithSpan], from: usize, at: &[Keyword]) -> Clauses {
        let mut parts = vec![(Keyword::NoKeyword, Vec::new())];
        let (mut depth, mut end) = (0usize, tokens.len());
        for (n, token) in tokens.iter().enumerate().skip(from) {
            match &token.token {
                Token::RParen | Token::SemiColon if depth == 0 => {
                    end = n;
                    break;
                }
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth -= 1,
                Token::Word(word) if depth == 0 && at.contains(&word.keyword) => {
                    parts.push((word.keyword, Vec::new()));
                    continue;
                }
                _ => {}
            }
            if let Some((_, part)) = parts.last_mut() {
                part.push(token.token.clone());
            }
        }
        Clauses { parts, end }
    }

    fn take(&mut self, keyword: Keyword) -> Option<Vec<Token>> {
        let at = self.parts.iter().position(|(own, _)| *own == keyword)?;
        Some(self.parts.remove(at).1)
    }
}

fn word(word: &str) -> [Token; 3] {
    [whitespace(), Token::make_keyword(word), whitespace()]
}

fn replace(tokens: &mut Vec<TokenWithSpan>, at: usize, end: usize, made: Vec<Token>) {
    let Some(span) = tokens.get(at).map(|token| token.span) else { return };
    tokens.splice(at..end, made.into_iter().map(|token| TokenWithSpan { token, span }));
}

fn pivot(tokens: &mut Vec<TokenWithSpan>, at: usize) -> Result<()> {
    let keywords =
        [Keyword::ON, Keyword::IN, Keyword::USING, Keyword::GROUP, Keyword::ORDER, Keyword::LIMIT, Keyword::OFFSET];
    let mut clauses = Clauses::split(tokens, at + 1, &keywords);
    let (Some(source), Some(on)) = (clauses.take(Keyword::NoKeyword), clauses.take(Keyword::ON)) else {
        return plan_err!("write PIVOT table ON column USING sum(x) GROUP BY ..");
    };
    let columns = items(&on);
    let mut values = clauses.take(Keyword::IN);
    let on = match columns.as_slice() {
        [_] => on,
        several if values.is_none() => {
            values = Some(combinations(several, &source));
            joined(several.iter().map(|column| column.to_vec()))
        }
        _ => return plan_err!("PIVOT on several columns takes no IN; join them with ||"),
    };
    let mut made = [word("SELECT").as_slice(), &[Token::Mul], &word("FROM")].concat();
    made.extend(source);
    made.extend(word("PIVOT"));
    made.push(Token::LParen);
    match clauses.take(Keyword::USING) {
        Some(aggregates) => made.extend(aggregates),
        None => made.extend([Token::make_word("count", None), Token::LParen, Token::Mul, Token::RParen]),
    }
    if let Some(groups) = clauses.take(Keyword::GROUP) {
        made.extend([Token::Comma, Token::make_word(GROUPS, None), Token::LParen]);
        // Without `BY`.
        made.extend(groups.into_iter().skip_while(is_space).skip(1));
        made.push(Token::RParen);
    }
    made.extend(word("FOR"));
    made.extend(on);
    made.extend(word("IN"));
    match values {
        Some(values) => made.extend(values),
        None => made.extend([Token::LParen, Token::make_keyword("ANY"), Token::RParen]),
    }
    made.push(Token::RParen);
    for (keyword, part) in clauses.parts {
        made.extend(word(&format!("{keyword:?}")));
        made.extend(part);
    }
    replace(tokens, at, clauses.end, made);
    Ok(())
}

/// Splits a list at its commas.
fn items(list: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0usize;
    let is_comma = |token: &Token| {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *token == Token::Comma
    };
    list.split(is_comma).collect()
}

/// Returns the text of values with `_` between them: `CAST(a AS VARCHAR) || '_' || CAST(b AS VARCHAR)`.
fn joined(values: impl Iterator<Item = Vec<Token>>) -> Vec<Token> {
    let mut made = Vec::new();
    for (n, value) in values.enumerate() {
        if n > 0 {
            made.extend([Token::StringConcat, Token::SingleQuotedString("_".to_owned()), Token::StringConcat]);
        }
        made.extend([Token::make_keyword("CAST"), Token::LParen]);
        made.extend(value);
        made.extend(word("AS"));
        made.extend([Token::make_keyword("VARCHAR"), Token::RParen]);
    }
    made
}

/// Returns a query of all combinations of the values of several columns, in their order.
fn combinations(columns: &[&[Token]], source: &[Token]) -> Vec<Token> {
    let key = |n: usize| Token::make_word(&format!("pivot_key_{n}"), None);
    let mut made = vec![Token::LParen];
    made.extend(word("SELECT"));
    made.extend(joined((0..columns.len()).map(|n| vec![key(n)])));
    made.extend(word("FROM"));
    for (n, column) in columns.iter().enumerate() {
        if n > 0 {
            made.extend([word("CROSS"), word("JOIN")].concat());
        }
        made.push(Token::LParen);
        made.extend([word("SELECT"), word("DISTINCT")].concat());
        made.extend(column.to_vec());
        made.extend(word("AS"));
        made.push(key(n));
        made.extend(word("FROM"));
        made.extend(source.to_vec());
        made.push(Token::RParen);
        made.extend(word("AS"));
        made.push(Token::make_word(&format!("pivot_{n}"), None));
    }
    for n in 0..columns.len() {
        made.extend(word(if n == 0 { "WHERE" } else { "AND" }));
        made.push(key(n));
        made.extend([word("IS"), word("NOT"), word("NULL")].concat());
    }
    made.extend([word("ORDER"), word("BY")].concat());
    for n in 0..columns.len() {
        if n > 0 {
            made.push(Token::Comma);
        }
        made.push(key(n));
    }
    made.push(Token::RParen);
    made
}

fn unpivot(tokens: &mut Vec<TokenWithSpan>, at: usize) -> Result<()> {
    let keywords = [Keyword::ON, Keyword::INTO, Keyword::ORDER, Keyword::LIMIT, Keyword::OFFSET];
    let mut clauses = Clauses::split(tokens, at + 1, &keywords);
    let (Some(source), Some(on)) = (clauses.take(Keyword::NoKeyword), clauses.take(Keyword::ON)) else {
        return plan_err!("write UNPIVOT table ON a, b INTO NAME n VALUE v");
    };
    let into = clauses.take(Keyword::INTO).unwrap_or_default();
    let into: Vec<_> = into.into_iter().filter(|token| !is_space(token)).collect();
    let (name, value) = match into.as_slice() {
        [] => (Token::make_word("name", None), Token::make_word("value", None)),
        [_, name, _, value] => (name.clone(), value.clone()),
        _ => return plan_err!("write UNPIVOT table ON a, b INTO NAME n VALUE v"),
    };
    let mut made = [word("SELECT").as_slice(), &[Token::Mul], &word("FROM")].concat();
    made.extend(source);
    made.extend(word("UNPIVOT"));
    made.extend([Token::LParen, value]);
    made.extend(word("FOR"));
    made.push(name);
    made.extend(word("IN"));
    made.push(Token::LParen);
    made.extend(on);
    made.extend([Token::RParen, Token::RParen]);
    for (keyword, part) in clauses.parts {
        made.extend(word(&format!("{keyword:?}")));
        made.extend(part);
    }
    replace(tokens, at, clauses.end, made);
    Ok(())
}

/// Collects the queries of the values of pivots without them, or sets the values, in the same order.
enum Sources {
    Collect(Vec<Query>, Option<With>),
    Set(std::vec::IntoIter<Vec<ExprWithAlias>>),
}

impl VisitorMut for Sources {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let (Sources::Collect(_, with @ None), Some(own)) = (self, &query.with) {
            *with = Some(own.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Pivot { table, value_column, value_source, .. } = table else {
            return ControlFlow::Continue(());
        };
        if matches!(value_source, PivotValueSource::List(_)) {
            return ControlFlow::Continue(());
        }
        match self {
            Sources::Collect(queries, with) => {
                let query = match value_source {
                    PivotValueSource::Subquery(query) => {
                        let with = query.with.clone().or_else(|| with.clone());
                        Some(Query { with, ..(**query).clone() })
                    }
                    _ => value_column.first().and_then(|column| distinct(table, column, with.clone())),
                };
                match query {
                    Some(query) => queries.push(query),
                    None => return ControlFlow::Break(()),
                }
            }
            Sources::Set(values) => *value_source = PivotValueSource::List(values.next().unwrap_or_default()),
        }
        ControlFlow::Continue(())
    }
}

/// Returns the query of the distinct values of a column.
fn distinct(table: &TableFactor, column: &Expr, with: Option<With>) -> Option<Query> {
    let template = "SELECT DISTINCT c FROM t WHERE c IS NOT NULL ORDER BY 1";
    let parsed = Parser::parse_sql(&GenericDialect {}, template).ok()?.into_iter().next()?;
    let Sql::Query(mut query) = parsed else { return None };
    let datafusion::sql::sqlparser::ast::SetExpr::Select(select) = query.body.as_mut() else { return None };
    select.projection = vec![datafusion::sql::sqlparser::ast::SelectItem::UnnamedExpr(column.clone())];
    select.from.first_mut()?.relation = table.clone();
    select.selection = Some(Expr::IsNotNull(Box::new(column.clone())));
    query.with = with;
    Some(*query)
}

/// Runs the queries of the values that pivots do not list.
pub(super) async fn with_values(state: &SessionState, statement: &mut Statement, names_places: bool) -> Result<()> {
    let mut sources = Sources::Collect(Vec::new(), None);
    let is_done = walk_statement(statement, &mut sources).is_continue();
    let Sources::Collect(queries, _) = sources else { return Ok(()) };
    if !is_done {
        return plan_err!("PIVOT: write FOR column IN (value, ..)");
    }
    let mut found = Vec::with_capacity(queries.len());
    for query in queries {
        let query = Statement::Statement(Box::new(Sql::Query(Box::new(query))));
        let plan = Box::pin(super::plan_statement(state, query, names_places)).await?;
        let batches = collect(state.create_physical_plan(&plan).await?, state.task_ctx()).await?;
        let mut values = Vec::new();
        for batch in &batches {
            let [column] = batch.columns() else { return plan_err!("PIVOT: the query of values has several columns") };
            let is_bare = column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
            let texts = cast(column, &DataType::Utf8)?;
            for text in texts.as_string::<i32>().iter().flatten() {
                let value = match is_bare {
                    true if column.data_type().is_numeric() => Value::Number(text.to_owned(), false),
                    true => Value::Boolean(text == "true"),
                    false => Value::SingleQuotedString(text.to_owned()),
                };
                values.push(ExprWithAlias { expr: Expr::Value(value.into()), alias: None });
            }
        }
        if values.len() > VALUES_MAX {
            return plan_err!("PIVOT: the column has over {VALUES_MAX} values; list some with IN (..)");
        }
        found.push(values);
    }
    let _ = walk_statement(statement, &mut Sources::Set(found.into_iter()));
    Ok(())
}
