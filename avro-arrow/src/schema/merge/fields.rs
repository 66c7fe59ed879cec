//! The fields of a merged record, with their names.

use super::unify::Unified;
use crate::schema::{Field, Kind};
use std::collections::HashSet;

/// A field of a merged record.
pub(super) struct MergedField {
    /// The records that have it, and the index of their field, in the order of their sources.
    pub(super) members: Vec<(usize, usize)>,
    pub(super) name: String,
    /// Its aliases: other names of it in sources, and their aliases.
    pub(super) aliases: Vec<String>,
    /// Other names of it in sources.
    pub(super) renamed_from: Vec<String>,
    /// The first source that lacks it.
    pub(super) missing_in: Option<usize>,
}

impl MergedField {
    /// The fields of the merged record of a class.
    pub(super) fn all(unified: &Unified<'_>, class: usize) -> Vec<MergedField> {
        let records = unified.same_types(class);
        let groups = unified.group_fields(class);
        let mut taken: HashSet<&str> = HashSet::new();
        for (one, at) in groups.iter().flatten() {
            taken.extend(field(unified, *one, *at).map(|field| field.name.as_str()));
        }
        let mut columns = Vec::with_capacity(groups.len());
        for members in groups {
            let fields = || members.iter().filter_map(|(one, at)| field(unified, *one, *at));
            let newest = |(one, _): &&(usize, usize)| newest(unified, *one);
            let named = members.iter().max_by_key(newest).and_then(|(one, at)| field(unified, *one, *at));
            let name = named.map(|field| field.name.clone()).unwrap_or_default();
            let is_name = |alias: &String| fields().any(|field| field.name == *alias);
            let mut aliases: Vec<String> = Vec::new();
            for alias in fields().flat_map(|field| std::iter::once(&field.name).chain(&field.aliases)) {
                // An alias that is the name or an alias of another field would make the two ambiguous.
                let is_its_own = is_name(alias) || taken.insert(alias);
                if *alias != name && is_its_own && !aliases.contains(alias) {
                    aliases.push(alias.clone());
                }
            }
            let renamed_from = aliases.iter().filter(|alias| is_name(alias)).cloned().collect();
            let has: HashSet<usize> = members.iter().map(|(one, _)| *one).collect();
            let missing_in = records.iter().find(|one| !has.contains(one)).map(|one| unified.source_of(*one));
            columns.push(MergedField { members, name, aliases, renamed_from, missing_in });
        }
        columns
    }
}

/// The field of a record with this index.
pub(super) fn field<'s>(unified: &Unified<'s>, one: usize, at: usize) -> Option<&'s Field> {
    match &unified.node(one).kind {
        Kind::Record(record) => record.fields.get(at),
        _ => None,
    }
}

/// Orders types from old to new: by the last source of their schema, then the first of one schema.
pub(super) fn newest(unified: &Unified<'_>, one: usize) -> (usize, std::cmp::Reverse<usize>) {
    let newest = unified.sources.get(unified.source_of(one)).map_or(0, |source| source.newest);
    (newest, std::cmp::Reverse(one))
}
