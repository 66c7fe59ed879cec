//! The schema to which the files of a table are resolved, and the programs that read them.

#[cfg(feature = "cache")]
mod column_key;

use crate::block_index::ColumnMapping;
use crate::options::read::AvroOptions;
use crate::projection::DecodeColumns;
use crate::schema::declared_columns;
use crate::schema::header_cache::{ByText, FileSchema, Reads};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use avro_arrow::schema::Schema as AvroSchema;
use avro_arrow::{ErrorKind, FieldMatch, FilterProgram, Program};
use std::sync::Arc;

/// Metadata key of Arrow field ids.
const FIELD_ID: &str = "PARQUET:field_id";

/// How the columns of a table are found in its files.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReaderSchema {
    /// Reader schema.
    schema: Option<ByText>,
    /// Whether a file that cannot be resolved is read with its own schema and cast.
    casts: bool,
    by: FieldMatch,
}

impl ReaderSchema {
    /// Creates the reader schema of a table. Columns inferred from files carry their Avro schema in the metadata;
    /// declared columns have Arrow types that Avro may lack.
    pub(crate) fn new(columns: &Schema, options: &AvroOptions) -> ReaderSchema {
        if options.schema.is_none()
            && let Some(json) = columns.metadata().get("avro.schema")
            && let Ok(schema) = AvroSchema::parse(json, &options.limits)
        {
            return ReaderSchema { schema: Some(ByText(schema)), casts: false, by: options.field_match };
        }
        let has_ids = columns.fields().iter().any(|field| has_id(field));
        let by = if has_ids { FieldMatch::Id } else { options.field_match };
        ReaderSchema { schema: AvroSchema::from_arrow(columns).ok().map(ByText), casts: by == FieldMatch::Name, by }
    }

    /// Returns how the table's columns map to those of a file.
    pub(crate) fn columns<'a>(&'a self, table: &'a SchemaRef, file: &'a FileSchema) -> ColumnMapping<'a> {
        let reader = self.schema.as_ref().map(|ByText(schema)| schema);
        ColumnMapping { table, reader, by: self.by, file: file.avro() }
    }

    /// Returns the programs that read these columns of a file, and those of the filter, as far as the file has them.
    pub(crate) fn programs(
        &self,
        file: &FileSchema,
        columns: &DecodeColumns,
        filter: Option<&DecodeColumns>,
        batch_size: usize,
        options: &AvroOptions,
    ) -> avro_arrow::Result<(Arc<Program>, Option<Arc<FilterProgram>>)> {
        let options = AvroOptions { field_match: self.by, ..options.clone() };
        let compile =
            |reader: Option<ByText>, wanted: &dyn Fn(&DecodeColumns) -> Vec<String>| -> avro_arrow::Result<_> {
                let reads = Reads { columns: Some(wanted(columns)), batch_size, reader };
                let program = file.program(reads.clone(), &options)?;
                let filter = filter.map(|filter| file.filter(reads, &program, wanted(filter))).transpose()?;
                Ok((program, filter))
            };
        let names = |decoded: &DecodeColumns| -> Vec<String> {
            decoded.schema.fields().iter().map(|field| field.name().clone()).collect()
        };
        if self.schema.is_some() {
            let programs = match compile(self.schema.clone(), &|decoded| decoded.paths.to_vec()) {
                // A struct that stands for a union must be decoded whole; the adapter prunes it.
                Err(e) if matches!(e.kind(), ErrorKind::Argument { .. }) => compile(self.schema.clone(), &names),
                programs => programs,
            };
            match programs {
                Err(e) if self.casts && matches!(e.kind(), ErrorKind::Resolve { .. }) => {}
                programs => return programs,
            }
        }
        // The adapter adds missing columns and prunes the others.
        let has = file.columns();
        compile(None, &|decoded| {
            let own = decoded.schema.fields().iter().filter_map(|field| name_in(field, |name| has.contains(&name)));
            own.collect()
        })
    }
}

/// Returns the name under which a column exists: its own, or one of its aliases.
pub(crate) fn name_in(field: &Field, is_there: impl Fn(&str) -> bool) -> Option<String> {
    match is_there(field.name()) {
        true => Some(field.name().clone()),
        false => declared_columns::aliases(field).into_iter().find(|name| is_there(name)),
    }
}

fn has_id(field: &Field) -> bool {
    field.metadata().contains_key(FIELD_ID)
        || match field.data_type() {
            DataType::Struct(fields) => fields.iter().any(|field| has_id(field)),
            DataType::List(inner) | DataType::Map(inner, _) => has_id(inner),
            _ => false,
        }
}
