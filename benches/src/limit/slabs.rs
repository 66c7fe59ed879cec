//! The columns of a batch: pieces of blocks in, arrays out.
//!
//! All columns are in one allocation, so that the places of a row's values are at known distances, and begin at
//! different places of a page, because a cache keeps only few lines of each. Each lane writes from its own first row
//! on. A lane that is through with its block takes the next one. Next: `rows`, which reads the rows of some lanes.

use super::Columns;
use super::rows::{ALL, Avx2, Avx512, Cpu, Damage, Lane, N_COLUMNS, OFFSETS, STRINGS, TWO, WIDTHS, is_read, run_lanes};
use crate::engines::BATCH_ROWS;
use arrow_array::types::{ArrowPrimitiveType, Date32Type, Decimal128Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, PrimitiveArray, StringViewArray};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_schema::DataType;
use avro_arrow::PaddedBytes;
use std::sync::Arc;

/// Rows of one block.
pub(super) struct Piece<'a> {
    pub(super) data: &'a PaddedBytes,
    /// Where its first row begins; when it is read, where its last row ends.
    pub(super) at: usize,
    pub(super) rows: usize,
    /// The row of the batch that its first is.
    pub(super) first_row: usize,
    /// Whether its last row is the block's last.
    pub(super) ends_block: bool,
}

/// What the CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// AVX2, BMI1 and BMI2.
    Avx2,
    /// These, and AVX-512 for bytes.
    Avx512,
}

impl Level {
    /// The levels of this CPU, the best last.
    pub fn here() -> Vec<Level> {
        let mut levels = Vec::new();
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
            levels.push(Level::Avx2);
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                levels.push(Level::Avx512);
            }
        }
        levels
    }
}

/// The columns of a batch, as they are written.
pub(super) struct Slabs {
    columns: Columns,
    n_rows: usize,
    memory: MutableBuffer,
    /// All rows are written.
    filled: bool,
}

impl Slabs {
    pub(super) fn new(columns: Columns, n_rows: usize) -> Slabs {
        let memory = MutableBuffer::with_capacity(OFFSETS[columns as usize][N_COLUMNS] + size_of::<u64>());
        Slabs { columns, n_rows: n_rows.min(BATCH_ROWS), memory, filled: false }
    }

    /// Reads the pieces, which are as many rows as there are, the first piece's first.
    ///
    /// # Errors
    /// What is wrong with one of the blocks.
    pub(super) fn fill(&mut self, pieces: &mut [Piece<'_>], level: Level) -> Result<(), Damage> {
        // What the unsafe code below relies on.
        assert!(Level::here().contains(&level));
        assert!(pieces.iter().all(|piece| piece.at <= piece.data.len()));
        assert!(pieces.iter().all(|piece| piece.first_row + piece.rows <= self.n_rows));
        // What is fastest: a row of all columns has more that can go on at once.
        let lanes_max = match self.columns {
            Columns::All => 2,
            Columns::Two | Columns::Strings => 8,
        };
        let base = self.memory.as_mut_ptr();
        let mut lanes: Vec<Lane> = Vec::with_capacity(lanes_max);
        let mut waiting = 0..pieces.len();
        loop {
            while lanes.len() < lanes_max
                && let Some(index) = waiting.next()
            {
                lanes.push(Lane::new(&pieces[index], index));
            }
            // As many lanes as there is code for, and as many rows as none of them ends before.
            let n_lanes = 1 << lanes.len().checked_ilog2().unwrap_or(0);
            let Some(running) = lanes.get_mut(..n_lanes) else { break };
            let n_rows = running.iter().map(|lane| lane.rows_left).min().unwrap_or(0);
            // SAFETY: the CPU has the level, the cursors are in their blocks, and the rows are in the memory, by the
            // assertions above; the blocks are padded.
            unsafe {
                match level {
                    Level::Avx2 => run_avx2(self.columns, running, n_rows, base)?,
                    Level::Avx512 => run_avx512(self.columns, running, n_rows, base)?,
                }
            }
            for lane in &lanes {
                let piece = &mut pieces[lane.piece];
                piece.at = lane.at as usize - piece.data.as_ptr() as usize;
                if lane.rows_left == 0 && piece.ends_block && lane.at != lane.end {
                    return Err("a block does not end after its last row");
                }
            }
            lanes.retain(|lane| lane.rows_left > 0);
        }
        self.filled = pieces.iter().map(|piece| piece.rows).sum::<usize>() == self.n_rows;
        Ok(())
    }

    /// The arrays, when they are filled from these pieces.
    pub(super) fn finish(mut self, pieces: &[Piece<'_>]) -> Vec<ArrayRef> {
        assert!(self.filled);
        let offsets = &OFFSETS[self.columns as usize];
        assert!(offsets[N_COLUMNS] <= self.memory.capacity());
        // SAFETY: within the memory, by the assertion. Only slots are looked at below, and those are written.
        unsafe { self.memory.set_len(offsets[N_COLUMNS]) };
        let memory = Buffer::from(self.memory);
        let blocks: Arc<[Buffer]> = pieces.iter().map(|piece| piece.data.to_buffer()).collect();
        let array = |column: usize| -> ArrayRef {
            let slab = memory.slice_with_length(offsets[column], self.n_rows * WIDTHS[column]);
            match column {
                0..=2 => primitive::<Int64Type>(slab, DataType::Int64),
                3 => primitive::<Int32Type>(slab, DataType::Int32),
                4..=7 => primitive::<Decimal128Type>(slab, DataType::Decimal128(12, 2)),
                10..=12 => primitive::<Date32Type>(slab, DataType::Date32),
                // SAFETY: `read_rows` and `Careful` write views of text that they have checked, in the block of this
                // index.
                _ => Arc::new(unsafe { StringViewArray::new_unchecked(slab.into(), Arc::clone(&blocks), None) }),
            }
        };
        (0..N_COLUMNS).filter(|&column| is_read(self.columns as u8, column)).map(array).collect()
    }
}

fn primitive<T: ArrowPrimitiveType>(slab: Buffer, data_type: DataType) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(slab.into(), None).with_data_type(data_type))
}

impl Lane {
    fn new(piece: &Piece<'_>, index: usize) -> Lane {
        let block = piece.data.as_ptr_range();
        Lane {
            at: block.start.wrapping_add(piece.at),
            end: block.end,
            view: (index as u64).wrapping_sub((block.start as u64) << 32),
            row: piece.first_row,
            rows_left: piece.rows,
            piece: index,
        }
    }
}

/// # Safety
/// The CPU has [`Level::Avx2`]; and as [`run_lanes`].
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn run_avx2(columns: Columns, lanes: &mut [Lane], n_rows: usize, base: *mut u8) -> Result<(), Damage> {
    // SAFETY: the caller's promise.
    unsafe { run::<Avx2>(columns, lanes, n_rows, base) }
}

/// # Safety
/// The CPU has [`Level::Avx512`]; and as [`run_lanes`].
#[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512bw")]
unsafe fn run_avx512(columns: Columns, lanes: &mut [Lane], n_rows: usize, base: *mut u8) -> Result<(), Damage> {
    // SAFETY: the caller's promise.
    unsafe { run::<Avx512>(columns, lanes, n_rows, base) }
}

/// # Safety
/// As [`run_lanes`].
#[inline(always)]
unsafe fn run<C: Cpu>(columns: Columns, lanes: &mut [Lane], n_rows: usize, base: *mut u8) -> Result<(), Damage> {
    // SAFETY: the caller's promise.
    unsafe {
        match columns {
            Columns::All => run_columns::<C, ALL>(lanes, n_rows, base),
            Columns::Two => run_columns::<C, TWO>(lanes, n_rows, base),
            Columns::Strings => run_columns::<C, STRINGS>(lanes, n_rows, base),
        }
    }
}

/// # Safety
/// As [`run_lanes`].
#[inline(always)]
unsafe fn run_columns<C: Cpu, const COLUMNS: u8>(
    lanes: &mut [Lane],
    n_rows: usize,
    base: *mut u8,
) -> Result<(), Damage> {
    // SAFETY: the caller's promise.
    unsafe {
        match lanes.len() {
            1 => run_lanes::<C, COLUMNS, 1>(lanes, n_rows, base),
            2 => run_lanes::<C, COLUMNS, 2>(lanes, n_rows, base),
            4 => run_lanes::<C, COLUMNS, 4>(lanes, n_rows, base),
            8 => run_lanes::<C, COLUMNS, 8>(lanes, n_rows, base),
            _ => Err("there is no code for this number of lanes"),
        }
    }
}
