//! Two schemas in, the first place where they describe different data out, as an error.
//!
//! Pairs of types are looked at once, and wait in a list, so types inside themselves come to an end.

use super::unify::SourceSchema;
use crate::error::{ErrorKind, Result};
use crate::schema::compose::PathStep;
use crate::schema::{Kind, Name, Node, NodeId, Record};
use std::collections::HashSet;

/// A pair of types, and where it was met: in which pair before it, and where in that.
struct Met<'s> {
    a: NodeId,
    b: NodeId,
    inside: Option<(usize, PathStep<'s>)>,
}

/// Whether both lists are equal, order included.
pub(super) fn check(first: &SourceSchema<'_>, other: &SourceSchema<'_>) -> Result<()> {
    let mut pairs = vec![Met { a: first.schema.root(), b: other.schema.root(), inside: None }];
    let mut seen = HashSet::new();
    let mut next = 0;
    while let Some(Met { a, b, .. }) = pairs.get(next) {
        let (a, b) = (first.schema.node(*a), other.schema.node(*b));
        let mut inside: Vec<(NodeId, NodeId, PathStep<'_>)> = Vec::new();
        let same_name = |a: Option<&Name>, b: Option<&Name>| {
            next == 0 || a.map(|name| name.simple()) == b.map(|name| name.simple())
        };
        let mut difference = None;
        let same = a.logical == b.logical
            && same_name(a.kind.name(), b.kind.name())
            && match (&a.kind, &b.kind) {
                (Kind::Array(a), Kind::Array(b)) => {
                    inside.push((*a, *b, PathStep::Items));
                    true
                }
                (Kind::Map(a), Kind::Map(b)) => {
                    inside.push((*a, *b, PathStep::Values));
                    true
                }
                (Kind::Union(x), Kind::Union(y)) => {
                    let words = |at: usize| x.get(at).map_or("", |id| first.schema.node(*id).kind.word());
                    inside
                        .extend(x.iter().zip(y).enumerate().map(|(at, (a, b))| (*a, *b, PathStep::Branch(words(at)))));
                    x.len() == y.len()
                }
                (Kind::Record(x), Kind::Record(y)) => {
                    difference = differing_field(x, y);
                    inside.extend(
                        x.fields.iter().zip(&y.fields).map(|(a, b)| (a.node, b.node, PathStep::Field(&a.name))),
                    );
                    difference.is_none()
                }
                (Kind::Fixed(a), Kind::Fixed(b)) => a.size == b.size,
                (Kind::Enum(a), Kind::Enum(b)) => a.symbols == b.symbols,
                (a, b) => a == b,
            };
        if !same {
            let mut parts = Vec::new();
            let mut at = next;
            while let Some((around, part)) = pairs.get(at).and_then(|met| met.inside) {
                parts.push(part);
                at = around;
            }
            let mut path = String::new();
            parts.iter().rev().for_each(|part| part.add_to(&mut path));
            let (first_type, second_type) = difference.unwrap_or_else(|| (full_words(first, a), full_words(other, b)));
            return Err(ErrorKind::Conflict {
                path,
                first: first.first.to_owned(),
                first_type,
                second: other.first.to_owned(),
                second_type,
                widens: false,
            }
            .into());
        }
        for (a, b, part) in inside {
            if seen.insert((a, b)) {
                pairs.push(Met { a, b, inside: Some((next, part)) });
            }
        }
        next += 1;
    }
    Ok(())
}

/// The first field that is not the same in both, as what either has there.
fn differing_field(a: &Record, b: &Record) -> Option<(String, String)> {
    let name = |record: &Record, at: usize| match record.fields.get(at) {
        Some(field) => format!("a record with `{}` as field {}", field.name, at + 1),
        None => format!("a record of {} fields", record.fields.len()),
    };
    let n = a.fields.len().max(b.fields.len());
    let differs = |at: &usize| a.fields.get(*at).map(|f| &f.name) != b.fields.get(*at).map(|f| &f.name);
    (0..n).find(differs).map(|at| (name(a, at), name(b, at)))
}

/// A type with what else tells it from one of its kind.
fn full_words(source: &SourceSchema<'_>, node: &Node) -> String {
    match &node.kind {
        Kind::Union(branches) => {
            let branches: Vec<String> = branches.iter().map(|id| source.schema.node(*id).to_string()).collect();
            format!("union [{}]", branches.join(", "))
        }
        Kind::Enum(e) => format!("{node} [{}]", e.symbols.join(", ")),
        _ => node.to_string(),
    }
}
