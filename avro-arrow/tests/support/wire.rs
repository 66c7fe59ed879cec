//! Schemas and the bytes of rows in, container files out; and, of files that others wrote, where their blocks end.

use avro_arrow::Limits;
use avro_arrow::container::Header;

/// The sync marker of every file made here.
pub(crate) const SYNC: [u8; 16] = *b"sync-0123456789!";

/// A file of this schema and codec, whose blocks are frames of [`block`].
pub(crate) fn file(schema: &str, codec: &str, blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"Obj\x01".to_vec();
    file.extend(long(2));
    for (key, value) in [("avro.schema", schema), ("avro.codec", codec)] {
        file.extend(bytes(key.as_bytes()));
        file.extend(bytes(value.as_bytes()));
    }
    file.extend(long(0));
    file.extend(SYNC);
    file.extend(blocks.concat());
    file
}

/// A block as it is stored, its marker included.
pub(crate) fn block(rows: i64, stored: &[u8]) -> Vec<u8> {
    [long(rows), bytes(stored), SYNC.to_vec()].concat()
}

/// A zig-zag varint.
pub(crate) fn long(value: i64) -> Vec<u8> {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Vec::new();
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
    out
}

/// A length and the bytes.
pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    [long(value.len() as i64), value.to_vec()].concat()
}

/// Where a valid file may end: behind its header and behind each of its blocks, with the rows up to there.
pub(crate) fn block_ends(file: &[u8]) -> Vec<(usize, u64)> {
    let header = Header::parse(file, &Limits::default()).unwrap().unwrap();
    let (mut at, mut rows) = (header.len as usize, 0);
    let mut ends = vec![(at, rows)];
    while at < file.len() {
        rows += read_long(file, &mut at);
        at += read_long(file, &mut at) as usize + SYNC.len();
        ends.push((at, rows));
    }
    assert_eq!(at, file.len());
    ends
}

fn read_long(file: &[u8], at: &mut usize) -> u64 {
    let mut bits = 0;
    for shift in (0..).step_by(7) {
        let byte = file[*at];
        *at += 1;
        bits |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    // Counts and sizes are not negative.
    bits >> 1
}
