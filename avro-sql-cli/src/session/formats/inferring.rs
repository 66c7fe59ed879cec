//! Formats of DataFusion with another inference of columns. Everything else is done by the format that they choose.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Result, Statistics};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::{FileFormat, FileMeta};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSinkConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::physical_expr::{LexOrdering, LexRequirement};
use datafusion::physical_plan::ExecutionPlan;

/// How a format finds its columns.
#[async_trait]
pub(super) trait Infer: Debug + Send + Sync + 'static {
    /// Returns the format that reads the files. Inference may change which one it is.
    fn format(&self) -> Arc<dyn FileFormat>;

    /// Returns the file extension, if it is not that of the format.
    fn extension(&self) -> Option<&'static str> {
        None
    }

    /// Returns the columns of these files.
    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef>;
}

/// A format with this inference.
#[derive(Debug)]
pub(super) struct Inferring<I>(pub(super) I);

#[async_trait]
impl<I: Infer> FileFormat for Inferring<I> {
    fn get_ext(&self) -> String {
        self.0.extension().map_or_else(|| self.0.format().get_ext(), str::to_owned)
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        match self.0.extension() {
            Some(extension) => Ok(format!("{extension}{}", compression.get_ext())),
            None => self.0.format().get_ext_with_compression(compression),
        }
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.0.format().compression_type()
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        self.0.infer_schema(state, store, objects).await
    }

    async fn infer_stats(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Statistics> {
        self.0.format().infer_stats(state, store, schema, object).await
    }

    async fn infer_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Option<LexOrdering>> {
        self.0.format().infer_ordering(state, store, schema, object).await
    }

    async fn infer_stats_and_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<FileMeta> {
        self.0.format().infer_stats_and_ordering(state, store, schema, object).await
    }

    async fn create_physical_plan(&self, state: &dyn Session, scan: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.format().create_physical_plan(state, scan).await
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        state: &dyn Session,
        sink: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.format().create_writer_physical_plan(input, state, sink, order).await
    }

    fn file_source(&self, schema: TableSchema) -> Arc<dyn FileSource> {
        self.0.format().file_source(schema)
    }
}
