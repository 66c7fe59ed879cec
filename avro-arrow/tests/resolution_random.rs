//! Random pairs of schemas: what the library reads is what a second resolver, written from the specification alone,
//! gives.
//!
//! `AVRO_TEST_SEEDS` sets how many; the last run by hand was of 400 000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/models.rs"]
mod models;
#[path = "support/spec.rs"]
mod spec;

use avro_arrow::json::{Decoder, Form};
use avro_arrow::schema::{MergedSchema, OnConflict, Schema};
use avro_arrow::{FieldMatch, Limits, Options, ReaderBuilder, TypeNames, reference};
use avro_testing::{check_seeds, n_seeds, wire};
use models::{changed, encode, ends, model, schema_json, value, value_json};
use serde_json::Value as Json;
use spec::{Model, Resolver, Value};
use std::collections::HashMap;

fn parse(model: &Model) -> Schema {
    let json = schema_json(model);
    Schema::parse(&json, &Limits::default()).unwrap_or_else(|e| panic!("{e}: {json}"))
}

fn encoded(model: &Model, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(model, &model.root, value, &mut bytes);
    bytes
}

/// The value as columns of the reader's schema are the columns of the value that the second resolver gives.
fn check_columns(what: &str, writer: &Model, reader: &Model, value: &Value, expected: &Value, options: &Options) {
    let written = wire::file(&schema_json(writer), "null", &[wire::block(1, &encoded(writer, value))]);
    let plain = options.clone().with_reader_schema(None);
    let wanted = wire::file(&schema_json(reader), "null", &[wire::block(1, &encoded(reader, expected))]);
    let wanted = ReaderBuilder::new()
        .with_options(plain.clone())
        .build(wanted.as_slice())
        .and_then(|rows| rows.collect::<Result<Vec<_>, _>>());
    let fast = ReaderBuilder::new()
        .with_options(options.clone())
        .build(written.as_slice())
        .and_then(|rows| rows.collect::<Result<Vec<_>, _>>());
    let slow = reference::read(written.as_slice(), options);
    match wanted {
        Ok(wanted) => {
            assert_eq!(wanted, fast.unwrap_or_else(|e| panic!("{e}: {what}")), "{what}");
            assert_eq!(wanted, slow.unwrap_or_else(|e| panic!("{e}: {what}")), "{what}");
        }
        Err(_) => assert!(fast.is_err() && slow.is_err(), "{what}"),
    }
}

#[test]
fn resolution_of_random_schemas_equals_second_resolver() {
    let (mut n_values, mut n_refused, mut n_errors) = (0, 0, 0);
    check_seeds(0..n_seeds(4000), |rng| {
        let writer = model(rng);
        let mut reader = changed(rng, &writer);
        if rng.one_in(3) {
            reader = changed(rng, &reader);
        }
        let names = rng.pick(TypeNames::Lenient, &[TypeNames::Strict]);
        if !ends(&writer, &writer.root, &mut Vec::new()) {
            return;
        }
        let (w, r) = (parse(&writer), parse(&reader));
        let what = format!("{names:?}\nwriter {}\nreader {}", w.json(), r.json());
        let resolver = Resolver::new(&writer, &reader, names == TypeNames::Lenient);
        let decoder = Decoder::resolving(&w, &r, Form::Avro, &Options::default().with_type_names(names));
        let decoder = match decoder {
            // A schema of the very same text is read as itself.
            Ok(decoder) => decoder,
            Err(e) => {
                assert!(!resolver.reads(), "{e}: {what}");
                n_refused += 1;
                return;
            }
        };
        assert!(resolver.reads(), "read, and should not be: {what}");
        if names == TypeNames::Strict && r.mismatches(&w, FieldMatch::Name, &Limits::default()).unwrap().is_empty() {
            // What `compat` promises holds for every value.
            let value = value(rng, &writer, &writer.root, 0);
            // But for bytes that are no text.
            assert!(resolver.read(&value).is_some() || w.json().contains("\"bytes\""), "{what}");
        }
        let options =
            Options::default().with_reader_schema(Some(r.clone())).with_type_names(names).with_recursion_levels(1);
        for _ in 0..4 {
            let value = value(rng, &writer, &writer.root, 0);
            let what = format!("{what}\nvalue {value:?}");
            let mut text = Vec::new();
            let read = decoder.decode(&encoded(&writer, &value), &mut text);
            match (read, resolver.read(&value)) {
                (Ok(_), Some(expected)) => {
                    n_values += 1;
                    let got: Json = serde_json::from_slice(&text).unwrap();
                    // As text: the fields of records come in the reader's order.
                    let wanted = value_json(&reader, &reader.root, &expected);
                    assert_eq!(got.to_string(), wanted.to_string(), "{what}");
                    check_columns(&what, &writer, &reader, &value, &expected, &options);
                }
                (Err(_), None) => n_errors += 1,
                (Ok(_), None) => panic!("{} should be an error: {what}", String::from_utf8_lossy(&text)),
                (Err(e), Some(expected)) => panic!("{e}, should be {expected:?}: {what}"),
            }
        }
    });
    println!("{n_values} values, {n_errors} errors of values, {n_refused} refused pairs");
    assert!(n_values > 10 && n_errors > 10 && n_refused > 10, "{n_values} {n_errors} {n_refused}");
}

/// What holds something, without names and nulls.
fn leaves(json: &Json, found: &mut HashMap<String, usize>) {
    match json {
        Json::Null => {}
        Json::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Json::Object(fields) => fields.values().for_each(|value| leaves(value, found)),
        Json::Number(n) => *found.entry(n.as_f64().unwrap().to_string()).or_default() += 1,
        // A string that became bytes is a character for each byte.
        Json::String(text) => {
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(text.clone());
            // A decimal may stand in more bytes than it needs.
            let text = text.trim_start_matches(['\0', 'ÿ']).to_owned();
            *found.entry(text).or_default() += 1;
        }
        other => *found.entry(other.to_string()).or_default() += 1,
    }
}

/// Files of two schemas as one table: nothing that a row holds is lost, whatever the types are called.
#[test]
fn merged_schema_of_random_schemas_loses_no_value() {
    let mut n_values = 0;
    check_seeds(0..n_seeds(4000), |rng| {
        let first = model(rng);
        let second = changed(rng, &first);
        let schemas = [parse(&first), parse(&second)];
        let named = ["first", "second"].into_iter().zip(&schemas);
        let Ok(merged) = MergedSchema::of(named, OnConflict::Widen, &Limits::default()) else { return };
        for (model, schema) in [&first, &second].into_iter().zip(&schemas) {
            if !ends(model, &model.root, &mut Vec::new()) {
                continue;
            }
            let what = format!("{}\n{}\nmerged {}", schemas[0].json(), schemas[1].json(), merged.schema.json());
            let limits = Limits::default();
            let decoder = Decoder::resolving(schema, &merged.schema, Form::Plain, &Options::default().with_widen(true))
                .unwrap_or_else(|e| panic!("{e}: {what}"));
            let own = Decoder::new(schema, Form::Plain, &limits);
            for _ in 0..4 {
                let value = value(rng, model, &model.root, 0);
                let bytes = encoded(model, &value);
                let (mut text, mut own_text) = (Vec::new(), Vec::new());
                own.decode(&bytes, &mut own_text).unwrap();
                let what = format!("{what}\nvalue {}", String::from_utf8_lossy(&own_text));
                decoder.decode(&bytes, &mut text).unwrap_or_else(|e| panic!("{e}: {what}"));
                let (mut found, mut wanted) = (HashMap::new(), HashMap::new());
                leaves(&serde_json::from_slice(&text).unwrap(), &mut found);
                leaves(&serde_json::from_slice(&own_text).unwrap(), &mut wanted);
                let lost = wanted.iter().find(|(leaf, n)| found.get(*leaf).is_none_or(|found| found < *n));
                assert!(lost.is_none(), "{lost:?} of {}: {what}", String::from_utf8_lossy(&text));
                n_values += 1;
            }
        }
    });
    println!("{n_values} values");
    assert!(n_values > 10, "{n_values}");
}
