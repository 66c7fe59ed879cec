//! Schema files, and the types that they import from other schema files.

use avro_arrow::idl::{Document, Import, Imported, is_protocol};
use avro_arrow::schema::{Imports, Schema};
use avro_arrow::{ErrorKind, Limits};
use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Maximum number of files considered in a directory.
const FILES_MAX: usize = 10_000;

/// Decodes the text of a schema file: UTF-8, or UTF-16 with a byte order mark.
///
/// # Errors
/// If the bytes are neither.
pub fn schema_text(bytes: &[u8]) -> Result<String, String> {
    let utf16 = |units: &[u8], unit: fn([u8; 2]) -> u16| {
        let pairs = units.chunks(2).map(|pair| match *pair {
            [a, b] => unit([a, b]),
            // An odd number of bytes is not UTF-16.
            _ => 0xd800,
        });
        char::decode_utf16(pairs).collect::<Result<String, _>>().map_err(|_| "not UTF-16".to_owned())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        bytes => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    str::from_utf8(bytes).map(str::to_owned).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to()))
}

/// Extensions of schema files: JSON, Avro IDL and protocols.
const EXTENSIONS: [&str; 4] = ["avsc", "json", "avdl", "avpr"];

/// Words that Avro IDL may start with.
const IDL_WORDS: [&str; 8] = ["protocol", "namespace", "schema", "import", "record", "error", "enum", "fixed"];

/// Names of the types that are schemas by themselves.
const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// Returns the JSON of a schema that is given as JSON or as the name of a primitive type; `None` if the text is a path.
pub(crate) fn given_json(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    if PRIMITIVES.contains(&text) {
        return Some(Cow::Owned(format!("\"{text}\"")));
    }
    text.starts_with(['{', '[', '"']).then_some(Cow::Borrowed(text))
}

/// Splits `shop.avdl#Order` into the path of a schema file and the name of a type in it. A path of an existing file has
/// no name.
pub fn split_type_name(path: &Path) -> (PathBuf, Option<String>) {
    let split = || {
        let (file, name) = path.to_str()?.rsplit_once('#')?;
        let file = PathBuf::from(file);
        (!name.is_empty() && has_extension(&file, &EXTENSIONS)).then(|| (file, Some(name.to_owned())))
    };
    match path.exists() {
        true => (path.to_owned(), None),
        false => split().unwrap_or_else(|| (path.to_owned(), None)),
    }
}

/// Parses a schema: its JSON, or the type `type_name` of an Avro IDL file (`.avdl`) or a protocol (`.avpr`). Types it
/// uses but does not define are looked up in `imports`, schema files and directories of them, and then in the other
/// schema files of the directory of `path`.
///
/// # Errors
/// Errors of [`Schema::parse`] and [`Document`], and conflicting definitions of a needed type.
pub fn parse_schema(
    text: &str,
    path: Option<&Path>,
    imports: &[PathBuf],
    type_name: Option<&str>,
    limits: &Limits,
) -> avro_arrow::Result<Schema> {
    if let Some(document) = parse_document(text, path, imports, limits)? {
        return Schema::parse(&document.schema(type_name)?.to_string(), limits);
    }
    let schema = parse_json(text, path, imports, limits)?;
    match type_name {
        None => Ok(schema),
        Some(_) => {
            let json = Document::from_schema(&schema, limits)?.schema(type_name)?;
            Schema::parse(&json.to_string(), limits)
        }
    }
}

/// Parses the text of an Avro IDL file (`.avdl`) or a protocol (`.avpr`), or returns `None` if it is neither. Files
/// that it imports are looked up beside it, and then in the directories of `imports`.
///
/// # Errors
/// Errors of [`Document`].
pub fn parse_document(
    text: &str,
    path: Option<&Path>,
    imports: &[PathBuf],
    limits: &Limits,
) -> avro_arrow::Result<Option<Document>> {
    let name = path.map(file_name).unwrap_or_default();
    if is_idl(text, path) {
        let mut files = ImportedFiles { directories: imports, limits };
        return Document::parse(text, &name, &mut files, limits).map(Some);
    }
    match is_protocol(text) {
        true => Document::from_protocol(text, &name, limits).map(Some),
        false => Ok(None),
    }
}

/// Whether a text is Avro IDL, by its first word or the extension of its file.
pub fn is_idl(text: &str, path: Option<&Path>) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let is_json = text.starts_with(['{', '[', '"']);
    let is_word = |word: &&str| {
        text.strip_prefix(*word).is_some_and(|rest| rest.starts_with(|c: char| c.is_whitespace() || c == '/'))
    };
    let by_name = path.is_some_and(|path| has_extension(path, &["avdl"]));
    !is_json && (by_name || text.starts_with('@') || IDL_WORDS.iter().any(is_word))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// The name of a file, one for all its paths: relative to the current directory, if it is below.
fn file_name(path: &Path) -> String {
    let Ok(whole) = path.canonicalize() else { return path.display().to_string() };
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let relative = here.ok().and_then(|here| whole.strip_prefix(here).ok().map(Path::to_owned));
    relative.unwrap_or(whole).display().to_string()
}

/// Finds the imports of IDL files beside them, and then in other directories.
struct ImportedFiles<'i> {
    directories: &'i [PathBuf],
    limits: &'i Limits,
}

impl Import for ImportedFiles<'_> {
    fn import(&mut self, location: &str, from: &str) -> Result<Imported, String> {
        let beside = Path::new(from).parent().unwrap_or(Path::new("")).join(location);
        let elsewhere = self.directories.iter().map(|directory| directory.join(location));
        let path = std::iter::once(beside).chain(elsewhere).find(|path| path.is_file());
        let path = path.ok_or("no such file beside it; use --import for the directory that has it")?;
        let bytes = read_small(&path, self.limits)?;
        Ok(Imported { name: file_name(&path), text: schema_text(&bytes)? })
    }
}

/// Reads a file of at most the size of a schema.
fn read_small(path: &Path, limits: &Limits) -> Result<Vec<u8>, String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let (mut bytes, max) = (Vec::new(), limits.metadata_bytes as u64);
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    match bytes.len() as u64 > max {
        true => Err(format!("larger than {max} bytes, the limit for a schema")),
        false => Ok(bytes),
    }
}

fn parse_json(text: &str, path: Option<&Path>, imports: &[PathBuf], limits: &Limits) -> avro_arrow::Result<Schema> {
    let error = match Schema::parse(text, limits) {
        Err(error) if matches!(error.kind(), ErrorKind::Schema { .. }) => error,
        parsed => return parsed,
    };
    let mut known = Imports::default();
    for import in imports {
        match import.is_dir() {
            true => add_all(&mut known, import, None, limits),
            false => add(&mut known, import, limits),
        }
    }
    let error = match imports {
        [] => error,
        _ => match known.parse(text, limits) {
            Err(error) => error,
            parsed => return parsed,
        },
    };
    let Some(path) = path else { return Err(error) };
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = Imports::default();
    add_all(&mut beside, directory, path.file_name().map(Path::new), limits);
    known.fill(beside);
    known.parse(text, limits)
}

/// Adds the schema files of a directory, except one.
fn add_all(imports: &mut Imports, directory: &Path, but: Option<&Path>, limits: &Limits) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_schema = |path: &PathBuf| has_extension(path, &EXTENSIONS);
    let is_other = |path: &PathBuf| path.file_name().map(Path::new) != but || but.is_none();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_schema).filter(is_other).collect();
    files.sort();
    files.iter().take(FILES_MAX).for_each(|file| add(imports, file, limits));
}

/// Adds the types of a file. A file that cannot be read or parsed adds none.
fn add(imports: &mut Imports, file: &Path, limits: &Limits) {
    let text = read_small(file, limits).and_then(|bytes| schema_text(&bytes));
    let Ok(text) = text else { return };
    let source = file.display().to_string();
    match parse_document(&text, Some(file), &[], limits) {
        Ok(None) => imports.add(&text, &source),
        Ok(Some(document)) => {
            if let Ok(types) = document.types() {
                imports.add(&types.to_string(), &source);
            }
        }
        Err(_) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn given_json_tells_schemas_from_paths() {
        let cases = [
            ("\"int\"", Some("\"int\"")),
            (" {\"type\"", Some("{\"type\"")),
            ("[]", Some("[]")),
            (" long ", Some("\"long\"")),
            ("longer", None),
            ("a.avsc", None),
        ];
        check_all(cases, |(text, expected)| assert_eq!(given_json(text).as_deref(), expected, "{text}"));
    }

    #[test]
    fn schema_text_decodes_utf8_and_utf16() {
        let units = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let text = "\u{feff}\"é😀\"";
        assert_eq!(schema_text(&units(text, u16::to_le_bytes)).unwrap(), "\"é😀\"");
        assert_eq!(schema_text(&units(text, u16::to_be_bytes)).unwrap(), "\"é😀\"");
        assert_eq!(schema_text(text.as_bytes()).unwrap(), "\"é😀\"");
        assert_eq!(schema_text(b"\xff\xfe\"").unwrap_err(), "not UTF-16");
        assert_eq!(schema_text(b"\"\xff\"").unwrap_err(), "not UTF-8 at byte 1");
    }

    #[test]
    fn idl_is_told_from_json() {
        let cases = [
            ("protocol P {}", true),
            (" @namespace(\"a\") protocol P {}", true),
            ("\u{feff}namespace a;", true),
            ("record/**/R {}", true),
            ("string", false),
            ("{\"type\":\"record\"}", false),
            ("records", false),
            ("/* a */ \"int\"", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_idl(text, None), expected, "{text}");
        }
        assert!(is_idl("// a", Some(Path::new("x.AVDL"))));
        assert!(!is_idl("\"int\"", Some(Path::new("x.avdl"))));
        assert!(is_protocol("{\"protocol\":\"P\",\"types\":[]}"));
        assert!(!is_protocol("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"protocol\"]}"));
    }

    #[test]
    fn type_name_follows_the_file() {
        let cases = [
            ("a/x.avdl#a.B", ("a/x.avdl", Some("a.B"))),
            ("x.avsc#B", ("x.avsc", Some("B"))),
            ("x.avdl", ("x.avdl", None)),
            ("x.avro#B", ("x.avro#B", None)),
            ("x.avdl#", ("x.avdl#", None)),
        ];
        for (path, (file, name)) in cases {
            assert_eq!(split_type_name(Path::new(path)), (PathBuf::from(file), name.map(str::to_owned)), "{path}");
        }
    }
}
