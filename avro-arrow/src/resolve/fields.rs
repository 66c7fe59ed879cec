//! Matches the fields of a writer's and a reader's record.

use super::{Action, Default, PairId, RecordPair, Resolver, TypeStep};
use crate::options::FieldMatch;
use crate::schema::{Field, Record};
use serde_json::Value as Json;
use std::collections::{HashMap, VecDeque};

/// The attribute with a field's permanent id in Iceberg and other formats.
const ID: &str = "field-id";

impl<'s> Resolver<'s> {
    // SPEC: Schema Resolution: "the ordering of fields may be different: fields are matched by name"; what only the
    // writer has is ignored; what only the reader has takes its default, without one "an error is signalled".
    pub(super) fn record(&mut self, id: PairId, writer: &Record, reader: &'s Record) -> Action {
        self.n_parts += writer.fields.len() + reader.fields.len();
        let matched = match_fields(&writer.fields, &reader.fields, self.by);
        let mut fields: Vec<Option<(usize, PairId)>> = vec![None; writer.fields.len()];
        let mut defaults = Vec::new();
        for (at, (field, from)) in reader.fields.iter().zip(matched).enumerate() {
            match from {
                Some(from) => {
                    let Some(written) = writer.fields.get(from) else { continue };
                    let pair = self.inner(id, TypeStep::Field(at), written.node, field.node);
                    if let Some(slot) = fields.get_mut(from) {
                        *slot = Some((at, pair));
                    }
                }
                None => match field.default.as_ref().map(|default| self.defaults.value(field.node, default)) {
                    Some(Ok(value)) => defaults.push(Default { field: at, text: value.to_string(), value }),
                    Some(Err(reason)) => {
                        self.problem(id, format!("the writer has no field `{}`, and {reason}", field.name));
                    }
                    None => {
                        let reason = format!("the writer has no field `{}`, and the reader no default", field.name);
                        self.problem(id, reason);
                    }
                },
            }
        }
        let ordered = fields.iter().flatten().is_sorted_by_key(|(field, _)| *field);
        Action::Record(RecordPair { fields, defaults, ordered })
    }
}

/// By the reader's field: the matching field of the writer. No field is used twice.
fn match_fields(writer: &[Field], reader: &[Field], by: FieldMatch) -> Vec<Option<usize>> {
    let mut taken = Taken { by_name: HashMap::new(), free: vec![true; writer.len()] };
    for (at, field) in writer.iter().enumerate() {
        taken.by_name.entry(field.name.as_str()).or_default().push_back(at);
    }
    let mut matched = vec![None; reader.len()];
    let mut by_id = HashMap::new();
    if by == FieldMatch::Id {
        for (at, field) in writer.iter().enumerate() {
            if let Some(id) = id_of(field) {
                by_id.entry(id).or_insert(at);
            }
        }
    }
    // A file without ids predates them, so names are used.
    let goes_by_id = |field: &Field| !by_id.is_empty() && id_of(field).is_some();
    for (from, field) in matched.iter_mut().zip(reader).filter(|(_, field)| goes_by_id(field)) {
        *from = id_of(field).and_then(|id| by_id.get(&id)).copied().filter(|at| taken.take(*at));
    }
    for (from, field) in matched.iter_mut().zip(reader).filter(|(_, field)| !goes_by_id(field)) {
        *from = taken.take_named(&field.name);
    }
    // SPEC: Aliases. A reader's alias is another name for a writer's field; one that has its own name keeps it.
    for (from, field) in matched.iter_mut().zip(reader).filter(|(_, field)| !goes_by_id(field)) {
        if from.is_none() {
            *from = field.aliases.iter().find_map(|alias| taken.take_named(alias));
        }
    }
    matched
}

fn id_of(field: &Field) -> Option<i64> {
    match field.attributes.get(ID)? {
        Json::String(text) => text.parse().ok(),
        id => id.as_i64(),
    }
}

/// The writer's fields that are not yet matched. Real schemas have several of one name, which are taken in order.
struct Taken<'w> {
    by_name: HashMap<&'w str, VecDeque<usize>>,
    free: Vec<bool>,
}

impl Taken<'_> {
    fn take(&mut self, at: usize) -> bool {
        self.free.get_mut(at).is_some_and(std::mem::take)
    }

    fn take_named(&mut self, name: &str) -> Option<usize> {
        let places = self.by_name.get_mut(name)?;
        while let Some(at) = places.pop_front() {
            if self.free.get_mut(at).is_some_and(std::mem::take) {
                return Some(at);
            }
        }
        None
    }
}
