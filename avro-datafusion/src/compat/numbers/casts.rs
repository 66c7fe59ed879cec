//! Casts of numbers to integers, and `-x`.
//!
//! DataFusion truncates `2.7::INT` to 2, but SQL rounds: decimals half away from zero, doubles half to even, as in
//! PostgreSQL and DuckDB. It negates the smallest integer to itself. Values out of range are errors in DataFusion, too.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, DecimalType, Float32Type, Float64Type};
use arrow_array::{ArrayRef, ArrowNativeTypeOp, PrimitiveArray};
use arrow_schema::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

use super::doubles::{is_decimal_literal, to_double};
use super::kernels::Width;

use super::operators;

/// Rewrites a negation, or a cast of a literal to a double.
pub(super) fn rewrite(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match &mut expr {
        // Arrow divides by a power of ten, which rounds twice.
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 && is_decimal_literal(&cast.expr) => {
            Ok(Transformed::yes(to_double(std::mem::take(cast.expr.as_mut()))))
        }
        Expr::Negative(number) => {
            let Ok(data_type) = number.get_type(schema) else { return Ok(Transformed::no(expr)) };
            if !data_type.is_integer() {
                return Ok(Transformed::no(expr));
            }
            let zero = Expr::Literal(ScalarValue::new_zero(&data_type)?, None);
            let difference = operators::plan(Operator::Minus, &zero, number, schema);
            Ok(difference.map_or_else(|| Transformed::no(expr), Transformed::yes))
        }
        _ => Ok(Transformed::no(expr)),
    }
}

/// Rounds before casts to integers. Runs after DataFusion's type coercion: before it, a `CASE` has the type of its
/// first branch.
#[derive(Debug)]
pub(super) struct RoundingCasts;

impl AnalyzerRule for RoundingCasts {
    fn name(&self) -> &str {
        "avro_rounding_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|expr| round(expr, &schema))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(rewritten.data)
    }
}

fn round(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (number, to) = match &mut expr {
        Expr::Cast(cast) => (&mut cast.expr, cast.field.data_type()),
        Expr::TryCast(cast) => (&mut cast.expr, cast.field.data_type()),
        _ => return Ok(Transformed::no(expr)),
    };
    let is_fraction =
        |t: &DataType| t.is_floating() || matches!(t, DataType::Decimal128(_, 1..) | DataType::Decimal256(_, 1..));
    let is_rounded = match number.as_ref() {
        Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Rounded>().is_some(),
        _ => false,
    };
    if is_rounded || !to.is_integer() || !number.get_type(schema).is_ok_and(|from| is_fraction(&from)) {
        return Ok(Transformed::no(expr));
    }
    **number = ScalarUDF::from(Rounded::default()).call(vec![std::mem::take(number)]);
    Ok(Transformed::yes(expr))
}

/// A number without digits after the point, of the number's own type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounded {
    signature: Signature,
}

/// Returns the function, as no session registers it.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Arc<ScalarUDF> {
    Arc::new(Rounded::default().into())
}

impl Default for Rounded {
    fn default() -> Self {
        Rounded { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Rounded {
    fn name(&self) -> &str {
        "round_to_integer"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types.first() {
            // Rounding may carry into one more digit.
            Some(DataType::Decimal128(p, s @ 1..)) => DataType::Decimal128(p - s.unsigned_abs() + 1, 0),
            Some(DataType::Decimal256(p, s @ 1..)) => DataType::Decimal256(p - s.unsigned_abs() + 1, 0),
            Some(other) => other.clone(),
            None => DataType::Null,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(number) = args.args.first() else { return internal_err!("a number is missing") };
        match number {
            ColumnarValue::Array(values) => Ok(ColumnarValue::Array(rounded(values, args.return_field.data_type())?)),
            ColumnarValue::Scalar(value) => {
                let value = rounded(&value.to_array()?, args.return_field.data_type())?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?))
            }
        }
    }

    fn is_strict(&self) -> bool {
        true
    }
}

fn rounded(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    match values.data_type() {
        DataType::Decimal128(_, s @ 1..) => decimals::<Decimal128Type>(values, *s, to),
        DataType::Decimal256(_, s @ 1..) => decimals::<Decimal256Type>(values, *s, to),
        DataType::Float64 => {
            Ok(Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round_ties_even)))
        }
        DataType::Float32 => {
            Ok(Arc::new(values.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::round_ties_even)))
        }
        _ => Ok(Arc::clone(values)),
    }
}

fn decimals<T: Width + DecimalType>(values: &ArrayRef, scale: i8, to: &DataType) -> Result<ArrayRef> {
    let Some(divisor) = T::power(i16::from(scale)) else { return internal_err!("a scale of {scale}") };
    // The quotient of any value of the type fits.
    let of = |value| T::quotient(value, T::Native::ONE, divisor).unwrap_or_default();
    let rounded: PrimitiveArray<T> = values.as_primitive::<T>().unary(of);
    Ok(Arc::new(rounded.with_data_type(to.clone())))
}
