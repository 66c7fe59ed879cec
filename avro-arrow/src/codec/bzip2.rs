//! Bzip2, by libbzip2.

use super::Codec;
use super::output::{Output, kept};
use crate::error::Result;
use ::bzip2::{Decompress, Error, Status};

pub(super) fn decompress(stored: &[u8], expected: usize, max: usize) -> Result<Vec<u8>> {
    kept(expected, max, |out| streams(stored, out))
}

/// One or more streams.
fn streams(stored: &[u8], out: &mut Output) -> Result<()> {
    let damaged = |e: Error| Codec::Bzip2.damaged(e.to_string());
    let mut rest = stored;
    loop {
        let mut context = Decompress::new(false);
        loop {
            out.grow()?;
            let (before, len) = (context.total_in(), out.bytes.len());
            let status = context.decompress_vec(rest, &mut out.bytes).map_err(damaged)?;
            let read = context.total_in() - before;
            rest = rest.get(read as usize..).unwrap_or_default(); // never more than it was given
            if status == Status::StreamEnd {
                break;
            }
            if read == 0 && out.bytes.len() == len {
                return Err(Codec::Bzip2.damaged("the last stream is truncated"));
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
    }
}
