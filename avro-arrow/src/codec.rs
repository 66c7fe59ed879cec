//! Codecs: a block as it is stored goes in (`RawBlock`), the block decompressed comes out (`Block`).
//!
//! A block's size when decompressed is known only afterwards, and what a block claims of it cannot be trusted: outputs grow as
//! they fill, up to the limit on a block. Every output leaves room for the padding that `PaddedBytes` adds, so that nothing is
//! copied to add it. Next: the container, which makes the `RawBlock`s.

use crate::bytes::{PADDING, PaddedBytes};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use bzip2::Status as Bzip2Status;
use liblzma::stream::{Action, CONCATENATED, Error as XzError, Status as XzStatus, Stream as XzStream};
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective, get_error_name, get_frame_content_size};

/// How the blocks of a file are compressed.
// SPEC: Object Container Files, Required Codecs and Optional Codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    Null,
    /// Raw deflate (RFC 1951), without the zlib wrapper.
    Deflate,
    /// Snappy's raw format, with a checksum of the data behind it.
    Snappy,
    /// Zstandard frames.
    Zstandard,
    /// Bzip2 streams.
    Bzip2,
    /// Streams of the xz format.
    Xz,
}

/// One block of a file as it is stored.
#[derive(Debug, Clone)]
pub struct RawBlock {
    /// The number of rows in it, as the file says.
    pub rows: u64,
    /// Its bytes, compressed by the file's codec.
    pub data: PaddedBytes,
    /// Offset in the file at which its frame (count, size) begins.
    pub offset: u64,
    /// Offset in the file behind its sync marker.
    pub end: u64,
    /// Its index in what is read, from 0.
    pub index: u64,
}

/// One block of a file, decompressed.
#[derive(Debug, Clone)]
pub struct Block {
    /// The number of rows in it, as the file says.
    pub rows: u64,
    /// Its rows, one after the other.
    pub data: PaddedBytes,
    /// Offset in the file at which its frame (count, size) begins.
    pub offset: u64,
    /// Offset in the file behind its sync marker.
    pub end: u64,
    /// Its index in what is read, from 0.
    pub index: u64,
}

/// Decompresses the blocks of a file. What its codec needs is set up once and kept; each thread has its own.
pub struct Decompressor {
    context: Context,
    /// The most bytes that a block may have.
    max: usize,
    /// Bytes of the last block decompressed. Writers cut blocks at about the same size, so it foretells the next.
    last: usize,
}

enum Context {
    Null,
    Deflate(libdeflater::Decompressor),
    Snappy(snap::raw::Decoder),
    Zstandard(Option<DCtx<'static>>),
    // These two have nothing to keep: their libraries cannot start a context over.
    Bzip2,
    Xz,
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").field("max", &self.max).finish_non_exhaustive()
    }
}

/// A symbol of two bits can stand for 258 bytes in deflate: no stream grows by more.
pub(crate) const DEFLATE_RATIO_MAX: u64 = 1032;

/// A copy of three bytes can stand for 64 in snappy: no block grows by more.
pub(crate) const SNAPPY_RATIO_MAX: u64 = 22;

/// The dictionary of xz's highest preset is 64 MiB: a decoder may always use a little more than that, and up to the limit on a
/// block where that is higher.
const XZ_MEMORY_MIN: u64 = 128 << 20;

impl Codec {
    /// The codec with this name in `avro.codec`. Some writers say `zstd` for `zstandard`.
    pub fn from_name(name: &str) -> Option<Codec> {
        Some(match name {
            "null" => Codec::Null,
            "deflate" => Codec::Deflate,
            "snappy" => Codec::Snappy,
            "zstandard" | "zstd" => Codec::Zstandard,
            "bzip2" => Codec::Bzip2,
            "xz" => Codec::Xz,
            _ => return None,
        })
    }

    /// The specification's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Deflate => "deflate",
            Codec::Snappy => "snappy",
            Codec::Zstandard => "zstandard",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
        }
    }

    fn damaged(self, reason: impl Into<String>) -> Error {
        // The libraries say their own name first, which the error does too.
        let (codec, reason) = (self.name(), reason.into());
        let reason = match reason.strip_prefix(codec).and_then(|rest| rest.strip_prefix(": ")) {
            Some(rest) => rest.to_owned(),
            None => reason,
        };
        Error::new(ErrorKind::Codec { codec, reason })
    }
}

impl Decompressor {
    /// A decompressor for the blocks of files with this codec.
    pub fn new(codec: Codec, limits: &Limits) -> Self {
        let context = match codec {
            Codec::Null => Context::Null,
            Codec::Deflate => Context::Deflate(libdeflater::Decompressor::new()),
            Codec::Snappy => Context::Snappy(snap::raw::Decoder::new()),
            Codec::Zstandard => Context::Zstandard(None),
            Codec::Bzip2 => Context::Bzip2,
            Codec::Xz => Context::Xz,
        };
        Decompressor { context, max: block_bytes_max(limits), last: 0 }
    }

    /// The block, decompressed; under the codec null that is the same bytes, not copied.
    pub fn decompress(&mut self, block: RawBlock) -> Result<Block> {
        let RawBlock { rows, data, offset, end, index } = block;
        let data = match self.context {
            Context::Null => data,
            _ => self.data(&data).map_err(|e| {
                e.at(|p| {
                    p.offset = Some(offset);
                    p.block = Some(index);
                })
            })?,
        };
        Ok(Block { rows, data, offset, end, index })
    }

    fn data(&mut self, stored: &[u8]) -> Result<PaddedBytes> {
        let (max, expected) = (self.max, self.expected(stored));
        let mut out = match &mut self.context {
            Context::Null => stored.to_vec(),
            Context::Deflate(context) => deflate(context, stored, expected, max)?,
            Context::Snappy(context) => snappy(context, stored, max)?,
            Context::Zstandard(context) => zstandard(context, stored, expected, max)?,
            Context::Bzip2 => bzip2(stored, expected, max)?,
            Context::Xz => xz(stored, expected, max)?,
        };
        if out.len() > max {
            return Err(too_large(out.len() as u64, max));
        }
        self.last = out.len();
        // Arrays may keep the block alive for long, so an output that was foretold much too large gives the rest back.
        if out.capacity() - out.len() > out.len() / 4 + 4 * PADDING {
            out.shrink_to(out.len() + PADDING);
        }
        Ok(PaddedBytes::from_vec(out))
    }

    /// Bytes to start an output with, where nothing better is known: a little more than the last block, or a common ratio.
    fn expected(&self, stored: &[u8]) -> usize {
        let expected = if self.last > 0 { self.last + self.last / 8 } else { stored.len().saturating_mul(4) };
        expected.clamp(1024.min(self.max), self.max)
    }
}

/// The most bytes that a block may have, stored or decompressed. Arrow's views address a block by 31 bits.
pub(crate) fn block_bytes_max(limits: &Limits) -> usize {
    limits.block_bytes.min(i32::MAX as usize)
}

/// Bytes that a snappy block says it has when decompressed; `stored` needs no more than its first five bytes.
pub(crate) fn snappy_len(stored: &[u8]) -> Option<u64> {
    // SPEC (snappy's format description): "The stream starts with the uncompressed length [...] as a little-endian varint",
    // of at most 2^32 - 1. `snap` would take no bytes at all for a length of 0.
    if stored.is_empty() {
        return None;
    }
    snap::raw::decompress_len(stored).ok().map(|n| n as u64)
}

/// Bytes that the first frame of a zstandard block says it has when decompressed, where it says so; `stored` needs no more
/// than its first 18 bytes.
pub(crate) fn zstandard_len(stored: &[u8]) -> Option<u64> {
    get_frame_content_size(stored).ok().flatten()
}

/// The most bytes that zstandard data of this many bytes can stand for: its blocks have a header of three bytes and stand for
/// 128 KiB at most.
pub(crate) fn zstandard_len_max(stored_len: u64) -> u64 {
    (stored_len / 3).saturating_add(1).saturating_mul(128 << 10)
}

fn too_large(value: u64, max: usize) -> Error {
    Error::new(ErrorKind::Limit { limit: "block_bytes", value, max: max as u64 })
}

/// Makes room for more output: twice as much as there is, but no more than the limit and its padding. An output that has
/// passed the limit is an error.
fn grow(out: &mut Vec<u8>, max: usize) -> Result<()> {
    if out.len() > max {
        return Err(too_large(out.len() as u64, max));
    }
    if out.len() == out.capacity() {
        let room = out.len().max(1024).min(max - out.len() + PADDING);
        out.try_reserve_exact(room).map_err(|_| too_large((out.len() + room) as u64, max))?;
    }
    Ok(())
}

/// An empty output with room for so many bytes and padding.
fn with_room(expected: usize, max: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.try_reserve_exact(expected.min(max) + PADDING).map_err(|_| too_large(expected as u64, max))?;
    Ok(out)
}

// SPEC: Required Codecs, deflate: "the deflate algorithm as specified in RFC 1951 [...] does not include the checksum".
/// The library needs the whole output at once: where the room was too small it starts over with twice as much. Bytes behind
/// the last deflate block are ignored, as all other readers do.
fn deflate(context: &mut libdeflater::Decompressor, stored: &[u8], expected: usize, max: usize) -> Result<Vec<u8>> {
    let possible = stored.len().saturating_mul(DEFLATE_RATIO_MAX as usize).min(max);
    let mut room = expected.min(possible);
    loop {
        let mut out = vec![0; room + PADDING];
        match context.deflate_decompress(stored, out.get_mut(..room).unwrap_or_default()) {
            Ok(n) => {
                out.truncate(n);
                return Ok(out);
            }
            Err(libdeflater::DecompressionError::BadData) => {
                return Err(Codec::Deflate.damaged("it is not a deflate stream"));
            }
            Err(libdeflater::DecompressionError::InsufficientSpace) if room < possible => {
                room = room.saturating_mul(2).min(possible);
            }
            Err(libdeflater::DecompressionError::InsufficientSpace) if possible < max => {
                return Err(Codec::Deflate.damaged("it grows by more than deflate can"));
            }
            Err(libdeflater::DecompressionError::InsufficientSpace) => {
                return Err(too_large((max as u64).saturating_add(1), max));
            }
        }
    }
}

// SPEC: Optional Codecs, snappy: "Each compressed block is followed by the 4-byte, big-endian CRC32 checksum of the
// uncompressed data in the block."
fn snappy(context: &mut snap::raw::Decoder, stored: &[u8], max: usize) -> Result<Vec<u8>> {
    let (stored, checksum) =
        stored.split_last_chunk().ok_or_else(|| Codec::Snappy.damaged("it is shorter than its checksum"))?;
    let len = snappy_len(stored).ok_or_else(|| Codec::Snappy.damaged("it does not start with its length"))?;
    if len > max as u64 {
        return Err(too_large(len, max));
    }
    if len > SNAPPY_RATIO_MAX.saturating_mul(stored.len() as u64) {
        return Err(Codec::Snappy.damaged(format!("{} bytes cannot hold the {len} that it claims", stored.len())));
    }
    let len = len as usize; // at most `max`
    let mut out = vec![0; len + PADDING];
    let n = context
        .decompress(stored, out.get_mut(..len).unwrap_or_default())
        .map_err(|e| Codec::Snappy.damaged(e.to_string()))?;
    out.truncate(n);
    let (stored, computed) = (u32::from_be_bytes(*checksum), crc32fast::hash(&out));
    if stored != computed {
        return Err(Error::new(ErrorKind::Checksum { stored, computed }));
    }
    Ok(out)
}

/// One or more frames. A frame's size is taken for a hint where its bytes could be that many.
fn zstandard(kept: &mut Option<DCtx<'static>>, stored: &[u8], expected: usize, max: usize) -> Result<Vec<u8>> {
    let damaged = |code| Codec::Zstandard.damaged(get_error_name(code));
    if kept.is_none() {
        *kept = DCtx::try_create();
    }
    let Some(context) = kept else {
        return Err(Error::new(ErrorKind::Io(std::io::ErrorKind::OutOfMemory.into())));
    };
    let expected = match zstandard_len(stored) {
        Some(len) if len > max as u64 => return Err(too_large(len, max)),
        Some(len) if len <= zstandard_len_max(stored.len() as u64) => len as usize, // at most `max`
        _ => expected,
    };
    context.reset(ResetDirective::SessionOnly).map_err(damaged)?;
    let mut out = with_room(expected, max)?;
    let mut input = InBuffer::around(stored);
    loop {
        grow(&mut out, max)?;
        let (at, len) = (input.pos(), out.len());
        let more = context.decompress_stream(&mut OutBuffer::around_pos(&mut out, len), &mut input).map_err(damaged)?;
        if more == 0 && input.pos() == stored.len() {
            return Ok(out);
        }
        // Nothing moved although there was room: the last frame is not whole.
        if input.pos() == at && out.len() == len && out.capacity() > len {
            return Err(Codec::Zstandard.damaged("its last frame is cut"));
        }
    }
}

/// One or more streams.
fn bzip2(stored: &[u8], expected: usize, max: usize) -> Result<Vec<u8>> {
    let damaged = |e: bzip2::Error| Codec::Bzip2.damaged(e.to_string());
    let mut out = with_room(expected, max)?;
    let mut rest = stored;
    loop {
        let mut context = bzip2::Decompress::new(false);
        loop {
            grow(&mut out, max)?;
            let (before, len) = (context.total_in(), out.len());
            let status = context.decompress_vec(rest, &mut out).map_err(damaged)?;
            let read = context.total_in() - before;
            rest = rest.get(read as usize..).unwrap_or_default(); // never more than it was given
            if status == Bzip2Status::StreamEnd {
                break;
            }
            if read == 0 && out.len() == len {
                return Err(Codec::Bzip2.damaged("its last stream is cut"));
            }
        }
        if rest.is_empty() {
            return Ok(out);
        }
    }
}

/// One or more streams.
fn xz(stored: &[u8], expected: usize, max: usize) -> Result<Vec<u8>> {
    let memory = XZ_MEMORY_MIN.max(max as u64);
    let damaged = |e: XzError| match e {
        XzError::MemLimit => too_large(memory.saturating_add(1), max),
        e => Codec::Xz.damaged(e.to_string()),
    };
    let mut out = with_room(expected, max)?;
    let mut context = XzStream::new_stream_decoder(memory, CONCATENATED).map_err(damaged)?;
    let mut rest = stored;
    loop {
        grow(&mut out, max)?;
        let (before, len) = (context.total_in(), out.len());
        let status = context.process_vec(rest, &mut out, Action::Finish).map_err(damaged)?;
        let read = context.total_in() - before;
        rest = rest.get(read as usize..).unwrap_or_default(); // never more than it was given
        if status == XzStatus::StreamEnd {
            return Ok(out);
        }
        if read == 0 && out.len() == len && status == XzStatus::MemNeeded {
            return Err(Codec::Xz.damaged("its last stream is cut"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::container::testing::compress;

    const ALL: [Codec; 6] = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz];

    fn limits(block_bytes: usize) -> Limits {
        Limits { block_bytes, ..Limits::default() }
    }

    fn raw(stored: &[u8]) -> RawBlock {
        RawBlock { rows: 3, data: PaddedBytes::from_vec(stored.to_vec()), offset: 100, end: 200, index: 7 }
    }

    /// The data, or the error's text.
    fn run(codec: Codec, max: usize, stored: &[u8]) -> Result<Vec<u8>, String> {
        let block = Decompressor::new(codec, &limits(max)).decompress(raw(stored)).map_err(|e| e.to_string())?;
        assert_eq!((block.rows, block.offset, block.index), (3, 100, 7));
        Ok(block.data.to_vec())
    }

    /// Bytes that compress a little.
    fn noise(n: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 26) as u8
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn names() {
        for codec in ALL {
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Codec::from_name("zstd"), Some(Codec::Zstandard));
        assert_eq!(Codec::from_name("lz4"), None);
        assert_eq!(Codec::from_name(""), None);
    }

    #[test]
    fn round_trips_with_one_context() {
        for codec in ALL {
            let mut context = Decompressor::new(codec, &Limits::default());
            for n in [100, 0, 1, 70_000, 3, 1_000_000, 5] {
                for data in [noise(n), vec![7; n]] {
                    let block = context.decompress(raw(&compress(codec, &data))).unwrap();
                    assert!(*block.data == *data, "{codec:?} {n}");
                }
            }
        }
    }

    #[test]
    fn the_limit_is_exact() {
        for codec in ALL {
            for n in [1, 1000, 1024, 5000, 100_000] {
                for data in [noise(n), vec![7; n]] {
                    let stored = compress(codec, &data);
                    assert!(run(codec, n, &stored).is_ok_and(|found| found == data), "{codec:?} {n}");
                    if codec == Codec::Null {
                        continue; // the framer has checked its size
                    }
                    let e = Decompressor::new(codec, &limits(n - 1)).decompress(raw(&stored)).unwrap_err();
                    let is_limit =
                        matches!(e.kind(), ErrorKind::Limit { limit: "block_bytes", max, .. } if *max == n as u64 - 1);
                    assert!(is_limit, "{codec:?} {n}: {e}");
                    assert_eq!((e.position().offset, e.position().block), (Some(100), Some(7)));
                }
            }
        }
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        for codec in ALL.into_iter().skip(1) {
            let stored = compress(codec, &vec![0; 64 << 20]);
            let found = run(codec, 1 << 20, &stored).unwrap_err();
            assert!(found.contains("`block_bytes` allows (1048576)"), "{codec:?}: {found}");
        }
    }

    #[test]
    fn several_frames_or_streams_in_a_block() {
        let (a, b) = (noise(5000), vec![1; 3000]);
        for codec in [Codec::Zstandard, Codec::Bzip2, Codec::Xz] {
            let stored = [compress(codec, &a), compress(codec, b""), compress(codec, &b)].concat();
            assert_eq!(run(codec, 8000, &stored), Ok([a.clone(), b.clone()].concat()), "{codec:?}");
            assert!(run(codec, 7999, &stored).is_err());
        }
        // Writers that stream do not say how long a frame is.
        let stored = zstd::stream::encode_all(a.as_slice(), 3).unwrap();
        assert_eq!(zstandard_len(&stored), None);
        assert_eq!(run(Codec::Zstandard, 5000, &stored), Ok(a));
    }

    #[test]
    fn damage_never_gives_other_data() {
        let data = noise(300);
        for codec in ALL.into_iter().skip(1) {
            let stored = compress(codec, &data);
            for len in 0..stored.len() {
                let found = run(codec, 1000, &stored[..len]);
                assert!(found.is_err(), "{codec:?} cut at {len} of {}", stored.len());
            }
            for at in 0..stored.len() {
                let mut stored = stored.clone();
                stored[at] ^= 0x10;
                // Deflate, and zstandard as it is written here, have no checksum: other data is all that can be had.
                let found = run(codec, 1000, &stored);
                let checked = !matches!(codec, Codec::Deflate | Codec::Zstandard);
                assert!(!checked || found.is_err() || found.is_ok_and(|f| f == data), "{codec:?} {at}");
            }
        }
    }

    #[test]
    fn damage() {
        let deflated = compress(Codec::Deflate, b"some text");
        let checksum_wrong = {
            let mut stored = compress(Codec::Snappy, b"some text");
            *stored.last_mut().unwrap() ^= 1;
            stored
        };
        let at = "(block 7, file offset 100)";
        type Want = Result<&'static [u8], &'static str>;
        let cases: [(Codec, Vec<u8>, Want); 14] = [
            (Codec::Deflate, [&deflated[..], b"more"].concat(), Ok(b"some text")),
            (Codec::Deflate, vec![], Err("damaged deflate block: it is not a deflate stream")),
            (Codec::Deflate, vec![0xff; 20], Err("damaged deflate block: it is not a deflate stream")),
            (Codec::Snappy, vec![1, 2], Err("damaged snappy block: it is shorter than its checksum")),
            (Codec::Snappy, vec![0; 4], Err("damaged snappy block: it does not start with its length")),
            (Codec::Snappy, vec![0; 5], Ok(b"")),
            (
                Codec::Snappy,
                vec![0xe7, 7, 0, 0, 0, 0],
                Err("damaged snappy block: 2 bytes cannot hold the 999 that it claims"),
            ),
            (
                Codec::Snappy,
                vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0],
                Err(
                    "4294967295 is more than the limit `block_bytes` allows (1000); raise it if the data is to be trusted",
                ),
            ),
            (
                Codec::Snappy,
                checksum_wrong,
                Err("damaged snappy block: checksum 4fbabdba of its data is not 4fbabdbb as stored"),
            ),
            (Codec::Zstandard, vec![], Err("damaged zstandard block: its last frame is cut")),
            (Codec::Zstandard, b"garbage".to_vec(), Err("damaged zstandard block: Unknown frame descriptor")),
            (Codec::Bzip2, vec![], Err("damaged bzip2 block: its last stream is cut")),
            (Codec::Bzip2, b"garbage".to_vec(), Err("damaged bzip2 block: bz2 header missing")),
            (Codec::Xz, vec![], Err("damaged xz block: its last stream is cut")),
        ];
        for (codec, stored, want) in cases {
            let want = want.map(<[u8]>::to_vec).map_err(|text| format!("{text} {at}"));
            assert_eq!(run(codec, 1000, &stored), want, "{codec:?} {stored:?}");
        }
    }

    #[test]
    fn null_is_not_copied() {
        let block = raw(&[1; 100]);
        let at = block.data.as_ptr();
        let block = Decompressor::new(Codec::Null, &Limits::default()).decompress(block).unwrap();
        assert_eq!(block.data.as_ptr(), at);
    }
}
