//! `meta`: prints headers and block headers of files, without reading block contents.

use std::borrow::Cow;
use std::io::Read;
use std::path::PathBuf;

use avro_arrow::container::{Frame, Header};
use avro_arrow::schema::Fingerprint;
use avro_arrow::{Error as AvroError, ErrorKind, Limits};
use serde_json::{Map, Value as Json, json};

use super::Context;
use super::failures::Failures;
use super::input::{Input, InputStream};
use super::out::Out;
use crate::error::{Error, Result};

/// Bytes of a sync marker.
const SYNC_LEN: usize = 16;

/// The files, and what to print about them.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) said: MetaFields,
    /// Whether the output is JSON, an object on each line.
    pub(crate) json: bool,
}

/// The fields to print.
#[derive(Debug)]
pub(crate) enum MetaFields {
    /// A summary of the file.
    File,
    /// A line for each block.
    Blocks,
    /// The value of this metadata key.
    Key(String),
}

/// The header of a block.
struct BlockHead {
    offset: u64,
    rows: u64,
    bytes: u64,
}

impl Meta {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let mut out = Out::stdout();
        if let (MetaFields::Blocks, false) = (&self.said, self.json) {
            out.put(b"file\tblock\toffset\trows\tbytes\n")?;
        }
        let mut failures = Failures::new(inputs);
        for input in inputs {
            context.check()?;
            if let Err(e) = self.one(input, context, &mut out) {
                if self.json && matches!(e, Error::Failed(_)) && inputs.len() > 1 {
                    out.put(format!("{}\n", json!({"file": input.name(), "error": e.to_string()})).as_bytes())?;
                }
                failures.add(e)?;
            }
        }
        out.commit()?;
        failures.finish()
    }

    /// Prints the fields of one file.
    fn one(&self, input: &Input, context: &Context, out: &mut Out) -> Result<()> {
        let (header, mut source) = input.open_avro(context.limits())?;
        match &self.said {
            MetaFields::Key(key) => self.key(input, &header, key, out),
            MetaFields::File => {
                let mut total = BlockTotals::default();
                let len = blocks(&header, &mut source, context.limits(), |block| {
                    total.blocks += 1;
                    total.rows = total.rows.saturating_add(block.rows);
                    total.stored += block.bytes;
                    context.check()
                });
                let len = len.map_err(|e| e.into_error(input))?;
                let text = if self.json {
                    format!("{}\n", as_json(input, &header, &total, len))
                } else {
                    as_text(input, &header, &total, len)
                };
                out.put(text.as_bytes())
            }
            MetaFields::Blocks => {
                let (name, mut n) = (input.name(), 0);
                let walked = blocks(&header, &mut source, context.limits(), |BlockHead { offset, rows, bytes }| {
                    let line = if self.json {
                        let block = json!({"file": name, "block": n, "offset": offset, "rows": rows, "bytes": bytes});
                        format!("{block}\n")
                    } else {
                        format!("{name}\t{n}\t{offset}\t{rows}\t{bytes}\n")
                    };
                    n += 1;
                    context.check()?;
                    out.put(line.as_bytes())
                });
                walked.map(drop).map_err(|e| e.into_error(input))
            }
        }
    }

    fn key(&self, input: &Input, header: &Header, key: &str, out: &mut Out) -> Result<()> {
        let Some((_, value)) = header.metadata.iter().rfind(|(name, _)| name == key) else {
            let names: Vec<&str> = header.metadata.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::Failed(format!(
                "{}: there is no metadata key `{key}`; keys are {}",
                input.name(),
                names.join(", ")
            )));
        };
        if self.json {
            return out.put(format!("{}\n", json!({"file": input.name(), key: text(value)})).as_bytes());
        }
        out.put(value)?;
        out.put(b"\n")
    }
}

#[derive(Default)]
struct BlockTotals {
    blocks: u64,
    rows: u64,
    stored: u64,
}

/// Why a walk over blocks ended early.
enum WalkError {
    Data(AvroError),
    Output(Error),
}

impl WalkError {
    fn into_error(self, input: &Input) -> Error {
        match self {
            WalkError::Data(e) => input.failed(e),
            WalkError::Output(e) => e,
        }
    }
}

/// Walks over the blocks, each of which must end with the sync marker. Returns the size of the file.
fn blocks(
    header: &Header,
    source: &mut InputStream,
    limits: &Limits,
    mut each: impl FnMut(BlockHead) -> Result<()>,
) -> Result<u64, WalkError> {
    // The marker after a block and the header of the next are read together.
    let mut bytes = Vec::with_capacity(SYNC_LEN + Frame::LEN_MAX);
    let mut offset = header.len;
    let mut block = 0;
    loop {
        let wanted = Frame::LEN_MAX - bytes.len();
        source.take(wanted as u64).read_to_end(&mut bytes).map_err(|e| WalkError::Data(e.into()))?;
        if bytes.is_empty() {
            return Ok(offset);
        }
        let at = |e: AvroError| WalkError::Data(e.at(|p| (p.offset, p.block) = (Some(offset), Some(block))));
        let cut = |what| AvroError::new(ErrorKind::Truncated { what });
        let Some(frame) = Frame::parse(&bytes).map_err(|e| at(e.into()))? else {
            return Err(at(cut("a block's header")));
        };
        if frame.size > limits.block_bytes as u64 {
            let (value, max) = (frame.size, limits.block_bytes as u64);
            return Err(at(AvroError::new(ErrorKind::Limit { limit: "block_bytes", value, max })));
        }
        // Bytes read beyond the header belong to the block, or to what follows it.
        let beyond = (bytes.len() - frame.len) as u64;
        let behind = frame.size + SYNC_LEN as u64;
        let rest = bytes.split_off(frame.len.min(bytes.len()));
        bytes.clear();
        if beyond >= frame.size {
            bytes.extend_from_slice(rest.get(frame.size as usize..).unwrap_or_default());
        } else {
            source.skip(frame.size - beyond).map_err(|e| WalkError::Data(e.into()))?;
        }
        let missing = (SYNC_LEN + Frame::LEN_MAX).saturating_sub(bytes.len());
        source.take(missing as u64).read_to_end(&mut bytes).map_err(|e| WalkError::Data(e.into()))?;
        match bytes.get(..SYNC_LEN) {
            Some(marker) if marker == header.sync => {}
            Some(_) => return Err(at(AvroError::new(ErrorKind::SyncMismatch))),
            None => return Err(at(cut("a block"))),
        }
        each(BlockHead { offset, rows: frame.rows, bytes: frame.size }).map_err(WalkError::Output)?;
        bytes.drain(..SYNC_LEN);
        offset += frame.len as u64 + behind;
        block += 1;
    }
}

fn as_text(input: &Input, header: &Header, total: &BlockTotals, len: u64) -> String {
    let root = header.schema.node(header.schema.root());
    let fingerprint = Fingerprint::Rabin(header.schema.rabin());
    let mut said = format!(
        "{}\n  schema       {root}, CRC-64-AVRO {fingerprint}\n  codec        {}\n  sync marker  {}\n  blocks       {}\n  \
         rows         {}\n  bytes        {len}: header {}, blocks as stored {}\n  metadata\n",
        input.name(),
        header.codec.name(),
        hex(&header.sync),
        total.blocks,
        total.rows,
        header.len,
        total.stored,
    );
    for (key, value) in &header.metadata {
        let value = text(value);
        // White space in a schema is insignificant.
        let value = match key.as_str() {
            "avro.schema" => Cow::Owned(value.split(['\n', '\r', '\t']).collect::<Vec<_>>().join(" ")),
            _ => escaped(&value),
        };
        said.push_str(&format!("    {}\t{value}\n", escaped(key)));
    }
    said
}

fn as_json(input: &Input, header: &Header, total: &BlockTotals, len: u64) -> Json {
    let metadata: Map<String, Json> =
        header.metadata.iter().map(|(key, value)| (key.clone(), text(value).into())).collect();
    json!({
        "file": input.name(),
        "fingerprint": Fingerprint::Rabin(header.schema.rabin()).to_string(),
        "codec": header.codec.name(),
        "sync": hex(&header.sync),
        "blocks": total.blocks,
        "rows": total.rows,
        "bytes": len,
        "header_bytes": header.len,
        "stored_bytes": total.stored,
        "metadata": metadata,
    })
}

/// Returns a value as text: UTF-8, or each byte as the character with its number, as Avro's JSON writes bytes.
fn text(value: &[u8]) -> String {
    str::from_utf8(value).map_or_else(|_| value.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// Escapes control characters and backslashes if the text has control characters.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| c.is_control() || c == '\\';
    text.chars().map(|c| if escape(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
