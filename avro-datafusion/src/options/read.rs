//! Read options, as the caller or `CREATE EXTERNAL TABLE .. OPTIONS(..)` gives them.

use crate::diagnostics::observer::ScanObserver;
use crate::options::list;
use crate::options::parse::{bytes, choice, number, schema};
use crate::options::write::{self, AvroWriteOptions};
use arrow_schema::SchemaRef;
use avro_arrow::schema::{OnConflict, Schema};
use avro_arrow::{
    Decimals, Enums, FieldMatch, Limits, LogicalMaps, OnCorruptBlock, Options, Strings, TypeNames, Unions,
};
use datafusion::common::{Result, plan_err};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How Avro files are read as a table.
///
/// Made by [`default`](Self::default) and `with_*` methods, or from the names and values of SQL by [`set`](Self::set).
///
/// ```
/// use avro_datafusion::{AvroOptions, Enums};
///
/// let options = AvroOptions::default().with_enums(Enums::String).with_virtual_columns(true);
/// assert!(options.virtual_columns);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AvroOptions {
    /// Arrow type of `string` and `bytes`. Default: views.
    pub strings: Strings,
    /// Arrow type of `enum`. Default: dictionary.
    pub enums: Enums,
    /// Arrow type of unions other than "null or one type". Default: structs that SQL handles as unions.
    pub unions: Unions,
    /// Arrow type of an array that Iceberg marks as a map. Default: list.
    pub logical_maps: LogicalMaps,
    /// Arrow type of decimals. Default: the declared precision.
    pub decimals: Decimals,
    /// Levels to which a recursive type is expanded inside itself; deeper values become JSON text. Default: 0.
    pub recursion_levels: usize,
    /// How files with damaged blocks are handled. Default: an error.
    pub on_corrupt_block: OnCorruptBlock,
    /// Receives skipped blocks and warnings. Default: none.
    pub observer: Option<Arc<dyn ScanObserver>>,
    /// Limits on what a file may make the reader allocate.
    pub limits: Limits,
    /// Extension of the data files in a directory, compared case-insensitively. Default: `.avro`.
    ///
    /// An empty extension accepts every file. It does not apply to paths that name a file or a glob. With `.avro`, Avro
    /// files without an extension are data too, see [`data_files`](crate::data_files).
    pub file_extension: String,
    /// How directories named `key=value` are handled. Default: as columns.
    pub partitions: Partitions,
    /// Types of the partition columns that `schema` does not declare. Default: inferred.
    pub partition_types: PartitionTypes,
    /// Whether the table has the virtual columns `_file`, `_block`, `_row` and `_offset`. Default: no.
    ///
    /// `_file` is the path or URL of the row's file, `_block` the index of its block in the file and `_row` its index
    /// in the file, both from 0; `_offset` is the byte offset of its block. They are the last columns and cost nothing
    /// if unused. A column of a file or directory with one of these names hides the virtual one. If a query uses
    /// `_block` or `_row`, one thread reads each file from its start. For files with damage, see
    /// [`Decoder::row_positions`](avro_arrow::Decoder::row_positions).
    pub virtual_columns: bool,
    /// Columns of the table. Default: those in the headers of the files.
    ///
    /// A column missing from a file is null. If a column's metadata has a field id (`PARQUET:field_id`), columns are
    /// matched by field id instead of name.
    pub schema: Option<SchemaRef>,
    /// Avro schema to which every file is resolved. Default: the merged schema of the files.
    pub reader_schema: Option<Schema>,
    /// How fields of `reader_schema` are matched to those of a file. Default: by name.
    pub field_match: FieldMatch,
    /// Whether type names must match between the schema of a file and the reader schema. Default: lenient.
    pub type_names: TypeNames,
    /// Whether decimals on a `fixed` too short for their precision are read as decimals. Default: no.
    pub short_decimals: bool,
    /// Schema files, and directories of them, that define the types a schema file refers to. Default: none.
    ///
    /// The directory of the schema file itself is searched last.
    pub imports: Vec<PathBuf>,
    /// Name of the type to take from a schema file that declares several, such as Avro IDL. Default: the file says it.
    pub schema_type: Option<String>,
    /// How files are handled whose schemas Avro's rules cannot merge. Default: an error that names both files.
    pub on_conflict: OnConflict,
    /// Whether block indexes are used. Default: yes.
    pub index: Index,
    /// Directory of the block indexes, a path or URL. Default: beside the files.
    pub index_path: Option<String>,
    /// Whether columnar copies of the files are used. They need the feature `cache`. Default: yes.
    pub cache: CacheUse,
    /// Local directory of the copies. Default: none; without a directory there are no copies.
    pub cache_path: Option<String>,
    /// Maximum bytes of all copies in the directory. Default: 20 GiB.
    pub cache_bytes: u64,
    /// How `COPY` and `INSERT` write files.
    pub writing: AvroWriteOptions,
}

/// Whether block indexes are used, see [`index`](crate::index).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Index {
    /// Use an index if it matches the current version of its file.
    #[default]
    Use,
    /// Do not look for indexes.
    Ignore,
}

/// Whether columnar copies of files, and their columns in memory, are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CacheUse {
    /// Use a copy if it matches the current version of its file and has the columns of the query.
    #[default]
    Use,
    /// Also write the copies of files that a query reads whole.
    Auto,
    /// Also keep the columns of files in memory that a query reads whole, if the session has a `ColumnCache`. With the
    /// other options, the second statement that reads a file does.
    Memory,
    /// Use neither copies nor columns in memory.
    Ignore,
}

/// Default of [`AvroOptions::cache_bytes`].
const CACHE_BYTES: u64 = 20 << 30;

/// How directories named `key=value` between the table's path and its files are handled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Partitions {
    /// As columns, if all files are under the same keys.
    #[default]
    Infer,
    /// As plain directories.
    Ignore,
    /// As these columns.
    Named(Vec<String>),
}

/// Types of the partition columns that `schema` does not declare. The value `__HIVE_DEFAULT_PARTITION__` is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PartitionTypes {
    /// The types recorded in the headers of the files, as this crate's writer does, or else inferred from the values.
    ///
    /// Inference looks at all values when the table is created: Int64 (`2024`, and `01` if two digits stand for a month
    /// or an hour; but not `01234`, a code that would lose its zero), Date32 (`2024-01-31`), Timestamp (`2024-01-31
    /// 10:00:00`, to microseconds); otherwise Utf8.
    #[default]
    Infer,
    /// Utf8.
    String,
}

impl Default for AvroOptions {
    fn default() -> Self {
        AvroOptions {
            strings: Strings::default(),
            enums: Enums::default(),
            unions: Unions::Tagged,
            logical_maps: LogicalMaps::default(),
            decimals: Decimals::default(),
            recursion_levels: 0,
            on_corrupt_block: OnCorruptBlock::default(),
            observer: None,
            limits: Limits::default(),
            file_extension: ".avro".to_owned(),
            partitions: Partitions::default(),
            partition_types: PartitionTypes::default(),
            virtual_columns: false,
            schema: None,
            reader_schema: None,
            field_match: FieldMatch::default(),
            type_names: TypeNames::default(),
            short_decimals: false,
            imports: Vec::new(),
            schema_type: None,
            on_conflict: OnConflict::default(),
            index: Index::default(),
            index_path: None,
            cache: CacheUse::default(),
            cache_path: None,
            cache_bytes: CACHE_BYTES,
            writing: AvroWriteOptions::default(),
        }
    }
}

/// How many times the limit on Arrow fields a table may have, since a query reads only some of them.
const TABLE_FIELDS_FACTOR: usize = 20;

impl AvroOptions {
    setters! {
        with_strings(strings: Strings),
        with_enums(enums: Enums),
        with_unions(unions: Unions),
        with_logical_maps(logical_maps: LogicalMaps),
        with_decimals(decimals: Decimals),
        with_recursion_levels(recursion_levels: usize),
        with_on_corrupt_block(on_corrupt_block: OnCorruptBlock),
        with_observer(observer: Arc<dyn ScanObserver>),
        with_limits(limits: Limits),
        with_file_extension(file_extension: impl Into<String>),
        with_partitions(partitions: Partitions),
        with_partition_types(partition_types: PartitionTypes),
        with_virtual_columns(virtual_columns: bool),
        with_schema(schema: impl Into<Option<SchemaRef>>),
        with_reader_schema(reader_schema: impl Into<Option<Schema>>),
        with_field_match(field_match: FieldMatch),
        with_type_names(type_names: TypeNames),
        with_short_decimals(short_decimals: bool),
        with_imports(imports: Vec<PathBuf>),
        with_schema_type(schema_type: impl Into<Option<String>>),
        with_on_conflict(on_conflict: OnConflict),
        with_index(index: Index),
        with_index_path(index_path: impl Into<Option<String>>),
        with_cache(cache: CacheUse),
        with_cache_path(cache_path: impl Into<Option<String>>),
        with_cache_bytes(cache_bytes: u64),
        with_writing(writing: AvroWriteOptions),
    }

    /// Returns these options with those of a SQL `OPTIONS(..)` clause set by name.
    ///
    /// DataFusion puts `format.` before the names. Names with any other prefix belong to others, such as the object
    /// store, and are ignored.
    ///
    /// # Errors
    /// If a name is unknown or a value is invalid.
    pub fn with_sql_options(mut self, pairs: &HashMap<String, String>) -> Result<Self> {
        for (name, value) in pairs {
            if let Some(name) = own(name) {
                self.set(name, value)?;
            }
        }
        Ok(self)
    }

    /// Sets one option by its SQL name: a read option, or a [write option](AvroWriteOptions::set).
    ///
    /// # Errors
    /// If the name is unknown or the value is invalid.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        if self.writing.set(name, value, &self.imports, &self.limits)? || self.try_set(name, value)? {
            return Ok(());
        }
        let (read, written) = (list::read_names(), list::write_names());
        plan_err!("unknown Avro option `{name}`; read options are {read}; write options are {written}")
    }

    /// Sets a read option by its name.
    pub(crate) fn set_reading(&mut self, name: &str, value: &str) -> Result<()> {
        match self.try_set(name, value)? {
            true => Ok(()),
            false => plan_err!("unknown Avro read option `{name}`; read options are {}", list::read_names()),
        }
    }

    /// Passes a warning to the observer, if there is one.
    pub(crate) fn warn(&self, message: &str) {
        if let Some(observer) = &self.observer {
            observer.warning(message);
        }
    }

    /// Sets a read option; `false` if no option has this name.
    fn try_set(&mut self, name: &str, value: &str) -> Result<bool> {
        let limits = &mut self.limits;
        match name.to_ascii_lowercase().as_str() {
            "strings" => self.strings = choice(name, value, &[("view", Strings::View), ("plain", Strings::Utf8)])?,
            "enums" => {
                self.enums = choice(name, value, &[("dictionary", Enums::Dictionary), ("string", Enums::String)])?
            }
            "unions" => {
                let known = [("tagged", Unions::Tagged), ("dense", Unions::Dense), ("struct", Unions::Struct)];
                self.unions = choice(name, value, &known)?;
            }
            "pairs" => {
                self.logical_maps = choice(name, value, &[("list", LogicalMaps::List), ("map", LogicalMaps::Map)])?
            }
            "decimals" => {
                let choices = [("declared", Decimals::Declared), ("wide", Decimals::Wide), ("bytes", Decimals::Bytes)];
                self.decimals = choice(name, value, &choices)?;
            }
            "damage" => {
                self.on_corrupt_block =
                    choice(name, value, &[("refuse", OnCorruptBlock::Error), ("skip", OnCorruptBlock::Skip)])?
            }
            "partitions" => {
                self.partitions = choice(name, value, &[("infer", Partitions::Infer), ("ignore", Partitions::Ignore)])?;
            }
            "virtual_columns" => {
                self.virtual_columns = choice(name, value, &[("true", true), ("false", false)])?;
            }
            "short_decimals" => self.short_decimals = choice(name, value, &[("true", true), ("false", false)])?,
            "partition_types" => {
                let choices = [("infer", PartitionTypes::Infer), ("string", PartitionTypes::String)];
                self.partition_types = choice(name, value, &choices)?;
            }
            "field_match" => {
                self.field_match = choice(name, value, &[("name", FieldMatch::Name), ("id", FieldMatch::Id)])?;
            }
            "type_names" => {
                let choices = [("lenient", TypeNames::Lenient), ("strict", TypeNames::Strict)];
                self.type_names = choice(name, value, &choices)?;
            }
            "union_by_name" => {
                let choices =
                    [("promote", OnConflict::Error), ("widen", OnConflict::Widen), ("strict", OnConflict::Strict)];
                // DuckDB spells it as a boolean: by name, or by position, which here means that schemas must be equal.
                let value = match value {
                    "true" => "promote",
                    "false" => "strict",
                    other => other,
                };
                self.on_conflict = choice(name, value, &choices)?;
            }
            "index" if ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(value)) => {
                return plan_err!(
                    "option `index`: expected `use` or `ignore`, found `{value}`; to write block indexes, use `write_index`"
                );
            }
            "index" => self.index = choice(name, value, &[("use", Index::Use), ("ignore", Index::Ignore)])?,
            "index_path" => self.index_path = Some(value.to_owned()),
            "cache" => {
                let choices = [
                    ("use", CacheUse::Use),
                    ("auto", CacheUse::Auto),
                    ("memory", CacheUse::Memory),
                    ("ignore", CacheUse::Ignore),
                ];
                self.cache = choice(name, value, &choices)?;
            }
            "cache_path" => self.cache_path = Some(value.to_owned()),
            "cache_size" => self.cache_bytes = bytes(name, value)?,
            "reader_schema" => self.reader_schema = Some(schema(name, value, &self.imports, limits)?),
            "file_extension" => self.file_extension = value.to_owned(),
            "recursion_levels" => self.recursion_levels = number(name, value)?,
            "block_bytes" => limits.block_bytes = number(name, value)?,
            "batch_bytes" => limits.batch_bytes = number(name, value)?,
            "metadata_bytes" => limits.metadata_bytes = number(name, value)?,
            "schema_nodes" => limits.schema_nodes = number(name, value)?,
            "arrow_fields" => limits.arrow_fields = number(name, value)?,
            "nesting" => limits.nesting = number(name, value)?,
            "value_nesting" => limits.value_nesting = number(name, value)?,
            "zero_width_items" => limits.zero_width_items = number(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Returns these options for finding out which columns there are, with a higher limit on Arrow fields.
    ///
    /// A query reads few of the columns of a wide table; the limit is about those.
    pub fn describing(&self) -> AvroOptions {
        let mut options = self.clone();
        options.limits.arrow_fields = self.limits.arrow_fields.saturating_mul(TABLE_FIELDS_FACTOR);
        options
    }

    /// Returns the decoder's options for these columns (`None`: all) and this batch size.
    ///
    /// They apply to one file alone: `reader_schema`, which may be the merged schema of many files, is left out.
    pub fn decoder(&self, projection: Option<Vec<String>>, batch_size: usize) -> Options {
        Options::default()
            .with_batch_size(batch_size.max(1))
            .with_projection(projection)
            .with_strings(self.strings)
            .with_enums(self.enums)
            .with_unions(self.unions)
            .with_logical_maps(self.logical_maps)
            .with_decimals(self.decimals)
            .with_short_decimals(self.short_decimals)
            .with_recursion_levels(self.recursion_levels)
            .with_on_corrupt_block(self.on_corrupt_block)
            .with_limits(self.limits.clone())
            .with_field_match(self.field_match)
            .with_widen(self.on_conflict == OnConflict::Widen)
            .with_type_names(self.type_names)
            .with_reader_schema(None)
    }
}

/// Returns the name without the prefix `format.`; `None` for a name with another prefix, such as `aws.`.
fn own(name: &str) -> Option<&str> {
    let name = name.strip_prefix("format.").unwrap_or(name);
    (name.starts_with(write::METADATA) || !name.contains('.')).then_some(name)
}

/// Returns the names of the read options among these, which a write statement must not have.
pub(crate) fn read_options(pairs: &HashMap<String, String>) -> Vec<String> {
    let limits = Limits::default();
    let is_read = |(name, value): &(&str, &String)| {
        !matches!(AvroWriteOptions::default().set(name, value, &[], &limits), Ok(true) | Err(_))
    };
    let own = pairs.iter().filter_map(|(name, value)| Some((own(name)?, value)));
    let mut names: Vec<_> = own.filter(is_read).map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn set_accepts_known_names_and_values() {
        let cases = [
            ("strings", "plain", "ok"),
            ("STRINGS", "Plain", "ok"),
            ("enums", "string", "ok"),
            ("unions", "struct", "ok"),
            ("pairs", "map", "ok"),
            ("decimals", "wide", "ok"),
            ("partitions", "ignore", "ok"),
            ("partition_types", "string", "ok"),
            ("virtual_columns", "true", "ok"),
            ("virtual_columns", "_row", "option `virtual_columns`: expected true or false, found `_row`"),
            ("recursion_levels", "2", "ok"),
            ("reader_schema", "\"int\"", "ok"),
            ("reader_schema", "{}", "option `reader_schema`"),
            ("reader_schema", "no/such.avsc", "`no/such.avsc` is neither an Avro schema nor a readable schema file"),
            ("field_match", "id", "ok"),
            ("type_names", "strict", "ok"),
            ("union_by_name", "widen", "ok"),
            ("union_by_name", "yes", "option `union_by_name`: expected promote or widen or strict, found `yes`"),
            ("index", "ignore", "ok"),
            ("index", "no", "option `index`: expected use or ignore, found `no`"),
            (
                "index",
                "true",
                "option `index`: expected `use` or `ignore`, found `true`; to write block indexes, use `write_index`",
            ),
            ("write_index", "true", "ok"),
            ("codec", "deflate", "ok"),
            ("metadata::a.b", "c", "ok"),
            ("index_path", "s3://bucket/indexes/", "ok"),
            ("cache", "auto", "ok"),
            ("cache", "on", "option `cache`: expected use or auto or memory or ignore, found `on`"),
            ("cache_path", "/tmp/copies", "ok"),
            ("cache_size", "2G", "ok"),
            ("cache_size", "much", "option `cache_size`: "),
            ("damage", "skip", "ok"),
            ("damage", "ignore", "option `damage`: expected refuse or skip, found `ignore`"),
            ("block_bytes", "1000", "ok"),
            ("block_bytes", "lots", "option `block_bytes`: expected a number, found `lots`"),
            ("unions", "sparse", "option `unions`: expected tagged or dense or struct, found `sparse`"),
            ("compression", "gzip", "unknown Avro option `compression`; read options are "),
        ];
        check_all(cases, |(name, value, expected)| {
            let mut options = AvroOptions::default();
            match options.set(name, value) {
                Ok(()) => {
                    assert_eq!(expected, "ok");
                    assert_ne!(options, AvroOptions::default(), "{name}");
                }
                Err(e) => assert!(e.to_string().contains(expected), "{name}: {e}"),
            }
        });
    }

    #[test]
    fn with_sql_options_ignores_other_prefixes() {
        let pairs =
            [("format.strings", "plain"), ("aws.region", "eu-central-1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let options = AvroOptions::default().with_sql_options(&HashMap::from(pairs)).unwrap();
        assert_eq!(options, AvroOptions { strings: Strings::Utf8, ..Default::default() });
    }
}
