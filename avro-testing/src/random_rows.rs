//! A seed and a schema in, rows in Avro's binary encoding out: all that the encoding allows, as real writers never mix
//! it.

use crate::Rng;
use crate::random_schema::hex;
use avro_arrow::Limits;
use avro_arrow::schema::{Kind, Logical, Node, NodeId, Schema};

/// Returns `n_rows` random values of the schema's outermost type, one after the other. Where values of the type have no
/// end or are larger than anyone would write, they are cut short somewhere.
pub fn random_rows(rng: &mut Rng, schema: &Schema, n_rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..n_rows {
        let enough = bytes.len() + 2_000;
        RowEncoder { rng, schema, enough, steps: STEPS_MAX }.value(schema.root(), 0, &mut bytes);
    }
    rng.note(|| format!("{n_rows} rows {}", hex(&bytes)));
    bytes
}

/// Returns [`random_rows`] of the schema with this text, which must be valid.
pub fn random_rows_of(rng: &mut Rng, json: &str, n_rows: usize) -> Vec<u8> {
    random_rows(rng, &Schema::parse(json, &Limits::default()).expect(json), n_rows)
}

/// Below this depth values end as soon as they can, so that recursive types do.
const DEEP: usize = 20;

/// Types in a value and inside one another, beyond which a value is cut short: a record may contain itself, or hold two
/// of the one before.
const STEPS_MAX: usize = 100_000;
const DEEPEST: usize = 400;
/// Bytes of a fixed, beyond which it is cut short.
const FIXED_MAX: usize = 1 << 16;

struct RowEncoder<'a> {
    rng: &'a mut Rng,
    schema: &'a Schema,
    /// At this many bytes a row ends as soon as it can.
    enough: usize,
    /// How many more types may be in it.
    steps: usize,
}

impl RowEncoder<'_> {
    fn value(&mut self, id: NodeId, depth: usize, out: &mut Vec<u8>) {
        let schema = self.schema;
        let node = schema.node(id);
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 || depth > DEEPEST {
            return;
        }
        let ends = depth > DEEP || out.len() > self.enough;
        match &node.kind {
            Kind::Null => {}
            Kind::Boolean => out.push(self.rng.below(2) as u8),
            Kind::Int => {
                let value = self.long() as i32;
                self.varint(value.into(), out);
            }
            Kind::Long => {
                let value = self.long();
                self.varint(value, out);
            }
            Kind::Float => {
                let any = f32::from_bits(self.rng.bits() as u32);
                let value = self.rng.pick(any, &[0.0, -0.0, 1.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, any]);
                out.extend(value.to_le_bytes());
            }
            Kind::Double => {
                let any = f64::from_bits(self.rng.bits());
                let value = self.rng.pick(any, &[0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, any]);
                out.extend(value.to_le_bytes());
            }
            Kind::Bytes => {
                let bytes = match decimal_width(node) {
                    Some(width) => self.decimal(width),
                    None => {
                        let n = self.length();
                        self.rng.bytes(n)
                    }
                };
                self.sized(&bytes, out);
            }
            Kind::String => {
                let text = self.text();
                self.sized(text.as_bytes(), out);
            }
            Kind::Fixed(fixed) => match (decimal_width(node), node.logical) {
                (Some(width), _) => {
                    let digits = self.rng.bytes(fixed.size.min(width));
                    out.extend(longer(digits, fixed.size.min(FIXED_MAX)));
                }
                (None, Some(Logical::Duration)) => {
                    for _ in 0..2 {
                        out.extend((self.long() as u32 >> 1).to_le_bytes());
                    }
                    out.extend((self.rng.bits() as u32).to_le_bytes());
                }
                _ => out.extend(self.rng.bytes(fixed.size.min(FIXED_MAX))),
            },
            Kind::Enum(e) => {
                let symbol = self.rng.below(e.symbols.len());
                self.varint(symbol as i64, out);
            }
            Kind::Array(items) => self.items(*items, false, ends, depth, out),
            Kind::Map(values) => self.items(*values, true, ends, depth, out),
            Kind::Union(branches) => {
                let null = branches.iter().position(|branch| schema.node(*branch).kind == Kind::Null);
                let branch = match null {
                    Some(null) if ends || self.rng.one_in(4) => null,
                    _ => self.rng.below(branches.len()),
                };
                self.varint(branch as i64, out);
                if let Some(branch) = branches.get(branch) {
                    self.value(*branch, depth + 1, out);
                }
            }
            Kind::Record(record) => {
                for field in &record.fields {
                    self.value(field.node, depth + 1, out);
                }
            }
        }
    }

    /// An array or a map, in blocks with or without their sizes.
    fn items(&mut self, items: NodeId, keys: bool, ends: bool, depth: usize, out: &mut Vec<u8>) {
        let n_blocks = if ends { 0 } else { self.rng.pick(1, &[0, 1, 1, 2, 3]) };
        for _ in 0..n_blocks {
            let count = self.rng.pick(1, &[1, 2, 3, 9, 40]);
            let enough = self.enough;
            let mut block = Vec::new();
            self.enough = enough.saturating_sub(out.len());
            for _ in 0..count {
                if keys {
                    let key = self.text();
                    self.sized(key.as_bytes(), &mut block);
                }
                self.value(items, depth + 1, &mut block);
            }
            self.enough = enough;
            if self.rng.one_in(2) {
                self.varint(count, out);
            } else {
                self.varint(-count, out);
                self.varint(block.len() as i64, out);
            }
            out.extend(block);
        }
        self.varint(0, out);
    }

    /// A zig-zag varint; rarely longer than it needs to be.
    fn varint(&mut self, value: i64, out: &mut Vec<u8>) {
        let mut bits = ((value << 1) ^ (value >> 63)) as u64;
        let mut n_bytes = 1;
        while bits >= 0x80 {
            out.push(bits as u8 | 0x80);
            bits >>= 7;
            n_bytes += 1;
        }
        let n_more = if self.rng.one_in(200) { self.rng.below(11 - n_bytes) } else { 0 };
        for more in (0..=n_more).rev() {
            out.push(bits as u8 | if more > 0 { 0x80 } else { 0 });
            bits = 0;
        }
    }

    /// A number of any width, and those at the edges.
    fn long(&mut self) -> i64 {
        let any = (self.rng.bits() >> self.rng.below(64)) as i64;
        let edge = self.rng.pick(0, &[i64::MAX, i64::MIN, i32::MAX.into(), i32::MIN.into(), -1, 63, 64, -64, -65]);
        match self.rng.below(4) {
            0 => edge,
            1 => any.wrapping_neg(),
            _ => any,
        }
    }

    /// A length around those at which Arrow's views and wide loads change their ways.
    fn length(&mut self) -> usize {
        let any = self.rng.below(20);
        self.rng.pick(any, &[0, 1, 4, 11, 12, 13, 16, 17, 32, 100, any, any])
    }

    fn text(&mut self) -> String {
        let n_bytes = self.length();
        let mut text = String::new();
        let ascii = self.rng.one_in(2);
        while text.len() < n_bytes {
            let letter = (b' ' + self.rng.below(95) as u8) as char;
            text.push(match ascii {
                true => letter,
                false => self.rng.pick(letter, &['"', '\\', '\n', '\0', 'é', '\u{7f}', '漢', '\u{2028}', '🦀', letter]),
            });
        }
        text
    }

    fn sized(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.varint(bytes.len() as i64, out);
        out.extend(bytes);
    }

    /// The two's complement of a number of at most `width` bytes: of any length, also none, also longer than it has to
    /// be.
    fn decimal(&mut self, width: usize) -> Vec<u8> {
        let n = self.rng.below(width + 1);
        let digits = self.rng.bytes(n);
        match self.rng.below(4) {
            0 => {
                let n_more = self.rng.pick(1, &[2, 16, 30]);
                longer(digits, n + n_more)
            }
            _ => digits,
        }
    }
}

/// The number in `n` bytes.
fn longer(digits: Vec<u8>, n: usize) -> Vec<u8> {
    let negative = digits.first().is_some_and(|byte| *byte >= 0x80);
    let mut bytes = vec![if negative { 0xff } else { 0 }; n.saturating_sub(digits.len())];
    bytes.extend(digits);
    bytes
}

/// The bytes of the Arrow type that a decimal becomes, if it becomes one.
fn decimal_width(node: &Node) -> Option<usize> {
    match node.logical {
        Some(Logical::Decimal { precision: ..=38, .. }) => Some(16),
        Some(Logical::Decimal { precision: ..=76, .. }) => Some(32),
        _ => None,
    }
}
