//! Deflate, by libdeflate.

use super::deflate_size::{Refused, deflate_size};
use super::{COUNTED_ABOVE, Codec, DEFLATE_RATIO_MAX, too_large};
use crate::encoding::PADDING;
use crate::error::Result;

// SPEC: Required Codecs, deflate: "the deflate algorithm as specified in RFC 1951 [...] does not include the checksum".
/// The library needs the whole output at once: where the room was too small it starts over with twice as much, or,
/// beyond what should be kept unseen, with what is needed. Bytes after the last deflate block are ignored, as all
/// other readers do.
pub(super) fn decompress(
    context: &mut libdeflater::Decompressor,
    stored: &[u8],
    expected: usize,
    max: usize,
) -> Result<Vec<u8>> {
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
                room = match deflate_size(stored, max) {
                    Ok(len) if len > room => len,
                    Err(Refused::TooLong) => return Err(too_large((max as u64).saturating_add(1), max)),
                    Ok(_) | Err(Refused::Bad) => return Err(not_deflate()),
                };
            }
            Err(libdeflater::DecompressionError::InsufficientSpace) if possible < max => {
                return Err(Codec::Deflate.damaged("it exceeds the maximum ratio of deflate"));
            }
            Err(libdeflater::DecompressionError::InsufficientSpace) => {
                return Err(too_large((max as u64).saturating_add(1), max));
            }
        }
    }
}
