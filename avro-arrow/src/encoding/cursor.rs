//! A checked cursor over a slice: the simple way to read Avro's primitives, for everything but the hot loop.

use crate::error::Fault;

/// Reads values from the front of a slice and tracks its offset.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// Number of bytes read so far.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Number of bytes left.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Takes the next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(n).ok_or(Fault::End)?;
        let taken = self.bytes.get(self.at..end).ok_or(Fault::End)?;
        self.at = end;
        Ok(taken)
    }

    /// Takes the next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::End)
    }

    // SPEC: Binary Encoding, Primitive Types: "int and long values are written using variable-length zig-zag coding".
    /// Reads a zig-zag varint of at most ten bytes and 64 bits. On a fault the cursor does not move.
    pub(crate) fn long(&mut self) -> Result<i64, Fault> {
        let mut bits = 0u64;
        let mut ahead = self.clone();
        for shift in (0..64).step_by(7) {
            let [byte] = ahead.array()?;
            if shift == 63 && byte > 1 {
                return Err(Fault::Varint);
            }
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                *self = ahead;
                return Ok((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
        }
        Err(Fault::Varint)
    }

    /// Reads a long within 32 bits.
    pub(crate) fn int(&mut self) -> Result<i32, Fault> {
        let at = self.at;
        let value = self.long()?;
        i32::try_from(value).map_err(|_| {
            self.at = at;
            Fault::IntRange(value)
        })
    }

    /// Reads a boolean: one byte, 0 or 1.
    pub(crate) fn boolean(&mut self) -> Result<bool, Fault> {
        let at = self.at;
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => {
                self.at = at;
                Err(Fault::Boolean(other))
            }
        }
    }

    /// Reads a length, then that many bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let at = self.at;
        let result = self.long().and_then(|len| {
            let len = u64::try_from(len).map_err(|_| Fault::NegativeLength(len))?;
            self.take(usize::try_from(len).map_err(|_| Fault::End)?)
        });
        if result.is_err() {
            self.at = at;
        }
        result
    }

    /// Reads the head of a block of an array or map: its item count, and its size in bytes if it is given.
    // SPEC: Complex Types, Arrays: "If a block's count is negative, its absolute value is used, and the count is
    // followed immediately by a long block size".
    pub(crate) fn item_block(&mut self) -> Result<(u64, Option<u64>), Fault> {
        let at = self.at;
        let count = self.long()?;
        if count >= 0 {
            return Ok((count.unsigned_abs(), None));
        }
        if count == i64::MIN {
            self.at = at;
            return Err(Fault::ItemCount(count));
        }
        let size = self.long()?;
        let bytes = u64::try_from(size).map_err(|_| Fault::ItemBytes { stated: size, found: 0 })?;
        if bytes > self.remaining() as u64 {
            self.at = at;
            return Err(Fault::End);
        }
        Ok((count.unsigned_abs(), Some(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn cursor_long_reads_varints_and_refuses_long_ones() {
        let cases: [(&[u8], Result<i64, Fault>); 11] = [
            (&[0], Ok(0)),
            (&[1], Ok(-1)),
            (&[2], Ok(1)),
            (&[0x80, 0x01], Ok(64)),
            (&[0x80, 0x00], Ok(0)), // longer than needed, but of ten bytes at most
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Ok(i64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Ok(i64::MIN)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], Err(Fault::Varint)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0], Err(Fault::Varint)),
            (&[0x80], Err(Fault::End)),
            (&[], Err(Fault::End)),
        ];
        check_all(cases, |(bytes, want)| {
            let mut cursor = Cursor::new(bytes);
            assert_eq!(cursor.long(), want, "{bytes:?}");
            assert_eq!(cursor.at(), if want.is_ok() { bytes.len() } else { 0 }, "{bytes:?}");
        });
    }

    #[test]
    fn cursor_item_block_reads_counts_and_sizes() {
        assert_eq!(Cursor::new(&[6]).item_block(), Ok((3, None)));
        assert_eq!(Cursor::new(&[5, 4, 0, 0]).item_block(), Ok((3, Some(2))));
        assert_eq!(Cursor::new(&[5, 4, 0]).item_block(), Err(Fault::End));
        let min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Cursor::new(&min).item_block(), Err(Fault::ItemCount(i64::MIN)));
    }
}
