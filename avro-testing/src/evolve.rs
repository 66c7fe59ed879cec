//! A seed and the JSON text of a schema in; the schema as it might be later, out: fields added, dropped, renamed and
//! moved, types promoted, made nullable, put into unions and taken out of them, symbols added and dropped. Some changes
//! no reader can follow.

use crate::Rng;
use serde_json::{Map, Value as Json, json};

/// Returns a schema that may be a reader's for data of this one, or an invalid one. `None` if this one is not JSON.
pub fn evolved_schema(rng: &mut Rng, schema: &str) -> Option<String> {
    let mut json: Json = serde_json::from_str(schema).ok()?;
    let wild = rng.one_in(6);
    let changes = rng.pick(3, &[2, 8]);
    let mut changer = Changer { rng, changes, wild, n_names: 0 };
    changer.any(&mut json, EvolvedPlace::Free);
    rng.note(|| format!("read as {json}"));
    Some(json.to_string())
}

/// What a place in a schema allows.
#[derive(Clone, Copy, PartialEq)]
enum EvolvedPlace {
    Free,
    /// Directly inside a union: no union.
    Branch,
}

struct Changer<'a> {
    rng: &'a mut Rng,
    /// A change is made once in this many places.
    changes: usize,
    /// Whether changes are made too that few readers can follow.
    wild: bool,
    n_names: usize,
}

impl Changer<'_> {
    fn any(&mut self, json: &mut Json, place: EvolvedPlace) {
        match json {
            Json::String(word) if self.rng.one_in(self.changes) => *word = self.promoted(word),
            Json::Array(branches) => self.union(branches),
            Json::Object(object) => self.object(object),
            _ => {}
        }
        if place == EvolvedPlace::Free && !json.is_array() && self.rng.one_in(self.changes * 3) {
            let plain = json.take();
            let null = plain == json!("null");
            *json = match self.rng.below(4) {
                0 if !null => json!([plain, "null"]),
                1 => json!([plain]),
                2 if !null => json!(["null", {"type": "array", "items": "int"}, plain]),
                _ if !null => json!(["null", plain]),
                _ => plain,
            };
        }
    }

    fn promoted(&mut self, word: &str) -> String {
        let to: &[&str] = match word {
            "int" => &["long", "float", "double"],
            "long" => &["float", "double"],
            "float" => &["double"],
            "string" => &["bytes"],
            "bytes" => &["string"],
            _ => &[],
        };
        let to = if self.wild { &["int", "long", "double", "string", "boolean", "null"] } else { to };
        self.rng.pick(word, to).to_string()
    }

    fn union(&mut self, branches: &mut Vec<Json>) {
        for branch in branches.iter_mut() {
            self.any(branch, EvolvedPlace::Branch);
        }
        if self.rng.one_in(self.changes) && branches.len() > 1 {
            let (a, b) = (self.rng.below(branches.len()), self.rng.below(branches.len()));
            branches.swap(a, b);
        }
        let words = |word: &str| branches.iter().all(|branch| branch.get("type").unwrap_or(branch) != word);
        if self.rng.one_in(self.changes * 2) {
            let more = self.rng.pick("boolean", &["double", "null", "string"]);
            if words(more) {
                branches.insert(self.rng.below(branches.len() + 1), json!(more));
            }
        }
        if self.rng.one_in(self.changes * 3) && branches.len() > 1 {
            branches.remove(self.rng.below(branches.len()));
        }
    }

    fn object(&mut self, object: &mut Map<String, Json>) {
        match object.get("type").cloned() {
            Some(Json::String(word)) => match word.as_str() {
                "record" | "error" => self.record(object),
                "enum" => self.symbols(object),
                "array" => self.part(object, "items"),
                "map" => self.part(object, "values"),
                "fixed" => {
                    if self.wild && self.rng.one_in(self.changes) {
                        object.insert("size".into(), json!(self.rng.below(20)));
                    }
                }
                // Of logical types the base stays, or the logical type goes.
                word if object.contains_key("logicalType") => {
                    if self.rng.one_in(self.changes * 2) {
                        object.remove("logicalType");
                        let word = self.promoted(word);
                        object.insert("type".into(), json!(word));
                    }
                }
                _ => self.part(object, "type"),
            },
            Some(_) => self.part(object, "type"),
            None => {}
        }
        if self.rng.one_in(self.changes * 4)
            && let Some(Json::String(name)) = object.get("name").cloned()
            && object.get("type").is_some_and(|word| word == "fixed")
        {
            object.insert("aliases".into(), json!([name]));
        }
    }

    fn part(&mut self, object: &mut Map<String, Json>, key: &str) {
        if let Some(inner) = object.get_mut(key) {
            self.any(inner, EvolvedPlace::Branch);
        }
    }

    fn record(&mut self, record: &mut Map<String, Json>) {
        let Some(Json::Array(fields)) = record.get_mut("fields") else { return };
        for field in fields.iter_mut() {
            let Some(field) = field.as_object_mut() else { continue };
            if let Some(inner) = field.get_mut("type") {
                self.any(inner, EvolvedPlace::Free);
            }
            if self.rng.one_in(self.changes * 2)
                && let Some(name) = field.get("name").cloned()
            {
                self.n_names += 1;
                field.insert("name".into(), json!(format!("renamed{}", self.n_names)));
                let forgotten = self.wild && self.rng.one_in(2);
                field.insert("aliases".into(), if forgotten { json!(["x"]) } else { json!(["x", name]) });
            }
        }
        if self.rng.one_in(self.changes) && fields.len() > 1 {
            let (a, b) = (self.rng.below(fields.len()), self.rng.below(fields.len()));
            fields.swap(a, b);
        }
        if self.rng.one_in(self.changes * 2) && !fields.is_empty() {
            fields.remove(self.rng.below(fields.len()));
        }
        while self.rng.one_in(self.changes) {
            let field = self.new_field();
            fields.insert(self.rng.below(fields.len() + 1), field);
        }
    }

    fn symbols(&mut self, object: &mut Map<String, Json>) {
        let first = object.get("symbols").and_then(|symbols| symbols.get(0)).cloned();
        let Some(Json::Array(symbols)) = object.get_mut("symbols") else { return };
        if self.rng.one_in(self.changes) {
            self.n_names += 1;
            symbols.insert(self.rng.below(symbols.len() + 1), json!(format!("new{}", self.n_names)));
        }
        if self.rng.one_in(self.changes) && symbols.len() > 1 {
            let (a, b) = (self.rng.below(symbols.len()), self.rng.below(symbols.len()));
            symbols.swap(a, b);
        }
        if self.rng.one_in(self.changes * 2) && symbols.len() > 1 {
            symbols.remove(symbols.len() - 1);
            if self.rng.below(3) > 0 {
                object.insert("default".into(), json!(first));
            }
        }
        let default = object.get("default").cloned();
        let kept =
            object.get("symbols").and_then(Json::as_array).is_some_and(|s| default.is_some_and(|d| s.contains(&d)));
        if !kept {
            object.remove("default");
        }
    }

    /// A field that the writer lacks, of any type, mostly with a default.
    fn new_field(&mut self) -> Json {
        self.n_names += 1;
        let n = self.n_names;
        let point = json!({"type": "record", "name": format!("New{n}"), "fields": [
            {"name": "x", "type": "int", "default": -7},
            {"name": "y", "type": ["null", "string"], "default": null},
            {"name": "z", "type": ["string", "null"], "default": "longer than a view holds"}]});
        let list = json!({"type": "record", "name": format!("New{n}"), "fields": [
            {"name": "v", "type": "long"}, {"name": "next", "type": ["null", format!("New{n}")], "default": null}]});
        let all = [
            json!({"type": "null", "default": null}),
            json!({"type": "boolean", "default": true}),
            json!({"type": "int", "default": i32::MIN}),
            json!({"type": {"type": "int", "logicalType": "date"}, "default": 19_000}),
            json!({"type": "long", "default": i64::MAX}),
            json!({"type": {"type": "long", "logicalType": "timestamp-micros"}, "default": 1}),
            json!({"type": "float", "default": 0.1}),
            json!({"type": "double", "default": -1e300}),
            json!({"type": "string", "default": "short"}),
            json!({"type": "string", "default": "a text that no view holds by itself: é 漢 🦀"}),
            json!({"type": "bytes", "default": "\u{0}\u{ff}"}),
            json!({"type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}, "default": "\u{ff}\u{0}"}),
            json!({"type": {"type": "fixed", "name": format!("New{n}"), "size": 3}, "default": "abc"}),
            json!({"type": {"type": "fixed", "name": format!("New{n}"), "size": 12, "logicalType": "duration"},
                "default": "\u{1}\u{0}\u{0}\u{0}\u{2}\u{0}\u{0}\u{0}\u{3}\u{0}\u{0}\u{0}"}),
            json!({"type": {"type": "fixed", "name": format!("New{n}"), "size": 20, "logicalType": "decimal",
                "precision": 45}, "default": "01234567890123456789"}),
            json!({"type": {"type": "enum", "name": format!("New{n}"), "symbols": ["P", "Q"]}, "default": "Q"}),
            json!({"type": {"type": "array", "items": "int"}, "default": []}),
            json!({"type": {"type": "array", "items": ["null", "string"]}, "default": [null, null]}),
            json!({"type": {"type": "array", "items": "string"}, "default": ["a", "a string of many letters", ""]}),
            json!({"type": {"type": "map", "values": "double"}, "default": {"a key of many letters": 1, "b": 2.5}}),
            json!({"type": {"type": "map", "values": {"type": "array", "items": "long"}}, "default": {"k": [1, 2, 3]}}),
            json!({"type": ["null", "int"], "default": null}),
            json!({"type": ["int", "null"], "default": 5}),
            json!({"type": ["string", "null", "long"], "default": "from the first branch"}),
            json!({"type": ["null", "string", "long"], "default": 12}),
            json!({"type": point, "default": {"x": 3}}),
            json!({"type": ["null", point], "default": {}}),
            json!({"type": {"type": "array", "items": point}, "default": [{}, {"y": "w"}]}),
            json!({"type": list, "default": {"v": 4, "next": {"v": 5}}}),
        ];
        let mut field = all.get(self.rng.below(all.len())).cloned().unwrap_or_default();
        if let Some(field) = field.as_object_mut() {
            field.insert("name".into(), json!(format!("new{n}")));
            if self.wild && self.rng.one_in(3) {
                field.remove("default");
            }
        }
        field
    }
}
