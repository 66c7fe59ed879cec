//! `fragtojson` and `jsontofrag`: one datum, without a file around it, in; the same as JSON, or back, out.

use std::io::Read;
use std::path::PathBuf;

use avro_arrow::json::{Decoder, Encoder, Form};

use super::Context;
use super::fromjson::SchemaFrom;
use super::input::Input;
use super::out::Out;
use super::pretty::pretty;
use crate::error::{Error, Result};

/// Which datum to write as what.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) schema: SchemaFrom,
    pub(crate) form: Form,
    pub(crate) to: FragmentTo,
}

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FragmentTo {
    /// The JSON of all datums that the bytes are, a line each.
    Json,
    /// The same with line breaks inside.
    PrettyJson,
    /// The datum of a JSON text.
    Avro,
}

impl Fragment {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let limits = context.limits();
        let schema = self.schema.schema(context)?;
        let mut bytes = Vec::new();
        let n = input.open()?.take(limits.block_bytes as u64 + 1).read_to_end(&mut bytes);
        if n.map_err(|e| input.failed(e.into()))? > limits.block_bytes {
            let max = limits.block_bytes;
            return Err(Error::Failed(format!(
                "{}: more than the {max} bytes that --option block_bytes allows",
                input.name()
            )));
        }
        let mut out = Out::create(&self.output)?;
        if self.to == FragmentTo::Avro {
            let text = str::from_utf8(&bytes)
                .map_err(|e| Error::Failed(format!("{}: not UTF-8 at byte {}", input.name(), e.valid_up_to())))?;
            let mut datum = Vec::new();
            let encoded = Encoder::new(&schema, self.form, limits).encode(text, schema.root(), &mut datum);
            encoded.map_err(|e| input.failed(e))?;
            out.put(&datum)?;
            return out.commit();
        }
        let decoder = match &context.reading.reader_schema {
            Some(reader) => Decoder::resolving(&schema, reader, context.reading.field_match, self.form, limits),
            None => Ok(Decoder::new(&schema, self.form, limits)),
        };
        let decoder = decoder.map_err(|e| input.failed(e))?;
        let (mut at, mut text) = (0, Vec::new());
        // One there is, if only of no bytes.
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
                "{}: {} bytes are left behind a datum of none",
                input.name(),
                bytes.len() - at
            )));
        }
        out.commit()
    }
}
