//! The cases: which data, which columns.

/// One line of the table, for each engine.
pub(crate) struct Case {
    /// What it is called on the command line and in the table.
    pub(crate) name: &'static str,
    /// The file it reads.
    pub(crate) data: Data,
    /// The columns it reads; `None` is all.
    pub(crate) columns: Option<&'static [&'static str]>,
}

/// What distinguishes one generated file from another.
#[derive(Clone, Copy)]
pub(crate) struct Data {
    /// How its blocks are compressed.
    pub(crate) codec: Codec,
    /// Whether its values can be null.
    pub(crate) nulls: Nulls,
}

/// How blocks are compressed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)]
pub(crate) enum Codec {
    Null,
    Snappy,
    Zstandard,
    Deflate,
}

/// Whether values can be null.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Nulls {
    /// No field is a union.
    Required,
    /// Every field is `["null", T]`, and no value is null.
    None,
    /// Every field is `["null", T]`, and about an eighth of all values are null.
    Some,
}

impl Codec {
    /// Avro's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Snappy => "snappy",
            Codec::Zstandard => "zstandard",
            Codec::Deflate => "deflate",
        }
    }
}

impl Nulls {
    /// Its name in a file's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Nulls::Required => "required",
            Nulls::None => "nullable",
            Nulls::Some => "nulls",
        }
    }
}

const TWO: Option<&[&str]> = Some(&["l_quantity", "l_extendedprice"]);

/// All of them, in the order of the table.
pub(crate) const CASES: &[Case] = &[
    case("lineitem", Codec::Null, Nulls::Required, None),
    case("lineitem-2of16", Codec::Null, Nulls::Required, TWO),
    case("lineitem-nullable", Codec::Null, Nulls::None, None),
    case("lineitem-nullable-2of16", Codec::Null, Nulls::None, TWO),
    case("lineitem-nulls", Codec::Null, Nulls::Some, None),
    case("lineitem-nulls-2of16", Codec::Null, Nulls::Some, TWO),
    case("lineitem-snappy", Codec::Snappy, Nulls::Required, None),
    case("lineitem-snappy-2of16", Codec::Snappy, Nulls::Required, TWO),
    case("lineitem-zstandard", Codec::Zstandard, Nulls::Required, None),
    case("lineitem-zstandard-2of16", Codec::Zstandard, Nulls::Required, TWO),
    case("lineitem-deflate", Codec::Deflate, Nulls::Required, None),
    case("lineitem-deflate-2of16", Codec::Deflate, Nulls::Required, TWO),
];

const fn case(name: &'static str, codec: Codec, nulls: Nulls, columns: Option<&'static [&'static str]>) -> Case {
    Case { name, data: Data { codec, nulls }, columns }
}
