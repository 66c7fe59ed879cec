//! The operators `->` and `->>`, and DuckDB's `//`.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::sqlparser::ast::BinaryOperator;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, ScalarUDF};

/// Plans the operators.
#[derive(Debug)]
pub(in crate::sql_functions) struct JsonOperators {
    pub(in crate::sql_functions) extract: Arc<ScalarUDF>,
    pub(in crate::sql_functions) extract_string: Arc<ScalarUDF>,
}

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Arrow => &self.extract,
            BinaryOperator::LongArrow => &self.extract_string,
            // Division of integers cuts off the fraction already.
            BinaryOperator::DuckIntegerDivide => {
                let division = BinaryExpr::new(Box::new(expr.left), Operator::Divide, Box::new(expr.right));
                return Ok(PlannerResult::Planned(Expr::BinaryExpr(division)));
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(function.call(vec![expr.left, expr.right])))
    }
}
