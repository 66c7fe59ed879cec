//! `tojson`: files in; their rows as JSON lines out, in the specification's encoding or without tags.

use std::path::PathBuf;

use avro_arrow::container::RawBlock;
use avro_arrow::json::{Decoder, Form};
use avro_arrow::{Block, Decompressor, OnCorruptBlock};

use super::Context;
use super::input::Input;
use super::ordered::{Give, in_order};
use super::out::Out;
use super::pretty::pretty;
use crate::diagnostics::skipped;
use crate::error::{Result, aside, n_of, one_line};

/// Bytes of text that are handed on at a time.
const PIECE_BYTES: usize = 1 << 18;

/// What to write of which files.
#[derive(Debug)]
pub(crate) struct ToJson {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) form: Form,
    /// With line breaks inside of rows?
    pub(crate) pretty: bool,
    /// Only so many rows of all files together.
    pub(crate) head: Option<u64>,
    pub(crate) output: PathBuf,
}

/// Text, and the blocks that were left out before it.
struct Piece {
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
        let (header, mut blocks) = input.blocks(limits, reading.damage)?;
        let decoder = match &reading.reader_schema {
            Some(reader) => Decoder::resolving(&header.schema, reader, self.form, &reading.decoder(None, 1)),
            None => Ok(Decoder::new(&header.schema, self.form, limits)),
        };
        let decoder = decoder.map_err(|e| input.failed(e))?;
        let decompressor = || Ok(Decompressor::new(header.codec, limits));
        let name = input.name();
        if self.head.is_some() {
            // The rows are counted as they are written, so one block comes after the other.
            let mut decompressor = Decompressor::new(header.codec, limits);
            while *left > 0
                && let Some(block) = blocks.next()?
            {
                blocks.take_damage().iter().for_each(|damaged| aside(&skipped::line(&name, damaged)));
                let written = self.block(&decoder, &mut decompressor, block, *left, reading.damage, |piece| {
                    piece.damage.iter().for_each(|line| aside(&in_file(&name, line)));
                    out.put(&piece.text)
                });
                *left -= written.map_err(|stop| stop.of(input))?;
            }
            blocks.take_damage().iter().for_each(|damaged| aside(&skipped::line(&name, damaged)));
            return Ok(());
        }
        in_order(
            context.threads,
            || {
                context.check()?;
                let block = blocks.next()?;
                blocks.take_damage().iter().for_each(|damaged| aside(&skipped::line(&name, damaged)));
                Ok(block)
            },
            decompressor,
            |decompressor, block, give: &mut Give<Piece>| {
                let done =
                    self.block(&decoder, decompressor, block, u64::MAX, reading.damage, |piece| give.piece(piece));
                done.map(drop).map_err(|stop| stop.of(input))
            },
            |piece| {
                piece.damage.iter().for_each(|line| aside(&in_file(&name, line)));
                out.put(&piece.text)
            },
        )
    }

    /// Gives the rows of a block, at most so many, and says how many those are. Of a damaged block it gives the rows before the
    /// damage, or none where damage is skipped.
    fn block(
        &self,
        decoder: &Decoder,
        decompressor: &mut Decompressor,
        block: RawBlock,
        max: u64,
        damage: OnCorruptBlock,
        mut give: impl FnMut(Piece) -> Result<()>,
    ) -> Result<u64, Stop> {
        let mut text = Vec::new();
        let (offset, end, rows) = (block.offset, block.end, block.rows);
        let decoded = decompressor.decompress(block).map_err(Stop::Data);
        let done = decoded.and_then(|block: Block| {
            let mut rows = decoder.rows(&block);
            if damage == OnCorruptBlock::Skip {
                // None of its rows are given if one is damaged, and all their texts are more than should be held.
                let (mut all, mut text) = (decoder.rows(&block), Vec::new());
                while all.n_rows() < max && all.next_row(&mut text).map_err(Stop::Data)? {
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
                    Err(e) => return Err(Stop::Data(e)),
                }
                if text.len() >= PIECE_BYTES {
                    let piece = Piece { text: std::mem::take(&mut text), damage: Vec::new() };
                    give(piece).map_err(Stop::Output)?;
                }
            }
            Ok(rows.n_rows())
        });
        match done {
            Err(Stop::Data(e)) if damage == OnCorruptBlock::Skip && e.is_recoverable() => {
                let line = format!("skipped {} in {}: {e}", n_of(rows, "row"), n_of(end - offset, "byte"));
                give(Piece { text: Vec::new(), damage: vec![line] }).map_err(Stop::Output)?;
                Ok(0)
            }
            done => {
                give(Piece { text, damage: Vec::new() }).map_err(Stop::Output)?;
                done
            }
        }
    }
}

fn in_file(name: &str, line: &str) -> String {
    one_line(&format!("avro-sql: {name}: {line}"))
}

/// Why a block was not written to its end.
enum Stop {
    Data(avro_arrow::Error),
    Output(crate::error::Error),
}

impl Stop {
    fn of(self, input: &Input) -> crate::error::Error {
        match self {
            Stop::Data(e) => input.failed(e),
            Stop::Output(e) => e,
        }
    }
}
