//! `fromjson`: encodes JSON documents as a container file.

use std::path::PathBuf;

use avro_arrow::Compressor;
use avro_arrow::container::random_sync;
use avro_arrow::json::{Encoder, Form};
use avro_arrow::schema::Schema;

use super::documents::{Chunk, Documents};
use super::input::Input;
use super::ordered::{ResultSender, in_order};
use super::out::FileHead;
use super::{Compression, Context};
use crate::commands::schema;
use crate::error::{Error, Result};

/// Bytes of rows in a block, before compression: the row that exceeds them starts the next block.
const BLOCK_BYTES: usize = 1 << 18;

/// The input, schema and output.
#[derive(Debug)]
pub(crate) struct FromJson {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) schema: SchemaSource,
    pub(crate) form: Form,
    pub(crate) compression: Compression,
}

/// The source of a schema.
#[derive(Debug)]
pub(crate) enum SchemaSource {
    /// On the command line.
    Text(String),
    /// A schema file or data file.
    File(PathBuf),
}

impl SchemaSource {
    /// Reads the schema.
    pub(super) fn schema(&self, context: &Context) -> Result<Schema> {
        match self {
            SchemaSource::Text(text) => schema::schema_from(text, "--schema", &context.reading),
            SchemaSource::File(file) => schema::schema_of(file, &context.reading),
        }
    }

    /// Returns its name for messages.
    pub(super) fn name(&self) -> String {
        match self {
            SchemaSource::Text(_) => "--schema".to_owned(),
            SchemaSource::File(file) => file.display().to_string(),
        }
    }
}

impl FromJson {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let schema = self.schema.schema(context)?;
        context.check_written(&schema)?;
        let head = FileHead {
            schema: schema.json().to_owned(),
            compression: self.compression,
            metadata: Vec::new(),
            sync: random_sync(),
        };
        let mut out = head.begin(&self.output)?;
        let name = input.name();
        let mut documents = Documents::new(input.open()?, context.limits().block_bytes);
        in_order(
            context.threads,
            || {
                context.check()?;
                documents.next().map_err(|e| e.with_context(&name))
            },
            || Ok((Encoder::new(&schema, self.form, context.limits()), head.compressor()?)),
            |(encoder, compressor), chunk, give| {
                blocks(&schema, &head, encoder, compressor, &chunk, give).map_err(|e| e.with_context(&name))
            },
            |block: Vec<u8>| out.put(&block),
        )?;
        out.commit()
    }
}

/// Encodes the documents of a chunk as blocks.
fn blocks(
    schema: &Schema,
    head: &FileHead,
    encoder: &mut Encoder,
    compressor: &mut Compressor,
    chunk: &Chunk,
    give: &mut ResultSender<Vec<u8>>,
) -> Result<()> {
    let (mut rows, mut n_rows) = (Vec::new(), 0);
    for document in chunk.documents() {
        let encode = |text: &str| encoder.encode(text, schema.root(), &mut rows).map_err(|e| e.to_string());
        let done = document.text().and_then(encode);
        done.map_err(|reason| {
            let is_list = document.bytes.trim_ascii_start().starts_with(b"[") && reason.starts_with("$: ");
            let hint = if is_list { "; expected one JSON document for each row, not an array" } else { "" };
            Error::Failed(format!("{}: {reason}{hint}", document.place()))
        })?;
        n_rows += 1;
        if rows.len() >= BLOCK_BYTES {
            give.piece(head.block(n_rows, &rows, compressor)?)?;
            rows.clear();
            n_rows = 0;
        }
    }
    if n_rows > 0 {
        give.piece(head.block(n_rows, &rows, compressor)?)?;
    }
    Ok(())
}
