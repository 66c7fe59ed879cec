//! A second file behind the first, as `cat a.avro b.avro` makes it: its header in, the rows of both files as those of one, out.

use super::super::header::Header;
use super::Framer;
use crate::codec::Codec;
use crate::damage::DamagedBlock;
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use crate::schema::Schema;
use memchr::memmem::Finder;

/// What the header says of the rows.
#[derive(Debug)]
pub(super) struct First {
    schema: Schema,
    codec: Codec,
    limits: Limits,
}

impl First {
    pub(super) fn of(header: &Header, limits: &Limits) -> First {
        First { schema: header.schema.clone(), codec: header.codec, limits: limits.clone() }
    }
}

impl Framer {
    /// Here is the header of a second file. Where its rows are of the same schema and codec, they go on the rows of the first.
    pub(super) fn second_header(&mut self, offset: u64) -> Result<bool> {
        let mut bytes = vec![0; self.pieces.pending()];
        self.pieces.peek(0, &mut bytes);
        let unlike = match Header::parse(&bytes, &self.first.limits)? {
            None if self.finished => return Err(self.error(ErrorKind::Truncated { what: "a second header" }, offset)),
            None => return Ok(false),
            Some(header) if header.codec != self.first.codec => Some("codec"),
            Some(header) if header.schema != self.first.schema => Some("schema"),
            Some(header) => {
                let len = usize::try_from(header.len).unwrap_or(usize::MAX).min(bytes.len());
                self.pieces.consume(len);
                self.sync = header.sync;
                self.finder = Finder::new(&header.sync).into_owned();
                None
            }
        };
        let error = self.error(ErrorKind::SecondHeader { unlike }, offset);
        if unlike.is_some() {
            return Err(error);
        }
        let bytes = self.pieces.offset() - offset;
        self.damaged.push(DamagedBlock { block: self.index, offset, bytes, rows: Some(0), error });
        self.behind_marker();
        Ok(true)
    }
}
