//! How many bytes values take: a schema in, a lower bound and, where there is one, the exact width of every node out.

use super::graph::Walk;
use super::{Kind, NodeId, Schema};
use std::collections::HashSet;

/// The sizes of a schema's values, by node. Made in one pass, also for types that double at every level.
#[derive(Debug)]
pub(crate) struct Sizes {
    min: Vec<u64>,
    fixed: Vec<Option<u64>>,
}

impl Sizes {
    /// The sizes of all nodes of `schema`.
    pub(crate) fn of(schema: &Schema) -> Sizes {
        let mut sizes = Sizes { min: vec![0; schema.len()], fixed: vec![None; schema.len()] };
        // Children come first. A type that is met inside itself still has 0 bytes and no width then, and 0 is a bound.
        for id in Walk::of(&schema.nodes, schema.root).order {
            let kind = &schema.node(id).kind;
            let (min, fixed) = (sizes.min_of(kind), sizes.fixed_of(kind));
            if let (Some(m), Some(f)) = (sizes.min.get_mut(id.index()), sizes.fixed.get_mut(id.index())) {
                (*m, *f) = (min, fixed);
            }
        }
        sizes
    }

    /// No value of this type takes fewer bytes. `u64::MAX` stands for all that is beyond it.
    pub(crate) fn min(&self, id: NodeId) -> u64 {
        self.min.get(id.index()).copied().unwrap_or(0)
    }

    /// Every value of this type takes exactly this many bytes, and all such bytes are values, except for booleans.
    pub(crate) fn fixed(&self, id: NodeId) -> Option<u64> {
        self.fixed.get(id.index()).copied().flatten()
    }

    fn min_of(&self, kind: &Kind) -> u64 {
        match kind {
            Kind::Null => 0,
            // The shortest varint has one byte: a value, a length of 0, a count of 0, an index.
            Kind::Boolean | Kind::Int | Kind::Long | Kind::Bytes | Kind::String => 1,
            Kind::Array(_) | Kind::Map(_) | Kind::Enum(_) => 1,
            Kind::Float => 4,
            Kind::Double => 8,
            Kind::Fixed(fixed) => fixed.size as u64,
            Kind::Union(branches) => {
                let least = branches.iter().map(|b| self.min(*b)).min().unwrap_or(0);
                least.saturating_add(1)
            }
            Kind::Record(record) => record.fields.iter().fold(0, |sum, f| self.min(f.node).saturating_add(sum)),
        }
    }

    /// A union has none, even of one branch: its index must be looked at.
    fn fixed_of(&self, kind: &Kind) -> Option<u64> {
        match kind {
            Kind::Null => Some(0),
            Kind::Boolean => Some(1),
            Kind::Float => Some(4),
            Kind::Double => Some(8),
            Kind::Fixed(fixed) => Some(fixed.size as u64),
            Kind::Record(record) => record.fields.iter().try_fold(0_u64, |sum, f| sum.checked_add(self.fixed(f.node)?)),
            _ => None,
        }
    }
}

/// Do values of this type take no bytes? Then all of them do, whatever they hold: no type takes none only sometimes.
pub(crate) fn is_zero_width(schema: &Schema, node: NodeId) -> bool {
    let has_width = |node: NodeId| match &schema.node(node).kind {
        Kind::Null | Kind::Record(_) => false,
        Kind::Fixed(fixed) => fixed.size > 0,
        _ => true,
    };
    if has_width(node) {
        return false;
    }
    // Each record is visited once: types that refer to one another by name can be exponentially larger when written
    // out.
    let mut todo = vec![node];
    let mut seen = HashSet::new();
    while let Some(node) = todo.pop() {
        if let Kind::Record(record) = &schema.node(node).kind
            && seen.insert(node)
        {
            if record.fields.iter().any(|field| has_width(field.node)) {
                return false;
            }
            todo.extend(record.fields.iter().map(|field| field.node));
        }
    }
    true
}
