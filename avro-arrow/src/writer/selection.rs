//! The values of a column that the rows of a table have.

use arrow_buffer::BooleanBuffer;
use std::rc::Rc;

/// The values of an array that the rows have.
#[derive(Debug, Clone)]
pub(super) enum RowSelection {
    /// The first, and their number.
    From(usize, usize),
    /// These.
    Picked(Rc<[usize]>),
}

impl RowSelection {
    pub(super) fn len(&self) -> usize {
        match self {
            RowSelection::From(_, n) => *n,
            RowSelection::Picked(rows) => rows.len(),
        }
    }

    #[inline]
    pub(super) fn at(&self, row: usize) -> usize {
        match self {
            RowSelection::From(from, _) => from + row,
            RowSelection::Picked(rows) => rows.get(row).copied().unwrap_or_default(),
        }
    }

    pub(super) fn pick(&self, rows: &[usize]) -> RowSelection {
        RowSelection::Picked(rows.iter().map(|row| self.at(*row)).collect())
    }

    /// Maps the index of each row's value.
    #[inline]
    pub(super) fn map<T>(&self, make: impl FnMut(usize) -> T) -> Vec<T> {
        match self {
            RowSelection::From(from, n) => (*from..from + n).map(make).collect(),
            RowSelection::Picked(rows) => rows.iter().copied().map(make).collect(),
        }
    }

    /// Calls `then` with the bit of each row.
    #[inline]
    pub(super) fn each_bit(&self, bits: &BooleanBuffer, mut then: impl FnMut(bool)) {
        match self {
            RowSelection::From(from, n) => bits.slice(*from, *n).iter().for_each(then),
            RowSelection::Picked(rows) => rows.iter().for_each(|at| then(bits.value(*at))),
        }
    }
}
