//! `COLUMNS(*)`, `COLUMNS('regex')` and `COLUMNS(['a', 'b'])` in a `SELECT`: an item for each of these columns, as in
//! DuckDB. `min(COLUMNS('a'))` is an item `min(..)` for each column whose name contains `a`.

use std::ops::ControlFlow;

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::sql::sqlparser::ast::{
    Array, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, SelectItem, Value, VisitorMut,
    WildcardAdditionalOptions,
};
use regex::Regex;

use super::super::walk::walk;
use super::Binder;
use super::items::{ColumnOrigin, OutputColumn};
use super::scope::spelled;

/// Finds the first call of `COLUMNS`, and replaces all by a column.
enum ColumnsCalls<'a> {
    Find(Option<Box<Expr>>),
    Replace(&'a Expr),
}

impl VisitorMut for ColumnsCalls<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if argument(expr).is_some() {
            match self {
                ColumnsCalls::Find(found @ None) => *found = Some(Box::new(expr.clone())),
                ColumnsCalls::Find(_) => {}
                ColumnsCalls::Replace(column) => *expr = (*column).clone(),
            }
        }
        ControlFlow::Continue(())
    }
}

/// Returns the argument of a call of `COLUMNS`.
fn argument(expr: &Expr) -> Option<&FunctionArgExpr> {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(argument)] if name.to_string().eq_ignore_ascii_case("columns") => Some(argument),
        _ => None,
    }
}

impl Binder<'_> {
    /// Replaces each item that has a `COLUMNS` by one for each column.
    pub(super) fn expand_columns(&mut self, items: &mut Vec<SelectItem>) -> Result<()> {
        let mut expanded = Vec::with_capacity(items.len());
        for mut item in std::mem::take(items) {
            let mut found = ColumnsCalls::Find(None);
            let _ = match &mut item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => walk(expr, &mut found),
                _ => ControlFlow::Continue(()),
            };
            let ColumnsCalls::Find(Some(call)) = found else {
                expanded.push(item);
                continue;
            };
            for column in self.chosen(&call)? {
                let mut item = item.clone();
                let _ = walk(&mut item, &mut ColumnsCalls::Replace(&column));
                expanded.push(item);
            }
        }
        *items = expanded;
        Ok(())
    }

    /// Returns the columns that a call stands for.
    pub(super) fn chosen(&mut self, call: &Expr) -> Result<Vec<Expr>> {
        let Some(outputs) = self.columns_of(|_| true) else {
            return plan_err!("`{call}` needs tables whose columns are known");
        };
        let outputs = match argument(call) {
            Some(FunctionArgExpr::Wildcard) => outputs,
            Some(FunctionArgExpr::WildcardWithOptions(but)) => self.but(outputs, but)?,
            Some(FunctionArgExpr::Expr(Expr::Value(pattern))) => match &pattern.value {
                Value::SingleQuotedString(pattern) => {
                    let regex = Regex::new(pattern);
                    let regex = regex.map_err(|e| plan_datafusion_err!("COLUMNS: {}", last_line(&e.to_string())))?;
                    outputs.into_iter().filter(|output| regex.is_match(&output.short)).collect()
                }
                _ => return usage(),
            },
            Some(FunctionArgExpr::Expr(Expr::Array(Array { elem, .. }))) => {
                let names: Vec<_> = elem.iter().map(name).collect::<Option<_>>().map_or_else(usage, Ok)?;
                if let Some(missing) = names.iter().find(|name| outputs.iter().all(|o| o.short != **name)) {
                    return plan_err!("COLUMNS: there is no column `{missing}`");
                }
                outputs.into_iter().filter(|output| names.contains(&output.short)).collect()
            }
            _ => return usage(),
        };
        if outputs.is_empty() {
            return plan_err!("`{call}` matches no column");
        }
        // A column is qualified only where another table has its name too.
        let column = |output: OutputColumn| match output.made {
            ColumnOrigin::By(expr) if !matches!(*expr, Expr::CompoundIdentifier(_)) => *expr,
            _ if self.is_unique(&output.short) => Expr::Identifier(spelled(&output.short)),
            ColumnOrigin::By(expr) => *expr,
            ColumnOrigin::ByTable(table) => self.column_of(table, &output.short),
        };
        Ok(outputs.into_iter().map(column).collect())
    }

    fn but(&mut self, outputs: Vec<OutputColumn>, but: &WildcardAdditionalOptions) -> Result<Vec<OutputColumn>> {
        Ok(self.apply_wildcard_options(Some(outputs), but)?.unwrap_or_default())
    }

    /// Whether one table only has a column of this name.
    fn is_unique(&self, name: &str) -> bool {
        let relations = self.scopes.last().into_iter().flat_map(|scope| &scope.relations);
        let columns = relations.flat_map(|relation| relation.columns.iter().flat_map(|columns| columns.shown()));
        columns.filter(|column| column.name == name).count() == 1
    }
}

/// Returns a text literal.
fn name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    }
}

fn usage<T>() -> Result<T> {
    plan_err!("write COLUMNS(*), COLUMNS('regex') or COLUMNS(['a', 'b'])")
}

/// Returns the line of an error of `regex` that says what is wrong.
fn last_line(error: &str) -> &str {
    error.lines().next_back().unwrap_or(error).trim_start_matches("error: ")
}
