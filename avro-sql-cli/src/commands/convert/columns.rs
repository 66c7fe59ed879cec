//! Checks that a non-Avro input has no two columns with one name.
//!
//! The engine would silently merge the two, and for CSV report lines that are too long.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use arrow::csv::reader::Format;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::kind::{InputFormat, compression_of};
use crate::error::{Error, Result};
use crate::files::inputs::InputFile;

/// Returns an error if two columns of one of these files have the same name.
pub(super) fn distinct(files: &[InputFile], kind: InputFormat) -> Result<()> {
    for file in files.iter().map(|file| &file.path) {
        // The engine reports unreadable files.
        let Some(schema) = schema(file, kind) else { continue };
        let mut seen = HashSet::new();
        if let Some(twice) = schema.fields().iter().find(|field| !seen.insert(field.name())) {
            return Err(Error::Failed(format!(
                "{}: two columns are named `{}`; rename one of them",
                file.display(),
                twice.name()
            )));
        }
    }
    Ok(())
}

/// Returns the columns of a file, if its format has column names and the file can be read.
fn schema(path: &Path, kind: InputFormat) -> Option<SchemaRef> {
    let mut file = File::open(path).ok()?;
    match kind {
        InputFormat::Parquet => {
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).ok()?;
            Some(metadata.schema().clone())
        }
        InputFormat::Arrow => {
            if let Ok(reader) = FileReader::try_new(BufReader::new(&file), None) {
                return Some(reader.schema());
            }
            file.rewind().ok()?;
            StreamReader::try_new(BufReader::new(&file), None).ok().map(|reader| reader.schema())
        }
        InputFormat::Csv | InputFormat::Tsv => {
            let delimiter = if kind == InputFormat::Tsv { b'\t' } else { b',' };
            let header = Format::default().with_header(true).with_delimiter(delimiter);
            // Read only the header.
            let file = compression_of(path).convert_read(BufReader::new(file)).ok()?;
            header.infer_schema(file, Some(0)).ok().map(|(schema, _)| schema.into())
        }
        InputFormat::Avro | InputFormat::Ndjson | InputFormat::Json => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow::ipc::writer::{FileWriter, StreamWriter};
    use std::sync::Arc;

    #[test]
    fn duplicate_column_names_fail() {
        let dir = tempfile::tempdir().unwrap();
        for (names, is_fine) in [(["a", "b"], true), (["a", "a"], false), (["a", "A"], true)] {
            let schema = Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Int64, true)).to_vec()));
            let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&column), column]).unwrap();
            let path = dir.path().join("file");
            let make = || File::create(&path).unwrap();
            let check = |kind| {
                let found =
                    distinct(&[InputFile { path: path.clone(), root: None }], kind).err().map(|e| e.to_string());
                assert_eq!(found.is_none(), is_fine, "{names:?} {kind:?}");
                assert!(found.is_none_or(|e| e.contains("file: two columns are named `a`")), "{kind:?}");
            };
            let mut writer = FileWriter::try_new(make(), &schema).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            check(InputFormat::Arrow);
            let mut writer = StreamWriter::try_new(make(), &schema).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            check(InputFormat::Arrow);
            let mut writer = parquet::arrow::ArrowWriter::try_new(make(), Arc::clone(&schema), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            check(InputFormat::Parquet);
            for (kind, delimiter) in [(InputFormat::Csv, ","), (InputFormat::Tsv, "\t")] {
                std::fs::write(&path, format!("{}\n1{delimiter}2\n", names.join(delimiter))).unwrap();
                check(kind);
            }
        }
        assert!(distinct(&[InputFile { path: dir.path().join("missing"), root: None }], InputFormat::Parquet).is_ok());
    }
}
