//! `from_avro_file`: container files in a column as lists of their rows. `avro_schema_id`: the ids of messages.

use super::call::{CallConstants, PreparedCall};
use super::decoding::{fails, for_each_value, read_options, rejection};
use super::framings::FramingOption;
use super::sources::Sources;
use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StructArray, new_empty_array};
use arrow_schema::{DataType, Field, FieldRef};
use avro_arrow::message::Framing;
use avro_arrow::schema::Kind;
use avro_arrow::{Error, Options, Program, ReaderBuilder};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::concat;
use datafusion::common::{DataFusionError, Result, exec_err, plan_err};
use std::sync::Arc;

/// A prepared call of `from_avro_file`.
#[derive(Debug)]
pub(super) struct FromFile {
    options: Options,
    item: FieldRef,
    is_record: bool,
    fails: bool,
}

impl FromFile {
    pub(super) fn prepare(call: &CallConstants, sources: Sources) -> Result<Box<dyn PreparedCall>> {
        const NAME: &str = "from_avro_file";
        let own = read_options(NAME, call, &sources.options)?;
        if ["framing", "schemas", "registry", "subject", "columns", "form"]
            .iter()
            .any(|name| call.option(name).is_some())
        {
            return plan_err!("{NAME}: files have their schemas inside; options are on_error, and those of reading");
        }
        let Some(reader) = sources.given else {
            return plan_err!("{NAME}: give the schema of the rows as the second argument; files are resolved to it");
        };
        let options = own.decoder(None, BATCH_ROWS).with_reader_schema(Some(reader.clone()));
        let external = |e: Error| DataFusionError::External(Box::new(e)).context(NAME);
        let program = Program::compile(&reader, &options).map_err(external)?;
        let fields = program.arrow_schema().fields();
        let is_record = matches!(reader.node(reader.root()).kind, Kind::Record(_));
        let item = match fields.first() {
            Some(only) if !is_record => Field::clone(only).with_name("item"),
            _ => Field::new("item", DataType::Struct(fields.clone()), false),
        };
        Ok(Box::new(FromFile { options, item: Arc::new(item), is_record, fails: fails(call)? }))
    }

    /// Returns the rows of a file, in arrays of the item's type.
    fn rows(&self, file: &[u8]) -> std::result::Result<Vec<ArrayRef>, Error> {
        let reader = ReaderBuilder::new().with_options(self.options.clone()).build(file)?;
        reader.map(|batch| batch.map(|batch| self.items(&batch))).collect()
    }

    fn items(&self, batch: &RecordBatch) -> ArrayRef {
        match batch.columns().first() {
            Some(only) if !self.is_record => Arc::clone(only),
            _ => Arc::new(StructArray::from(batch.clone())),
        }
    }
}

/// Rows of a file that are decoded together.
const BATCH_ROWS: usize = 8192;

impl PreparedCall for FromFile {
    fn field(&self, _value: &FieldRef) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("from_avro_file", DataType::List(Arc::clone(&self.item)), true)))
    }

    fn call(&self, values: &ArrayRef, _field: &FieldRef) -> Result<ArrayRef> {
        let mut lengths = vec![0; values.len()];
        let mut is_valid = vec![false; values.len()];
        let (mut items, mut failed) = (vec![], None);
        for_each_value(values, |row, file| match self.rows(file) {
            Ok(rows) => {
                if let (Some(length), Some(is_valid)) = (lengths.get_mut(row), is_valid.get_mut(row)) {
                    (*length, *is_valid) = (rows.iter().map(|rows| rows.len()).sum(), true);
                }
                items.extend(rows);
            }
            Err(error) => {
                failed.get_or_insert((row, error));
            }
        })?;
        if self.fails
            && let Some((row, error)) = failed
        {
            return exec_err!("{}", rejection("from_avro_file", &error, values, row));
        }
        let items: Vec<&dyn Array> = items.iter().map(|items| &**items).collect();
        let items = if items.is_empty() { new_empty_array(self.item.data_type()) } else { concat(&items)? };
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = NullBuffer::from(is_valid);
        Ok(Arc::new(ListArray::try_new(Arc::clone(&self.item), offsets, items, Some(nulls))?))
    }
}

/// A prepared call of `avro_schema_id`.
#[derive(Debug)]
pub(super) struct IdOf(FramingOption);

impl IdOf {
    pub(super) fn prepare(call: &CallConstants, _sources: Sources) -> Result<Box<dyn PreparedCall>> {
        if let Some((name, _)) = call.options.iter().find(|(name, _)| name != "framing") {
            return plan_err!("avro_schema_id: unknown option `{name}`; the only option is framing");
        }
        if call.schema.is_some() {
            return plan_err!("avro_schema_id needs no schema; use avro_schema_id(bytes, framing => 'confluent')");
        }
        let framing = call.option("framing").map_or(Ok(FramingOption::Auto), FramingOption::parse)?;
        if framing.is_bare() {
            return plan_err!("avro_schema_id: bare messages have no id");
        }
        Ok(Box::new(IdOf(framing)))
    }
}

impl PreparedCall for IdOf {
    fn field(&self, _value: &FieldRef) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("avro_schema_id", DataType::Utf8, true)))
    }

    fn call(&self, values: &ArrayRef, _field: &FieldRef) -> Result<ArrayRef> {
        let mut ids = StringBuilder::new();
        let mut n = 0;
        for_each_value(values, |row, message| {
            (n..row).for_each(|_| ids.append_null());
            n = row + 1;
            let framing = match self.0 {
                FramingOption::Fixed(framing) => Some(framing),
                FramingOption::Auto => Framing::detect(message),
            };
            match framing.map(|framing| framing.split(message)) {
                Some(Ok((id, _))) => ids.append_value(id.value()),
                _ => ids.append_null(),
            }
        })?;
        (n..values.len()).for_each(|_| ids.append_null());
        Ok(Arc::new(ids.finish()))
    }
}
