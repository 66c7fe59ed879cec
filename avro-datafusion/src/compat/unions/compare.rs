//! Rewrites comparisons of unions to comparisons of branches.

use super::branch::extract;
use super::shape::{TypeClass, UnionShape, class_of, has_map, name_of, union_of};
use super::values::{Target, UnionValue};
use arrow_schema::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, plan_err};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit, when,
};
use std::sync::Arc;

/// A comparison with a union, from planning to the rule. The planner would reject the operator itself; the types of its
/// sides are only known to the rule, as `GROUP BY` converts some unions to numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct UnionCompare {
    signature: Signature,
    pub(super) op: Operator,
}

impl UnionCompare {
    pub(super) fn call(left: Expr, op: Operator, right: Expr) -> Expr {
        let function = UnionCompare { signature: Signature::any(2, Volatility::Immutable), op };
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), vec![left, right]))
    }
}

impl ScalarUDFImpl for UnionCompare {
    fn name(&self) -> &str {
        "union_compare"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("a comparison of unions that was planned without the rules of avro_datafusion::register_all")
    }
}

/// Returns whether this operator is a comparison.
pub(super) fn is_comparison(op: Operator) -> bool {
    use Operator::*;
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// Returns `left op right`, where either may be a union.
pub(super) fn compare(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    // DataFusion reports an expression without a type.
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
        return Ok(binary(left, op, right));
    };
    match (union_of(&left_type), union_of(&right_type)) {
        (None, None) if is_order(op) && has_map(&left_type) => {
            let name = name_of(&left);
            plan_err!("{name}: maps have no order; compare a value, as in {name}['key']")
        }
        // DataFusion cannot compare maps, and loses rows of joins on structs and lists that contain nulls.
        (None, None) if left_type.is_nested() && left_type.equals_datatype(&right_type) && !is_order(op) => {
            Ok(binary(UnionValue::call(left, Target::Key), op, UnionValue::call(right, Target::Key)))
        }
        (None, None) => Ok(binary(left, op, right)),
        (Some(union), None) => with_value(left, &union, op, right, &right_type),
        (None, Some(union)) => with_value(right, &union, op.swap().unwrap_or(op), left, &left_type),
        (Some(a), Some(b)) => match (a.number(), b.number()) {
            (Some(_), Some(_)) => Ok(binary(number(left), op, number(right))),
            (Some(to), None) => with_value(right, &b, op.swap().unwrap_or(op), number(left), &to),
            (None, Some(to)) => with_value(left, &a, op, number(right), &to),
            (None, None) if a.has_branches_of(&b) && !is_order(op) => {
                Ok(binary(UnionValue::call(left, Target::Key), op, UnionValue::call(right, Target::Key)))
            }
            (None, None) if a.has_branches_of(&b) => Err(a.refuse(&left, "has no order")),
            (None, None) => Err(a.refuse(&left, &format!("cannot be compared with {}", b.words()))),
        },
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn number(union: Expr) -> Expr {
    UnionValue::call(union, Target::Number)
}

fn is_order(op: Operator) -> bool {
    matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

/// Compares a union with another type.
fn with_value(union: Expr, shape: &UnionShape, op: Operator, value: Expr, data_type: &DataType) -> Result<Expr> {
    let class = class_of(data_type);
    if class == TypeClass::Null {
        return Ok(match op {
            Operator::IsDistinctFrom => union.is_not_null(),
            Operator::IsNotDistinctFrom => union.is_null(),
            _ => lit(ScalarValue::Boolean(None)),
        });
    }
    let is_numeric = shape.number().is_some();
    if class == TypeClass::Text {
        // A union of numbers compares as a column of numbers.
        let target = if is_numeric { Target::Number } else { Target::Text };
        return Ok(binary(UnionValue::call(union, target), op, value));
    }
    let branches = match is_numeric {
        true => shape.of_class(TypeClass::Number),
        false => shape.of_class(class),
    };
    let branches: Vec<_> = match class {
        TypeClass::Nested => branches.into_iter().filter(|branch| branch.data_type() == data_type).collect(),
        _ => branches,
    };
    if branches.is_empty() {
        return Err(shape.refuse(&union, &format!("cannot be compared with {}", class.word())));
    }
    let each = |op: Operator| -> Vec<Expr> {
        let branch = |name: &str| extract(union.clone(), name);
        branches.iter().map(|field| binary(branch(field.name()), op, value.clone())).collect()
    };
    let is_other_class = branches.len() < shape.branches.len();
    // A value of another branch is not equal to this one.
    let differs = |is: bool| -> Result<Expr> {
        when(union.clone().is_not_null().and(value.clone().is_not_null()), lit(is)).end()
    };
    let any = |mut exprs: Vec<Expr>| match exprs.len() {
        1 => exprs.remove(0),
        _ => coalesce(exprs),
    };
    Ok(match op {
        Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => {
            let mut equal = each(Operator::Eq);
            equal.push(lit(false));
            let same = union.clone().is_null().and(value.clone().is_null()).or(coalesce(equal));
            if op == Operator::IsDistinctFrom { same.is_not_true() } else { same }
        }
        Operator::Eq | Operator::NotEq if is_other_class => {
            let mut exprs = each(op);
            exprs.push(differs(op == Operator::NotEq)?);
            coalesce(exprs)
        }
        _ => any(each(op)),
    })
}
