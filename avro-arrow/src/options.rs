//! Read options: which columns, as which Arrow types, in batches of which size.

use crate::limits::{Limits, setters};
use crate::schema::Schema;

/// Options for decoding: columns, Arrow types, batch size, schema resolution and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Maximum number of rows of a batch; the default is 8192.
    pub batch_size: usize,
    /// The schema to resolve files to; `None` uses each file's own. All batches have the fields of this schema: values
    /// are promoted, fields are found by name or alias, and missing fields take their defaults (specification, Schema
    /// Resolution).
    ///
    /// Three things are allowed beyond the specification. Names of types may differ where only two types can be meant
    /// ([`TypeNames`]). An enum can be read as a string, and a decimal as a decimal of more digits. Types of different
    /// logical types do not match, such as `timestamp-millis` and `timestamp-micros`, unless [`widen`](Options::widen)
    /// is set.
    pub reader_schema: Option<Schema>,
    /// Whether the reader's schema may have smaller units than the file's: `timestamp-micros` for `timestamp-millis`,
    /// a timestamp for a date, a decimal with more digits after the point. Values are multiplied; values that become
    /// too large are errors. The default is `false`, as the specification does not match such types.
    pub widen: bool,
    /// Whether the reader's names of records, enums and fixed must equal the file's; the default is
    /// [`TypeNames::Lenient`].
    pub type_names: TypeNames,
    /// How fields of the reader's schema are found in the file's; the default is [`FieldMatch::Name`].
    pub field_match: FieldMatch,
    /// The columns to read, in this order; `None` reads all. An empty list gives batches without columns that have the
    /// right number of rows. A file whose top level is not a record has one column, `value`.
    ///
    /// An entry is the name of a column or a path into it: `a.b` is the column `a` with only the field `b` in its
    /// structs. All other fields are skipped without being decoded. A path follows the Arrow type: it names fields of
    /// structs and passes through lists and maps, so `items.price` selects from a list of structs and from a map's
    /// values. A map keeps its keys.
    ///
    /// Paths with the same first name make one column, at the position of the first, with the fields in the given
    /// order; `a` and `a.b` together are all of `a`. A union of more than null and one type is read whole or not at
    /// all, and so is JSON text ([`recursion_levels`](Options::recursion_levels)). Avro forbids dots in names but some
    /// files have them: an entry is looked up as a name before it is looked up as a path.
    pub projection: Option<Vec<String>>,
    /// Arrow type of `string` and `bytes`; the default is [`Strings::View`].
    pub strings: Strings,
    /// Arrow type of `enum`; the default is [`Enums::Dictionary`].
    pub enums: Enums,
    /// Arrow type of unions other than "null or one type"; the default is [`Unions::Dense`].
    pub unions: Unions,
    /// Arrow type of Iceberg's `logicalType: map`, an array of records of `key` and `value`; the default is
    /// [`LogicalMaps::List`].
    pub logical_maps: LogicalMaps,
    /// Arrow type of `decimal`; the default is [`Decimals::Declared`].
    pub decimals: Decimals,
    /// Whether to read a decimal on a `fixed` that is too short for its precision as a decimal. The default is
    /// `false`, as the specification ignores the logical type there. DuckDB writes such decimals, and their values
    /// fit.
    pub short_decimals: bool,
    /// How many times a recursive type is expanded inside itself before its values become JSON text; the default is 0.
    pub recursion_levels: usize,
    /// Whether a corrupt block is an error or is skipped; the default is [`OnCorruptBlock::Error`].
    pub on_corrupt_block: OnCorruptBlock,
    /// Maximum sizes that a file may have.
    pub limits: Limits,
}

/// How fields of the reader's schema are found in the writer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FieldMatch {
    /// By name, then by the reader's aliases.
    #[default]
    Name,
    /// By the attribute `field-id`, as in Iceberg, where fields may be renamed. Fields of the reader without an id,
    /// and records of the writer without ids, are matched by name.
    Id,
}

/// Whether the names of records, enums and fixed must match in schema resolution. Names match if they are equal
/// without their namespaces, or by an alias of the reader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TypeNames {
    /// A name may differ where only two types can be meant: outside unions, and in unions where both sides have
    /// exactly one record, enum or fixed. Many writers generate names.
    #[default]
    Lenient,
    /// Names must match, as in the specification.
    Strict,
}

/// Arrow types of Avro's `string` and `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Strings {
    /// `Utf8View` and `BinaryView`, which point into the decompressed blocks.
    #[default]
    View,
    /// `Utf8` and `Binary`.
    Utf8,
}

/// Arrow type of Avro's `enum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Enums {
    /// `Dictionary(Int32, Utf8)`, with the symbols in the schema's order.
    #[default]
    Dictionary,
    /// The symbols as strings.
    String,
}

/// Arrow type of general unions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Unions {
    /// A dense `Union` with a child for each branch.
    #[default]
    Dense,
    /// A `Struct` with a nullable field for each branch but `null`, at most one of which is not null. It suits formats
    /// without unions, such as Parquet.
    Struct,
    /// The `Struct` of [`Unions::Struct`], whose fields name their branches in metadata. Engines without unions
    /// compute with the struct, and [`tagged`](crate::tagged) converts it to the dense `Union`.
    Tagged,
}

/// Arrow type of an array that Iceberg marks as a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogicalMaps {
    /// A list of structs, as the array is encoded.
    #[default]
    List,
    /// A `Map`, unless the key is nullable.
    Map,
}

/// Arrow type of Avro's `decimal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Decimals {
    /// `Decimal128` or `Decimal256` of the schema's precision and scale.
    #[default]
    Declared,
    /// `Decimal256` of 76 digits and the schema's scale, for files whose values exceed the precision of their schema.
    Wide,
    /// The bytes of the decimal.
    Bytes,
}

/// What to do with a corrupt block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnCorruptBlock {
    /// Reading ends with an error, and no row of the block is returned.
    #[default]
    Error,
    /// Corrupt blocks are skipped, and listed as [`DamagedBlock`](crate::DamagedBlock)s.
    ///
    /// A block is skipped whole if any value that is read from it is damaged, or if it exceeds the [`Limits`]; none of
    /// its rows are returned then. If the frame or the sync marker of a block is damaged, reading continues at the
    /// next sync marker that a whole block follows. Values of columns that are not read are not validated. Batches
    /// next to a skipped block may have fewer rows.
    ///
    /// A damaged header is still an error. So is a value that the reader's schema cannot represent, as the data is not
    /// damaged.
    Skip,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            batch_size: 8192,
            reader_schema: None,
            widen: false,
            type_names: TypeNames::default(),
            field_match: FieldMatch::default(),
            projection: None,
            strings: Strings::default(),
            enums: Enums::default(),
            unions: Unions::default(),
            logical_maps: LogicalMaps::default(),
            decimals: Decimals::default(),
            short_decimals: false,
            recursion_levels: 0,
            on_corrupt_block: OnCorruptBlock::default(),
            limits: Limits::default(),
        }
    }
}

setters!(Options {
    with_batch_size batch_size: usize,
    with_reader_schema reader_schema: Option<Schema>,
    with_widen widen: bool,
    with_type_names type_names: TypeNames,
    with_field_match field_match: FieldMatch,
    with_projection projection: Option<Vec<String>>,
    with_strings strings: Strings,
    with_enums enums: Enums,
    with_unions unions: Unions,
    with_logical_maps logical_maps: LogicalMaps,
    with_decimals decimals: Decimals,
    with_short_decimals short_decimals: bool,
    with_recursion_levels recursion_levels: usize,
    with_on_corrupt_block on_corrupt_block: OnCorruptBlock,
    with_limits limits: Limits,
});
