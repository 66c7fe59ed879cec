//! Names of items in the same `SELECT` and in its `WHERE`: `SELECT price * 2 AS two, two + 1 .. WHERE two > 5`.
//!
//! A name that no table has as a column is that of an item before it, as in DuckDB. It is replaced by the item's
//! expression.

use datafusion::common::{Result, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{Expr, Ident};

use super::super::walk::any_expr;
use super::Binder;
use super::paths::{dot, has_subquery};
use super::scope::folded;

impl Binder<'_> {
    /// Returns the expression of the item with this name, and the fields after it.
    pub(super) fn alias(&self, name: &[Ident]) -> Result<Option<Expr>> {
        let Some((first, fields)) = name.split_first() else { return Ok(None) };
        let aliases = self.scopes.last().map_or(&[][..], |scope| &scope.aliases);
        let is_called = |(alias, _): &&(String, Expr)| match first.quote_style {
            None => alias.eq_ignore_ascii_case(&first.value),
            Some(_) => *alias == folded(first),
        };
        let Some((_, value)) = aliases.iter().rev().find(is_called) else { return Ok(None) };
        if !self.is_nothing(name)? || has_subquery(value) {
            return Ok(None);
        }
        if self.is_volatile(value) {
            return plan_err!(
                "`{}` has another value each time it is computed, so its name cannot be used here; use a subquery",
                first.value
            );
        }
        let root = Box::new(Expr::Nested(Box::new(value.clone())));
        if fields.is_empty() {
            return Ok(Some(*root));
        }
        let access_chain = fields.iter().map(|field| dot(&folded(field))).collect();
        Ok(Some(Expr::CompoundFieldAccess { root, access_chain }))
    }

    /// Whether two computations of the expression may differ.
    fn is_volatile(&self, expr: &Expr) -> bool {
        let is_volatile = |expr: &Expr| match expr {
            Expr::Function(function) => self
                .state
                .udf(&function.name.to_string().to_lowercase())
                .is_ok_and(|function| function.signature().volatility == Volatility::Volatile),
            _ => false,
        };
        any_expr(expr, is_volatile)
    }
}
