//! One small schema for each type: those of the benchmark `decoder` of arrow-avro 60.1, so that its authors' choice of
//! what to measure is measured too. The values have the ranges that they have there, in no order.
//!
//! Two of its 24 have no schema of their own. `StringView` is `string` read as views, and so it is here. `Int32_Id` is
//! `Int32` with another prefix before each message; container files have no messages.

use crate::avro_writer::{Codec, Encoder, KIB_64, Writer};
use crate::random::Random;
use std::error::Error;
use std::io::Write;

/// A schema, and how a row of it is made.
pub struct Type {
    /// What it is called, in the case's name and the file's.
    pub name: &'static str,
    /// The fields, as JSON.
    fields: &'static str,
    row: fn(&mut Encoder, u64, &mut Random),
}

impl std::fmt::Debug for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        self.name == other.name
    }
}

/// Values are numbers below this, or made of them.
const VALUES: u64 = 1_000_000;
const EPOCH_SECONDS: i64 = 1_600_000_000;

const fn one(name: &'static str, fields: &'static str, row: fn(&mut Encoder, u64, &mut Random)) -> Type {
    Type { name, fields, row }
}

/// All of them.
pub const TYPES: &[Type] = &[
    one("int32", r#"{"name":"field1","type":"int"}"#, |out, _, random| out.long(random.long(VALUES))),
    one("int64", r#"{"name":"field1","type":"long"}"#, |out, _, random| out.long(random.long(VALUES))),
    one("float32", r#"{"name":"field1","type":"float"}"#, |out, _, random| {
        out.float(random.below(VALUES) as f32 + 0.5678);
    }),
    one("float64", r#"{"name":"field1","type":"double"}"#, |out, _, random| {
        out.double(random.below(VALUES) as f64 + 0.1234);
    }),
    one("boolean", r#"{"name":"field1","type":"boolean"}"#, |out, _, random| out.boolean(random.one_in(2))),
    one("bytes", r#"{"name":"field1","type":"bytes"}"#, |out, _, random| out.bytes(&[random.any() as u8; 16])),
    one("string", r#"{"name":"field1","type":"string"}"#, |out, _, random| match random.below(3) {
        0 => out.string(&format!("value-{}", random.below(VALUES))),
        _ => out.string("abcdefghij"),
    }),
    one("date32", r#"{"name":"field1","type":{"type":"int","logicalType":"date"}}"#, |out, _, random| {
        out.long(random.long(VALUES));
    }),
    one("time-millis", r#"{"name":"field1","type":{"type":"int","logicalType":"time-millis"}}"#, |out, _, random| {
        out.long(random.long(VALUES) * 37);
    }),
    one("time-micros", r#"{"name":"field1","type":{"type":"long","logicalType":"time-micros"}}"#, |out, _, random| {
        out.long(random.long(VALUES) * 1001);
    }),
    one(
        "timestamp-millis",
        r#"{"name":"field1","type":{"type":"long","logicalType":"timestamp-millis"}}"#,
        |out, _, random| out.long(EPOCH_SECONDS * 1_000 + random.long(VALUES)),
    ),
    one(
        "timestamp-micros",
        r#"{"name":"field1","type":{"type":"long","logicalType":"timestamp-micros"}}"#,
        |out, _, random| out.long(EPOCH_SECONDS * 1_000_000 + random.long(VALUES)),
    ),
    one("map", r#"{"name":"field1","type":{"type":"map","values":["int","null"]}}"#, |out, _, random| {
        let value = random.long(VALUES);
        out.items(3, |out, index| {
            out.string(["key1", "key2", "key3"][index as usize]);
            if index == 1 && random.one_in(5) {
                out.branch(1);
            } else {
                out.branch(0);
                out.long([value, value + 1, 42][index as usize]);
            }
        });
    }),
    one("array", r#"{"name":"field1","type":{"type":"array","items":"int"}}"#, |out, _, random| {
        let value = random.long(VALUES);
        out.items(5, |out, index| out.long(value + index as i64));
    }),
    one(
        "decimal128",
        r#"{"name":"field1","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":3}}"#,
        |out, _, random| {
            let value = random.long(VALUES);
            out.decimal(if random.one_in(2) { value } else { -value });
        },
    ),
    one("uuid", r#"{"name":"field1","type":{"type":"string","logicalType":"uuid"}}"#, |out, _, random| {
        let (a, b) = (random.any(), random.any());
        // Version 4, as RFC 9562 has it.
        let (c, d) = (a >> 16 & 0xffff, a & 0xfff | 0x4000);
        let (e, f) = (b >> 48 & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
        out.string(&format!("{:08x}-{c:04x}-{d:04x}-{e:04x}-{f:012x}", a >> 32));
    }),
    one("fixed", r#"{"name":"field1","type":{"type":"fixed","name":"Fixed16","size":16}}"#, |out, _, random| {
        out.fixed(&random.below(VALUES).to_be_bytes());
        out.fixed(&[0; 8]);
    }),
    one(
        "interval",
        r#"{"name":"field1","type":{"type":"fixed","name":"Duration12","size":12,"logicalType":"duration"}}"#,
        |out, _, random| {
            for value in [random.below(24), random.below(32), random.below(VALUES) * 10] {
                out.fixed(&(value as u32).to_le_bytes());
            }
        },
    ),
    one(
        "enum",
        r#"{"name":"field1","type":{"type":"enum","name":"MyEnum","symbols":["A","B","C"]}}"#,
        |out, _, random| out.long(random.long(3)),
    ),
    one(
        "mixed",
        r#"{"name":"f1","type":"int"},{"name":"f2","type":"long"},{"name":"f3","type":"string"},
           {"name":"f4","type":"double"}"#,
        |out, _, random| {
            let value = random.below(VALUES);
            out.long(value as i64);
            out.long(value as i64);
            out.string(&format!("name-{value}"));
            out.double(value as f64 * 1.5);
        },
    ),
    one(
        "nested",
        r#"{"name":"sub","type":{"type":"record","name":"Sub","fields":[
            {"name":"x","type":"int"},{"name":"y","type":"string"}]}}"#,
        |out, _, random| {
            out.long(random.long(VALUES));
            out.string("constant");
        },
    ),
    one(
        "sparse-nested",
        r#"{"name":"a","type":["null",{"type":"record","name":"Event","fields":[
            {"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"timestamp","type":"long"}]}]},
           {"name":"b","type":["null","Event"]},{"name":"c","type":["null","Event"]}"#,
        |out, index, random| {
            // One of the three for a hundred rows, then the next.
            let present = index / 100 % 3;
            for slot in 0..3 {
                let event = (slot == present).then(|| random.below(VALUES));
                out.optional(event, |out, value| {
                    out.long(value as i64);
                    out.string(&format!("event-{value}"));
                    out.long(EPOCH_SECONDS * 1_000 + value as i64);
                });
            }
        },
    ),
];

/// Writes `rows` rows of it.
pub(super) fn write(out: impl Write, of: &Type, rows: u64) -> Result<u64, Box<dyn Error>> {
    let schema = format!(r#"{{"type":"record","name":"Row","fields":[{}]}}"#, of.fields);
    let mut file = Writer::new(out, &schema, Codec::Null, KIB_64)?;
    let mut random = Random::new(1);
    for index in 0..rows {
        file.row(|out| (of.row)(out, index, &mut random))?;
    }
    Ok(file.finish()?.1)
}
