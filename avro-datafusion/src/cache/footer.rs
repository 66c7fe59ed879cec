//! The entries of a copy's footer that say which file it is of, and which of its values.

use crate::block_index::format::Identity;
use parquet::file::metadata::{FileMetaData, KeyValue};

/// Version of the format. A copy of another version of this crate is not used: how values are read may have changed.
const VERSION: &str = concat!("1 ", env!("CARGO_PKG_VERSION"));

const KEYS: [&str; 8] = [
    "avro.cache.version",
    "avro.cache.file",
    "avro.cache.file.size",
    "avro.cache.file.modified",
    "avro.cache.file.sync",
    "avro.cache.file.schema",
    "avro.cache.columns",
    "avro.cache.starts",
];
const ETAG: &str = "avro.cache.file.etag";

/// What a copy says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CopyAbout {
    /// Path or URL of the file.
    pub(super) file: String,
    /// Its version.
    pub(super) identity: Identity,
    /// For each column, its key, and whether its values are those of the file's own schema.
    pub(super) columns: Vec<(String, bool)>,
    /// For each row group, the offset in the file of its first block; then the end of the file.
    pub(super) starts: Vec<u64>,
}

impl CopyAbout {
    /// Returns the entries.
    pub(super) fn entries(&self) -> Vec<KeyValue> {
        let Identity { size, modified, etag, sync, schema } = &self.identity;
        let columns: Vec<_> =
            self.columns.iter().map(|(key, is_own)| format!("{key}{}", if *is_own { "" } else { "*" })).collect();
        let starts: Vec<_> = self.starts.iter().map(u64::to_string).collect();
        let values = [
            VERSION.to_owned(),
            self.file.clone(),
            size.to_string(),
            modified.to_string(),
            u128::from_be_bytes(*sync).to_string(),
            schema.clone(),
            columns.join(" "),
            starts.join(" "),
        ];
        let pairs = KEYS.iter().map(|key| (*key).to_owned()).zip(values);
        let etag = etag.iter().map(|etag| (ETAG.to_owned(), etag.clone()));
        pairs.chain(etag).map(|(key, value)| KeyValue::new(key, value)).collect()
    }

    /// Returns what a footer says; `None` if it is not that of a copy of this version.
    pub(super) fn parse(footer: &FileMetaData) -> Option<CopyAbout> {
        let entries = footer.key_value_metadata()?;
        let find = |key: &str| entries.iter().find(|entry| entry.key == key)?.value.as_deref();
        let [version, file, size, modified, sync, schema, columns, starts] = KEYS.map(find);
        if version? != VERSION {
            return None;
        }
        let column = |text: &str| match text.strip_suffix('*') {
            Some(key) => (key.to_owned(), false),
            None => (text.to_owned(), true),
        };
        Some(CopyAbout {
            file: file?.to_owned(),
            identity: Identity {
                size: size?.parse().ok()?,
                modified: modified?.parse().ok()?,
                etag: find(ETAG).map(str::to_owned),
                sync: sync?.parse::<u128>().ok()?.to_be_bytes(),
                schema: schema?.to_owned(),
            },
            columns: columns?.split_whitespace().map(column).collect(),
            starts: starts?.split_whitespace().map(|start| start.parse().ok()).collect::<Option<_>>()?,
        })
    }
}
