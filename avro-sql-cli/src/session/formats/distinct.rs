//! Rejects Parquet and Arrow files with two columns of one name, which the engine would silently merge.
//!
//! Also reads the columns of Arrow files in object stores. DataFusion 55 expects the schema after 8 bytes there, but
//! Arrow's writer puts it after 64.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::sync::Arc;

use arrow::ipc::reader::StreamReader;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Result, plan_err};
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::inferring::{Infer, Inferring};

/// The first bytes of an Arrow file. Zeros follow, and then the schema, as in a stream.
const ARROW: &[u8] = b"ARROW1";

/// Bytes of an Arrow file that are searched for its schema.
const INSPECTED_BYTES: u64 = 1 << 20;

/// A factory whose formats check for duplicate columns.
#[derive(Debug)]
pub(super) struct Distinct<F>(pub(super) F);

impl<F: GetExt> GetExt for Distinct<F> {
    fn get_ext(&self) -> String {
        self.0.get_ext()
    }
}

impl<F: FileFormatFactory> FileFormatFactory for Distinct<F> {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        Ok(Arc::new(Inferring(CheckedFormat(self.0.create(state, options)?))))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(Inferring(CheckedFormat(FileFormatFactory::default(&self.0))))
    }
}

/// A format that checks its files for duplicate columns.
#[derive(Debug)]
struct CheckedFormat(Arc<dyn FileFormat>);

impl CheckedFormat {
    /// Returns the names of a file's columns; if they cannot be read, the format reports why.
    async fn names(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        object: &ObjectMeta,
    ) -> Option<Vec<String>> {
        match self.0.get_ext().as_str() {
            "parquet" => {
                let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
                let file = DFParquetMetadata::new(store.as_ref(), object).with_file_metadata_cache(Some(cache));
                let metadata = file.fetch_metadata().await.ok()?;
                let columns = metadata.file_metadata().schema_descr().root_schema().get_fields();
                Some(columns.iter().map(|column| column.name().to_owned()).collect())
            }
            _ => {
                let schema = arrow_schema(store, object).await?;
                Some(schema.fields().iter().map(|field| field.name().clone()).collect())
            }
        }
    }

    /// Returns the columns of Arrow files.
    async fn arrow_columns(&self, store: &Arc<dyn ObjectStore>, objects: &[ObjectMeta]) -> Option<SchemaRef> {
        if self.0.get_ext() != "arrow" {
            return None;
        }
        let mut schemas = Vec::with_capacity(objects.len());
        for object in objects {
            schemas.push(Schema::clone(&*arrow_schema(store, object).await?));
        }
        Schema::try_merge(schemas).ok().map(Arc::new)
    }
}

/// Returns the columns of an Arrow file or stream, which are at its start.
async fn arrow_schema(store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> Option<SchemaRef> {
    let start = store.get_range(&object.location, 0..object.size.min(INSPECTED_BYTES)).await.ok()?;
    let stream = match start.strip_prefix(ARROW) {
        Some(file) => file.iter().copied().skip_while(|byte| *byte == 0).collect(),
        None => start.to_vec(),
    };
    Some(StreamReader::try_new(Cursor::new(stream), None).ok()?.schema())
}

#[async_trait]
impl Infer for CheckedFormat {
    fn format(&self) -> Arc<dyn FileFormat> {
        Arc::clone(&self.0)
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        // First, so that the cached metadata is that of Parquet files with many columns.
        let schema = match self.0.infer_schema(state, store, objects).await {
            Ok(schema) => schema,
            Err(error) => match self.arrow_columns(store, objects).await {
                Some(schema) => schema,
                None => return Err(error),
            },
        };
        for object in objects {
            let names = self.names(state, store, object).await.unwrap_or_default();
            let mut seen = HashSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
                return plan_err!(
                    "{}: two columns are named `{twice}`; rename one of them",
                    object.location.filename().unwrap_or_default()
                );
            }
        }
        Ok(schema)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow::ipc::writer::{FileWriter, StreamWriter};
    use datafusion::datasource::file_format::arrow::ArrowFormatFactory;
    use datafusion::datasource::file_format::parquet::ParquetFormatFactory;
    use datafusion::object_store::local::LocalFileSystem;
    use datafusion::object_store::path::Path;
    use datafusion::prelude::SessionContext;
    use std::fs::File;

    #[tokio::test]
    async fn duplicate_columns_are_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
        let state = SessionContext::new().state();
        for (names, is_fine) in [(["a", "b"], true), (["a", "a"], false), (["a", "A"], true)] {
            let schema = Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Int64, true)).to_vec()));
            let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&column), column]).unwrap();
            for kind in ["parquet", "file", "stream"] {
                let file = File::create(&path).unwrap();
                let format = match kind {
                    "parquet" => {
                        let mut writer = parquet::arrow::ArrowWriter::try_new(file, Arc::clone(&schema), None).unwrap();
                        writer.write(&batch).unwrap();
                        writer.close().unwrap();
                        FileFormatFactory::default(&Distinct(ParquetFormatFactory::new()))
                    }
                    "file" => {
                        let mut writer = FileWriter::try_new(file, &schema).unwrap();
                        writer.write(&batch).unwrap();
                        writer.finish().unwrap();
                        FileFormatFactory::default(&Distinct(ArrowFormatFactory::new()))
                    }
                    _ => {
                        let mut writer = StreamWriter::try_new(file, &schema).unwrap();
                        writer.write(&batch).unwrap();
                        writer.finish().unwrap();
                        FileFormatFactory::default(&Distinct(ArrowFormatFactory::new()))
                    }
                };
                let object = store.head(&Path::from("file")).await.unwrap();
                let found = format.infer_schema(&state, &store, &[object]).await;
                let error = found.err().map(|e| e.to_string());
                assert_eq!(error.is_none(), is_fine, "{kind} {names:?} {error:?}");
                assert!(error.is_none_or(|e| e.contains("file: two columns are named `a`")), "{kind}");
            }
        }
    }
}
