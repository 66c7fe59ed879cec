//! TPC-H's lineitem: rows of `tpchgen` in, an Avro file out.

use crate::avro_writer::{Blocks, Codec, Encoder, Writer};
use std::error::Error;
use std::io::Write;
use tpchgen::generators::{LineItem, LineItemGenerator};

const LONG: &str = r#""long""#;
const STRING: &str = r#""string""#;
const DATE: &str = r#"{"type":"int","logicalType":"date"}"#;
const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}"#;
/// Its columns and their types.
pub(crate) const COLUMNS: [(&str, &str); 16] = [
    ("l_orderkey", LONG),
    ("l_partkey", LONG),
    ("l_suppkey", LONG),
    ("l_linenumber", r#""int""#),
    ("l_quantity", DECIMAL),
    ("l_extendedprice", DECIMAL),
    ("l_discount", DECIMAL),
    ("l_tax", DECIMAL),
    ("l_returnflag", STRING),
    ("l_linestatus", STRING),
    ("l_shipdate", DATE),
    ("l_commitdate", DATE),
    ("l_receiptdate", DATE),
    ("l_shipinstruct", STRING),
    ("l_shipmode", STRING),
    ("l_comment", STRING),
];

/// Whether values can be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// No field is a union.
    Required,
    /// Every field is `["null", T]`, and no value is null.
    None,
    /// Every field is `["null", T]`, and about an eighth of all values are null.
    Some,
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

/// Its schema.
pub(crate) fn schema(nulls: Nulls) -> String {
    let fields = COLUMNS.map(|(name, of)| match nulls {
        Nulls::Required => format!(r#"{{"name":"{name}","type":{of}}}"#),
        Nulls::None | Nulls::Some => format!(r#"{{"name":"{name}","type":["null",{of}]}}"#),
    });
    format!(r#"{{"type":"record","name":"lineitem","fields":[{}]}}"#, fields.join(","))
}

/// Writes lineitem at this scale, and gives the number of rows.
pub(super) fn write(
    out: impl Write,
    codec: Codec,
    blocks: Blocks,
    nulls: Nulls,
    scale: f64,
) -> Result<u64, Box<dyn Error>> {
    let mut file = Writer::new(out, &schema(nulls), codec, blocks)?;
    for (index, item) in LineItemGenerator::new(scale, 1, 1).iter().enumerate() {
        file.row(|out| Row { out, nulls, seed: (index as u64).wrapping_add(1) }.item(&item))?;
    }
    Ok(file.finish()?.1)
}

/// A row being written.
struct Row<'a> {
    out: &'a mut Encoder,
    nulls: Nulls,
    /// Decides which values are null; never 0.
    seed: u64,
}

impl Row<'_> {
    fn item(&mut self, item: &LineItem<'_>) {
        self.long(item.l_orderkey);
        self.long(item.l_partkey);
        self.long(item.l_suppkey);
        self.long(i64::from(item.l_linenumber));
        self.decimal(item.l_quantity * 100);
        self.decimal(item.l_extendedprice.into_inner());
        self.decimal(item.l_discount.into_inner());
        self.decimal(item.l_tax.into_inner());
        self.string(item.l_returnflag);
        self.string(item.l_linestatus);
        self.long(i64::from(item.l_shipdate.to_unix_epoch()));
        self.long(i64::from(item.l_commitdate.to_unix_epoch()));
        self.long(i64::from(item.l_receiptdate.to_unix_epoch()));
        self.string(item.l_shipinstruct);
        self.string(item.l_shipmode);
        self.string(item.l_comment);
    }

    /// Writes the union's branch, if there is a union. Returns whether a value follows.
    fn branch(&mut self) -> bool {
        if self.nulls == Nulls::Required {
            return true;
        }
        // splitmix64's step and its first mixing: neighbours have nothing in common.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let null = self.nulls == Nulls::Some && mixed >> 61 == 0;
        self.out.branch(i64::from(!null));
        !null
    }

    fn long(&mut self, value: i64) {
        if self.branch() {
            self.out.long(value);
        }
    }

    fn string(&mut self, value: &str) {
        if self.branch() {
            self.out.string(value);
        }
    }

    fn decimal(&mut self, value: i64) {
        if self.branch() {
            self.out.decimal(value);
        }
    }
}
