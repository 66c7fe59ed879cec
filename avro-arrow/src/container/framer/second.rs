//! A second file after the first, as `cat a.avro b.avro` makes it: its rows are read with those of the first.

use super::super::header::Header;
use super::Framer;
use crate::codec::Codec;
use crate::damage::DamagedBlock;
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use crate::schema::Schema;
use memchr::memmem::Finder;

/// The properties of the first header that determine how rows are read.
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
    /// Handles the header of a second file. If its schema and codec equal the first file's, reading continues with its
    /// rows.
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
