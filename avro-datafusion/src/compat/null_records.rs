//! Records that `CASE` and `NULLIF` make null.
//!
//! DataFusion 55 makes such a record null and leaves its fields as they were. It reads a field of a null record as what
//! is there, so that `(CASE WHEN false THEN r END).x` is the field of `r`. Here the fields are null, too.
//!
//! Delete when: `get_field` looks at the nulls of the record.

use std::sync::{Arc, LazyLock};

use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::take;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::exprs::{self, Rewrite};

/// Wraps such expressions. Must come after the rules that determine types.
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
        let makes_null = match &expr {
            Expr::Case(_) => true,
            Expr::ScalarFunction(call) => call.name() == "nullif",
            _ => false,
        };
        if !makes_null || !matches!(expr.get_type(schema), Ok(DataType::Struct(_))) {
            return Ok(Transformed::no(expr));
        }
        static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(function);
        Ok(Transformed::yes(FUNCTION.call(vec![expr])))
    }
}

/// Returns the function, as no session registers it.
#[cfg(feature = "proto")]
pub(super) fn unregistered() -> Arc<ScalarUDF> {
    function()
}

fn function() -> Arc<ScalarUDF> {
    Arc::new(ClearNulls { signature: Signature::any(1, Volatility::Immutable) }.into())
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
            [ColumnarValue::Array(records)] => Ok(ColumnarValue::Array(cleared(records)?)),
            [scalar] => Ok(scalar.clone()),
            _ => exec_err!("{} has one argument", self.name()),
        }
    }
}

/// Returns these values, with nulls at every depth of those that are null.
fn cleared(values: &ArrayRef) -> Result<ArrayRef> {
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Ok(Arc::clone(values)),
        Some(nulls) => {
            let places = UInt64Array::new((0..values.len() as u64).collect(), Some(nulls.clone()));
            Ok(take(values, &places, None)?)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::{Int64Array, StructArray};
    use datafusion::arrow::buffer::NullBuffer;

    #[test]
    fn fields_of_null_records_are_null() {
        let x: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let field = |name: &str, values: &ArrayRef| Arc::new(Field::new(name, values.data_type().clone(), false));
        let inner: ArrayRef = Arc::new(StructArray::new(vec![field("x", &x)].into(), vec![Arc::clone(&x)], None));
        let nulls = NullBuffer::from(vec![true, false, true]);
        let outer = StructArray::new(vec![field("inner", &inner)].into(), vec![inner], Some(nulls));
        let cleared = cleared(&(Arc::new(outer) as ArrayRef)).unwrap();
        let inner = cleared.as_struct().column(0);
        let x = inner.as_struct().column(0);
        assert_eq!((inner.is_null(1), x.is_null(1)), (true, true));
        assert_eq!((cleared.null_count(), inner.null_count(), x.null_count()), (1, 1, 1));
    }
}
