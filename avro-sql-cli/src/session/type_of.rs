//! `typeof(x)`: the SQL name of a type.

use avro_datafusion::sql_type_name;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

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
