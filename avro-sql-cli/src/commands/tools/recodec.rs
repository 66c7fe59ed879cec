//! `recodec`: recompresses the blocks of a file without decoding rows.

use std::path::PathBuf;

use avro_arrow::{Decompressor, OnCorruptBlock};

use super::input::Input;
use super::ordered::in_order;
use super::out::FileHead;
use super::{Compression, Context};
use crate::diagnostics::scan_notes::skipped_line;
use crate::error::{Result, n_of, one_line, print_note};

/// The file, and its new compression.
#[derive(Debug)]
pub(crate) struct Recodec {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) compression: Compression,
}

impl Recodec {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let (limits, damage) = (context.limits(), context.reading.on_corrupt_block);
        let (header, mut blocks) = input.blocks(limits, damage)?;
        let head = FileHead {
            schema: header.schema.json().to_owned(),
            compression: self.compression,
            metadata: header.metadata.clone(),
            sync: header.sync,
        };
        let mut out = head.begin(&self.output)?;
        let name = input.name();
        in_order(
            context.threads,
            || {
                context.check()?;
                let block = blocks.next()?;
                blocks.take_damage().iter().for_each(|damaged| print_note(&skipped_line(&name, damaged)));
                Ok(block)
            },
            || Ok((Decompressor::new(header.codec, limits), head.compressor()?)),
            |(decompressor, compressor), block, give| {
                let (rows, bytes) = (block.rows, block.end - block.offset);
                match decompressor.decompress(block) {
                    Ok(block) => give.piece(Ok(head.block(block.rows, &block.data, compressor)?)),
                    Err(e) if damage == OnCorruptBlock::Skip && e.is_recoverable() => {
                        let (rows, bytes) = (n_of(rows, "row"), n_of(bytes, "byte"));
                        give.piece(Err(format!("avro-sql: {name}: skipped {rows} in {bytes}: {e}")))
                    }
                    Err(e) => Err(input.failed(e)),
                }
            },
            |block: std::result::Result<Vec<u8>, String>| match block {
                Ok(block) => out.put(&block),
                Err(line) => {
                    print_note(&one_line(&line));
                    Ok(())
                }
            },
        )?;
        out.commit()
    }
}
