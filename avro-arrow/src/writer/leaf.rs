//! Single values: how many bytes each takes, and the bytes. The loops over rows are in `rows`.

use crate::bytes::{long_len, put_long_at};
use arrow_array::BinaryViewArray;
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, IntervalMonthDayNano, OffsetBuffer, ScalarBuffer, i256};

/// Values that hold no others. All indices are of values that are there.
pub(super) trait Leaf {
    /// Bytes that the value takes; or why it cannot be written.
    fn len(&self, at: usize) -> Result<usize, String>;

    /// Writes the value at the start of what is left of its row. Behind it there may be anything then.
    fn put(&self, at: usize, to: &mut [u8]) -> usize;
}

/// Values without bytes.
pub(super) struct Nothing;

impl Leaf for Nothing {
    fn len(&self, _: usize) -> Result<usize, String> {
        Ok(0)
    }

    fn put(&self, _: usize, _: &mut [u8]) -> usize {
        0
    }
}

impl Leaf for BooleanBuffer {
    #[inline]
    fn len(&self, _: usize) -> Result<usize, String> {
        Ok(1)
    }

    #[inline]
    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_bytes(&[u8::from(self.value(at))], to)
    }
}

/// Whole numbers.
pub(super) struct Longs<'a, T: ArrowNativeType>(pub(super) &'a ScalarBuffer<T>);

impl<T: ArrowNativeType + Into<i64>> Longs<'_, T> {
    #[inline]
    fn value(&self, at: usize) -> i64 {
        self.0.get(at).copied().unwrap_or_default().into()
    }
}

impl<T: ArrowNativeType + Into<i64>> Leaf for Longs<'_, T> {
    #[inline]
    fn len(&self, at: usize) -> Result<usize, String> {
        Ok(long_len(self.value(at)))
    }

    #[inline]
    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_long_at(self.value(at), to)
    }
}

/// Floating-point numbers, whose bytes are those in memory.
pub(super) struct Floats<'a, T: ArrowNativeType>(pub(super) &'a ScalarBuffer<T>);

impl Leaf for Floats<'_, f32> {
    #[inline]
    fn len(&self, _: usize) -> Result<usize, String> {
        Ok(4)
    }

    #[inline]
    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_bytes(&self.0.get(at).copied().unwrap_or_default().to_le_bytes(), to)
    }
}

impl Leaf for Floats<'_, f64> {
    #[inline]
    fn len(&self, _: usize) -> Result<usize, String> {
        Ok(8)
    }

    #[inline]
    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_bytes(&self.0.get(at).copied().unwrap_or_default().to_le_bytes(), to)
    }
}

/// Strings or bytes, one behind the other.
pub(super) struct Text<'a, O: ArrowNativeType>(pub(super) &'a OffsetBuffer<O>, pub(super) &'a Buffer);

impl<O: ArrowNativeType> Text<'_, O> {
    #[inline]
    fn range(&self, at: usize) -> (usize, usize) {
        let offset = |at: usize| self.0.get(at).map_or(0, |offset| offset.as_usize());
        (offset(at), offset(at + 1))
    }
}

impl<O: ArrowNativeType> Leaf for Text<'_, O> {
    #[inline]
    fn len(&self, at: usize) -> Result<usize, String> {
        let (from, to) = self.range(at);
        let n = to.saturating_sub(from);
        Ok(long_len(n as i64) + n)
    }

    #[inline]
    fn put(&self, at: usize, out: &mut [u8]) -> usize {
        let (from, to) = self.range(at);
        let n = to.saturating_sub(from);
        let len = put_long_at(n as i64, out);
        let Some(out) = out.get_mut(len..) else { return len };
        // Most texts are short: sixteen bytes at once are faster than as many as there are.
        let source = self.1.get(from..).and_then(|source| source.first_chunk::<16>());
        match (source, out.first_chunk_mut::<16>()) {
            (Some(source), Some(out)) if n <= 16 => *out = *source,
            _ => return len + put_bytes(self.1.get(from..to).unwrap_or_default(), out),
        }
        len + n
    }
}

/// Strings or bytes of Arrow's views.
pub(super) struct Views<'a>(pub(super) &'a BinaryViewArray);

impl Views<'_> {
    #[inline]
    fn view(&self, at: usize) -> u128 {
        self.0.views().get(at).copied().unwrap_or_default()
    }
}

/// Bytes that a view holds itself.
const INLINE: usize = 12;

impl Leaf for Views<'_> {
    #[inline]
    fn len(&self, at: usize) -> Result<usize, String> {
        let n = self.view(at) as u32 as usize;
        Ok(long_len(n as i64) + n)
    }

    #[inline]
    fn put(&self, at: usize, out: &mut [u8]) -> usize {
        let view = self.view(at);
        let n = view as u32 as usize;
        let len = put_long_at(n as i64, out);
        let Some(out) = out.get_mut(len..) else { return len };
        if n > INLINE {
            return len + put_bytes(self.0.value(at), out);
        }
        let bytes = (view >> 32).to_le_bytes();
        match out.first_chunk_mut() {
            Some(out) => *out = bytes,
            None => drop(put_bytes(bytes.get(..n).unwrap_or_default(), out)),
        }
        len + n
    }
}

/// As many bytes each.
pub(super) struct Fixed<'a>(pub(super) &'a Buffer, pub(super) usize);

impl Leaf for Fixed<'_> {
    #[inline]
    fn len(&self, _: usize) -> Result<usize, String> {
        Ok(self.1)
    }

    #[inline]
    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_bytes(self.0.get(at * self.1..(at + 1) * self.1).unwrap_or_default(), to)
    }
}

/// The same out of views, which may be of any length.
pub(super) struct FixedViews<'a>(pub(super) &'a BinaryViewArray, pub(super) usize);

impl Leaf for FixedViews<'_> {
    fn len(&self, at: usize) -> Result<usize, String> {
        match self.0.value(at).len() {
            n if n == self.1 => Ok(n),
            n => Err(format!("a value of {n} bytes is no fixed of {}", self.1)),
        }
    }

    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_bytes(self.0.value(at), to)
    }
}

/// Values that are encoded already, by where each ends.
pub(super) struct Encoded<'a>(pub(super) &'a [usize], pub(super) &'a [u8]);

impl Encoded<'_> {
    fn value(&self, at: usize) -> &[u8] {
        let end = |at: usize| self.0.get(at).copied().unwrap_or_default();
        self.1.get(end(at)..end(at + 1)).unwrap_or_default()
    }
}

impl Leaf for Encoded<'_> {
    fn len(&self, at: usize) -> Result<usize, String> {
        Ok(self.value(at).len())
    }

    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_bytes(self.value(at), to)
    }
}

/// The same bytes for each.
pub(super) struct Constant<'a>(pub(super) &'a [u8]);

impl Leaf for Constant<'_> {
    fn len(&self, _: usize) -> Result<usize, String> {
        Ok(self.0.len())
    }

    fn put(&self, _: usize, to: &mut [u8]) -> usize {
        put_bytes(self.0, to)
    }
}

/// Indices of symbols, by key.
pub(super) struct Symbols<'a>(pub(super) &'a ScalarBuffer<i32>, pub(super) &'a [Option<i32>]);

impl Symbols<'_> {
    #[inline]
    fn symbol(&self, at: usize) -> Option<i32> {
        let key = usize::try_from(*self.0.get(at)?).ok()?;
        self.1.get(key).copied().flatten()
    }
}

impl Leaf for Symbols<'_> {
    #[inline]
    fn len(&self, at: usize) -> Result<usize, String> {
        match self.symbol(at) {
            Some(symbol) => Ok(long_len(symbol.into())),
            None => Err("a value is no symbol of the enum".to_owned()),
        }
    }

    #[inline]
    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        put_long_at(self.symbol(at).unwrap_or_default().into(), to)
    }
}

/// Decimals, in as many bytes as are needed behind their length, or in so many.
pub(super) struct Decimals<'a, T: ArrowNativeType>(pub(super) &'a ScalarBuffer<T>, pub(super) Option<usize>);

/// Whole numbers of more than 64 bits.
pub(super) trait Wide: ArrowNativeType {
    /// Big-endian.
    type Bytes: AsRef<[u8]>;

    fn bytes(self) -> Self::Bytes;

    /// Bits but for leading ones that are all the sign; the sign counts.
    fn bits(self) -> u32;

    fn is_negative(self) -> bool;
}

impl Wide for i128 {
    type Bytes = [u8; 16];

    #[inline]
    fn bytes(self) -> [u8; 16] {
        self.to_be_bytes()
    }

    #[inline]
    fn bits(self) -> u32 {
        129 - (self ^ (self >> 127)).leading_zeros()
    }

    #[inline]
    fn is_negative(self) -> bool {
        self < 0
    }
}

impl Wide for i256 {
    type Bytes = [u8; 32];

    #[inline]
    fn bytes(self) -> [u8; 32] {
        self.to_be_bytes()
    }

    #[inline]
    fn bits(self) -> u32 {
        let sign = if i256::is_negative(self) { i256::MINUS_ONE } else { i256::ZERO };
        257 - (self ^ sign).leading_zeros()
    }

    #[inline]
    fn is_negative(self) -> bool {
        i256::is_negative(self)
    }
}

// SPEC: Logical Types, Decimal: "two's-complement representation of the unscaled integer value in big-endian byte order".
impl<T: Wide> Leaf for Decimals<'_, T> {
    #[inline]
    fn len(&self, at: usize) -> Result<usize, String> {
        let value = self.0.get(at).copied().unwrap_or_default();
        let n = value.bits().div_ceil(8) as usize;
        match self.1 {
            None => Ok(1 + n),
            Some(size) if n <= size => Ok(size),
            Some(size) => Err(format!("a decimal takes {n} bytes, but its fixed has {size}")),
        }
    }

    #[inline]
    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        let value = self.0.get(at).copied().unwrap_or_default();
        let n = value.bits().div_ceil(8) as usize;
        let bytes = value.bytes();
        let bytes = bytes.as_ref();
        let digits = bytes.get(bytes.len().saturating_sub(n)..).unwrap_or_default();
        match self.1 {
            None => {
                let len = put_long_at(n as i64, to);
                len + put_bytes(digits, to.get_mut(len..).unwrap_or_default())
            }
            Some(size) => {
                let sign = if value.is_negative() { 0xff } else { 0 };
                let before = size.saturating_sub(n);
                to.iter_mut().take(before).for_each(|byte| *byte = sign);
                before + put_bytes(digits, to.get_mut(before..).unwrap_or_default())
            }
        }
    }
}

/// Durations, of months, days and milliseconds that are no less than none.
pub(super) struct Durations<'a>(pub(super) &'a ScalarBuffer<IntervalMonthDayNano>);

const NANOS_PER_MILLI: i64 = 1_000_000;

impl Durations<'_> {
    fn counts(&self, at: usize) -> Option<[u32; 3]> {
        let value = self.0.get(at)?;
        let millis = (value.nanoseconds % NANOS_PER_MILLI == 0).then_some(value.nanoseconds / NANOS_PER_MILLI)?;
        Some([u32::try_from(value.months).ok()?, u32::try_from(value.days).ok()?, u32::try_from(millis).ok()?])
    }
}

// SPEC: Logical Types, Duration: "three little-endian unsigned integers".
impl Leaf for Durations<'_> {
    fn len(&self, at: usize) -> Result<usize, String> {
        self.counts(at).map(|_| 12).ok_or_else(|| {
            "a duration has a negative part, parts of a millisecond, or more than 32 bits of them".to_owned()
        })
    }

    fn put(&self, at: usize, to: &mut [u8]) -> usize {
        let counts = self.counts(at).unwrap_or_default();
        for (to, count) in to.as_chunks_mut::<4>().0.iter_mut().zip(counts) {
            *to = count.to_le_bytes();
        }
        12
    }
}

/// Copies the bytes to the start of what has room for them.
#[inline]
pub(super) fn put_bytes(bytes: &[u8], to: &mut [u8]) -> usize {
    if let Some(to) = to.get_mut(..bytes.len()) {
        to.copy_from_slice(bytes);
    }
    bytes.len()
}
