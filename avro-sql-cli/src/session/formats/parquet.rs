//! DataFusion's Parquet format with field metadata that identifies uuids and durations.
//!
//! DataFusion 55 drops the metadata of all fields, because files of one table may differ in it. Here a field keeps
//! what its first file says about these two types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Result};
use datafusion::datasource::file_format::parquet::ParquetFormatFactory;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::parquet_to_arrow_schema;

use super::inferring::{Infer, Inferring};

/// Arrow's metadata key of extension types, and the extension of uuids.
const EXTENSION: &str = "ARROW:extension:name";
const UUID: &str = "arrow.uuid";

/// The metadata key under which `avro-arrow` keeps a logical type.
const LOGICAL: &str = "avro.logicalType";

/// The factory of the format.
#[derive(Debug, Default)]
pub(super) struct ParquetFactory;

impl GetExt for ParquetFactory {
    fn get_ext(&self) -> String {
        ParquetFormatFactory::new().get_ext()
    }
}

impl FileFormatFactory for ParquetFactory {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        Ok(Arc::new(Inferring(AnnotatedParquet(ParquetFormatFactory::new().create(state, options)?))))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(Inferring(AnnotatedParquet(FileFormatFactory::default(&ParquetFormatFactory::new()))))
    }
}

/// DataFusion's format with restored field metadata.
#[derive(Debug)]
pub(super) struct AnnotatedParquet(pub(super) Arc<dyn FileFormat>);

#[async_trait]
impl Infer for AnnotatedParquet {
    fn format(&self) -> Arc<dyn FileFormat> {
        Arc::clone(&self.0)
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        let schema = self.0.infer_schema(state, store, objects).await?;
        let is_fixed = |field: &FieldRef| matches!(field.data_type(), DataType::FixedSizeBinary(12 | 16));
        let Some(first) = objects.iter().min_by(|a, b| a.location.cmp(&b.location)) else { return Ok(schema) };
        if !schema.fields().iter().any(is_fixed) {
            return Ok(schema);
        }
        // The session has read and cached it before.
        let kept = state.runtime_env().cache_manager.get_file_metadata_cache();
        let file =
            DFParquetMetadata::new(store.as_ref(), first).with_file_metadata_cache(Some(kept)).fetch_metadata().await?;
        let file = file.file_metadata();
        let told = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
        let fields = schema.fields().iter().map(|field| match told.field_with_name(field.name()) {
            Ok(told) if is_fixed(field) && told.data_type() == field.data_type() => annotate_field(field, told),
            _ => Arc::clone(field),
        });
        Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())))
    }
}

/// Returns the field with metadata that identifies its type.
fn annotate_field(field: &FieldRef, told: &Field) -> FieldRef {
    let mut metadata = field.metadata().clone();
    if told.extension_type_name() == Some(UUID) {
        metadata.insert(EXTENSION.to_owned(), UUID.to_owned());
    }
    if let Some(logical) = told.metadata().get(LOGICAL) {
        metadata.insert(LOGICAL.to_owned(), logical.clone());
    }
    Arc::new(Field::clone(field).with_metadata(metadata))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch};
    use datafusion::object_store::ObjectStoreExt;
    use datafusion::object_store::local::LocalFileSystem;
    use datafusion::object_store::path::Path;
    use datafusion::prelude::SessionContext;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_writer::ArrowWriterOptions;
    use std::fs::File;

    /// Other readers see no Arrow schema in a file, only Parquet's own types.
    #[tokio::test]
    async fn uuid_has_the_type_of_parquet() {
        let dir = tempfile::tempdir().unwrap();
        let uuid = HashMap::from([(EXTENSION.to_owned(), UUID.to_owned())]);
        let plain = Field::new("fixed", DataType::FixedSizeBinary(16), true);
        let schema = Arc::new(Schema::new(vec![plain.clone().with_name("uuid").with_metadata(uuid), plain]));
        let column: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([[7_u8; 16]].iter()).unwrap());
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&column), column]).unwrap();
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
        let file = File::create(dir.path().join("file")).unwrap();
        let mut writer = ArrowWriter::try_new_with_options(file, schema, options).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
        let object = store.head(&Path::from("file")).await.unwrap();
        let format = FileFormatFactory::default(&ParquetFactory);
        let found = format.infer_schema(&SessionContext::new().state(), &store, &[object]).await.unwrap();
        let names: Vec<_> = found.fields().iter().map(|field| field.extension_type_name()).collect();
        assert_eq!(names, [Some(UUID), None]);
    }
}
