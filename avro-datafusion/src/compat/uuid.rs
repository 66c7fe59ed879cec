//! Text as uuids: 16 bytes, or the canonical spelling.
//!
//! DataFusion 55 has no type `UUID`. Here it is 16 bytes, as Avro's `uuid` on a fixed, with Arrow's extension type.
//!
//! Delete when: DataFusion plans `UUID` as `arrow.uuid` and casts text to it.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::extension::Uuid;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Parses a uuid: 32 hexadecimal digits in any case, with or without hyphens and braces.
pub(super) fn parse(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let inner = text.strip_prefix('{').map_or(Some(text), |rest| rest.strip_suffix('}'))?;
    let mut uuid = [0; 16];
    let mut n_digits = 0;
    for c in inner.bytes() {
        if c == b'-' && n_digits > 0 && n_digits % 4 == 0 && n_digits < 32 {
            continue;
        }
        let digit = u8::try_from(char::from(c).to_digit(16)?).ok()?;
        let byte = uuid.get_mut(n_digits / 2)?;
        *byte = *byte << 4 | digit;
        n_digits += 1;
    }
    (n_digits == 32).then_some(uuid)
}

/// A uuid as it is shown.
pub(super) fn text(uuid: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The field of a column of uuids.
pub(super) fn field(name: &str, is_nullable: bool) -> Field {
    Field::new(name, DataType::FixedSizeBinary(16), is_nullable).with_extension_type(Uuid)
}

/// Converts text to uuids; with `is_try`, invalid text becomes null.
pub(super) fn of_text(text: Expr, is_try: bool) -> Expr {
    static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 2]> =
        LazyLock::new(|| [UuidConversion::Parse, UuidConversion::TryParse].map(function));
    let [parse, try_parse] = &*FUNCTIONS;
    if is_try { try_parse } else { parse }.call(vec![text])
}

/// Converts text that is a uuid to the spelling of [`text`]; other text is unchanged.
pub(super) fn normal(text: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(UuidConversion::Normal));
    FUNCTION.call(vec![text])
}

/// Returns the functions, as no session registers them.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    [UuidConversion::Parse, UuidConversion::TryParse, UuidConversion::Normal].map(function).into()
}

fn function(kind: UuidConversion) -> Arc<ScalarUDF> {
    Arc::new(Uuids { kind, signature: Signature::any(1, Volatility::Immutable) }.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum UuidConversion {
    Parse,
    TryParse,
    Normal,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Uuids {
    kind: UuidConversion,
    signature: Signature,
}

impl ScalarUDFImpl for Uuids {
    fn name(&self) -> &str {
        match self.kind {
            UuidConversion::Parse => "avro_uuid",
            UuidConversion::TryParse => "avro_try_uuid",
            UuidConversion::Normal => "avro_normal_uuid",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(if self.kind == UuidConversion::Normal { DataType::Utf8 } else { DataType::FixedSizeBinary(16) })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(
            match self.kind {
                UuidConversion::Normal => Field::new(self.name(), DataType::Utf8, true),
                _ => field(self.name(), true),
            }
            .with_nullable(
                self.kind == UuidConversion::TryParse || args.arg_fields.iter().any(|field| field.is_nullable()),
            ),
        ))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first() else { return exec_err!("{} has no arguments", self.name()) };
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let array = cast(&value.to_array(if is_scalar { 1 } else { args.number_rows })?, &DataType::Utf8)?;
        let texts = array.as_string::<i32>();
        let result: ArrayRef =
            match self.kind {
                UuidConversion::Normal => Arc::new(StringArray::from_iter(texts.iter().map(|value| {
                    value.map(|value| parse(value).map_or_else(|| value.to_owned(), |uuid| text(&uuid)))
                }))),
                kind => {
                    let mut uuids = FixedSizeBinaryBuilder::with_capacity(texts.len(), 16);
                    for value in texts {
                        match value.map(|value| (value, parse(value))) {
                            Some((_, Some(uuid))) => uuids.append_value(uuid)?,
                            Some((value, None)) if kind == UuidConversion::Parse => {
                                return exec_err!("'{value}' is not a uuid; TRY_CAST makes it null");
                            }
                            _ => uuids.append_null(),
                        }
                    }
                    Arc::new(uuids.finish())
                }
            };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{parse, text};

    #[test]
    fn parse_accepts_all_spellings() {
        let same = "c21b9e67-0000-4000-8000-00000000000f";
        for spelling in [
            same,
            &same.to_uppercase(),
            &same.replace('-', ""),
            &format!("{{{same}}}"),
            " c21b9e6700004000800000000000000f",
        ] {
            assert_eq!(text(&parse(spelling).unwrap()), same, "{spelling}");
        }
        for wrong in [
            "",
            "c21b9e67",
            "{c21b9e67-0000-4000-8000-00000000000f",
            "g21b9e67-0000-4000-8000-00000000000f",
            "-c21b9e67-0000-4000-8000-00000000000f",
            "c21b9e67-0000-4000-8000-00000000000f0",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
