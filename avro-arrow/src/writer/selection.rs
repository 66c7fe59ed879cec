//! The values of a column that the rows of a table have.

use arrow_buffer::BooleanBuffer;
use std::rc::Rc;

/// The values of an array that the rows have.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// The first, and their number.
    From(usize, usize),
    /// These.
    Picked(Rc<[usize]>),
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        match self {
            Rows::From(_, n) => *n,
            Rows::Picked(rows) => rows.len(),
        }
    }

    #[inline]
    pub(super) fn at(&self, row: usize) -> usize {
        match self {
            Rows::From(from, _) => from + row,
            Rows::Picked(rows) => rows.get(row).copied().unwrap_or_default(),
        }
    }

    pub(super) fn pick(&self, rows: &[usize]) -> Rows {
        Rows::Picked(rows.iter().map(|row| self.at(*row)).collect())
    }

    /// Maps the index of each row's value.
    #[inline]
    pub(super) fn map<T>(&self, make: impl FnMut(usize) -> T) -> Vec<T> {
        match self {
            Rows::From(from, n) => (*from..from + n).map(make).collect(),
            Rows::Picked(rows) => rows.iter().copied().map(make).collect(),
        }
    }

    /// Calls `then` with the bit of each row.
    #[inline]
    pub(super) fn each_bit(&self, bits: &BooleanBuffer, mut then: impl FnMut(bool)) {
        match self {
            Rows::From(from, n) => bits.slice(*from, *n).iter().for_each(then),
            Rows::Picked(rows) => rows.iter().for_each(|at| then(bits.value(*at))),
        }
    }
}
