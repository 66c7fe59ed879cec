//! What files are resolved to: a table's columns in; for each file, the program that reads those of them that are wanted, out.

use crate::block_index::Columns;
use crate::options::read::AvroOptions;
use crate::projection::Decoded;
use crate::schema::declared_columns;
use crate::schema::header_cache::{ByText, FileSchema, Reads};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use avro_arrow::schema::Schema as AvroSchema;
use avro_arrow::{ErrorKind, FieldMatch, FilterProgram, Program};
use std::sync::Arc;

/// Where Arrow's fields have their ids.
const FIELD_ID: &str = "PARQUET:field_id";

/// How the columns of a table are found in its files.
#[derive(Debug, Clone)]
pub(crate) struct TableReader {
    /// The schema to read with.
    schema: Option<ByText>,
    /// Where a file cannot be resolved to that schema, is it read with its own, and cast?
    casts: bool,
    by: FieldMatch,
}

impl TableReader {
    /// For a table of these columns. If they were found in files, they have the Avro schema that made them in their metadata;
    /// those that the caller gave are of Arrow's types, which need not be the types that Avro has.
    pub(crate) fn new(columns: &Schema, options: &AvroOptions) -> TableReader {
        if options.schema.is_none()
            && let Some(json) = columns.metadata().get("avro.schema")
            && let Ok(schema) = AvroSchema::parse(json, &options.limits)
        {
            return TableReader { schema: Some(ByText(schema)), casts: false, by: options.field_match };
        }
        let has_ids = columns.fields().iter().any(|field| has_id(field));
        let by = if has_ids { FieldMatch::Id } else { options.field_match };
        TableReader { schema: AvroSchema::from_arrow(columns).ok().map(ByText), casts: by == FieldMatch::Name, by }
    }

    /// How columns of these names are those of a file.
    pub(crate) fn columns<'a>(&'a self, table: &'a SchemaRef, file: &'a FileSchema) -> Columns<'a> {
        let reader = self.schema.as_ref().map(|ByText(schema)| schema);
        Columns { table, reader, by: self.by, file: file.avro() }
    }

    /// The programs that read these columns of a file, as far as the file has them, and what the filter looks at.
    pub(crate) fn programs(
        &self,
        file: &FileSchema,
        columns: &Decoded,
        filter: Option<&Decoded>,
        batch_size: usize,
        options: &AvroOptions,
    ) -> avro_arrow::Result<(Arc<Program>, Option<Arc<FilterProgram>>)> {
        let options = AvroOptions { field_match: self.by, ..options.clone() };
        let compile = |reader: Option<ByText>, wanted: &dyn Fn(&Decoded) -> Vec<String>| -> avro_arrow::Result<_> {
            let reads = Reads { columns: Some(wanted(columns)), batch_size, reader };
            let program = file.program(reads.clone(), &options)?;
            let filter = filter.map(|filter| file.filter(reads, &program, wanted(filter))).transpose()?;
            Ok((program, filter))
        };
        let names = |decoded: &Decoded| -> Vec<String> {
            decoded.schema.fields().iter().map(|field| field.name().clone()).collect()
        };
        if self.schema.is_some() {
            let programs = match compile(self.schema.clone(), &|decoded| decoded.paths.to_vec()) {
                // A struct that was made of a union has to be read whole. The adapter takes from it what is wanted.
                Err(e) if matches!(e.kind(), ErrorKind::Argument { .. }) => compile(self.schema.clone(), &names),
                programs => programs,
            };
            match programs {
                Err(e) if self.casts && matches!(e.kind(), ErrorKind::Resolve { .. }) => {}
                programs => return programs,
            }
        }
        // The adapter makes up the columns that this file has not, and takes from them what is wanted.
        let has = file.columns();
        compile(None, &|decoded| {
            let own = decoded.schema.fields().iter().filter_map(|field| name_in(field, |name| has.contains(&name)));
            own.collect()
        })
    }
}

/// What a column is called where only some names are: its own, or else one of its aliases.
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
