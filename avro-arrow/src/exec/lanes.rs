//! Distributes slices over lanes.

use super::BlockSlice;
use crate::program::{Op, Program};

/// The maximum useful number of lanes. It is lower with many columns, as each lane writes to its own position in each
/// column, and the CPU holds only a limited number of positions in its cache. (Lineitem, 16 columns: 4 lanes 7 %
/// faster than 8; one of 100 columns: 8 lanes 5 % faster than 4; all 100: 2 lanes 12 % faster than 8.) Rows of only
/// nested values gain nothing from lanes, and must be merged afterwards.
pub(super) fn max_lanes(program: &Program) -> usize {
    let is_nested = |op: &Op| {
        matches!(
            op,
            Op::Items { .. } | Op::SwitchBranch { .. } | Op::Union { .. } | Op::Json { .. } | Op::SkipItems { .. }
        )
    };
    if program.body(program.row).unwrap_or_default().iter().all(is_nested) {
        return 1;
    }
    match program.layout.levels.first().map_or(0, Vec::len) {
        0..=6 => 8,
        7..=24 => 4,
        _ => 2,
    }
}

/// Distributes slices over at most `most` lanes, in runs with about equal numbers of rows.
pub(super) fn assign_blocks_to_lanes(slices: &mut [BlockSlice], most: usize) -> Vec<&mut [BlockSlice]> {
    let n_lanes = match slices.len() {
        0 | 1 => 1,
        2 | 3 => 2,
        4..8 => 4,
        _ => 8,
    };
    let n_lanes = n_lanes.min(most);
    let mut rows_left: usize = slices.iter().map(|slice| slice.n_rows).sum();
    let mut rest = slices;
    let mut lanes = Vec::with_capacity(n_lanes);
    for lane in 0..n_lanes {
        let share = rows_left.div_ceil(n_lanes - lane);
        let (mut n, mut rows) = (0, 0);
        for slice in rest.iter() {
            // The last lane takes the rest.
            if lane + 1 < n_lanes && n > 0 && rows + slice.n_rows / 2 > share {
                break;
            }
            n += 1;
            rows += slice.n_rows;
        }
        let (taken, left) = rest.split_at_mut(n);
        lanes.push(taken);
        rest = left;
        rows_left -= rows;
    }
    lanes
}
