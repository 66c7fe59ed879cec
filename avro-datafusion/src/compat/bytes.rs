//! Comparisons of bytes, fixed and uuids with each other and with text: rules of [`coercion`](super::coercion).
//!
//! Text beside bytes stands for its UTF-8 bytes, and text as `\x00ff` for those bytes, as bytes are shown. Text beside
//! a uuid is a uuid in any case, with or without hyphens and braces.

use super::operand::{Operand, is_bytes, is_text, is_uuid};
use super::text;
use super::uuid;
use arrow_schema::{DataType, Field};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::{Expr, Operator, cast, lit};

/// Whether a field has uuids as text.
fn is_uuid_text(field: &Field) -> bool {
    is_text(field.data_type()) && field.metadata().get("avro.logicalType").is_some_and(|word| word == "uuid")
}

/// Returns both sides as they can be compared, if these kinds need other expressions.
pub(super) fn align(left: &Operand, right: &Operand) -> Result<Option<(Expr, Expr)>> {
    let kinds = (is_bytes(left.data_type()), is_bytes(right.data_type()));
    match kinds {
        (true, true) if left.data_type() == right.data_type() => Ok(None),
        (true, true) => Ok(Some(both(left, right))),
        (true, false) if is_text(right.data_type()) => with_text(left, right),
        (false, true) if is_text(left.data_type()) => Ok(with_text(right, left)?.map(|(right, left)| (left, right))),
        _ => enums(left, right),
    }
}

/// Bytes of two types.
fn both(left: &Operand, right: &Operand) -> (Expr, Expr) {
    if let Some(literal) = literal_bytes(right).and_then(|bytes| as_type(bytes, left.data_type())) {
        return (left.expr.clone(), literal);
    }
    if let Some(literal) = literal_bytes(left).and_then(|bytes| as_type(bytes, right.data_type())) {
        return (literal, right.expr.clone());
    }
    let any_size = |side: &Operand| match side.data_type() {
        DataType::BinaryView => side.expr.clone(),
        DataType::FixedSizeBinary(_) => cast(cast(side.expr.clone(), DataType::Binary), DataType::BinaryView),
        _ => cast(side.expr.clone(), DataType::BinaryView),
    };
    (any_size(left), any_size(right))
}

/// The bytes of `X'00ff'`.
fn literal_bytes(side: &Operand) -> Option<Vec<u8>> {
    match &side.expr {
        Expr::Literal(
            ScalarValue::Binary(bytes)
            | ScalarValue::LargeBinary(bytes)
            | ScalarValue::BinaryView(bytes)
            | ScalarValue::FixedSizeBinary(_, bytes),
            _,
        ) => bytes.clone(),
        _ => None,
    }
}

/// Returns bytes as a literal of this type, if they fit it.
fn as_type(bytes: Vec<u8>, data_type: &DataType) -> Option<Expr> {
    Some(lit(match data_type {
        DataType::Binary => ScalarValue::Binary(Some(bytes)),
        DataType::LargeBinary => ScalarValue::LargeBinary(Some(bytes)),
        DataType::BinaryView => ScalarValue::BinaryView(Some(bytes)),
        DataType::FixedSizeBinary(size) if usize::try_from(*size) == Ok(bytes.len()) => {
            ScalarValue::FixedSizeBinary(*size, Some(bytes))
        }
        _ => return None,
    }))
}

fn with_text(bytes: &Operand, text: &Operand) -> Result<Option<(Expr, Expr)>> {
    if is_uuid(&bytes.field) {
        return match text.literal_text() {
            Some(literal) => match uuid::parse(literal) {
                Some(uuid) => Ok(as_type(uuid.to_vec(), bytes.data_type()).map(|uuid| (bytes.expr.clone(), uuid))),
                None => exec_err!("'{literal}' is not a uuid"),
            },
            None => Ok(Some((text::of(bytes.expr.clone(), &bytes.field), uuid::normal(text.expr.clone())))),
        };
    }
    if let Some(literal) = text.literal_text() {
        let literal = literal_of_text(literal);
        if let Some(same) = as_type(literal.clone(), bytes.data_type()) {
            return Ok(Some((bytes.expr.clone(), same)));
        }
        let any_size = cast(bytes.expr.clone(), DataType::Binary);
        return Ok(Some((any_size, lit(ScalarValue::Binary(Some(literal))))));
    }
    let any_size = |expr: &Expr| cast(expr.clone(), DataType::Binary);
    let text = cast(text.expr.clone(), DataType::Utf8);
    Ok(Some((any_size(&bytes.expr), any_size(&text))))
}

/// The bytes that text stands for.
fn literal_of_text(text: &str) -> Vec<u8> {
    let hex = text.strip_prefix("\\x").filter(|hex| !hex.is_empty() && hex.len() % 2 == 0);
    let bytes = hex.and_then(|hex| hex.as_bytes().chunks_exact(2).map(byte).collect());
    bytes.unwrap_or_else(|| text.as_bytes().to_vec())
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Enums are treated as text; text does not compare with a number.
fn enums(left: &Operand, right: &Operand) -> Result<Option<(Expr, Expr)>> {
    for (side, other) in [(left, right), (right, left)] {
        if let DataType::Dictionary(_, values) = side.data_type()
            && is_text(values)
            && (other.data_type().is_numeric() || *other.data_type() == DataType::Boolean)
            && matches!(other.expr, Expr::Literal(..))
        {
            let column = &side.expr;
            let name = if let Expr::Column(column) = column { &column.name } else { side.field.name() };
            let what = if other.data_type().is_numeric() { "a number" } else { "a boolean" };
            return datafusion::common::plan_err!(
                "`{name}` is an enum and `{}` is {what}; compare the enum with text",
                other.expr.human_display()
            );
        }
    }
    Ok(None)
}

/// Compares a uuid stored as text with a literal, in both cases that writers use.
pub(super) fn uuid_text(left: &Operand, op: Operator, right: &Operand) -> Option<Expr> {
    let negated = match op {
        Operator::Eq => false,
        Operator::NotEq => true,
        _ => return None,
    };
    let (column, literal) = if is_uuid_text(&left.field) { (left, right) } else { (right, left) };
    let written = literal.literal_text().filter(|_| is_uuid_text(&column.field))?;
    let lower = uuid::text(&uuid::parse(written)?);
    let upper = lower.to_ascii_uppercase();
    let mut spellings = vec![lower, upper];
    if !spellings.iter().any(|spelling| spelling == written) {
        spellings.push(written.to_owned());
    }
    Some(column.expr.clone().in_list(spellings.into_iter().map(lit).collect(), negated))
}

/// `LIKE` of bytes, byte by byte.
pub(super) fn like(like: &Like, schema: &DFSchema) -> Option<Expr> {
    let value = Operand::new(&like.expr, schema)?;
    if !is_bytes(value.data_type()) {
        return None;
    }
    let (value, pattern) = if is_uuid(&value.field) {
        (text::of(value.expr, &value.field), like.pattern.as_ref().clone())
    } else {
        let pattern = Operand::new(&like.pattern, schema)?;
        let pattern = match pattern.literal_text() {
            Some(pattern) => lit(text::latin1(pattern.as_bytes())),
            None => text::as_latin1(pattern.expr),
        };
        (text::as_latin1(value.expr), pattern)
    };
    Some(Expr::Like(Like { expr: Box::new(value), pattern: Box::new(pattern), ..like.clone() }))
}

#[cfg(test)]
mod tests {
    use super::literal_of_text;
    use avro_testing::check_all;

    #[test]
    fn text_converts_to_bytes() {
        let cases: [(&str, &[u8]); 6] = [
            ("abc", b"abc"),
            ("\\x6162", b"ab"),
            ("\\xFF00", b"\xff\0"),
            ("\\x6", b"\\x6"),
            ("\\x", b"\\x"),
            ("é", "é".as_bytes()),
        ];
        check_all(cases, |(text, bytes)| {
            assert_eq!(literal_of_text(text), bytes, "{text}");
        });
    }
}
