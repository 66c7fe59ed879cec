//! `to_avro`: values as messages.

use super::call::{CallConstants, PreparedCall};
use super::framings::FramingOption;
use super::sources::{self, Sources};
use crate::options::read::AvroOptions;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, FieldRef, Schema as ArrowSchema, SchemaRef};
use avro_arrow::MessageEncoder;
use avro_arrow::message::{Framing, IdWidth, SchemaId};
use avro_arrow::schema::{Kind, Schema};
use datafusion::arrow::compute::take;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use std::sync::{Arc, Mutex, PoisonError};

/// Returns the framing of the messages that a call of `function` writes, and their id. `others` are the other options
/// of the function.
pub(super) fn framing_of(function: &str, call: &CallConstants, others: &[&str]) -> Result<(Framing, SchemaId)> {
    let is_known = |name: &str| ["framing", "id"].contains(&name) || others.contains(&name);
    if let Some((name, _)) = call.options.iter().find(|(name, _)| !is_known(name)) {
        let others: String = others.iter().map(|other| format!(", {other}")).collect();
        return plan_err!("{function}: unknown option `{name}`; options are framing, id{others}");
    }
    let framing = match call.option("framing").map(FramingOption::parse).transpose()? {
        None if call.option("id").is_some() => Framing::Confluent,
        None => Framing::Bare,
        Some(FramingOption::Auto) => {
            return plan_err!("{function}: the framing of written messages must be named; `auto` is for reading");
        }
        Some(FramingOption::Fixed(framing)) => framing,
    };
    let id = match (framing, call.option("id")) {
        (Framing::Confluent | Framing::Apicurio(IdWidth::Four | IdWidth::Eight), Some(id)) => {
            let number =
                id.parse().map_err(|_| plan_datafusion_err!("option `id`: expected a number, found `{id}`"))?;
            SchemaId::Number(number)
        }
        (Framing::Confluent | Framing::Apicurio(_), None) => {
            return plan_err!("{function}: this framing needs the option `id`, the id of the schema in its registry");
        }
        (_, Some(_)) => return plan_err!("{function}: this framing has no id; leave the option `id` out"),
        (_, None) => SchemaId::Unnamed,
    };
    Ok((framing, id))
}

/// A prepared call of `to_avro`.
#[derive(Debug)]
pub(super) struct Encoding {
    schema: Option<Schema>,
    framing: Framing,
    id: SchemaId,
    options: AvroOptions,
    /// The encoder for values of the type that came last.
    last: Mutex<Option<(FieldRef, Arc<TypeEncoder>)>>,
}

/// An encoder of values of one type.
#[derive(Debug)]
struct TypeEncoder {
    messages: MessageEncoder,
    /// The columns of the batches that it takes: the fields of a record, or the value.
    columns: SchemaRef,
    is_record: bool,
}

impl Encoding {
    pub(super) fn prepare(call: &CallConstants, sources: Sources) -> Result<Box<dyn PreparedCall>> {
        let (framing, id) = framing_of("to_avro", call, &[])?;
        Ok(Box::new(Encoding { schema: sources.given, framing, id, options: sources.options, last: Mutex::default() }))
    }
}

impl PreparedCall for Encoding {
    fn field(&self, value: &FieldRef) -> Result<FieldRef> {
        // Finds a type that does not fit the schema while the query is planned.
        self.encoder(value)?;
        Ok(Arc::new(Field::new("to_avro", DataType::Binary, true)))
    }

    fn call(&self, values: &ArrayRef, field: &FieldRef) -> Result<ArrayRef> {
        Ok(Arc::new(encode(&*self.encoder(field)?, values)?))
    }
}

impl Encoding {
    /// Returns the encoder for values of this type. Without a schema, it is made of the type.
    fn encoder(&self, field: &FieldRef) -> Result<Arc<TypeEncoder>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, encoder)) = &*last
            && known == field
        {
            return Ok(Arc::clone(encoder));
        }
        let made = match (&self.schema, field.data_type()) {
            (Some(_), _) | (None, DataType::Struct(_)) => None,
            (None, _) => Some(type_schema(field, &self.options)?),
        };
        let schema = self.schema.as_ref().or(made.as_ref());
        let has_record = schema.is_none_or(|schema| matches!(schema.node(schema.root()).kind, Kind::Record(_)));
        let (columns, is_record) = match field.data_type() {
            DataType::Struct(fields) if has_record => (ArrowSchema::new(fields.clone()), true),
            _ => (ArrowSchema::new(vec![Field::clone(field).with_name("value").with_nullable(false)]), false),
        };
        let columns = Arc::new(columns);
        let messages = MessageEncoder::new(&columns, schema, self.framing, self.id, &self.options.limits);
        let encoder = Arc::new(TypeEncoder { messages: messages.map_err(external)?, columns, is_record });
        *last = Some((Arc::clone(field), Arc::clone(&encoder)));
        Ok(encoder)
    }
}

/// Encodes each value of an array as a message; NULL stays NULL.
fn encode(encoder: &TypeEncoder, values: &ArrayRef) -> Result<BinaryArray> {
    // NULL has no message, whatever the schema.
    let valid: Option<UInt32Array> = (values.logical_null_count() > 0)
        .then(|| (0..values.len() as u32).filter(|row| !values.is_null(*row as usize)).collect::<Vec<_>>().into());
    let present = match &valid {
        Some(valid) => take(values, valid, None)?,
        None => Arc::clone(values),
    };
    let columns = match present.as_struct_opt() {
        Some(record) if encoder.is_record => record.columns().to_vec(),
        _ => vec![Arc::clone(&present)],
    };
    let rows = RecordBatchOptions::new().with_row_count(Some(present.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&encoder.columns), columns, &rows)?;
    let messages = encoder.messages.encode(&batch).map_err(external)?;
    let Some(valid) = valid else { return Ok(messages) };
    let mut from: Vec<Option<u32>> = vec![None; values.len()];
    for (message, row) in valid.values().iter().enumerate() {
        if let Some(from) = from.get_mut(*row as usize) {
            *from = Some(message as u32);
        }
    }
    Ok(take(&messages, &UInt32Array::from(from), None)?.as_binary::<i32>().clone())
}

fn external(e: avro_arrow::Error) -> DataFusionError {
    exec_datafusion_err!("to_avro: {e}")
}

/// Returns the Avro schema of values of a type that is not a struct.
fn type_schema(field: &FieldRef, options: &AvroOptions) -> Result<Schema> {
    let column = Field::clone(field).with_name("value").with_nullable(false);
    let external = |e: avro_arrow::Error| DataFusionError::External(Box::new(e));
    let record = Schema::from_arrow(&ArrowSchema::new(vec![column])).map_err(external)?;
    // The type of the only field of the record.
    let json: serde_json::Value = serde_json::from_str(record.json()).map_err(|e| plan_datafusion_err!("{e}"))?;
    sources::parse(&json["fields"][0]["type"].to_string(), options)
}
