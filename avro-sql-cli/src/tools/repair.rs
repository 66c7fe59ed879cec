//! `repair`: a damaged file in; a file of all its rows that can be read out, and a list of what cannot.
//!
//! What is between two sync markers is a block or lost. A block that is damaged in its middle keeps the rows before that: where
//! the next would begin is not known.

use std::cell::RefCell;
use std::path::PathBuf;

use avro_arrow::container::{RawBlock, frame};
use avro_arrow::json::{Decoder, Form};
use avro_arrow::{Compressor, Damage, DamagedBlock, Decompressor};

use super::input::Input;
use super::ordered::in_order;
use super::out::{FileHead, Out};
use super::{Compression, Context};
use crate::error::{Error, Result, one_line, say};

/// What to repair.
#[derive(Debug)]
pub(crate) struct Repair {
    pub(crate) input: PathBuf,
    /// Where to; `None` only lists what is damaged.
    pub(crate) output: Option<PathBuf>,
    pub(crate) keep: Keep,
}

/// Which of the rows that can be read to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All of them.
    All,
    /// Those before the first damage.
    Prior,
    /// Those behind the block with the first damage.
    After,
}

/// A block that was looked at.
struct Checked {
    offset: u64,
    /// Rows that it has and how many of them can be read.
    rows: u64,
    whole: u64,
    /// Those, as a block.
    framed: Vec<u8>,
    /// What is wrong with the rest.
    damage: Option<String>,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// Of each damage the offset and the line about it.
    lines: Vec<(u64, String)>,
    whole_blocks: u64,
    rows_kept: u64,
    rows_lost: u64,
    /// Are there rows of which it is not known how many they are?
    more_lost: bool,
}

impl Repair {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let limits = context.limits();
        let (header, mut blocks) = input.blocks(limits, Damage::Skip)?;
        let decoder = Decoder::new(&header.schema, Form::Avro, limits);
        let head = FileHead {
            schema: header.schema.json().to_owned(),
            compression: Compression { codec: header.codec, level: None },
            metadata: header.metadata.clone(),
            sync: header.sync,
        };
        let mut out = self.output.as_deref().map(|path| head.begin(path)).transpose()?;
        let found = RefCell::new(Found::default());
        in_order(
            context.threads,
            || {
                context.check()?;
                let block = blocks.next()?;
                blocks.take_damage().iter().for_each(|damaged| found.borrow_mut().lost(damaged));
                Ok(block)
            },
            || Ok((Decompressor::new(header.codec, limits), head.compressor()?)),
            |(decompressor, compressor), block, give| {
                let checked = check(block, &decoder, &head, decompressor, compressor);
                give.piece(checked.map_err(|e| input.failed(e))?)
            },
            |checked: Checked| {
                let mut found = found.borrow_mut();
                let damaged_before = found.lines.iter().any(|(offset, _)| *offset < checked.offset);
                let kept = match self.keep {
                    Keep::All => true,
                    Keep::Prior => !damaged_before,
                    Keep::After => damaged_before,
                };
                found.checked(&checked, kept);
                match &mut out {
                    Some(out) if kept => out.put(&checked.framed),
                    _ => Ok(()),
                }
            },
        )?;
        let found = found.into_inner();
        match (out, &self.output) {
            (Some(out), Some(path)) if path.as_os_str() == "-" => {
                out.commit()?;
                found.report(self.keep, &mut |line| {
                    say(line);
                    Ok(())
                })
            }
            (out, _) => {
                out.map_or(Ok(()), Out::commit)?;
                let mut stdout = Out::stdout();
                found.report(self.keep, &mut |line| stdout.put(format!("{line}\n").as_bytes()))?;
                stdout.commit()
            }
        }?;
        match found.lines.len() {
            0 => Ok(()),
            n if self.output.is_none() => {
                Err(Error::Failed(format!("{}: damaged in {n} place{}", input.name(), if n == 1 { "" } else { "s" })))
            }
            _ => Ok(()),
        }
    }
}

/// Looks at all rows of a block.
fn check(
    raw: RawBlock,
    decoder: &Decoder,
    head: &FileHead,
    decompressor: &mut Decompressor,
    compressor: &mut Compressor,
) -> avro_arrow::Result<Checked> {
    let (offset, rows) = (raw.offset, raw.rows);
    let mut checked = Checked { offset, rows, whole: 0, framed: Vec::new(), damage: None };
    let stored = raw.data.clone();
    let error = match decompressor.decompress(raw) {
        Ok(block) => {
            let mut walk = decoder.rows(&block);
            let (mut text, mut end) = (Vec::new(), 0);
            let error = loop {
                text.clear();
                match walk.next_row(&mut text) {
                    Ok(true) => end = walk.at(),
                    Ok(false) => break None,
                    Err(e) => break Some(e),
                }
            };
            checked.whole = walk.n_rows();
            if error.is_some() && checked.whole > 0 {
                let mut prefix = Vec::new();
                compressor.compress(block.data.get(..end).unwrap_or_default(), &mut prefix)?;
                frame(checked.whole, &prefix, &head.sync, &mut checked.framed);
            }
            error
        }
        Err(e) => Some(e),
    };
    match error {
        None => frame(rows, &stored, &head.sync, &mut checked.framed),
        Some(e) if e.is_of_block() => checked.damage = Some(e.to_string()),
        Some(e) => return Err(e),
    }
    Ok(checked)
}

impl Found {
    /// A stretch of the file that is no block.
    fn lost(&mut self, damaged: &DamagedBlock) {
        match damaged.rows {
            Some(rows) => self.rows_lost += rows,
            None => self.more_lost = true,
        }
        let rows = damaged.rows.map_or("an unknown number of rows".to_owned(), n_rows);
        let line = format!("lost {rows} in {} bytes: {}", damaged.bytes, damaged.error);
        self.lines.push((damaged.offset, one_line(&line)));
    }

    fn checked(&mut self, checked: &Checked, kept: bool) {
        if kept {
            self.rows_kept += checked.whole;
        }
        let Some(damage) = &checked.damage else {
            self.whole_blocks += 1;
            return;
        };
        // What a block says of its rows is to be doubted where it is damaged.
        let lost = checked.rows.saturating_sub(checked.whole);
        self.rows_lost = self.rows_lost.saturating_add(lost);
        let line = format!("lost {} behind {} of a block: {damage}", n_rows(lost), n_rows(checked.whole));
        self.lines.push((checked.offset, one_line(&line)));
    }

    fn report(&self, keep: Keep, write: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort();
        for (_, line) in &lines {
            write(line)?;
        }
        let blocks = if self.whole_blocks == 1 {
            "1 whole block".to_owned()
        } else {
            format!("{} whole blocks", self.whole_blocks)
        };
        let at_least = if self.more_lost { " or more" } else { "" };
        let which = match keep {
            Keep::All => "",
            Keep::Prior => " before the first damage",
            Keep::After => " behind the first damage",
        };
        write(&format!("{blocks}, {}{which} kept, {}{at_least} lost", n_rows(self.rows_kept), self.rows_lost))
    }
}

fn n_rows(n: u64) -> String {
    if n == 1 { "1 row".to_owned() } else { format!("{n} rows") }
}
