//! `to_avro`: values as messages.

use super::call::{CallConstants, PreparedCall};
use super::framings::FramingOption;
use super::sources::{self, Sources};
use crate::options::read::AvroOptions;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array};
use arrow_schema::{DataType, Field, FieldRef, Schema as ArrowSchema};
use avro_arrow::MessageEncoder;
use avro_arrow::message::{Framing, IdWidth, SchemaId};
use avro_arrow::schema::{Kind, Schema};
use datafusion::arrow::compute::take;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use std::sync::Arc;

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
}

impl Encoding {
    pub(super) fn prepare(call: &CallConstants, sources: Sources) -> Result<Box<dyn PreparedCall>> {
        let (framing, id) = framing_of("to_avro", call, &[])?;
        Ok(Box::new(Encoding { schema: sources.given, framing, id, options: sources.options }))
    }
}

impl PreparedCall for Encoding {
    fn field(&self, value: &FieldRef) -> Result<FieldRef> {
        // Finds a type that does not fit the schema while the query is planned.
        encode(self, &new_empty_array(value.data_type()), value)?;
        Ok(Arc::new(Field::new("to_avro", DataType::Binary, true)))
    }

    fn call(&self, values: &ArrayRef, field: &FieldRef) -> Result<ArrayRef> {
        Ok(Arc::new(encode(self, values, field)?))
    }
}

/// Encodes each value of an array as a message; NULL stays NULL. Without a schema it is made of the values' type.
fn encode(call: &Encoding, values: &ArrayRef, field: &FieldRef) -> Result<BinaryArray> {
    let Encoding { schema, framing, id, options } = call;
    let made = match (schema, field.data_type()) {
        (Some(_), _) | (None, DataType::Struct(_)) => None,
        (None, _) => Some(type_schema(field, options)?),
    };
    let schema = schema.as_ref().or(made.as_ref());
    // NULL has no message, whatever the schema.
    let valid: Option<UInt32Array> = (values.logical_null_count() > 0)
        .then(|| (0..values.len() as u32).filter(|row| !values.is_null(*row as usize)).collect::<Vec<_>>().into());
    let present = match &valid {
        Some(valid) => take(values, valid, None)?,
        None => Arc::clone(values),
    };
    let is_record = schema.is_none_or(|schema| matches!(schema.node(schema.root()).kind, Kind::Record(_)));
    let batch = match present.as_struct_opt() {
        Some(record) if is_record => {
            let arrow = Arc::new(ArrowSchema::new(record.fields().clone()));
            let rows = RecordBatchOptions::new().with_row_count(Some(record.len()));
            RecordBatch::try_new_with_options(arrow, record.columns().to_vec(), &rows)?
        }
        _ => {
            let column = Field::clone(field).with_name("value").with_nullable(false);
            RecordBatch::try_new(Arc::new(ArrowSchema::new(vec![column])), vec![present])?
        }
    };
    let external = |e: avro_arrow::Error| exec_datafusion_err!("to_avro: {e}");
    let encoder = MessageEncoder::new(&batch.schema(), schema, *framing, *id, &options.limits).map_err(external)?;
    let messages = encoder.encode(&batch).map_err(external)?;
    let Some(valid) = valid else { return Ok(messages) };
    let mut from: Vec<Option<u32>> = vec![None; values.len()];
    for (message, row) in valid.values().iter().enumerate() {
        if let Some(from) = from.get_mut(*row as usize) {
            *from = Some(message as u32);
        }
    }
    Ok(take(&messages, &UInt32Array::from(from), None)?.as_binary::<i32>().clone())
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
