//! Plans one statement.
//!
//! The statement is rewritten around the parser: [`words`] turns keywords used as column names into names, and short
//! forms into long ones; [`lambdas`] finds lambdas; [`numbers`] reads numbers; [`parameters`] and [`stdin`] put values
//! for `$name` and a path for `'-'`; [`definitions`] replaces macros and variables; [`pivot`] and [`shares`] run
//! queries for what the plan depends on; [`unsupported`] rejects what the engine would silently ignore; [`tables`] and
//! [`top_n`] write what the engine does not have as queries and lists; [`names`] resolves columns and fields, and
//! names the result's columns; [`syntax`] and [`sort_keys`] rewrite syntax, [`time`] time zones; [`groups`] and
//! [`retries`] rewrite what fails to plan.

mod absent;
mod array;
mod arrows;
mod caches;
mod copy;
mod definitions;
mod groups;
mod lambdas;
mod named_options;
mod names;
mod numbers;
mod parameters;
mod pivot;
mod prefix_alias;
mod probe;
mod quantified;
mod retries;
mod sample;
mod shares;
mod sort_keys;
mod star_like;
mod stdin;
mod summarize;
mod synonyms;
mod syntax;
mod tables;
mod time;
mod tokens;
mod top_n;
mod types;
mod unnest;
mod unsupported;
mod walk;
mod words;

pub(crate) use caches::cache;
pub(crate) use definitions::{Definitions, define};
pub(crate) use parameters::Parameters;
pub(crate) use words::is_keyword;

use avro_datafusion::compat::unions;
use datafusion::common::{Result, not_impl_err, plan_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect::dialect_from_str;

use walk::visit;

/// Returns the plan of a statement.
pub(crate) async fn plan(state: &SessionState, sql: &str) -> Result<LogicalPlan> {
    let (mut statement, names_places) = parse(state, &numbers::without_underscores(sql))?;
    let parameters = state.config().get_extension::<Parameters>().unwrap_or_default();
    parameters.bind(&mut statement)?;
    stdin::bind(&mut statement).await?;
    definitions::replace(state, &mut statement)?;
    sample::replace_all(&mut statement)?;
    pivot::with_values(state, &mut statement, names_places).await?;
    shares::replace(state, &mut statement, names_places).await?;
    plan_statement(state, statement, names_places).await
}

/// Returns the plan of a parsed statement. If it `names_places`, tables of Avro files have virtual columns.
async fn plan_statement(state: &SessionState, mut statement: Statement, names_places: bool) -> Result<LogicalPlan> {
    copy::name_options(&mut statement);
    numbers::check_setting(&statement)?;
    if let Statement::Statement(statement) = &mut statement {
        time::set_time_zone(statement)?;
    }
    time::declared(&mut statement);
    let mut unsupported = unsupported::Unsupported::default();
    visit(&mut statement, &mut unsupported);
    unsupported.into_result()?;
    visit(&mut statement, &mut synonyms::Synonyms::default());
    visit(&mut statement, &mut tables::TableCalls);
    visit(&mut statement, &mut top_n::TopN);
    visit(&mut statement, &mut lambdas::Lambdas);
    visit(&mut statement, &mut arrows::Arrows);
    let mut state = names::once(state, names_places);
    let mut bound = bind(&state, &statement, names_places).await?;
    let mut first_error: Option<DataFusionError> = None;
    loop {
        let mut error = match state.statement_to_plan(bound.clone()).await {
            Ok(plan) => return unions::settled(with_named_groups(&state, plan, &bound).await?),
            Err(error) => error,
        };
        // DataFusion's functions reject unions before a rule can rewrite them.
        if first_error.is_none() && (unions::concerns_union(&error) || syntax::is_of_minus(&error)) {
            visit(&mut bound, &mut syntax::Minus);
            state = unions::tolerant(&state);
            first_error = Some(error);
            continue;
        }
        if let Some(first) = first_error.take_if(|first| !unions::concerns_union(first)) {
            error = first;
        }
        if retries::name_items(&mut statement, &error) {
            bound = bind(&state, &statement, names_places).await?;
        } else if !retries::rewrite(&mut bound, &error) {
            return Err(probe::explain(&state, &bound, error).await);
        }
    }
}

/// Returns the plan, or another one of the statement if groups of one name would fail later.
async fn with_named_groups(state: &SessionState, plan: LogicalPlan, bound: &Statement) -> Result<LogicalPlan> {
    if !groups::have_equal_names(&plan)? {
        return Ok(plan);
    }
    let mut renamed = bound.clone();
    groups::rename(&mut renamed);
    Ok(state.statement_to_plan(renamed).await.unwrap_or(plan))
}

/// Returns the statement with all names resolved, in syntax that DataFusion reads.
async fn bind(state: &SessionState, statement: &Statement, names_places: bool) -> Result<Statement> {
    let mut bound = statement.clone();
    names::bind(state, &mut bound, names_places).await?;
    visit(&mut bound, &mut sort_keys::SortKeys);
    visit(&mut bound, &mut syntax::Syntax);
    visit(&mut bound, &mut numbers::Exponents);
    Ok(bound)
}

/// Parses a statement; returns also whether it names a virtual column, such as `_file`.
fn parse(state: &SessionState, sql: &str) -> Result<(Statement, bool)> {
    let options = &state.config_options().sql_parser;
    let dialect = dialect_from_str(options.dialect);
    let dialect = dialect.ok_or_else(|| plan_datafusion_err!("there is no SQL dialect {}", options.dialect))?;
    let mut tokens = words::tokens(sql, dialect.as_ref())?;
    lambdas::encode(&mut tokens);
    let names_places = words::name_places(&tokens) || sample::has_seed(&tokens);
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(dialect.as_ref())
        .with_recursion_limit(options.recursion_limit.get())
        .build()?;
    let mut statements = parser.parse_statements()?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok((statement, names_places)),
        (Some(_), false) => not_impl_err!("several statements at once"),
        (None, _) => Err(plan_datafusion_err!("there is no statement")),
    }
}
