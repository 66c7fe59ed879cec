//! Xz, by liblzma.

use super::output::{Output, kept};
use super::{Codec, too_large};
use crate::error::Result;
use liblzma::stream::{Action, CONCATENATED, Error, Status, Stream};

/// The dictionary of xz's highest preset is 64 MiB: a decoder may always use a little more than that, and up to the
/// limit on a block where that is higher.
const XZ_MEMORY_MIN: u64 = 128 << 20;

pub(super) fn decompress(stored: &[u8], expected: usize, max: usize) -> Result<Vec<u8>> {
    kept(expected, max, |out| streams(stored, out))
}

/// One or more streams.
fn streams(stored: &[u8], out: &mut Output) -> Result<()> {
    let max = out.max;
    let memory = XZ_MEMORY_MIN.max(max as u64);
    let damaged = |e: Error| match e {
        Error::MemLimit => too_large(memory.saturating_add(1), max),
        e => Codec::Xz.damaged(e.to_string()),
    };
    let mut context = Stream::new_stream_decoder(memory, CONCATENATED).map_err(damaged)?;
    let mut rest = stored;
    loop {
        out.grow()?;
        let (before, len) = (context.total_in(), out.bytes.len());
        let status = context.process_vec(rest, &mut out.bytes, Action::Finish).map_err(damaged)?;
        let read = context.total_in() - before;
        rest = rest.get(read as usize..).unwrap_or_default(); // never more than it was given
        if status == Status::StreamEnd {
            return Ok(());
        }
        if read == 0 && out.bytes.len() == len && status == Status::MemNeeded {
            return Err(Codec::Xz.damaged("the last stream is truncated"));
        }
    }
}
