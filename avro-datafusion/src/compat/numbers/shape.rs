//! Result types of exact arithmetic, and SQL's names of number types.

use arrow_schema::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::Operator;

/// Minimum integer digits of a product in a decimal of 38 digits. With fewer, it becomes a decimal of up to 76 digits,
/// which is several times slower.
const PRODUCT_DIGITS: i16 = 20;

/// Fractional digits of a quotient, as in PostgreSQL, and the minimum to which they shrink to stay within 38 digits.
const QUOTIENT_SCALE: i16 = 16;
const QUOTIENT_SCALE_MIN: i16 = 10;

const NARROW: i16 = DECIMAL128_MAX_PRECISION as i16;
const WIDE: i16 = DECIMAL256_MAX_PRECISION as i16;

/// Integer and fractional digits of a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecimalShape {
    pub(super) whole: i16,
    pub(super) scale: i16,
}

/// The type of a result, and whether its values must be checked: `false` if every result fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResultType {
    pub(super) data_type: DataType,
    pub(super) is_checked: bool,
}

impl DecimalShape {
    /// Returns the digits that all values of an integer or decimal type need.
    pub(super) fn of(data_type: &DataType) -> Option<DecimalShape> {
        let whole = match data_type {
            DataType::Int8 | DataType::UInt8 => 3,
            DataType::Int16 | DataType::UInt16 => 5,
            DataType::Int32 | DataType::UInt32 => 10,
            DataType::Int64 => 19,
            DataType::UInt64 => 20,
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => {
                return Some(DecimalShape { whole: i16::from(*p) - i16::from(*s), scale: i16::from(*s).max(0) });
            }
            _ => return None,
        };
        Some(DecimalShape { whole, scale: 0 })
    }

    /// The digits that hold all values of both.
    pub(super) fn union(self, other: DecimalShape) -> DecimalShape {
        DecimalShape { whole: self.whole.max(other.whole), scale: self.scale.max(other.scale) }
    }

    pub(super) fn precision(self) -> i16 {
        self.whole + self.scale
    }

    /// The decimal type with these digits; `None` if it would need more than 76.
    pub(super) fn decimal(self) -> Option<DataType> {
        let precision = u8::try_from(self.precision().max(1)).ok()?;
        let scale = i8::try_from(self.scale).ok()?;
        match precision {
            ..=DECIMAL128_MAX_PRECISION => Some(DataType::Decimal128(precision, scale)),
            _ if precision <= DECIMAL256_MAX_PRECISION => Some(DataType::Decimal256(precision, scale)),
            _ => None,
        }
    }
}

/// The type of `left op right`.
pub(super) fn result_type(op: Operator, left: DecimalShape, right: DecimalShape) -> Result<ResultType> {
    let both = left.union(right);
    let shape = match op {
        Operator::Plus | Operator::Minus => DecimalShape { whole: both.whole + 1, ..both },
        Operator::Multiply => DecimalShape { whole: left.whole + right.whole, scale: left.scale + right.scale },
        Operator::Divide => quotient(left, right),
        _ => both,
    };
    let is_narrow = op == Operator::Multiply && shape.precision() > NARROW && shape.scale <= NARROW - PRODUCT_DIGITS;
    let precision = match shape.precision() {
        _ if is_narrow => NARROW,
        precision => precision.min(WIDE),
    };
    match (DecimalShape { whole: precision - shape.scale, ..shape }).decimal() {
        Some(data_type) if shape.scale <= precision => {
            Ok(ResultType { data_type, is_checked: precision < shape.precision() })
        }
        _ => plan_err!(
            "the result of {op} would have {} digits after the point, more than {WIDE}; cast an operand to DOUBLE or to fewer digits",
            shape.scale
        ),
    }
}

/// Returns the digits of `left / right`: 16 fractional ones, or as many as fit in 38 digits.
pub(super) fn quotient(left: DecimalShape, right: DecimalShape) -> DecimalShape {
    let whole = left.whole + right.scale;
    let least = QUOTIENT_SCALE_MIN.max(left.scale + 4).max(right.scale);
    let scale = QUOTIENT_SCALE.max(least);
    if whole + scale <= NARROW || whole + least > NARROW {
        return DecimalShape { whole, scale };
    }
    DecimalShape { whole, scale: NARROW - whole }
}

/// An integer literal as a decimal of as many digits as it has.
pub(super) fn narrowest(literal: &ScalarValue) -> Option<ScalarValue> {
    let value = match literal {
        ScalarValue::Int8(v) => i128::from((*v)?),
        ScalarValue::Int16(v) => i128::from((*v)?),
        ScalarValue::Int32(v) => i128::from((*v)?),
        ScalarValue::Int64(v) => i128::from((*v)?),
        ScalarValue::UInt8(v) => i128::from((*v)?),
        ScalarValue::UInt16(v) => i128::from((*v)?),
        ScalarValue::UInt32(v) => i128::from((*v)?),
        ScalarValue::UInt64(v) => i128::from((*v)?),
        _ => return None,
    };
    let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    Some(ScalarValue::Decimal128(Some(value), u8::try_from(digits).ok()?, 0))
}

/// Returns SQL's name of a number type.
pub(super) fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INTEGER UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("DECIMAL({p}, {s})"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn result_type_follows_operator_and_digits() {
        use DataType::{Decimal128, Decimal256};
        use Operator::{Divide, Minus, Modulo, Multiply, Plus};
        let int = DataType::Int64;
        let cases = [
            (Decimal128(10, 2), Plus, Decimal128(10, 2), Decimal128(11, 2), false),
            (Decimal128(10, 2), Minus, Decimal128(12, 4), Decimal128(13, 4), false),
            (Decimal128(38, 2), Plus, Decimal128(38, 2), Decimal256(39, 2), false),
            (Decimal256(76, 2), Plus, Decimal256(76, 2), Decimal256(76, 2), true),
            (Decimal128(15, 2), Multiply, Decimal128(16, 2), Decimal128(31, 4), false),
            (Decimal128(31, 4), Multiply, Decimal128(16, 2), Decimal128(38, 6), true),
            (Decimal128(38, 10), Multiply, Decimal128(38, 10), Decimal256(76, 20), false),
            (Decimal256(76, 10), Multiply, Decimal128(38, 10), Decimal256(76, 20), true),
            (Decimal128(10, 2), Divide, Decimal128(10, 2), Decimal128(26, 16), false),
            (Decimal128(25, 2), Divide, int, Decimal128(38, 15), false),
            (Decimal128(38, 2), Divide, Decimal128(38, 2), Decimal256(54, 16), false),
            (Decimal128(10, 2), Modulo, Decimal128(5, 3), Decimal128(11, 3), false),
        ];
        check_all(cases, |(left, op, right, data_type, is_checked)| {
            let of = |t| DecimalShape::of(t).unwrap_or(DecimalShape { whole: 0, scale: 0 });
            let found = result_type(op, of(&left), of(&right)).ok();
            assert_eq!(found, Some(ResultType { data_type, is_checked }), "{left} {op} {right}");
        });
        let tiny = DecimalShape { whole: 0, scale: 50 };
        assert!(result_type(Multiply, tiny, tiny).is_err());
    }
}
