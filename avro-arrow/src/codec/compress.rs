//! Compression of blocks.

use super::Codec;
use crate::error::{Error, Result};
use std::io::Write;
use std::ops::RangeInclusive;

/// Compresses the blocks of a file. It keeps the state of its codec; each thread needs its own.
pub struct Compressor(CompressorContext);

enum CompressorContext {
    Null,
    #[cfg(feature = "deflate")]
    Deflate(libdeflater::Compressor),
    #[cfg(feature = "snappy")]
    Snappy(Box<snap::raw::Encoder>),
    #[cfg(feature = "zstd")]
    Zstandard(zstd::bulk::Compressor<'static>),
    // These two keep no state, as their libraries cannot reset it.
    #[cfg(feature = "bzip2")]
    Bzip2(bzip2::Compression),
    #[cfg(feature = "xz")]
    Xz(u32),
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Codec {
    /// Returns the range of compression levels and the default level; `None` for codecs without levels. Higher is
    /// smaller and slower.
    pub fn levels(self) -> Option<(RangeInclusive<i32>, i32)> {
        match self {
            Codec::Null | Codec::Snappy => None,
            Codec::Deflate => Some((1..=12, 6)),
            Codec::Zstandard => Some((-7..=22, 3)),
            Codec::Bzip2 => Some((1..=9, 9)),
            Codec::Xz => Some((0..=9, 6)),
        }
    }
}

impl Compressor {
    /// Creates a compressor with this codec and level.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Argument`](crate::ErrorKind::Argument) for a level that the codec does not have (see
    /// [`Codec::levels`]), and with [`ErrorKind::CodecNotEnabled`](crate::ErrorKind::CodecNotEnabled) if the codec's
    /// feature is off.
    pub fn new(codec: Codec, level: Option<i32>) -> Result<Self> {
        let level = match (codec.levels(), level) {
            (None, None) => 0,
            (None, Some(_)) => return Err(Error::argument(format!("codec {} has no levels", codec.name()))),
            (Some((_, usual)), None) => usual,
            (Some((levels, _)), Some(level)) if levels.contains(&level) => level,
            (Some((levels, _)), Some(level)) => {
                let (from, to) = levels.into_inner();
                let codec = codec.name();
                return Err(Error::argument(format!(
                    "level {level} is not valid for {codec}; expected {from} to {to}"
                )));
            }
        };
        Ok(Compressor(match codec {
            Codec::Null => CompressorContext::Null,
            #[cfg(feature = "deflate")]
            Codec::Deflate => CompressorContext::Deflate(libdeflater::Compressor::new(
                libdeflater::CompressionLvl::new(level)
                    .map_err(|_| Error::argument(format!("level {level} is not valid for deflate")))?,
            )),
            #[cfg(feature = "snappy")]
            Codec::Snappy => CompressorContext::Snappy(Box::new(snap::raw::Encoder::new())),
            #[cfg(feature = "zstd")]
            Codec::Zstandard => CompressorContext::Zstandard(zstd::bulk::Compressor::new(level)?),
            #[cfg(feature = "bzip2")]
            Codec::Bzip2 => CompressorContext::Bzip2(bzip2::Compression::new(level.unsigned_abs())),
            #[cfg(feature = "xz")]
            Codec::Xz => CompressorContext::Xz(level.unsigned_abs()),
            #[allow(unreachable_patterns)] // with all features
            _ => return Err(codec.not_enabled()),
        }))
    }

    /// Compresses the rows of a block and appends the result to `out`. Nothing is streamed: both must fit in memory.
    ///
    /// # Errors
    /// Fails if the codec cannot compress the block: snappy takes at most 4 GiB.
    pub fn compress(&mut self, rows: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            CompressorContext::Null => out.extend_from_slice(rows),
            #[cfg(feature = "deflate")]
            CompressorContext::Deflate(context) => {
                let bound = context.deflate_compress_bound(rows.len());
                into(out, bound, |to| context.deflate_compress(rows, to).map_err(|e| failed("deflate", e)))?;
            }
            // SPEC: Required Codecs, snappy: "Each compressed block is followed by the 4-byte, big-endian CRC32
            // checksum of the uncompressed data in the block."
            #[cfg(feature = "snappy")]
            CompressorContext::Snappy(context) => {
                let bound = snap::raw::max_compress_len(rows.len());
                into(out, bound, |to| context.compress(rows, to).map_err(|e| failed("snappy", e)))?;
                out.extend_from_slice(&crc32fast::hash(rows).to_be_bytes());
            }
            #[cfg(feature = "zstd")]
            CompressorContext::Zstandard(context) => {
                let bound = zstd::zstd_safe::compress_bound(rows.len());
                into(out, bound, |to| Ok(context.compress_to_buffer(rows, to)?))?;
            }
            #[cfg(feature = "bzip2")]
            CompressorContext::Bzip2(level) => {
                let mut writer = bzip2::write::BzEncoder::new(out, *level);
                writer.write_all(rows)?;
                writer.finish()?;
            }
            #[cfg(feature = "xz")]
            CompressorContext::Xz(level) => {
                let mut writer = liblzma::write::XzEncoder::new(out, *level);
                writer.write_all(rows)?;
                writer.finish()?;
            }
        }
        Ok(())
    }
}

/// Appends what `write` puts into `room` bytes, as the libraries need the room all at once.
fn into(out: &mut Vec<u8>, room: usize, write: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<()> {
    let at = out.len();
    out.resize(at + room, 0);
    let n = write(out.get_mut(at..).unwrap_or_default())?;
    out.truncate(at + n);
    Ok(())
}

fn failed(codec: &str, error: impl std::fmt::Display) -> Error {
    Error::argument(format!("{codec} cannot compress the block: {error}"))
}
