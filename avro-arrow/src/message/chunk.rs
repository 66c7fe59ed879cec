//! Chunks: buffers of messages for each writer's schema, decoded to rows in the order of arrival.
//!
//! The datums of one schema are decoded like the rows of blocks. Blocks have only one end, but each message has its
//! own, so the program records where each row starts. If each row starts where its message does and the blocks end
//! with their last rows, each row is exactly its message. If not, the reference decoder checks the messages one by
//! one, and the valid ones are decoded without the others.

use crate::column::{LevelId, ROWS};
use crate::encoding::{PADDING, PaddedBytes};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::{BlockSlice, Stop, run};
use crate::program::Program;
use crate::reference;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave;
use std::sync::Arc;

/// Maximum number of blocks for one writer's messages, with a lane for each.
const BLOCKS: usize = 8;
/// Fewer messages of one writer are one block: setting up lanes would cost more than it saves.
const BLOCKS_FROM_ROWS: usize = 64;
/// Messages that are tried together before each is checked alone.
const GROUP_ROWS: usize = 64;
/// Maximum size of the buffers of the rows that are made together.
const COLUMN_BYTES_MAX: usize = 256 << 20;

/// A writer's schema, compiled.
#[derive(Debug)]
pub(super) struct WriterProgram {
    /// A program that records where rows start.
    pub(super) program: Arc<Program>,
    /// Slots of each level per row in its last rows.
    slots_per_row: Vec<f64>,
}

/// Waiting messages, by the index of their writer.
#[derive(Debug, Default)]
pub(super) struct Filling {
    parts: Vec<FillingPart>,
    pub(super) n_messages: usize,
    pub(super) n_bytes: usize,
}

#[derive(Debug, Default)]
struct FillingPart {
    bytes: Vec<u8>,
    messages: Vec<QueuedMessage>,
}

/// Messages to be decoded together.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    parts: Vec<WriterMessages>,
    /// Whether the reference decoder has found each of them valid.
    checked: bool,
}

/// The messages of one writer.
#[derive(Debug)]
struct WriterMessages {
    writer: usize,
    data: PaddedBytes,
    /// Offset in the data of the first datum; each other datum starts at the end of the one before.
    start: usize,
    messages: Vec<QueuedMessage>,
}

#[derive(Debug, Clone, Copy)]
struct QueuedMessage {
    number: u64,
    /// Offset in the data of the end of its datum.
    end: u32,
    /// Bytes of the message before its datum.
    prefix: u32,
}

/// Why a chunk could not be decoded.
pub(super) enum Failed {
    /// At least one message is damaged, or seems to be.
    Damaged,
    /// The messages are too large together.
    TooLarge(Error),
}

impl WriterProgram {
    pub(super) fn new(program: Program) -> WriterProgram {
        WriterProgram { program: Arc::new(program), slots_per_row: Vec::new() }
    }

    /// The error in a datum; `None` if it is one row.
    pub(super) fn check(&self, datum: &[u8], prefix: usize) -> Option<Error> {
        let Program { plan, options, .. } = &*self.program;
        let located = reference::locate(plan, datum, 1, &options.limits)?;
        let offset = located.offset + prefix;
        Some(located.into_error().at(|position| {
            (position.row, position.offset_in_block) = (None, None);
            position.offset_in_message = Some(offset as u64);
        }))
    }

    /// Estimated size of the columns of `n_rows` rows, from the last ones.
    fn column_bytes(&self, n_rows: usize) -> f64 {
        let layout = &self.program.layout;
        let levels = (0..).map(LevelId).zip(&self.slots_per_row);
        levels.map(|(level, slots)| slots * layout.slot_bytes(level) as f64).sum::<f64>() * n_rows as f64
    }
}

impl Filling {
    #[inline]
    pub(super) fn push(&mut self, writer: usize, number: u64, prefix: usize, datum: &[u8]) {
        if self.parts.len() <= writer {
            self.parts.resize_with(writer + 1, FillingPart::default);
        }
        let Some(part) = self.parts.get_mut(writer) else { return };
        part.bytes.extend_from_slice(datum);
        // The decoder keeps chunks below 2 GiB.
        part.messages.push(QueuedMessage { number, end: part.bytes.len() as u32, prefix: prefix as u32 });
        self.n_messages += 1;
        self.n_bytes += datum.len();
    }

    /// Takes the waiting messages, and reserves memory for as many.
    pub(super) fn take(&mut self) -> Chunk {
        let next = self.parts.iter().map(|part| FillingPart {
            bytes: Vec::with_capacity(part.bytes.len() + PADDING),
            messages: Vec::with_capacity(part.messages.len()),
        });
        let next = Filling { parts: next.collect(), n_messages: 0, n_bytes: 0 };
        let parts = std::mem::replace(self, next).parts.into_iter().enumerate();
        let parts =
            parts.filter(|(_, part)| !part.messages.is_empty()).map(|(writer, FillingPart { bytes, messages })| {
                WriterMessages { writer, data: PaddedBytes::from_vec(bytes), start: 0, messages }
            });
        Chunk { parts: parts.collect(), checked: false }
    }
}

impl Chunk {
    pub(super) fn n_messages(&self) -> usize {
        self.parts.iter().map(|part| part.messages.len()).sum()
    }

    /// The indexes of the messages, in the order of their rows.
    pub(super) fn numbers(&self) -> Vec<u64> {
        match self.parts.as_slice() {
            [part] => part.messages.iter().map(|message| message.number).collect(),
            parts => in_order(parts).into_iter().map(|(number, _)| number).collect(),
        }
    }

    /// Decodes each message to its row, or fails as a whole.
    pub(super) fn decode(&self, writers: &mut [WriterProgram], schema: &SchemaRef) -> Result<RecordBatch, Failed> {
        let mut decoded: Vec<Vec<ArrayRef>> = Vec::with_capacity(self.parts.len());
        let (mut bytes, mut max) = (0.0, usize::MAX);
        for part in &self.parts {
            let Some(writer) = writers.get_mut(part.writer) else { continue };
            decoded.push(part.decode(writer)?);
            bytes += writer.column_bytes(part.messages.len());
            max = writer.program.options.limits.batch_bytes;
        }
        // A single part has kept to the limit.
        if bytes > max as f64 && decoded.len() > 1 {
            let limit = ErrorKind::Limit { limit: "batch_bytes", value: bytes as u64, max: max as u64 };
            return Err(Failed::TooLarge(limit.into()));
        }
        let columns = match <[Vec<ArrayRef>; 1]>::try_from(decoded) {
            Ok([columns]) => columns,
            Err(several) => self.interleaved(&several, schema).map_err(|error| Failed::TooLarge(error.into()))?,
        };
        let options = RecordBatchOptions::new().with_row_count(Some(self.n_messages()));
        // Types were compared when the writer was added, so only lengths could be wrong.
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(|error| Failed::TooLarge(error.into()))
    }

    /// Merges the rows of several writers in the order of the messages.
    fn interleaved(&self, decoded: &[Vec<ArrayRef>], schema: &SchemaRef) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows: Vec<(usize, usize)> = in_order(&self.parts).into_iter().map(|(_, place)| place).collect();
        let columns = (0..schema.fields().len()).map(|column| {
            let of_parts: Vec<&dyn Array> =
                decoded.iter().filter_map(|columns| columns.get(column)).map(|a| &**a).collect();
            interleave(&of_parts, &rows)
        });
        columns.collect()
    }

    /// Checks each message alone, and returns the valid ones and the errors of the others. Fails with the chunk if it
    /// was checked before: then no single message is damaged, but they are too large together.
    pub(super) fn checked(self, writers: &mut [WriterProgram]) -> Result<(Chunk, Vec<Error>), Chunk> {
        if self.checked {
            return Err(self);
        }
        let mut rejected = Vec::new();
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let Some(writer) = writers.get_mut(part.writer) else { continue };
            let (mut bytes, mut messages) = (Vec::with_capacity(part.data.len() + PADDING), Vec::new());
            for group in part.groups() {
                // Most groups are valid, which is found sooner together.
                let all_good = group.decode(writer).is_ok();
                for (message, datum) in group.datums() {
                    let error = if all_good { None } else { writer.check(datum, message.prefix as usize) };
                    if let Some(error) = error {
                        rejected.push(error.at(|position| position.message = Some(message.number)));
                        continue;
                    }
                    bytes.extend_from_slice(datum);
                    messages.push(QueuedMessage { end: bytes.len() as u32, ..*message });
                }
            }
            if messages.is_empty() {
                continue;
            }
            parts.push(WriterMessages { writer: part.writer, data: PaddedBytes::from_vec(bytes), start: 0, messages });
        }
        Ok((Chunk { parts, checked: true }, rejected))
    }

    /// Splits a chunk into halves. Fails with the index of the message if there is only one.
    pub(super) fn halves(self) -> Result<(Chunk, Chunk), Option<u64>> {
        let n_messages = self.n_messages();
        let numbers = self.numbers();
        let Some(&middle) = numbers.get(n_messages / 2).filter(|_| n_messages > 1) else {
            return Err(numbers.first().copied());
        };
        let checked = self.checked;
        let mut halves = (Chunk { parts: vec![], checked }, Chunk { parts: vec![], checked });
        for part in self.parts {
            let WriterMessages { writer, data, start, messages: mut first } = part;
            let second = first.split_off(first.partition_point(|message| message.number < middle));
            let first_end = first.last().map_or(start, |message| message.end as usize);
            if !first.is_empty() {
                halves.0.parts.push(WriterMessages { writer, data: data.clone(), start, messages: first });
            }
            if !second.is_empty() {
                halves.1.parts.push(WriterMessages { writer, data, start: first_end, messages: second });
            }
        }
        Ok(halves)
    }
}

impl WriterMessages {
    /// The messages with their datums.
    fn datums(&self) -> impl Iterator<Item = (&QueuedMessage, &[u8])> {
        let mut start = self.start;
        self.messages.iter().map(move |message| {
            let end = message.end as usize;
            let datum = self.data.get(start..end).unwrap_or_default();
            start = end;
            (message, datum)
        })
    }

    /// The messages in groups.
    fn groups(&self) -> impl Iterator<Item = WriterMessages> {
        let mut start = self.start;
        self.messages.chunks(GROUP_ROWS).map(move |messages| {
            let group =
                WriterMessages { writer: self.writer, data: self.data.clone(), start, messages: messages.to_vec() };
            start = messages.last().map_or(start, |message| message.end as usize);
            group
        })
    }

    /// Decodes the columns of all messages, with a row for each.
    fn decode(&self, writer: &mut WriterProgram) -> Result<Vec<ArrayRef>, Failed> {
        let program = &*writer.program;
        let n_rows = self.messages.len();
        let row_bytes = program.layout.slot_bytes(ROWS).saturating_mul(n_rows);
        if row_bytes > COLUMN_BYTES_MAX && n_rows > 1 {
            let limit =
                ErrorKind::Limit { limit: "batch_bytes", value: row_bytes as u64, max: COLUMN_BYTES_MAX as u64 };
            return Err(Failed::TooLarge(limit.into()));
        }
        let mut pieces = self.pieces();
        let buffers = Arc::from([self.data.to_buffer()]);
        let finished = run(program, &mut pieces, buffers, &writer.slots_per_row).map_err(Failed::from)?;
        writer.slots_per_row = finished.slots_per_row();
        let columns = program.columns.iter().chain(&program.starts);
        let mut columns = finished.arrays(columns).map_err(Failed::TooLarge)?;
        let starts = columns.pop();
        let starts = starts.as_ref().and_then(|starts| starts.as_any().downcast_ref::<UInt32Array>());
        let starts = starts.map(|starts| starts.values().as_ref()).unwrap_or_default();
        // The end of the last row was checked as the end of its block.
        let ends = self.messages.iter().map(|message| message.end);
        let wanted = std::iter::once(self.start as u32).chain(ends).take(n_rows);
        if starts.iter().copied().eq(wanted) { Ok(columns) } else { Err(Failed::Damaged) }
    }

    /// The messages as the rows of blocks in one buffer.
    fn pieces(&self) -> Vec<BlockSlice> {
        let n_rows = self.messages.len();
        let n_blocks = if n_rows < BLOCKS_FROM_ROWS { 1 } else { BLOCKS };
        let mut at = self.start;
        let pieces = self.messages.chunks(n_rows.div_ceil(n_blocks).max(1)).map(|messages| {
            let end = messages.last().map_or(at, |message| message.end as usize);
            let n_rows = messages.len();
            let data = self.data.clone();
            let piece = BlockSlice { data, at, end, n_rows, ends_block: true, buffer: 0, zero_width_items: 0 };
            at = end;
            piece
        });
        pieces.collect()
    }
}

/// The messages of several parts by index: the index, and the message's position in its part.
fn in_order(parts: &[WriterMessages]) -> Vec<(u64, (usize, usize))> {
    let numbers = parts.iter().enumerate().flat_map(|(part, WriterMessages { messages, .. })| {
        messages.iter().enumerate().map(move |(row, message)| (message.number, (part, row)))
    });
    let mut numbers: Vec<_> = numbers.collect();
    // This sort exploits runs that are in order.
    numbers.sort();
    numbers
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Failed {
        match stop {
            Stop::Damaged => Failed::Damaged,
            Stop::TooLarge(error) => Failed::TooLarge(error),
        }
    }
}
