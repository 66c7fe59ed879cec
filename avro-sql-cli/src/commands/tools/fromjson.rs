//! `fromjson`: JSON documents and a schema in, a container file out.

use std::path::PathBuf;

use avro_arrow::Compressor;
use avro_arrow::container::random_sync;
use avro_arrow::json::{Encoder, Form};
use avro_arrow::schema::Schema;

use super::documents::{Chunk, Documents};
use super::input::Input;
use super::ordered::{Give, in_order};
use super::out::FileHead;
use super::{Compression, Context};
use crate::commands::schema;
use crate::error::{Error, Result};

/// Bytes of rows of a block, before compression: what is behind the last row that fits goes into the next.
const BLOCK_BYTES: usize = 1 << 18;

/// What to make of which documents.
#[derive(Debug)]
pub(crate) struct FromJson {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) schema: SchemaFrom,
    pub(crate) form: Form,
    pub(crate) compression: Compression,
}

/// Where a schema is.
#[derive(Debug)]
pub(crate) enum SchemaFrom {
    /// On the command line.
    Text(String),
    /// In a file, of schema or of data.
    File(PathBuf),
}

impl SchemaFrom {
    /// The schema.
    pub(super) fn schema(&self, context: &Context) -> Result<Schema> {
        match self {
            SchemaFrom::Text(text) => schema::schema_from(text, "--schema", &context.reading),
            SchemaFrom::File(file) => schema::schema_of(file, &context.reading),
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
                documents.next().map_err(|e| e.within(&name))
            },
            || Ok((Encoder::new(&schema, self.form, context.limits()), head.compressor()?)),
            |(encoder, compressor), chunk, give| {
                blocks(&schema, &head, encoder, compressor, &chunk, give).map_err(|e| e.within(&name))
            },
            |block: Vec<u8>| out.put(&block),
        )?;
        out.commit()
    }
}

/// Gives the blocks of a chunk's documents.
fn blocks(
    schema: &Schema,
    head: &FileHead,
    encoder: &mut Encoder,
    compressor: &mut Compressor,
    chunk: &Chunk,
    give: &mut Give<Vec<u8>>,
) -> Result<()> {
    let (mut rows, mut n_rows) = (Vec::new(), 0);
    for document in chunk.documents() {
        let encode = |text: &str| encoder.encode(text, schema.root(), &mut rows).map_err(|e| e.to_string());
        let done = document.text().and_then(encode);
        done.map_err(|reason| {
            let is_list = document.bytes.trim_ascii_start().starts_with(b"[") && reason.starts_with("$: ");
            let hint = if is_list { "; rows stand one behind the other here, not in an array" } else { "" };
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
