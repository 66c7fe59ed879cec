//! Values of at most eight bytes: encodes columns to short values, each with its length.
//!
//! Nearly all values are short. A column's loop has no branch, and whether all of its values fit is checked once for
//! all rows. A column with a value that does not fit uses [`InlineValue`](super::row_buffer::InlineValue)s in these
//! rows.

use super::bind::{BoundColumn, Data};
use super::row_buffer::RowBuffer;
use super::short_value::{SHORT_VALUE_BYTES, ShortValue, TOO_LONG, TagBytes, long, unless};
use super::table_rows::TableRows;
use std::hint::select_unpredictable;

/// Unused short values after each column: columns that begin a power of two apart would share few lines of the cache.
const GAP: usize = 8;

/// The short values of some rows, column by column.
#[derive(Debug)]
pub(super) struct ShortValues {
    n_rows: usize,
    n_columns: usize,
    short_values: Vec<ShortValue>,
}

impl ShortValues {
    /// Allocates memory for about this many columns.
    pub(super) fn new(n_rows: usize, n_columns: usize) -> ShortValues {
        ShortValues { n_rows, n_columns: 0, short_values: Vec::with_capacity(n_columns * (n_rows + GAP)) }
    }

    /// Number of columns.
    pub(super) fn n_columns(&self) -> usize {
        self.n_columns
    }

    fn stride(&self) -> usize {
        self.n_rows + GAP
    }

    /// Adds a column with a short value for each row.
    #[inline]
    fn add_column(&mut self, short_values: impl Iterator<Item = ShortValue>) {
        self.short_values.extend(short_values);
        self.n_columns += 1;
        self.short_values.resize(self.n_columns * self.stride(), ShortValue::default());
    }

    /// Adds a column of equal short values.
    fn add_same(&mut self, short: ShortValue) {
        self.add_column(std::iter::repeat_n(short, self.n_rows));
    }

    /// The short values of the last column.
    fn last_column(&mut self) -> impl Iterator<Item = &mut ShortValue> {
        let from = self.short_values.len() - self.stride();
        self.short_values.get_mut(from..).unwrap_or_default().iter_mut()
    }

    /// Adds the same bytes in each row, if they fit.
    pub(super) fn add_constant(&mut self, bytes: &[u8]) -> bool {
        let mut short = [0; SHORT_VALUE_BYTES];
        let Some(to) = short.get_mut(..bytes.len()) else { return false };
        to.copy_from_slice(bytes);
        self.add_same(ShortValue { bytes: u64::from_le_bytes(short), len: bytes.len() as u8 });
        true
    }

    /// Adds the tags before values, if there are any.
    pub(super) fn add_tags(&mut self, column: &BoundColumn<'_>, rows: TableRows) {
        let TagBytes { value, null } = column.tags;
        if value.len == 0 && null.len == 0 {
            return;
        }
        self.add_same(value);
        self.change(column, rows, |short, valid| {
            if !valid {
                *short = null
            }
        });
    }

    /// Adds the values of a column with their tags, if all of them fit.
    pub(super) fn add(&mut self, column: &BoundColumn<'_>, rows: TableRows) -> bool {
        let (first, tags) = (self.n_columns, column.tags);
        // Tag and value share a short value if they fit.
        if !matches!(column.data, Data::Double(_) | Data::Null) && tags.value.len <= 1 {
            let Some(longest) = self.add_values(column, rows) else { return false };
            if longest + tags.value.len <= SHORT_VALUE_BYTES as u8 {
                let TagBytes { value, null } = tags;
                if value.len == 1 {
                    self.last_column().for_each(|short| {
                        *short = ShortValue { bytes: (short.bytes << 8) | value.bytes, len: short.len + 1 };
                    });
                }
                self.change(column, rows, |short, valid| *short = select_unpredictable(valid, *short, null));
                return true;
            }
            self.truncate(first);
        }
        self.add_tags(column, rows);
        if matches!(column.data, Data::Null) {
            return true;
        }
        if self.add_values(column, rows).is_none() {
            self.truncate(first);
            return false;
        }
        self.change(column, rows, |short, valid| short.len &= u8::from(valid).wrapping_neg());
        true
    }

    fn truncate(&mut self, n_columns: usize) {
        self.n_columns = n_columns;
        self.short_values.truncate(n_columns * self.stride());
    }

    /// Calls `change` with each short value of the last column and whether its value is present, if any may be absent.
    #[inline]
    fn change(&mut self, column: &BoundColumn<'_>, rows: TableRows, change: impl Fn(&mut ShortValue, bool)) {
        let Some(nulls) = &column.nulls else { return };
        let mut short_values = self.last_column();
        rows.each_bit(nulls.inner(), |valid| {
            if let Some(short) = short_values.next() {
                change(short, valid);
            }
        });
    }

    /// Adds the values of a column, null or not, if all of them fit, and returns the maximum length.
    fn add_values(&mut self, column: &BoundColumn<'_>, rows: TableRows) -> Option<u8> {
        match &column.data {
            Data::Boolean(values) => {
                self.add_same(ShortValue { bytes: 0, len: 1 });
                let mut short_values = self.last_column();
                rows.each_bit(values, |value| {
                    if let Some(short) = short_values.next() {
                        short.bytes = value.into();
                    }
                });
                Some(1)
            }
            Data::Int(values) => self.add_each(rows, values, |value| long(value.into())),
            Data::Long(values) => self.add_each(rows, values, long),
            Data::Float(values) => {
                self.add_each(rows, values, |value| ShortValue { bytes: value.to_bits().into(), len: 4 })
            }
            Data::Double(values) => self.add_each(rows, values, |value| ShortValue { bytes: value.to_bits(), len: 8 }),
            Data::Decimal128(values, None) => self.add_each(rows, values, sized_decimal),
            Data::Decimal128(values, Some(size @ 1..=SHORT_VALUE_BYTES)) => {
                self.add_each(rows, values, |value| fixed_decimal(value, *size))
            }
            Data::Enum(keys, symbols) => self.add_each(rows, keys, |key| {
                let symbol = usize::try_from(key).ok().and_then(|key| symbols.get(key).copied().flatten());
                symbol.map_or(ShortValue { bytes: 0, len: TOO_LONG }, |symbol| long(symbol.into()))
            }),
            _ => None,
        }
    }

    /// Adds values, if all of them fit, and returns the maximum length.
    #[inline]
    fn add_each<T: Copy + Default>(
        &mut self,
        rows: TableRows,
        values: &[T],
        encode: impl Fn(T) -> ShortValue,
    ) -> Option<u8> {
        // The bits of all lengths: eight and too-long values have bits of their own.
        let mut lens = 0;
        let encode = |value| {
            let short = encode(value);
            lens |= short.len;
            short
        };
        self.add_column(values.get(rows.all()).unwrap_or_default().iter().copied().map(encode));
        if lens & TOO_LONG != 0 {
            self.truncate(self.n_columns - 1);
            return None;
        }
        Some(if lens & 8 != 0 { 8 } else { 7 })
    }

    /// Clears the rows that are not kept.
    pub(super) fn keep(&mut self, kept: &[bool]) {
        let stride = self.stride();
        for column in self.short_values.chunks_exact_mut(stride) {
            for (short, kept) in column.iter_mut().zip(kept) {
                short.len &= u8::from(*kept).wrapping_neg();
            }
        }
    }

    /// Adds the columns of another table with the same rows.
    pub(super) fn append(&mut self, mut others: ShortValues) {
        self.short_values.append(&mut others.short_values);
        self.n_columns += others.n_columns;
    }

    /// Stores a row's values of some columns, and returns where they end.
    #[inline(always)]
    pub(super) fn put(&self, first: usize, n: usize, row: usize, at: usize, out: &mut RowBuffer) -> usize {
        let mut index = first * self.stride() + row;
        let short_values = (0..n).map_while(|_| {
            let short = self.short_values.get(index).copied();
            index += self.stride();
            short
        });
        out.short_values(at, short_values)
    }
}

/// The length and the digits of a decimal.
#[inline]
fn sized_decimal(value: i128) -> ShortValue {
    let low = value as i64;
    let n = (72 - (low ^ (low >> 63)).leading_zeros()) / 8;
    let digits = ((low as u64) << ((64 - 8 * n) & 63)).swap_bytes();
    let fits = n < 8 && i128::from(low) == value;
    ShortValue { bytes: (digits << 8) | u64::from(2 * n), len: (n as u8 + 1) | unless(fits) }
}

/// A decimal of `size` bytes, one to eight.
#[inline]
fn fixed_decimal(value: i128, size: usize) -> ShortValue {
    let low = value as i64;
    let unused = 64 - 8 * size;
    let fits = i128::from((low << unused) >> unused) == value;
    ShortValue { bytes: ((low as u64) << unused).swap_bytes(), len: size as u8 | unless(fits) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encoding::put_long;

    /// The bytes of a short value, if it fits.
    fn bytes(short: ShortValue) -> Option<Vec<u8>> {
        (short.len <= 8).then(|| short.bytes.to_le_bytes()[..usize::from(short.len)].to_vec())
    }

    fn edges() -> impl Iterator<Item = i64> {
        let powers = (0..63).map(|bit| 1i64 << bit).flat_map(|power| [power - 1, power, power + 1, power | power >> 3]);
        powers.flat_map(|value| [value, -value]).chain([i64::MIN, i64::MAX])
    }

    #[test]
    fn long_is_a_word_of_at_most_eight_bytes() {
        for value in edges() {
            let mut expected = Vec::new();
            put_long(value, &mut expected);
            assert_eq!(bytes(long(value)), (expected.len() <= 8).then_some(expected), "{value}");
        }
    }

    #[test]
    fn decimal_that_fits_is_a_word() {
        let wide = edges().map(i128::from).flat_map(|value| [value, value << 60, (value << 64) | 5]);
        for value in wide {
            let all = value.to_be_bytes();
            // The minimum number of bytes.
            let n = (1..=16).find(|n| (value << (128 - 8 * n)) >> (128 - 8 * n) == value).unwrap();
            let expected = [&[2 * n as u8], &all[16 - n..]].concat();
            assert_eq!(bytes(sized_decimal(value)), (n < 8).then_some(expected), "{value}");
            for size in 1..=8 {
                assert_eq!(
                    bytes(fixed_decimal(value, size)),
                    (n <= size).then(|| all[16 - size..].to_vec()),
                    "{value}"
                );
            }
        }
    }
}
