//! The parts of messages that all calls share: strings, metadata, and where in a message something is wrong.

use crate::encoding::{Cursor, put_long};
use crate::error::{Error, Fault};
use crate::json::{checked_item_block, limit, string};
use crate::limits::Limits;
use std::collections::BTreeMap;

/// The metadata of a request, a response or a handshake: names and bytes that the protocol does not declare.
pub type Metadata = BTreeMap<String, Vec<u8>>;

/// Minimum share of an entry in the limit on metadata: an entry takes more memory than bytes.
const ENTRY_BYTES: usize = 64;

pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// Appends a map with values of type bytes.
pub(super) fn put_metadata(metadata: &Metadata, out: &mut Vec<u8>) {
    if !metadata.is_empty() {
        put_long(metadata.len() as i64, out);
    }
    for (key, value) in metadata {
        put_bytes(key.as_bytes(), out);
        put_bytes(value, out);
    }
    put_long(0, out);
}

/// Reads a map with values of type bytes.
pub(super) fn metadata(cursor: &mut Cursor<'_>, limits: &Limits) -> Result<Metadata, Fault> {
    let mut metadata = Metadata::new();
    let (mut n_bytes, max) = (0, limits.metadata_bytes);
    loop {
        let (count, size) = checked_item_block(cursor, false, &mut 0, limits)?;
        let start = cursor.at();
        if count == 0 {
            return Ok(metadata);
        }
        for _ in 0..count {
            let (key, value) = (string(cursor)?, cursor.bytes()?);
            n_bytes += (key.len() + value.len()).max(ENTRY_BYTES);
            if n_bytes > max {
                return Err(limit("metadata_bytes", n_bytes as u64, max as u64));
            }
            metadata.insert(key.to_owned(), value.to_vec());
        }
        let found = (cursor.at() - start) as u64;
        if let Some(stated) = size.filter(|size| *size != found) {
            return Err(Fault::ItemBytes { stated: stated as i64, found });
        }
    }
}

/// Returns the error of a fault at the cursor, which is inside a message.
pub(super) fn at(cursor: &Cursor<'_>) -> impl Fn(Fault) -> Error {
    let offset = cursor.at() as u64;
    move |fault| Error::from(fault).at(|position| position.offset_in_message = Some(offset))
}
