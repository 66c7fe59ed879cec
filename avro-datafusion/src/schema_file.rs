//! Schema files, and the types that they import from other schema files.

use avro_arrow::schema::{Imports, Schema};
use avro_arrow::{ErrorKind, Limits};
use std::fs;
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

/// Parses a schema. Types it uses but does not define are looked up in `imports`, schema files and directories of them,
/// and then in the other schema files of the directory of `path`.
///
/// # Errors
/// Errors of [`Schema::parse`], and conflicting definitions of a needed type.
pub fn parse_schema(
    text: &str,
    path: Option<&Path>,
    imports: &[PathBuf],
    limits: &Limits,
) -> avro_arrow::Result<Schema> {
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
    let is_schema = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        ["avsc", "json"].iter().any(|known| known.eq_ignore_ascii_case(ending))
    };
    let is_other = |path: &PathBuf| path.file_name().map(Path::new) != but || but.is_none();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_schema).filter(is_other).collect();
    files.sort();
    files.iter().take(FILES_MAX).for_each(|file| add(imports, file, limits));
}

/// Adds the types of a file. A file that cannot be read or parsed adds none.
fn add(imports: &mut Imports, file: &Path, limits: &Limits) {
    let is_small = fs::metadata(file).is_ok_and(|file| file.len() <= limits.metadata_bytes as u64);
    if let Ok(bytes) = fs::read(file).map_err(|_| ()).and_then(|bytes| if is_small { Ok(bytes) } else { Err(()) })
        && let Ok(text) = schema_text(&bytes)
    {
        imports.add(&text, &file.display().to_string());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
}
