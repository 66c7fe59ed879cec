//! The schema to which the files of a table are resolved, and the programs that read them.

use crate::block_index::ColumnMapping;
use crate::options::read::AvroOptions;
use crate::projection::DecodeColumns;
use crate::schema::declared_columns;
use crate::schema::header_cache::{ByText, ColumnKey, FileSchema, Reads};
use crate::schema::type_text::type_text;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use avro_arrow::schema::{Fingerprint, Schema as AvroSchema};
use avro_arrow::{ErrorKind, FieldMatch, FilterProgram, Program};
use std::sync::Arc;

/// Metadata key of Arrow field ids.
const FIELD_ID: &str = "PARQUET:field_id";
/// Rows of a batch of the programs that are only compared.
const BATCH_SIZE: usize = 8192;
/// What the text of a program does not tell in full: JSON of values, mapped symbols, factors, and texts of defaults.
const INCOMPLETE: [&str; 4] = [" as json", "symbol", "rescaled", "text of"];

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

    /// Returns the key of a table's column in a file; `None` if the file lacks the column, or it cannot be read alone.
    ///
    /// Equal keys mean equal values: the key covers the options, and either the file's schema and the column's name, or
    /// the program that resolves the column.
    pub(crate) fn column_key(
        &self,
        file: &FileSchema,
        field: &FieldRef,
        options: &AvroOptions,
    ) -> Option<Arc<ColumnKey>> {
        file.key(self.schema.as_ref(), field.name(), || self.new_column_key(file, field, options))
    }

    fn new_column_key(&self, file: &FileSchema, field: &FieldRef, options: &AvroOptions) -> Option<ColumnKey> {
        let own = ReaderSchema { schema: None, casts: false, by: self.by };
        let program = |reader: &ReaderSchema| {
            let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
            let columns = DecodeColumns { paths: vec![field.name().clone()].into(), schema };
            reader.programs(file, &columns, None, BATCH_SIZE, options).ok().map(|(program, _)| program)
        };
        let found = program(self)?;
        let mut fields = found.arrow_schema().fields().iter();
        let (Some(column), None) = (fields.next(), fields.next()) else { return None };
        let text = found.to_string();
        let is_complete = !INCOMPLETE.iter().any(|words| text.contains(words));
        let is_own = match &self.schema {
            None => true,
            Some(ByText(reader)) if reader.json() == file.avro().json() => true,
            Some(_) if is_complete => program(&own).is_some_and(|own| {
                own.arrow_schema().fields() == found.arrow_schema().fields() && own.to_string() == text
            }),
            Some(_) => false,
        };
        // A file that does not resolve is read with its own schema, all columns or none.
        if !is_own && self.casts {
            return None;
        }
        let settings = format!("{} {:?} {:?}", env!("CARGO_PKG_VERSION"), options.decoder(None, 1), self.by);
        let mut parts = vec![settings, type_text(column.data_type()), column.name().clone()];
        parts.push(file.avro().json().to_owned());
        if let (false, Some(ByText(reader))) = (is_own, &self.schema) {
            parts.push(text);
            parts.extend((!is_complete).then(|| reader.json().to_owned()));
        }
        let parts = parts.iter().flat_map(|part| [part.as_bytes(), b"\0".as_slice()]);
        let hash = Fingerprint::Sha256(Fingerprint::sha256_of(parts)).to_string();
        Some(ColumnKey { field: Arc::clone(column), hash, is_own })
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
