//! Markers inside the last block of a byte range, where the search of the next range would find them.
//!
//! A range is read from the first marker in it. If the value of a block contains the marker and a whole block, a range
//! that begins inside that value reads rows that are not in the file. The range before it has the block from its start,
//! so it can look: if no marker begins between its end and the true end of its last block, the next range finds the
//! true one. The first range starts after the header, so all ranges are right if each has looked. No range needs to
//! know of another: they may be read by different processes.

use super::super::header::SYNC_LEN;
use super::{Frame, Framer};

impl Framer {
    /// Looks for markers inside the last block of the range, see [`hides_marker`](Self::hides_marker).
    #[must_use]
    pub fn with_end_check(self) -> Framer {
        Framer { checks_end: true, ..self }
    }

    /// Returns whether a marker begins inside a block, after the end of the range. The file cannot be read in ranges
    /// then. `false` without [`with_end_check`](Self::with_end_check).
    pub fn hides_marker(&self) -> bool {
        self.hides_marker
    }

    /// Looks into a block at this offset, whose frame begins at the current position.
    pub(super) fn look_into(&mut self, frame: Frame, offset: u64) {
        let end = offset + frame.len_with_data();
        if !self.checks_end || !self.owned || end <= self.range_end || self.hides_marker {
            return;
        }
        // From the marker before the block, which begins in the range, up to the last byte before a whole marker
        // follows at the true place.
        let mut bytes = self.sync.to_vec();
        bytes.resize(SYNC_LEN + frame.len + frame.size as usize + SYNC_LEN - 1, 0);
        if let Some(block) = bytes.get_mut(SYNC_LEN..) {
            self.pieces.peek(0, block);
        }
        let first = self.range_end.saturating_sub(offset.saturating_sub(SYNC_LEN as u64));
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        self.hides_marker = bytes.get(first..).is_some_and(|bytes| self.finder.find(bytes).is_some());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::container::Header;
    use crate::limits::Limits;
    use arrow_buffer::Buffer;

    const SYNC: &[u8; SYNC_LEN] = b"0123456789abcdef";

    /// A block of one row without compression: a count, a size, data and the marker.
    fn block(data: &[u8]) -> Vec<u8> {
        let size = u8::try_from(data.len() * 2).unwrap();
        [&[2, size], data, SYNC].concat()
    }

    /// Returns the blocks that a range has, and whether it hides a marker.
    fn read(file: &[u8], range: std::ops::Range<u64>) -> (Vec<u64>, bool) {
        let limits = Limits::default();
        let header = Header::parse(file, &limits).unwrap().unwrap();
        let mut framer = Framer::for_range(&header, range, file.len() as u64, &limits).with_end_check();
        let from = usize::try_from(framer.first_offset()).unwrap();
        framer.feed(Buffer::from(file[from..].to_vec()));
        framer.finish();
        let mut offsets = vec![];
        while let Ok(Some(block)) = framer.next_block() {
            offsets.push(block.offset);
        }
        (offsets, framer.hides_marker())
    }

    #[test]
    fn ranges_give_the_blocks_or_the_range_before_hides_a_marker() {
        let schema = br#"avro.schema"bytes""#;
        let (key, value) = schema.split_at(11);
        let header = [b"Obj\x01\x02\x16", key, b"\x0e", value, b"\0", SYNC].concat();
        let forged = block(b"\x04no");
        let inside = [b"xx", SYNC.as_slice(), &forged, b"y"].concat();
        // A value that ends where the true marker begins, and one that begins with the rest of a marker.
        let at_end = [b"zz".as_slice(), SYNC, &forged[..forged.len() - SYNC_LEN]].concat();
        let bodies: [&[u8]; 5] = [b"\x04ab", &inside, b"\x02c", &at_end, b"\x02d"];
        let file = [header, bodies.iter().flat_map(|body| block(body)).collect()].concat();
        let (all, _) = read(&file, 0..file.len() as u64);
        assert_eq!(all.len(), bodies.len());
        let mut hidden = 0;
        for cut in 1..file.len() as u64 {
            let (mut first, hides) = read(&file, 0..cut);
            let (second, _) = read(&file, cut..file.len() as u64);
            first.extend(second);
            assert!(hides || first == all, "cut at {cut}: {first:?}, not {all:?}");
            hidden += usize::from(hides);
        }
        // Only cuts inside the two values, up to their markers.
        assert!((1..=inside.len() + at_end.len()).contains(&hidden), "{hidden}");
    }
}
