//! Avro IDL files in; the protocols and schemas beside them out, and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use avro_arrow::Limits;
use avro_arrow::idl::{Document, Import, Imported};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};

/// Imports files relative to the importing one, and then from other directories.
struct Files(Vec<PathBuf>);

impl Import for Files {
    fn import(&mut self, location: &str, from: &str) -> Result<Imported, String> {
        let beside = Path::new(from).parent().unwrap().join(location);
        let elsewhere = self.0.iter().map(|directory| directory.join(location));
        let path = std::iter::once(beside).chain(elsewhere).find(|path| path.is_file()).ok_or("no such file")?;
        let path = path.canonicalize().map_err(|e| e.to_string())?;
        let text = fs::read_to_string(&path).map_err(|e| e.to_string())?;
        Ok(Imported { name: path.display().to_string(), text })
    }
}

fn parse(path: &Path, directories: &[PathBuf]) -> Result<Document, String> {
    let name = path.canonicalize().unwrap().display().to_string();
    let text = fs::read_to_string(path).unwrap();
    let mut files = Files(directories.to_vec());
    Document::parse(&text, &name, &mut files, &Limits::default()).map_err(|e| e.to_string())
}

/// The IDL files of a folder.
fn idl_files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "avdl")).collect();
    files.sort();
    files
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The document as JSON, and again after it was printed as IDL.
fn both_ways(document: &Document) -> (Json, Json) {
    let printed = document.to_idl().unwrap();
    assert!(printed.omitted.is_empty(), "{:?}", printed.omitted);
    let mut no_files = Files(Vec::new());
    let again = Document::parse(&printed.text, "printed.avdl", &mut no_files, &Limits::default());
    let again = again.unwrap_or_else(|e| panic!("{e}\n{}", printed.text));
    (document.json().unwrap(), again.json().unwrap())
}

/// The tests of Avro's own IDL compiler, where a checkout of Avro has them: `lang/java/idl/src/test/idl`.
#[test]
fn examples_of_avro_are_as_java_makes_them() {
    let Some(folder) = std::env::var_os("AVRO_IDL_EXAMPLES").map(PathBuf::from) else { return };
    let directories = [folder.join("putOnClassPath")];
    let mut wrong = Vec::new();
    for path in &idl_files(&folder.join("input")) {
        let stem = path.file_stem().unwrap().to_string_lossy().replace("_schema", "");
        let expected = ["avpr", "avsc"].map(|extension| folder.join(format!("output/{stem}.{extension}")));
        let expected = expected.iter().find(|path| path.is_file()).unwrap();
        match parse(path, &directories) {
            Err(e) => wrong.push(e),
            Ok(document) => {
                let (found, again) = both_ways(&document);
                if found != json(expected) {
                    wrong.push(format!("{}: {found:#}", path.display()));
                }
                if again != found {
                    wrong.push(format!("{} printed: {again:#}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
