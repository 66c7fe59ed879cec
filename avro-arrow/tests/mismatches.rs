//! Why one schema cannot read what another wrote: every reason, by the rules of the specification.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use avro_arrow::schema::Schema;
use avro_arrow::{FieldMatch, Limits, Options, Program, Severity};
use avro_testing::check_all;

/// A record of these fields.
fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

#[test]
fn mismatches_name_each_reason() {
    let schema = |json: &str| Schema::parse(json, &Limits::default()).unwrap();
    let why = |writer: &str, reader: &str| -> Vec<String> {
        let found = schema(reader).mismatches(&schema(writer), FieldMatch::Name, &Limits::default()).unwrap();
        found.iter().map(|m| format!("{}{m}", if m.severity == Severity::SomeValues { "some: " } else { "" })).collect()
    };
    let writer = record(
        r#"{"name":"a","type":{"type":"array","items":["null","int","string"]}},{"name":"m","type":{"type":"map",
        "values":{"type":"enum","name":"E","symbols":["A","B"]}}},{"name":"f","type":{"type":"fixed","name":"F","size":2}}"#,
    );
    let reader = record(
        r#"{"name":"a","type":{"type":"array","items":["null","int"]}},{"name":"m","type":{"type":"map",
        "values":{"type":"enum","name":"E","symbols":["A"]}}},{"name":"f","type":{"type":"fixed","name":"G","size":2}},
        {"name":"n","type":"int"}"#,
    );
    assert_eq!(why(&writer, &writer), Vec::<String>::new());
    assert_eq!(
        why(&writer, &reader),
        [
            "the writer has no field `n`, and the reader no default",
            "f: fixed F has another name than fixed G",
            "some: m{}: the reader's enum has neither `B` nor a default",
            "some: a[]<string>: string matches no branch of [null, int]",
        ]
    );
    // SPEC: Schema Resolution: "two schemas that are decimal logical types match if their scales and precisions match".
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
    let fixed = r#"{"type":"fixed","name":"D","size":2,"logicalType":"decimal","precision":4,"scale":2}"#;
    let letters = r#"{"type":"enum","name":"E","symbols":["A"]}"#;
    let other = fixed.replace(r#""D","size":2"#, r#""G","size":3"#);
    for (writer, reader) in [(decimal, fixed), (fixed, decimal), (fixed, other.as_str())] {
        assert_eq!(why(writer, reader), Vec::<String>::new());
    }
    // What is read here, but not by every reader.
    let wider = decimal.replace(r#""precision":4"#, r#""precision":5"#);
    let cases = [
        (letters, r#""string""#, "enum E cannot be read as string"),
        (decimal, wider.as_str(), "bytes (decimal(4, 2)) cannot be read as bytes (decimal(5, 2))"),
    ];
    check_all(cases, |(writer, reader, reason)| {
        assert_eq!(why(writer, reader), [reason]);
        let (writer, reader) = [writer, reader].map(|of| record(&format!(r#"{{"name":"v","type":{of}}}"#))).into();
        let options = Options::default().with_reader_schema(Some(schema(&reader)));
        assert!(Program::compile(&schema(&writer), &options).is_ok(), "{reason}");
    });
}
