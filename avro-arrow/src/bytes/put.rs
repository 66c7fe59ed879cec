//! Variable-length integers the other way: numbers in, bytes out, without a branch on how many.

/// Bytes that a `long` takes.
// SPEC: Binary encoding, Primitive Types: "int and long values are written using variable-length zig-zag coding."
#[inline]
pub(crate) fn long_len(value: i64) -> usize {
    // Seven bits to a byte: a division by 7 that holds for up to 64 bits, and 0 takes a byte too.
    let bits = 64 - (zig_zag(value) | 1).leading_zeros();
    ((bits * 37 + 222) >> 8) as usize
}

/// Writes a `long` at the start of `to`, which has room for it, and gives the bytes taken.
#[inline]
pub(crate) fn put_long_at(value: i64, to: &mut [u8]) -> usize {
    let (bits, len) = (zig_zag(value), long_len(value));
    if len > 8 {
        return put_wide(bits, to);
    }
    // Seven bits to a byte: halves, quarters and eighths are moved apart. All bytes but the last say that more follow.
    let word = (bits & 0x0fff_ffff) | ((bits & 0x00ff_ffff_f000_0000) << 4);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x0fff_c000_0fff_c000) << 2);
    let word = (word & 0x007f_007f_007f_007f) | ((word & 0x3f80_3f80_3f80_3f80) << 1);
    let more = 0x8080_8080_8080_8080 & ((1 << (8 * (len - 1))) - 1);
    let bytes = (word | more).to_le_bytes();
    match to.first_chunk_mut() {
        // What is written behind the value is written over by what follows.
        Some(eight) => *eight = bytes,
        None => to.iter_mut().zip(bytes).take(len).for_each(|(to, byte)| *to = byte),
    }
    len
}

/// Appends a `long`.
pub(crate) fn put_long(value: i64, out: &mut Vec<u8>) {
    let mut bytes = [0; 10];
    let len = put_long_at(value, &mut bytes);
    out.extend_from_slice(bytes.get(..len).unwrap_or_default());
}

#[inline]
fn zig_zag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cold]
fn put_wide(mut bits: u64, to: &mut [u8]) -> usize {
    let mut len = 0;
    for to in to {
        len += 1;
        *to = bits as u8 | 0x80;
        bits >>= 7;
        if bits == 0 {
            *to &= 0x7f;
            break;
        }
    }
    len
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::Cursor;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let edges = (0..64).flat_map(|bit| [1i64 << bit, (1i64 << bit).wrapping_sub(1)]);
        for value in edges.flat_map(|edge| [edge, edge.wrapping_neg(), edge ^ 0x5555]).chain([0, i64::MIN, i64::MAX]) {
            let len = long_len(value);
            for room in [len, len + 3, 16] {
                let mut out = vec![0xee; room];
                assert_eq!(put_long_at(value, &mut out), len, "{value}");
                let mut cursor = Cursor::new(&out[..len]);
                assert_eq!(cursor.long().unwrap(), value);
                assert_eq!(cursor.remaining(), 0);
            }
            let mut appended = vec![7];
            put_long(value, &mut appended);
            assert_eq!(appended.len(), len + 1);
        }
    }
}
