//! `avro_to_json` and `json_to_avro`: messages as JSON without columns, for any schema.

use super::call::{CallConstants, PreparedCall};
use super::decoding::{
    Writers, fails, for_each_value, framing_of, is_unresolved, read_options, rejection, writers_and_reader,
};
use super::encoding;
use super::framings::FramingOption;
use super::registry::Registry;
use super::sources::Sources;
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use avro_arrow::json::{Decoder, Encoder, Form};
use avro_arrow::message::{Framing, ResolveSchema, SchemaId};
use avro_arrow::schema::Schema;
use avro_arrow::{Error, ErrorKind, Fault, Limits, Options};
use datafusion::arrow::compute::cast;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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
    Registry(Box<ByRegistry>),
}

/// Decoders of the schemas of a registry, made when a message needs them.
#[derive(Debug)]
struct ByRegistry {
    registry: Registry,
    /// `None` if messages are not resolved to another schema.
    reader: Option<Schema>,
    form: Form,
    options: Options,
    known: Mutex<HashMap<SchemaId, Arc<Decoder>>>,
}

impl ByRegistry {
    fn get(&self, id: SchemaId) -> std::result::Result<Option<Arc<Decoder>>, Error> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let found = self.registry.clone().resolve(id);
        let found = found.map_err(|error| Error::from(ErrorKind::Resolver { id: id.to_string(), error }))?;
        let Some(writer) = found else { return Ok(None) };
        let reader = self.reader.as_ref().unwrap_or(&writer);
        let decoder = Arc::new(Decoder::resolving(&writer, reader, self.form, &self.options)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&decoder));
        Ok(Some(decoder))
    }
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
        let (writers, reader) = writers_and_reader(NAME, call, sources, &own)?;
        let decoder = |writer: &Schema| {
            let decoder = Decoder::resolving(writer, reader.as_ref().unwrap_or(writer), form, &options);
            decoder.map_err(|e| DataFusionError::External(Box::new(e)).context(NAME))
        };
        let decoders = match &writers {
            Writers::One(writer) => Decoders::One(Box::new(decoder(writer)?), writer.rabin()),
            Writers::Known(known) => {
                let known = known.iter().map(|(id, writer)| Ok((*id, Arc::new(decoder(writer)?))));
                Decoders::Known(known.collect::<Result<_>>()?)
            }
            Writers::Registry(registry) => Decoders::Registry(Box::new(ByRegistry {
                registry: registry.clone(),
                reader: reader.clone(),
                form,
                options: options.clone(),
                known: Mutex::default(),
            })),
        };
        Ok(Box::new(ToJson { decoders, framing: framing_of(call)?, fails: fails(call)? }))
    }

    fn append(&self, message: &[u8], out: &mut Vec<u8>) -> std::result::Result<(), Error> {
        let (id, datum) = self.framing.of(message).split(message)?;
        let found;
        let decoder = match &self.decoders {
            Decoders::One(_, fingerprint) if matches!(id, SchemaId::Rabin(other) if other != *fingerprint) => None,
            Decoders::One(decoder, _) => Some(&**decoder),
            Decoders::Known(known) => known.get(&id).map(|decoder| &**decoder),
            Decoders::Registry(registry) => {
                found = registry.get(id)?;
                found.as_deref()
            }
        };
        let Some(decoder) = decoder else { return Err(ErrorKind::UnknownSchema { id: id.to_string() }.into()) };
        let prefix = (message.len() - datum.len()) as u64;
        let at = |error: Error, offset: u64| error.at(|position| position.offset_in_message = Some(prefix + offset));
        let n_read = decoder.decode(datum, out).map_err(|error| {
            let offset = error.position().offset_in_block.unwrap_or_default();
            at(error, offset).at(|position| (position.row, position.offset_in_block) = (None, None))
        })?;
        match datum.len() - n_read {
            0 => Ok(()),
            left => Err(at(Error::from(Fault::TrailingBytes(left as u64)), n_read as u64)),
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
            n += 1;
            // Each message would wait for the registry in vain.
            if failed.as_ref().is_some_and(|(_, error)| is_unresolved(error)) {
                return;
            }
            text.clear();
            match self.append(message, &mut text) {
                // The decoder writes text.
                Ok(()) => texts.append_value(String::from_utf8_lossy(&text)),
                Err(error) => {
                    texts.append_null();
                    if is_unresolved(&error) {
                        failed = Some((row, error));
                    } else {
                        failed.get_or_insert((row, error));
                    }
                }
            }
        })?;
        if let Some((_, error)) = failed.as_ref().filter(|(_, error)| is_unresolved(error)) {
            return exec_err!("avro_to_json: {error}");
        }
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
