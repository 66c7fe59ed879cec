//! Operands of comparisons and casts: expressions with their types, and kinds of these types.

use arrow_schema::extension::{EXTENSION_TYPE_NAME_KEY, ExtensionType, Uuid};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};

/// An expression and its type.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) expr: Expr,
    pub(super) field: FieldRef,
}

impl Operand {
    /// Returns `None` for an expression without a type; DataFusion reports it.
    pub(super) fn new(expr: &Expr, schema: &DFSchema) -> Option<Operand> {
        let (_, field) = expr.to_field(schema).ok()?;
        Some(Operand { expr: expr.clone(), field })
    }

    pub(super) fn data_type(&self) -> &DataType {
        self.field.data_type()
    }

    /// The text of a literal.
    pub(super) fn literal_text(&self) -> Option<&str> {
        match &self.expr {
            Expr::Literal(value, _) => value.try_as_str().flatten(),
            _ => None,
        }
    }
}

/// Whether values of this type are text, enums among them.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether values of this type are bytes, of one size or any.
pub(crate) fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Whether a field has uuids as 16 bytes.
pub(super) fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(16)
        && field.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|name| name == Uuid::NAME)
}
