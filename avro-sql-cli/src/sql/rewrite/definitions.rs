//! Variables and macros of a session, as in DuckDB: `SET VARIABLE day = DATE '2024-02-27'` and `getvariable('day')`;
//! `CREATE MACRO euro(x) AS x * 1.19` and `CREATE MACRO top(n) AS TABLE SELECT .. LIMIT n`.
//!
//! A use is replaced before names are resolved: by a literal, or by the definition with its arguments.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use avro_datafusion::sql_type_name;
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionState;
use datafusion::physical_plan::collect;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, MacroArg, MacroDefinition, Select,
    SelectItem, Statement as Sql, TableFactor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::names::folded;
use super::tokens::is_space;
use super::walk::{visit, walk};

/// Macros that may be inside of each other.
const DEPTH_MAX: usize = 32;

/// Calls of macros in a statement, with those in their definitions.
const EXPANSIONS_MAX: usize = 10_000;

/// What a session has defined.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    variables: Mutex<HashMap<String, Expr>>,
    macros: Mutex<HashMap<String, Macro>>,
}

#[derive(Debug, Clone)]
struct Macro {
    parameters: Vec<MacroArg>,
    definition: MacroDefinition,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Executes `SET VARIABLE`, `RESET VARIABLE`, `CREATE MACRO` and `DROP MACRO`; returns `false` for other statements.
pub(crate) async fn define(state: &SessionState, sql: &str) -> Result<bool> {
    let Some(definitions) = state.config().get_extension::<Definitions>() else { return Ok(false) };
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else { return Ok(false) };
    let tokens: Vec<TokenWithSpan> = tokens.into_iter().filter(|token| !is_space(&token.token)).collect();
    let word = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    match (word(0).as_str(), word(1).as_str()) {
        ("SET", "VARIABLE") => set(state, &definitions, &tokens).await?,
        ("RESET", "VARIABLE") => {
            locked(&definitions.variables).remove(&word(2).to_lowercase());
        }
        ("CREATE", "MACRO" | "OR" | "TEMP" | "TEMPORARY" | "FUNCTION") => return definitions.create(sql),
        ("DROP", "MACRO") => {
            let is_lenient = word(2) == "IF";
            let name = word(if is_lenient { 4 } else { 2 }).to_lowercase();
            if locked(&definitions.macros).remove(&name).is_none() && !is_lenient {
                return plan_err!("there is no macro `{name}`");
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Sets a variable to the value of an expression.
async fn set(state: &SessionState, definitions: &Definitions, tokens: &[TokenWithSpan]) -> Result<()> {
    let (Some(Token::Word(name)), Some(equals)) =
        (tokens.get(2).map(|token| &token.token), tokens.get(3).map(|token| &token.token))
    else {
        return plan_err!("write SET VARIABLE name = value");
    };
    let is_to = matches!(equals, Token::Word(word) if word.keyword == Keyword::TO);
    if *equals != Token::Eq && !is_to {
        return plan_err!("write SET VARIABLE name = value");
    }
    let value: Vec<String> = tokens
        .iter()
        .skip(4)
        .filter(|token| token.token != Token::SemiColon)
        .map(|token| token.token.to_string())
        .collect();
    let plan = Box::pin(super::plan(state, &format!("SELECT ({})", value.join(" ")))).await?;
    let rows = collect(state.create_physical_plan(&plan).await?, state.task_ctx()).await?;
    let found = rows.iter().find(|batch| batch.num_rows() > 0).map(|batch| (batch.schema(), batch.column(0)));
    let Some((schema, array)) = found else { return plan_err!("SET VARIABLE: the query returned no row") };
    let value = literal(schema.field(0), array)?;
    locked(&definitions.variables).insert(name.value.to_lowercase(), value);
    Ok(())
}

/// Whether this is a type of bytes.
fn bytes(of: &DataType) -> bool {
    matches!(of, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Returns the first value of an array as an expression.
fn literal(field: &Field, array: &dyn Array) -> Result<Expr> {
    let type_name = sql_type_name(field);
    let text = match array.is_null(0) {
        true => "NULL".to_owned(),
        false => match array.data_type() {
            // Arrow prints bytes as digits without a mark, which a cast would take for text.
            other if other.is_nested() || bytes(other) && type_name != "UUID" => {
                return plan_err!(
                    "SET VARIABLE: the value must be a number, a text, a date or a time, not {type_name}"
                );
            }
            _ => format!("'{}'", array_value_to_string(array, 0)?.replace('\'', "''")),
        },
    };
    let sql = match type_name.as_str() {
        "NULL" => text,
        "ENUM" => format!("CAST({text} AS VARCHAR)"),
        _ => format!("CAST({text} AS {type_name})"),
    };
    Ok(Parser::new(&GenericDialect {}).try_with_sql(&sql)?.parse_expr()?)
}

impl Definitions {
    /// Creates a macro; returns `false` if the statement creates something else.
    fn create(&self, sql: &str) -> Result<bool> {
        let parsed = Parser::parse_sql(&GenericDialect {}, sql.trim_end_matches(';'));
        let Ok([Sql::CreateMacro { or_replace, name, args, definition, .. }]) = parsed.as_deref() else {
            return Ok(false);
        };
        let name = name.to_string().to_lowercase();
        let mut macros = locked(&self.macros);
        if !or_replace && macros.contains_key(&name) {
            return plan_err!("the macro `{name}` exists already; use CREATE OR REPLACE MACRO");
        }
        let parameters = args.clone().unwrap_or_default();
        macros.insert(name, Macro { parameters, definition: definition.clone() });
        Ok(true)
    }
}

/// Replaces the uses of variables and macros.
pub(super) fn replace(state: &SessionState, statement: &mut Statement) -> Result<()> {
    let Some(definitions) = state.config().get_extension::<Definitions>() else { return Ok(()) };
    let (variables, macros) = (locked(&definitions.variables).clone(), locked(&definitions.macros).clone());
    let mut uses = Uses { variables, macros, error: Ok(()), is_changed: false, depth: 0, expansions: 0 };
    visit(statement, &mut uses);
    uses.error
}

struct Uses {
    variables: HashMap<String, Expr>,
    macros: HashMap<String, Macro>,
    error: Result<()>,
    is_changed: bool,
    depth: usize,
    expansions: usize,
}

impl Uses {
    /// Returns what a call stands for.
    fn expansion(&self, call: &Function) -> Result<Option<Expr>> {
        let name = call.name.to_string().to_lowercase();
        let FunctionArguments::List(list) = &call.args else { return Ok(None) };
        if name == "getvariable" {
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(name)))] = list.args.as_slice() else {
                return plan_err!("write getvariable('name')");
            };
            let name = name.value.clone().into_string().unwrap_or_default().to_lowercase();
            let null = || Expr::Value(datafusion::sql::sqlparser::ast::Value::Null.into());
            return Ok(Some(self.variables.get(&name).cloned().unwrap_or_else(null)));
        }
        match self.macros.get(&name) {
            Some(Macro { parameters, definition: MacroDefinition::Expr(expr) }) => {
                let mut expr = expr.clone();
                let _ = walk(&mut expr, &mut Arguments::new(&name, parameters, &list.args)?);
                Ok(Some(Expr::Nested(Box::new(expr))))
            }
            _ => Ok(None),
        }
    }

    /// Replaces a call of a macro or a variable, and the calls in what replaces it.
    fn expand(&mut self, expr: &mut Expr) {
        let Expr::Function(call) = expr else { return };
        match self.expansion(call) {
            Ok(Some(expanded)) => {
                (*expr, self.is_changed) = (expanded, true);
                self.within(|uses| {
                    let _ = walk(expr, uses);
                });
            }
            Ok(None) => {}
            Err(error) => self.error = Err(error),
        }
    }

    /// Replaces the calls in an expansion, unless there are too many of them.
    fn within(&mut self, visit: impl FnOnce(&mut Self)) {
        self.expansions += 1;
        if self.depth == DEPTH_MAX || self.expansions > EXPANSIONS_MAX {
            self.error = plan_err!("a macro calls itself, or macros call each other too often");
            return;
        }
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }
}

impl VisitorMut for Uses {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            // The column is named as in the query.
            let said = expr.to_string();
            let outer = std::mem::take(&mut self.is_changed);
            let _ = walk(expr, self);
            let is_changed = std::mem::replace(&mut self.is_changed, outer);
            self.is_changed |= is_changed;
            if is_changed {
                let alias = Ident::with_quote('"', said);
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if self.error.is_ok() {
            self.expand(expr);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        let TableFactor::Table { name, args: Some(args), alias, .. } = table else {
            return ControlFlow::Continue(());
        };
        if self.error.is_err() {
            return ControlFlow::Continue(());
        }
        let name = name.to_string().to_lowercase();
        let Some(Macro { parameters, definition: MacroDefinition::Table(query) }) = self.macros.get(&name) else {
            return ControlFlow::Continue(());
        };
        match Arguments::new(&name, parameters, &args.args) {
            Ok(mut arguments) => {
                let (mut subquery, alias) = (query.clone(), alias.take());
                let _ = walk(&mut subquery, &mut arguments);
                self.within(|uses| {
                    let _ = walk(&mut subquery, uses);
                });
                if self.error.is_err() {
                    return ControlFlow::Continue(());
                }
                *table = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
            }
            Err(error) => self.error = Err(error),
        }
        ControlFlow::Continue(())
    }
}

/// The arguments of a call by the names of the parameters.
struct Arguments(HashMap<String, Expr>);

impl Arguments {
    fn new(name: &str, parameters: &[MacroArg], given: &[FunctionArg]) -> Result<Self> {
        let mut values = HashMap::new();
        let mut rest = parameters.iter();
        for argument in given {
            let (parameter, value) = match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (rest.next().map(|p| folded(&p.name)), value),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
                | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                    (Some(folded(name)), value)
                }
                other => return plan_err!("the macro `{name}` cannot take `{other}`"),
            };
            let is_known = |name: &String| parameters.iter().any(|parameter| folded(&parameter.name) == *name);
            match parameter.filter(is_known) {
                Some(parameter) => drop(values.insert(parameter, value.clone())),
                None => return plan_err!("the macro `{name}` takes {} arguments", parameters.len()),
            }
        }
        for parameter in parameters {
            let own = folded(&parameter.name);
            match (&parameter.default_expr, values.contains_key(&own)) {
                (_, true) => {}
                (Some(default), false) => drop(values.insert(own, default.clone())),
                (None, false) => return plan_err!("the macro `{name}` needs the argument `{own}`"),
            }
        }
        Ok(Arguments(values))
    }
}

impl VisitorMut for Arguments {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        match expr {
            Expr::Identifier(name) => {
                if let Some(value) = self.0.get(&folded(name)) {
                    *expr = Expr::Nested(Box::new(value.clone()));
                }
            }
            Expr::CompoundIdentifier(names) => {
                let Some((first, fields)) = names.split_first() else { return ControlFlow::Continue(()) };
                if let Some(value) = self.0.get(&folded(first)) {
                    let access_chain = fields.iter().map(|field| super::names::dot(&folded(field))).collect();
                    let root = Box::new(Expr::Nested(Box::new(value.clone())));
                    *expr = Expr::CompoundFieldAccess { root, access_chain };
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
