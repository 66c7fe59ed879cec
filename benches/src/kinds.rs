//! Kinds of values for the small benchmarks, each with a way to make as many as wanted. A kind in, a file in memory
//! out.

use crate::avro_writer::{Codec, Encoder, KIB_64, Writer};
use crate::random::Random;
use std::error::Error;

/// A kind of value.
pub struct Kind {
    /// What it is called.
    pub name: &'static str,
    /// Its Avro type, as JSON. `@` stands for a number of the column's own, since named types are declared once.
    of: &'static str,
    write: fn(&mut Encoder, &mut Random),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn kind(name: &'static str, of: &'static str, write: fn(&mut Encoder, &mut Random)) -> Kind {
    Kind { name, of, write }
}

const LONG: &str = r#""long""#;
const STRING: &str = r#""string""#;
const NULLABLE_LONG: &str = r#"["null","long"]"#;
const NULLABLE_STRING: &str = r#"["null","string"]"#;

/// All of them.
pub const KINDS: &[Kind] = &[
    kind("varint-1", LONG, |out, random| out.long(varint(random, 1))),
    kind("varint-2", LONG, |out, random| out.long(varint(random, 2))),
    kind("varint-3", LONG, |out, random| out.long(varint(random, 3))),
    kind("varint-5", LONG, |out, random| out.long(varint(random, 5))),
    kind("varint-9", LONG, |out, random| out.long(varint(random, 9))),
    kind("varint-1-or-2", LONG, |out, random| {
        let len = 1 + random.below(2);
        out.long(varint(random, len));
    }),
    kind("varint-1-to-9", LONG, |out, random| {
        let len = 1 + random.below(9);
        out.long(varint(random, len));
    }),
    kind("int-date", r#"{"type":"int","logicalType":"date"}"#, |out, random| out.long(18_000 + random.long(2000))),
    kind("boolean", r#""boolean""#, |out, random| out.boolean(random.one_in(2))),
    kind("float", r#""float""#, |out, random| out.float(random.fraction() as f32)),
    kind("double", r#""double""#, |out, random| out.double(random.fraction())),
    kind("string-short", STRING, |out, random| text(out, random, 0, 12)),
    kind("string-long", STRING, |out, random| text(out, random, 20, 60)),
    kind("string-mixed", STRING, |out, random| text(out, random, 0, 30)),
    kind("string-non-ascii", STRING, |out, random| {
        let n = 1 + random.below(4);
        let words: Vec<&str> = (0..n).map(|_| random.one_of(&["Größe", "東京", "naïve", "Łódź", "ok", "🦀"])).collect();
        out.string(&words.join(" "));
    }),
    kind("bytes", r#""bytes""#, |out, random| {
        let value = random.any().to_le_bytes();
        out.bytes(&value[..random.below(9) as usize]);
    }),
    kind("decimal", r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}"#, |out, random| {
        let value = random.spread(38);
        out.decimal(if random.one_in(2) { value } else { -value });
    }),
    kind(
        "decimal-fixed",
        r#"{"type":"fixed","name":"D@","size":8,"logicalType":"decimal","precision":16,"scale":2}"#,
        |out, random| out.fixed(&random.spread(48).to_be_bytes()),
    ),
    kind("fixed", r#"{"type":"fixed","name":"F@","size":16}"#, |out, random| {
        out.fixed(&u128::from(random.any()).to_be_bytes());
    }),
    kind("enum", r#"{"type":"enum","name":"E@","symbols":["A","B","C","D","E"]}"#, |out, random| {
        out.long(random.long(5));
    }),
    kind("nullable-long-0", NULLABLE_LONG, |out, random| nullable_long(out, random, 0)),
    kind("nullable-long-10", NULLABLE_LONG, |out, random| nullable_long(out, random, 10)),
    kind("nullable-long-50", NULLABLE_LONG, |out, random| nullable_long(out, random, 50)),
    kind("nullable-string-0", NULLABLE_STRING, |out, random| nullable_string(out, random, 0)),
    kind("nullable-string-10", NULLABLE_STRING, |out, random| nullable_string(out, random, 10)),
    kind("nullable-string-50", NULLABLE_STRING, |out, random| nullable_string(out, random, 50)),
    kind(
        "record",
        r#"{"type":"record","name":"R@","fields":[{"name":"x","type":"int"},{"name":"y","type":"string"}]}"#,
        |out, random| {
            out.long(random.long(1000));
            text(out, random, 0, 12);
        },
    ),
    kind(
        "nullable-record-50",
        r#"["null",{"type":"record","name":"N@","fields":[{"name":"x","type":"int"},{"name":"y","type":"string"}]}]"#,
        |out, random| {
            let some = random.one_in(2).then_some(());
            out.optional(some, |out, ()| {
                out.long(random.long(1000));
                text(out, random, 0, 12);
            });
        },
    ),
    kind("array-int", r#"{"type":"array","items":"int"}"#, |out, random| {
        out.items(random.below(8), |out, _| out.long(random.long(1000)));
    }),
    kind("array-string", r#"{"type":"array","items":"string"}"#, |out, random| {
        out.items(random.below(8), |out, _| text(out, random, 0, 12));
    }),
    kind(
        "array-record",
        r#"{"type":"array","items":{"type":"record","name":"A@","fields":[
            {"name":"x","type":"int"},{"name":"y","type":"double"}]}}"#,
        |out, random| {
            out.items(random.below(8), |out, _| {
                out.long(random.long(1000));
                out.double(random.fraction());
            });
        },
    ),
    kind("map-string", r#"{"type":"map","values":"string"}"#, |out, random| {
        out.items(random.below(4), |out, index| {
            out.string(["alpha", "beta", "gamma"][index as usize]);
            text(out, random, 0, 12);
        });
    }),
    kind("union", r#"["null","long","string"]"#, |out, random| {
        let branch = random.long(3);
        out.branch(branch);
        match branch {
            1 => out.long(random.long(1000)),
            2 => text(out, random, 0, 12),
            _ => {}
        }
    }),
];

/// Any number that takes this many bytes.
fn varint(random: &mut Random, len: u64) -> i64 {
    let first = if len == 1 { 0 } else { 1u64 << (7 * (len - 1)) };
    let zigzag = first + random.below((1 << (7 * len)) - first);
    (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
}

/// A string of `min` to `max` letters.
fn text(out: &mut Encoder, random: &mut Random, min: u64, max: u64) {
    let len = min + random.below(max - min + 1);
    out.string(&(0..len).map(|_| char::from(b'a' + random.below(26) as u8)).collect::<String>());
}

fn nullable_long(out: &mut Encoder, random: &mut Random, percent: u64) {
    let value = (random.below(100) >= percent).then(|| random.long(100_000));
    out.optional(value, Encoder::long);
}

fn nullable_string(out: &mut Encoder, random: &mut Random, percent: u64) {
    let some = (random.below(100) >= percent).then_some(());
    out.optional(some, |out, ()| text(out, random, 0, 12));
}

/// A file of `rows` rows: the long `key`, if there is one, and `columns` columns `c0`, `c1` and so on of this kind.
pub fn file(kind: &Kind, key: bool, columns: usize, rows: u64) -> Result<Vec<u8>, Box<dyn Error>> {
    let of = |index: usize| kind.of.replace('@', &index.to_string());
    let mut fields: Vec<_> = (0..columns).map(|i| format!(r#"{{"name":"c{i}","type":{}}}"#, of(i))).collect();
    if key {
        fields.insert(0, r#"{"name":"key","type":"long"}"#.into());
    }
    let schema = format!(r#"{{"type":"record","name":"Row","fields":[{}]}}"#, fields.join(","));
    let mut file = Writer::new(Vec::new(), &schema, Codec::Null, KIB_64)?;
    let mut random = Random::new(4);
    for row in 0..rows {
        file.row(|out| {
            if key {
                out.long(row as i64);
            }
            (0..columns).for_each(|_| (kind.write)(out, &mut random));
        })?;
    }
    Ok(file.finish()?.0)
}
