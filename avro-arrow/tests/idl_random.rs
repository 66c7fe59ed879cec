//! Random schemas, printed as IDL and parsed again: the same schemas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use avro_arrow::Limits;
use avro_arrow::idl::{Document, NoImports};
use avro_arrow::schema::{Field, Kind, NodeId, Schema};
use avro_testing::{Rng, check_seeds, n_seeds, random_schema};
use serde_json::{Value as Json, json};
use std::collections::HashSet;

/// Names of fields, which mean something else in IDL where they have no backquotes.
const NAMES: [&str; 8] = ["record", "date", "NaN", "throws", "_", "Größe", "null", "schema"];

const DOCS: [&str; 8] = ["a", "*a", "**", " a\n b", "a\n  b\n\n* c", "\n", "/", "é\r\nb"];

/// Adds documentation, aliases, orders, defaults and attributes that IDL can express.
fn decorate(rng: &mut Rng, json: &mut Json) {
    if let Json::Array(branches) = json {
        return branches.iter_mut().for_each(|branch| decorate(rng, branch));
    }
    let Json::Object(object) = json else { return };
    let is_named = object.contains_key("name");
    if !is_named {
        // Without a meaning there, and not possible in IDL.
        object.remove("doc");
    }
    if is_named && rng.one_in(3) {
        object.insert("doc".into(), json!(rng.pick("d", &DOCS)));
        object.insert("aliases".into(), json!(["Old", "other.Older"]));
    }
    if object.get("type").is_some_and(Json::is_string) && rng.one_in(4) {
        object.insert("my-key.x".into(), json!({"a": [1, -2.5e-7, "\"\\\n\u{1}é", null, {}, []], "b": true}));
        object.insert("date".into(), json!(i64::MIN));
    }
    for key in ["items", "values", "type"] {
        if let Some(inner) = object.get_mut(key) {
            decorate(rng, inner);
        }
    }
    let Some(Json::Array(fields)) = object.get_mut("fields") else { return };
    for (at, field) in fields.iter_mut().enumerate() {
        let field = field.as_object_mut().unwrap();
        decorate(rng, field.get_mut("type").unwrap());
        if let Some(name) = NAMES.get(at).filter(|_| rng.one_in(4)) {
            field.insert("name".into(), json!(name));
        }
        let default = match field.get("type").unwrap() {
            Json::String(word) => match word.as_str() {
                "int" | "long" => Some(json!(-7)),
                "double" | "float" => Some(rng.pick(json!("NaN").as_str(), &[None]).map_or(json!(1e300), Json::from)),
                "string" | "bytes" => Some(json!("NaN")),
                "boolean" => Some(json!(true)),
                _ => None,
            },
            Json::Array(branches) => match branches.first().and_then(Json::as_str) {
                Some("null") => Some(Json::Null),
                Some("string") => Some(json!("x")),
                _ => None,
            },
            Json::Object(kind) => match kind.get("type").and_then(Json::as_str) {
                Some("array") => Some(json!([])),
                Some("map") => Some(json!({})),
                _ => None,
            },
            _ => None,
        };
        if let Some(default) = default.filter(|_| rng.one_in(2)) {
            field.insert("default".into(), default);
        }
        if rng.one_in(4) {
            field.insert("doc".into(), json!(rng.pick("d", &DOCS)));
            field.insert("order".into(), json!(rng.pick("ignore", &["descending"])));
            field.insert("aliases".into(), json!(["was"]));
            field.insert("logicalType".into(), json!("date"));
        }
    }
}

/// Whether two types are the same with everything that belongs to them.
fn same(a: (&Schema, NodeId), b: (&Schema, NodeId), seen: &mut HashSet<(NodeId, NodeId)>) -> bool {
    if !seen.insert((a.1, b.1)) {
        return true;
    }
    let (x, y) = (a.0.node(a.1), b.0.node(b.1));
    if x.logical != y.logical || x.attributes != y.attributes {
        return false;
    }
    let without_type = |field: &Field| {
        (field.name.clone(), field.aliases.clone(), field.doc.clone(), field.default.clone(), field.attributes.clone())
    };
    match (&x.kind, &y.kind) {
        (Kind::Record(r), Kind::Record(s)) => {
            let fields = r.fields.len() == s.fields.len()
                && r.fields
                    .iter()
                    .zip(&s.fields)
                    .all(|(f, g)| without_type(f) == without_type(g) && same((a.0, f.node), (b.0, g.node), seen));
            fields && (&r.name, &r.aliases, &r.doc) == (&s.name, &s.aliases, &s.doc)
        }
        (Kind::Array(i), Kind::Array(j)) | (Kind::Map(i), Kind::Map(j)) => same((a.0, *i), (b.0, *j), seen),
        (Kind::Union(i), Kind::Union(j)) => {
            i.len() == j.len() && i.iter().zip(j).all(|(i, j)| same((a.0, *i), (b.0, *j), seen))
        }
        (x, y) => x == y,
    }
}

#[test]
fn random_schemas_survive_idl() {
    let limits = Limits::default();
    check_seeds(0..n_seeds(3000), |rng| {
        let mut json: Json = serde_json::from_str(&random_schema(rng)).unwrap();
        decorate(rng, &mut json);
        let schema = Schema::parse(&json.to_string(), &limits).unwrap_or_else(|e| panic!("{e}: {json}"));
        let printed = Document::from_schema(&schema, &limits).unwrap().to_idl().unwrap();
        assert_eq!(printed.omitted, Vec::<String>::new(), "{json}");
        let document = Document::parse(&printed.text, "", &mut NoImports, &limits);
        let document = document.unwrap_or_else(|e| panic!("{e}: {json}\n{}", printed.text));
        let again = Schema::parse(&document.schema(None).unwrap().to_string(), &limits).unwrap();
        assert_eq!(again.canonical_form(), schema.canonical_form());
        let is_same = same((&schema, schema.root()), (&again, again.root()), &mut HashSet::new());
        assert!(is_same, "{json}\n{}\n{}", printed.text, again.json());
    });
}
