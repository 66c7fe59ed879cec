//! Plans operators and field accesses of unions, which DataFusion's planner would reject before any rule can rewrite
//! them.

use super::branch::extract;
use super::compare::UnionCompare;
use super::shape::{UnionShape, union_of};
use super::values::{Target, UnionValue};
use arrow_schema::{DataType, Field};
use datafusion::common::{DFSchema, Result, TableReference};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, Operator};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// The expression planner.
#[derive(Debug)]
pub(super) struct UnionPlanner;

/// The effect of an operator.
enum OperatorEffect {
    Compares(Operator),
    Computes,
    /// With text.
    Reads,
    Other,
}

fn kind(op: &BinaryOperator) -> OperatorEffect {
    use BinaryOperator as B;
    match op {
        B::Eq => OperatorEffect::Compares(Operator::Eq),
        B::NotEq => OperatorEffect::Compares(Operator::NotEq),
        B::Lt => OperatorEffect::Compares(Operator::Lt),
        B::LtEq => OperatorEffect::Compares(Operator::LtEq),
        B::Gt => OperatorEffect::Compares(Operator::Gt),
        B::GtEq => OperatorEffect::Compares(Operator::GtEq),
        B::Spaceship => OperatorEffect::Compares(Operator::IsNotDistinctFrom),
        B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo => OperatorEffect::Computes,
        B::BitwiseAnd | B::BitwiseOr | B::BitwiseXor | B::PGBitwiseShiftLeft | B::PGBitwiseShiftRight => {
            OperatorEffect::Computes
        }
        B::StringConcat | B::PGRegexMatch | B::PGRegexIMatch | B::PGRegexNotMatch | B::PGRegexNotIMatch => {
            OperatorEffect::Reads
        }
        B::PGLikeMatch | B::PGILikeMatch | B::PGNotLikeMatch | B::PGNotILikeMatch => OperatorEffect::Reads,
        _ => OperatorEffect::Other,
    }
}

impl ExprPlanner for UnionPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let kind = kind(&expr.op);
        if matches!(kind, OperatorEffect::Other) {
            return Ok(PlannerResult::Original(expr));
        }
        let union = |expr: &Expr| union_of(&expr.get_type(schema).ok()?);
        let (left, right) = (union(&expr.left), union(&expr.right));
        if left.is_none() && right.is_none() {
            return Ok(PlannerResult::Original(expr));
        }
        match kind {
            OperatorEffect::Compares(op) => Ok(PlannerResult::Planned(UnionCompare::call(expr.left, op, expr.right))),
            OperatorEffect::Computes => {
                let left = computed(expr.left, left.as_ref(), &expr.op)?;
                let right = computed(expr.right, right.as_ref(), &expr.op)?;
                Ok(PlannerResult::Original(RawBinaryExpr { op: expr.op, left, right }))
            }
            OperatorEffect::Reads | OperatorEffect::Other => {
                let text = |expr: Expr, union: Option<UnionShape>| match union {
                    Some(_) => UnionValue::call(expr, Target::Text),
                    None => expr,
                };
                let (left, right) = (text(expr.left, left), text(expr.right, right));
                Ok(PlannerResult::Original(RawBinaryExpr { op: expr.op, left, right }))
            }
        }
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        if let GetFieldAccess::NamedStructField { name } = &expr.field_access
            && let Ok(data_type) = expr.expr.get_type(schema)
            && union_of(&data_type).is_some()
            && let Some(name) = name.try_as_str().flatten()
        {
            let name = name.to_owned();
            return Ok(PlannerResult::Planned(extract(expr.expr, &name)));
        }
        Ok(PlannerResult::Original(expr))
    }

    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let mut expr = Expr::Column((qualifier, field).into());
        let mut data_type = field.data_type().clone();
        let mut is_through_union = false;
        for name in names {
            let (next, of) = match (union_of(&data_type), &data_type) {
                (Some(shape), _) => {
                    is_through_union = true;
                    (extract(expr, name), shape.branch(name).map(|branch| branch.data_type().clone()))
                }
                (None, DataType::Struct(fields)) => {
                    let field = fields.iter().find(|field| field.name() == name);
                    (get_field(expr, name.as_str()), field.map(|field| field.data_type().clone()))
                }
                (None, _) => (get_field(expr, name.as_str()), None),
            };
            expr = next;
            data_type = of.unwrap_or(DataType::Null);
        }
        match is_through_union {
            true => Ok(PlannerResult::Planned(expr)),
            false => Ok(PlannerResult::Original(vec![])),
        }
    }
}

/// Returns the number that a side of an operator is.
fn computed(expr: Expr, union: Option<&UnionShape>, op: &BinaryOperator) -> Result<Expr> {
    match union {
        Some(union) if union.number().is_some() => Ok(UnionValue::call(expr, Target::Number)),
        Some(union) => Err(union.refuse(&expr, &format!("is no number for {op}"))),
        None => Ok(expr),
    }
}
