//! `fragtojson` and `jsontofrag`: convert bare datums to JSON and back.

use std::io::Read;
use std::path::PathBuf;

use avro_arrow::json::{Decoder, Encoder, Form};
use avro_arrow::schema::Schema;

use super::Context;
use super::documents::Documents;
use super::fromjson::SchemaSource;
use super::input::Input;
use super::out::Out;
use super::pretty::pretty;
use crate::error::{Error, Result};

/// The datums to convert.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) schema: SchemaSource,
    pub(crate) form: Form,
    pub(crate) to: FragmentTo,
}

/// The output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FragmentTo {
    /// JSON of all datums, one on each line.
    Json,
    /// Indented JSON of all datums.
    PrettyJson,
    /// Binary datums, concatenated.
    Avro,
}

impl Fragment {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let limits = context.limits();
        let schema = self.schema.schema(context)?;
        if self.to == FragmentTo::Avro {
            return self.datums(&schema, input, context);
        }
        let mut bytes = Vec::new();
        let n = input.open()?.take(limits.block_bytes as u64 + 1).read_to_end(&mut bytes);
        if n.map_err(|e| input.failed(e.into()))? > limits.block_bytes {
            let max = limits.block_bytes;
            return Err(Error::Failed(format!(
                "{}: larger than {max} bytes; raise the limit with --option block_bytes",
                input.name()
            )));
        }
        let mut out = Out::create(&self.output)?;
        let decoder = match &context.reading.reader_schema {
            Some(reader) => Decoder::resolving(&schema, reader, self.form, &context.reading.decoder(None, 1)),
            None => Ok(Decoder::new(&schema, self.form, limits)),
        };
        let decoder = decoder.map_err(|e| input.failed(e))?;
        let (mut at, mut text) = (0, Vec::new());
        // Zero bytes are one datum of a type without bytes.
        while at == 0 || at < bytes.len() {
            context.check()?;
            text.clear();
            let n = decoder.decode(bytes.get(at..).unwrap_or_default(), &mut text);
            let n = n.map_err(|e| {
                let inside = e.position().offset_in_block.unwrap_or(0);
                let whole =
                    e.at(|position| (position.offset_in_block, position.offset) = (None, Some(at as u64 + inside)));
                input.failed(whole)
            })?;
            if self.to == FragmentTo::PrettyJson {
                let mut lines = Vec::new();
                pretty(&text, &mut lines);
                out.put(&lines)?;
            } else {
                text.push(b'\n');
                out.put(&text)?;
            }
            at += n;
            if n == 0 {
                break;
            }
        }
        if at < bytes.len() {
            return Err(Error::Failed(format!(
                "{}: {} bytes follow a datum of 0 bytes",
                input.name(),
                bytes.len() - at
            )));
        }
        out.commit()
    }

    /// Writes the datums of JSON documents; there must be at least one.
    fn datums(&self, schema: &Schema, input: &Input, context: &Context) -> Result<()> {
        let limits = context.limits();
        let mut encoder = Encoder::new(schema, self.form, limits);
        let mut documents = Documents::new(input.open()?, limits.block_bytes);
        let mut out = Out::create(&self.output)?;
        let (mut datum, mut n) = (Vec::new(), 0);
        while let Some(chunk) = documents.next().map_err(|e| e.with_context(&input.name()))? {
            context.check()?;
            for document in chunk.documents() {
                datum.clear();
                let encode = |text: &str| encoder.encode(text, schema.root(), &mut datum).map_err(|e| e.to_string());
                document.text().and_then(encode).map_err(|reason| {
                    // Usually there is only one.
                    let place = if n == 0 { String::new() } else { format!("{}: ", document.place()) };
                    Error::Failed(format!("{}: {place}{reason}", input.name()))
                })?;
                out.put(&datum)?;
                n += 1;
            }
        }
        if n == 0 {
            return Err(Error::Failed(format!("{}: no JSON found", input.name())));
        }
        out.commit()
    }
}
