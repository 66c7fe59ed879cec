//! The names of columns of files that are not Avro, before the engine reads them: paths in, an error where a file has two columns of one
//! name. The engine would make one of them without a word, and of CSV complain of lines that are too long.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use arrow::csv::reader::Format;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::kind::{Kind, compression_of};
use crate::error::{Error, Result};
use crate::files::inputs::Found;

/// An error where columns of one of these files could not be told apart.
pub(super) fn distinct(files: &[Found], kind: Kind) -> Result<()> {
    for file in files.iter().map(|file| &file.path) {
        // What cannot be read is for the engine to say.
        let Some(schema) = schema(file, kind) else { continue };
        let mut seen = HashSet::new();
        if let Some(twice) = schema.fields().iter().find(|field| !seen.insert(field.name())) {
            return Err(Error::Failed(format!(
                "{}: two columns are called `{}`, and there is no telling which is meant; give them names of their own",
                file.display(),
                twice.name()
            )));
        }
    }
    Ok(())
}

/// The columns of a file, where its format has such names and the file can be read.
fn schema(path: &Path, kind: Kind) -> Option<SchemaRef> {
    let mut file = File::open(path).ok()?;
    match kind {
        Kind::Parquet => {
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).ok()?;
            Some(metadata.schema().clone())
        }
        Kind::Arrow => {
            if let Ok(reader) = FileReader::try_new(BufReader::new(&file), None) {
                return Some(reader.schema());
            }
            file.rewind().ok()?;
            StreamReader::try_new(BufReader::new(&file), None).ok().map(|reader| reader.schema())
        }
        Kind::Csv | Kind::Tsv => {
            let delimiter = if kind == Kind::Tsv { b'\t' } else { b',' };
            let header = Format::default().with_header(true).with_delimiter(delimiter);
            // No row, only the header.
            let file = compression_of(path).convert_read(BufReader::new(file)).ok()?;
            header.infer_schema(file, Some(0)).ok().map(|(schema, _)| schema.into())
        }
        Kind::Avro | Kind::Ndjson | Kind::Json => None,
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
    fn columns_of_one_name() {
        let dir = tempfile::tempdir().unwrap();
        for (names, is_fine) in [(["a", "b"], true), (["a", "a"], false), (["a", "A"], true)] {
            let schema = Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Int64, true)).to_vec()));
            let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&column), column]).unwrap();
            let path = dir.path().join("file");
            let make = || File::create(&path).unwrap();
            let check = |kind| {
                let found = distinct(&[Found { path: path.clone(), root: None }], kind).err().map(|e| e.to_string());
                assert_eq!(found.is_none(), is_fine, "{names:?} {kind:?}");
                assert!(found.is_none_or(|e| e.contains("file: two columns are called `a`")), "{kind:?}");
            };
            let mut writer = FileWriter::try_new(make(), &schema).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            check(Kind::Arrow);
            let mut writer = StreamWriter::try_new(make(), &schema).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            check(Kind::Arrow);
            let mut writer = parquet::arrow::ArrowWriter::try_new(make(), Arc::clone(&schema), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            check(Kind::Parquet);
            for (kind, delimiter) in [(Kind::Csv, ","), (Kind::Tsv, "\t")] {
                std::fs::write(&path, format!("{}\n1{delimiter}2\n", names.join(delimiter))).unwrap();
                check(kind);
            }
        }
        assert!(distinct(&[Found { path: dir.path().join("missing"), root: None }], Kind::Parquet).is_ok());
    }
}
