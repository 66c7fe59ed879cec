//! `typeof(x)`: the SQL name of a type. `avro_sql_type('Utf8')` translates Arrow's name of one.

use std::sync::Arc;

use avro_datafusion::sql_type_name;
use datafusion::arrow::array::{StringArray, cast::AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::type_names;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TypeOf {
    signature: Signature,
    aliases: Vec<String>,
    documentation: Documentation,
}

impl TypeOf {
    pub(crate) fn new() -> TypeOf {
        const SECTION: DocSection = DocSection { include: true, label: "Everyday Functions", description: None };
        TypeOf {
            signature: Signature::any(1, Volatility::Immutable),
            aliases: vec!["pg_typeof".to_owned()],
            documentation: Documentation::builder(SECTION, "The SQL name of the type of a value.", "typeof(x)")
                .with_sql_example("typeof([1.5])")
                .build(),
        }
    }
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "typeof"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(field) = args.arg_fields.first() else { return exec_err!("typeof has one argument") };
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(sql_type_name(field)))))
    }
}

/// The function that translates names of types, for `information_schema.columns`. Documentation does not list it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SqlTypeOf {
    signature: Signature,
    documentation: Documentation,
}

impl SqlTypeOf {
    pub(crate) fn new() -> SqlTypeOf {
        const SECTION: DocSection = DocSection { include: false, label: "Internal", description: None };
        SqlTypeOf {
            signature: Signature::string(1, Volatility::Immutable),
            documentation: Documentation::builder(SECTION, "The SQL name of an Arrow type.", "").build(),
        }
    }
}

impl ScalarUDFImpl for SqlTypeOf {
    fn name(&self) -> &str {
        "avro_sql_type"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(names) = arrays.first() else { return exec_err!("avro_sql_type has one argument") };
        let names = cast(names, &DataType::Utf8)?;
        let names = names.as_string::<i32>().iter().map(|name| name.map(type_names::plain));
        Ok(ColumnarValue::Array(Arc::new(names.collect::<StringArray>())))
    }
}
