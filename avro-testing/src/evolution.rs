//! A seed in; a schema and what became of it over some versions out, as people change schemas.

use crate::{Rng, random_schema};
use avro_arrow::Limits;
use avro_arrow::schema::Schema;
use serde_json::{Value as Json, json};

/// Schemas that change.
pub struct Evolution<'a> {
    rng: &'a mut Rng,
    n_names: usize,
}

impl Evolution<'_> {
    /// The versions of one schema, the first first.
    pub fn family(rng: &mut Rng) -> Vec<String> {
        let first = random_schema(rng);
        let mut evolution = Evolution { rng, n_names: 0 };
        let Ok(mut json) = serde_json::from_str::<Json>(&first) else { return vec![first] };
        let mut versions = vec![first];
        for _ in 0..evolution.rng.pick(1, &[2, 2, 3, 5]) {
            for _ in 0..evolution.rng.pick(1, &[1, 2, 4]) {
                evolution.change(&mut json);
            }
            evolution.rng.note(|| format!("changed to {json}"));
            versions.push(json.to_string());
        }
        versions
    }

    /// One change. What a change makes invalid, such as a reference to a type that went with its field, is undone.
    fn change(&mut self, json: &mut Json) {
        let mut changed = json.clone();
        let mut places = Vec::new();
        places_of(&changed, &mut Vec::new(), &mut places);
        let Some(at) = places.get(self.rng.below(places.len())) else { return };
        let place = at.iter().try_fold(&mut changed, |json, step| match step {
            Step::Key(key) => json.get_mut(key),
            Step::Index(idx) => json.get_mut(idx),
        });
        if let Some(place) = place {
            self.change_at(place);
        }
        if Schema::parse(&changed.to_string(), &Limits::default()).is_ok() {
            *json = changed;
        }
    }

    fn change_at(&mut self, json: &mut Json) {
        if let Some(symbols) = json.get_mut("symbols").and_then(Json::as_array_mut) {
            match self.rng.one_in(3) {
                true => drop(symbols.pop()),
                false => symbols.push(json!(self.new_name())),
            }
        } else if let Some(fields) = json.get_mut("fields").and_then(Json::as_array_mut) {
            let at = self.rng.below(fields.len());
            match self.rng.below(3) {
                0 => {
                    let t = self.rng.pick("int", &["long", "string", "bytes", "double", "boolean"]);
                    let mut field = json!({"name": self.new_name(), "type": t});
                    if self.rng.one_in(2) {
                        field["default"] = match t {
                            "string" | "bytes" => json!("text"),
                            "boolean" => json!(true),
                            _ => json!(7),
                        };
                    }
                    fields.insert(at, field);
                }
                1 if !fields.is_empty() => drop(fields.remove(at)),
                _ => fields.rotate_left(at),
            }
        } else if let Some(field) = json.as_object_mut().filter(|object| object.contains_key("name")) {
            let Some(Json::String(old)) = field.insert("name".into(), json!(self.new_name())) else { return };
            let aliases = field.entry("aliases").or_insert_with(|| json!([]));
            if let Some(aliases) = aliases.as_array_mut() {
                aliases.push(json!(old));
            }
        } else {
            let changed = match json.as_str() {
                Some("int") => json!(self.rng.pick("long", &["float", "double"])),
                Some("long") => json!(self.rng.pick("int", &["double"])),
                Some("float") => json!("double"),
                Some("string") => json!("bytes"),
                Some("bytes") => json!("string"),
                _ => json.clone(),
            };
            *json = match (changed, self.rng.one_in(2)) {
                (Json::Array(branches), _) => Json::Array(branches),
                (changed, true) => json!(["null", changed]),
                (changed, false) => changed,
            };
        }
    }

    fn new_name(&mut self) -> String {
        self.n_names += 1;
        format!("new{}", self.n_names)
    }
}

/// A step to a place in JSON.
#[derive(Clone)]
enum Step {
    Key(&'static str),
    Index(usize),
}

/// Where something can be changed: records, enums, fields, and types at the places of fields and items.
fn places_of(json: &Json, at: &mut Vec<Step>, places: &mut Vec<Vec<Step>>) {
    match json {
        Json::Array(branches) => {
            for (idx, branch) in branches.iter().enumerate() {
                at.push(Step::Index(idx));
                places_of(branch, at, places);
                at.pop();
            }
        }
        Json::Object(object) => {
            if object.contains_key("fields") || object.contains_key("symbols") {
                places.push(at.clone());
            }
            for key in ["items", "values"].into_iter().filter(|key| object.contains_key(*key)) {
                at.push(Step::Key(key));
                places.push(at.clone());
                places_of(json.get(key).unwrap_or(&Json::Null), at, places);
                at.pop();
            }
            for (idx, field) in object.get("fields").and_then(Json::as_array).into_iter().flatten().enumerate() {
                at.extend([Step::Key("fields"), Step::Index(idx)]);
                places.push(at.clone());
                at.push(Step::Key("type"));
                places.push(at.clone());
                places_of(field.get("type").unwrap_or(&Json::Null), at, places);
                at.truncate(at.len() - 3);
            }
        }
        _ => {}
    }
}
