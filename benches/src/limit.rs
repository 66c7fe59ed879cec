//! The engine `limit`: a file of lineitem or of events in, record batches out, by decoders that are written by hand for
//! these two schemas and the values they have. It makes the batches of ours and sees all damage that ours sees, but has
//! no program that says what comes next: it is what ours could be at best.
//!
//! The container and the codecs are those of ours; `slabs` and `rows` have all that is different for lineitem, `events`
//! for events. It reads files of lineitem whose fields are required, all columns, two of them, or the strings, several
//! blocks at once as ours does; and all columns of events. It needs x86-64 with AVX2 and BMI2.

mod events;
mod rows;
mod slabs;
#[cfg(test)]
mod tests;

pub use slabs::Level;

use crate::data::{Data, Nulls};
use crate::engines::{BATCH_ROWS, Input, Task};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use avro_arrow::container::{Framer, Header};
use avro_arrow::{Block, Decompressor, Limits, Options, Program};
use events::Events;
use slabs::{Piece, Slabs};
use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::Read;

/// Bytes that are read at a time, as many as ours reads. (256 KiB, which would stay in a second-level cache, are
/// slower: more blocks lie in two of them and are copied.)
const READ_BYTES: usize = 1 << 20;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Lineitem, these columns.
    Lineitem(Columns),
    /// Events, all columns.
    Events,
}

impl Shape {
    /// What an input is, if it is one that this engine is made for.
    pub fn of(input: &Input<'_>) -> Option<Shape> {
        if input.task != Task::Decode {
            return None;
        }
        match input.data? {
            Data::Lineitem(_, _, Nulls::Required) => Columns::of(input).map(Shape::Lineitem),
            Data::Events if input.columns.is_none() => Some(Shape::Events),
            _ => None,
        }
    }
}

/// Which columns of lineitem are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// All 16.
    All,
    /// `l_quantity` and `l_extendedprice`.
    Two,
    /// The five strings.
    Strings,
}

impl Columns {
    /// The columns that an input of lineitem wants, if this engine is made for them.
    fn of(input: &Input<'_>) -> Option<Columns> {
        let Some(names) = &input.columns else { return Some(Columns::All) };
        match names.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["l_quantity", "l_extendedprice"] => Some(Columns::Two),
            ["l_returnflag", "l_linestatus", "l_shipinstruct", "l_shipmode", "l_comment"] => Some(Columns::Strings),
            _ => None,
        }
    }
}

/// Decodes a file, and gives each batch to `each`.
///
/// # Errors
/// Where the file is damaged, or `each` fails.
pub fn read(
    input: &Input<'_>,
    shape: Shape,
    level: Level,
    mut each: impl FnMut(RecordBatch) -> Result<(), String>,
) -> Result<(), Box<dyn Error>> {
    let mut file = File::open(input.path)?;
    let limits = Limits::default();
    let (header, rest) = Header::read(&mut file, &limits)?;
    let mut framer = Framer::new(&header, &limits);
    let mut decompressor = Decompressor::new(header.codec, &limits);
    // The program is not run: it knows the names and types of the batches.
    let options = Options::default().with_projection(input.columns.clone());
    let program = Program::compile(&header.schema, &options)?;
    let mut queue = Queue::default();
    framer.feed(rest.into());
    let mut finished = false;
    while !finished {
        let mut bytes = Vec::with_capacity(READ_BYTES);
        file.by_ref().take(READ_BYTES as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            framer.finish();
            finished = true;
        } else {
            framer.feed(Buffer::from_vec(bytes));
        }
        while let Some(block) = framer.next_block()? {
            queue.push(decompressor.decompress(block)?);
            while queue.n_rows >= BATCH_ROWS as u64 {
                each(queue.batch(BATCH_ROWS, &program, shape, level)?)?;
            }
        }
    }
    if !queue.blocks.is_empty() {
        each(queue.batch(queue.n_rows as usize, &program, shape, level)?)?;
    }
    Ok(())
}

/// Blocks that are not decoded to their end.
#[derive(Default)]
struct Queue {
    blocks: VecDeque<Pending>,
    n_rows: u64,
}

struct Pending {
    block: Block,
    at: usize,
    rows_left: u64,
}

impl Queue {
    fn push(&mut self, block: Block) {
        self.n_rows = self.n_rows.saturating_add(block.rows);
        self.blocks.push_back(Pending { at: 0, rows_left: block.rows, block });
    }

    /// Makes a batch of the next rows, all of which were fed.
    fn batch(
        &mut self,
        n_rows: usize,
        program: &Program,
        shape: Shape,
        level: Level,
    ) -> Result<RecordBatch, Box<dyn Error>> {
        let mut pieces = Vec::new();
        let mut first_row = 0;
        for pending in &self.blocks {
            let rows = pending.rows_left.min((n_rows - first_row) as u64) as usize;
            if rows == 0 && pending.rows_left > 0 {
                break;
            }
            let ends_block = rows as u64 == pending.rows_left;
            pieces.push(Piece { data: &pending.block.data, at: pending.at, rows, first_row, ends_block });
            first_row += rows;
        }
        let arrays = match shape {
            Shape::Lineitem(columns) => {
                let mut slabs = Slabs::new(columns, n_rows);
                slabs.fill(&mut pieces, level)?;
                slabs.finish(&pieces)
            }
            Shape::Events => {
                let mut events = Events::new(n_rows);
                events.fill(&mut pieces, level)?;
                events.finish(&pieces, program.arrow_schema())?
            }
        };
        let done: Vec<_> = pieces.iter().map(|piece| (piece.at, piece.rows as u64)).collect();
        for (at, rows) in done {
            let Some(front) = self.blocks.front_mut() else { break };
            (front.at, front.rows_left) = (at, front.rows_left - rows);
            if front.rows_left == 0 {
                self.blocks.pop_front();
            }
        }
        self.n_rows -= n_rows as u64;
        Ok(RecordBatch::try_new(program.arrow_schema().clone(), arrays)?)
    }
}
