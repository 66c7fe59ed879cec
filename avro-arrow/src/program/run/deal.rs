//! Dealing: the pieces that are to be decoded in, those of each lane out.

use super::Piece;

/// Pieces for each lane: runs of them, of about as many rows each.
pub(super) fn deal(pieces: &mut [Piece]) -> Vec<&mut [Piece]> {
    let n_lanes = match pieces.len() {
        0 | 1 => 1,
        2 | 3 => 2,
        4..8 => 4,
        _ => 8,
    };
    let mut rows_left: usize = pieces.iter().map(|piece| piece.n_rows).sum();
    let mut rest = pieces;
    let mut lanes = Vec::with_capacity(n_lanes);
    for lane in 0..n_lanes {
        let share = rows_left.div_ceil(n_lanes - lane);
        let (mut n, mut rows) = (0, 0);
        for piece in rest.iter() {
            // The last lane takes what is left.
            if lane + 1 < n_lanes && n > 0 && rows + piece.n_rows / 2 > share {
                break;
            }
            n += 1;
            rows += piece.n_rows;
        }
        let (taken, left) = rest.split_at_mut(n);
        lanes.push(taken);
        rest = left;
        rows_left -= rows;
    }
    lanes
}
