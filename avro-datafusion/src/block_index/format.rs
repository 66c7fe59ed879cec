//! The index file: an Avro container with statistics of each block. `docs/block-index.md` specifies it.

use super::leaves::Leaf;
use super::value::Bound;
use avro_arrow::put_long;
use avro_arrow::schema::{Fingerprint, Schema};
use object_store::ObjectMeta;

/// Format version that is written and accepted.
const VERSION: &str = "1";

/// Schema of an index record: one block of the file.
pub(crate) const SCHEMA: &str = r#"{"type":"record","name":"Block","namespace":"avro.index","doc":"A block of the indexed file","fields":[
{"name":"offset","type":"long","doc":"Where in the file it begins"},
{"name":"bytes","type":"long","doc":"Bytes from there to where the next block begins"},
{"name":"rows","type":"long","doc":"Its rows"},
{"name":"columns","doc":"Its values, in the order of avro.index.columns","type":{"type":"array","items":{"type":"record","name":"Column","fields":[
{"name":"nulls","type":["null","long"],"doc":"Rows that are null, if known"},
{"name":"min","type":["null","bytes"],"doc":"No value is less"},
{"name":"min_exact","type":"boolean","doc":"Is there such a value?"},
{"name":"max","type":["null","bytes"],"doc":"No value is greater"},
{"name":"max_exact","type":"boolean","doc":"Is there such a value?"}]}}}]}"#;

/// Bytes of records per block of the index.
const BLOCK_BYTES: usize = 64 << 10;

const MAGIC: &[u8] = b"Obj\x01";

/// Metadata key of the checksum over the other metadata and the blocks.
const CHECKSUM: &str = "avro.index.checksum";
/// Metadata key of the columns: one line each, path, tab, type.
const COLUMNS: &str = "avro.index.columns";

/// Statistics of one column in one block.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ColumnStats {
    pub(crate) nulls: Option<u64>,
    pub(crate) min: Option<Bound>,
    pub(crate) max: Option<Bound>,
}

/// Statistics of one block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BlockStats {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) columns: Vec<ColumnStats>,
}

/// Identifies a file and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) size: u64,
    /// Modification time, in microseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) etag: Option<String>,
    pub(crate) sync: [u8; 16],
    /// SHA-256 of the canonical form of its schema, in hexadecimal.
    pub(crate) schema: String,
}

impl Identity {
    /// Returns the identity of an object with this sync marker and schema.
    pub(crate) fn new(object: &ObjectMeta, sync: [u8; 16], schema: &Schema) -> Identity {
        Identity {
            size: object.size,
            modified: object.last_modified.timestamp_micros(),
            etag: object.e_tag.clone(),
            sync,
            schema: Fingerprint::Sha256(schema.sha256()).to_string(),
        }
    }

    /// Returns which property of the file has changed since it was indexed.
    pub(crate) fn differs(&self, now: &Identity) -> Option<&'static str> {
        const SECOND: i64 = 1_000_000;
        // Some stores return times in whole seconds, depending on the request.
        let unit = if self.modified % SECOND == 0 || now.modified % SECOND == 0 { SECOND } else { 1 };
        let same_etag = |a: &String| now.etag.as_ref().is_none_or(|b| a == b);
        if self.size != now.size {
            Some("size")
        } else if self.modified.div_euclid(unit) != now.modified.div_euclid(unit) {
            Some("modification time")
        } else if !self.etag.as_ref().is_none_or(same_etag) {
            Some("etag")
        } else if self.sync != now.sync {
            Some("sync marker")
        } else if self.schema != now.schema {
            Some("schema")
        } else {
            None
        }
    }
}

/// Writes an index block by block.
#[derive(Debug)]
pub(crate) struct Writer {
    sync: [u8; 16],
    /// Complete blocks.
    body: Vec<u8>,
    /// Records of the next block.
    records: Vec<u8>,
    n_records: i64,
}

impl Writer {
    /// Creates a writer for a file with this sync marker. The index uses its complement, so that neither is taken for
    /// the other.
    pub(crate) fn new(sync: [u8; 16]) -> Writer {
        Writer { sync: sync.map(|byte| !byte), body: vec![], records: vec![], n_records: 0 }
    }

    pub(crate) fn push(&mut self, block: &BlockStats) {
        let to = &mut self.records;
        for n in [block.offset, block.bytes, block.rows] {
            put_long(number(n), to);
        }
        if !block.columns.is_empty() {
            put_long(block.columns.len() as i64, to);
            for column in &block.columns {
                optional(to, column.nulls, |to, n| put_long(number(n), to));
                for bound in [&column.min, &column.max] {
                    optional(to, bound.as_ref(), |to, bound| bytes(to, &bound.value.encode()));
                    to.push(u8::from(bound.as_ref().is_some_and(|bound| bound.exact)));
                }
            }
        }
        put_long(0, to);
        self.n_records += 1;
        if self.records.len() >= BLOCK_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.n_records > 0 {
            put_long(self.n_records, &mut self.body);
            bytes(&mut self.body, &self.records);
            self.body.extend_from_slice(&self.sync);
            self.records.clear();
            self.n_records = 0;
        }
    }

    /// Returns the whole index of this file and these columns.
    pub(crate) fn finish(mut self, file: &Identity, columns: &[Leaf]) -> Vec<u8> {
        self.close();
        let mut metadata = vec![
            ("avro.codec", "null".to_owned()),
            (COLUMNS, columns.iter().map(|leaf| format!("{}\t{}\n", leaf.path, leaf.avro_type)).collect()),
            ("avro.index.file.modified", file.modified.to_string()),
            ("avro.index.file.schema", file.schema.clone()),
            ("avro.index.file.size", file.size.to_string()),
            ("avro.index.file.sync", hex(&file.sync)),
            ("avro.index.version", VERSION.to_owned()),
            ("avro.schema", SCHEMA.replace('\n', "")),
        ];
        if let Some(etag) = &file.etag {
            metadata.push(("avro.index.file.etag", etag.clone()));
        }
        let pairs = metadata.iter().map(|(key, value)| (*key, value.as_bytes()));
        let sum = checksum(pairs, &self.body);
        metadata.push((CHECKSUM, sum));

        let mut file = MAGIC.to_vec();
        put_long(metadata.len() as i64, &mut file);
        for (key, value) in &metadata {
            bytes(&mut file, key.as_bytes());
            bytes(&mut file, value.as_bytes());
        }
        put_long(0, &mut file);
        file.extend_from_slice(&self.sync);
        file.append(&mut self.body);
        file
    }
}

/// Parsed metadata of an index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) file: Identity,
    /// Path and type of each column.
    pub(crate) columns: Vec<(String, String)>,
}

impl About {
    /// Parses the metadata of an index and checks it against the bytes after the header; the error is the reason.
    pub(crate) fn parse(metadata: &[(String, Vec<u8>)], body: &[u8]) -> Result<About, String> {
        let find = |key: &str| metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_slice());
        let text = |key: &str| {
            let value = find(key).ok_or_else(|| format!("it has no `{key}`"))?;
            String::from_utf8(value.to_vec()).map_err(|_| format!("its `{key}` is not UTF-8"))
        };
        let version = text("avro.index.version")?;
        if version != VERSION {
            return Err(format!("version {version} is not supported; expected {VERSION}"));
        }
        let others = metadata.iter().filter(|(key, _)| key != CHECKSUM);
        if text(CHECKSUM)? != checksum(others.map(|(key, value)| (key.as_str(), value.as_slice())), body) {
            return Err("its checksum is wrong".to_owned());
        }
        let unreadable = |key: &str| format!("its `{key}` cannot be read");
        let sync = text("avro.index.file.sync")?;
        let columns = text(COLUMNS)?;
        let column = |line: &str| line.split_once('\t').map(|(path, words)| (path.to_owned(), words.to_owned()));
        Ok(About {
            file: Identity {
                size: text("avro.index.file.size")?.parse().map_err(|_| unreadable("avro.index.file.size"))?,
                modified: text("avro.index.file.modified")?
                    .parse()
                    .map_err(|_| unreadable("avro.index.file.modified"))?,
                etag: find("avro.index.file.etag").map(|etag| String::from_utf8_lossy(etag).into_owned()),
                sync: unhex(&sync).ok_or_else(|| unreadable("avro.index.file.sync"))?,
                schema: text("avro.index.file.schema")?,
            },
            columns: columns.lines().map(column).collect::<Option<_>>().ok_or_else(|| unreadable(COLUMNS))?,
        })
    }
}

/// CRC-64-AVRO of the metadata, sorted by key, and of the bytes after the header.
fn checksum<'a>(metadata: impl Iterator<Item = (&'a str, &'a [u8])>, body: &'a [u8]) -> String {
    let mut metadata: Vec<_> = metadata.collect();
    metadata.sort_unstable();
    let parts = metadata.into_iter().flat_map(|(key, value)| [key.as_bytes(), value]).chain([body]);
    format!("{:016x}", Fingerprint::rabin_of(parts))
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn bytes(to: &mut Vec<u8>, value: &[u8]) {
    put_long(value.len() as i64, to);
    to.extend_from_slice(value);
}

/// Appends a union of null and another type.
fn optional<T>(to: &mut Vec<u8>, value: Option<T>, write: impl Fn(&mut Vec<u8>, T)) {
    match value {
        None => put_long(0, to),
        Some(value) => {
            put_long(1, to);
            write(to, value);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes()).filter(|_| text.len() == 32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    fn identity() -> Identity {
        Identity { size: 1000, modified: 1_700_000_000_123_456, etag: None, sync: [7; 16], schema: "ab".to_owned() }
    }

    #[test]
    fn differs_detects_changed_files() {
        let etag = |text: &str| Some(text.to_owned());
        let cases = [
            (identity(), identity(), None),
            (identity(), Identity { size: 1001, ..identity() }, Some("size")),
            (identity(), Identity { modified: 1_700_000_000_123_457, ..identity() }, Some("modification time")),
            // One of the two times has only whole seconds.
            (identity(), Identity { modified: 1_700_000_000_000_000, ..identity() }, None),
            (identity(), Identity { modified: 1_700_000_001_000_000, ..identity() }, Some("modification time")),
            (identity(), Identity { etag: etag("a"), ..identity() }, None),
            (Identity { etag: etag("a"), ..identity() }, identity(), None),
            (Identity { etag: etag("a"), ..identity() }, Identity { etag: etag("b"), ..identity() }, Some("etag")),
            (identity(), Identity { sync: [8; 16], ..identity() }, Some("sync marker")),
            (identity(), Identity { schema: "cd".to_owned(), ..identity() }, Some("schema")),
        ];
        check_all(cases, |(then, now, expected)| {
            assert_eq!(then.differs(&now), expected, "{then:?} {now:?}");
        });
    }

    #[test]
    fn metadata_round_trip() {
        let leaf =
            Leaf { path: "a.b".to_owned(), avro_type: "long".to_owned(), data_type: arrow_schema::DataType::Int64 };
        let etag = Some("\"x\"".to_owned());
        for file in [identity(), Identity { etag, ..identity() }] {
            let bytes = Writer::new([7; 16]).finish(&file, std::slice::from_ref(&leaf));
            let header = avro_arrow::container::Header::parse(&bytes, &avro_arrow::Limits::default()).unwrap().unwrap();
            assert_eq!(header.len, bytes.len() as u64);
            let about = About::parse(&header.metadata, &[]).unwrap();
            assert_eq!(about, About { file, columns: vec![("a.b".to_owned(), "long".to_owned())] });
            // Every change is detected.
            assert_eq!(About::parse(&header.metadata, &[0]).unwrap_err(), "its checksum is wrong");
            for i in 0..header.metadata.len() {
                let mut metadata = header.metadata.clone();
                metadata[i].1.push(b'0');
                let wrong = About::parse(&metadata, &[]).unwrap_err();
                assert!(
                    wrong.contains("checksum is wrong") || wrong.contains("version 10 is not supported"),
                    "{wrong}"
                );
                metadata.remove(i);
                assert!(About::parse(&metadata, &[]).is_err());
            }
        }
    }
}
