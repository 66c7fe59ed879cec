//! The native part of the Python package `avro_sql`. `python/avro_sql/` has the package that people import.

// In the order of the data: a module imports only from those above it.
mod error;
mod ffi;
mod plain;
mod polars;
mod engine;
mod batches;
mod notes;
mod statement;
mod file_objects;
mod python_files;
mod registered;
mod query_table;
mod table_factory;
mod foreign;
mod scan;
mod connection;
mod write;
mod append;
mod messages;
mod encode;
mod schemas;
mod command;

use pyo3::prelude::*;

/// The module `avro_sql._native`.
#[pymodule]
#[pyo3(name = "_native")]
fn native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("__datafusion_version__", datafusion::DATAFUSION_VERSION)?;
    file_objects::at_exit(module)?;
    module.add_class::<batches::Batch>()?;
    module.add_class::<batches::Batches>()?;
    module.add_class::<batches::Columns>()?;
    module.add_class::<batches::Stream>()?;
    module.add_class::<scan::Source>()?;
    module.add_class::<connection::Connection>()?;
    module.add_class::<messages::Decoder>()?;
    module.add_class::<encode::Encoder>()?;
    module.add_class::<encode::Encoded>()?;
    module.add_class::<schemas::AvroSchema>()?;
    module.add_function(wrap_pyfunction!(write::write, module)?)?;
    module.add_function(wrap_pyfunction!(append::append, module)?)?;
    module.add_function(wrap_pyfunction!(foreign::table_factory, module)?)?;
    module.add_function(wrap_pyfunction!(command::run_command, module)?)
}
