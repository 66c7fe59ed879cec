//! Decompresses Snappy's raw format.
//!
//! A block begins with its decompressed length. Then come literals, which are bytes as they are, and copies of earlier
//! bytes, each after a tag byte with its kind and length. In tables of rows a tag stands for about six bytes, and
//! whether the next is a literal or a copy is hard to predict: mispredicted branches dominate the cost. So this does
//! not branch: it copies 32 bytes from either source, and the next copy overwrites the surplus; and it reads the next
//! tag from both places where it might be before it knows which is right. (`benches/README.md`: 1.5 times as fast as
//! the `snap` crate.) There is no `unsafe`: bounds checks never fail in a valid block, and so cost little.

use super::{Codec, SNAPPY_RATIO_MAX, too_large};
use crate::encoding::PADDING;
use crate::error::{Error, ErrorKind, Result};
use std::hint::{cold_path, select_unpredictable};

/// Writable bytes needed after the output.
pub(super) const SLACK: usize = 64;

/// Bytes copied at once.
const CHUNK: usize = 32;

/// A tag and two chunks after it, which hold the longest literal of a single tag byte; and one byte more, so that no
/// next tag needs a check.
const WINDOW: usize = 1 + 2 * CHUNK + 1;

// SPEC (snappy's format description): the lower two bits of a tag.
const LITERAL: u8 = 0;
const COPY_OFFSET_11_BITS: u8 = 1;
const COPY_OFFSET_16_BITS: u8 = 2;

/// Why a block cannot be decompressed.
pub(super) type Reason = &'static str;

const CUT: Reason = "the last value is truncated";
const TOO_LONG: Reason = "it decompresses to more bytes than it states";

/// The meaning of a tag.
#[derive(Clone, Copy)]
struct Tag {
    /// Number of its bytes.
    len: u8,
    /// Distance to the source of a copy, without the part in the bytes after the tag, which this mask selects. For a
    /// literal it is the length, so that it looks like a valid copy.
    offset: u32,
    mask: u16,
}

/// Rare tags get an impossible offset, which sends them to the slow path.
const TAGS: [Tag; 256] = {
    let mut tags = [Tag { len: 1, offset: u32::MAX, mask: 0 }; 256];
    let mut tag = 0;
    while tag < tags.len() {
        let upper = tag as u8 >> 2;
        match tag as u8 & 3 {
            LITERAL if upper < 60 => tags[tag] = Tag { len: upper + 1, offset: upper as u32 + 1, mask: 0 },
            COPY_OFFSET_11_BITS => {
                tags[tag] = Tag { len: 4 + (upper & 7), offset: (upper as u32 >> 3) << 8, mask: 0xff };
            }
            COPY_OFFSET_16_BITS => tags[tag] = Tag { len: upper + 1, offset: 0, mask: 0xffff },
            _ => {}
        }
        tag += 1;
    }
    tags
};

/// The decompressed length that a block states, and the number of bytes of that statement; its first five bytes are
/// enough.
// SPEC (snappy's format description): "The stream starts with the uncompressed length [...], stored as a little-endian
// varint", of at most 2^32 - 1.
pub(super) fn stated_len(stored: &[u8]) -> Option<(u32, usize)> {
    let mut len = 0u64;
    for (at, byte) in stored.iter().take(5).enumerate() {
        len |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(len).ok()?, at + 1));
        }
    }
    None
}

// SPEC: Optional Codecs, snappy: "Each compressed block is followed by the 4-byte, big-endian CRC32 checksum of the
// uncompressed data in the block."
pub(super) fn decompress_block(stored: &[u8], max: usize) -> Result<Vec<u8>> {
    let (stored, checksum) =
        stored.split_last_chunk().ok_or_else(|| Codec::Snappy.damaged("it is shorter than its checksum"))?;
    let (len, tags) = stated_len(stored).ok_or_else(|| Codec::Snappy.damaged("it does not start with its length"))?;
    let len = u64::from(len);
    if len > max as u64 {
        return Err(too_large(len, max));
    }
    if len > SNAPPY_RATIO_MAX.saturating_mul(stored.len() as u64) {
        return Err(Codec::Snappy.damaged(format!("{} bytes cannot decompress to the stated {len}", stored.len())));
    }
    let len = len as usize; // at most `max`
    const { assert!(SLACK <= PADDING) };
    let mut out = vec![0; len + PADDING];
    let tags = stored.get(tags..).unwrap_or_default();
    decompress(tags, &mut out, len).map_err(|reason| Codec::Snappy.damaged(reason))?;
    out.truncate(len);
    let (stored, computed) = (u32::from_be_bytes(*checksum), crc32fast::hash(&out));
    if stored != computed {
        return Err(Error::new(ErrorKind::Checksum { stored, computed }));
    }
    Ok(out)
}

/// Decompresses the bytes after the length of a block into the first `len` bytes of `out`, which has [`SLACK`] more.
pub(super) fn decompress(tags: &[u8], out: &mut [u8], len: usize) -> Result<(), Reason> {
    let mut place = Place { from: 0, to: 0 };
    quick(tags, out, len, &mut place)?;
    while place.from < tags.len() {
        step(tags, out, len, &mut place)?;
    }
    match place.to == len {
        true => Ok(()),
        false if place.to > len => Err(TOO_LONG),
        false => Err("it decompresses to fewer bytes than it states"),
    }
}

/// The offsets of the next tag and of its output.
struct Place {
    from: usize,
    to: usize,
}

/// Decompresses all but the end. The last copy may write a few bytes too many.
fn quick(tags: &[u8], out: &mut [u8], len: usize, place: &mut Place) -> Result<(), Reason> {
    let Place { mut from, mut to } = *place;
    let mut tag = tags.first().copied().unwrap_or_default();
    while to < len {
        let Some(window) = tags.get(from..).and_then(<[u8]>::first_chunk::<WINDOW>) else { break };
        let (kind, upper) = (usize::from(tag & 3), usize::from(tag >> 2));
        let is_copy = kind != usize::from(LITERAL);
        let of_copy = window.get(kind + 1).copied().unwrap_or_default();
        let of_literal = window.get(upper + 2).copied().unwrap_or_default();

        let Tag { len: n, offset, mask } = TAGS[usize::from(tag)];
        let [_, low, high, ..] = *window;
        let n = usize::from(n);
        let offset = offset as usize + usize::from(u16::from_le_bytes([low, high]) & mask);
        if offset < n || offset > to {
            cold_path();
            *place = Place { from, to };
            step(tags, out, len, place)?;
            Place { from, to } = *place;
            tag = tags.get(from).copied().unwrap_or_default();
            continue;
        }
        if put(window, out, is_copy, offset, to, 0).is_none() {
            break;
        }
        if n > CHUNK {
            cold_path();
            if put(window, out, is_copy, offset, to, CHUNK).is_none() {
                break;
            }
        }
        to += n;
        from += select_unpredictable(is_copy, kind + 1, upper + 2);
        tag = select_unpredictable(is_copy, of_copy, of_literal);
    }
    *place = Place { from, to };
    Ok(())
}

/// Copies a chunk of a literal, or of earlier output, from `at` on.
#[inline(always)]
fn put(window: &[u8; WINDOW], out: &mut [u8], is_copy: bool, offset: usize, to: usize, at: usize) -> Option<()> {
    let literal = window.get(1 + at..)?.first_chunk::<CHUNK>()?;
    let copied = out.get(to - offset + at..)?.first_chunk::<CHUNK>()?;
    let chunk = *select_unpredictable(is_copy, copied, literal);
    *out.get_mut(to + at..)?.first_chunk_mut()? = chunk;
    Some(())
}

/// Processes any one tag.
#[inline(never)]
fn step(tags: &[u8], out: &mut [u8], len: usize, place: &mut Place) -> Result<(), Reason> {
    let rest = tags.get(place.from..).unwrap_or_default();
    let (tag, rest) = rest.split_first().ok_or(CUT)?;
    let upper = usize::from(tag >> 2);
    let left = len.checked_sub(place.to).ok_or(TOO_LONG)?;
    // A number of `n` bytes after the tag.
    let number = |n: usize| -> Result<usize, Reason> {
        let bytes = rest.get(..n).ok_or(CUT)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    };
    let (n, offset, behind) = match tag & 3 {
        LITERAL => {
            let n_bytes = upper.saturating_sub(59);
            let n = if n_bytes > 0 { number(n_bytes)? } else { upper } + 1;
            let literal = rest.get(n_bytes..).and_then(|rest| rest.get(..n)).ok_or(CUT)?;
            let to = out.get_mut(place.to..place.to + n.min(left)).unwrap_or_default();
            if n > left {
                return Err(TOO_LONG);
            }
            to.copy_from_slice(literal);
            *place = Place { from: place.from + 1 + n_bytes + n, to: place.to + n };
            return Ok(());
        }
        COPY_OFFSET_11_BITS => (4 + (upper & 7), ((upper >> 3) << 8) | number(1)?, 1),
        COPY_OFFSET_16_BITS => (upper + 1, number(2)?, 2),
        _ => (upper + 1, number(4)?, 4),
    };
    if offset == 0 || offset > place.to {
        return Err("it copies from before its first byte");
    }
    if n > left {
        return Err(TOO_LONG);
    }
    // If the source overlaps the output, the bytes repeat: twice as many each time.
    let first = place.to - offset;
    let mut done = 0;
    while done < n {
        let more = (offset + done).min(n - done);
        out.copy_within(first..first + more, place.to + done);
        done += more;
    }
    *place = Place { from: place.from + 1 + behind, to: place.to + n };
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::Rng;
    use avro_testing::check_all;

    /// Decompresses with a library of the same format.
    fn expected(stored: &[u8]) -> Option<Vec<u8>> {
        snap::raw::Decoder::new().decompress_vec(stored).ok()
    }

    fn found(stored: &[u8]) -> Option<Vec<u8>> {
        let (len, at) = stated_len(stored)?;
        let len = len as usize;
        let mut out = vec![0; len + SLACK];
        decompress(&stored[at..], &mut out, len).ok()?;
        out.truncate(len);
        Some(out)
    }

    /// Bytes that partly repeat earlier ones, near or far.
    fn text(rng: &mut Rng) -> Vec<u8> {
        let mut bytes = vec![];
        let wanted = rng.pick(0, &[1, 10, 100, 1000, 70_000]);
        while bytes.len() < wanted {
            let longest = rng.pick(4, &[12, 40, 80, 500]);
            let n = 1 + rng.below(longest);
            let furthest = bytes.len().min(rng.pick(1, &[3, 50, 3000, 70_000]));
            match bytes.len() {
                0 => bytes.push(7),
                len if rng.below(2) == 0 => {
                    let first = len - 1 - rng.below(furthest);
                    (0..n).for_each(|i| bytes.push(bytes[first + i]));
                }
                _ => (0..n).for_each(|_| bytes.push(rng.below(256) as u8)),
            }
        }
        bytes
    }

    #[test]
    fn decompress_of_valid_and_damaged_equals_other_library() {
        let mut rng = Rng::new(1);
        for _ in 0..300 {
            let text = text(&mut rng);
            let mut stored = snap::raw::Encoder::new().compress_vec(&text).unwrap();
            assert!(found(&stored).is_some_and(|found| found == text));
            // Damaged blocks are rejected where the library rejects them, and else give the same output.
            for _ in 0..30 {
                let at = rng.below(stored.len());
                let before = stored[at];
                stored[at] = rng.below(256) as u8;
                if stated_len(&stored).is_none_or(|(len, _)| len < 1 << 20) {
                    assert!(found(&stored) == expected(&stored), "{stored:?}");
                }
                stored[at] = before;
                assert!(at == 0 || found(&stored[..at]) == expected(&stored[..at]));
            }
        }
    }

    #[test]
    fn decompress_of_random_tags_equals_other_library() {
        // Also tags that no compressor writes.
        let mut rng = Rng::new(2);
        let mut good = 0;
        for _ in 0..20_000 {
            let (mut stored, mut len) = (vec![], 0);
            for _ in 0..rng.below(60) {
                let n = 1 + rng.below(64);
                let furthest = rng.pick(1, &[4, 40, 400]).min(len + 1);
                let offset = 1 + rng.below(furthest);
                match rng.below(6) {
                    0 => stored.extend([(3 + ((n - 1) << 2)) as u8, offset as u8, (offset >> 8) as u8, 0, 0]),
                    1 | 2 => stored.extend([(2 + ((n - 1) << 2)) as u8, offset as u8, (offset >> 8) as u8]),
                    3 if n < 8 => {
                        stored.extend([(1 + (n << 2) + ((offset >> 8) << 5)) as u8, offset as u8]);
                        len += 4;
                        len += n;
                        continue;
                    }
                    4 => {
                        stored.extend([61 << 2, (n - 1) as u8, 0]);
                        stored.extend((0..n).map(|_| rng.below(256) as u8));
                    }
                    _ => {
                        let n = n.min(60);
                        stored.push(((n - 1) << 2) as u8);
                        stored.extend((0..n).map(|_| rng.below(256) as u8));
                        len += n;
                        continue;
                    }
                }
                len += n;
            }
            let len = len + if rng.below(10) == 0 { rng.below(3) } else { 0 };
            let mut head = vec![];
            let mut left = len;
            while left > 127 {
                head.push((left & 127) as u8 | 128);
                left >>= 7;
            }
            head.push(left as u8);
            head.extend(stored);
            let expected = expected(&head);
            good += usize::from(expected.is_some());
            assert!(found(&head) == expected, "{head:?}");
        }
        assert!(good > 5000, "{good}");
    }

    #[test]
    fn stated_len_reads_varints_of_32_bits() {
        let cases = [
            (&[][..], None),
            (&[0], Some((0, 1))),
            (&[0x7f, 9], Some((127, 1))),
            (&[0xe7, 7], Some((999, 2))),
            (&[0x80], None),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Some((u32::MAX, 5))),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], None),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0], None),
        ];
        check_all(cases, |(stored, expected)| {
            assert_eq!(stated_len(stored), expected, "{stored:?}");
        });
    }
}
