//! Operators and functions of bytes, fixed, uuids and times of day, which must be planned before DataFusion determines
//! types.
//!
//! DataFusion 55 determines the type of `fixed = 'abc'` while it plans a select list, before the rules of
//! [`coercion`](super::coercion) see it. For `POSITION` and `SUBSTRING` it uses its own text functions, whatever is
//! registered under these names.
//!
//! Delete when: comparison types are checked after the analyzer's rules, and `POSITION` is looked up by name.

use std::sync::Arc;

use super::operand::{Operand, is_bytes, is_text};
use super::{bytes, points, temporal};
use arrow_schema::{DataType, Field};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::sqlparser::ast::BinaryOperator;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, ScalarUDF, cast};

/// Plans operators, `POSITION` and `SUBSTRING`.
#[derive(Debug)]
pub(super) struct Operators {
    pub(super) position: Option<Arc<ScalarUDF>>,
    pub(super) substring: Option<Arc<ScalarUDF>>,
}

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let Some(op) = operator(&expr.op) else { return Ok(PlannerResult::Original(expr)) };
        let (Some(left), Some(right)) = (Operand::new(&expr.left, schema), Operand::new(&expr.right, schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let (left, right) = (as_interval(left), as_interval(right));
        let aligned = if op == Operator::StringConcat {
            concatenated(&left, &right)
        } else if let Some(compared) = bytes::uuid_text(&left, op, &right) {
            return Ok(PlannerResult::Planned(compared));
        } else if temporal::is_interval(left.data_type()) || temporal::is_interval(right.data_type()) {
            // The zone does not matter here, nor to times of day.
            temporal::align(&left, &right, "UTC")?
        } else if left.data_type() == right.data_type() {
            None
        } else if [&left, &right].iter().any(|side| temporal::is_time_of_day(side.data_type())) {
            temporal::align(&left, &right, "UTC")?
        } else if [&left, &right].iter().any(|side| side.data_type().is_numeric()) {
            // An error, if the other side is a point in time.
            temporal::align(&left, &right, "UTC")?.or(bytes::align(&left, &right)?)
        } else {
            bytes::align(&left, &right)?
        };
        Ok(match aligned {
            Some((left, right)) => {
                PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
            }
            None => PlannerResult::Original(expr),
        })
    }

    fn plan_position(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(match &self.position {
            Some(function) => PlannerResult::Planned(function.call(args)),
            None => PlannerResult::Original(args),
        })
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(match &self.substring {
            Some(function) => PlannerResult::Planned(function.call(args)),
            None => PlannerResult::Original(args),
        })
    }
}

/// Plans durations that Parquet stores as bytes as the intervals they become.
fn as_interval(side: Operand) -> Operand {
    if !points::is_duration(&side.field) {
        return side;
    }
    let field = Arc::new(Field::new(side.field.name(), temporal::INTERVAL, side.field.is_nullable()));
    Operand { expr: points::duration(side.expr), field }
}

fn operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::StringConcat => Operator::StringConcat,
        _ => return None,
    })
}

/// Plans fixed as bytes of any size, and uuids as text beside text.
fn concatenated(left: &Operand, right: &Operand) -> Option<(Expr, Expr)> {
    let is_fixed = |side: &Operand| matches!(side.data_type(), DataType::FixedSizeBinary(_));
    if !is_fixed(left) && !is_fixed(right) {
        return None;
    }
    let part = |side: &Operand, other: &Operand| match side.data_type() {
        DataType::FixedSizeBinary(_) if is_text(other.data_type()) => super::text::of(side.expr.clone(), &side.field),
        DataType::FixedSizeBinary(_) => cast(side.expr.clone(), DataType::Binary),
        other if is_bytes(other) => cast(side.expr.clone(), DataType::Binary),
        _ => side.expr.clone(),
    };
    Some((part(left, right), part(right, left)))
}
