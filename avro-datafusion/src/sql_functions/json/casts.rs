//! `x::json`: text and bytes are checked and stay as they are, other values become JSON as by `to_json`.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_schema::extension::{EXTENSION_TYPE_NAME_KEY, ExtensionType, Json};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::document::{Documents, coerced};
use crate::sql_functions::function::Arguments;
use crate::sql_functions::types::{is_bytes, is_text};

/// Plans casts to JSON.
#[derive(Debug)]
pub(in crate::sql_functions) struct Casts {
    pub(in crate::sql_functions) to_json: Arc<ScalarUDF>,
}

impl FunctionRewrite for Casts {
    fn name(&self) -> &str {
        "avro_json_casts"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (value, is_try) = match &expr {
            Expr::Cast(Cast { expr, field }) if is_json(field) => (expr, false),
            Expr::TryCast(TryCast { expr, field }) if is_json(field) => (expr, true),
            _ => return Ok(Transformed::no(expr)),
        };
        let from = value.get_type(schema)?;
        let is_checked = is_text(&from) || is_bytes(&from) || from.is_null();
        let value = if is_checked { value.as_ref().clone() } else { self.to_json.call(vec![value.as_ref().clone()]) };
        Ok(Transformed::yes(checked(is_try).call(vec![value])))
    }
}

fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|name| name == Json::NAME)
}

/// Returns its argument if it is JSON.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    /// Whether other text becomes null.
    is_try: bool,
    signature: Signature,
}

fn checked(is_try: bool) -> Arc<ScalarUDF> {
    Arc::new(Checked { is_try, signature: Signature::user_defined(Volatility::Immutable) }.into())
}

/// Returns the functions, as no session registers them.
#[cfg(feature = "proto")]
pub(in crate::sql_functions) fn unregistered() -> Vec<Arc<ScalarUDF>> {
    vec![checked(false), checked(true)]
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        if self.is_try { "avro_try_json" } else { "avro_json" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        types.iter().map(|data_type| coerced("CAST to JSON", data_type)).collect()
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [value] = args.arg_fields else { return plan_err!("a cast has one argument") };
        Ok(Arc::new(crate::compat::json_field(value.name(), self.is_try || value.is_nullable())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_literal = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arguments = Arguments {
            values: &args.args,
            fields: &args.arg_fields,
            rows: if is_literal { 1 } else { args.number_rows },
            returns: args.return_field.data_type(),
        };
        if arguments.len() != 1 {
            return exec_err!("a cast has one argument");
        }
        let mut documents = Documents::new(&arguments, 0)?;
        let mut out = StringBuilder::new();
        for row in 0..arguments.rows {
            match documents.get(row) {
                Ok(document) => out.append_option(document.map(|document| document.text)),
                Err(_) if self.is_try => out.append_null(),
                Err(error) => return Err(error),
            }
        }
        let texts = out.finish();
        if is_literal {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}
