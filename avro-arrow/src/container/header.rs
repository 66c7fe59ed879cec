//! The header of a container file: schema, codec, sync marker and metadata.

use crate::codec::Codec;
use crate::encoding::Cursor;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::limits::Limits;
use crate::schema::Schema;
use std::io::Read;

/// The header of a container file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Header {
    /// The schema that the rows were written with.
    pub schema: Schema,
    /// The codec of the blocks.
    pub codec: Codec,
    /// The sync marker, 16 bytes that follow the header and each block.
    pub sync: [u8; SYNC_LEN],
    /// All metadata in the order of the file, including `avro.schema` and `avro.codec`.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// Length of the header, which is the offset of the first block.
    pub len: u64,
}

/// Length of a sync marker.
pub(super) const SYNC_LEN: usize = 16;

/// Memory that a metadata entry takes at least, by which it counts against the limit.
const ENTRY_BYTES: i64 = 64;

pub(super) const MAGIC: [u8; 4] = *b"Obj\x01";

/// Size of the first read; most headers are shorter.
const FIRST_READ: u64 = 8 << 10;

impl Header {
    /// Parses the header from the first bytes of a file. Returns `None` if the header is longer than `bytes`; returns
    /// an error as soon as it is certain.
    ///
    /// Each call walks all metadata again, so a caller with too few bytes should fetch many more, such as twice as
    /// many.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<Header>> {
        // This walk allocates nothing: the header is stored and parsed once it is complete.
        let Some(len) = walk(bytes, limits, |_, _| Ok(()))? else {
            return Ok(None);
        };
        let mut metadata = Vec::new();
        walk(bytes, limits, |key, value| {
            metadata.push((std::str::from_utf8(key).map_err(|_| Fault::Utf8)?.to_owned(), value.to_vec()));
            Ok(())
        })?;
        let sync = match bytes.get(..len).and_then(|b| b.last_chunk()) {
            Some(sync) => *sync,
            None => return Ok(None),
        };
        // Of duplicate keys the last counts, as in Java.
        let find =
            |key| metadata.iter().rfind(|(k, _): &&(String, Vec<u8>)| k == key).map(|(_, value)| value.as_slice());
        let schema = find("avro.schema").ok_or_else(|| damaged("the header has no `avro.schema`", None))?;
        let schema = std::str::from_utf8(schema)
            .map_err(|_| ErrorKind::Schema { reason: "the text is not UTF-8".into(), at: "$".into() })?;
        let schema = Schema::parse(schema, limits)?;
        // SPEC: Object Container Files: "avro.codec [...] If codec is absent, it is assumed to be null."
        let codec = match find("avro.codec") {
            None | Some([]) => Codec::Null,
            Some(name) => {
                let name = String::from_utf8_lossy(name);
                Codec::from_name(&name).ok_or_else(|| ErrorKind::UnknownCodec { name: name.into_owned() })?
            }
        };
        Ok(Some(Header { schema, codec, sync, metadata, len: len as u64 }))
    }

    /// Reads the header of a file, and returns it with the bytes that were read beyond it.
    pub fn read(read: &mut impl Read, limits: &Limits) -> Result<(Header, Vec<u8>)> {
        let mut bytes = Vec::new();
        loop {
            // Doubles each time, so that the repeated walks cost little.
            let wanted = FIRST_READ.max(bytes.len() as u64);
            let n = read.by_ref().take(wanted).read_to_end(&mut bytes)?;
            if let Some(header) = Header::parse(&bytes, limits)? {
                let beyond = bytes.split_off(header.len as usize); // the header is a part of `bytes`
                return Ok((header, beyond));
            }
            if (n as u64) < wanted {
                let kind = match bytes.as_slice() {
                    [] => ErrorKind::NotAvro { found: vec![] },
                    _ => ErrorKind::Truncated { what: "the header" },
                };
                return Err(Error::new(kind).at_offset(bytes.len() as u64));
            }
        }
    }
}

fn damaged(what: &'static str, value: Option<i64>) -> Error {
    Error::new(ErrorKind::Container { what, value })
}

/// Why a walk stopped before the end of the header.
enum HeaderStop {
    /// The bytes end.
    Short,
    Bad(Error),
}

impl From<Fault> for HeaderStop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::End => HeaderStop::Short,
            fault => HeaderStop::Bad(fault.into()),
        }
    }
}

/// Walks over a header and calls `entry` with the key and value of each metadata entry. Returns the length of the
/// header, or `None` if the bytes end first.
fn walk(bytes: &[u8], limits: &Limits, entry: impl FnMut(&[u8], &[u8]) -> Result<(), Fault>) -> Result<Option<usize>> {
    let mut cursor = Cursor::new(bytes);
    match steps(&mut cursor, limits, entry) {
        Ok(()) => Ok(Some(cursor.at())),
        Err(HeaderStop::Short) => Ok(None),
        Err(HeaderStop::Bad(e)) => Err(e.at_offset(cursor.at() as u64)),
    }
}

// SPEC: Object Container Files: "A file header consists of: Four bytes, ASCII 'O', 'b', 'j', followed by 1. File
// metadata, including the schema. The 16-byte, randomly-generated sync marker for this file."
fn steps(
    cursor: &mut Cursor<'_>,
    limits: &Limits,
    mut entry: impl FnMut(&[u8], &[u8]) -> Result<(), Fault>,
) -> Result<(), HeaderStop> {
    let found = cursor.clone().take(cursor.remaining().min(MAGIC.len()))?;
    if !MAGIC.starts_with(found) {
        return Err(HeaderStop::Bad(Error::new(ErrorKind::NotAvro { found: found.to_vec() })));
    }
    cursor.take(MAGIC.len())?;
    let mut n_entries = 0i64;
    // The map's blocks are read here and not by `Cursor::item_block`, which reports bytes that have not arrived as
    // missing.
    loop {
        let count = cursor.long()?;
        if count == 0 {
            break;
        }
        let stated = if count < 0 { Some(cursor.long()?) } else { None };
        if count == i64::MIN {
            return Err(HeaderStop::Bad(damaged("the metadata's count is", Some(count))));
        }
        if let Some(size) = stated {
            within(cursor, size, limits)?;
        }
        // The memory of the entries bounds the loop before their bytes have arrived.
        n_entries = n_entries.saturating_add(count.saturating_abs());
        within(cursor, n_entries.saturating_mul(ENTRY_BYTES), limits)?;
        let from = cursor.at();
        for _ in 0..count.unsigned_abs() {
            let key = bytes_value(cursor, limits)?;
            let value = bytes_value(cursor, limits)?;
            entry(key, value)?;
        }
        let found = (cursor.at() - from) as u64;
        if let Some(stated) = stated
            && stated.unsigned_abs() != found
        {
            return Err(Fault::ItemBytes { stated, found }.into());
        }
    }
    within(cursor, SYNC_LEN as i64, limits)?;
    cursor.take(SYNC_LEN)?;
    Ok(())
}

/// Reads a length and that many bytes. The length is checked before the bytes have arrived.
fn bytes_value<'a>(cursor: &mut Cursor<'a>, limits: &Limits) -> Result<&'a [u8], HeaderStop> {
    let mut ahead = cursor.clone();
    let len = ahead.long()?;
    let len = within(&ahead, len, limits)?;
    let value = ahead.take(len)?;
    *cursor = ahead;
    Ok(value)
}

/// Checks that `more` bytes are a valid length and within the limit on the header.
fn within(cursor: &Cursor<'_>, more: i64, limits: &Limits) -> Result<usize, HeaderStop> {
    let more = u64::try_from(more).map_err(|_| Fault::NegativeLength(more))?;
    let (value, max) = (more.saturating_add(cursor.at() as u64), limits.metadata_bytes as u64);
    if value > max {
        return Err(Fault::Limit { limit: "metadata_bytes", value, max }.into());
    }
    Ok(more as usize) // within the limit, which is a usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use avro_testing::check_all;
    use avro_testing::wire::{SYNC, bytes, header, long};

    fn parse(bytes: &[u8]) -> Result<Option<Header>, String> {
        Header::parse(bytes, &Limits::default()).map_err(|e| e.to_string())
    }

    /// A header with this metadata.
    fn raw(metadata: &[&[u8]]) -> Vec<u8> {
        [b"Obj\x01", metadata.concat().as_slice(), &SYNC].concat()
    }

    fn entry(key: &str, value: &[u8]) -> Vec<u8> {
        [bytes(key.as_bytes()), bytes(value)].concat()
    }

    #[test]
    fn header_parse_of_valid_headers_succeeds() {
        let schema = entry("avro.schema", br#""int""#);
        let marker = entry("x", &[&SYNC[..], &[0xff, 0xfe]].concat());
        let codec = entry("avro.codec", b"deflate");
        let n = |items: &[&Vec<u8>]| long(-(items.iter().map(|i| i.len() as i64).sum::<i64>())).len();
        assert_eq!(n(&[&schema]), 1); // the sizes below take a byte
        let size = |items: &[&Vec<u8>]| long(items.iter().map(|i| i.len() as i64).sum());
        let cases = [
            (header(&[("avro.schema", br#""int""#)]), Codec::Null, 1),
            (header(&[("avro.codec", b""), ("avro.schema", br#""int""#)]), Codec::Null, 2),
            (header(&[("avro.codec", b"zstd"), ("avro.schema", br#""int""#)]), Codec::Zstandard, 2),
            // Several map blocks, with and without their size in bytes.
            (raw(&[&long(1), &schema, &long(2), &marker, &codec, &[0]]), Codec::Deflate, 3),
            (raw(&[&long(-1), &size(&[&codec]), &codec, &long(1), &schema, &[0]]), Codec::Deflate, 2),
            (raw(&[&long(-2), &size(&[&marker, &schema]), &marker, &schema, &[0]]), Codec::Null, 2),
        ];
        check_all(cases, |(file, codec, n_entries)| {
            let file = [file, b"blocks".to_vec()].concat();
            let parsed = parse(&file).unwrap().unwrap();
            let (read, beyond) = Header::read(&mut file.as_slice(), &Limits::default()).unwrap();
            for header in [parsed, read] {
                assert_eq!(header.len, file.len() as u64 - 6);
                assert_eq!((header.codec, header.sync, header.metadata.len()), (codec, SYNC, n_entries));
                assert_eq!(header.schema.json(), r#""int""#);
            }
            assert_eq!(beyond, b"blocks");
            for len in 0..file.len() - 6 {
                assert!(parse(&file[..len]).unwrap().is_none(), "{len}");
                let e = Header::read(&mut &file[..len], &Limits::default()).unwrap_err();
                match e.kind() {
                    ErrorKind::NotAvro { found } => assert!(len == 0 && found.is_empty()),
                    kind => assert!(matches!(kind, ErrorKind::Truncated { what: "the header" }), "{e}"),
                }
            }
        });
    }

    #[test]
    fn header_parse_of_bad_headers_names_the_fault() {
        let invalid = "invalid Avro schema";
        let limit = "exceeds the limit `metadata_bytes` (16777216)";
        let with = |codec: &[u8]| header(&[("avro.schema", br#""int""#), ("avro.codec", codec)]);
        let cases: [(Vec<u8>, &str); 16] = [
            (b"P".to_vec(), "not an Avro container file: it starts with P (file offset 0)"),
            (b"PAR1".to_vec(), "this is Parquet"),
            (b"Obj\x00".to_vec(), "version 0 is not supported"),
            (b"Ob!".to_vec(), "it starts with Ob!"),
            (header(&[]), "damaged container: the header has no `avro.schema`"),
            (header(&[("avro.schema", b"\xff")]), "invalid Avro schema: the text is not UTF-8 at $"),
            (header(&[("avro.schema", b"")]), invalid),
            (with(b"lz4"), "unknown codec `lz4`"),
            (with(b"\xff"), "unknown codec `\u{fffd}`"),
            (raw(&[&long(1), &[2, 0xff], &[0], &[0]]), "UTF-8"),
            // Wrong lengths are found before their bytes arrive.
            ([b"Obj\x01", long(1 << 40).as_slice()].concat(), limit),
            ([b"Obj\x01", long(1).as_slice(), &long(1 << 40)].concat(), limit),
            ([b"Obj\x01", long(-1).as_slice(), &long(1 << 40)].concat(), limit),
            ([b"Obj\x01", long(1).as_slice(), &long(-5)].concat(), "-5"),
            ([b"Obj\x01", long(i64::MIN).as_slice(), &[0]].concat(), "the metadata's count is -9223372036854775808"),
            (raw(&[&long(-1), &long(3), &entry("a", b"b"), &[0]]), "(file offset 10)"),
        ];
        check_all(cases, |(file, want)| {
            let found = parse(&file).map(|_| ()).unwrap_err();
            assert!(found.contains(want), "{found:?} for {want:?}");
            let found = Header::read(&mut file.as_slice(), &Limits::default()).unwrap_err().to_string();
            assert!(found.contains(want), "{found:?} for {want:?}");
        });
    }

    #[test]
    fn header_with_count_beyond_the_file_is_truncated() {
        let mut file = [b"Obj\x01", long(100_000).as_slice()].concat();
        file.resize(101, 0);
        assert!(parse(&file).unwrap().is_none());
        let e = Header::read(&mut file.as_slice(), &Limits::default()).unwrap_err();
        assert_eq!(e.to_string(), "the file ends inside the header (file offset 101)");
    }

    #[test]
    fn header_longer_than_first_read_is_limited() {
        let file = header(&[("avro.schema", br#""int""#), ("x", &[1; 100_000])]);
        let limits = |metadata_bytes| Limits { metadata_bytes, ..Limits::default() };
        let (header, beyond) = Header::read(&mut file.as_slice(), &limits(file.len())).unwrap();
        assert_eq!((header.len, beyond.len()), (file.len() as u64, 0));
        for less in [1, 16, 17, 18, 5000] {
            let e = Header::parse(&file, &limits(file.len() - less)).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Limit { limit: "metadata_bytes", .. }), "{less}: {e}");
        }
        // Fed byte by byte, a header is found to be too long as soon as its lengths show it.
        let first_bad = (0..file.len()).find(|&n| Header::parse(&file[..n], &limits(1000)).is_err());
        assert!(first_bad.is_some_and(|n| n < 60), "{first_bad:?}");
    }
}
