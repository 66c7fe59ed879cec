//! Logical types that are known, and valid on their base types.

use super::{Attributes, Kind, Node};
use serde_json::Value as Json;

/// A logical type on a base type that the specification allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Logical {
    /// `decimal` on bytes or fixed.
    Decimal {
        /// Total number of digits, at least 1.
        precision: u32,
        /// Digits after the point, at most `precision`.
        scale: u32,
    },
    /// `big-decimal` on bytes.
    BigDecimal,
    /// `uuid` on string or fixed(16).
    Uuid,
    /// `date` on int.
    Date,
    /// `time-millis` on int.
    TimeMillis,
    /// `time-micros` on long.
    TimeMicros,
    /// `timestamp-millis` on long.
    TimestampMillis,
    /// `timestamp-micros` on long.
    TimestampMicros,
    /// `timestamp-nanos` on long.
    TimestampNanos,
    /// `local-timestamp-millis` on long.
    LocalTimestampMillis,
    /// `local-timestamp-micros` on long.
    LocalTimestampMicros,
    /// `local-timestamp-nanos` on long.
    LocalTimestampNanos,
    /// `duration` on fixed(12).
    Duration,
    /// Iceberg's `map` on an array of records of `key` and `value`.
    Map,
}

impl Logical {
    /// Returns the specification's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Logical::Decimal { .. } => "decimal",
            Logical::BigDecimal => "big-decimal",
            Logical::Uuid => "uuid",
            Logical::Date => "date",
            Logical::TimeMillis => "time-millis",
            Logical::TimeMicros => "time-micros",
            Logical::TimestampMillis => "timestamp-millis",
            Logical::TimestampMicros => "timestamp-micros",
            Logical::TimestampNanos => "timestamp-nanos",
            Logical::LocalTimestampMillis => "local-timestamp-millis",
            Logical::LocalTimestampMicros => "local-timestamp-micros",
            Logical::LocalTimestampNanos => "local-timestamp-nanos",
            Logical::Duration => "duration",
            Logical::Map => "map",
        }
    }

    /// The logical type that `attributes` specify on `kind`, whose children are in `nodes`.
    // SPEC: Logical Types. What is unknown or invalid is ignored, and the base type is read as it is.
    pub(super) fn of(kind: &Kind, attributes: &Attributes, nodes: &[Node]) -> Option<Logical> {
        let word = attributes.get("logicalType")?.as_str()?;
        Some(match (word, kind) {
            ("decimal", Kind::Bytes) => decimal(attributes, u32::MAX)?,
            ("decimal", Kind::Fixed(fixed)) => decimal(attributes, precision_max(fixed.size))?,
            ("big-decimal", Kind::Bytes) => Logical::BigDecimal,
            ("uuid", Kind::String) => Logical::Uuid,
            ("uuid", Kind::Fixed(fixed)) if fixed.size == 16 => Logical::Uuid,
            ("date", Kind::Int) => Logical::Date,
            ("time-millis", Kind::Int) => Logical::TimeMillis,
            ("time-micros", Kind::Long) => Logical::TimeMicros,
            ("timestamp-millis", Kind::Long) if is_local(attributes) => Logical::LocalTimestampMillis,
            ("timestamp-micros", Kind::Long) if is_local(attributes) => Logical::LocalTimestampMicros,
            ("timestamp-nanos", Kind::Long) if is_local(attributes) => Logical::LocalTimestampNanos,
            ("timestamp-millis", Kind::Long) => Logical::TimestampMillis,
            ("timestamp-micros", Kind::Long) => Logical::TimestampMicros,
            ("timestamp-nanos", Kind::Long) => Logical::TimestampNanos,
            ("local-timestamp-millis", Kind::Long) => Logical::LocalTimestampMillis,
            ("local-timestamp-micros", Kind::Long) => Logical::LocalTimestampMicros,
            ("local-timestamp-nanos", Kind::Long) => Logical::LocalTimestampNanos,
            ("duration", Kind::Fixed(fixed)) if fixed.size == 12 => Logical::Duration,
            ("map", Kind::Array(items)) if nodes.get(items.index()).is_some_and(is_pair) => Logical::Map,
            _ => return None,
        })
    }

    /// Whether it is a timestamp without a zone.
    fn is_local_timestamp(self) -> bool {
        use Logical::*;
        matches!(self, LocalTimestampMillis | LocalTimestampMicros | LocalTimestampNanos)
    }

    /// The decimal of a fixed that cannot hold all numbers of its precision, for which the specification ignores it.
    /// The numbers that the fixed can hold have no more digits.
    pub(crate) fn short_decimal(node: &Node) -> Option<Logical> {
        let Kind::Fixed(fixed) = &node.kind else { return None };
        let is_decimal = node.attributes.get("logicalType").is_some_and(|name| name == "decimal");
        let decimal = decimal(&node.attributes, u32::MAX).filter(|_| is_decimal && fixed.size > 0);
        decimal.filter(|_| node.logical.is_none())
    }

    /// Whether it is a decimal of any precision and scale.
    pub(crate) fn is_decimal(self) -> bool {
        matches!(self, Logical::Decimal { .. })
    }

    /// Whether this logical type explains the attribute of this name.
    pub(super) fn explains(self, attribute: &str) -> bool {
        match attribute {
            "logicalType" => true,
            "precision" | "scale" => matches!(self, Logical::Decimal { .. }),
            ADJUST => self.is_local_timestamp(),
            _ => false,
        }
    }
}

/// Iceberg's attribute of timestamps.
const ADJUST: &str = "adjust-to-utc";

/// Whether a timestamp is a wall clock.
// Iceberg's specification, Avro: `timestamp` is `timestamp-micros` with `"adjust-to-utc": false`, and `timestamptz`
// with `true`.
fn is_local(attributes: &Attributes) -> bool {
    attributes.get(ADJUST) == Some(&Json::Bool(false))
}

/// Whether it is a record of `key` and `value`, in this order.
fn is_pair(node: &Node) -> bool {
    match &node.kind {
        Kind::Record(record) => record.fields.iter().map(|f| f.name.as_str()).eq(["key", "value"]),
        _ => false,
    }
}

// SPEC: Decimal. The scale defaults to 0; the precision is at least 1, and at least the scale.
fn decimal(attributes: &Attributes, precision_max: u32) -> Option<Logical> {
    let integer = |json: &Json| u32::try_from(json.as_u64()?).ok();
    let precision = integer(attributes.get("precision")?)?;
    let scale = attributes.get("scale").map_or(Some(0), integer)?;
    let valid = (1..=precision_max).contains(&precision) && scale <= precision;
    valid.then_some(Logical::Decimal { precision, scale })
}

/// The maximum number of decimal digits that always fit `size` bytes: floor(log10(2^(8 * size - 1) - 1)).
///
/// 2^k - 1 has as many digits as 2^k for every k but 0, as no other power of two is a power of ten. So this is
/// floor(k * log10(2)), with 27 decimals of the logarithm: for k up to 2^34 their error is below 2 * 10^-17, and no
/// such k has a product that close to an integer (the nearest, by continued fractions, is more than 10^-11 away).
/// Larger k allow any precision of 32 bits.
fn precision_max(size: usize) -> u32 {
    const LOG10_2: u128 = 301_029_995_663_981_195_213_738_894;
    const ONE: u128 = 10_u128.pow(27);
    let bits = (size as u128).saturating_mul(8).min(1 << 34);
    let digits = bits.saturating_sub(1) * LOG10_2 / ONE;
    u32::try_from(digits).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::precision_max;

    /// The numbers were computed with big integers.
    #[test]
    fn max_digits_of_byte_widths() {
        for (size, digits) in DIGITS {
            assert_eq!(precision_max(*size), *digits, "{size} bytes");
        }
    }
    const DIGITS: &[(usize, u32)] = &[
        (0, 0),
        (1, 2),
        (2, 4),
        (3, 6),
        (4, 9),
        (5, 11),
        (8, 18),
        (12, 28),
        (16, 38),
        (20, 47),
        (32, 76),
        (33, 79),
        (100, 240),
        (1000, 2407),
        (12345, 29729),
        (60000, 144494),
        (usize::MAX, u32::MAX),
    ];
}
