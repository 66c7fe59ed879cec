//! Writes headers and frames of blocks.

use super::header::{MAGIC, SYNC_LEN};
use crate::codec::Codec;
use crate::encoding::put_long;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Returns the header of a file. Entries of `metadata` for the schema and the codec are ignored, so that the
/// [metadata](super::Header::metadata) of another file can be passed unchanged.
// SPEC: Object Container Files: "avro.schema contains the schema of objects stored in the file, as JSON data
// (required)"; "avro.codec the name of the compression codec".
pub fn header_bytes(schema: &str, codec: Codec, metadata: &[(String, Vec<u8>)], sync: &[u8; SYNC_LEN]) -> Vec<u8> {
    let own = [("avro.schema", schema.as_bytes()), ("avro.codec", codec.name().as_bytes())];
    let others = metadata.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    let others = others.filter(|(key, _)| own.iter().all(|(own, _)| own != key));
    let entries: Vec<(&str, &[u8])> = own.iter().copied().chain(others).collect();
    let mut out = MAGIC.to_vec();
    put_long(entries.len() as i64, &mut out);
    for (key, value) in entries {
        put_bytes(key.as_bytes(), &mut out);
        put_bytes(value, &mut out);
    }
    put_long(0, &mut out);
    out.extend_from_slice(sync);
    out
}

/// Returns the frame that precedes the stored bytes of a block. The sync marker follows them.
pub fn frame_head(rows: u64, stored_len: u64) -> Vec<u8> {
    let mut head = Vec::new();
    put_long(rows as i64, &mut head);
    put_long(stored_len as i64, &mut head);
    head
}

/// Appends a block of `rows` rows with these stored bytes.
pub fn frame(rows: u64, stored: &[u8], sync: &[u8; SYNC_LEN], out: &mut Vec<u8>) {
    out.extend_from_slice(&frame_head(rows, stored.len() as u64));
    out.extend_from_slice(stored);
    out.extend_from_slice(sync);
}

/// Returns a random marker for a new file. Readers of byte ranges search for the marker, so it must be unique.
pub fn random_sync() -> [u8; SYNC_LEN] {
    let mut sync = [0; SYNC_LEN];
    for half in sync.as_chunks_mut::<8>().0 {
        // The standard library seeds its hash keys with random numbers of the system.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u128(std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
        *half = hasher.finish().to_le_bytes();
    }
    sync
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}
