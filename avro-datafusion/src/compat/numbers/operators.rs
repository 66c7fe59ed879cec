//! `+ - * / %` on integers and decimals, and `<< >>` on integers.
//!
//! DataFusion computes integers, and shift widths, modulo the width of their type. It truncates quotients of decimals
//! four digits after the dividend's, and gives products of more than 38 digits a type that cannot hold them, unchecked.
//! Here each operator is a function, [`ExactOperator`], which checks for overflow; [`plan`] puts it in place of the
//! operator.

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::common::{DFSchema, Result, internal_err, plan_err};
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;
use std::sync::Arc;

use super::doubles::to_double;
use super::kernels;
use super::shape::{DecimalShape, ResultType, narrowest, result_type};

/// An operator as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactOperator {
    op: Operator,
    signature: Signature,
}

impl ExactOperator {
    fn function(op: Operator) -> ScalarUDF {
        ExactOperator { op, signature: Signature::user_defined(Volatility::Immutable) }.into()
    }

    fn call(op: Operator, left: Expr, right: Expr) -> Expr {
        ExactOperator::function(op).call(vec![left, right])
    }

    fn result(&self, types: &[DataType]) -> Result<ResultType> {
        match types {
            [left, right] => match (DecimalShape::of(left), DecimalShape::of(right)) {
                (Some(left), Some(right)) => result_type(self.op, left, right),
                _ => plan_err!("{left} {} {right} is not arithmetic on numbers", self.op),
            },
            _ => internal_err!("{} takes two operands", self.op),
        }
    }
}

/// Returns the functions of all operators, as no session registers them.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    use Operator::{BitwiseShiftLeft, BitwiseShiftRight, Divide, Minus, Modulo, Multiply, Plus};
    let all = [Plus, Minus, Multiply, Divide, Modulo, BitwiseShiftLeft, BitwiseShiftRight];
    all.map(|op| Arc::new(ExactOperator::function(op))).into()
}

/// Returns `left op right`, exact; `None` if DataFusion's own operator is right.
pub(super) fn plan(op: Operator, left: &Expr, right: &Expr, schema: &DFSchema) -> Option<Expr> {
    use Operator::{BitwiseShiftLeft, BitwiseShiftRight, Divide, Minus, Modulo, Multiply, Plus};
    let is_shift = matches!(op, BitwiseShiftLeft | BitwiseShiftRight);
    if !is_shift && !matches!(op, Plus | Minus | Multiply | Divide | Modulo) {
        return None;
    }
    // DataFusion reports an expression without a type.
    let (l, r) = (left.get_type(schema).ok()?, right.get_type(schema).ok()?);
    let binary = |left, right| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
    match (&l, &r) {
        _ if l.is_decimal() && r.is_floating() => Some(binary(to_double(left.clone()), right.clone())),
        _ if l.is_floating() && r.is_decimal() => Some(binary(left.clone(), to_double(right.clone()))),
        _ if l.is_integer() && r.is_integer() && (is_shift || matches!(op, Plus | Minus | Multiply)) => {
            Some(ExactOperator::call(op, left.clone(), right.clone()))
        }
        _ if is_shift => None,
        _ if l.is_decimal() || r.is_decimal() => {
            let is_number = |t: &DataType| t.is_decimal() || t.is_integer() || t.is_null();
            let narrow = |expr: &Expr| match expr {
                Expr::Literal(value, metadata) => {
                    Expr::Literal(narrowest(value).unwrap_or_else(|| value.clone()), metadata.clone())
                }
                other => other.clone(),
            };
            (is_number(&l) && is_number(&r)).then(|| ExactOperator::call(op, narrow(left), narrow(right)))
        }
        _ => None,
    }
}

impl ScalarUDFImpl for ExactOperator {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "add",
            Operator::Minus => "subtract",
            Operator::Multiply => "multiply",
            Operator::Divide => "divide",
            Operator::BitwiseShiftLeft => "shift_left",
            Operator::BitwiseShiftRight => "shift_right",
            _ => "modulo",
        }
    }

    // DataFusion's name of the operator, so that a column keeps its name when a rule replaces one.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<_> = args.iter().map(|expr| expr.schema_name().to_string()).collect();
        Ok(names.join(&format!(" {} ", self.op)))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else { return internal_err!("{} takes two operands", self.op) };
        if left.is_floating() || right.is_floating() {
            return Ok(vec![DataType::Float64; 2]);
        }
        if !left.is_decimal() && !right.is_decimal() {
            let (left, right) = BinaryTypeCoercer::new(left, &self.op, right).get_input_types()?;
            return Ok(vec![left, right]);
        }
        // A null takes the type of the other side.
        let shape = |of: &DataType, other: &DataType| {
            DecimalShape::of(of).or_else(|| of.is_null().then(|| DecimalShape::of(other))?)
        };
        let (Some(l), Some(r)) = (shape(left, right), shape(right, left)) else {
            return plan_err!("{left} {} {right} is not arithmetic on numbers", self.op);
        };
        let result = result_type(self.op, l, r)?;
        let is_wide = matches!(result.data_type, DataType::Decimal256(..))
            || [l, r].iter().any(|shape| matches!(shape.decimal(), Some(DataType::Decimal256(..))));
        let widened = |shape: DecimalShape| match shape.decimal() {
            Some(DataType::Decimal128(p, s)) if is_wide => Ok(DataType::Decimal256(p, s)),
            Some(data_type) => Ok(data_type),
            None => plan_err!("{left} {} {right} needs more than 76 digits", self.op),
        };
        Ok(vec![widened(l)?, widened(r)?])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, _] if left.is_decimal() => match self.result(types)?.data_type {
                DataType::Decimal128(p, s) if matches!(left, DataType::Decimal256(..)) => {
                    Ok(DataType::Decimal256(p, s))
                }
                data_type => Ok(data_type),
            },
            [left, _] => Ok(left.clone()),
            _ => internal_err!("{} takes two operands", self.op),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return internal_err!("{} takes two operands", self.op) };
        let data_type = left.data_type();
        if data_type.is_decimal() {
            let types = [data_type, right.data_type()];
            let result = ResultType { data_type: self.return_type(&types)?, ..self.result(&types)? };
            return kernels::decimals(self.op, left, right, &result);
        }
        match self.op {
            Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::BitwiseShiftLeft
            | Operator::BitwiseShiftRight
                if data_type.is_integer() =>
            {
                kernels::integers(self.op, left, right)
            }
            Operator::Plus => apply(left, right, numeric::add),
            Operator::Minus => apply(left, right, numeric::sub),
            Operator::Multiply => apply(left, right, numeric::mul),
            Operator::Divide => apply(left, right, numeric::div),
            _ => apply(left, right, numeric::rem),
        }
    }

    fn is_strict(&self) -> bool {
        true
    }
}

/// Plans SQL's operators, so that expressions have the right types from the start.
#[cfg(feature = "sql")]
#[derive(Debug)]
pub(super) struct ExactOperators;

#[cfg(feature = "sql")]
impl datafusion::logical_expr::planner::ExprPlanner for ExactOperators {
    fn plan_binary_op(
        &self,
        expr: datafusion::logical_expr::planner::RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<datafusion::logical_expr::planner::PlannerResult<datafusion::logical_expr::planner::RawBinaryExpr>>
    {
        use datafusion::logical_expr::planner::PlannerResult;
        use datafusion::sql::sqlparser::ast::BinaryOperator;
        let op = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Modulo,
            BinaryOperator::PGBitwiseShiftLeft => Operator::BitwiseShiftLeft,
            BinaryOperator::PGBitwiseShiftRight => Operator::BitwiseShiftRight,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(match plan(op, &expr.left, &expr.right, schema) {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(expr),
        })
    }
}
