//! `LIMIT 10%` and `FETCH FIRST 10 PERCENT ROWS ONLY`: the first tenth of the rows.
//!
//! The rows of the query are counted first, so it runs twice; DuckDB keeps them all in memory instead.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionState;
use datafusion::physical_plan::collect;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, LimitClause, Query, SetExpr, Statement as Sql, TableFactor,
    Value, VisitorMut, With,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::is_space;
use super::walk::visit;

/// The function that stands for a percentage.
const SHARE: &str = "__share";

/// Writes `LIMIT 10%` as `LIMIT __share(10)`.
pub(super) fn rewrite(tokens: &mut Vec<TokenWithSpan>) {
    let next = |tokens: &[TokenWithSpan], from: usize| {
        (from..tokens.len()).find(|at| tokens.get(*at).is_some_and(|token| !is_space(&token.token)))
    };
    for at in (0..tokens.len()).rev() {
        let is_limit = matches!(tokens.get(at).map(|token| &token.token), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("limit"));
        let number = next(tokens, at + 1).filter(|_| is_limit);
        let Some((number, percent)) = number.and_then(|number| Some((number, next(tokens, number + 1)?))) else {
            continue;
        };
        let Some(TokenWithSpan { token: Token::Number(amount, _), span }) = tokens.get(number) else { continue };
        let is_percent = tokens.get(percent).is_some_and(|token| token.token == Token::Mod);
        let after = next(tokens, percent + 1).and_then(|after| tokens.get(after)).map(|token| &token.token);
        // `LIMIT 10 % 3` is a remainder.
        let ends = match after {
            None | Some(Token::SemiColon | Token::RParen) => true,
            Some(Token::Word(word)) => word.value.eq_ignore_ascii_case("offset"),
            _ => false,
        };
        if is_percent && ends {
            let (amount, span) = (amount.clone(), *span);
            let made = [Token::make_word(SHARE, None), Token::LParen, Token::Number(amount, false), Token::RParen];
            let made = made.into_iter().map(|token| TokenWithSpan { token, span });
            tokens.splice(number..=percent, made);
        }
    }
}

/// Replaces percentages by numbers of rows.
pub(super) async fn replace(state: &SessionState, statement: &mut Statement, names_places: bool) -> Result<()> {
    loop {
        let mut shares = Shares::default();
        visit(statement, &mut shares);
        let Some((query, percent)) = shares.found else { return Ok(()) };
        if !(0.0..=100.0).contains(&percent) {
            return plan_err!("LIMIT takes a percentage between 0 and 100, not {percent}");
        }
        let rows = count(state, query, names_places).await?;
        let limit = (rows as f64 * percent / 100.0).floor() as u64;
        visit(statement, &mut Shares { limit: Some(limit), ..Shares::default() });
    }
}

/// Counts the rows of a query.
async fn count(state: &SessionState, query: Query, names_places: bool) -> Result<i64> {
    let parsed = Parser::parse_sql(&GenericDialect {}, "SELECT count(*) FROM (SELECT 1) AS rows")?.into_iter().next();
    let Some(Sql::Query(mut counted)) = parsed else { return plan_err!("LIMIT: the rows cannot be counted") };
    if let SetExpr::Select(select) = counted.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let TableFactor::Derived { subquery, .. } = &mut from.relation
    {
        **subquery = query;
    }
    let plan =
        Box::pin(super::plan_statement(state, Statement::Statement(Box::new(Sql::Query(counted))), names_places));
    let batches = collect(state.create_physical_plan(&plan.await?).await?, state.task_ctx()).await?;
    let counts = batches.iter().filter_map(|batch| batch.columns().first()?.as_primitive_opt::<Int64Type>());
    Ok(counts.flat_map(|counts| counts.values().iter()).sum())
}

/// Finds the first innermost query with a percentage, or gives it a limit.
#[derive(Default)]
struct Shares {
    /// The `WITH` of the queries around.
    around: Vec<Option<With>>,
    /// The query without its limit, and the percentage.
    found: Option<(Query, f64)>,
    /// The limit to set.
    limit: Option<u64>,
}

impl VisitorMut for Shares {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        self.around.push(query.with.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        self.around.pop();
        let Some(percent) = percent(query).filter(|_| self.found.is_none()) else { return ControlFlow::Continue(()) };
        if let Some(rows) = self.limit.take() {
            let rows = Some(Expr::Value(Value::Number(rows.to_string(), false).into()));
            query.fetch = None;
            match &mut query.limit_clause {
                Some(LimitClause::LimitOffset { limit, .. }) => *limit = rows,
                clause => *clause = Some(LimitClause::LimitOffset { limit: rows, offset: None, limit_by: vec![] }),
            }
            // Others wait for the next round.
            self.found = Some((query.clone(), percent));
            return ControlFlow::Continue(());
        }
        let mut counted = Query { limit_clause: None, fetch: None, order_by: None, ..query.clone() };
        for with in self.around.iter().rev().flatten() {
            match &mut counted.with {
                Some(own) => drop(own.cte_tables.splice(0..0, with.cte_tables.iter().cloned())),
                none => *none = Some(with.clone()),
            }
        }
        self.found = Some((counted, percent));
        ControlFlow::Continue(())
    }
}

/// Returns the percentage of a query's limit.
fn percent(query: &Query) -> Option<f64> {
    let quantity = match (&query.fetch, &query.limit_clause) {
        (Some(fetch), _) if fetch.percent && !fetch.with_ties => fetch.quantity.as_ref()?,
        (_, Some(LimitClause::LimitOffset { limit: Some(Expr::Function(call)), .. }))
            if call.name.to_string() == SHARE =>
        {
            let FunctionArguments::List(list) = &call.args else { return None };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(amount))] = list.args.as_slice() else { return None };
            amount
        }
        _ => return None,
    };
    match quantity {
        Expr::Value(value) => match &value.value {
            Value::Number(amount, _) => amount.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
