//! `SELECT * FROM avro_index('path')`: builds block indexes, and returns a row for each.

use crate::functions::TableArguments;
use crate::index::{FileIndexed, IndexOptions, build_with};
use crate::listing::paths::Paths;
use crate::options::read::AvroOptions;
use arrow_array::builder::{BooleanBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;
use std::sync::Arc;

/// The table function `avro_index('path')`: builds the block indexes of a file, of the Avro files of a directory or
/// glob, or of a list of these, as [`build()`](crate::index::build()) does. Indexes that match their files are kept.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | Utf8 | path or URL |
/// | `blocks` | Int64 | blocks of the file |
/// | `rows` | Int64 | rows of the file |
/// | `index` | Utf8 | path or URL of the index |
/// | `bytes` | Int64 | bytes of the index |
/// | `built` | Boolean | whether it was built now |
#[derive(Debug)]
pub struct AvroIndexFunc {
    options: AvroOptions,
}

impl AvroIndexFunc {
    /// Creates the function with these default options; options of a call take precedence.
    pub fn new(options: AvroOptions) -> Self {
        AvroIndexFunc { options }
    }

    /// Returns whether the table is a call of this function, whose scan builds indexes.
    pub fn builds(table: &dyn TableProvider) -> bool {
        table.downcast_ref::<IndexTable>().is_some()
    }
}

impl TableFunctionImpl for AvroIndexFunc {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let TableArguments { paths, options } = TableArguments::parse("avro_index", args.exprs(), &self.options)?;
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("blocks", DataType::Int64, false),
            Field::new("rows", DataType::Int64, false),
            Field::new("index", DataType::Utf8, false),
            Field::new("bytes", DataType::Int64, false),
            Field::new("built", DataType::Boolean, false),
        ]));
        Ok(Arc::new(IndexTable { paths: paths.into(), options, schema }))
    }
}

/// Table whose scan builds indexes.
#[derive(Debug, Clone)]
struct IndexTable {
    paths: Paths,
    options: AvroOptions,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for IndexTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::clone(&self.schema);
        let parts: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(self.clone())];
        Ok(Arc::new(StreamingTableExec::try_new(schema, parts, projection, [], false, limit)?))
    }
}

impl PartitionStream for IndexTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let work = self.clone();
        let batch = async move {
            let threads = context.session_config().target_partitions();
            let index = IndexOptions::default();
            let indexed = build_with(&context.runtime_env(), threads, work.paths, &work.options, &index).await?;
            rows(&indexed, &work.schema)
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::once(batch)))
    }
}

fn rows(indexed: &[FileIndexed], schema: &SchemaRef) -> Result<RecordBatch> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let (mut file, mut index) = (StringBuilder::new(), StringBuilder::new());
    let (mut blocks, mut rows, mut bytes) = (Int64Builder::new(), Int64Builder::new(), Int64Builder::new());
    let mut built = BooleanBuilder::new();
    for one in indexed {
        file.append_value(&one.file);
        blocks.append_value(number(one.blocks));
        rows.append_value(number(one.rows));
        index.append_value(&one.index);
        bytes.append_value(number(one.bytes));
        built.append_value(one.built);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(file.finish()),
        Arc::new(blocks.finish()),
        Arc::new(rows.finish()),
        Arc::new(index.finish()),
        Arc::new(bytes.finish()),
        Arc::new(built.finish()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
