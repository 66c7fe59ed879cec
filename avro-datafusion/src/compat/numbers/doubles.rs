//! Numbers as doubles.

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast};

/// Converts a number to a double; a literal from its text.
pub(super) fn to_double(expr: Expr) -> Expr {
    if let Expr::Literal(value, metadata) = &expr
        && value.data_type().is_decimal()
        && let Ok(ScalarValue::Utf8(Some(text))) = value.cast_to(&DataType::Utf8)
        && let Ok(double) = text.parse::<f64>()
    {
        return Expr::Literal(ScalarValue::Float64(Some(double)), metadata.clone());
    }
    cast(expr, DataType::Float64)
}

/// Returns whether an expression is a literal of a decimal type.
pub(super) fn is_decimal_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.data_type().is_decimal())
}
