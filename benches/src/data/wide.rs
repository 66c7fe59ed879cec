//! A table of a hundred columns, as data warehouses export them: keys, amounts, codes, times, and many that are mostly
//! empty.

use crate::avro_writer::{Codec, Encoder, KIB_64, Writer};
use crate::random::Random;
use std::error::Error;
use std::io::Write;

/// A kind of column: its type, and how a value is made.
type Kind = (&'static str, fn(&mut Encoder, &mut Random));

/// Ten kinds of column, ten times over.
const KINDS: [Kind; 10] = [
    (r#""long""#, |out, random| out.long(random.spread(40))),
    (r#""string""#, |out, random| out.string(random.one_of(&CODES))),
    (r#"["null","double"]"#, |out, random| {
        let value = (!random.one_in(10)).then(|| (random.fraction() * 1e6).round() / 100.0);
        out.optional(value, Encoder::double);
    }),
    (r#""int""#, |out, random| out.long(random.long(5000))),
    (r#"["null","string"]"#, |out, random| {
        let value = random.one_in(2).then(|| text(random));
        out.optional(value, |out, value| out.string(&value));
    }),
    (r#"{"type":"long","logicalType":"timestamp-millis"}"#, |out, random| {
        out.long(1_700_000_000_000 + random.long(31_536_000_000));
    }),
    (r#"["null","long"]"#, |out, random| {
        let value = random.one_in(4).then(|| random.spread(20));
        out.optional(value, Encoder::long);
    }),
    (r#""double""#, |out, random| out.double(random.fraction() * 1000.0)),
    (r#""boolean""#, |out, random| out.boolean(random.one_in(3))),
    (r#"["null",{"type":"int","logicalType":"date"}]"#, |out, random| {
        let value = (!random.one_in(20)).then(|| 18_000 + random.long(2000));
        out.optional(value, Encoder::long);
    }),
];

const CODES: [&str; 8] = ["NEW", "OPEN", "PAID", "SHIPPED", "RETURNED", "CANCELLED", "ON HOLD", "N/A"];
const WORDS: [&str; 12] = [
    "account",
    "Zürich",
    "delivered",
    "to",
    "the",
    "north",
    "warehouse",
    "of",
    "customer",
    "pending",
    "review",
    "naïve",
];

/// One to eight words.
fn text(random: &mut Random) -> String {
    let words: Vec<&str> = (0..=random.below(8)).map(|_| random.one_of(&WORDS)).collect();
    words.join(" ")
}

/// Writes `rows` rows of columns `c00` to `c99`.
pub(super) fn write(out: impl Write, rows: u64) -> Result<u64, Box<dyn Error>> {
    let kinds = || (0..100).map(|column: usize| KINDS[column % KINDS.len()]);
    let field = |(column, (of, _)): (usize, Kind)| format!(r#"{{"name":"c{column:02}","type":{of}}}"#);
    let fields: Vec<_> = kinds().enumerate().map(field).collect();
    let schema = format!(r#"{{"type":"record","name":"Wide","fields":[{}]}}"#, fields.join(","));
    let mut file = Writer::new(out, &schema, Codec::Null, KIB_64)?;
    let mut random = Random::new(2);
    for _ in 0..rows {
        file.row(|out| kinds().for_each(|(_, write)| write(out, &mut random)))?;
    }
    Ok(file.finish()?.1)
}
