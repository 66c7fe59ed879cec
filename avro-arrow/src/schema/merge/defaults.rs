//! Defaults of merged fields: those of the sources in, the newest that is valid, written for the merged type, out.
//!
//! A default that is valid for the type that it stands beside is, with the names of fields as they are now, valid for
//! what that type becomes: merged types hold the values of all.

use super::fields::{MergedField, field, newest};
use super::shape::Slot;
use super::unify::Unified;
use crate::schema::{Attributes, Kind};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::rc::Rc;

/// Looks for defaults.
pub(super) struct DefaultFinder<'u, 's> {
    unified: &'u Unified<'s>,
    /// By class of records.
    columns: HashMap<usize, Rc<Vec<MergedField>>>,
    /// By class of records and column; None while it is looked for: a record whose default needs itself has none.
    found: HashMap<(usize, usize), Option<Json>>,
    /// How much may still be looked at: unions inside records inside unions can have very many ways to match.
    fuel: usize,
    /// Whether types become others of smaller units.
    widen: bool,
}

const FUEL: usize = 10_000_000;

/// Defaults of records that leave fields to their own defaults, which leave fields to theirs, and so on.
const DEPTH_MAX: usize = 32;

impl<'u, 's> DefaultFinder<'u, 's> {
    pub(super) fn new(unified: &'u Unified<'s>, widen: bool) -> Self {
        DefaultFinder { unified, columns: HashMap::new(), found: HashMap::new(), fuel: FUEL, widen }
    }

    /// The fields of a class of records.
    pub(super) fn columns(&mut self, class: usize) -> Rc<Vec<MergedField>> {
        let columns = self.columns.entry(class).or_insert_with(|| Rc::new(MergedField::all(self.unified, class)));
        Rc::clone(columns)
    }

    /// The default of a column: that of the newest source that has a valid one.
    pub(super) fn of(&mut self, class: usize, column: usize) -> Option<Json> {
        self.find(class, column, 0)
    }

    fn find(&mut self, class: usize, column: usize, depth: usize) -> Option<Json> {
        if let Some(found) = self.found.get(&(class, column)) {
            return found.clone();
        }
        if depth > DEPTH_MAX {
            return None;
        }
        self.found.insert((class, column), None);
        let columns = self.columns(class);
        let mut members = columns.get(column)?.members.clone();
        members.sort_by_key(|(one, _)| std::cmp::Reverse(newest(self.unified, *one)));
        let found = members.into_iter().find_map(|(one, at)| {
            let field = field(self.unified, one, at)?;
            let standing = self.unified.type_at(one, at);
            self.convert(field.default.as_ref()?, standing, self.unified.place(one, at), depth)
        });
        self.found.insert((class, column), found.clone());
        found
    }

    /// A default of the type `one`, which stands at `place`, for what that becomes, if it is valid.
    // SPEC: Complex Types, Records: the table of defaults' JSON types. "Default values for union fields correspond to
    // the first schema that matches in the union".
    fn convert(&mut self, json: &Json, one: usize, place: usize, depth: usize) -> Option<Json> {
        self.fuel = self.fuel.checked_sub(1)?;
        let as_it_is = |valid: bool| valid.then(|| json.clone());
        // In other units it would be another value.
        if self.widen
            && self.unified.node(one).logical.is_some()
            && Slot::of(self.unified, place, true).rescales(self.unified, one)
        {
            return None;
        }
        match &self.unified.node(one).kind {
            Kind::Null => as_it_is(json.is_null()),
            Kind::Boolean => as_it_is(json.is_boolean()),
            Kind::Int => integer(json).and_then(|n| i32::try_from(n).ok()).map(Json::from),
            Kind::Long => integer(json).map(Json::from),
            Kind::Float | Kind::Double => as_it_is(json.is_number() || is_no_number(json)),
            Kind::Bytes => as_it_is(n_bytes(json).is_some()),
            Kind::String => self.text(json.as_str()?, one, place),
            Kind::Fixed(fixed) => as_it_is(n_bytes(json) == Some(fixed.size)),
            Kind::Enum(e) => as_it_is(json.as_str().is_some_and(|text| e.symbols.iter().any(|s| s == text))),
            Kind::Array(_) => {
                let (items, place) = (self.unified.type_at(one, 0), self.unified.place(one, 0));
                json.as_array()?.iter().map(|item| self.convert(item, items, place, depth)).collect()
            }
            Kind::Map(_) => {
                let (values, place) = (self.unified.type_at(one, 0), self.unified.place(one, 0));
                let entries = json.as_object()?.iter();
                let entries =
                    entries.map(|(key, value)| Some((key.clone(), self.convert(value, values, place, depth)?)));
                entries.collect::<Option<Attributes>>().map(Json::Object)
            }
            Kind::Record(_) => self.record(json.as_object()?, one, depth),
            Kind::Union(_) => {
                let branches = self.unified.branches(one);
                branches.into_iter().find_map(|branch| self.convert(json, branch, place, depth))
            }
        }
    }

    /// The text of a string; where it becomes bytes, its bytes as code points.
    fn text(&self, text: &str, one: usize, place: usize) -> Option<Json> {
        let becomes_bytes = || {
            let slot = Slot::of(self.unified, place, self.widen);
            slot.groups.iter().any(|group| group.word == "bytes" && group.types.contains(&one))
        };
        match text.is_ascii() || !becomes_bytes() {
            true => Some(Json::from(text)),
            false => Some(text.bytes().map(char::from).collect::<String>().into()),
        }
    }

    fn record(&mut self, json: &Attributes, one: usize, depth: usize) -> Option<Json> {
        let class = self.unified.class(one);
        let columns = self.columns(class);
        let mut converted = Attributes::new();
        for (at, column) in columns.iter().enumerate() {
            // What this record lacks has a default in the merged one, or is null.
            let Some((_, idx)) = column.members.iter().find(|(record, _)| *record == one) else { continue };
            let field = field(self.unified, one, *idx)?;
            match json.get(&field.name) {
                Some(value) => {
                    let (standing, place) = (self.unified.type_at(one, *idx), self.unified.place(one, *idx));
                    converted.insert(column.name.clone(), self.convert(value, standing, place, depth)?);
                }
                None if column.missing_in.is_some() => {}
                None => drop(self.find(class, at, depth + 1)?),
            }
        }
        Some(Json::Object(converted))
    }
}

// SPEC: Complex Types, Records: bytes and fixed are strings whose code points 0 to 255 are the bytes.
fn n_bytes(json: &Json) -> Option<usize> {
    let text = json.as_str()?;
    text.chars().all(|c| u32::from(c) < 256).then(|| text.chars().count())
}

/// A number without a fraction: some write `1.0`.
fn integer(json: &Json) -> Option<i64> {
    let whole = |n: f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64);
    json.as_i64().or_else(|| whole(json.as_f64()?))
}

/// One of those doubles that JSON has no number for.
fn is_no_number(json: &Json) -> bool {
    matches!(json.as_str(), Some("NaN" | "Infinity" | "-Infinity"))
}
