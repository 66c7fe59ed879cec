//! Conversion of decoder and encoder errors to DataFusion's error type.

use avro_arrow::Error;
use datafusion::error::DataFusionError;

/// Converts an avro-arrow error to a DataFusion error, with the path or URL of its file.
///
/// The result is [`DataFusionError::External`]; its source downcasts to [`avro_arrow::Error`]. (Neither type is of this
/// crate, so this cannot be a `From`.)
///
/// ```
/// # let error = avro_arrow::schema::Schema::parse("{}", &Default::default()).unwrap_err();
/// let error = avro_datafusion::file_error(error, "events.avro");
/// assert!(error.to_string().contains("events.avro"));
/// ```
pub fn file_error(error: Error, file: &str) -> DataFusionError {
    DataFusionError::External(Box::new(error.in_file(file)))
}
