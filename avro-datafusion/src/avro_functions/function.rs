//! The functions as DataFusion sees them.

use super::call::Call;
use super::decoding::{Decoding, Reasons};
use super::encoding::Encoding;
use super::files::{FromFile, IdOf};
use super::json::{FromJson, ToJson};
use super::prepared::{Prepared, Stage};
use super::sources::Sources;
use crate::sql_type::sql_type_name;
use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A call whose schemas are loaded.
pub(super) trait PreparedCall: fmt::Debug + Send + Sync {
    /// Returns the type of the result for values of this type.
    fn field(&self, value: &FieldRef) -> Result<FieldRef>;

    /// Computes the results.
    fn call(&self, values: &ArrayRef, field: &FieldRef) -> Result<ArrayRef>;
}

/// What the first argument of a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Bytes,
    Text,
    Anything,
}

/// A function.
pub(super) struct Definition {
    pub(super) name: &'static str,
    usage: &'static str,
    about: &'static str,
    example: &'static str,
    takes: Takes,
    pub(super) prepare: fn(&Call, Sources) -> Result<Box<dyn PreparedCall>>,
}

pub(super) const FUNCTIONS: [Definition; 7] = [
    Definition {
        name: "from_avro",
        usage: "from_avro(bytes, schema, ..)",
        about: "The value of an Avro message: a record for a schema of a record. `schema` is JSON, or the path or URL \
            of a schema file or data file. Options: `framing`, `schemas`, `registry`, `subject`, `on_error`, `columns`, \
            and those of reading.",
        example: "from_avro(x'0602', '{\"type\": \"record\", \"name\": \"R\", \"fields\": \
            [{\"name\": \"a\", \"type\": \"int\"}, {\"name\": \"b\", \"type\": \"int\"}]}')",
        takes: Takes::Bytes,
        prepare: Decoding::prepare,
    },
    Definition {
        name: "to_avro",
        usage: "to_avro(value[, schema], ..)",
        about: "A value as an Avro message. Without `schema` it is made of the type of the value. Options: `framing`, \
            `id`.",
        example: "to_avro(named_struct('a', 3, 'b', 'x'))",
        takes: Takes::Anything,
        prepare: Encoding::prepare,
    },
    Definition {
        name: "avro_to_json",
        usage: "avro_to_json(bytes, schema, ..)",
        about: "The value of an Avro message as JSON. Options: `form` (`plain`, or `avro` for the encoding of the \
            specification), and those of from_avro.",
        example: "avro_to_json(x'04026106', '{\"type\": \"array\", \"items\": [\"string\", \"int\"]}')",
        takes: Takes::Bytes,
        prepare: ToJson::prepare,
    },
    Definition {
        name: "json_to_avro",
        usage: "json_to_avro(json, schema, ..)",
        about: "JSON as an Avro message. Options: `form` (`plain`, or `avro`), `framing`, `id`, `on_error`.",
        example: "json_to_avro('[1, 2]', '{\"type\": \"array\", \"items\": \"int\"}')",
        takes: Takes::Text,
        prepare: FromJson::prepare,
    },
    Definition {
        name: "from_avro_file",
        usage: "from_avro_file(bytes, schema, ..)",
        about: "The rows of an Avro file whose bytes are the value, as a list. Files are resolved to `schema`.",
        example: "",
        takes: Takes::Bytes,
        prepare: FromFile::prepare,
    },
    Definition {
        name: "avro_schema_id",
        usage: "avro_schema_id(bytes[, framing => 'auto'])",
        about: "The id of the schema of a message: a number, a GUID, or the hex digits of a fingerprint; null for a \
            message without an id.",
        example: "avro_schema_id(x'000000000702')",
        takes: Takes::Bytes,
        prepare: IdOf::prepare,
    },
    Definition {
        name: "avro_error",
        usage: "avro_error(bytes, schema, ..)",
        about: "Why a message cannot be decoded; null if it can. Options are those of from_avro.",
        example: "avro_error(x'0461', '\"string\"')",
        takes: Takes::Bytes,
        prepare: Reasons::prepare,
    },
];

/// A function of a session.
pub(super) struct AvroFunction {
    definition: &'static Definition,
    prepared: Arc<Prepared>,
    signature: Signature,
    documentation: Documentation,
}

impl AvroFunction {
    pub(super) fn new(definition: &'static Definition, prepared: &Arc<Prepared>) -> AvroFunction {
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
        let call = Call::parse(self.definition.name, self.definition.usage, constants)?;
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
        self.definition.name == other.definition.name
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
