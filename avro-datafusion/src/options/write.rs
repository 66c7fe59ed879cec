//! Write options, as the caller, `COPY .. OPTIONS(..)` or the options of a table give them.

use crate::options::parse::{choice, parse_bytes, schema};
use avro_arrow::schema::Schema;
use avro_arrow::{Codec, Compressor, Limits, WriteOptions};
use datafusion::common::{DataFusionError, Result, plan_err};
use std::path::PathBuf;

/// How Avro files are written.
///
/// ```
/// use avro_datafusion::{AvroWriteOptions, Codec};
///
/// let options = AvroWriteOptions::default().with_codec(Codec::Zstandard).with_level(6);
/// assert_eq!(options.level, Some(6));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AvroWriteOptions {
    /// Compression of the blocks. Default: snappy.
    pub codec: Codec,
    /// Compression level on the scale of the codec: deflate 1 to 12, zstandard -7 to 22, bzip2 1 to 9, xz 0 to 9.
    /// Default: the default of the codec.
    pub level: Option<i32>,
    /// Maximum bytes of a block before compression, unless a single row has more. Default: 128 KiB.
    pub block_bytes: usize,
    /// Schema of the files; columns are matched by name. Default: derived from the columns.
    pub schema: Option<Schema>,
    /// Whether `schema` must follow the specification strictly. Default: yes.
    pub check_schema: bool,
    /// Additional entries of the file headers: keys and values. Default: none.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// Whether a block index is written beside each file, see [`index`](crate::index). Default: no.
    pub index: bool,
}

/// Prefix of the options that set an entry of the header, as in DataFusion's Parquet options.
pub(crate) const METADATA: &str = "metadata::";

impl Default for AvroWriteOptions {
    fn default() -> Self {
        let WriteOptions { codec, level, block_bytes, schema, check_schema, metadata, .. } = WriteOptions::default();
        AvroWriteOptions { codec, level, block_bytes, schema, check_schema, metadata, index: false }
    }
}

impl AvroWriteOptions {
    setters! {
        with_codec(codec: Codec),
        with_level(level: impl Into<Option<i32>>),
        with_block_bytes(block_bytes: usize),
        with_schema(schema: impl Into<Option<Schema>>),
        with_check_schema(check_schema: bool),
        with_metadata(metadata: Vec<(String, Vec<u8>)>),
        with_index(index: bool),
    }

    /// Sets one write option by its SQL name; returns `false` if no option has this name.
    ///
    /// A size may have a unit, as in `256KB`; units are powers of 1024. A schema may use types that the `imports`,
    /// schema files and directories of them, define.
    ///
    /// # Errors
    /// If the value is invalid for the option.
    pub fn set(&mut self, name: &str, value: &str, imports: &[PathBuf], limits: &Limits) -> Result<bool> {
        if let Some(key) = name.strip_prefix(METADATA) {
            self.metadata.retain(|(other, _)| other != key);
            self.metadata.push((key.to_owned(), value.as_bytes().to_vec()));
            return Ok(true);
        }
        match name.to_ascii_lowercase().as_str() {
            "codec" => {
                let mut choices: Vec<_> = Codec::ALL.into_iter().map(|codec| (codec.name(), codec)).collect();
                // Names that other tools use.
                choices.extend([("none", Codec::Null), ("uncompressed", Codec::Null), ("zstd", Codec::Zstandard)]);
                self.codec = choice(name, value, &choices)?;
            }
            "level" => match value.parse() {
                Ok(level) => self.level = Some(level),
                Err(_) => return plan_err!("option `{name}`: expected a number, found `{value}`"),
            },
            "block_size" => match parse_bytes(value) {
                Ok(bytes) => self.block_bytes = bytes,
                Err(_) => {
                    return plan_err!("option `{name}`: expected a size such as 65536 or 256KB, found `{value}`");
                }
            },
            "schema" => self.schema = Some(schema(name, value, imports, limits)?),
            "check_schema" => self.check_schema = choice(name, value, &[("true", true), ("false", false)])?,
            "write_index" => self.index = choice(name, value, &[("true", true), ("false", false)])?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Returns the encoder's options.
    ///
    /// # Errors
    /// If the codec does not have the level, or the block size is 0 or above the limit.
    pub(crate) fn encoder(&self, limits: &Limits) -> Result<WriteOptions> {
        Compressor::new(self.codec, self.level).map_err(|e| DataFusionError::Plan(e.to_string()))?;
        if self.block_bytes == 0 || self.block_bytes > limits.block_bytes {
            return plan_err!("block size of {} bytes: expected 1 to {}", self.block_bytes, limits.block_bytes);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn set_accepts_known_names_and_values() {
        let cases = [
            ("codec", "Deflate", "ok"),
            ("codec", "none", "ok"),
            ("codec", "lz4", "option `codec`: expected null or deflate or snappy or zstandard"),
            ("level", "-3", "ok"),
            ("level", "high", "option `level`: expected a number, found `high`"),
            ("block_size", "256KB", "ok"),
            ("block_size", "1 MiB", "ok"),
            ("block_size", "big", "option `block_size`: expected a size such as 65536 or 256KB, found `big`"),
            ("block_size", "99999999999GB", "expected a size"),
            ("schema", "\"int\"", "ok"),
            (
                "schema",
                "no/such.avsc",
                "option `schema`: `no/such.avsc` is neither an Avro schema nor a readable schema file",
            ),
            ("check_schema", "false", "ok"),
            ("write_index", "TRUE", "ok"),
            ("index", "true", "unknown"),
            ("metadata::by", "me", "ok"),
            ("compression", "gzip", "unknown"),
        ];
        check_all(cases, |(name, value, expected)| {
            let mut options = AvroWriteOptions::default();
            match options.set(name, value, &[], &Limits::default()) {
                Ok(true) => {
                    assert_eq!(expected, "ok", "{name}");
                    assert_ne!(options, AvroWriteOptions::default(), "{name}");
                }
                Ok(false) => assert_eq!(expected, "unknown", "{name}"),
                Err(e) => assert!(e.to_string().contains(expected), "{name}: {e}"),
            }
        });
    }

    #[test]
    fn encoder_rejects_invalid_level_and_block_size() {
        let cases = [
            (
                AvroWriteOptions { codec: Codec::Zstandard, level: Some(40), ..Default::default() },
                "level 40 is not valid for zstandard",
            ),
            (AvroWriteOptions { block_bytes: 0, ..Default::default() }, "block size of 0 bytes: expected 1 to "),
            (AvroWriteOptions { block_bytes: usize::MAX, ..Default::default() }, "1 to "),
        ];
        check_all(cases, |(options, expected)| {
            let e = options.encoder(&Limits::default()).unwrap_err().to_string();
            assert!(e.contains(expected), "{e}");
        });
    }
}
