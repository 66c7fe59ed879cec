//! A seed in; random Avro schemas as JSON text, and damaged bytes out.

use crate::Rng;
use serde_json::{Map, Value as Json, json};

/// A random schema that has values of finite size: mostly a record, with any types inside, some of them recursive.
pub fn random_schema(rng: &mut Rng) -> String {
    let n_nodes = rng.pick(20, &[1, 4, 8, 12, 40]);
    let mut maker = Maker { rng, n_left: n_nodes, n_references: 6, n_names: 0, named: Vec::new() };
    let schema = match maker.rng.below(10) {
        0 => maker.any(0, "", SchemaPlace::Free),
        _ => maker.record(0, ""),
    };
    let json = schema.to_string();
    maker.rng.note(|| format!("schema {json}"));
    json
}

/// Changes bytes as disks, networks and attackers do: a bit, a byte, a few bytes more or less, the end missing.
pub fn corrupt(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.pick(1, &[1, 1, 2, 5]) {
        let at = rng.below(bytes.len() + 1);
        let bit = 1 << rng.below(8);
        let any = rng.peek() as u8;
        let byte = rng.pick(0, &[1, 2, 3, 0x7f, 0x80, 0xff, any]);
        match (rng.below(6), bytes.get_mut(at)) {
            (0 | 1, Some(place)) => *place ^= bit,
            (2, Some(place)) => *place = byte,
            (3, Some(_)) => drop(bytes.remove(at)),
            (4, Some(_)) => bytes.truncate(at),
            _ => {
                let more = rng.pick(1, &[2, 9]);
                bytes.splice(at..at, vec![byte; more]);
            }
        }
    }
    rng.note(|| format!("damaged to {}", hex(bytes)));
}

/// The bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What a place in a schema allows.
#[derive(Clone, Copy, PartialEq)]
enum SchemaPlace {
    Free,
    /// Directly inside a union: no union.
    Branch,
}

/// A type that can be referred to.
struct Named {
    full: String,
    namespace: String,
    simple: String,
    /// The record is not complete: a reference is recursive.
    is_open: bool,
}

struct Maker<'a> {
    rng: &'a mut Rng,
    /// How many more types the schema may have, roughly.
    n_left: usize,
    /// How many more references: each may double the size of the values.
    n_references: usize,
    n_names: usize,
    named: Vec<Named>,
}

const DEEP: usize = 6;

impl Maker<'_> {
    /// Any type. `namespace` is that of the types around it.
    fn any(&mut self, depth: usize, namespace: &str, place: SchemaPlace) -> Json {
        self.n_left = self.n_left.saturating_sub(1);
        if depth > DEEP || self.n_left == 0 {
            return self.primitive();
        }
        match self.rng.below(20) {
            0..=5 => self.primitive(),
            6 | 7 => self.logical(),
            8 => self.fixed(namespace),
            9 => self.enumeration(namespace),
            10 | 11 => self.record(depth + 1, namespace),
            12 if self.rng.one_in(3) => self.pairs(depth + 1, namespace),
            12 => {
                let items = self.items(depth + 1, namespace);
                self.with_extras(json!({"type": "array", "items": items}))
            }
            13 => {
                let values = self.items(depth + 1, namespace);
                self.with_extras(json!({"type": "map", "values": values}))
            }
            14 => self.reference(namespace, false).unwrap_or_else(|| self.primitive()),
            15 => {
                let inner = self.any(depth + 1, namespace, place);
                // SPEC: Schema Declaration: an object's "type" may hold any schema.
                if inner.is_array() { inner } else { json!({"type": inner}) }
            }
            _ if place == SchemaPlace::Branch => self.primitive(),
            _ => self.union(depth + 1, namespace),
        }
    }

    /// A type inside an array or a map, where a recursive reference is possible since there may be no items.
    fn items(&mut self, depth: usize, namespace: &str) -> Json {
        if self.rng.one_in(6)
            && let Some(reference) = self.reference(namespace, true)
        {
            return reference;
        }
        self.any(depth, namespace, SchemaPlace::Free)
    }

    /// Iceberg's map, whose keys need not be strings.
    fn pairs(&mut self, depth: usize, namespace: &str) -> Json {
        let (mut record, at, namespace) = self.name("R", namespace);
        self.set_open(at, true);
        let key = self.primitive();
        let value = self.any(depth, &namespace, SchemaPlace::Free);
        self.set_open(at, false);
        record.insert("type".into(), json!("record"));
        record.insert("fields".into(), json!([{"name": "key", "type": key}, {"name": "value", "type": value}]));
        json!({"type": "array", "logicalType": "map", "items": record})
    }

    fn primitive(&mut self) -> Json {
        let words = ["null", "boolean", "int", "int", "long", "long", "float", "double", "bytes", "string", "string"];
        let word = self.rng.pick("string", &words);
        match self.rng.below(8) {
            0 => json!({"type": word}),
            _ => json!(word),
        }
    }

    /// A logical type; some not valid on their base, which leaves the base.
    fn logical(&mut self) -> Json {
        let on_int = ["date", "time-millis", "time-micros", "uuid"];
        let on_long = [
            "time-micros",
            "timestamp-millis",
            "timestamp-micros",
            "timestamp-nanos",
            "local-timestamp-millis",
            "local-timestamp-micros",
            "local-timestamp-nanos",
            "date",
        ];
        match self.rng.below(8) {
            0 | 1 => json!({"type": "int", "logicalType": self.rng.pick("date", &on_int)}),
            2 | 3 => json!({"type": "long", "logicalType": self.rng.pick("time-micros", &on_long)}),
            4 => json!({"type": "string", "logicalType": self.rng.pick("uuid", &["unheard-of", "date"])}),
            5 => json!({"type": "bytes", "logicalType": self.rng.pick("big-decimal", &["duration", "decimal"])}),
            _ => self.decimal(json!({"type": "bytes"})),
        }
    }

    /// A base made a decimal, mostly a valid one.
    fn decimal(&mut self, mut base: Json) -> Json {
        let precision = self.rng.pick(1_i64, &[4, 9, 18, 19, 37, 38, 39, 50, 75, 76, 77, 100, 0, -1]);
        let scale = self.rng.pick(0_i64, &[0, 1, 2, precision / 2, precision, precision + 1, -1]);
        if let Some(object) = base.as_object_mut() {
            object.insert("logicalType".into(), json!("decimal"));
            object.insert("precision".into(), json!(precision));
            if self.rng.below(3) > 0 {
                object.insert("scale".into(), json!(scale));
            }
        }
        base
    }

    fn fixed(&mut self, namespace: &str) -> Json {
        let size = self.rng.pick(4_usize, &[0, 1, 8, 11, 12, 12, 13, 16, 16, 17, 32, 40]);
        let (object, ..) = self.name("F", namespace);
        let mut object = Json::Object(object);
        if let Some(object) = object.as_object_mut() {
            object.insert("type".into(), json!("fixed"));
            object.insert("size".into(), json!(size));
            if size == 12 && self.rng.one_in(2) {
                object.insert("logicalType".into(), json!("duration"));
            } else if self.rng.one_in(6) {
                object.insert("logicalType".into(), json!(self.rng.pick("duration", &["uuid"])));
            }
        }
        if object.get("logicalType").is_none() && self.rng.one_in(2) { self.decimal(object) } else { object }
    }

    fn enumeration(&mut self, namespace: &str) -> Json {
        let n_symbols = self.rng.pick(1, &[2, 3, 5, 70]);
        let symbols: Vec<String> = (0..n_symbols).map(|at| format!("S{at}")).collect();
        let (mut object, ..) = self.name("E", namespace);
        object.insert("type".into(), json!("enum"));
        if self.rng.one_in(4) {
            object.insert("default".into(), json!(symbols.first()));
        }
        object.insert("symbols".into(), json!(symbols));
        self.with_extras(Json::Object(object))
    }

    fn record(&mut self, depth: usize, namespace: &str) -> Json {
        let (mut object, at, namespace) = self.name("R", namespace);
        self.set_open(at, true);
        let n_fields = self.rng.pick(3, &[0, 1, 2, 2, 3, 4, 6]);
        let fields: Vec<Json> = (0..n_fields)
            .map(|field| {
                let json =
                    json!({"name": format!("f{field}"), "type": self.any(depth + 1, &namespace, SchemaPlace::Free)});
                self.with_extras(json)
            })
            .collect();
        self.set_open(at, false);
        object.insert("type".into(), json!(self.rng.pick("record", &["record", "record", "error"])));
        object.insert("fields".into(), Json::Array(fields));
        self.with_extras(Json::Object(object))
    }

    fn set_open(&mut self, at: usize, is_open: bool) {
        if let Some(named) = self.named.get_mut(at) {
            named.is_open = is_open;
        }
    }

    fn union(&mut self, depth: usize, namespace: &str) -> Json {
        let (n_branches, has_null) = match self.rng.below(8) {
            // The common ones.
            0..=3 => (1, true),
            4 => (1, false),
            _ => (self.rng.pick(2, &[3, 4]), self.rng.one_in(2)),
        };
        // A recursive reference has an end where the union has a null.
        let recursive = has_null && self.rng.one_in(4);
        let mut branches = Vec::from_iter(if recursive { self.reference(namespace, true) } else { None });
        for _ in branches.len()..n_branches {
            let n_named = self.named.len();
            let branch = self.any(depth, namespace, SchemaPlace::Branch);
            // SPEC: Unions: only one of each unnamed type, and of each name.
            if branches.iter().all(|other| word(other) != word(&branch)) {
                branches.push(branch);
            } else {
                // Nothing can refer to what was defined in a branch that is not there.
                self.named.truncate(n_named);
            }
        }
        if has_null && branches.iter().all(|branch| word(branch) != "null") {
            branches.insert(self.rng.below(branches.len() + 1), json!("null"));
        }
        Json::Array(branches)
    }

    /// A reference to a type that the rest of the schema has by name.
    fn reference(&mut self, namespace: &str, may_be_open: bool) -> Option<Json> {
        let can: Vec<&Named> = self
            .named
            .iter()
            .filter(|named| named.is_open == may_be_open)
            // The empty namespace cannot be written out: a name without a dot is one of the namespace around it.
            .filter(|named| named.namespace == namespace || !named.namespace.is_empty())
            .collect();
        self.n_references = self.n_references.checked_sub(1)?;
        let named = can.get(self.rng.below(can.len()))?;
        let by_simple_name = named.namespace == namespace && self.rng.one_in(2);
        Some(json!(if by_simple_name { &named.simple } else { &named.full }))
    }

    /// The attributes that give a new type its name, its place in `named`, and the namespace of the types inside it.
    fn name(&mut self, letter: &str, around: &str) -> (Map<String, Json>, usize, String) {
        let simple = format!("{letter}{}", self.n_names);
        self.n_names += 1;
        let mut object = Map::new();
        let namespace = match self.rng.below(6) {
            0 => {
                let namespace = self.rng.pick("a", &["a.b", "org.example"]);
                object.insert("name".into(), json!(format!("{namespace}.{simple}")));
                if self.rng.one_in(2) {
                    object.insert("namespace".into(), json!("without.meaning"));
                }
                namespace
            }
            1 => {
                let namespace = self.rng.pick("a", &["a.b", "b", ""]);
                object.insert("name".into(), json!(simple));
                object.insert("namespace".into(), json!(namespace));
                namespace
            }
            _ => {
                object.insert("name".into(), json!(simple));
                around
            }
        };
        let namespace = namespace.to_string();
        let full = if namespace.is_empty() { simple.clone() } else { format!("{namespace}.{simple}") };
        self.named.push(Named { full, namespace: namespace.clone(), simple, is_open: false });
        (object, self.named.len() - 1, namespace)
    }

    /// Now and then attributes that do not change how values are encoded.
    fn with_extras(&mut self, mut json: Json) -> Json {
        if let Some(object) = json.as_object_mut()
            && self.rng.one_in(10)
        {
            object.insert("doc".into(), json!("Says \"so\"."));
            object.insert("field-id".into(), json!(7));
        }
        json
    }
}

/// What makes a branch distinct: the type's full name or reference, else its kind.
fn word(branch: &Json) -> String {
    match branch {
        Json::Object(object) => match (object.get("name"), object.get("type")) {
            (Some(Json::String(name)), _) => simple(name),
            (_, Some(inner)) => word(inner),
            _ => String::new(),
        },
        Json::String(name) => simple(name),
        _ => "union".into(),
    }
}

/// Simple names are never given twice, so they tell types apart.
fn simple(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().to_string()
}
