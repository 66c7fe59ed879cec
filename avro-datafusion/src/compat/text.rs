//! `CAST(x AS VARCHAR)`: values as text.
//!
//! DataFusion 55 refuses to cast fixed, records and maps to text, and writes lists without quotes. Here bytes are
//! decoded as UTF-8, a uuid has its usual form, records, lists and maps are JSON, and intervals look as in output.
//!
//! Delete when: arrow casts these types to text.

use std::sync::{Arc, LazyLock};

use super::json;
use super::operand::{is_bytes, is_uuid};
use super::uuid;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Returns whether DataFusion's own cast of this type to text is wrong or missing.
pub(super) fn needs_own(data_type: &DataType) -> bool {
    is_bytes(data_type)
        || matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
        || matches!(data_type, DataType::Struct(_) | DataType::Map(..))
        || matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
}

/// Converts values to text. `field` is that of the values.
pub(super) fn of(value: Expr, field: &Field) -> Expr {
    static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 2]> =
        LazyLock::new(|| [TextConversion::Uuid, TextConversion::Text].map(function));
    let [uuid, text] = &*FUNCTIONS;
    if is_uuid(field) { uuid } else { text }.call(vec![value])
}

/// Converts values to text as [`of`] does, but bytes that are not UTF-8 to null.
pub(super) fn try_of(value: Expr, field: &Field) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(TextConversion::TryText));
    if is_uuid(field) { of(value, field) } else { FUNCTION.call(vec![value]) }
}

/// Decodes bytes as UTF-8, or else each byte as a character.
pub(super) fn as_latin1(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(TextConversion::Latin1));
    FUNCTION.call(vec![value])
}

/// Converts each byte to a character.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Returns the functions, as no session registers them.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    [TextConversion::Text, TextConversion::TryText, TextConversion::Uuid, TextConversion::Latin1].map(function).into()
}

fn function(kind: TextConversion) -> Arc<ScalarUDF> {
    Arc::new(TextFunction { kind, signature: Signature::any(1, Volatility::Immutable) }.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum TextConversion {
    Text,
    TryText,
    Uuid,
    Latin1,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TextFunction {
    kind: TextConversion,
    signature: Signature,
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &str {
        match self.kind {
            TextConversion::Text => "avro_text",
            TextConversion::TryText => "avro_try_text",
            TextConversion::Uuid => "avro_uuid_text",
            TextConversion::Latin1 => "avro_latin1",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable =
            self.kind == TextConversion::TryText || args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (Some(value), Some(field)) = (args.args.first(), args.arg_fields.first()) else {
            return exec_err!("{} has no arguments", self.name());
        };
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let array = value.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let texts: ArrayRef = Arc::new(match self.kind {
            TextConversion::Uuid => each_bytes(&array, |bytes| Ok(Some(uuid::text(bytes))))?,
            TextConversion::Latin1 if is_bytes(array.data_type()) => {
                each_bytes(&array, |bytes| Ok(Some(latin1(bytes))))?
            }
            TextConversion::Latin1 => {
                each_bytes(&cast(&cast(&array, &DataType::Utf8)?, &DataType::Binary)?, |bytes| Ok(Some(latin1(bytes))))?
            }
            kind => texts(field, &array, kind == TextConversion::TryText)?,
        });
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?));
        }
        Ok(ColumnarValue::Array(texts))
    }
}

/// Returns values as text.
pub(super) fn texts(field: &Field, array: &ArrayRef, is_try: bool) -> Result<StringArray> {
    if is_bytes(array.data_type()) {
        return each_bytes(array, |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) if is_try => Ok(None),
            Err(e) => exec_err!(
                "bytes are not UTF-8 text (at byte {}); TRY_CAST makes them null, encode(x, 'hex') shows them",
                e.valid_up_to()
            ),
        });
    }
    let mut texts = StringBuilder::with_capacity(array.len(), 0);
    let values = json::Values::new(field, array.as_ref())?;
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        let mut text = String::new();
        values.text(row, &mut text)?;
        texts.append_value(text);
    }
    Ok(texts.finish())
}

/// Applies a function to each of these bytes.
fn each_bytes(array: &ArrayRef, of: impl Fn(&[u8]) -> Result<Option<String>>) -> Result<StringArray> {
    let views = match array.data_type() {
        DataType::FixedSizeBinary(_) => cast(&cast(array, &DataType::Binary)?, &DataType::BinaryView)?,
        _ => cast(array, &DataType::BinaryView)?,
    };
    views.as_binary_view().iter().map(|bytes| bytes.map_or(Ok(None), &of)).collect()
}
