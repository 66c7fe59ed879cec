//! `repair`: writes all readable rows of a damaged file, and lists what is lost.
//!
//! Bytes between two sync markers are a block or lost. A block with a bad row loses that row.
//! If the start of the next row is uncertain, the block keeps only the rows before.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;

use avro_arrow::container::{RawBlock, frame};
use avro_arrow::json::{Decoder, Form};
use avro_arrow::{Compressor, DamagedBlock, Decompressor, OnCorruptBlock};

use super::input::Input;
use super::ordered::in_order;
use super::out::{FileHead, Out};
use super::{Compression, Context};
use crate::error::{Error, Result, n_of, one_line, print_note};

/// The file to repair.
#[derive(Debug)]
pub(crate) struct Repair {
    pub(crate) input: PathBuf,
    /// The output; `None` only lists the damage.
    pub(crate) output: Option<PathBuf>,
    pub(crate) keep: Keep,
}

/// Which readable rows to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All of them.
    All,
    /// Those before the first damage.
    Prior,
    /// Those after the block with the first damage.
    After,
}

/// A checked block.
struct CheckedBlock {
    offset: u64,
    /// Its rows, and how many of them are readable.
    rows: u64,
    whole: u64,
    /// The readable rows, as a block.
    framed: Vec<u8>,
    /// Whether the readable rows are its first ones.
    is_prefix: bool,
    /// What is wrong with the other rows.
    damage: Option<String>,
}

/// The damage found, printed line by line because there may be any amount.
struct DamageReport {
    lines: LineSink,
    /// Ranges that are not blocks, found before the blocks in front of them were checked: offsets and lines.
    ahead: VecDeque<(u64, String)>,
    /// Offset of the first damage.
    first: Option<u64>,
    damaged: u64,
    whole_blocks: u64,
    rows_kept: u64,
    rows_lost: u64,
    /// Whether an unknown number of rows was lost.
    more_lost: bool,
}

/// Where lines are printed.
enum LineSink {
    Stdout(Out),
    /// Used when standard output has the file.
    Stderr,
}

impl Repair {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let limits = context.limits();
        let (header, mut blocks) = input.blocks(limits, OnCorruptBlock::Skip)?;
        let decoder = Decoder::new(&header.schema, Form::Avro, limits);
        let head = FileHead {
            schema: header.schema.json().to_owned(),
            compression: Compression { codec: header.codec, level: None },
            metadata: header.metadata.clone(),
            sync: header.sync,
        };
        let mut out = self.output.as_deref().map(|path| head.begin(path)).transpose()?;
        let to_stdout = self.output.as_deref().is_some_and(|path| path.as_os_str() == "-");
        let found = RefCell::new(DamageReport {
            lines: if to_stdout { LineSink::Stderr } else { LineSink::Stdout(Out::stdout()) },
            ahead: VecDeque::new(),
            first: None,
            damaged: 0,
            whole_blocks: 0,
            rows_kept: 0,
            rows_lost: 0,
            more_lost: false,
        });
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
                // Rows before the first damage are those before the first bad row.
                let continues_after_failure = self.keep != Keep::Prior;
                let checked = check(block, continues_after_failure, &decoder, &head, decompressor, compressor);
                give.piece(checked.map_err(|e| input.failed(e))?)
            },
            |checked: CheckedBlock| {
                let mut found = found.borrow_mut();
                let damaged_before = found.first.is_some_and(|first| first < checked.offset);
                let kept = match self.keep {
                    Keep::All => true,
                    Keep::Prior => !damaged_before,
                    Keep::After => damaged_before,
                };
                found.checked(&checked, kept)?;
                match &mut out {
                    Some(out) if kept => out.put(&checked.framed),
                    _ => Ok(()),
                }
            },
        )?;
        out.map_or(Ok(()), Out::commit)?;
        match found.into_inner().finish(self.keep)? {
            0 => Ok(()),
            n if self.output.is_none() => {
                Err(Error::Failed(format!("{}: damaged in {n} place{}", input.name(), if n == 1 { "" } else { "s" })))
            }
            _ => Ok(()),
        }
    }
}

/// Checks all rows of a block, or those up to the first bad one.
fn check(
    raw: RawBlock,
    continues_after_failure: bool,
    decoder: &Decoder,
    head: &FileHead,
    decompressor: &mut Decompressor,
    compressor: &mut Compressor,
) -> avro_arrow::Result<CheckedBlock> {
    let (offset, rows) = (raw.offset, raw.rows);
    let mut checked = CheckedBlock { offset, rows, whole: 0, framed: Vec::new(), is_prefix: true, damage: None };
    let stored = raw.data.clone();
    let error = match decompressor.decompress(raw) {
        Ok(block) => {
            let mut walk = decoder.rows(&block);
            let (mut text, mut kept, mut first_error) = (Vec::new(), Vec::new(), None);
            loop {
                text.clear();
                let start = walk.at();
                match walk.next_row(&mut text) {
                    Ok(true) => {
                        kept.extend_from_slice(block.data.get(start..walk.at()).unwrap_or_default());
                        checked.whole += 1;
                        checked.is_prefix &= first_error.is_none();
                    }
                    Ok(false) => break,
                    Err(e) if !e.is_recoverable() => return Err(e),
                    Err(e) => {
                        first_error.get_or_insert(e);
                        if !continues_after_failure || !walk.recover() {
                            break;
                        }
                    }
                }
            }
            if first_error.is_some() && checked.whole > 0 {
                let mut stored = Vec::new();
                compressor.compress(&kept, &mut stored)?;
                frame(checked.whole, &stored, &head.sync, &mut checked.framed);
            }
            first_error
        }
        Err(e) => Some(e),
    };
    match error {
        None => frame(rows, &stored, &head.sync, &mut checked.framed),
        Some(e) if e.is_recoverable() => checked.damage = Some(e.to_string()),
        Some(e) => return Err(e),
    }
    Ok(checked)
}

impl LineSink {
    fn line(&mut self, line: &str) -> Result<()> {
        match self {
            LineSink::Stdout(out) => out.put(format!("{line}\n").as_bytes()),
            LineSink::Stderr => {
                print_note(line);
                Ok(())
            }
        }
    }
}

impl DamageReport {
    /// Records a range of the file that is not a block.
    fn lost(&mut self, damaged: &DamagedBlock) {
        match damaged.rows {
            Some(rows) => self.rows_lost = self.rows_lost.saturating_add(rows),
            None => self.more_lost = true,
        }
        let rows = damaged.rows.map_or("an unknown number of rows".to_owned(), n_rows);
        let line = format!("lost {rows} in {}: {}", n_of(damaged.bytes, "byte"), damaged.error);
        self.damaged_at(damaged.offset);
        self.ahead.push_back((damaged.offset, one_line(&line)));
    }

    fn damaged_at(&mut self, offset: u64) {
        self.first = Some(self.first.map_or(offset, |first| first.min(offset)));
        self.damaged += 1;
    }

    fn checked(&mut self, checked: &CheckedBlock, kept: bool) -> Result<()> {
        self.print_before(checked.offset)?;
        if kept {
            self.rows_kept += checked.whole;
        }
        let Some(damage) = &checked.damage else {
            self.whole_blocks += 1;
            return Ok(());
        };
        // The declared row count of a damaged block is doubtful.
        let lost = checked.rows.saturating_sub(checked.whole);
        self.rows_lost = self.rows_lost.saturating_add(lost);
        self.damaged_at(checked.offset);
        let line = match checked.is_prefix {
            true => format!("lost {} after {} of a block: {damage}", n_rows(lost), n_rows(checked.whole)),
            false => format!("lost {} of the {} of a block: {damage}", n_rows(lost), n_rows(checked.rows)),
        };
        self.lines.line(&one_line(&line))
    }

    /// Prints the known damage before this offset.
    fn print_before(&mut self, offset: u64) -> Result<()> {
        while let Some((_, line)) = self.ahead.pop_front_if(|(lost, _)| *lost < offset) {
            self.lines.line(&line)?;
        }
        Ok(())
    }

    /// Prints the summary and returns the number of damages.
    fn finish(mut self, keep: Keep) -> Result<u64> {
        self.print_before(u64::MAX)?;
        let blocks = match self.whole_blocks {
            1 => "1 intact block".to_owned(),
            n => format!("{n} intact blocks"),
        };
        let at_least = if self.more_lost { " or more" } else { "" };
        let which = match keep {
            Keep::All => "",
            Keep::Prior => " before the first damage",
            Keep::After => " after the first damage",
        };
        let (kept, lost) = (n_rows(self.rows_kept), self.rows_lost);
        self.lines.line(&format!("{blocks}, {kept}{which} kept, {lost}{at_least} lost"))?;
        if let LineSink::Stdout(out) = self.lines {
            out.commit()?;
        }
        Ok(self.damaged)
    }
}

fn n_rows(n: u64) -> String {
    n_of(n, "row")
}
