//! Zstandard, by its reference library.

use super::output::{Output, kept};
use super::{Codec, stated_zstandard_len, too_large, zstandard_len_max};
use crate::error::{Error, ErrorKind, Result};
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective, get_error_name};

pub(super) type ZstandardContext = Option<DCtx<'static>>;

pub(super) fn decompress(
    context: &mut ZstandardContext,
    stored: &[u8],
    expected: usize,
    max: usize,
) -> Result<Vec<u8>> {
    let expected = expected_len(stored, expected, max)?;
    kept(expected, max, |out| frames(context, stored, out))
}

/// Bytes to start a zstandard output with. A frame's size is taken for a hint where its bytes could be that many.
fn expected_len(stored: &[u8], expected: usize, max: usize) -> Result<usize> {
    match stated_zstandard_len(stored) {
        Some(len) if len > max as u64 => Err(too_large(len, max)),
        Some(len) if len <= zstandard_len_max(stored.len() as u64) => Ok(len as usize), // at most `max`
        _ => Ok(expected),
    }
}

/// One or more frames.
fn frames(kept: &mut ZstandardContext, stored: &[u8], out: &mut Output) -> Result<()> {
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
            return Err(Codec::Zstandard.damaged("the last frame is truncated"));
        }
    }
}
