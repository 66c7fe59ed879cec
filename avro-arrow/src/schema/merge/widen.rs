//! Which types at a place become one of smaller units under [`OnConflict::Widen`](super::OnConflict::Widen).

use super::unify::Unified;
use crate::schema::{Kind, Logical, Node};

/// The logical types at a place that hold all of their family there.
#[derive(Debug, Default)]
pub(super) struct Widening {
    decimal: Option<Logical>,
    time: Option<Logical>,
    instant: Option<Logical>,
    local: Option<Logical>,
}

impl Widening {
    /// For the types of these unions. A union that has two of a family keeps them apart.
    pub(super) fn of(unified: &Unified<'_>, unions: &[Vec<usize>]) -> Widening {
        let mut widening = Widening::default();
        let logicals = || unions.iter().flatten().filter_map(|one| unified.node(*one).logical);
        let widest = |is_member: fn(Logical) -> bool| {
            let members = || logicals().filter(|logical| is_member(*logical));
            let apart = unions.iter().any(|branches| {
                let inside = branches.iter().filter_map(|one| unified.node(*one).logical);
                inside.filter(|logical| is_member(*logical)).count() > 1
            });
            let first = members().next().filter(|_| !apart)?;
            // What is the same everywhere is as it is.
            members().any(|other| other != first).then(|| members().try_fold(first, Logical::widened)).flatten()
        };
        widening.decimal = widest(|logical| matches!(logical, Logical::Decimal { .. }));
        widening.time = widest(|logical| matches!(logical, Logical::TimeMillis | Logical::TimeMicros));
        widening.instant = widest(|logical| is_instant(logical) || logical == Logical::Date).filter(|l| is_instant(*l));
        widening.local = widest(|logical| is_local(logical) || logical == Logical::Date).filter(|l| is_local(*l));
        widening
    }

    /// What puts a type into one group with the others of its family.
    pub(super) fn word(&self, node: &Node) -> Option<&'static str> {
        let logical = node.logical?;
        match (&node.kind, logical) {
            (Kind::Bytes | Kind::Fixed(_), Logical::Decimal { .. }) => self.decimal.map(|_| "decimal"),
            (_, Logical::TimeMillis | Logical::TimeMicros) => self.time.map(|_| "time"),
            (_, Logical::Date) => self.instant.map(|_| "instant").or(self.local.map(|_| "local")),
            _ if is_instant(logical) => self.instant.map(|_| "instant"),
            _ if is_local(logical) => self.local.map(|_| "local"),
            _ => None,
        }
    }
}

fn is_instant(logical: Logical) -> bool {
    matches!(logical, Logical::TimestampMillis | Logical::TimestampMicros | Logical::TimestampNanos)
}

fn is_local(logical: Logical) -> bool {
    matches!(logical, Logical::LocalTimestampMillis | Logical::LocalTimestampMicros | Logical::LocalTimestampNanos)
}
