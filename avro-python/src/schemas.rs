//! Avro schemas: canonical form, fingerprints, compatibility, merging, and Arrow.

use crate::batches::Columns;
use crate::error::raise;
use crate::ffi::capsule::schema_of;
use avro_arrow::schema::{MergedSchema, OnConflict, Schema};
use avro_arrow::{FieldMatch, Limits, Program, Severity, derived_schema};
use avro_datafusion::AvroOptions;
use pyo3::prelude::*;
use std::sync::Arc;

/// A parsed schema.
#[pyclass(frozen, name = "Schema", module = "avro_sql._native")]
pub(crate) struct AvroSchema(Schema);

#[pymethods]
impl AvroSchema {
    #[new]
    fn new(py: Python<'_>, json: &str) -> PyResult<AvroSchema> {
        Schema::parse(json, &Limits::default()).map(AvroSchema).map_err(|e| raise(py, e))
    }

    /// Returns the schema of files with these Arrow columns.
    #[staticmethod]
    fn from_arrow(py: Python<'_>, schema: &Bound<'_, PyAny>) -> PyResult<AvroSchema> {
        let columns = Arc::new(schema_of(schema)?);
        derived_schema(&columns, &Limits::default()).map(AvroSchema).map_err(|e| raise(py, e))
    }

    /// Merges schemas of these names.
    #[staticmethod]
    fn merge(py: Python<'_>, schemas: Vec<(String, String)>, widen: bool) -> PyResult<AvroSchema> {
        let limits = Limits::default();
        let parse = |(name, json): &(String, String)| {
            Schema::parse(json, &limits).map(|schema| (name.clone(), schema)).map_err(|e| e.in_file(name))
        };
        let parsed: Vec<_> = schemas.iter().map(parse).collect::<Result<_, _>>().map_err(|e| raise(py, e))?;
        let conflicts = if widen { OnConflict::Widen } else { OnConflict::Error };
        let sources = parsed.iter().map(|(name, schema)| (name.as_str(), schema));
        MergedSchema::of(sources, conflicts, &limits).map(|m| AvroSchema(m.schema)).map_err(|e| raise(py, e))
    }

    fn json(&self) -> &str {
        self.0.json()
    }

    fn canonical_form(&self) -> String {
        self.0.canonical_form()
    }

    fn rabin(&self) -> u64 {
        self.0.rabin()
    }

    fn md5(&self) -> [u8; 16] {
        self.0.md5()
    }

    fn sha256(&self) -> [u8; 32] {
        self.0.sha256()
    }

    /// Returns why `reader` cannot read data of this schema: path, reason, and whether that is so for all values.
    fn mismatches(&self, py: Python<'_>, reader: &AvroSchema) -> PyResult<Vec<(String, String, bool)>> {
        let found = reader.0.mismatches(&self.0, FieldMatch::Name, &Limits::default()).map_err(|e| raise(py, e))?;
        Ok(found.into_iter().map(|m| (m.path, m.reason, m.severity == Severity::Always)).collect())
    }

    /// Returns the Arrow columns of data of this schema.
    fn columns(&self, py: Python<'_>) -> PyResult<Columns> {
        let options = AvroOptions::default().describing().decoder(None, 1);
        let program = Program::compile(&self.0, &options).map_err(|e| raise(py, e))?;
        Ok(Columns(Arc::clone(program.arrow_schema())))
    }
}
