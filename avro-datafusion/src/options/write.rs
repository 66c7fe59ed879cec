//! Options of files that are written: what the caller, `COPY .. OPTIONS(..)` or the options of a table say, in; options of the
//! encoder, out.

use crate::options::parse::{choice, schema};
use avro_arrow::schema::Schema;
use avro_arrow::{Codec, Compressor, Limits, WriteOptions};
use datafusion::common::{DataFusionError, Result, plan_err};
use std::path::PathBuf;

/// How Avro files are written; defaults in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct AvroWriteOptions {
    /// How blocks are compressed (snappy).
    pub codec: Codec,
    /// How hard, by the codec's own scale: deflate 1 to 12, zstandard -7 to 22, bzip2 1 to 9, xz 0 to 9 (the codec's usual one).
    pub level: Option<i32>,
    /// Bytes of a block before it is compressed, at most, unless one row has more (128 KiB).
    pub block_bytes: usize,
    /// The schema that files get; columns are found by their names (the one that the columns tell).
    pub schema: Option<Schema>,
    /// Whether that schema must be one that the specification allows (yes).
    pub check_schema: bool,
    /// What the headers of files say besides: keys and values (nothing).
    pub metadata: Vec<(String, Vec<u8>)>,
    /// Is a block index written beside each file, see [`index`](crate::index) (no)?
    pub index: bool,
}

/// The names that [`AvroWriteOptions::set`] knows.
pub(crate) const NAMES: &str = "codec, level, block_size, schema, check_schema, index, metadata::KEY";

/// What comes before the key of an entry of the header's metadata, as in DataFusion's options of Parquet.
pub(crate) const METADATA: &str = "metadata::";

impl Default for AvroWriteOptions {
    fn default() -> Self {
        let WriteOptions { codec, level, block_bytes, schema, check_schema, metadata, .. } = WriteOptions::default();
        AvroWriteOptions { codec, level, block_bytes, schema, check_schema, metadata, index: false }
    }
}

impl AvroWriteOptions {
    /// Sets one option by its name, as SQL gives it; `false` for a name that is none of these. A size may have a unit, as in
    /// `256KB`, by powers of 1024. A schema may name types of the `imports`, which are files and directories of schemas.
    ///
    /// # Errors
    /// Where the value is none of the option's.
    pub fn set(&mut self, name: &str, value: &str, imports: &[PathBuf], limits: &Limits) -> Result<bool> {
        if let Some(key) = name.strip_prefix(METADATA) {
            self.metadata.retain(|(other, _)| other != key);
            self.metadata.push((key.to_owned(), value.as_bytes().to_vec()));
            return Ok(true);
        }
        match name.to_ascii_lowercase().as_str() {
            "codec" => {
                let all = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz];
                let mut choices: Vec<_> = all.into_iter().map(|codec| (codec.name(), codec)).collect();
                // What people say elsewhere.
                choices.extend([("none", Codec::Null), ("uncompressed", Codec::Null), ("zstd", Codec::Zstandard)]);
                self.codec = choice(name, value, &choices)?;
            }
            "level" => match value.parse() {
                Ok(level) => self.level = Some(level),
                Err(_) => return plan_err!("option `{name}` is `{value}`, which is not a number"),
            },
            "block_size" => match bytes(value) {
                Some(bytes) => self.block_bytes = bytes,
                None => return plan_err!("option `{name}` is `{value}`, which is not a size such as 65536 or 256KB"),
            },
            "schema" => self.schema = Some(schema(name, value, imports, limits)?),
            "check_schema" => self.check_schema = choice(name, value, &[("true", true), ("false", false)])?,
            "index" => self.index = choice(name, value, &[("true", true), ("false", false)])?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The encoder's options.
    ///
    /// # Errors
    /// A level that the codec has not, or no room for a block.
    pub(crate) fn encoder(&self, limits: &Limits) -> Result<WriteOptions> {
        Compressor::new(self.codec, self.level).map_err(|e| DataFusionError::Plan(e.to_string()))?;
        if self.block_bytes == 0 || self.block_bytes > limits.block_bytes {
            return plan_err!(
                "blocks of {} bytes cannot be written: 1 to {} are possible",
                self.block_bytes,
                limits.block_bytes
            );
        }
        Ok(WriteOptions::default()
            .with_codec(self.codec)
            .with_level(self.level)
            .with_block_bytes(self.block_bytes)
            .with_schema(self.schema.clone())
            .with_check_schema(self.check_schema)
            .with_metadata(self.metadata.clone())
            .with_sync(None)
            .with_limits(limits.clone()))
    }
}

/// A number of bytes with or without a unit.
fn bytes(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn options_by_name() {
        let cases = [
            ("codec", "Deflate", "ok"),
            ("codec", "none", "ok"),
            ("codec", "lz4", "option `codec` is `lz4`, but can be null or deflate or snappy or zstandard"),
            ("level", "-3", "ok"),
            ("level", "high", "option `level` is `high`, which is not a number"),
            ("block_size", "256KB", "ok"),
            ("block_size", "1 MiB", "ok"),
            ("block_size", "big", "option `block_size` is `big`, which is not a size such as 65536 or 256KB"),
            ("block_size", "99999999999GB", "which is not a size"),
            ("schema", "\"int\"", "ok"),
            ("schema", "no/such.avsc", "option `schema`: no/such.avsc is no schema, and no file of one"),
            ("check_schema", "false", "ok"),
            ("index", "TRUE", "ok"),
            ("metadata::by", "me", "ok"),
            ("compression", "gzip", "unknown"),
        ];
        for (name, value, expected) in cases {
            let mut options = AvroWriteOptions::default();
            match options.set(name, value, &[], &Limits::default()) {
                Ok(true) => {
                    assert_eq!(expected, "ok", "{name}");
                    assert_ne!(options, AvroWriteOptions::default(), "{name}");
                }
                Ok(false) => assert_eq!(expected, "unknown", "{name}"),
                Err(e) => assert!(e.to_string().contains(expected), "{name}: {e}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_written() {
        let cases = [
            (
                AvroWriteOptions { codec: Codec::Zstandard, level: Some(40), ..Default::default() },
                "40 is no level of zstandard",
            ),
            (AvroWriteOptions { block_bytes: 0, ..Default::default() }, "blocks of 0 bytes"),
            (AvroWriteOptions { block_bytes: usize::MAX, ..Default::default() }, "1 to "),
        ];
        for (options, expected) in cases {
            let e = options.encoder(&Limits::default()).unwrap_err().to_string();
            assert!(e.contains(expected), "{e}");
        }
    }
}
