//! Codecs: a block as it is stored goes in (`RawBlock`), the block decompressed comes out (`Block`).
//!
//! A block's size when decompressed is known only afterwards, and what a block claims of it cannot be trusted: outputs grow as
//! they fill, up to the limit on a block. Every output leaves room for the padding that `PaddedBytes` adds, so that nothing is
//! copied to add it. An output that might be large is decompressed twice, the first time to see how large it is, with nothing kept:
//! so what a bomb takes is time, up to the limit, and no memory. Next: the container, which makes the `RawBlock`s.

// What several codecs share is unused where their features are off.
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
mod deflate_len;
#[cfg(any(feature = "zstd", feature = "bzip2", feature = "xz"))]
mod output;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(all(test, feature = "deflate", feature = "snappy", feature = "zstd", feature = "bzip2", feature = "xz"))]
mod tests;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zstd")]
mod zstandard;

use crate::encoding::{PADDING, PaddedBytes};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
pub use compress::Compressor;

/// How the blocks of a file are compressed.
// SPEC: Object Container Files, Required Codecs and Optional Codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
#[non_exhaustive]
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
    #[cfg(feature = "deflate")]
    Deflate(libdeflater::Decompressor),
    // The next three have nothing to keep: snappy has no context, and the libraries of the others cannot reset one.
    #[cfg(feature = "snappy")]
    Snappy,
    #[cfg(feature = "bzip2")]
    Bzip2,
    #[cfg(feature = "xz")]
    Xz,
    #[cfg(feature = "zstd")]
    Zstandard(zstandard::Context),
    /// Of a codec whose feature is off.
    NotEnabled(Codec),
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
            Codec::Snappy => stated_snappy_len(start),
            // A frame of none is one to be skipped, or has others behind it.
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

    /// The error for a codec whose feature is off.
    #[cold]
    fn not_enabled(self) -> Error {
        Error::new(ErrorKind::CodecNotEnabled { codec: self.name(), feature: self.feature().unwrap_or_default() })
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
            #[cfg(feature = "deflate")]
            Codec::Deflate => Context::Deflate(libdeflater::Decompressor::new()),
            #[cfg(feature = "snappy")]
            Codec::Snappy => Context::Snappy,
            #[cfg(feature = "zstd")]
            Codec::Zstandard => Context::Zstandard(None),
            #[cfg(feature = "bzip2")]
            Codec::Bzip2 => Context::Bzip2,
            #[cfg(feature = "xz")]
            Codec::Xz => Context::Xz,
            #[allow(unreachable_patterns)] // with all features
            _ => Context::NotEnabled(codec),
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
            #[cfg(feature = "deflate")]
            Context::Deflate(context) => deflate::decompress(context, stored, expected, max)?,
            #[cfg(feature = "snappy")]
            Context::Snappy => snappy::decompress_block(stored, max)?,
            #[cfg(feature = "zstd")]
            Context::Zstandard(context) => zstandard::decompress(context, stored, expected, max)?,
            #[cfg(feature = "bzip2")]
            Context::Bzip2 => bzip2::decompress(stored, expected, max)?,
            #[cfg(feature = "xz")]
            Context::Xz => xz::decompress(stored, expected, max)?,
            Context::NotEnabled(codec) => return Err(codec.not_enabled()),
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

/// The decompressed size that a snappy block states; its first five bytes are enough. `None` without the codec's feature.
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

/// The most bytes that zstandard data of this many bytes can stand for: its blocks have a header of three bytes and stand for
/// 128 KiB at most.
pub(crate) fn zstandard_len_max(stored_len: u64) -> u64 {
    (stored_len / 3).saturating_add(1).saturating_mul(128 << 10)
}

fn too_large(value: u64, max: usize) -> Error {
    Error::new(ErrorKind::Limit { limit: "block_bytes", value, max: max as u64 })
}
