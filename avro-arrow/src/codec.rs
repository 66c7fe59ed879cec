//! Codecs: decompression of a stored block ([`RawBlock`]) to a [`Block`], and compression.
//!
//! The decompressed size of a block is known only afterwards, and the size that a block states cannot be trusted.
//! Outputs grow as they fill, up to the limit on a block. Each output leaves room for the padding of [`PaddedBytes`],
//! so that adding it needs no copy. An output that might be large is decompressed twice, first to learn its size
//! without keeping it: a compression bomb costs time, up to the limit, but no memory. Next: the container, which makes
//! the `RawBlock`s.

// Code that several codecs share is unused where their features are off.
#![cfg_attr(
    not(all(feature = "deflate", feature = "snappy", feature = "zstd", feature = "bzip2", feature = "xz")),
    allow(dead_code, unused_imports, unused_variables)
)]

#[cfg(feature = "bzip2")]
mod bzip2;
mod compress;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod deflate_size;
#[cfg(any(feature = "zstd", feature = "bzip2", feature = "xz"))]
mod output;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(all(test, feature = "deflate", feature = "snappy", feature = "zstd", feature = "bzip2", feature = "xz"))]
pub(crate) mod tests;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zstd")]
mod zstandard;

use crate::encoding::{PADDING, PaddedBytes};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
pub use compress::Compressor;

/// The compression of a file's blocks.
// SPEC: Object Container Files, Required Codecs and Optional Codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// No compression.
    Null,
    /// Raw deflate (RFC 1951), without the zlib wrapper.
    Deflate,
    /// Snappy's raw format, followed by a checksum of the data.
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
#[non_exhaustive]
pub struct RawBlock {
    /// Number of rows, as the file states it.
    pub rows: u64,
    /// The data, compressed by the file's codec.
    pub data: PaddedBytes,
    /// Offset in the file of its frame (count, size).
    pub offset: u64,
    /// Offset in the file of the byte after its sync marker.
    pub end: u64,
    /// Index of the block in the file or the byte range, from 0.
    pub index: u64,
}

impl RawBlock {
    /// Returns a block that is not part of a file: its offsets and its index are 0.
    pub fn new(rows: u64, data: PaddedBytes) -> Self {
        RawBlock { rows, data, offset: 0, end: 0, index: 0 }
    }
}

/// One block of a file, decompressed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Block {
    /// Number of rows, as the file states it.
    pub rows: u64,
    /// The encoded rows.
    pub data: PaddedBytes,
    /// Offset in the file of its frame (count, size).
    pub offset: u64,
    /// Offset in the file of the byte after its sync marker.
    pub end: u64,
    /// Index of the block in the file or the byte range, from 0.
    pub index: u64,
}

/// Decompresses the blocks of a file. It keeps the state of its codec; each thread needs its own.
pub struct Decompressor {
    context: DecompressorContext,
    /// Maximum size of a block.
    max: usize,
    /// Size of the last decompressed block. Writers cut blocks at similar sizes, so it predicts the next.
    last: usize,
}

enum DecompressorContext {
    Null,
    #[cfg(feature = "deflate")]
    Deflate(libdeflater::Decompressor),
    // The next three keep no state: snappy has none, and the libraries of the others cannot reset theirs.
    #[cfg(feature = "snappy")]
    Snappy,
    #[cfg(feature = "bzip2")]
    Bzip2,
    #[cfg(feature = "xz")]
    Xz,
    #[cfg(feature = "zstd")]
    Zstandard(zstandard::ZstandardContext),
    /// A codec whose feature is off.
    NotEnabled(Codec),
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").field("max", &self.max).finish_non_exhaustive()
    }
}

/// Larger outputs are counted before they are kept, unless their size is predicted. Writers make much smaller blocks.
const COUNTED_ABOVE: usize = 16 << 20;

/// In deflate, a symbol of two bits can stand for 258 bytes: no stream grows by more.
pub(crate) const DEFLATE_RATIO_MAX: u64 = 1032;

/// In snappy, a copy of three bytes can stand for 64 bytes: no block grows by more.
pub(crate) const SNAPPY_RATIO_MAX: u64 = 22;

impl Codec {
    /// All codecs, whether or not their cargo features are enabled.
    pub const ALL: [Codec; 6] = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz];

    /// Returns the codec with this name in `avro.codec`. Some writers use `zstd` for `zstandard`.
    pub fn from_name(name: &str) -> Option<Codec> {
        let name = if name == "zstd" { "zstandard" } else { name };
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Returns the codec's name in the specification.
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

    /// Returns the decompressed size that a block states, which is not verified. `start` is the beginning of the
    /// stored block; 18 bytes are enough.
    ///
    /// `None` for codecs that do not state a size in advance. For zstandard it is the size of the first frame; few
    /// writers make more than one.
    pub fn stated_len(self, start: &[u8], stored_len: u64) -> Option<u64> {
        match self {
            Codec::Null => Some(stored_len),
            Codec::Snappy => stated_snappy_len(start),
            // A frame of size 0 is skippable, or is followed by others.
            Codec::Zstandard => stated_zstandard_len(start).filter(|n| *n > 0),
            Codec::Deflate | Codec::Bzip2 | Codec::Xz => None,
        }
    }

    /// Returns the cargo feature of this crate that the codec needs, if it needs one.
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Codec::Null => None,
            Codec::Deflate => Some("deflate"),
            Codec::Snappy => Some("snappy"),
            Codec::Zstandard => Some("zstd"),
            Codec::Bzip2 => Some("bzip2"),
            Codec::Xz => Some("xz"),
        }
    }

    /// Returns the error for a codec whose feature is off.
    #[cold]
    fn not_enabled(self) -> Error {
        Error::new(ErrorKind::CodecNotEnabled { codec: self.name(), feature: self.feature().unwrap_or_default() })
    }

    fn damaged(self, reason: impl Into<String>) -> Error {
        // The libraries prefix their messages with their names, and the error has the name too.
        let (codec, reason) = (self.name(), reason.into());
        let reason = match reason.strip_prefix(codec).and_then(|rest| rest.strip_prefix(": ")) {
            Some(rest) => rest.to_owned(),
            None => reason,
        };
        Error::new(ErrorKind::Codec { codec, reason })
    }
}

impl Decompressor {
    /// Creates a decompressor for blocks with this codec.
    pub fn new(codec: Codec, limits: &Limits) -> Self {
        let context = match codec {
            Codec::Null => DecompressorContext::Null,
            #[cfg(feature = "deflate")]
            Codec::Deflate => DecompressorContext::Deflate(libdeflater::Decompressor::new()),
            #[cfg(feature = "snappy")]
            Codec::Snappy => DecompressorContext::Snappy,
            #[cfg(feature = "zstd")]
            Codec::Zstandard => DecompressorContext::Zstandard(None),
            #[cfg(feature = "bzip2")]
            Codec::Bzip2 => DecompressorContext::Bzip2,
            #[cfg(feature = "xz")]
            Codec::Xz => DecompressorContext::Xz,
            #[allow(unreachable_patterns)] // with all features
            _ => DecompressorContext::NotEnabled(codec),
        };
        Decompressor { context, max: block_bytes_max(limits), last: 0 }
    }

    /// Decompresses a block. Under the codec null it returns the same bytes without a copy.
    pub fn decompress(&mut self, block: RawBlock) -> Result<Block> {
        let RawBlock { rows, data, offset, end, index } = block;
        let data = match self.context {
            DecompressorContext::Null => data,
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
            DecompressorContext::Null => stored.to_vec(),
            #[cfg(feature = "deflate")]
            DecompressorContext::Deflate(context) => deflate::decompress(context, stored, expected, max)?,
            #[cfg(feature = "snappy")]
            DecompressorContext::Snappy => snappy::decompress_block(stored, max)?,
            #[cfg(feature = "zstd")]
            DecompressorContext::Zstandard(context) => zstandard::decompress(context, stored, expected, max)?,
            #[cfg(feature = "bzip2")]
            DecompressorContext::Bzip2 => bzip2::decompress(stored, expected, max)?,
            #[cfg(feature = "xz")]
            DecompressorContext::Xz => xz::decompress(stored, expected, max)?,
            DecompressorContext::NotEnabled(codec) => return Err(codec.not_enabled()),
        };
        if out.len() > max {
            return Err(too_large(out.len() as u64, max));
        }
        self.last = out.len();
        // Arrays may keep the block alive for long, so an output that was predicted much too large returns the rest.
        if out.capacity() - out.len() > out.len() / 4 + 4 * PADDING {
            out.shrink_to(out.len() + PADDING);
        }
        Ok(PaddedBytes::from_vec(out))
    }

    /// Returns the size to start an output with, if none is known: a little more than the last block, or a common
    /// ratio.
    fn expected(&self, stored: &[u8]) -> usize {
        let expected = if self.last > 0 { self.last + self.last / 8 } else { stored.len().saturating_mul(4) };
        expected.clamp(1024.min(self.max), self.max)
    }
}

/// Returns the maximum size of a block, stored or decompressed. Arrow's views address a block by 31 bits.
pub(crate) fn block_bytes_max(limits: &Limits) -> usize {
    limits.block_bytes.min(i32::MAX as usize)
}

/// The decompressed size that a snappy block states; its first five bytes are enough. `None` without the codec's
/// feature.
#[cfg_attr(not(feature = "snappy"), allow(unused_variables))]
pub(crate) fn stated_snappy_len(stored: &[u8]) -> Option<u64> {
    #[cfg(feature = "snappy")]
    return snappy::stated_len(stored).map(|(len, _)| len.into());
    #[cfg(not(feature = "snappy"))]
    None
}

/// The decompressed size that the first frame of a zstandard block states, if it does; its first 18 bytes are enough.
/// `None` without the codec's feature.
#[cfg_attr(not(feature = "zstd"), allow(unused_variables))]
pub(crate) fn stated_zstandard_len(stored: &[u8]) -> Option<u64> {
    #[cfg(feature = "zstd")]
    return zstd::zstd_safe::get_frame_content_size(stored).ok().flatten();
    #[cfg(not(feature = "zstd"))]
    None
}

/// Returns the maximum decompressed size of zstandard data: each of its blocks has a header of three bytes and stands
/// for 128 KiB at most.
pub(crate) fn zstandard_len_max(stored_len: u64) -> u64 {
    (stored_len / 3).saturating_add(1).saturating_mul(128 << 10)
}

fn too_large(value: u64, max: usize) -> Error {
    Error::new(ErrorKind::Limit { limit: "block_bytes", value, max: max as u64 })
}
