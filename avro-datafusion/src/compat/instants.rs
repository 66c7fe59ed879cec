//! `to_timestamp` of a text column.
//!
//! In a session with a time zone, DataFusion 55 promises a timestamp with that zone and returns one without it, which
//! its own check rejects. The values are correct: here they get the promised zone.
//!
//! Delete when: DataFusion's `to_timestamp` returns the promised type for arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowTimestampType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// The corrected functions.
pub(super) const NAMES: [&str; 5] =
    ["to_timestamp", "to_timestamp_seconds", "to_timestamp_millis", "to_timestamp_micros", "to_timestamp_nanos"];

/// One of DataFusion's functions, with the promised zone.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ToTimestamp {
    inner: Arc<ScalarUDF>,
}

impl ToTimestamp {
    pub(super) fn new(inner: Arc<ScalarUDF>) -> Self {
        ToTimestamp { inner }
    }
}

/// Returns DataFusion's function.
#[cfg(feature = "cluster")]
pub(super) fn wrapped(function: &ScalarUDF) -> Option<&Arc<ScalarUDF>> {
    function.inner().downcast_ref::<ToTimestamp>().map(|corrected| &corrected.inner)
}

impl ScalarUDFImpl for ToTimestamp {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let updated = self.inner.inner().with_updated_config(config)?;
        Some(ScalarUDF::from(ToTimestamp::new(Arc::new(updated))))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let promised = args.return_field.data_type().clone();
        match (self.inner.inner().invoke_with_args(args)?, promised) {
            (ColumnarValue::Array(array), DataType::Timestamp(unit, zone))
                if array.data_type() != &DataType::Timestamp(unit, zone.clone()) =>
            {
                Ok(ColumnarValue::Array(with_zone(&array, unit, zone)))
            }
            (value, _) => Ok(value),
        }
    }
}

/// Points in time, converted to this zone.
fn with_zone(array: &ArrayRef, unit: TimeUnit, zone: Option<Arc<str>>) -> ArrayRef {
    fn of<T: ArrowTimestampType>(array: &ArrayRef, zone: Option<Arc<str>>) -> ArrayRef {
        match array.as_primitive_opt::<T>() {
            Some(points) => Arc::new(points.clone().with_timezone_opt(zone)),
            None => Arc::clone(array),
        }
    }
    match unit {
        TimeUnit::Second => of::<TimestampSecondType>(array, zone),
        TimeUnit::Millisecond => of::<TimestampMillisecondType>(array, zone),
        TimeUnit::Microsecond => of::<TimestampMicrosecondType>(array, zone),
        TimeUnit::Nanosecond => of::<TimestampNanosecondType>(array, zone),
    }
}
