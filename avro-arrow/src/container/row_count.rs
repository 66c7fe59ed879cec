//! Counts rows without decoding: the declared row count of a block is used if the block could hold that many rows.

use super::framer::Frame;
use super::header::{Header, SYNC_LEN};
use super::row_count_check::{PREFIX_LEN, RowCountCheck, RowsFit};
use crate::codec::{Codec, Decompressor, RawBlock, block_bytes_max};
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::limits::Limits;
use crate::schema::Sizes;
use std::io::{Read, Seek, SeekFrom};

/// Counts the rows of a container file from the frames of its blocks. Nothing is decoded. A block whose row count is
/// not plausible by its size (see [`Limits`]) is decompressed to check it.
pub fn count_rows(file: &mut (impl Read + Seek), limits: &Limits) -> Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let (header, _) = Header::read(file, limits)?;
    count_rows_behind(&header, file, limits)
}

/// Counts the rows of a file whose header was read before: see [`count_rows`].
pub fn count_rows_behind(header: &Header, file: &mut (impl Read + Seek), limits: &Limits) -> Result<u64> {
    let file_len = file.seek(SeekFrom::End(0))?;
    let check = RowCountCheck::new(Sizes::of(&header.schema).min(header.schema.root()), limits);
    let mut count = Count { header, limits, check, decompressor: None, rows: 0, index: 0 };
    // Each read spans the marker of one block and the frame of the next.
    let mut marker = count.header.len.saturating_sub(SYNC_LEN as u64);
    loop {
        file.seek(SeekFrom::Start(marker))?;
        let mut head = [0; HEAD_LEN];
        let head = read_up_to(file, &mut head)?;
        let (sync, head) = match head.split_first_chunk::<SYNC_LEN>() {
            Some(split) => split,
            None => return Err(Error::new(ErrorKind::Truncated { what: "a block" }).at_offset(file_len)),
        };
        if *sync != count.header.sync {
            return Err(count.at(marker, count.index.saturating_sub(1), ErrorKind::SyncMismatch));
        }
        let offset = marker + SYNC_LEN as u64;
        if offset >= file_len {
            return Ok(count.rows);
        }
        let frame = count.frame(head, offset, file_len)?;
        count.block(file, &frame, head.get(frame.len..).unwrap_or_default(), offset)?;
        marker = offset + frame.len_with_data();
        count.index += 1;
    }
}

/// Returns the declared row count of a file's first block and the block's size in the file, from the first bytes of
/// the file. Both are unverified and serve for estimates. Returns `None` if the
/// file has no block, or the bytes end before its frame does.
pub fn first_block(header: &Header, bytes: &[u8]) -> Option<(u64, u64)> {
    let frame = Frame::parse(bytes.get(usize::try_from(header.len).ok()?..)?).ok()??;
    Some((frame.rows, frame.len_with_data() + SYNC_LEN as u64))
}

/// Reads until the buffer is full or the file ends.
fn read_up_to<'a>(file: &mut impl Read, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..)
        && !rest.is_empty()
    {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(buffer.get(..len).unwrap_or_default())
}

/// Size of one read.
const HEAD_LEN: usize = SYNC_LEN + Frame::LEN_MAX + PREFIX_LEN;

/// The state of a count.
struct Count<'a> {
    header: &'a Header,
    limits: &'a Limits,
    check: RowCountCheck,
    /// Created when it is first needed.
    decompressor: Option<Decompressor>,
    rows: u64,
    /// Index of the current block.
    index: u64,
}

impl Count<'_> {
    fn at(&self, offset: u64, index: u64, kind: impl Into<Error>) -> Error {
        kind.into().at(|p| {
            p.offset = Some(offset);
            p.block = Some(index);
        })
    }

    fn frame(&self, head: &[u8], offset: u64, file_len: u64) -> Result<Frame> {
        let kind = match Frame::parse(head) {
            Err(kind) => kind,
            Ok(None) => ErrorKind::Truncated { what: "a block's count and size" },
            Ok(Some(frame)) if frame.len_with_data() + SYNC_LEN as u64 > file_len - offset => {
                ErrorKind::Truncated { what: "a block" }
            }
            Ok(Some(frame)) if frame.size > block_bytes_max(self.limits) as u64 => {
                ErrorKind::Limit { limit: "block_bytes", value: frame.size, max: block_bytes_max(self.limits) as u64 }
            }
            Ok(Some(frame)) => return Ok(frame),
        };
        Err(self.at(offset, self.index, kind))
    }

    /// Adds the rows of a block. Its frame is at `offset`; `prefix` begins with its data and may extend beyond it.
    fn block(&mut self, file: &mut (impl Read + Seek), frame: &Frame, prefix: &[u8], offset: u64) -> Result<()> {
        let Frame { rows, size, len } = *frame;
        let prefix = prefix.get(..size as usize).unwrap_or(prefix);
        let mut fit = self.check.prefix(self.header.codec, prefix, size, rows);
        if fit == RowsFit::Unknown {
            let mut stored = Vec::new();
            file.seek(SeekFrom::Start(offset + len as u64))?;
            file.by_ref().take(size).read_to_end(&mut stored)?;
            let data = PaddedBytes::from_vec(stored);
            let end = offset + frame.len_with_data() + SYNC_LEN as u64;
            let block = RawBlock { rows, data, offset, end, index: self.index };
            let codec = self.header.codec;
            let decompressor = self.decompressor.get_or_insert_with(|| Decompressor::new(codec, self.limits));
            let data = decompressor.decompress(block)?.data;
            fit = self.check.stored(Codec::Null, &data, rows);
            if fit == RowsFit::Unknown {
                return Err(self.at(offset, self.index, Fault::TrailingBytes(data.len() as u64)));
            }
        }
        if fit != RowsFit::Yes {
            return Err(self.at(offset, self.index, self.check.fault(rows)));
        }
        let sum = self.rows.checked_add(rows);
        let what = "the row count of all blocks exceeds 64 bits";
        self.rows = sum.ok_or_else(|| self.at(offset, self.index, ErrorKind::Container { what, value: None }))?;
        Ok(())
    }
}
