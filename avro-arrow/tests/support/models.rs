//! Random schemas, later versions of them, and values, as the models of `spec`; and these as JSON and as bytes.

use crate::spec::{Body, Field, Model, Named, Type, Value};
use avro_testing::Rng;
use avro_testing::wire::{bytes, long};
use serde_json::{Map, Value as Json, json};
use std::collections::HashSet;

const NAMESPACES: [&str; 4] = ["l", "m", "L", "k.n"];
const NAMES: [&str; 4] = ["A", "B", "I", "H"];
const SYMBOLS: [&str; 5] = ["a", "b", "c", "d", "e"];
const WORDS: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// A random schema: types refer to later ones, so that values end, and to themselves where null is beside them.
pub(crate) fn model(rng: &mut Rng) -> Model {
    let n_types = 1 + rng.below(6);
    let mut taken = HashSet::new();
    let mut types = Vec::new();
    while types.len() < n_types {
        let at = types.len();
        let (namespace, name) = (pick(rng, &NAMESPACES), pick(rng, &NAMES));
        if !taken.insert((namespace, name)) {
            continue;
        }
        let body = match rng.below(6) {
            0 => Body::Enum(symbols(rng), None),
            1 => Body::Fixed(1 + rng.below(2), rng.one_in(2)),
            _ => {
                let n = 1 + rng.below(3);
                let field = |n: usize, rng: &mut Rng| Field {
                    name: format!("f{n}"),
                    aliases: vec![],
                    kind: any(rng, at + 1, n_types, 2, Some(at)),
                    default: None,
                };
                Body::Record((0..n).map(|n| field(n, rng)).collect())
            }
        };
        // A decimal of four digits needs two bytes.
        let body = if let Body::Fixed(size, true) = body { Body::Fixed(size + 1, true) } else { body };
        types.push(Named { namespace: namespace.to_owned(), name: name.to_owned(), aliases: vec![], body });
    }
    let root = match rng.below(3) {
        0 => any(rng, 0, n_types, 3, None),
        _ => union(rng, 0, n_types, 2, None),
    };
    Model { types, root }
}

fn pick<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.below(of.len())]
}

fn symbols(rng: &mut Rng) -> Vec<String> {
    let (first, n) = (rng.below(3), 1 + rng.below(3));
    SYMBOLS.iter().cycle().skip(first).take(n).map(|s| (*s).to_owned()).collect()
}

fn any(rng: &mut Rng, from: usize, to: usize, depth: usize, own: Option<usize>) -> Type {
    match rng.below(if depth == 0 { 5 } else { 9 }) {
        0 | 1 => Type::Word(pick(rng, &WORDS)),
        2 => Type::Decimal,
        3 | 4 if from < to => Type::Named(from + rng.below(to - from)),
        5 => Type::Array(Box::new(any(rng, from, to, depth - 1, own))),
        6 => Type::Map(Box::new(any(rng, from, to, depth - 1, own))),
        7 | 8 => union(rng, from, to, depth - 1, own),
        _ => Type::Word("int"),
    }
}

fn union(rng: &mut Rng, from: usize, to: usize, depth: usize, own: Option<usize>) -> Type {
    let mut branches: Vec<Type> = (0..1 + rng.below(4)).map(|_| any(rng, from, to, depth, own)).collect();
    if let Some(own) = own.filter(|_| rng.one_in(4)) {
        branches.push(Type::Named(own));
        branches.push(Type::Word("null"));
    }
    valid_union(branches)
}

/// A union of these without unions inside and without two of one kind.
fn valid_union(branches: Vec<Type>) -> Type {
    let mut seen = HashSet::new();
    let flat = branches.into_iter().flat_map(|branch| match branch {
        Type::Union(inner) => inner,
        other => vec![other],
    });
    let key = |kind: &Type| match kind {
        Type::Word(word) => (*word).to_owned(),
        Type::Decimal => "bytes".to_owned(),
        Type::Array(_) => "array".to_owned(),
        Type::Map(_) => "map".to_owned(),
        Type::Named(n) => n.to_string(),
        Type::Union(_) => "union".to_owned(),
    };
    Type::Union(flat.filter(|branch| seen.insert(key(branch))).collect())
}

/// A later version of a schema: types are renamed, with an alias or without; fields come, go and change places; numbers
/// become wider; unions gain and lose branches.
pub(crate) fn changed(rng: &mut Rng, old: &Model) -> Model {
    let mut new = old.clone();
    let mut taken: HashSet<String> = new.types.iter().map(Named::full).collect();
    // What is read must not be called as another type was: nobody could tell them apart.
    let n_types = new.types.len();
    for at in 0..n_types {
        if rng.one_in(3) {
            let full = new.types[at].full();
            let (namespace, name) = (pick(rng, &NAMESPACES).to_owned(), pick(rng, &NAMES).to_owned());
            let moved = if rng.one_in(2) { (namespace, new.types[at].name.clone()) } else { (namespace, name) };
            if taken.insert(format!("{}.{}", moved.0, moved.1)) {
                (new.types[at].namespace, new.types[at].name) = moved;
                if rng.one_in(2) {
                    new.types[at].aliases.push(full);
                }
            }
        }
        let mut body = new.types[at].body.clone();
        match &mut body {
            Body::Record(fields) => change_fields(rng, fields, at, n_types),
            Body::Enum(symbols, default) => {
                if rng.one_in(3) && symbols.len() > 1 {
                    symbols.remove(0);
                }
                if rng.one_in(3) {
                    symbols.push("z".to_owned());
                    symbols.rotate_right(1);
                }
                *default = rng.one_in(3).then(|| symbols[0].clone());
            }
            Body::Fixed(size, decimal) => *size += usize::from(*decimal && rng.one_in(3)),
        }
        new.types[at].body = body;
    }
    new.root = change(rng, &new.root, 0, n_types);
    new
}

fn change_fields(rng: &mut Rng, fields: &mut Vec<Field>, at: usize, n_types: usize) {
    for field in fields.iter_mut() {
        let kind = change(rng, &field.kind, at + 1, n_types);
        // A default is a value of the type that it stands beside.
        if kind != std::mem::replace(&mut field.kind, kind.clone()) {
            field.default = None;
        }
        if rng.one_in(8) {
            let new = format!("{}x", field.name);
            let old = std::mem::replace(&mut field.name, new);
            field.aliases.extend((!rng.one_in(3)).then_some(old));
        }
    }
    if fields.len() > 1 && rng.one_in(5) {
        fields.remove(0);
    }
    if rng.one_in(4) {
        fields.rotate_left(1);
    }
    if rng.one_in(5) && !fields.iter().any(|field| field.name.starts_with("new")) {
        let default = match rng.below(3) {
            0 => None,
            _ => Some((Value::Int(7), "7".to_owned())),
        };
        let at = rng.below(fields.len() + 1);
        fields.insert(at, Field { name: "new".to_owned(), aliases: vec![], kind: Type::Word("int"), default });
    }
}

fn change(rng: &mut Rng, kind: &Type, from: usize, n_types: usize) -> Type {
    let kind = match kind {
        Type::Array(items) => Type::Array(Box::new(change(rng, items, from, n_types))),
        Type::Map(values) => Type::Map(Box::new(change(rng, values, from, n_types))),
        Type::Union(branches) => {
            let mut branches: Vec<Type> = branches.iter().map(|branch| change(rng, branch, from, n_types)).collect();
            if rng.one_in(4) && branches.len() > 1 {
                branches.remove(0);
            }
            if rng.one_in(4) {
                branches.rotate_left(1);
            }
            if rng.one_in(3) {
                branches.insert(0, any(rng, from, n_types, 1, None));
            }
            return valid_union(branches);
        }
        Type::Word("int") if rng.one_in(4) => Type::Word(rng.pick("long", &["float", "double"])),
        Type::Word("long") if rng.one_in(4) => Type::Word(rng.pick("float", &["double"])),
        Type::Word("bytes") if rng.one_in(4) => Type::Word("string"),
        Type::Word("string") if rng.one_in(4) => Type::Word("bytes"),
        other => other.clone(),
    };
    match rng.below(12) {
        0 => any(rng, from, n_types, 1, None),
        1 | 2 => valid_union(vec![Type::Word("null"), kind]),
        3 => valid_union(vec![any(rng, from, n_types, 0, None), kind]),
        _ => kind,
    }
}

/// The schema as JSON; types are defined where they come first.
pub(crate) fn schema_json(model: &Model) -> String {
    let mut defined = HashSet::new();
    type_json(model, &model.root, &mut defined).to_string()
}

fn type_json(model: &Model, kind: &Type, defined: &mut HashSet<usize>) -> Json {
    match kind {
        Type::Word(word) => json!(word),
        Type::Decimal => json!({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}),
        Type::Array(items) => json!({"type": "array", "items": type_json(model, items, defined)}),
        Type::Map(values) => json!({"type": "map", "values": type_json(model, values, defined)}),
        Type::Union(branches) => branches.iter().map(|branch| type_json(model, branch, defined)).collect(),
        Type::Named(at) => {
            let named = &model.types[*at];
            if !defined.insert(*at) {
                return json!(named.full());
            }
            let mut object = json!({"name": named.name, "namespace": named.namespace, "aliases": named.aliases});
            let mut set = |key: &str, value: Json| drop(object.as_object_mut().unwrap().insert(key.to_owned(), value));
            match &named.body {
                Body::Record(fields) => {
                    set("type", json!("record"));
                    let field = |field: &Field, defined: &mut HashSet<usize>| {
                        let kind = type_json(model, &field.kind, defined);
                        let mut json = json!({"name": field.name, "type": kind, "aliases": field.aliases});
                        if let Some((_, default)) = &field.default {
                            json["default"] = serde_json::from_str(default).unwrap();
                        }
                        json
                    };
                    set("fields", fields.iter().map(|one| field(one, defined)).collect());
                }
                Body::Enum(symbols, default) => {
                    set("type", json!("enum"));
                    set("symbols", json!(symbols));
                    default.iter().for_each(|default| set("default", json!(default)));
                }
                Body::Fixed(size, decimal) => {
                    set("type", json!("fixed"));
                    set("size", json!(size));
                    if *decimal {
                        set("logicalType", json!("decimal"));
                        set("precision", json!(4));
                        set("scale", json!(2));
                    }
                }
            }
            object
        }
    }
}

/// Whether there are values of the type that end.
pub(crate) fn ends(model: &Model, kind: &Type, open: &mut Vec<usize>) -> bool {
    match kind {
        Type::Union(branches) => branches.iter().any(|branch| ends(model, branch, open)),
        Type::Named(at) if open.contains(at) => false,
        Type::Named(at) => match &model.types[*at].body {
            Body::Record(fields) => {
                open.push(*at);
                let all = fields.iter().all(|field| ends(model, &field.kind, open));
                open.pop();
                all
            }
            _ => true,
        },
        _ => true,
    }
}

/// A random value of a type.
pub(crate) fn value(rng: &mut Rng, model: &Model, kind: &Type, depth: usize) -> Value {
    match kind {
        Type::Word("null") => Value::Null,
        Type::Word("boolean") => Value::Boolean(rng.one_in(2)),
        Type::Word("int") => Value::Int(rng.below(1000) as i64 - 500),
        Type::Word("long") => Value::Long(rng.below(100_000) as i64 - 50_000),
        Type::Word("float") => Value::Float(rng.below(1000) as f32 / 8.0),
        Type::Word("double") => Value::Double(rng.below(1000) as f64 / 8.0),
        Type::Word("string") => Value::Text(rng.pick("x", &["é", "", "long enough for a buffer"]).to_owned()),
        Type::Word(_) => Value::Bytes(rng.pick(&b"y"[..], &[b"", b"\xff", "ü".as_bytes()]).to_vec()),
        Type::Decimal => Value::Bytes(rng.pick(&[5u8][..], &[&[0xff, 0xfe], &[39, 15], &[0x80]]).to_vec()),
        Type::Array(items) => {
            Value::Items((0..few(rng, model, items, depth)).map(|_| value(rng, model, items, depth + 1)).collect())
        }
        Type::Map(values) => {
            let entry = |n: usize, rng: &mut Rng| (format!("k{n}"), value(rng, model, values, depth + 1));
            Value::Entries((0..few(rng, model, values, depth)).map(|n| entry(n, rng)).collect())
        }
        Type::Union(branches) => {
            let ending = |at: &usize| ends(model, &branches[*at], &mut Vec::new());
            let ending: Vec<usize> = (0..branches.len()).filter(ending).collect();
            let null = ending.iter().find(|at| branches[**at] == Type::Word("null"));
            let at = null.filter(|_| depth > 4).copied().unwrap_or(ending[rng.below(ending.len())]);
            Value::Branch(at, Box::new(value(rng, model, &branches[at], depth + 1)))
        }
        Type::Named(at) => match &model.types[*at].body {
            Body::Record(fields) => {
                Value::Record(fields.iter().map(|field| value(rng, model, &field.kind, depth + 1)).collect())
            }
            Body::Enum(symbols, _) => Value::Symbol(symbols[rng.below(symbols.len())].clone()),
            Body::Fixed(size, true) => {
                let mut bytes = vec![0; *size - 2];
                bytes.extend([rng.below(39) as u8, rng.bits() as u8]);
                Value::Bytes(bytes)
            }
            Body::Fixed(size, false) => Value::Bytes(rng.bytes(*size)),
        },
    }
}

fn few(rng: &mut Rng, model: &Model, items: &Type, depth: usize) -> usize {
    let none = depth > 4 || !ends(model, items, &mut Vec::new());
    rng.below(if none { 1 } else { 3 })
}

/// The value's bytes.
// SPEC: Binary Encoding.
pub(crate) fn encode(model: &Model, kind: &Type, value: &Value, out: &mut Vec<u8>) {
    match (kind, value) {
        (_, Value::Null) => {}
        (_, Value::Boolean(value)) => out.push(u8::from(*value)),
        (_, Value::Int(n) | Value::Long(n)) => out.extend(long(*n)),
        (_, Value::Float(n)) => out.extend(n.to_le_bytes()),
        (_, Value::Double(n)) => out.extend(n.to_le_bytes()),
        (Type::Named(_), Value::Bytes(fixed)) => out.extend(fixed),
        (_, Value::Bytes(value)) => out.extend(bytes(value)),
        (_, Value::Text(text)) => out.extend(bytes(text.as_bytes())),
        (Type::Named(at), Value::Symbol(symbol)) => {
            let Body::Enum(symbols, _) = &model.types[*at].body else { panic!("{symbol} of no enum") };
            out.extend(long(symbols.iter().position(|other| other == symbol).unwrap() as i64));
        }
        (Type::Array(of), Value::Items(items)) => {
            blocks(items.len(), out, |n, out| encode(model, of, &items[n], out));
        }
        (Type::Map(of), Value::Entries(entries)) => blocks(entries.len(), out, |n, out| {
            out.extend(bytes(entries[n].0.as_bytes()));
            encode(model, of, &entries[n].1, out);
        }),
        (Type::Union(branches), Value::Branch(at, value)) => {
            out.extend(long(*at as i64));
            encode(model, &branches[*at], value, out);
        }
        (Type::Named(at), Value::Record(values)) => {
            let Body::Record(fields) = &model.types[*at].body else { panic!("fields of no record") };
            for (field, value) in fields.iter().zip(values) {
                encode(model, &field.kind, value, out);
            }
        }
        _ => panic!("{value:?} is no {kind:?}"),
    }
}

fn blocks(n: usize, out: &mut Vec<u8>, mut item: impl FnMut(usize, &mut Vec<u8>)) {
    if n > 0 {
        out.extend(long(n as i64));
        (0..n).for_each(|n| item(n, out));
    }
    out.push(0);
}

/// The value in the specification's JSON encoding.
// SPEC: JSON Encoding.
pub(crate) fn value_json(model: &Model, kind: &Type, value: &Value) -> Json {
    let latin1 = |bytes: &[u8]| json!(bytes.iter().map(|byte| char::from(*byte)).collect::<String>());
    let float = |shortest: String| serde_json::from_str::<Json>(&shortest).unwrap();
    match (kind, value) {
        (_, Value::Null) => Json::Null,
        (_, Value::Boolean(value)) => json!(value),
        (_, Value::Int(n) | Value::Long(n)) => json!(n),
        (_, Value::Float(n)) => float(format!("{n:?}")),
        (_, Value::Double(n)) => float(format!("{n:?}")),
        (_, Value::Bytes(bytes)) => latin1(bytes),
        (_, Value::Text(text) | Value::Symbol(text)) => json!(text),
        (Type::Array(of), Value::Items(items)) => items.iter().map(|item| value_json(model, of, item)).collect(),
        (Type::Map(of), Value::Entries(entries)) => {
            let entry = |(key, value): &(String, Value)| (key.clone(), value_json(model, of, value));
            Json::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        (Type::Union(branches), Value::Branch(at, value)) => {
            let inner = value_json(model, &branches[*at], value);
            let tag = match &branches[*at] {
                Type::Word("null") => return inner,
                Type::Word(word) => (*word).to_owned(),
                Type::Decimal => "bytes".to_owned(),
                Type::Array(_) => "array".to_owned(),
                Type::Map(_) => "map".to_owned(),
                Type::Named(at) => model.types[*at].full(),
                Type::Union(_) => panic!("a union in a union"),
            };
            json!({tag: inner})
        }
        (Type::Named(at), Value::Record(values)) => {
            let Body::Record(fields) = &model.types[*at].body else { panic!("fields of no record") };
            let pairs = fields.iter().zip(values);
            Json::Object(pairs.map(|(f, v)| (f.name.clone(), value_json(model, &f.kind, v))).collect())
        }
        _ => panic!("{value:?} is no {kind:?}"),
    }
}
