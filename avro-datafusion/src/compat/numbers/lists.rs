//! Functions of lists beside decimals: `array_has(scores, 1.5)`.
//!
//! DataFusion rejects a list of doubles, or of decimals with other digits, beside a decimal at planning. Here both
//! first get a common type.

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature,
};
use std::sync::Arc;

use super::shape::DecimalShape;

/// Wraps the functions that take a list and one of its items.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    let all: Vec<_> =
        state.scalar_functions().values().filter(|f| takes_items(&f.signature().type_signature)).cloned().collect();
    for function in all {
        let signature = Signature::user_defined(function.signature().volatility);
        state.register_udf(Arc::new(ScalarUDF::from(WithDecimals { function, signature })))?;
    }
    Ok(())
}

fn takes_items(signature: &TypeSignature) -> bool {
    match signature {
        TypeSignature::ArraySignature(_) => true,
        TypeSignature::OneOf(all) => all.iter().any(takes_items),
        _ => false,
    }
}

/// A function whose list and decimals get a common type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithDecimals {
    function: Arc<ScalarUDF>,
    signature: Signature,
}

/// Returns DataFusion's function.
#[cfg(feature = "cluster")]
pub(in crate::compat) fn wrapped(function: &ScalarUDF) -> Option<&Arc<ScalarUDF>> {
    function.inner().downcast_ref::<WithDecimals>().map(|with| &with.function)
}

impl ScalarUDFImpl for WithDecimals {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let common = common_item(types);
        let field = |data_type: &DataType| {
            let data_type = match (&common, data_type) {
                (Some(common), item) if item.is_decimal() => common.clone(),
                (Some(common), DataType::List(item)) if DecimalShape::of(item.data_type()).is_some() => {
                    DataType::List(Arc::new(item.as_ref().clone().with_data_type(common.clone())))
                }
                (_, other) => other.clone(),
            };
            Arc::new(Field::new("", data_type, true))
        };
        let fields: Vec<FieldRef> = types.iter().map(field).collect();
        let coerced = fields_with_udf(&fields, self.function.as_ref())?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.function.invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.function.simplify(args, info)
    }

    fn is_strict(&self) -> bool {
        self.function.is_strict()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

/// Returns the type for decimals beside a list: double beside a list of doubles, otherwise a decimal that holds all.
fn common_item(types: &[DataType]) -> Option<DataType> {
    if !types.iter().any(DataType::is_decimal) {
        return None;
    }
    if types.iter().any(has_doubles) {
        return Some(DataType::Float64);
    }
    let item = |data_type: &DataType| match data_type {
        DataType::List(item) => DecimalShape::of(item.data_type()),
        item if item.is_decimal() => DecimalShape::of(item),
        _ => None,
    };
    types.iter().filter_map(item).reduce(DecimalShape::union)?.decimal()
}

fn has_doubles(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_floating() || has_doubles(item.data_type())
        }
        _ => false,
    }
}
