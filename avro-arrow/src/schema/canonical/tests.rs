//! Schemas as text in; their canonical forms and fingerprints out, as other implementations have them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::schema::{Fingerprint, Schema};
use crate::{Limits, Result};
use avro_testing::{check_all, check_seeds, random_schema};

fn parse(text: &str) -> Result<Schema> {
    Schema::parse(text, &Limits::default())
}

fn canonical(text: &str) -> String {
    parse(text).unwrap_or_else(|e| panic!("{text}\n{e}")).canonical_form()
}

/// A text that is written here on several lines.
fn joined(lines: &str) -> String {
    lines.lines().map(str::trim_start).collect()
}

struct Vector {
    schema: &'static str,
    canonical: &'static str,
    rabin: &'static str,
    md5: &'static str,
    sha256: &'static str,
}

#[test]
fn fingerprints_equal_published_vectors() {
    for vector in VECTORS {
        let schema = parse(vector.schema).unwrap_or_else(|e| panic!("{}\n{e}", vector.schema));
        assert_eq!(schema.canonical_form(), joined(vector.canonical), "{}", vector.schema);
        for (fingerprint, expected) in [
            (Fingerprint::Rabin(schema.rabin()), vector.rabin),
            (Fingerprint::Md5(schema.md5()), vector.md5),
            (Fingerprint::Sha256(schema.sha256()), vector.sha256),
        ] {
            assert_eq!(fingerprint.to_string(), expected, "{}", vector.schema);
        }
    }
}

/// Made with fastavro 1.13.1: `to_parsing_canonical_form`, and `fingerprint` with CRC-64-AVRO, MD5 and SHA-256.
const VECTORS: &[Vector] = &[
    Vector {
        schema: r#""null""#,
        canonical: r#""null""#,
        rabin: "8a8f25cce724dd63",
        md5: "9b41ef67651c18488a8b08bb67c75699",
        sha256: "f072cbec3bf8841871d4284230c5e983dc211a56837aed862487148f947d1a1f",
    },
    Vector {
        schema: r#"{"type": "string", "avro.java.string": "String"}"#,
        canonical: r#""string""#,
        rabin: "c70345637248018f",
        md5: "095d71cf12556b9d5e330ad575b3df5d",
        sha256: "e9e5c1c9e4f6277339d1bcde0733a59bd42f8731f449da6dc13010a916930d48",
    },
    Vector {
        schema: r#"["null", {"type": "long", "logicalType": "timestamp-millis"}]"#,
        canonical: r#"["null","long"]"#,
        rabin: "4a8040ed5813ca98",
        md5: "95b55b8b080a4820d3f93f2792b50a8b",
        sha256: "82941da74253120140db3063ec0c48b90fcaafad7a38f3993223a9d668f3d808",
    },
    Vector {
        schema: r#"{"type": "array", "items": {"type": "map", "values": ["null", "double"]}, "default": []}"#,
        canonical: r#"{"type":"array","items":{"type":"map","values":["null","double"]}}"#,
        rabin: "037416c6982eedc1",
        md5: "197375aabbf6113476ec290b22ef23ca",
        sha256: "528268729abdffdf819fe7759be13084176f23de3a054ffede810cfafdbcee41",
    },
    Vector {
        schema: r#"{"type": "fixed", "size": 16, "name": "Md5", "namespace": "org.x", "aliases": ["Hash"], "logicalType": "decimal", "precision": 5}"#,
        canonical: r#"{"name":"org.x.Md5","type":"fixed","size":16}"#,
        rabin: "1ae5ff85664deb2a",
        md5: "bacad59af337d75219f33cf72073c456",
        sha256: "131ddb7263cc24f27cd9d38c3c1461514dbfd7f13bdf1caec5cac4e53ba33ad1",
    },
    Vector {
        schema: r#"{"name": "a.b.Suit", "type": "enum", "default": "C", "doc": "d", "symbols": ["S", "C"]}"#,
        canonical: r#"{"name":"a.b.Suit","type":"enum","symbols":["S","C"]}"#,
        rabin: "7463ca991d100907",
        md5: "4bf0d33f07cf87f415787f06c019a1bf",
        sha256: "35d1151f9329e9f048eb1274a1920c0c398a73866eb3255cdc75c356e5421cac",
    },
    Vector {
        schema: r#"{"type": "record", "name": "R", "namespace": "n.s", "fields": [{"name": "a", "type":
            {"type": "fixed", "name": "F", "size": 2}}, {"name": "b", "type":
            {"type": "enum", "name": "E", "namespace": "o", "symbols": ["X"]}},
            {"name": "c", "type": ["F", "o.E", "n.s.F"]}]}"#,
        canonical: r#"{"name":"n.s.R","type":"record","fields":[{"name":"a","type":
            {"name":"n.s.F","type":"fixed","size":2}},{"name":"b","type":
            {"name":"o.E","type":"enum","symbols":["X"]}},
            {"name":"c","type":["n.s.F","o.E","n.s.F"]}]}"#,
        rabin: "053d54ccd4a6449a",
        md5: "1eae77744a11a92fe0d598fc4d0fb223",
        sha256: "7d62e1070821bf1b0bc2c514f959ece02c67642fdb9fae86c1f7a7e98c92bff1",
    },
    Vector {
        schema: r#"{"type": "record", "name": "p.Outer", "fields": [{"name": "i", "type":
            {"type": "record", "name": "q.Inner", "fields": [{"name": "f", "type":
            {"type": "fixed", "name": "F", "size": 0}}]}}, {"name": "g", "type": "q.F"},
            {"name": "h", "type": ["null", "q.Inner"], "default": null}]}"#,
        canonical: r#"{"name":"p.Outer","type":"record","fields":[{"name":"i","type":
            {"name":"q.Inner","type":"record","fields":[{"name":"f","type":
            {"name":"q.F","type":"fixed","size":0}}]}},{"name":"g","type":"q.F"},
            {"name":"h","type":["null","q.Inner"]}]}"#,
        rabin: "d6aec29809977d3d",
        md5: "74da97061ee8b725a05cd8c0b024a7bf",
        sha256: "81a0af0e6495ef9982e57c2d93226c6de943319af9cc9f6a4e66e14154b46e24",
    },
    Vector {
        schema: r#"{"type": "record", "name": "List", "namespace": "x", "fields": [
            {"name": "value", "type": "int", "default": 1, "order": "ignore"},
            {"name": "next", "type": ["null", "List"], "aliases": ["tail"]}]}"#,
        canonical: r#"{"name":"x.List","type":"record","fields":[{"name":"value","type":"int"},
            {"name":"next","type":["null","x.List"]}]}"#,
        rabin: "6cf7d1c2531bca85",
        md5: "872b01e888b1297840e2273d5bc73a1f",
        sha256: "449886b19bae8d608c1291acb66292f756b9cf862083294097f166790587a313",
    },
    Vector {
        schema: r#"{"type": "record", "name": "Tree", "fields": [{"name": "kids", "type":
            {"type": "array", "items": {"type": "record", "name": "Node", "fields": [
            {"name": "tree", "type": ["null", "Tree"]}, {"name": "more", "type":
            {"type": "map", "values": "Node"}}]}}}]}"#,
        canonical: r#"{"name":"Tree","type":"record","fields":[{"name":"kids","type":{"type":"array","items":
            {"name":"Node","type":"record","fields":[{"name":"tree","type":["null","Tree"]},
            {"name":"more","type":{"type":"map","values":"Node"}}]}}}]}"#,
        rabin: "8b80a807f7cc5795",
        md5: "f9f57cc435a51ec4b23b58b1e2d55ef8",
        sha256: "ff10c2d7435db96df0749cf662a6f0134d5671aa568ba9628f728b683f4d9daf",
    },
    Vector {
        schema: r#"{"type": "error", "name": "Oops", "fields": [{"name": "why", "type": "string"}]}"#,
        canonical: r#"{"name":"Oops","type":"record","fields":[{"name":"why","type":"string"}]}"#,
        rabin: "65e524837b276896",
        md5: "4bfd675c1d2450da5c65f23122171e8e",
        sha256: "080ef4655c279343464153030ee99508cec522670c6bf1cd8addc802f008e498",
    },
    Vector {
        schema: r#"{"type": "record", "name": "L2", "fields": [{"name": "a", "type":
            {"type": "record", "name": "L1", "fields": [{"name": "a", "type":
            {"type": "record", "name": "L0", "fields": []}}, {"name": "b", "type": "L0"}]}},
            {"name": "b", "type": "L1"}]}"#,
        canonical: r#"{"name":"L2","type":"record","fields":[{"name":"a","type":
            {"name":"L1","type":"record","fields":[{"name":"a","type":
            {"name":"L0","type":"record","fields":[]}},{"name":"b","type":"L0"}]}},
            {"name":"b","type":"L1"}]}"#,
        rabin: "b1939b834ff1f28c",
        md5: "3265cb8f9fe34da859802c466a3bdd71",
        sha256: "2d58e5ae11e74dcd629720f18f17a9b0eec4d92607934f0434229729402645f1",
    },
    Vector {
        schema: r#"{"type": "record", "name": "Stra\u00dfe", "fields": [
            {"name": "\u6c34", "type": "bytes"}, {"name": "\ud83d\ude00", "type":
            {"type": "enum", "name": "\u00c9", "symbols": ["\u00e9"]}}]}"#,
        canonical: r#"{"name":"Straße","type":"record","fields":[{"name":"水","type":"bytes"},
            {"name":"😀","type":{"name":"É","type":"enum","symbols":["é"]}}]}"#,
        rabin: "efbd731c1514699e",
        md5: "2341b08eafdb0f11a6fea7ad433a5daa",
        sha256: "58d7788df5fcefe43568d488cd8b927536810480381d7dd1f1be6c09adc57cf6",
    },
];

/// Where that implementation refuses the schema, or does not follow the specification.
#[test]
fn canonical_form_of_each_type() {
    for (text, expected) in FORMS {
        assert_eq!(canonical(text), joined(expected), "{text}");
        assert_eq!(canonical(expected), joined(expected), "the form of a form");
    }
}

const FORMS: &[(&str, &str)] = &[
    ("int", r#""int""#),
    ("[]", "[]"),
    // Objects around types.
    (r#"{"type":{"type":{"type":"int","a":1},"logicalType":"date"}}"#, r#""int""#),
    (
        r#"{"type":["null",{"type":{"type":"array","items":{"type":"int"}}}]}"#,
        r#"["null",{"type":"array","items":"int"}]"#,
    ),
    (
        r#"{"type":{"type":"record","name":"R","fields":[{"name":"r","type":{"type":["null",{"type":"R"}]}}]}}"#,
        r#"{"name":"R","type":"record","fields":[{"name":"r","type":["null","R"]}]}"#,
    ),
    // Sizes in quotes, with zeros in front.
    (r#"{"type":"fixed","name":"F","size":"015"}"#, r#"{"name":"F","type":"fixed","size":15}"#),
    // One type defined twice.
    (
        r#"[{"type":"array","items":{"type":"enum","name":"E","symbols":["a"],"doc":"1"}},
            {"type":"map","values":{"type":"enum","name":"E","symbols":["a"],"doc":"2"}}]"#,
        r#"[{"type":"array","items":{"name":"E","type":"enum","symbols":["a"]}},{"type":"map","values":"E"}]"#,
    ),
    // A dot in front of a name and an empty namespace say that there is no namespace.
    (r#"{"type":"fixed","name":".F","namespace":"n","size":1}"#, r#"{"name":"F","type":"fixed","size":1}"#),
    (r#"{"type":"fixed","name":"F","namespace":"","size":1}"#, r#"{"name":"F","type":"fixed","size":1}"#),
    // A null namespace counts as absent.
    (r#"{"type":"fixed","name":"F","namespace":null,"size":1}"#, r#"{"name":"F","type":"fixed","size":1}"#),
    // Types that are called as kinds of types are.
    (
        r#"[{"type":"fixed","name":"n.array","size":1},{"type":"map","values":{"type":"n.array"}}]"#,
        r#"[{"name":"n.array","type":"fixed","size":1},{"type":"map","values":"n.array"}]"#,
    ),
    // Escapes that are not needed go, those that are needed stay.
    (
        r#"{"type":"enum","name":"\u0045\/","symbols":["\u00e9","é","\"\\","\u0000\u001F\n","\ud83d\ude00","\u007f"]}"#,
        "{\"name\":\"E/\",\"type\":\"enum\",\"symbols\":[\"é\",\"é\",\"\\\"\\\\\",\"\\u0000\\u001f\\n\",\"😀\",\"\u{7f}\"]}",
    ),
    (
        r#"{"type":"record","name":"","fields":[{"name":"","type":"null"}]}"#,
        r#"{"name":"","type":"record","fields":[{"name":"","type":"null"}]}"#,
    ),
];

// The one thing that the form cannot say: a parser gives `F` the namespace of `n.R`.
#[test]
fn canonical_form_inside_namespace_omits_empty_namespace() {
    let text = r#"{"type":"record","name":"n.R","fields":[
        {"name":"f","type":{"type":"fixed","name":"F","namespace":"","size":1}},{"name":"g","type":"F"}]}"#;
    let form = r#"{"name":"n.R","type":"record","fields":[{"name":"f","type":{"name":"F","type":"fixed","size":1}},
        {"name":"g","type":"F"}]}"#;
    assert_eq!(canonical(text), joined(form));
    assert_eq!(canonical(&joined(form)), joined(form).replace(r#""F""#, r#""n.F""#));
}

#[test]
fn canonical_form_ignores_irrelevant_attributes() {
    let plain = r#"{"type":"record","name":"n.R","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":4}}]}"#;
    let full = r#" { "fields" : [ { "doc" : "d", "order" : "ignore", "default" : "\u00ff", "aliases" : ["b"], "x" : {},
        "type" : { "size" : 4, "logicalType" : "decimal", "precision" : 3, "aliases" : ["G"], "namespace" : "n",
        "name" : "F", "type" : "fixed" }, "name" : "a" } ], "namespace" : "n", "name" : "R", "doc" : "d", "type" : "record" }"#;
    let (plain, full) = (parse(plain).unwrap(), parse(full).unwrap());
    assert_eq!(plain.canonical_form(), full.canonical_form());
    assert_eq!((plain.rabin(), plain.md5(), plain.sha256()), (full.rabin(), full.md5(), full.sha256()));
}

/// A form parses, is its own form, and has as many types as the schema it is of.
#[test]
fn canonical_form_of_random_schema_is_its_own() {
    let mut n_forms = 0;
    check_seeds(0..1_000, |rng| {
        let text = random_schema(rng);
        if text.contains(r#""namespace":"""#) {
            return; // The form does not keep it.
        }
        let form = canonical(&text);
        let again = parse(&form).unwrap_or_else(|e| panic!("{text}\n{form}\n{e}"));
        assert_eq!(again.canonical_form(), form, "{text}");
        assert_eq!(again.len(), parse(&text).unwrap().len(), "{text}\n{form}");
        n_forms += 1;
    });
    assert!(n_forms > 500, "{n_forms}");
}

/// Types that hold the one before them twice.
#[test]
fn canonical_form_writes_types_that_double_once() {
    let record = |inner: String, i: usize| {
        let inner = format!(r#"{{"name":"a","type":{inner}}},{{"name":"b","type":"R{}"}}"#, i - 1);
        format!(r#"{{"name":"R{i}","type":"record","fields":[{inner}]}}"#)
    };
    let doubling = (1..40).fold(r#"{"name":"R0","type":"record","fields":[]}"#.to_owned(), record);
    assert_eq!(canonical(&doubling), doubling);
}

/// A chain of types that hold each other, nowhere deep in the text.
#[test]
fn canonical_form_of_long_chain_takes_no_stack() {
    let field = |i: usize| {
        let before = if i == 0 { "null".to_owned() } else { format!("B{}", i - 1) };
        let inner = format!(r#"{{"name":"B{i}","type":"record","fields":[{{"name":"a","type":["null","A{i}"]}}]}}"#);
        let outer = format!(r#"{{"name":"b","type":{inner}}},{{"name":"c","type":["null","{before}"]}}"#);
        format!(r#"{{"name":"f{i}","type":{{"name":"A{i}","type":"record","fields":[{outer}]}}}}"#)
    };
    let fields = (0..10_000).map(field).collect::<Vec<_>>().join(",");
    let text = format!(r#"{{"name":"R","type":"record","fields":[{fields}]}}"#);
    assert!(canonical(&text) == text);
}

/// A namespace is a part of many names: full names are counted, or a small schema could ask for any amount of them.
#[test]
fn canonical_form_limits_full_names() {
    let record = |namespace: usize, fields: &str| {
        let namespace = "n".repeat(namespace);
        format!(r#"{{"type":"record","name":"R","namespace":"{namespace}","fields":[{fields}]}}"#)
    };
    let definition = |i| format!(r#"{{"name":"f{i}","type":{{"type":"fixed","name":"F{i}","size":1}}}}"#);
    let definitions = |n| (0..n).map(definition).collect::<Vec<_>>().join(",");
    let reference = |name| format!(r#"{{"name":"f","type":["null","{name}"]}}"#);
    let aliases = r#"{"name":"f","type":{"type":"fixed","name":"F","size":1,"aliases":["A","n.B"]}}"#;
    let limit = "exceeds the limit `metadata_bytes` (16777216)";
    let cases = [
        (record(9_000, &definitions(1_800)), Ok(())),
        (record(9_000, &definitions(1_900)), Err(format!("16785000 {limit}"))),
        (record(8_000_000, &reference("R")), Ok(())),
        (record(9_000_000, &reference("R")), Err(format!("18000000 {limit}"))),
        (record(9_000_000, &reference("m.R")), Err("invalid Avro schema: type `m.R` is not defined".to_owned())),
        (record(5_000_000, aliases), Ok(())),
        (record(6_000_000, aliases), Err(format!("18000000 {limit}"))),
    ];
    check_all(cases, |(text, expected)| {
        let end = &text[text.len() - 60..];
        match (parse(&text), expected) {
            (Ok(schema), Ok(())) => assert!(schema.canonical_form().len() <= text.len() + (16 << 20), "{end}"),
            (Err(e), Err(expected)) => assert!(e.to_string().starts_with(&expected), "{end}: {e}"),
            (result, expected) => panic!("{end}: {:?}, not {expected:?}", result.err()),
        }
    });
}
