//! Functions that accept unions at planning.
//!
//! DataFusion determines types while it plans, before any rule can rewrite expressions, and so rejects `upper(u)`. The
//! functions here return the types that the rewritten call will have; the rule then removes them.

use super::arguments::{converted, targets};
use super::values::Target;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::{UDFCoercionExt, fields_with_udf};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// A scalar function that also takes unions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Scalar {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

/// An aggregate function that also takes unions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Aggregate {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

/// Replaces the functions of the state by such functions.
pub(super) fn tolerant(state: &SessionState) -> SessionState {
    let mut state = state.clone();
    let scalars: Vec<_> = state.scalar_functions().values().cloned().collect();
    for inner in scalars {
        // A function without arguments takes no union.
        if inner.signature().type_signature.supports_zero_argument() || inner.name().starts_with("union_") {
            continue;
        }
        let signature = Signature::user_defined(inner.signature().volatility);
        // The names are registered, so this replaces the functions.
        let _ = state.register_udf(Arc::new(ScalarUDF::from(Scalar { inner, signature })));
    }
    let aggregates: Vec<_> = state.aggregate_functions().values().cloned().collect();
    for inner in aggregates {
        if inner.signature().type_signature.supports_zero_argument() || inner.name() == "count" {
            continue;
        }
        let signature = Signature::user_defined(Volatility::Immutable);
        let _ = state.register_udaf(Arc::new(AggregateUDF::from(Aggregate { inner, signature })));
    }
    state
}

/// Returns the wrapped function, if this is a scalar wrapper.
pub(super) fn inner_scalar(function: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
    function.inner().downcast_ref::<Scalar>().map(|tolerant| Arc::clone(&tolerant.inner))
}

/// Returns the wrapped function, if this is an aggregate wrapper.
pub(super) fn inner_aggregate(function: &Arc<AggregateUDF>) -> Option<Arc<AggregateUDF>> {
    function.inner().downcast_ref::<Aggregate>().map(|tolerant| Arc::clone(&tolerant.inner))
}

/// Returns the types that arguments are cast to. Unions are converted first instead.
fn coerced<F: UDFCoercionExt>(function: &F, types: &[DataType]) -> Result<Vec<DataType>> {
    let field = |data_type: &DataType| Arc::new(Field::new("the value", data_type.clone(), true));
    let fields: Vec<FieldRef> = types.iter().map(field).collect();
    let targets = targets(function, &fields)?;
    let coerced = fields_with_udf(&given(&fields, &targets), function)?;
    let coerce = |((field, target), coerced): ((&FieldRef, &Option<Target>), FieldRef)| match target {
        Some(_) => field.data_type().clone(),
        None => coerced.data_type().clone(),
    };
    Ok(fields.iter().zip(&targets).zip(coerced).map(coerce).collect())
}

/// Returns the fields that a function computes with, given these.
fn computed<F: UDFCoercionExt>(function: &F, fields: &[FieldRef]) -> Result<Vec<FieldRef>> {
    fields_with_udf(&given(fields, &targets(function, fields)?), function)
}

fn given(fields: &[FieldRef], targets: &[Option<Target>]) -> Vec<FieldRef> {
    fields.iter().zip(targets).map(|(field, target)| converted(field, target.as_ref())).collect()
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerced(self.inner.as_ref(), types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let fields = computed(self.inner.as_ref(), args.arg_fields)?;
        self.inner.return_field_from_args(ReturnFieldArgs { arg_fields: &fields, ..args })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.schema_name(params)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerced(self.inner.as_ref(), types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(&computed(self.inner.as_ref(), fields)?)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        exec_err!("{} of a union that was planned without the rules of avro_datafusion::register_all", self.name())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }
}
