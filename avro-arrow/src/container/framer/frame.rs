//! Frames: the count and the size before a block.

use crate::container::header::MAGIC;
use crate::encoding::Cursor;
use crate::error::{ErrorKind, Fault};

/// The count and the size before a block's data, as the file states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Number of rows of the block.
    pub rows: u64,
    /// Size of the stored data in bytes.
    pub size: u64,
    /// Length of the frame itself in bytes.
    pub len: usize,
}

impl Frame {
    /// Maximum length of a frame: two longs.
    pub const LEN_MAX: usize = 20;

    /// Parses the frame at the start of `bytes`; `None` if they end inside it. Fails if a number is negative or has
    /// more than 64 bits.
    pub fn parse(bytes: &[u8]) -> Result<Option<Frame>, ErrorKind> {
        // As a row count, its first byte would be a negative number.
        if bytes.starts_with(&MAGIC) {
            return Err(ErrorKind::SecondHeader { unlike: None });
        }
        let mut cursor = Cursor::new(bytes);
        let mut long = |bad: &'static str, negative: &'static str| match cursor.long() {
            Err(Fault::End) => Ok(None),
            Err(_) => Err(ErrorKind::Container { what: bad, value: None }),
            Ok(value) => match u64::try_from(value) {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(ErrorKind::Container { what: negative, value: Some(value) }),
            },
        };
        let Some(rows) = long("a block's count is not a number of 64 bits", "a block's count is")? else {
            return Ok(None);
        };
        let Some(size) = long("a block's size is not a number of 64 bits", "a block's size is")? else {
            return Ok(None);
        };
        Ok(Some(Frame { rows, size, len: cursor.at() }))
    }

    /// Length of the frame and its data, without the sync marker that follows them.
    pub fn len_with_data(&self) -> u64 {
        self.size.saturating_add(self.len as u64)
    }
}
