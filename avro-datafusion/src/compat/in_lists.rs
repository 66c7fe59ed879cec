//! `x IN (1, y)`: lists with non-literal values, as comparisons joined by `OR`.
//!
//! DataFusion 55 combines the lists of `x NOT IN (1, x) AND x IN (2)` as sets of expressions, in which `x` and `2`
//! differ. The result `x IN (2)` keeps rows that the first condition excludes.
//!
//! Delete when: DataFusion's simplifier combines lists of literals only.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::utils::disjunction;
use std::ops::Not;

/// Rewrites such lists.
#[derive(Debug)]
pub(super) struct InLists;

impl FunctionRewrite for InLists {
    fn name(&self) -> &str {
        "avro_in_lists"
    }

    fn rewrite(&self, expr: Expr, _schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::InList(InList { expr: value, list, negated }) = expr else { return Ok(Transformed::no(expr)) };
        let is_literal = |item: &Expr| matches!(item, Expr::Literal(..) | Expr::Placeholder(_));
        // A volatile value must be evaluated once.
        if list.iter().all(is_literal) || value.is_volatile() {
            return Ok(Transformed::no(Expr::InList(InList { expr: value, list, negated })));
        }
        let equal = list.into_iter().map(|item| value.as_ref().clone().eq(item));
        Ok(match disjunction(equal) {
            Some(any) => Transformed::yes(if negated { any.not() } else { any }),
            None => Transformed::no(Expr::InList(InList { expr: value, list: vec![], negated })),
        })
    }
}
