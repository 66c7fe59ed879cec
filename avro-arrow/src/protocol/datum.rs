//! Values of messages: bytes with the schemas of both sides to JSON or record batches, and back.

use super::wire::at;
use crate::codec::Codec;
use crate::container::{frame, header_bytes, random_sync};
use crate::decode::reader_builder::ReaderBuilder;
use crate::encoding::{Cursor, put_long};
use crate::error::{Error, Fault, Result};
use crate::json::{Decoder, Form, checked_item_block, skip_value};
use crate::limits::Limits;
use crate::options::Options;
use crate::schema::{Kind, NodeId, Schema, is_zero_width};
use crate::writer::{WriteOptions, WriterBuilder};
use arrow_array::RecordBatch;
use serde_json::Value as Json;

/// A received value: its bytes, the schema of the side that wrote it, and the schema of the side that reads it.
#[derive(Debug, Clone)]
pub struct Datum {
    pub(super) bytes: Vec<u8>,
    pub(super) writer: Schema,
    pub(super) reader: Schema,
    pub(super) limits: Limits,
}

impl Datum {
    /// Returns the value in Avro's binary encoding, as it was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the schema that the value was written with.
    pub fn writer(&self) -> &Schema {
        &self.writer
    }

    /// Returns the schema that the value is read as.
    pub fn reader(&self) -> &Schema {
        &self.reader
    }

    /// Returns the JSON text of the value, resolved to the reader's schema.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Resolve`](crate::ErrorKind::Resolve) if the reader's schema cannot read the writer's,
    /// with [`ErrorKind::Value`](crate::ErrorKind::Value) if the bytes are not one value of the writer's schema, and
    /// with [`ErrorKind::Limit`](crate::ErrorKind::Limit) if the value exceeds a limit.
    pub fn json(&self, form: Form) -> Result<String> {
        if self.writer == self.reader {
            return self.json_as_written(form);
        }
        let options = Options::default().with_limits(self.limits.clone());
        self.text(&Decoder::resolving(&self.writer, &self.reader, form, &options)?)
    }

    /// Returns the JSON text of the value as the writer's schema describes it, such as an error that the reader does
    /// not declare.
    ///
    /// # Errors
    /// Fails as [`json`](Self::json) does, but for the resolution.
    pub fn json_as_written(&self, form: Form) -> Result<String> {
        self.text(&Decoder::new(&self.writer, form, &self.limits))
    }

    fn text(&self, decoder: &Decoder) -> Result<String> {
        let mut text = Vec::new();
        let to_message = |error: Error| error.at(|p| p.offset_in_message = p.offset_in_block.take());
        let n_bytes = decoder.decode(&self.bytes, &mut text).map_err(to_message)?;
        if n_bytes < self.bytes.len() {
            let left = Fault::TrailingBytes((self.bytes.len() - n_bytes) as u64);
            return Err(Error::from(left).at(|position| position.offset_in_message = Some(n_bytes as u64)));
        }
        String::from_utf8(text).map_err(|_| Fault::Utf8.into())
    }

    /// Returns the items of an array as rows: of a response that is an array, or of a request whose one parameter is.
    /// There is at least one batch, which may be empty. An array of records has a column for each field, as
    /// [files](crate#types) have; `options` select the columns and their types, but its reader's schema is that of the
    /// protocol.
    ///
    /// # Errors
    /// Fails as [`json`](Self::json) does, and with [`ErrorKind::Argument`](crate::ErrorKind::Argument) if the value is
    /// not an array for the writer and the reader.
    pub fn batches(&self, options: &Options) -> Result<Vec<RecordBatch>> {
        let (writer, reader) = (items_schema(&self.writer, &self.limits)?, items_schema(&self.reader, &self.limits)?);
        let file = self.file(&writer)?;
        let options = options.clone().with_limits(self.limits.clone()).with_reader_schema(Some(reader));
        let mut rows = ReaderBuilder::new().with_options(options).build(file.as_slice())?;
        let schema = rows.schema();
        let mut batches = rows.by_ref().collect::<Result<Vec<_>>>()?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(batches)
    }

    /// Returns a container file of the items: the blocks of an array are those of a file, but for their marker.
    fn file(&self, items: &Schema) -> Result<Vec<u8>> {
        let sync = random_sync();
        let mut file = header_bytes(items.json(), Codec::Null, &[], &sync);
        let mut cursor = Cursor::new(&self.bytes);
        let node = items_node(&self.writer);
        let zero_width = node.is_some_and(|node| is_zero_width(&self.writer, node));
        let mut n_zero_width = 0;
        loop {
            let head = checked_item_block(&mut cursor, zero_width, &mut n_zero_width, &self.limits);
            let (count, size) = head.map_err(|fault| at(&cursor)(fault))?;
            if count == 0 {
                break;
            }
            let start = cursor.at();
            if let Some(size) = size {
                let taken = cursor.take(usize::try_from(size).unwrap_or(usize::MAX));
                taken.map_err(|fault| at(&cursor)(fault))?;
            } else if let (Some(node), false) = (node, zero_width) {
                for _ in 0..count {
                    let skipped = skip_value(&self.writer, node, &mut cursor, &self.limits);
                    skipped.map_err(|fault| at(&cursor)(fault))?;
                }
            }
            frame(count, self.bytes.get(start..cursor.at()).unwrap_or_default(), &sync, &mut file);
        }
        match cursor.remaining() as u64 {
            0 => Ok(file),
            left => Err(at(&cursor)(Fault::TrailingBytes(left))),
        }
    }
}

/// Encodes rows as an array of this type, or as the one parameter of this type of a request.
pub(super) fn array_of_rows(schema: &Schema, rows: &[RecordBatch], limits: &Limits) -> Result<Vec<u8>> {
    let items = items_schema(schema, limits)?;
    let mut out = Vec::new();
    if let Some(first) = rows.first() {
        let options = WriteOptions::default().with_codec(Codec::Null).with_schema(Some(items));
        let options = options.with_check_schema(false).with_limits(limits.clone());
        let encoder = WriterBuilder::new(first.schema()).with_options(options).build_encoder()?;
        let mut blocks = Vec::new();
        let written = encoder.encode(rows, &mut blocks)?;
        let (mut rest, marker) = (blocks.as_slice(), encoder.sync().len());
        for block in written {
            let (bytes, after) = rest.split_at_checked(block.bytes as usize).unwrap_or_default();
            let end = bytes.len().saturating_sub(marker);
            let start = end.saturating_sub(block.raw_bytes as usize);
            put_long(block.rows as i64, &mut out);
            out.extend_from_slice(bytes.get(start..end).unwrap_or_default());
            rest = after;
        }
    }
    put_long(0, &mut out);
    Ok(out)
}

/// Returns the node of the items of an array, or of the array that is the only field of a record.
fn items_node(schema: &Schema) -> Option<NodeId> {
    let array = match &schema.node(schema.root()).kind {
        Kind::Record(record) => match record.fields.as_slice() {
            [field] => field.node,
            _ => return None,
        },
        _ => schema.root(),
    };
    match schema.node(array).kind {
        Kind::Array(items) => Some(items),
        _ => None,
    }
}

/// Returns the schema of the items.
fn items_schema(schema: &Schema, limits: &Limits) -> Result<Schema> {
    let not_rows = || {
        let what = match &schema.node(schema.root()).kind {
            Kind::Record(record) if record.fields.len() != 1 => format!("{} parameters", record.fields.len()),
            Kind::Record(record) => {
                record.fields.first().map(|field| schema.node(field.node).to_string()).unwrap_or_default()
            }
            _ => schema.node(schema.root()).to_string(),
        };
        Error::argument(format!("rows must be an array, found {what}; use JSON"))
    };
    items_node(schema).ok_or_else(not_rows)?;
    let json: Json = serde_json::from_str(schema.json()).map_err(|_| not_rows())?;
    let array = json.get("fields").and_then(|fields| fields.get(0)?.get("type")).unwrap_or(&json);
    let mut array = array;
    while let Some(inner) = array.get("type").filter(|inner| inner.is_object()) {
        array = inner;
    }
    // All types are written at their first use, with their namespaces.
    Schema::parse(&array.get("items").ok_or_else(not_rows)?.to_string(), limits)
}
