//! DataFusion's Parquet format with field metadata that identifies uuids and durations.
//!
//! DataFusion 55 drops the metadata of all fields, because files of one table may differ in it, and reads Parquet's
//! UUID as 16 bytes. Here a field keeps what its first file says about these two types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Result, Statistics};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::ParquetFormatFactory;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory, FileMeta};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::{FileScanConfig, FileSinkConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::physical_expr::{LexOrdering, LexRequirement};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::LogicalType;
use parquet::schema::types::SchemaDescriptor;

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
        Ok(Arc::new(AnnotatedParquet(ParquetFormatFactory::new().create(state, options)?)))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(AnnotatedParquet(FileFormatFactory::default(&ParquetFormatFactory::new())))
    }
}

/// DataFusion's format with restored field metadata.
#[derive(Debug)]
pub(super) struct AnnotatedParquet(pub(super) Arc<dyn FileFormat>);

#[async_trait]
impl FileFormat for AnnotatedParquet {
    fn get_ext(&self) -> String {
        self.0.get_ext()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        self.0.get_ext_with_compression(compression)
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.0.compression_type()
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
            Ok(told) if is_fixed(field) && told.data_type() == field.data_type() => {
                annotate_field(field, told, is_uuid(file.schema_descr(), field.name()))
            }
            _ => Arc::clone(field),
        });
        Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())))
    }

    async fn infer_stats(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Statistics> {
        self.0.infer_stats(state, store, schema, object).await
    }

    async fn infer_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Option<LexOrdering>> {
        self.0.infer_ordering(state, store, schema, object).await
    }

    async fn infer_stats_and_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<FileMeta> {
        self.0.infer_stats_and_ordering(state, store, schema, object).await
    }

    async fn create_physical_plan(&self, state: &dyn Session, scan: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.create_physical_plan(state, scan).await
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        state: &dyn Session,
        sink: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.create_writer_physical_plan(input, state, sink, order).await
    }

    fn file_source(&self, schema: TableSchema) -> Arc<dyn FileSource> {
        self.0.file_source(schema)
    }
}

/// Whether Parquet declares the column as UUID.
fn is_uuid(schema: &SchemaDescriptor, name: &str) -> bool {
    let column = schema.root_schema().get_fields().iter().find(|column| column.name() == name);
    column.is_some_and(|column| column.get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid))
}

/// Returns the field with metadata that identifies its type.
fn annotate_field(field: &FieldRef, told: &Field, is_uuid: bool) -> FieldRef {
    let mut metadata = field.metadata().clone();
    if is_uuid || told.extension_type_name() == Some(UUID) {
        metadata.insert(EXTENSION.to_owned(), UUID.to_owned());
    }
    if let Some(logical) = told.metadata().get(LOGICAL) {
        metadata.insert(LOGICAL.to_owned(), logical.clone());
    }
    Arc::new(Field::clone(field).with_metadata(metadata))
}
