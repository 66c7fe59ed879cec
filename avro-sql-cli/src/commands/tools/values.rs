//! Random values in Avro's binary encoding, as plain as real data:
//!
//! dates of these decades, times within a day, numbers of few digits and of many.

use avro_arrow::put_long;
use avro_arrow::schema::{Kind, Logical, NodeId, Schema};

/// SplitMix64: the same numbers for the same seed, on every machine.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    /// Seeds one of several independent streams.
    pub(super) fn new(seed: u64, stream: u64) -> Rng {
        Rng(seed ^ Rng(stream).bits())
    }

    /// Returns 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 (included) to 1 (excluded).
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a number below `n`, or 0.
    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    /// Returns a number of any magnitude, negative half of the time.
    fn number(&mut self, bits: u32) -> i64 {
        let width = self.below(u64::from(bits)) as u32;
        let magnitude = (self.bits() >> 1 & ((1 << width) - 1)) as i64;
        if self.below(2) == 0 { magnitude } else { -magnitude - 1 }
    }
}

/// Nesting beyond which a value ends as soon as it can.
const DEEP: usize = 8;

/// Number of types in a value beyond which it ends as soon as it can; far beyond, it is abandoned.
const MANY: usize = 2_000;
const TOO_MANY: usize = 1_000_000;

/// The maximum of the minimal nesting of a type's values.
const HEIGHT_MAX: usize = 400;

/// Maximum bytes of a `fixed`, and of a whole value.
const BYTES_MAX: usize = 64 << 20;

/// Generates values of one schema.
pub(super) struct Generator<'s> {
    schema: &'s Schema,
    /// For each type, the minimal nesting of its values.
    heights: Vec<usize>,
}

/// A value being generated.
struct ValueBuilder<'g, 'r> {
    generator: &'g Generator<'g>,
    rng: &'r mut Rng,
    steps: usize,
}

impl<'s> Generator<'s> {
    /// Returns an error if values of the type cannot be finite.
    pub(super) fn new(schema: &'s Schema) -> Result<Self, String> {
        let heights = heights(schema);
        match heights.get(schema.root().index()) {
            Some(height) if *height <= HEIGHT_MAX => Ok(Generator { schema, heights }),
            _ => Err(format!(
                "cannot make values of {}: it recurses without end or beyond {HEIGHT_MAX} levels, or contains an enum without symbols",
                schema.node(schema.root())
            )),
        }
    }

    /// Appends a value.
    pub(super) fn value(&self, rng: &mut Rng, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        let mut making = ValueBuilder { generator: self, rng, steps: 0 };
        making.value(self.schema.root(), 0, start, out)
    }

    fn height(&self, node: NodeId) -> usize {
        self.heights.get(node.index()).copied().unwrap_or(usize::MAX)
    }
}

/// Returns the minimal nesting of each type's values; `usize::MAX` if they cannot be finite.
fn heights(schema: &Schema) -> Vec<usize> {
    let mut nodes = Vec::new();
    let mut todo = vec![schema.root()];
    let mut heights = vec![usize::MAX; schema.len()];
    let mut seen = vec![false; schema.len()];
    while let Some(node) = todo.pop() {
        if seen.get(node.index()).copied().unwrap_or(true) {
            continue;
        }
        if let Some(seen) = seen.get_mut(node.index()) {
            *seen = true;
        }
        nodes.push(node);
        match &schema.node(node).kind {
            Kind::Array(items) | Kind::Map(items) => todo.push(*items),
            Kind::Union(branches) => todo.extend(branches),
            Kind::Record(record) => todo.extend(record.fields.iter().map(|field| field.node)),
            _ => {}
        }
    }
    // Inner types mostly come later in the list, so few rounds are needed. A round settles at least one level.
    for _ in 0..=HEIGHT_MAX {
        let mut changed = false;
        for &node in nodes.iter().rev() {
            let of = |node: &NodeId| heights.get(node.index()).copied().unwrap_or(usize::MAX);
            let height = match &schema.node(node).kind {
                Kind::Union(branches) => branches.iter().map(of).min().unwrap_or(usize::MAX).saturating_add(1),
                Kind::Record(record) => {
                    record.fields.iter().map(|field| of(&field.node)).max().unwrap_or(0).saturating_add(1)
                }
                Kind::Enum(e) if e.symbols.is_empty() => usize::MAX,
                _ => 0,
            };
            if let Some(known) = heights.get_mut(node.index())
                && height < *known
            {
                *known = height;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    heights
}

impl ValueBuilder<'_, '_> {
    fn value(&mut self, node: NodeId, depth: usize, start: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let schema = self.generator.schema;
        self.steps += 1;
        if self.steps > TOO_MANY || out.len() - start > BYTES_MAX {
            return Err(format!("values of {} are too large", schema.node(schema.root())));
        }
        let ends = depth > DEEP || self.steps > MANY;
        let (kind, logical) = (&schema.node(node).kind, schema.node(node).logical);
        match kind {
            Kind::Null => {}
            Kind::Boolean => out.push(self.rng.below(2) as u8),
            Kind::Int | Kind::Long => {
                let value = self.integer(kind, logical);
                put_long(value, out);
            }
            Kind::Float => out.extend((((self.rng.unit() - 0.5) * 2e6) as f32).to_le_bytes()),
            Kind::Double => out.extend(((self.rng.unit() - 0.5) * 2e9).to_le_bytes()),
            Kind::Bytes => {
                let bytes = match logical {
                    Some(Logical::Decimal { precision, .. }) => self.decimal(precision),
                    Some(Logical::BigDecimal) => {
                        let mut bytes = Vec::new();
                        put_sized(&self.decimal(30), &mut bytes);
                        put_long(self.rng.below(10) as i64, &mut bytes);
                        bytes
                    }
                    _ => (0..self.rng.below(24)).map(|_| self.rng.bits() as u8).collect(),
                };
                put_sized(&bytes, out);
            }
            Kind::String => {
                let text = if logical == Some(Logical::Uuid) { self.uuid_text() } else { self.text() };
                put_sized(text.as_bytes(), out);
            }
            Kind::Fixed(fixed) => {
                if fixed.size > BYTES_MAX {
                    return Err(format!("values of {} are too large", schema.node(node)));
                }
                match logical {
                    Some(Logical::Decimal { precision, .. }) => {
                        let digits = self.decimal(precision);
                        let sign = if digits.first().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
                        let digits = digits.get(digits.len().saturating_sub(fixed.size)..).unwrap_or_default();
                        out.resize(out.len() + fixed.size - digits.len(), sign);
                        out.extend_from_slice(digits);
                    }
                    Some(Logical::Duration) => {
                        for max in [24, 31, 86_400_000] {
                            out.extend((self.rng.below(max) as u32).to_le_bytes());
                        }
                    }
                    Some(Logical::Uuid) => out.extend(self.uuid()),
                    _ => out.extend((0..fixed.size).map(|_| self.rng.bits() as u8)),
                }
            }
            Kind::Enum(e) => put_long(self.rng.below(e.symbols.len() as u64) as i64, out),
            Kind::Array(items) | Kind::Map(items) => {
                let is_map = matches!(kind, Kind::Map(_));
                let endless = self.generator.height(*items) > HEIGHT_MAX;
                let n = if ends || endless { 0 } else { self.rng.below(6) };
                if n > 0 {
                    put_long(n as i64, out);
                }
                for at in 0..n {
                    if is_map {
                        // Numbered, so that no key occurs twice.
                        put_sized(format!("{}{at}", self.text()).as_bytes(), out);
                    }
                    self.value(*items, depth + 1, start, out)?;
                }
                put_long(0, out);
            }
            Kind::Union(branches) => {
                let shortest =
                    (0..branches.len()).min_by_key(|at| branches.get(*at).map(|b| self.generator.height(*b)));
                let any = self.rng.below(branches.len() as u64) as usize;
                let is_endless = branches.get(any).is_none_or(|branch| self.generator.height(*branch) > HEIGHT_MAX);
                let branch = if ends || is_endless { shortest.unwrap_or(0) } else { any };
                put_long(branch as i64, out);
                if let Some(node) = branches.get(branch) {
                    self.value(*node, depth + 1, start, out)?;
                }
            }
            Kind::Record(record) => {
                for field in &record.fields {
                    self.value(field.node, depth + 1, start, out)?;
                }
            }
        }
        Ok(())
    }

    fn integer(&mut self, kind: &Kind, logical: Option<Logical>) -> i64 {
        const DAY_MICROS: u64 = 86_400_000_000;
        // From 2000 to 2030.
        let days = |rng: &mut Rng| 10_957 + rng.below(10_958);
        let value = match logical {
            Some(Logical::Date) => days(self.rng),
            Some(Logical::TimeMillis) => self.rng.below(DAY_MICROS / 1_000),
            Some(Logical::TimeMicros) => self.rng.below(DAY_MICROS),
            Some(
                Logical::TimestampMillis
                | Logical::TimestampMicros
                | Logical::TimestampNanos
                | Logical::LocalTimestampMillis
                | Logical::LocalTimestampMicros
                | Logical::LocalTimestampNanos,
            ) => {
                let micros = days(self.rng) * DAY_MICROS + self.rng.below(DAY_MICROS);
                match logical {
                    Some(Logical::TimestampMillis | Logical::LocalTimestampMillis) => micros / 1_000,
                    Some(Logical::TimestampMicros | Logical::LocalTimestampMicros) => micros,
                    _ => micros * 1_000 + self.rng.below(1_000),
                }
            }
            _ => return self.rng.number(if *kind == Kind::Int { 32 } else { 64 }),
        };
        value as i64
    }

    /// Returns a number of at most `precision` digits in the fewest bytes.
    fn decimal(&mut self, precision: u32) -> Vec<u8> {
        let digits = 1 + self.rng.below(u64::from(precision.clamp(1, 38))) as u32;
        let wide = u128::from(self.rng.bits()) << 64 | u128::from(self.rng.bits());
        let magnitude = (wide % 10u128.pow(digits)) as i128;
        let value = if self.rng.below(2) == 0 { magnitude } else { -magnitude };
        let bytes = value.to_be_bytes();
        let sign = if value < 0 { 0xff } else { 0 };
        // A byte is redundant if the next has the sign too.
        let extra =
            bytes.windows(2).take_while(|pair| matches!(pair, [a, b] if *a == sign && (b ^ sign) < 0x80)).count();
        bytes.get(extra..).unwrap_or_default().to_vec()
    }

    fn text(&mut self) -> String {
        let n = self.rng.below(14);
        (0..n)
            .map(|_| match self.rng.below(60) {
                0 => 'é',
                1 => '漢',
                2..8 => ' ',
                letter => char::from(b'a' + (letter % 26) as u8),
            })
            .collect()
    }

    // RFC 9562: version 4 is random except for the version and variant bits.
    fn uuid(&mut self) -> [u8; 16] {
        let wide = u128::from(self.rng.bits()) << 64 | u128::from(self.rng.bits());
        let mask = 0xf << 76 | 0b11 << 62;
        (wide & !mask | 0x4 << 76 | 0b10 << 62).to_be_bytes()
    }

    fn uuid_text(&mut self) -> String {
        let hex: String = self.uuid().iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
    }
}

fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}
