//! Container files for tests: a schema's text and the rows' bytes go in, the bytes of a file come out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::codec::{Codec, Compressor};
use crate::encoding::put_long;

/// The sync marker of every file made here.
pub(crate) const SYNC: [u8; 16] = *b"sync-0123456789!";

/// A file of blocks, each given by its count and its bytes before compression.
pub(crate) fn file(schema: &str, codec: Codec, blocks: &[(i64, &[u8])]) -> Vec<u8> {
    let mut file = header(&[("avro.schema", schema.as_bytes()), ("avro.codec", codec.name().as_bytes())]);
    for (rows, data) in blocks {
        file.extend(block(*rows, &compress(codec, data)));
    }
    file
}

/// A header with this metadata.
pub(crate) fn header(metadata: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"Obj\x01".to_vec();
    if !metadata.is_empty() {
        out.extend(long(metadata.len() as i64));
    }
    for (key, value) in metadata {
        out.extend(bytes(key.as_bytes()));
        out.extend(bytes(value));
    }
    out.extend(long(0));
    out.extend(SYNC);
    out
}

/// A block as it is stored, its marker included.
pub(crate) fn block(rows: i64, stored: &[u8]) -> Vec<u8> {
    let mut out = long(rows);
    out.extend(bytes(stored));
    out.extend(SYNC);
    out
}

/// A zig-zag varint.
pub(crate) fn long(value: i64) -> Vec<u8> {
    let mut out = vec![];
    put_long(value, &mut out);
    out
}

/// A length and the bytes.
pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    [long(value.len() as i64), value.to_vec()].concat()
}

/// The data as the codec stores it.
pub(crate) fn compress(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    Compressor::new(codec, None).unwrap().compress(data, &mut out).unwrap();
    out
}
