//! Options of a table: what the caller or `CREATE EXTERNAL TABLE .. OPTIONS(..)` says, in; options of the decoder, out.

use crate::diagnostics::damage::Report;
use crate::diagnostics::warnings::Warnings;
use crate::options::parse::{choice, number, schema};
use crate::options::write::{self, AvroWriteOptions};
use arrow_schema::SchemaRef;
use avro_arrow::schema::{OnConflict, Schema};
use avro_arrow::{
    Decimals, Enums, FieldMatch, Limits, LogicalMaps, OnCorruptBlock, Options, Strings, TypeNames, Unions,
};
use datafusion::common::{Result, plan_err};
use std::collections::HashMap;
use std::path::PathBuf;

/// How a table of Avro files is read; defaults in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct AvroOptions {
    /// Arrow types of `string` and `bytes` (views).
    pub strings: Strings,
    /// Arrow type of `enum` (dictionary).
    pub enums: Enums,
    /// Arrow type of unions other than "null or one type" (structs that SQL handles as the unions that they are).
    pub unions: Unions,
    /// Arrow type of an array that Iceberg marks as a map (list).
    pub pairs: LogicalMaps,
    /// Arrow type of decimals (of their own precision).
    pub decimals: Decimals,
    /// How many times a recursive type is expanded inside itself before its values become JSON text (0).
    pub recursion_levels: usize,
    /// What becomes of files with damaged blocks (refused).
    pub damage: OnCorruptBlock,
    /// Who is told what is skipped then (nobody).
    pub report: Report,
    /// What a file may ask for.
    pub limits: Limits,
    /// The extension of the files of a directory that are data, in any case (`.avro`). Empty takes every file. It does not
    /// concern a file that is named, nor a glob. With `.avro`, Avro files without an extension are data, too, see
    /// [`data_files`](crate::listing::data_files).
    pub file_extension: String,
    /// What directories named `key=value` mean (columns).
    pub partitions: Partitions,
    /// Of which types those columns are that were not given (of what their values are).
    pub partition_types: PartitionTypes,
    /// Are there columns that say where each row is from (no)? `_file` is its path or URL, `_block` the index of its block in the
    /// file, `_row` its own, both from 0, `_offset` the offset of the block. They come last, and cost nothing where they are not
    /// used. A column of that name in the files or their directories takes the place of one of these. To count blocks or rows, a file
    /// is read by one thread from its start. Of files with damage, see [`Decoder::places`](avro_arrow::Decoder::places).
    pub virtual_columns: bool,
    /// The columns of the files, instead of those found in their headers. A column that a file has not is null. Where such a column's
    /// metadata has an id (`PARQUET:field_id`), columns are found by their ids, whatever they are called.
    pub schema: Option<SchemaRef>,
    /// The Avro schema that every file is resolved to, instead of the one that the files' schemas make together.
    pub reader_schema: Option<Schema>,
    /// How fields of that schema are found in a file's (by name).
    pub field_match: FieldMatch,
    /// Whether names of types must be the same in a file's schema and the one that it is read with (lenient).
    pub type_names: TypeNames,
    /// Whether decimals on a fixed that is too short for their precision are read as decimals (no).
    pub short_decimals: bool,
    /// Files and directories of schemas whose types a schema's file may name (none); the directory of the file comes after them.
    pub imports: Vec<PathBuf>,
    /// What happens where files have schemas that are not one by Avro's rules (an error that names both).
    pub conflicts: OnConflict,
    /// Are block indexes used, where there are any (used)?
    pub index: Index,
    /// The directory that block indexes are in, a path or URL (beside their files).
    pub index_path: Option<String>,
    /// Who is told of what does not fail a query and should be known (nobody).
    pub warnings: Warnings,
    /// How files are written, by `COPY` and by `INSERT` into the table.
    pub writing: AvroWriteOptions,
}

/// What becomes of block indexes, see [`index`](crate::index).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Index {
    /// They are used, if they are those of their files as these are now.
    #[default]
    Use,
    /// They are not looked for.
    Ignore,
}

/// What directories named `key=value` between the table's path and its files mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Partitions {
    /// They are columns, where all files are under the same keys.
    #[default]
    Infer,
    /// They are just directories.
    Ignore,
    /// They are these columns.
    Named(Vec<String>),
}

/// The types of partition columns whose types `schema` does not give. The value `__HIVE_DEFAULT_PARTITION__` is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionTypes {
    /// Those that the writer recorded in the headers of the files, as this crate's writer does. Without a record, what all values
    /// of all files are when the table is made: Int64 (`2024`, and `01` where two digits stand for a month or an
    /// hour; but not `01234`, which without its zero would be another code), Date32 (`2024-01-31`), Timestamp (`2024-01-31
    /// 10:00:00`, to microseconds); else strings.
    #[default]
    Infer,
    /// Strings.
    String,
}

impl Default for AvroOptions {
    fn default() -> Self {
        AvroOptions {
            strings: Strings::default(),
            enums: Enums::default(),
            unions: Unions::Tagged,
            pairs: LogicalMaps::default(),
            decimals: Decimals::default(),
            recursion_levels: 0,
            damage: OnCorruptBlock::default(),
            report: Report::default(),
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
            conflicts: OnConflict::default(),
            index: Index::default(),
            index_path: None,
            warnings: Warnings::default(),
            writing: AvroWriteOptions::default(),
        }
    }
}

/// Arrow fields of a table for each that a query may read.
const DESCRIBED_PER_READ: usize = 20;

/// The names that [`AvroOptions::set`] knows.
const NAMES: &str = "strings, enums, unions, pairs, decimals, short_decimals, recursion_levels, damage, file_extension, \
                     partitions, partition_types, virtual_columns, reader_schema, field_match, type_names, union_by_name, \
                     index, index_path, \
                     block_bytes, batch_bytes, metadata_bytes, \
                     schema_nodes, arrow_fields, nesting, value_nesting, zero_width_items";

impl AvroOptions {
    /// These options with others set by name. DataFusion puts `format.` before the names in `OPTIONS(..)`; names with any other
    /// prefix are meant for others, such as the object store, and passed over.
    pub fn with_pairs(mut self, pairs: &HashMap<String, String>) -> Result<Self> {
        for (name, value) in pairs {
            if let Some(name) = own(name) {
                self.set(name, value)?;
            }
        }
        Ok(self)
    }

    /// Sets one option by its name, as SQL gives it: one of reading, or one of [writing](AvroWriteOptions::set). Both have an
    /// `index`: `use` and `ignore` are of reading, `true` and `false` of writing.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        if is_writing(name, value) && self.writing.set(name, value, &self.imports, &self.limits)?
            || self.try_set(name, value)?
        {
            return Ok(());
        }
        let writing = write::NAMES;
        plan_err!("Avro tables have no option `{name}`; known are {NAMES}; and for files that are written {writing}")
    }

    /// Sets an option of reading by its name.
    pub(crate) fn set_reading(&mut self, name: &str, value: &str) -> Result<()> {
        match self.try_set(name, value)? {
            true => Ok(()),
            false => plan_err!("Avro tables have no option `{name}`; known are {NAMES}"),
        }
    }

    /// Sets an option of reading, if it is one.
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
            "pairs" => self.pairs = choice(name, value, &[("list", LogicalMaps::List), ("map", LogicalMaps::Map)])?,
            "decimals" => {
                let choices = [("declared", Decimals::Declared), ("wide", Decimals::Wide), ("bytes", Decimals::Bytes)];
                self.decimals = choice(name, value, &choices)?;
            }
            "damage" => {
                self.damage = choice(name, value, &[("refuse", OnCorruptBlock::Error), ("skip", OnCorruptBlock::Skip)])?
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
                // As DuckDB has it: by names, or not at all.
                let value = match value {
                    "true" => "promote",
                    "false" => "strict",
                    other => other,
                };
                self.conflicts = choice(name, value, &choices)?;
            }
            "index" => self.index = choice(name, value, &[("use", Index::Use), ("ignore", Index::Ignore)])?,
            "index_path" => self.index_path = Some(value.to_owned()),
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

    /// These options for looking at what columns there are. The limit on Arrow fields is about columns that are read.
    pub fn describing(&self) -> AvroOptions {
        let mut options = self.clone();
        options.limits.arrow_fields = self.limits.arrow_fields.saturating_mul(DESCRIBED_PER_READ);
        options
    }

    /// The decoder's options for these columns (`None` for all of them) and this batch size, as far as these options go for one file alone:
    /// the reader's schema, which may be that of many files, is left out.
    pub fn decoder(&self, projection: Option<Vec<String>>, batch_size: usize) -> Options {
        Options::default()
            .with_batch_size(batch_size.max(1))
            .with_projection(projection)
            .with_strings(self.strings)
            .with_enums(self.enums)
            .with_unions(self.unions)
            .with_logical_maps(self.pairs)
            .with_decimals(self.decimals)
            .with_short_decimals(self.short_decimals)
            .with_recursion_levels(self.recursion_levels)
            .with_on_corrupt_block(self.damage)
            .with_limits(self.limits.clone())
            .with_field_match(self.field_match)
            .with_widen(self.conflicts == OnConflict::Widen)
            .with_type_names(self.type_names)
            .with_reader_schema(None)
    }
}

/// The option's own name; `None` for one of others, such as the object store.
fn own(name: &str) -> Option<&str> {
    let name = name.strip_prefix("format.").unwrap_or(name);
    (name.starts_with(write::METADATA) || !name.contains('.')).then_some(name)
}

/// Can it only be an option of writing?
fn is_writing(name: &str, value: &str) -> bool {
    !name.eq_ignore_ascii_case("index") || ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// Those of these options that are of reading only.
pub(crate) fn reading_only(pairs: &HashMap<String, String>) -> Vec<String> {
    let limits = Limits::default();
    let is_reading = |(name, value): &(&str, &String)| {
        !is_writing(name, value)
            || !matches!(AvroWriteOptions::default().set(name, value, &[], &limits), Ok(true) | Err(_))
    };
    let own = pairs.iter().filter_map(|(name, value)| Some((own(name)?, value)));
    let mut names: Vec<_> = own.filter(is_reading).map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn options_by_name() {
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
            ("virtual_columns", "_row", "option `virtual_columns` is `_row`, but can be true or false"),
            ("recursion_levels", "2", "ok"),
            ("reader_schema", "\"int\"", "ok"),
            ("reader_schema", "{}", "option `reader_schema`"),
            ("reader_schema", "no/such.avsc", "no/such.avsc is no schema, and no file of one"),
            ("field_match", "id", "ok"),
            ("type_names", "strict", "ok"),
            ("union_by_name", "widen", "ok"),
            ("union_by_name", "yes", "option `union_by_name` is `yes`, but can be promote or widen or strict"),
            ("index", "ignore", "ok"),
            ("index", "no", "option `index` is `no`, but can be use or ignore"),
            ("index", "true", "ok"),
            ("codec", "deflate", "ok"),
            ("metadata::a.b", "c", "ok"),
            ("index_path", "s3://bucket/indexes/", "ok"),
            ("damage", "skip", "ok"),
            ("damage", "ignore", "option `damage` is `ignore`, but can be refuse or skip"),
            ("block_bytes", "1000", "ok"),
            ("block_bytes", "lots", "option `block_bytes` is `lots`, which is not a number"),
            ("unions", "sparse", "option `unions` is `sparse`, but can be tagged or dense or struct"),
            ("compression", "gzip", "Avro tables have no option `compression`; known are "),
        ];
        for (name, value, expected) in cases {
            let mut options = AvroOptions::default();
            match options.set(name, value) {
                Ok(()) => {
                    assert_eq!(expected, "ok");
                    assert_ne!(options, AvroOptions::default(), "{name}");
                }
                Err(e) => assert!(e.to_string().contains(expected), "{name}: {e}"),
            }
        }
    }

    #[test]
    fn prefixes() {
        let pairs =
            [("format.strings", "plain"), ("aws.region", "eu-central-1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let options = AvroOptions::default().with_pairs(&HashMap::from(pairs)).unwrap();
        assert_eq!(options, AvroOptions { strings: Strings::Utf8, ..Default::default() });
    }
}
