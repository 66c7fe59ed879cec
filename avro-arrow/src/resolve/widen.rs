//! Conversions to smaller units, which the specification does not match although the reader's type holds all values of
//! the writer's. Nothing is rounded.

use super::{Convert, is_arrow_decimal};
use crate::schema::{Kind, Logical, Node};

/// How values of the writer's type become values of the reader's, if its unit is as small.
pub(super) fn rescale(writer: &Node, reader: &Node) -> Option<Convert> {
    let (from, to) = (writer.logical?, reader.logical?);
    if let (Logical::Decimal { scale: s, .. }, Logical::Decimal { scale: t, .. }) = (from, to) {
        let fits = is_arrow_decimal(writer) && is_arrow_decimal(reader) && from.widened(to) == Some(to) && s < t;
        return fits.then(|| Convert::Scale(t - s));
    }
    let factor = from.units_of(to).filter(|_| from != to)?;
    let is_number = reader.kind == Kind::Long && matches!(writer.kind, Kind::Int | Kind::Long);
    is_number.then_some(Convert::Times(factor))
}
