//! `tojson`: prints rows as JSON lines, in Avro's JSON encoding or without union tags.

use std::path::PathBuf;

use avro_arrow::container::RawBlock;
use avro_arrow::json::{Decoder, Form};
use avro_arrow::{Block, Decompressor, OnCorruptBlock};

use super::Context;
use super::input::Input;
use super::ordered::{ResultSender, in_order};
use super::out::Out;
use super::pretty::pretty;
use crate::diagnostics::scan_notes::skipped_line;
use crate::error::{Result, n_of, one_line, print_note};

/// Bytes of text passed on at a time.
const PIECE_BYTES: usize = 1 << 18;

/// The files, and how to print them.
#[derive(Debug)]
pub(crate) struct ToJson {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) form: Form,
    /// Whether rows are indented over several lines.
    pub(crate) pretty: bool,
    /// Maximum number of rows of all files together.
    pub(crate) head: Option<u64>,
    pub(crate) output: PathBuf,
}

/// Text, and the damaged blocks skipped before it.
struct JsonPiece {
    text: Vec<u8>,
    damage: Vec<String>,
}

impl ToJson {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let mut out = Out::create(&self.output)?;
        let mut left = self.head.unwrap_or(u64::MAX);
        for input in inputs {
            if left == 0 {
                break;
            }
            self.file(input, context, &mut left, &mut out)?;
        }
        out.commit()
    }

    fn file(&self, input: &Input, context: &Context, left: &mut u64, out: &mut Out) -> Result<()> {
        let (reading, limits) = (&context.reading, context.limits());
        let (header, mut blocks) = input.blocks(limits, reading.on_corrupt_block)?;
        let decoder = match &reading.reader_schema {
            Some(reader) => Decoder::resolving(&header.schema, reader, self.form, &reading.decoder(None, 1)),
            None => Ok(Decoder::new(&header.schema, self.form, limits)),
        };
        let decoder = decoder.map_err(|e| input.failed(e))?;
        let decompressor = || Ok(Decompressor::new(header.codec, limits));
        let name = input.name();
        if self.head.is_some() {
            // Rows are counted as they are written, so blocks are processed one after another.
            let mut decompressor = Decompressor::new(header.codec, limits);
            while *left > 0
                && let Some(block) = blocks.next()?
            {
                blocks.take_damage().iter().for_each(|damaged| print_note(&skipped_line(&name, damaged)));
                let written =
                    self.block(&decoder, &mut decompressor, block, *left, reading.on_corrupt_block, |piece| {
                        piece.damage.iter().for_each(|line| print_note(&in_file(&name, line)));
                        out.put(&piece.text)
                    });
                *left -= written.map_err(|stop| stop.into_error(input))?;
            }
            blocks.take_damage().iter().for_each(|damaged| print_note(&skipped_line(&name, damaged)));
            return Ok(());
        }
        in_order(
            context.threads,
            || {
                context.check()?;
                let block = blocks.next()?;
                blocks.take_damage().iter().for_each(|damaged| print_note(&skipped_line(&name, damaged)));
                Ok(block)
            },
            decompressor,
            |decompressor, block, give: &mut ResultSender<JsonPiece>| {
                let done = self.block(&decoder, decompressor, block, u64::MAX, reading.on_corrupt_block, |piece| {
                    give.piece(piece)
                });
                done.map(drop).map_err(|stop| stop.into_error(input))
            },
            |piece| {
                piece.damage.iter().for_each(|line| print_note(&in_file(&name, line)));
                out.put(&piece.text)
            },
        )
    }

    /// Sends at most `limit` rows of a block and returns their number. For a damaged block it sends the rows before the
    /// damage, or none if damage is skipped.
    fn block(
        &self,
        decoder: &Decoder,
        decompressor: &mut Decompressor,
        block: RawBlock,
        max: u64,
        damage: OnCorruptBlock,
        mut give: impl FnMut(JsonPiece) -> Result<()>,
    ) -> Result<u64, BlockError> {
        let mut text = Vec::new();
        let (offset, end, rows) = (block.offset, block.end, block.rows);
        let decoded = decompressor.decompress(block).map_err(BlockError::Data);
        let done = decoded.and_then(|block: Block| {
            let mut rows = decoder.rows(&block);
            if damage == OnCorruptBlock::Skip {
                // A damaged block yields no rows, and holding the text of all rows would take too much memory.
                let (mut all, mut text) = (decoder.rows(&block), Vec::new());
                while all.n_rows() < max && all.next_row(&mut text).map_err(BlockError::Data)? {
                    text.clear();
                }
            }
            let mut row = Vec::new();
            while rows.n_rows() < max {
                row.clear();
                match rows.next_row(&mut row) {
                    Ok(false) => break,
                    Ok(true) if self.pretty => pretty(&row, &mut text),
                    Ok(true) => {
                        text.extend_from_slice(&row);
                        text.push(b'\n');
                    }
                    Err(e) => return Err(BlockError::Data(e)),
                }
                if text.len() >= PIECE_BYTES {
                    let piece = JsonPiece { text: std::mem::take(&mut text), damage: Vec::new() };
                    give(piece).map_err(BlockError::Output)?;
                }
            }
            Ok(rows.n_rows())
        });
        match done {
            Err(BlockError::Data(e)) if damage == OnCorruptBlock::Skip && e.is_recoverable() => {
                let line = format!("skipped {} in {}: {e}", n_of(rows, "row"), n_of(end - offset, "byte"));
                give(JsonPiece { text: Vec::new(), damage: vec![line] }).map_err(BlockError::Output)?;
                Ok(0)
            }
            done => {
                give(JsonPiece { text, damage: Vec::new() }).map_err(BlockError::Output)?;
                done
            }
        }
    }
}

fn in_file(name: &str, line: &str) -> String {
    one_line(&format!("avro-sql: {name}: {line}"))
}

/// Why a block was not written to its end.
enum BlockError {
    Data(avro_arrow::Error),
    Output(crate::error::Error),
}

impl BlockError {
    fn into_error(self, input: &Input) -> crate::error::Error {
        match self {
            BlockError::Data(e) => input.failed(e),
            BlockError::Output(e) => e,
        }
    }
}
