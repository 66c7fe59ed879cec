//! The buffers that a run writes: allocates them for all lanes, and joins what the lanes wrote.

use super::arrays::FilledBuffers;
use super::buffers::{RowsBuffer, rows_buffers};
use super::{Holds, LaneBuffers, Layout, LevelId, ROWS};
use crate::error::{Error, Result};
use arrow_buffer::{Buffer, MutableBuffer};
use std::ops::Range;
use std::sync::Arc;

/// The buffers of the rows and the lanes, as the program writes them.
pub(crate) struct OutputBuffers {
    pub(crate) rows: Vec<RowsBuffer>,
    pub(crate) lanes: Vec<LaneBuffers>,
}

impl OutputBuffers {
    /// Allocates memory for lanes with these numbers of rows. Each lane may take `lane_bytes` for the levels below the
    /// rows, which have room for `slots_per_row` at first, if that is known.
    pub(crate) fn new(
        layout: &Layout,
        rows_of_lanes: &[usize],
        lane_bytes: usize,
        slots_per_row: &[f64],
    ) -> OutputBuffers {
        let mut rows = rows_buffers(layout, rows_of_lanes.iter().sum());
        let mut first = 0;
        let lanes = rows_of_lanes.iter().map(|&n| {
            let mut lane = LaneBuffers::new(layout, &mut rows, first, n, lane_bytes);
            for (level, per_row) in slots_per_row.iter().enumerate().skip(1) {
                lane.expect(layout, LevelId(level as u32), per_row * n as f64);
            }
            first += n;
            lane
        });
        let lanes = lanes.collect();
        OutputBuffers { rows, lanes }
    }

    /// Joins the lanes. The first `n_constants` of the buffers that views point into are constants; the arrays may
    /// copy at most `max_text` bytes of text.
    ///
    /// # Errors
    /// Fails only if the layout contradicts itself: a bug in this crate.
    ///
    /// # Safety
    /// The program has run to its end on every lane without a fault.
    pub(crate) unsafe fn join(
        self,
        layout: &Layout,
        rows_of_lanes: &[usize],
        view_buffers: Arc<[Buffer]>,
        n_constants: usize,
        max_text: usize,
    ) -> Result<FilledBuffers> {
        let n_rows: usize = rows_of_lanes.iter().sum();
        // SAFETY: every slot of every row is written, by the caller's promise.
        let mut buffers: Vec<WrittenBuffer> =
            self.rows.into_iter().map(|buffer| unsafe { buffer.into_written() }.into()).collect();
        let mut lens = vec![0; layout.levels.len()];
        let mut first_row = 0;
        for (lane, &lane_rows) in self.lanes.into_iter().zip(rows_of_lanes) {
            // SAFETY: the program ran on this lane without a fault, by the caller's promise.
            let (own, lane_lens) = unsafe { lane.into_buffers(layout) };
            let mut own: Vec<WrittenBuffer> =
                own.into_iter().map(|memory| WrittenBuffer { memory, first: 0 }).collect();
            // Positions count from the lane's own first slot of the level they are in.
            if first_row > 0 {
                let rows = first_row..first_row + lane_rows;
                for (id, spec) in layout.buffers.iter().enumerate() {
                    let rebased = match lane_lens.get(spec.level.index()) {
                        _ if spec.level == ROWS => rebase(&mut buffers, id, &spec.holds, rows.clone(), &lens),
                        Some(&slots) => rebase(&mut own, id, &spec.holds, 0..slots, &lens),
                        None => None,
                    };
                    rebased.ok_or_else(|| Error::internal(format!("buffer {id} is not of its level")))?;
                }
            }
            for ((buffer, part), spec) in buffers.iter_mut().zip(own).zip(&layout.buffers) {
                if spec.level == ROWS {
                    continue;
                } else if buffer.memory.is_empty() {
                    *buffer = part;
                } else {
                    buffer.memory.extend_from_slice(part.bytes());
                }
            }
            for (len, lane_len) in lens.iter_mut().zip(lane_lens) {
                *len += lane_len;
            }
            first_row += lane_rows;
        }
        if let Some(rows) = lens.first_mut() {
            *rows = n_rows;
        }
        let buffers = buffers.into_iter().map(|buffer| Buffer::from(buffer.memory).slice(buffer.first)).collect();
        Ok(FilledBuffers::new(buffers, lens, view_buffers, n_constants, max_text))
    }
}

/// A written buffer: its memory, and the offset in it of the slots, a multiple of 64.
struct WrittenBuffer {
    memory: MutableBuffer,
    first: usize,
}

impl From<(MutableBuffer, usize)> for WrittenBuffer {
    fn from((memory, first): (MutableBuffer, usize)) -> Self {
        WrittenBuffer { memory, first }
    }
}

impl WrittenBuffer {
    fn bytes(&self) -> &[u8] {
        self.memory.as_slice().get(self.first..).unwrap_or_default()
    }

    fn positions(&mut self) -> &mut [i32] {
        let first = self.first / size_of::<i32>();
        self.memory.typed_data_mut::<i32>().get_mut(first..).unwrap_or_default()
    }
}

/// Adds to the positions in some slots of a buffer the number of slots that earlier lanes have in the levels they refer
/// to; `None` if there are no such slots or levels. `exec` keeps every level below 2³¹ slots, all lanes together.
fn rebase(buffers: &mut [WrittenBuffer], id: usize, holds: &Holds, slots: Range<usize>, lens: &[usize]) -> Option<()> {
    let base = |level: LevelId| lens.get(level.index()).map(|&len| len as i32);
    match holds {
        Holds::Values => {}
        Holds::ListOffsets(level) => {
            let base = base(*level)?;
            for offset in buffers.get_mut(id)?.positions().get_mut(slots)? {
                *offset = offset.wrapping_add(base);
            }
        }
        Holds::UnionOffsets { ids, branches } => {
            let ids = buffers.get(ids.index())?.bytes().get(slots.clone())?;
            let bases: Option<Vec<i32>> = ids.iter().map(|&id| base(*branches.get(usize::from(id))?)).collect();
            for (offset, base) in buffers.get_mut(id)?.positions().get_mut(slots)?.iter_mut().zip(bases?) {
                *offset = offset.wrapping_add(base);
            }
        }
    }
    Some(())
}
