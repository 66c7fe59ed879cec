//! The text of a schema in: what is made of the schema agrees with itself.

use super::limits;
use avro_arrow::schema::{Kind, MergedSchema, NodeId, OnConflict, Schema};
use avro_arrow::{ErrorKind, FieldMatch, LogicalMaps, Options, Program, Strings, Unions};
use std::collections::HashSet;

/// The fuzz target for schemas: their text, canonical form, programs, and what they are merged and compared to.
///
/// # Panics
/// Where a schema is not the one that its text or its canonical form says, or does not read what it wrote.
pub fn schema(bytes: &[u8]) {
    let limits = limits();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let schema = match Schema::parse(text, &limits) {
        Ok(schema) => schema,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = Schema::parse(schema.json(), &limits);
    assert!(again.is_ok_and(|again| again.canonical_form() == schema.canonical_form()), "its text is another schema");
    canonical(&schema);
    for bits in 0..4 {
        let options = Options::default()
            .with_recursion_levels(bits)
            .with_strings(if bits & 1 == 0 { Strings::View } else { Strings::Utf8 })
            .with_unions(if bits & 2 == 0 { Unions::Dense } else { Unions::Struct })
            .with_logical_maps(if bits & 1 == 0 { LogicalMaps::List } else { LogicalMaps::Map })
            .with_limits(limits.clone());
        match Program::compile(&schema, &options) {
            Ok(program) => {
                assert!(
                    !program.arrow_schema().fields().is_empty() || !program.to_string().contains("->"),
                    "{program}"
                );
                // Of Arrow's types not all are Avro's, but its own are.
                if let Err(error) = Schema::from_arrow(program.arrow_schema()) {
                    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
                }
            }
            Err(error) => assert_refused(&error),
        }
    }
    reads_itself(&schema);
}

/// What may be wrong with a schema that is one.
pub(super) fn assert_refused(error: &avro_arrow::Error) {
    assert!(matches!(error.kind(), ErrorKind::Limit { .. } | ErrorKind::Unsupported { .. }), "{error}");
}

/// A canonical form is its own, and that of a schema with the same fingerprints.
fn canonical(schema: &Schema) {
    let form = schema.canonical_form();
    assert!(!form.is_empty());
    // As is documented: the form does not say of a type inside a namespace that it has none, and forbidden names stand
    // as they are.
    let said = names(schema).iter().all(|name| {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        name.contains('.') && name.split('.').all(plain)
    });
    if !said {
        return;
    }
    let parsed = Schema::parse(&form, &limits());
    let Ok(parsed) = parsed else { return assert_refused_form(parsed, &form) };
    assert_eq!(parsed.canonical_form(), form);
    assert_eq!((parsed.rabin(), parsed.md5(), parsed.sha256()), (schema.rabin(), schema.md5(), schema.sha256()));
}

/// The full names of all types.
fn names(schema: &Schema) -> Vec<&str> {
    let (mut todo, mut seen, mut names) = (vec![schema.root()], HashSet::<NodeId>::new(), Vec::new());
    while let Some(id) = todo.pop() {
        if !seen.insert(id) {
            continue;
        }
        let kind = &schema.node(id).kind;
        names.extend(kind.name().map(|name| name.full()));
        match kind {
            Kind::Array(inner) | Kind::Map(inner) => todo.push(*inner),
            Kind::Union(branches) => todo.extend(branches),
            Kind::Record(record) => todo.extend(record.fields.iter().map(|field| field.node)),
            _ => {}
        }
    }
    names
}

/// Full names may make a form longer than its schema, and too long.
fn assert_refused_form(parsed: avro_arrow::Result<Schema>, form: &str) {
    let limited = parsed.is_err_and(|error| matches!(error.kind(), ErrorKind::Limit { .. }));
    assert!(limited, "no schema: {form}");
}

/// A schema reads what was written with it, and so does what it is merged to.
fn reads_itself(schema: &Schema) {
    let limits = limits();
    if let Ok(mismatches) = schema.mismatches(schema, FieldMatch::Name, &limits) {
        assert!(mismatches.is_empty(), "{mismatches:?}");
    }
    // Two fields may have one id, which finds the first of them.
    if let Ok(mismatches) = schema.mismatches(schema, FieldMatch::Id, &limits) {
        assert!(mismatches.is_empty() || schema.json().matches("field-id").count() > 1, "{mismatches:?}");
    }
    for conflicts in [OnConflict::Error, OnConflict::Widen, OnConflict::Strict] {
        if let Ok(merged) = MergedSchema::of([("a", schema), ("b", schema)], conflicts, &limits) {
            assert_eq!(merged.schema, *schema);
        }
    }
}
