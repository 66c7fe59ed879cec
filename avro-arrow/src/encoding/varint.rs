//! Writes variable-length integers without a branch on their length.

/// The length of an encoded `long`.
// SPEC: Binary encoding, Primitive Types: "int and long values are written using variable-length zig-zag coding."
#[inline]
fn long_len(value: i64) -> usize {
    // Seven bits to a byte: a division by 7 that is exact up to 64 bits; 0 takes a byte too.
    let bits = 64 - (zig_zag(value) | 1).leading_zeros();
    ((bits * 37 + 222) >> 8) as usize
}

/// The bytes of a `long`, the first lowest, and their number, at most ten.
#[inline]
pub(crate) fn long_word(value: i64) -> (u128, usize) {
    let (word, len) = short_long_word(value);
    if len <= 8 {
        return (word.into(), len);
    }
    let bits = zig_zag(value);
    let first = u128::from(sevens(bits) | 0x8080_8080_8080_8080);
    let rest = u128::from(bits >> 56);
    let last = if len == 9 { rest } else { (rest & 0x7f) | 0x80 | ((rest >> 7) << 8) };
    (first | (last << 64), len)
}

/// [`long_word`] for values of at most eight bytes; for others, only the length is valid.
#[inline]
pub(crate) fn short_long_word(value: i64) -> (u64, usize) {
    let len = long_len(value);
    // All bytes but the last have the continuation bit.
    let more = 0x0080_8080_8080_8080 >> (64_usize.wrapping_sub(8 * len) & 63);
    (sevens(zig_zag(value)) | more, len)
}

/// Appends a `long`.
pub fn put_long(value: i64, out: &mut Vec<u8>) {
    let (word, len) = long_word(value);
    out.extend_from_slice(word.to_le_bytes().get(..len).unwrap_or_default());
}

/// Spreads the first 56 bits, seven to a byte, by moving halves, quarters and eighths apart.
#[inline]
fn sevens(bits: u64) -> u64 {
    let word = (bits & 0x0fff_ffff) | ((bits & 0x00ff_ffff_f000_0000) << 4);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x0fff_c000_0fff_c000) << 2);
    (word & 0x007f_007f_007f_007f) | ((word & 0x3f80_3f80_3f80_3f80) << 1)
}

#[inline]
fn zig_zag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::Cursor;
    use super::*;

    #[test]
    fn put_long_is_read_back_by_cursor() {
        let edges = (0..64).flat_map(|bit| [1i64 << bit, (1i64 << bit).wrapping_sub(1)]);
        for value in edges.flat_map(|edge| [edge, edge.wrapping_neg(), edge ^ 0x5555]).chain([0, i64::MIN, i64::MAX]) {
            let len = long_len(value);
            let mut appended = vec![7];
            put_long(value, &mut appended);
            assert_eq!(appended.len(), len + 1);
            let mut cursor = Cursor::new(&appended[1..]);
            assert_eq!(cursor.long().unwrap(), value);
            assert_eq!(cursor.remaining(), 0);
        }
    }
}
