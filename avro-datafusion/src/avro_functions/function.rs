//! The functions as DataFusion sees them.

use super::call::{CallConstants, PreparedCall};
use super::definitions::{AvroDefinition, Takes};
use super::prepared::{Prepared, Stage};
use crate::sql_type::sql_type_name;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A function of a session.
pub(super) struct AvroFunction {
    definition: &'static AvroDefinition,
    prepared: Arc<Prepared>,
    signature: Signature,
    documentation: Documentation,
}

impl AvroFunction {
    pub(super) fn new(definition: &'static AvroDefinition, prepared: &Arc<Prepared>) -> AvroFunction {
        const SECTION: DocSection = DocSection { include: true, label: "Avro Functions", description: None };
        let documentation = Documentation::builder(SECTION, definition.about, definition.usage);
        let documentation = match definition.example {
            "" => documentation,
            example => documentation.with_sql_example(example),
        };
        AvroFunction {
            definition,
            prepared: Arc::clone(prepared),
            signature: Signature::user_defined(Volatility::Stable),
            documentation: documentation.build(),
        }
    }

    /// Whether a query can decode parts of the result only.
    pub(super) fn can_narrow(&self) -> bool {
        self.definition.name == "from_avro"
    }

    /// Returns the type to which the first argument is converted.
    fn coerced(&self, value: &DataType) -> Result<DataType> {
        use DataType::{Binary, BinaryView, Dictionary, FixedSizeBinary, LargeBinary, LargeUtf8, Null, Utf8, Utf8View};
        let name = self.definition.name;
        Ok(match (self.definition.takes, value) {
            (Takes::Anything, other) => other.clone(),
            (_, Dictionary(_, values)) => self.coerced(values)?,
            (Takes::Bytes, Binary | LargeBinary | BinaryView | FixedSizeBinary(_)) => value.clone(),
            (Takes::Bytes, Null) => Binary,
            (Takes::Bytes, Utf8 | LargeUtf8 | Utf8View) => {
                return plan_err!("{name} needs bytes, not text; decode(x, 'hex') or decode(x, 'base64') makes bytes");
            }
            (Takes::Text, Utf8 | LargeUtf8 | Utf8View) => value.clone(),
            (Takes::Text, Null) => Utf8,
            (takes, other) => {
                let needs = if takes == Takes::Bytes { "bytes" } else { "text" };
                return plan_err!(
                    "{name} needs {needs}, not {}",
                    sql_type_name(&Field::new("value", other.clone(), true))
                );
            }
        })
    }

    fn call(&self, constants: &[Option<&ScalarValue>], stage: Stage) -> Result<Arc<dyn PreparedCall>> {
        let call = CallConstants::parse(self.definition.name, self.definition.usage, constants)?;
        self.prepared.get(self.definition, call, stage)
    }
}

impl fmt::Debug for AvroFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition.name)
    }
}

impl PartialEq for AvroFunction {
    fn eq(&self, other: &AvroFunction) -> bool {
        self.definition.name == other.definition.name && self.prepared.reads_like(&other.prepared)
    }
}

impl Eq for AvroFunction {}

impl Hash for AvroFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for AvroFunction {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let mut types = types.to_vec();
        // DataFusion would wrap this error in its own words; it does not wrap that of `return_field_from_args`.
        if let Some(first) = types.first_mut()
            && let Ok(coerced) = self.coerced(first)
        {
            *first = coerced;
        }
        Ok(types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its arguments", self.definition.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let (Some(value), Some(constants)) = (args.arg_fields.first(), args.scalar_arguments.get(1..)) else {
            return plan_err!("{} has no arguments; use {}", self.definition.name, self.definition.usage);
        };
        self.coerced(value.data_type())?;
        self.call(constants, Stage::Planning)?.field(value)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((value, constants)) = args.args.split_first() else {
            return internal_err!("{} has no arguments", self.definition.name);
        };
        let constants = constants.iter().map(|constant| match constant {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        });
        let call = self.call(&constants.collect::<Vec<_>>(), Stage::Execution)?;
        let Some(field) = args.arg_fields.first() else { return internal_err!("an argument has no type") };
        let values = value.to_array(if matches!(value, ColumnarValue::Scalar(_)) { 1 } else { args.number_rows })?;
        let result = call.call(&values, field)?;
        if result.data_type() != args.return_field.data_type() {
            return exec_err!(
                "{}: the schema has changed since the query was planned; run the query again",
                self.definition.name
            );
        }
        Ok(match value {
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            ColumnarValue::Array(_) => ColumnarValue::Array(result),
        })
    }
}
