//! Parameters and responses: JSON, or the rows of an Avro file.

use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use avro_arrow::container::{Framer, Header};
use avro_arrow::json::{Decoder, Encoder, Form};
use avro_arrow::protocol::{Call, IncomingCall, Message, Protocol};
use avro_arrow::schema::{Kind, Schema};
use avro_arrow::{Decompressor, Limits, Options, ReaderBuilder};

use crate::commands::schema;
use crate::error::{Error, Result};
use crate::files::stdin;

/// The first bytes of an Avro file.
const MAGIC: &[u8] = b"Obj\x01";

/// The source of the parameters or of a response.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Nothing: there are no parameters, or the response is null.
    None,
    /// JSON on the command line.
    Json(String),
    /// A file of JSON, or an Avro file.
    File(PathBuf),
    /// JSON of an error to answer with.
    Error(String),
}

/// A response. JSON is known to be valid; rows are compared with the response's type when they are sent.
pub(super) enum CheckedAnswer {
    Json(String),
    Rows(Vec<RecordBatch>),
    Error(String),
}

/// What a file has.
enum Contents {
    Json(String),
    Rows(Vec<RecordBatch>),
}

impl Payload {
    /// Makes a call with these parameters.
    pub(super) fn call(&self, protocol: &Protocol, message: &Message, form: Form, limits: &Limits) -> Result<Call> {
        let parameters = match self {
            Payload::Json(text) => Contents::Json(text.clone()),
            Payload::File(path) => contents(path, &message.request, form, limits)?,
            Payload::None | Payload::Error(_) => match &message.request.node(message.request.root()).kind {
                Kind::Record(record) if record.fields.is_empty() => Contents::Json("{}".to_owned()),
                _ => return Err(Error::Usage(format!("the message `{}` has parameters; {GIVE}", message.name))),
            },
        };
        let call = match parameters {
            Contents::Json(text) => Call::from_json(protocol, &message.name, &text, form, limits),
            Contents::Rows(rows) => Call::from_batches(protocol, &message.name, &rows, limits),
        };
        call.map_err(|e| Error::from(e).with_context(&self.name("--data")))
    }

    /// Reads and checks a response.
    pub(super) fn answer(&self, message: &Message, form: Form, limits: &Limits) -> Result<CheckedAnswer> {
        let (schema, answer) = match self {
            Payload::Json(text) => (&message.response, CheckedAnswer::Json(text.clone())),
            Payload::Error(text) => (&message.errors, CheckedAnswer::Error(text.clone())),
            Payload::File(path) => match contents(path, &message.response, form, limits)? {
                Contents::Json(text) => (&message.response, CheckedAnswer::Json(text)),
                Contents::Rows(rows) => return Ok(CheckedAnswer::Rows(rows)),
            },
            Payload::None => match message.response.node(message.response.root()).kind {
                Kind::Null => (&message.response, CheckedAnswer::Json("null".to_owned())),
                _ => return Err(Error::Usage(format!("the message `{}` has a response; {GIVE}", message.name))),
            },
        };
        if let CheckedAnswer::Json(text) | CheckedAnswer::Error(text) = &answer {
            let encoded = Encoder::new(schema, form, limits).encode(text, schema.root(), &mut Vec::new());
            encoded.map_err(|e| Error::from(e).with_context(&self.name("--data")))?;
        }
        Ok(answer)
    }

    fn name(&self, option: &str) -> String {
        match self {
            Payload::File(path) => path.display().to_string(),
            Payload::Error(_) => "--error".to_owned(),
            _ => option.to_owned(),
        }
    }
}

const GIVE: &str = "use --data JSON or --file FILE";

impl CheckedAnswer {
    /// Returns the reply to a call.
    pub(super) fn reply(&self, call: &IncomingCall, form: Form) -> avro_arrow::Result<Option<Vec<u8>>> {
        match self {
            CheckedAnswer::Json(text) => call.respond_json(text, form),
            CheckedAnswer::Rows(rows) => call.respond_batches(rows),
            CheckedAnswer::Error(text) => call.error_json(text, form),
        }
    }
}

/// Reads a file: JSON, or an Avro file with one row that is the value, or with rows that are the items of an array.
fn contents(path: &Path, schema: &Schema, form: Form, limits: &Limits) -> Result<Contents> {
    let name = path.display().to_string();
    let bytes = match path.to_str() {
        Some(text) if stdin::is_stdin(text) => read(std::io::stdin().lock(), "standard input", limits.block_bytes)?,
        _ => read(schema::open(path)?, &name, limits.block_bytes)?,
    };
    let failed = |e: avro_arrow::Error| Error::from(e.in_file(name.clone()));
    if !bytes.starts_with(MAGIC) {
        let text = String::from_utf8(bytes).map_err(|_| Error::Failed(format!("{name}: neither Avro nor JSON")))?;
        return Ok(Contents::Json(text));
    }
    let (header, _) = Header::read(&mut bytes.as_slice(), limits).map_err(failed)?;
    let options = Options::default().with_limits(limits.clone());
    if is_value(&header.schema, schema) {
        let decoder = Decoder::resolving(&header.schema, schema, form, &options).map_err(failed)?;
        let row = one_row(&header, &bytes, &decoder, limits).map_err(failed)?;
        let row = row.ok_or_else(|| Error::Failed(format!("{name}: expected one row; use a file with one row")));
        return row.map(Contents::Json);
    }
    let rows = ReaderBuilder::new().with_options(options).build(bytes.as_slice()).map_err(failed)?;
    Ok(Contents::Rows(rows.collect::<avro_arrow::Result<_>>().map_err(failed)?))
}

/// Whether rows of a file are values of the schema, rather than items of an array in it.
fn is_value(file: &Schema, schema: &Schema) -> bool {
    match (&schema.node(schema.root()).kind, &file.node(file.root()).kind) {
        (Kind::Record(record), Kind::Record(row)) => {
            let is_in_row = |name: &str| row.fields.iter().any(|field| field.name == name);
            record.fields.iter().any(|field| is_in_row(&field.name))
        }
        (Kind::Record(_), _) => false,
        (Kind::Array(_), row) => matches!(row, Kind::Array(_)),
        _ => true,
    }
}

/// Returns the only row of an Avro file as JSON.
fn one_row(header: &Header, bytes: &[u8], decoder: &Decoder, limits: &Limits) -> avro_arrow::Result<Option<String>> {
    let mut framer = Framer::new(header, limits);
    framer.feed(Buffer::from(bytes.get(header.len as usize..).unwrap_or_default()));
    framer.finish();
    let mut decompressor = Decompressor::new(header.codec, limits);
    let (mut text, mut n_rows) = (Vec::new(), 0_u64);
    while let Some(block) = framer.next_block()? {
        n_rows += block.rows;
        if n_rows > 1 {
            return Ok(None);
        }
        let block = decompressor.decompress(block)?;
        let mut rows = decoder.rows(&block);
        while rows.next_row(&mut text)? {}
    }
    Ok(String::from_utf8(text).ok().filter(|_| n_rows == 1))
}

/// Reads all bytes, at most `max`.
pub(super) fn read(from: impl Read, name: &str, max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let n = from.take(max as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::from(e).with_context(name))?;
    match n > max {
        true => Err(Error::Failed(format!("{name}: larger than {max} bytes"))),
        false => Ok(bytes),
    }
}
