//! Logical types that differ only in their units, and the type that holds the values of both exactly.

use super::Logical;

impl Logical {
    /// The logical type that holds the values of both exactly, if there is one: with the smaller unit, or with more
    /// digits on either side of the point. Instants and local timestamps have different meanings; a date can become
    /// either.
    pub(crate) fn widened(self, other: Logical) -> Option<Logical> {
        if self == other {
            return Some(self);
        }
        if let (Logical::Decimal { precision: p, scale: s }, Logical::Decimal { precision: q, scale: t }) =
            (self, other)
        {
            let scale = s.max(t);
            let precision = (p - s).max(q - t).checked_add(scale)?;
            let fits = precision <= u32::from(arrow_schema::DECIMAL256_MAX_PRECISION);
            return fits.then_some(Logical::Decimal { precision, scale });
        }
        let ((family, nanos), (other_family, other_nanos)) = (self.units()?, other.units()?);
        let is_one = match (family, other_family) {
            (Family::Date, family) | (family, Family::Date) => family != Family::Time,
            (family, other) => family == other,
        };
        is_one.then_some(if nanos <= other_nanos { self } else { other })
    }

    /// The number of units of `other` in one of this type, if `other` [holds](Logical::widened) its values.
    pub(crate) fn units_of(self, other: Logical) -> Option<i64> {
        let ((_, nanos), (_, other_nanos)) = (self.units()?, other.units()?);
        (self.widened(other) == Some(other)).then(|| nanos / other_nanos)
    }

    /// The family, and the nanoseconds of a unit.
    fn units(self) -> Option<(Family, i64)> {
        Some(match self {
            Logical::Date => (Family::Date, 86_400_000_000_000),
            Logical::TimeMillis => (Family::Time, 1_000_000),
            Logical::TimeMicros => (Family::Time, 1_000),
            Logical::TimestampMillis => (Family::Instant, 1_000_000),
            Logical::TimestampMicros => (Family::Instant, 1_000),
            Logical::TimestampNanos => (Family::Instant, 1),
            Logical::LocalTimestampMillis => (Family::Local, 1_000_000),
            Logical::LocalTimestampMicros => (Family::Local, 1_000),
            Logical::LocalTimestampNanos => (Family::Local, 1),
            _ => return None,
        })
    }
}

/// Types of one family differ in their units only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Date,
    Time,
    Instant,
    Local,
}
