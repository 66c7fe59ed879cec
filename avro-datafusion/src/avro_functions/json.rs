//! `avro_to_json` and `json_to_avro`: messages as JSON without columns, for any schema.

use super::call::{CallConstants, PreparedCall};
use super::decoding::{Writers, fails, for_each_value, framing_of, read_options, rejection, writers_and_reader};
use super::encoding;
use super::framings::FramingOption;
use super::sources::Sources;
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use avro_arrow::json::{Decoder, Encoder, Form};
use avro_arrow::message::{Framing, SchemaId};
use avro_arrow::schema::Schema;
use avro_arrow::{Error, ErrorKind, Fault, Limits};
use datafusion::arrow::compute::cast;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err};
use std::collections::HashMap;
use std::sync::Arc;

/// A prepared call of `avro_to_json`.
#[derive(Debug)]
pub(super) struct ToJson {
    decoders: Decoders,
    framing: FramingOption,
    fails: bool,
}

#[derive(Debug)]
enum Decoders {
    /// For all messages but those whose fingerprint is not this one.
    One(Box<Decoder>, u64),
    Known(HashMap<SchemaId, Arc<Decoder>>),
}

/// Parses the option `form`.
fn form_of(call: &CallConstants) -> Result<Option<Form>> {
    match call.option("form").map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("plain") => Ok(Some(Form::Plain)),
        Some("avro") => Ok(Some(Form::Avro)),
        Some(other) => plan_err!("option `form`: expected plain or avro, found `{other}`"),
    }
}

impl ToJson {
    pub(super) fn prepare(call: &CallConstants, sources: Sources) -> Result<Box<dyn PreparedCall>> {
        const NAME: &str = "avro_to_json";
        let own = read_options(NAME, call, &sources.options)?;
        if call.option("columns").is_some() {
            return plan_err!("{NAME}: the option `columns` is for from_avro");
        }
        let form = form_of(call)?.unwrap_or(Form::Plain);
        let options = own.decoder(None, 1);
        let (writers, reader) = writers_and_reader(NAME, sources, &own)?;
        let decoder = |writer: &Schema| {
            let decoder = Decoder::resolving(writer, &reader, form, &options);
            decoder.map_err(|e| DataFusionError::External(Box::new(e)).context(NAME))
        };
        let decoders = match &writers {
            Writers::One(writer) => Decoders::One(Box::new(decoder(writer)?), writer.rabin()),
            Writers::Known(known) => {
                let known = known.iter().map(|(id, writer)| Ok((*id, Arc::new(decoder(writer)?))));
                Decoders::Known(known.collect::<Result<_>>()?)
            }
        };
        Ok(Box::new(ToJson { decoders, framing: framing_of(call)?, fails: fails(call)? }))
    }

    fn append(&self, message: &[u8], out: &mut Vec<u8>) -> std::result::Result<(), Error> {
        let (id, datum) = self.framing.of(message).split(message)?;
        let decoder = match &self.decoders {
            Decoders::One(_, fingerprint) if matches!(id, SchemaId::Rabin(other) if other != *fingerprint) => None,
            Decoders::One(decoder, _) => Some(&**decoder),
            Decoders::Known(known) => known.get(&id).map(|decoder| &**decoder),
        };
        let Some(decoder) = decoder else { return Err(ErrorKind::UnknownSchema { id: id.to_string() }.into()) };
        let prefix = (message.len() - datum.len()) as u64;
        let of_message = |error: Error| {
            error.at(|position| {
                position.offset_in_message = position.offset_in_block.take().map(|offset| offset + prefix);
                (position.row, position.message) = (None, Some(0));
            })
        };
        let n_read = decoder.decode(datum, out).map_err(of_message)?;
        match datum.len() - n_read {
            0 => Ok(()),
            left => Err(of_message(Error::from(Fault::TrailingBytes(left as u64)))),
        }
    }
}

impl PreparedCall for ToJson {
    fn field(&self, _value: &FieldRef) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("avro_to_json", DataType::Utf8, true)))
    }

    fn call(&self, values: &ArrayRef, _field: &FieldRef) -> Result<ArrayRef> {
        let mut texts = StringBuilder::new();
        let (mut text, mut failed, mut n) = (Vec::new(), None, 0);
        for_each_value(values, |row, message| {
            while n < row {
                texts.append_null();
                n += 1;
            }
            text.clear();
            match self.append(message, &mut text) {
                // The decoder writes text.
                Ok(()) => texts.append_value(String::from_utf8_lossy(&text)),
                Err(error) => {
                    texts.append_null();
                    failed.get_or_insert((row, error));
                }
            }
            n += 1;
        })?;
        if self.fails
            && let Some((row, error)) = failed
        {
            return exec_err!("{}", rejection("avro_to_json", &error, values, row));
        }
        (n..values.len()).for_each(|_| texts.append_null());
        Ok(Arc::new(texts.finish()))
    }
}

/// A prepared call of `json_to_avro`.
#[derive(Debug)]
pub(super) struct FromJson {
    schema: Schema,
    form: Option<Form>,
    prefix: Vec<u8>,
    fails: bool,
    limits: Limits,
}

impl FromJson {
    pub(super) fn prepare(call: &CallConstants, sources: Sources) -> Result<Box<dyn PreparedCall>> {
        const NAME: &str = "json_to_avro";
        let (framing, id) = encoding::framing_of(NAME, call, &["form", "on_error"])?;
        let Some(schema) = sources.given else {
            return plan_err!("{NAME}: there is no schema; give it as the second argument");
        };
        let id = if framing == Framing::SingleObject { SchemaId::Rabin(schema.rabin()) } else { id };
        let mut prefix = vec![];
        framing.write_prefix(id, &mut prefix).map_err(|e| DataFusionError::External(Box::new(e)).context(NAME))?;
        let limits = sources.options.limits;
        Ok(Box::new(FromJson { schema, form: form_of(call)?, prefix, fails: fails(call)?, limits }))
    }
}

impl PreparedCall for FromJson {
    fn field(&self, _value: &FieldRef) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("json_to_avro", DataType::Binary, true)))
    }

    fn call(&self, values: &ArrayRef, _field: &FieldRef) -> Result<ArrayRef> {
        let mut encoder = match self.form {
            None => Encoder::readable(&self.schema, &self.limits),
            Some(form) => Encoder::new(&self.schema, form, &self.limits),
        };
        let texts = cast(values, &DataType::Utf8View)?;
        let mut messages = BinaryBuilder::new();
        let mut message = Vec::new();
        for text in texts.as_string_view() {
            let Some(text) = text else {
                messages.append_null();
                continue;
            };
            message.clone_from(&self.prefix);
            match encoder.encode(text, self.schema.root(), &mut message) {
                Ok(()) => messages.append_value(&message),
                Err(_) if !self.fails => messages.append_null(),
                Err(error) => {
                    let shown: String = text.chars().take(SHOWN_CHARS).collect();
                    let more = if shown.len() < text.len() { ".." } else { "" };
                    return Err(exec_datafusion_err!(
                        "json_to_avro: {error}, in '{shown}{more}'; use on_error => 'null' for NULL"
                    ));
                }
            }
        }
        Ok(Arc::new(messages.finish()))
    }
}

/// Characters of a rejected text that its error shows.
const SHOWN_CHARS: usize = 60;
