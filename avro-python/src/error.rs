//! Failures as Python exceptions: `python/avro_sql/errors.py` has the classes.

use avro_arrow::Position;
use avro_sql_cli::embed::{Class, SqlFailure, on_one_line};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Returns the exception of a failure, with its position as attributes.
pub(crate) fn raise(py: Python<'_>, failure: impl Into<SqlFailure>) -> PyErr {
    let SqlFailure { message, class, position } = failure.into();
    exception(py, name(class), &message, position.as_deref()).unwrap_or_else(|e| e)
}

/// Returns a message for C, in one line and without the zero bytes that would end it.
pub(crate) fn text(message: &str) -> String {
    on_one_line(&message.replace('\0', ""))
}

fn name(class: Class) -> &'static str {
    match class {
        Class::NotFound => "NotFoundError",
        Class::Denied => "AccessError",
        Class::Data => "DataError",
        Class::Schema => "SchemaError",
        Class::Limit => "LimitError",
        Class::Request => "QueryError",
        Class::Io => "StorageError",
        _ => "InternalError",
    }
}

fn exception(py: Python<'_>, name: &str, message: &str, position: Option<&Position>) -> PyResult<PyErr> {
    let class = py.import("avro_sql.errors")?.getattr(name)?;
    let places = PyDict::new(py);
    if let Some(at) = position {
        places.set_item("path", &at.file)?;
        places.set_item("block", at.block)?;
        places.set_item("row", at.row)?;
        places.set_item("offset", at.offset)?;
        places.set_item("field", &at.path)?;
        places.set_item("message_index", at.message)?;
    }
    let exception = class.call((text(message),), Some(&places))?;
    Ok(PyErr::from_value(exception))
}

/// Returns the exception for the use of an object in a process forked after it was made.
pub(crate) fn forked() -> PyErr {
    PyRuntimeError::new_err(
        "avro_sql: this object was made before the process was forked, and its threads are not in the child; make it \
         in the child, or start processes with multiprocessing's method `spawn`",
    )
}
