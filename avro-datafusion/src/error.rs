//! Conversion of decoder and encoder errors to DataFusion's error type.

use avro_arrow::Error;
use datafusion::error::DataFusionError;
use std::fmt;

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

/// Converts an error of an object store while a file was read, with the path or URL of the file.
pub(crate) fn store_error(source: object_store::Error, file: &str) -> DataFusionError {
    DataFusionError::External(Box::new(StoreError { file: file.to_owned(), source }))
}

/// An error of an object store that names the file.
#[derive(Debug)]
struct StoreError {
    file: String,
    source: object_store::Error,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.source)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
