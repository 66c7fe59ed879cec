//! Decoders of messages in a column: prepared once, and used for all batches of a query.

use super::call::{CallConstants, PreparedCall};
use super::framings::FramingOption;
use super::registry::Registry;
use super::sources::Sources;
use crate::options::read::AvroOptions;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray, UInt32Array, new_null_array};
use arrow_schema::{DataType, Field, FieldRef};
use avro_arrow::message::{MessageDecoder, SchemaId, SchemaStore};
use avro_arrow::schema::{Kind, Schema};
use avro_arrow::{Error, ErrorKind, Options, Program};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{cast, concat_batches, interleave, take};
use datafusion::common::{DataFusionError, Result, exec_err, internal_err, plan_err};
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of rows that are decoded together.
const ROWS_MAX: usize = 1 << 20;

/// Bytes of a rejected value that its error shows.
const SHOWN_BYTES: usize = 16;

/// Options of calls that decode, beside the read options.
const OWN_OPTIONS: [&str; 7] = ["framing", "on_error", "columns", "schemas", "registry", "subject", "form"];

/// Read options that say how values are decoded. The others are about files.
const VALUE_OPTIONS: [&str; 18] = [
    "strings",
    "enums",
    "unions",
    "pairs",
    "decimals",
    "short_decimals",
    "recursion_levels",
    "field_match",
    "type_names",
    "union_by_name",
    "reader_schema",
    "block_bytes",
    "batch_bytes",
    "schema_nodes",
    "arrow_fields",
    "nesting",
    "value_nesting",
    "zero_width_items",
];

/// The schemas that messages were written with.
#[derive(Debug)]
pub(super) enum Writers {
    /// All messages have this schema, whatever id they carry.
    One(Schema),
    /// Messages name one of these.
    Known(Vec<(SchemaId, Schema)>),
    /// Messages name one of this registry.
    Registry(Registry),
}

/// How messages are decoded.
#[derive(Debug)]
pub(super) struct Decoding {
    writers: Writers,
    options: Options,
    framing: FramingOption,
    /// Whether rejected messages are errors, or NULL.
    pub(super) fails: bool,
    /// The type of the result: a struct for a record.
    pub(super) field: FieldRef,
    is_record: bool,
    /// Decoders that are not in use.
    idle: Mutex<Vec<MessageDecoder>>,
}

/// The result for an array of messages.
pub(super) struct Decoded {
    /// The values, null where a message is null or rejected.
    pub(super) values: ArrayRef,
    /// Rows whose messages were rejected, in order.
    pub(super) rejected: Vec<(usize, Error)>,
}

/// Returns the read options of a call; `defaults` are those of the session.
pub(super) fn read_options(function: &str, call: &CallConstants, defaults: &AvroOptions) -> Result<AvroOptions> {
    let mut options = defaults.clone();
    for (name, value) in &call.options {
        if VALUE_OPTIONS.contains(&name.as_str()) {
            options.set_reading(name, value)?;
        } else if !OWN_OPTIONS.contains(&name.as_str()) {
            let (own, read) = (OWN_OPTIONS.join(", "), VALUE_OPTIONS.join(", "));
            return plan_err!("{function}: unknown option `{name}`; options are {own}, and of reading {read}");
        }
    }
    Ok(options)
}

/// Returns the framing of the messages of a call. Without the option, it is one that has ids, if there are several
/// schemas or a registry.
pub(super) fn framing_of(call: &CallConstants) -> Result<FramingOption> {
    match call.option("framing") {
        Some(framing) => FramingOption::parse(framing),
        None if call.option("schemas").is_some() => Ok(FramingOption::Auto),
        None if ["registry", "subject"].iter().any(|name| call.option(name).is_some()) => {
            FramingOption::parse("confluent")
        }
        None => FramingOption::parse("bare"),
    }
}

/// Returns whether a rejected message is an error.
pub(super) fn fails(call: &CallConstants) -> Result<bool> {
    match call.option("on_error") {
        None => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("fail") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("null") => Ok(false),
        Some(value) => plan_err!("option `on_error`: expected fail or null, found `{value}`"),
    }
}

/// Returns the schemas of the messages, and the schema that values are resolved to: the one that is given, or that of
/// the largest id. With a registry there may be none.
///
/// # Errors
/// If the call has no schema, or two schemas to read with.
pub(super) fn writers_and_reader(
    function: &str,
    call: &CallConstants,
    sources: Sources,
    own: &AvroOptions,
) -> Result<(Writers, Option<Schema>)> {
    let has_writers = sources.registry.is_some() || sources.known.is_some();
    if has_writers
        && let (Some(given), Some(_), Some(reader)) = (&sources.given, call.option("reader_schema"), &own.reader_schema)
        && given.json() != reader.json()
    {
        return plan_err!(
            "{function}: there are two schemas to read with, that of `reader_schema` and that of the second argument or \
             of `subject`; give one of them"
        );
    }
    if let Some(registry) = sources.registry {
        return Ok((Writers::Registry(registry), sources.given.or(own.reader_schema.clone())));
    }
    let Some(known) = sources.known else {
        let Some(writer) = sources.given else {
            return plan_err!(
                "{function}: there is no schema; give it as the second argument, a directory of schemas as `schemas`, or \
                 the URL of a schema registry as `registry`"
            );
        };
        let reader = own.reader_schema.clone().unwrap_or_else(|| writer.clone());
        return Ok((Writers::One(writer), Some(reader)));
    };
    let reader = match sources.given.or(own.reader_schema.clone()) {
        Some(reader) => reader,
        None => newest(function, &known)?,
    };
    Ok((Writers::Known(known), Some(reader)))
}

/// Returns the schema of the largest id.
fn newest(function: &str, known: &[(SchemaId, Schema)]) -> Result<Schema> {
    let numbered = known.iter().filter(|(id, _)| matches!(id, SchemaId::Number(_)));
    if let Some((_, newest)) = numbered.max_by_key(|(id, _)| *id) {
        return Ok(newest.clone());
    }
    let mut texts: Vec<&str> = known.iter().map(|(_, schema)| schema.json()).collect();
    texts.sort_unstable();
    texts.dedup();
    match (known.first(), texts.len()) {
        (Some((_, only)), 1) => Ok(only.clone()),
        _ => plan_err!(
            "{function}: none of the schemas has a number, so none is the newest; give the schema to read with as the \
             second argument"
        ),
    }
}

impl Decoding {
    /// Prepares a call of `from_avro`.
    pub(super) fn prepare(call: &CallConstants, sources: Sources) -> Result<Box<dyn PreparedCall>> {
        Ok(Box::new(Decoding::new("from_avro", call, sources)?))
    }

    fn new(function: &str, call: &CallConstants, sources: Sources) -> Result<Self> {
        let own = read_options(function, call, &sources.options)?;
        let (writers, reader) = writers_and_reader(function, call, sources, &own)?;
        let Some(reader) = reader else {
            return plan_err!(
                "{function}: the type of the result is not known; give the schema as the second argument, or the \
                 subject whose newest schema it is, such as subject => 'orders-value'"
            );
        };
        let is_record = matches!(reader.node(reader.root()).kind, Kind::Record(_));
        let columns = call.option("columns").map(|columns| {
            let path = |column: &str| match is_record {
                true => column.trim().to_owned(),
                false => format!("value.{}", column.trim()),
            };
            columns.split(',').map(path).collect::<Vec<_>>()
        });
        // A writer's schema that is the reader's needs no resolution.
        let resolves = !matches!(&writers, Writers::One(writer) if writer.json() == reader.json());
        let options = own.decoder(columns, ROWS_MAX).with_reader_schema(resolves.then(|| reader.clone()));
        let external = |e: Error| DataFusionError::External(Box::new(e)).context(function);
        let writer = match &writers {
            Writers::One(writer) => writer,
            Writers::Known(_) | Writers::Registry(_) => &reader,
        };
        let program = Program::compile(writer, &options).map_err(external)?;
        let fields = program.arrow_schema().fields();
        let field = match fields.first() {
            Some(only) if !is_record => Field::clone(only).with_name(function),
            _ => Field::new(function, DataType::Struct(fields.clone()), true),
        };
        Ok(Decoding {
            options,
            framing: framing_of(call)?,
            fails: fails(call)?,
            field: Arc::new(field.with_nullable(true)),
            is_record,
            writers,
            idle: Mutex::default(),
        })
    }

    /// Decodes an array of bytes.
    pub(super) fn decode(&self, messages: &ArrayRef) -> Result<Decoded> {
        let mut decoder =
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_else(|| self.decoder());
        let decoded = self.decode_by(&mut decoder, messages)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(decoder);
        Ok(decoded)
    }

    fn decoder(&self) -> MessageDecoder {
        let mut store = SchemaStore::new();
        match &self.writers {
            Writers::Known(known) => known.iter().for_each(|(id, schema)| store.insert(*id, schema.clone())),
            Writers::Registry(registry) => store = store.with_resolver(registry.clone()),
            Writers::One(schema) => {
                let fingerprint = SchemaId::Rabin(schema.rabin());
                let schema = schema.clone();
                // A fingerprint tells whether it is another schema. Other ids do not.
                store = store.with_resolver(move |id| {
                    let is_other = matches!(id, SchemaId::Rabin(_)) && id != fingerprint;
                    Ok((!is_other).then(|| schema.clone()))
                });
            }
        }
        let framing = if let FramingOption::Fixed(framing) = self.framing { framing } else { self.framing.of(&[]) };
        MessageDecoder::new(framing, store, &self.options)
    }

    fn decode_by(&self, decoder: &mut MessageDecoder, messages: &ArrayRef) -> Result<Decoded> {
        let first = decoder.next_index();
        // The rows that have a message, if not all do.
        let mut rows = (messages.null_count() > 0).then(Vec::new);
        let mut rejected = Vec::new();
        let mut unresolved = None;
        for_each_value(messages, |row, message| {
            // Each message would wait for the registry in vain.
            if unresolved.is_some() {
                return;
            }
            if let Some(rows) = &mut rows {
                rows.push(row as u32);
            }
            match decoder.decode_in(self.framing.of(message), message) {
                Err(error) if is_unresolved(&error) => unresolved = Some(without_index(error)),
                Err(error) => rejected.push((row, without_index(error))),
                Ok(_) => {}
            }
        })?;
        if let Some(error) = unresolved {
            return exec_err!("{}: {error}", self.field.name());
        }
        let row_of = |index: u64| {
            let index = (index - first) as usize;
            rows.as_ref().map_or(index as u32, |rows| rows.get(index).copied().unwrap_or_default())
        };
        let (mut batches, mut places) = (vec![], vec![]);
        while let Some(flushed) = decoder.flush() {
            places.extend(flushed.messages.iter().map(|index| row_of(*index)));
            for error in flushed.rejected {
                let row = error.position().message.map_or(0, row_of);
                rejected.push((row as usize, without_index(error)));
            }
            if flushed.batch.num_rows() > 0 {
                batches.push(flushed.batch);
            }
        }
        rejected.sort_by_key(|(row, _)| *row);
        if self.fails
            && let Some((row, error)) = rejected.first()
        {
            return exec_err!("{}", rejection(self.field.name(), error, messages, *row));
        }
        Ok(Decoded { values: self.values(&batches, &places, messages.len())?, rejected })
    }

    /// Returns an array of `n` values: the rows of the batches at these places, and nulls elsewhere.
    fn values(&self, batches: &[RecordBatch], places: &[u32], n: usize) -> Result<ArrayRef> {
        let batch = match batches {
            [] => return Ok(new_null_array(self.field.data_type(), n)),
            [only] => only.clone(),
            several => concat_batches(&several[0].schema(), several)?,
        };
        let is_whole = batch.num_rows() == n;
        if !self.is_record {
            let Some(column) = batch.columns().first() else { return internal_err!("a value has no column") };
            return Ok(if is_whole { Arc::clone(column) } else { scattered(column, places, n)? });
        }
        let DataType::Struct(fields) = self.field.data_type() else { return internal_err!("a record is not a struct") };
        if fields.is_empty() {
            let nulls = (!is_whole).then(|| nulls(places, n));
            return Ok(Arc::new(StructArray::new_empty_fields(n, nulls)));
        }
        if is_whole {
            return Ok(Arc::new(StructArray::try_new(fields.clone(), batch.columns().to_vec(), None)?));
        }
        // DataFusion reads fields without looking at the nulls of the struct, so its columns have them too.
        let columns = batch.columns().iter().map(|column| scattered(column, places, n)).collect::<Result<_>>()?;
        Ok(Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls(places, n)))?))
    }
}

impl PreparedCall for Decoding {
    fn field(&self, _value: &FieldRef) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn call(&self, values: &ArrayRef, _field: &FieldRef) -> Result<ArrayRef> {
        Ok(self.decode(values)?.values)
    }
}

/// A prepared call of `avro_error`: why messages are rejected.
#[derive(Debug)]
pub(super) struct Reasons(Decoding);

impl Reasons {
    pub(super) fn prepare(call: &CallConstants, sources: Sources) -> Result<Box<dyn PreparedCall>> {
        let decoding = Decoding::new("avro_error", call, sources)?;
        Ok(Box::new(Reasons(Decoding { fails: false, ..decoding })))
    }
}

impl PreparedCall for Reasons {
    fn field(&self, _value: &FieldRef) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("avro_error", DataType::Utf8, true)))
    }

    fn call(&self, values: &ArrayRef, _field: &FieldRef) -> Result<ArrayRef> {
        let mut rejected = self.0.decode(values)?.rejected.into_iter().peekable();
        let reasons = (0..values.len()).map(|row| {
            let (_, error) = rejected.next_if(|(rejected, _)| *rejected == row)?;
            Some(error.to_string())
        });
        Ok(Arc::new(reasons.collect::<StringArray>()))
    }
}

/// Returns the validity of `n` rows of which these have values.
fn nulls(places: &[u32], n: usize) -> NullBuffer {
    let mut is_valid = vec![false; n];
    for place in places {
        if let Some(is_valid) = is_valid.get_mut(*place as usize) {
            *is_valid = true;
        }
    }
    NullBuffer::from(is_valid)
}

/// Returns an array of `n` values: those of `column` at these places, and nulls elsewhere.
fn scattered(column: &ArrayRef, places: &[u32], n: usize) -> Result<ArrayRef> {
    let mut from: Vec<Option<u32>> = vec![None; n];
    for (place, row) in places.iter().zip(0..) {
        if let Some(from) = from.get_mut(*place as usize) {
            *from = Some(row);
        }
    }
    if !has_union(column.data_type()) {
        return Ok(take(column, &UInt32Array::from(from), None)?);
    }
    // `take` has no nulls for unions.
    let null = new_null_array(column.data_type(), 1);
    let from: Vec<_> = from.into_iter().map(|row| row.map_or((1, 0), |row| (0, row as usize))).collect();
    Ok(interleave(&[column.as_ref(), null.as_ref()], &from)?)
}

fn has_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_union(field.data_type())),
        DataType::List(item) | DataType::Map(item, _) => has_union(item.data_type()),
        _ => false,
    }
}

/// Calls `f` for each value of an array of bytes that is not null.
pub(super) fn for_each_value<'a>(array: &'a ArrayRef, mut f: impl FnMut(usize, &'a [u8])) -> Result<()> {
    macro_rules! each {
        ($array:expr) => {
            for (row, value) in $array.iter().enumerate() {
                if let Some(value) = value {
                    f(row, value);
                }
            }
        };
    }
    match array.data_type() {
        DataType::Binary => each!(array.as_binary::<i32>()),
        DataType::LargeBinary => each!(array.as_binary::<i64>()),
        DataType::BinaryView => each!(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => each!(array.as_fixed_size_binary()),
        other => return internal_err!("{other} is not a type of bytes"),
    }
    Ok(())
}

/// Whether the look-up of a message's schema failed, and not the message itself.
pub(super) fn is_unresolved(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Resolver { .. })
}

/// Returns the message of an error about the value in a row.
pub(super) fn rejection(function: &str, error: &Error, messages: &ArrayRef, row: usize) -> String {
    let mut shown = String::new();
    if let Ok(value) = cast(&messages.slice(row, 1), &DataType::Binary)
        && let Some(value) = value.as_binary_opt::<i32>()
    {
        let value = value.value(0);
        shown.extend(value.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")));
        if value.len() > SHOWN_BYTES {
            shown.push_str("..");
        }
    }
    let more = if function == "from_avro_file" { "" } else { ", and avro_error() for the reason" };
    format!("{function}: {error}, in the value x'{shown}'; use on_error => 'null' for NULL{more}")
}

/// Returns an error without the index of its message, which counts those of all batches.
fn without_index(error: Error) -> Error {
    error.at(|position| position.message = None)
}
