//! Codecs: a block as it is stored goes in (`RawBlock`), the block decompressed comes out (`Block`).
//!
//! A block's size when decompressed is known only afterwards, and what a block claims of it cannot be trusted: outputs grow as
//! they fill, up to the limit on a block. Every output leaves room for the padding that `PaddedBytes` adds, so that nothing is
//! copied to add it. An output that might be large is decompressed twice, the first time to see how large it is, with nothing kept:
//! so what a bomb takes is time, up to the limit, and no memory. Next: the container, which makes the `RawBlock`s.

mod compress;
mod deflate_len;
mod snappy;
#[cfg(test)]
mod tests;

use crate::encoding::{PADDING, PaddedBytes};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use bzip2::Status as Bzip2Status;
pub use compress::Compressor;
use deflate_len::{Refused, deflate_len};
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
    Snappy,
    Zstandard(Option<DCtx<'static>>),
    // These have nothing to keep: snappy has no context, and the others' libraries cannot start one over.
    Bzip2,
    Xz,
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").field("max", &self.max).finish_non_exhaustive()
    }
}

/// Outputs beyond this are counted before they are kept, unless the size is foretold. Writers close blocks far below.
const COUNTED_ABOVE: usize = 16 << 20;

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

    /// How many bytes a block of so many stored ones says it has when decompressed; `start` are the first of them, of which 18 are
    /// enough. Nobody has checked it. None where the codec's format does not say so in advance; of zstandard it is the first frame's
    /// word, and few writers make more than one.
    pub fn stated_len(self, start: &[u8], stored_len: u64) -> Option<u64> {
        match self {
            Codec::Null => Some(stored_len),
            Codec::Snappy => snappy_len(start),
            // A frame of none is one to be skipped, or has others behind it.
            Codec::Zstandard => zstandard_len(start).filter(|n| *n > 0),
            Codec::Deflate | Codec::Bzip2 | Codec::Xz => None,
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
            Codec::Snappy => Context::Snappy,
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
            Context::Snappy => snappy(stored, max)?,
            Context::Zstandard(context) => {
                let expected = zstandard_expected(stored, expected, max)?;
                kept(expected, max, |out| zstandard(context, stored, out))?
            }
            Context::Bzip2 => kept(expected, max, |out| bzip2(stored, out))?,
            Context::Xz => kept(expected, max, |out| xz(stored, out))?,
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
    snappy::stated_len(stored).map(|(len, _)| len.into())
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

/// What is decompressed, a part at a time.
struct Output {
    bytes: Vec<u8>,
    /// Bytes that are no longer there, as they are only counted.
    dropped: usize,
    /// The most bytes that there may be.
    max: usize,
    /// The most that are kept, at least where they are not counted first.
    kept_max: usize,
}

impl Output {
    /// With room for so many bytes and padding.
    fn with_room(expected: usize, kept_max: usize, max: usize) -> Result<Output> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(expected.min(max) + PADDING).map_err(|_| too_large(expected as u64, max))?;
        Ok(Output { bytes, dropped: 0, max, kept_max })
    }

    fn len(&self) -> usize {
        self.dropped + self.bytes.len()
    }

    /// Makes room for more: twice as much as there is, but no more than the limit and its padding. An output that has passed the
    /// limit is an error.
    fn grow(&mut self) -> Result<()> {
        let (len, max) = (self.bytes.len(), self.max);
        if self.len() > max {
            return Err(too_large(self.len() as u64, max));
        }
        if len < self.bytes.capacity() {
            return Ok(());
        }
        if self.kept_max == 0 {
            self.dropped += len;
            self.bytes.clear();
            return Ok(());
        }
        if len >= self.kept_max {
            return Err(too_large(len as u64, self.kept_max));
        }
        let room = len.max(1024).min(max - len + PADDING);
        self.bytes.try_reserve_exact(room).map_err(|_| too_large((len + room) as u64, max))
    }
}

/// What a decompressor of streams gives, which is asked for it again where that is much more than was foretold.
fn kept(expected: usize, max: usize, mut decompress: impl FnMut(&mut Output) -> Result<()>) -> Result<Vec<u8>> {
    let kept_max = COUNTED_ABOVE.max(expected + PADDING);
    let mut out = Output::with_room(expected, kept_max, max)?;
    match decompress(&mut out) {
        Ok(()) => return Ok(out.bytes),
        Err(error) if out.len() < kept_max || out.len() > max => return Err(error),
        Err(_) => drop(out),
    }
    let mut counted = Output::with_room(64 << 10, 0, max)?;
    decompress(&mut counted)?;
    if counted.len() > max {
        return Err(too_large(counted.len() as u64, max));
    }
    let mut out = Output::with_room(counted.len(), max + PADDING, max)?;
    decompress(&mut out)?;
    Ok(out.bytes)
}

// SPEC: Required Codecs, deflate: "the deflate algorithm as specified in RFC 1951 [...] does not include the checksum".
/// The library needs the whole output at once: where the room was too small it starts over with twice as much, or, beyond what should
/// be kept unseen, with what is needed. Bytes behind the last deflate block are ignored, as all other readers do.
fn deflate(context: &mut libdeflater::Decompressor, stored: &[u8], expected: usize, max: usize) -> Result<Vec<u8>> {
    let possible = stored.len().saturating_mul(DEFLATE_RATIO_MAX as usize).min(max);
    let not_deflate = || Codec::Deflate.damaged("it is not a deflate stream");
    let mut room = expected.min(possible);
    loop {
        let mut out = vec![0; room + PADDING];
        match context.deflate_decompress(stored, out.get_mut(..room).unwrap_or_default()) {
            Ok(n) => {
                out.truncate(n);
                return Ok(out);
            }
            Err(libdeflater::DecompressionError::BadData) => return Err(not_deflate()),
            Err(libdeflater::DecompressionError::InsufficientSpace) if room < possible => {
                drop(out);
                let more = room.saturating_mul(2).min(possible);
                if more <= COUNTED_ABOVE {
                    room = more;
                    continue;
                }
                room = match deflate_len(stored, max) {
                    Ok(len) if len > room => len,
                    Err(Refused::TooLong) => return Err(too_large((max as u64).saturating_add(1), max)),
                    Ok(_) | Err(Refused::Bad) => return Err(not_deflate()),
                };
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
fn snappy(stored: &[u8], max: usize) -> Result<Vec<u8>> {
    let (stored, checksum) =
        stored.split_last_chunk().ok_or_else(|| Codec::Snappy.damaged("it is shorter than its checksum"))?;
    let (len, tags) =
        snappy::stated_len(stored).ok_or_else(|| Codec::Snappy.damaged("it does not start with its length"))?;
    let len = u64::from(len);
    if len > max as u64 {
        return Err(too_large(len, max));
    }
    if len > SNAPPY_RATIO_MAX.saturating_mul(stored.len() as u64) {
        return Err(Codec::Snappy.damaged(format!("{} bytes cannot hold the {len} that it claims", stored.len())));
    }
    let len = len as usize; // at most `max`
    const { assert!(snappy::SLACK <= PADDING) };
    let mut out = vec![0; len + PADDING];
    let tags = stored.get(tags..).unwrap_or_default();
    snappy::decompress(tags, &mut out, len).map_err(|reason| Codec::Snappy.damaged(reason))?;
    out.truncate(len);
    let (stored, computed) = (u32::from_be_bytes(*checksum), crc32fast::hash(&out));
    if stored != computed {
        return Err(Error::new(ErrorKind::Checksum { stored, computed }));
    }
    Ok(out)
}

/// Bytes to start a zstandard output with. A frame's size is taken for a hint where its bytes could be that many.
fn zstandard_expected(stored: &[u8], expected: usize, max: usize) -> Result<usize> {
    match zstandard_len(stored) {
        Some(len) if len > max as u64 => Err(too_large(len, max)),
        Some(len) if len <= zstandard_len_max(stored.len() as u64) => Ok(len as usize), // at most `max`
        _ => Ok(expected),
    }
}

/// One or more frames.
fn zstandard(kept: &mut Option<DCtx<'static>>, stored: &[u8], out: &mut Output) -> Result<()> {
    let damaged = |code| Codec::Zstandard.damaged(get_error_name(code));
    if kept.is_none() {
        *kept = DCtx::try_create();
    }
    let Some(context) = kept else {
        return Err(Error::new(ErrorKind::Io(std::io::ErrorKind::OutOfMemory.into())));
    };
    context.reset(ResetDirective::SessionOnly).map_err(damaged)?;
    let mut input = InBuffer::around(stored);
    loop {
        out.grow()?;
        let bytes = &mut out.bytes;
        let (at, len) = (input.pos(), bytes.len());
        let more = context.decompress_stream(&mut OutBuffer::around_pos(bytes, len), &mut input).map_err(damaged)?;
        if more == 0 && input.pos() == stored.len() {
            return Ok(());
        }
        // Nothing moved although there was room: the last frame is not whole.
        if input.pos() == at && bytes.len() == len && bytes.capacity() > len {
            return Err(Codec::Zstandard.damaged("its last frame is cut"));
        }
    }
}

/// One or more streams.
fn bzip2(stored: &[u8], out: &mut Output) -> Result<()> {
    let damaged = |e: bzip2::Error| Codec::Bzip2.damaged(e.to_string());
    let mut rest = stored;
    loop {
        let mut context = bzip2::Decompress::new(false);
        loop {
            out.grow()?;
            let (before, len) = (context.total_in(), out.bytes.len());
            let status = context.decompress_vec(rest, &mut out.bytes).map_err(damaged)?;
            let read = context.total_in() - before;
            rest = rest.get(read as usize..).unwrap_or_default(); // never more than it was given
            if status == Bzip2Status::StreamEnd {
                break;
            }
            if read == 0 && out.bytes.len() == len {
                return Err(Codec::Bzip2.damaged("its last stream is cut"));
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// One or more streams.
fn xz(stored: &[u8], out: &mut Output) -> Result<()> {
    let max = out.max;
    let memory = XZ_MEMORY_MIN.max(max as u64);
    let damaged = |e: XzError| match e {
        XzError::MemLimit => too_large(memory.saturating_add(1), max),
        e => Codec::Xz.damaged(e.to_string()),
    };
    let mut context = XzStream::new_stream_decoder(memory, CONCATENATED).map_err(damaged)?;
    let mut rest = stored;
    loop {
        out.grow()?;
        let (before, len) = (context.total_in(), out.bytes.len());
        let status = context.process_vec(rest, &mut out.bytes, Action::Finish).map_err(damaged)?;
        let read = context.total_in() - before;
        rest = rest.get(read as usize..).unwrap_or_default(); // never more than it was given
        if status == XzStatus::StreamEnd {
            return Ok(());
        }
        if read == 0 && out.bytes.len() == len && status == XzStatus::MemNeeded {
            return Err(Codec::Xz.damaged("its last stream is cut"));
        }
    }
}
