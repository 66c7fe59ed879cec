//! Fields of null records.
//!
//! A record that is null may have any values in its fields, in Arrow. DataFusion 55 reads a field of a null record as
//! the value that is there. `CASE` and `NULLIF` make a record null and leave its fields; a Parquet file has no nulls
//! for fields that are not nullable. So `(CASE WHEN false THEN r END).x` is the field of `r`, and `r.x` of a null `r`
//! in Parquet is any value. Here both are null.
//!
//! Delete when: `get_field` looks at the nulls of the record.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, exec_err, plan_err};
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::exprs::{self, Rewrite};
use crate::nested_nulls::{nullable_field, pushed_down};

/// Corrects such expressions. Must come after the rules that determine types.
#[derive(Debug)]
pub(super) struct NullRecords;

impl AnalyzerRule for NullRecords {
    fn name(&self) -> &str {
        "avro_null_records"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        exprs::rewrite(plan, self)
    }
}

impl Rewrite for NullRecords {
    fn expr(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        static CLEAR: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(clear_nulls()));
        static FIELD: LazyLock<Arc<ScalarUDF>> = LazyLock::new(nullable_field);
        let makes_null = match &expr {
            Expr::Case(_) => true,
            Expr::ScalarFunction(call) => call.name() == "nullif",
            _ => false,
        };
        if makes_null && matches!(expr.get_type(schema), Ok(DataType::Struct(_))) {
            return Ok(Transformed::yes(CLEAR.call(vec![expr])));
        }
        Ok(match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) if func.inner().is::<GetFieldFunc>() => {
                let is_corrected = reads_required(&args, schema).unwrap_or(false);
                let func = if is_corrected { Arc::clone(&FIELD) } else { func };
                Transformed::new_transformed(Expr::ScalarFunction(ScalarFunction { func, args }), is_corrected)
            }
            expr => Transformed::no(expr),
        })
    }
}

/// Returns whether the arguments of `get_field` are a record that may be null, and a field that is not nullable: only
/// such a field may have values that were not read.
fn reads_required(args: &[Expr], schema: &DFSchema) -> Option<bool> {
    let [record, Expr::Literal(name, _)] = args else { return None };
    let (_, field) = record.to_field(schema).ok()?;
    let DataType::Struct(fields) = field.data_type() else { return None };
    let (_, read) = fields.find(name.try_as_str()??)?;
    Some(field.is_nullable() && !read.is_nullable())
}

/// Returns the functions, as no session registers them.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> [Arc<ScalarUDF>; 2] {
    [Arc::new(clear_nulls()), nullable_field()]
}

/// Returns the function `avro_clear_nulls`.
pub(super) fn clear_nulls() -> ScalarUDF {
    ClearNulls { signature: Signature::any(1, Volatility::Immutable) }.into()
}

/// The function `avro_clear_nulls` of a record: makes all that is in a null record null.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ClearNulls {
    signature: Signature,
}

impl ScalarUDFImpl for ClearNulls {
    fn name(&self) -> &str {
        "avro_clear_nulls"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        plan_err!("{} needs fields", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return plan_err!("{} has one argument", self.name()) };
        Ok(Arc::new(Field::clone(field).with_name(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(records)] => Ok(ColumnarValue::Array(pushed_down(records, None)?)),
            [scalar] => Ok(scalar.clone()),
            _ => exec_err!("{} has one argument", self.name()),
        }
    }
}
