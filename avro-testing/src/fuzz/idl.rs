//! Avro IDL in: what is printed of a document is the document.

use super::limits;
use avro_arrow::ErrorKind;
use avro_arrow::idl::{Document, Import, Imported};
use avro_arrow::schema::Schema;

/// What separates the files of an input.
const SEPARATOR: &str = "\n===\n";

/// Files by their index in the input.
struct Files<'t>(Vec<&'t str>);

impl Import for Files<'_> {
    fn import(&mut self, location: &str, _: &str) -> Result<Imported, String> {
        let file = location.parse::<usize>().ok().and_then(|at| self.0.get(at)).ok_or("no such file")?;
        Ok(Imported { name: location.to_owned(), text: (*file).to_owned() })
    }
}

/// The fuzz target for IDL: files with a line `===` between them, of which the first imports the others by number.
///
/// # Panics
/// Where a document is not the one that its IDL or its schema says, or an error says nothing.
pub fn idl(bytes: &[u8]) {
    let limits = limits();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut files = Files(text.split(SEPARATOR).collect());
    let first = files.0.first().copied().unwrap_or_default().to_owned();
    let document = match Document::parse(&first, "0", &mut files, &limits) {
        Ok(document) => document,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let Ok(json) = document.json() else { return };
    let is_limit = |error: &avro_arrow::Error| matches!(error.kind(), ErrorKind::Limit { .. });
    if let Ok(printed) = document.to_idl() {
        match Document::parse(&printed.text, "printed", &mut files, &limits) {
            Ok(again) if printed.omitted.is_empty() => match again.json() {
                Ok(again) => assert_eq!(again, json, "{}", printed.text),
                Err(error) => assert!(is_limit(&error), "{error}: {}", printed.text),
            },
            Ok(_) => {}
            Err(error) => assert!(is_limit(&error), "{error}: {}", printed.text),
        }
    }
    for name in document.names() {
        let schema = match document.schema(Some(name)) {
            Ok(schema) => schema,
            Err(error) => return assert!(is_limit(&error), "{error}"),
        };
        match Schema::parse(&schema.to_string(), &limits) {
            Ok(parsed) => {
                let again = Document::from_schema(&parsed, &limits).and_then(|document| document.schema(None));
                assert!(again.is_ok_and(|again| again == schema), "{schema}");
            }
            // Imported JSON may have any content.
            Err(error) => assert!(is_limit(&error) || text.contains(SEPARATOR), "{error}: {schema}"),
        }
    }
}
