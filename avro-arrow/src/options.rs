//! Options: what the caller wants of the output.

use crate::limits::{Limits, setters};
use crate::schema::Schema;

/// What the caller wants: which columns, of which Arrow types, in batches of which size.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Rows of a batch; the last of a file may have fewer; the default is 8192.
    pub batch_size: usize,
    /// The schema to read with; `None` is each file's own. With one, batches have its fields, whatever file they come from: values
    /// are promoted, fields found by name or alias, and those that a file lacks take their defaults, by the rules of the
    /// specification (Schema Resolution).
    ///
    /// Beyond these rules, names of types may differ where only two types can be meant ([`TypeNames`]); an enum can be read as
    /// a string; and a decimal as one of more digits. Types of different logical types do not match: a `timestamp-millis` is no
    /// `timestamp-micros`, unless [`widen`](Options::widen) says so.
    pub reader_schema: Option<Schema>,
    /// Whether the reader's schema may have smaller units than the file's: a `timestamp-millis` is read as a `timestamp-micros`, a date as a
    /// timestamp, a decimal with more digits after the point. Values are multiplied, and those that become too large are errors. The default is
    /// no: the specification does not match such types.
    pub widen: bool,
    /// Whether the names of records, enums and fixed of the reader's schema must be those of the file's; the default is lenient.
    pub type_names: TypeNames,
    /// How fields of the reader's schema are found in a file's; the default is by name.
    pub field_match: FieldMatch,
    /// The columns wanted, in the order wanted; `None` is all of them. An empty list gives batches without columns that have
    /// the right number of rows. A file whose top level is not a record has one column, `value`.
    ///
    /// A column is named, or a path leads into it: `a.b` is the column `a` with only the field `b` in its structs. The rest is
    /// skipped, not decoded. A path goes the way of the Arrow type: it names fields of structs, and the lists and maps in
    /// between have no name. So `items.price` leads into a list of structs as well as into a map's values; a map keeps its keys.
    /// Paths that begin alike make one column, at the place of the first, with the fields in the order asked for; `a` and `a.b`
    /// together are all of `a`. A union of more than null and one type is read whole or not at all, and so is what becomes
    /// JSON text ([`recursion_levels`](Options::recursion_levels)). A field whose own name has dots in it, as Avro forbids and
    /// some files have, is found by that name before any path.
    pub projection: Option<Vec<String>>,
    /// Arrow types of `string` and `bytes`; the default is views.
    pub strings: Strings,
    /// Arrow type of `enum`; the default is dictionary.
    pub enums: Enums,
    /// Arrow type of unions other than "null or one type"; the default is dense.
    pub unions: Unions,
    /// Arrow type of Iceberg's `logicalType: map`, an array of records of `key` and `value`; the default is list.
    pub logical_maps: LogicalMaps,
    /// Arrow type of decimals; the default is one of their own precision.
    pub decimals: Decimals,
    /// Whether a decimal on a fixed that is too short for its precision is read as a decimal; the default is no, as the
    /// specification voids it. DuckDB writes such decimals, whose values fit all the same.
    pub short_decimals: bool,
    /// How many times a recursive type is expanded inside itself before its values become JSON text; the default is 0.
    pub recursion_levels: usize,
    /// What becomes of a file with damaged blocks; the default is to refuse it.
    pub on_corrupt_block: OnCorruptBlock,
    /// What a file may ask for.
    pub limits: Limits,
}

/// How fields of a reader's schema are found in a writer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FieldMatch {
    /// By name, and then by the reader's aliases.
    #[default]
    Name,
    /// By the attribute `field-id`, as Iceberg does: names may have changed. Fields of the reader that have none, and records that
    /// were written before there were any, are matched by name.
    Id,
}

/// Whether the names of records, enums and fixed matter where a file is read with a reader's schema. Names are the same if they
/// are so without their namespaces, or by an alias of the reader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TypeNames {
    /// A name may differ where only two types can be meant: outside of unions, and in unions where both sides have exactly one
    /// record, enum or fixed. Many writers make names up.
    #[default]
    Lenient,
    /// Names must be the same, as the specification has it.
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
    /// A `Struct` with a nullable field for each branch but `null`, of which at most one is not null. For formats that have
    /// no unions, such as Parquet.
    Struct,
    /// The `Struct` of [`Unions::Struct`], whose fields say in their metadata which branches they are. An engine handles it as a
    /// struct, and [`tagged`](crate::tagged) makes the dense `Union` of it again. For engines that cannot compute with unions.
    Tagged,
}

/// Arrow type of an array that Iceberg marks as a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogicalMaps {
    /// A list of structs, as the bytes are.
    #[default]
    List,
    /// A `Map`, where the key cannot be null.
    Map,
}

/// Arrow type of Avro's `decimal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Decimals {
    /// `Decimal128` or `Decimal256` of the schema's precision and scale.
    #[default]
    Declared,
    /// `Decimal256` of 76 digits and the schema's scale. For files with values beyond the precision of their schema.
    Wide,
    /// The bytes as they are.
    Bytes,
}

/// What becomes of a file with damaged blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnCorruptBlock {
    /// Reading ends with an error, and none of the block's rows are given.
    #[default]
    Error,
    /// Damaged blocks are skipped, and listed as [`DamagedBlock`](crate::DamagedBlock)s.
    ///
    /// A block is skipped whole if anything that is read of it is damaged, or is larger than the [`Limits`] allow; that is
    /// found out before any of its rows are given. Where a block's frame or sync marker is damaged, reading goes on at the next
    /// sync marker that a whole block follows. Values that are not read, as no column wants them, may be damaged unseen, as ever.
    /// Batches next to a damaged block may have fewer rows. A damaged header is still an error, as nothing can be read without it,
    /// and so is a value that the reader's schema has no place for, which is no damage.
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
