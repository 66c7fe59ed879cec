//! The table of all options: the only list of their names. Errors, help and the table function `avro_options()` use it.

/// What an option is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionKind {
    /// How files are read.
    Read,
    /// A limit on what a file may make the reader allocate.
    Limit,
    /// How files are written.
    Write,
}

impl OptionKind {
    /// Returns `read`, `limit` or `write`.
    pub fn name(self) -> &'static str {
        match self {
            OptionKind::Read => "read",
            OptionKind::Limit => "limit",
            OptionKind::Write => "write",
        }
    }
}

/// An option of SQL, see [`AvroOptions::set`](crate::AvroOptions::set).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionInfo {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub kind: OptionKind,
    /// Its value if it is not set; empty if it then does nothing.
    pub default: &'static str,
    /// The values that it takes.
    pub values: &'static str,
    /// Its description.
    pub description: &'static str,
}

const fn read(
    name: &'static str,
    default: &'static str,
    values: &'static str,
    description: &'static str,
) -> OptionInfo {
    OptionInfo { name, kind: OptionKind::Read, default, values, description }
}

const fn limit(name: &'static str, default: &'static str, description: &'static str) -> OptionInfo {
    OptionInfo { name, kind: OptionKind::Limit, default, values: "a number", description }
}

const fn write(
    name: &'static str,
    default: &'static str,
    values: &'static str,
    description: &'static str,
) -> OptionInfo {
    OptionInfo { name, kind: OptionKind::Write, default, values, description }
}

/// All options, in the order in which they are listed.
pub const OPTIONS: [OptionInfo; 36] = [
    read("strings", "view", "view, plain", "Arrow type of strings and bytes"),
    read("enums", "dictionary", "dictionary, string", "Arrow type of enums"),
    read("unions", "tagged", "tagged, dense, struct", "Arrow type of unions"),
    read("pairs", "list", "list, map", "Arrow type of arrays that Iceberg marks as maps"),
    read("decimals", "declared", "declared, wide, bytes", "decimals of the declared precision, of 76 digits, or bytes"),
    read(
        "short_decimals",
        "false",
        "false, true",
        "whether decimals on a fixed too short for their precision are decimals",
    ),
    read(
        "recursion_levels",
        "0",
        "a number",
        "levels of a recursive type that are expanded; deeper values are JSON text",
    ),
    read("damage", "refuse", "refuse, skip", "whether damaged blocks are errors or are skipped (--lenient)"),
    read("file_extension", ".avro", "an extension", "extension of data files in directories; empty takes all files"),
    read("partitions", "infer", "infer, ignore", "whether directories key=value are columns"),
    read("partition_types", "infer", "infer, string", "types of these columns"),
    read("virtual_columns", "false", "false, true", "whether there are _file, _block, _row and _offset"),
    read("reader_schema", "", "JSON, or a file", "schema to which every file is resolved (--reader-schema)"),
    read("field_match", "name", "name, id", "whether fields of the reader's schema match by name or by field-id"),
    read("type_names", "lenient", "lenient, strict", "whether names of types must match in schema resolution"),
    read(
        "union_by_name",
        "promote",
        "promote, widen, strict",
        "files with different schemas: by Avro's rules, also by wider types and unions, or an error",
    ),
    read("index", "use", "use, ignore", "whether block indexes are used"),
    read("index_path", "", "a directory", "directory of the block indexes, else beside the files (--index-dir)"),
    read(
        "cache",
        "use",
        "use, auto, memory, ignore",
        "copies and columns in memory: auto also writes copies, memory keeps columns at once",
    ),
    read("cache_path", "", "a directory", "local directory of the columnar copies"),
    read("cache_size", "20G", "a size", "bytes of all columnar copies in their directory"),
    limit("block_bytes", "209715200", "bytes of one block, stored or decompressed"),
    limit("batch_bytes", "2147483648", "bytes of the columns of one row or batch"),
    limit("metadata_bytes", "16777216", "bytes of a file header"),
    limit("schema_nodes", "100000", "nodes of a parsed schema"),
    limit("arrow_fields", "10000", "Arrow fields of the columns that a query reads"),
    limit("nesting", "128", "levels of types in a schema"),
    limit("value_nesting", "1000", "levels of a recursive value"),
    limit("zero_width_items", "10000000", "rows or items without bytes, for each block"),
    write("codec", "snappy", "null, deflate, snappy, zstandard, bzip2, xz", "compression of the blocks"),
    write("level", "", "a number", "compression level, on the codec's own scale"),
    write("block_size", "128KB", "a size", "bytes of a block before compression"),
    write("schema", "", "JSON, or a file", "schema of the files, else that of the columns"),
    write("check_schema", "true", "true, false", "whether the schema must satisfy the specification"),
    write("write_index", "false", "false, true", "whether a block index is written beside each file"),
    write("metadata::KEY", "", "a text", "an entry of the file header"),
];

/// Returns the names of all options that are not write options, for messages.
pub(crate) fn read_names() -> String {
    names(|kind| kind != OptionKind::Write)
}

/// Returns the names of the write options, for messages.
pub(crate) fn write_names() -> String {
    names(|kind| kind == OptionKind::Write)
}

fn names(is_listed: impl Fn(OptionKind) -> bool) -> String {
    OPTIONS.iter().filter(|option| is_listed(option.kind)).map(|option| option.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::options::read::AvroOptions;

    #[test]
    fn listed_options_and_values_are_accepted() {
        for option in OPTIONS {
            let examples: Vec<&str> = match option.values {
                "a number" => vec!["7"],
                "a size" => vec!["64KB"],
                "a directory" | "an extension" | "a text" => vec!["x"],
                "JSON, or a file" => vec!["\"int\""],
                values => values.split(", ").collect(),
            };
            for value in examples.into_iter().chain([option.default]).filter(|value| !value.is_empty()) {
                AvroOptions::default().set(option.name, value).unwrap();
            }
        }
    }

    #[test]
    fn listed_defaults_are_the_defaults() {
        for option in OPTIONS.iter().filter(|option| !option.default.is_empty()) {
            let mut options = AvroOptions::default();
            options.set(option.name, option.default).unwrap();
            assert_eq!(options, AvroOptions::default(), "{}", option.name);
        }
    }
}
