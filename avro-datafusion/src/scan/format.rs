//! The file format that DataFusion registers.

use crate::error::file_error;
use crate::listing::listed::{ListedFile, Listing};
use crate::listing::location::is_local;
use crate::options::read::{AvroOptions, PartitionTypes, Partitions, read_options};
use crate::scan::source::AvroSource;
use crate::schema::header_cache::HeaderCache;
use crate::schema::reader_schema::ReaderSchema;
use crate::sink;
use crate::virtual_columns::without;
use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use avro_arrow::schema::{MergedSchema, Schema as AvroSchema};
use avro_arrow::{OnCorruptBlock, Program};
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, GetExt, Result, Statistics, internal_err, not_impl_err, plan_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, FileSinkConfig, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr_common::sort_expr::LexRequirement;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Headers fetched concurrently.
const CONCURRENCY: usize = 32;
/// Minimum number of local files for which headers are fetched by dedicated threads.
const MANY: usize = 64;

/// Avro container files, as a DataFusion [`FileFormat`].
#[derive(Debug, Clone)]
pub struct AvroFormat {
    headers: Arc<HeaderCache>,
    /// Names of the read options in the statement.
    read_options: Arc<[String]>,
}

impl AvroFormat {
    /// Creates a format that reads and writes with these options.
    pub fn new(options: AvroOptions) -> Self {
        Self::with_headers(Arc::new(HeaderCache::new(options)))
    }

    /// Creates the format with the options of a header cache.
    pub(crate) fn with_headers(headers: Arc<HeaderCache>) -> Self {
        AvroFormat { headers, read_options: Arc::new([]) }
    }

    /// Returns the options.
    pub fn options(&self) -> &AvroOptions {
        self.headers.options()
    }

    /// Returns the header cache that all scans of this format share.
    pub(crate) fn headers(&self) -> &Arc<HeaderCache> {
        &self.headers
    }

    /// Returns how the files are resolved to this table.
    pub(crate) fn reader(&self, table: &TableSchema) -> ReaderSchema {
        ReaderSchema::new(&without(table.file_schema()), self.options())
    }

    /// Returns the columns that all these files can be read as, from their headers alone, or the declared columns. The
    /// metadata holds the Avro reader schema.
    pub(crate) async fn schema_of(&self, files: Vec<ListedFile>) -> Result<SchemaRef> {
        let options = self.options();
        if let Some(schema) = &options.schema {
            return Ok(Arc::clone(schema));
        }
        let name = files.first().map(ListedFile::name).unwrap_or_default();
        let is_one = files.len() == 1;
        let merged;
        let reader = match &options.reader_schema {
            Some(reader) => reader,
            None => {
                merged = self.merged(files).await?;
                &merged
            }
        };
        let program = Program::compile(reader, &options.describing().decoder(None, 1)).map_err(|e| match is_one {
            true => file_error(e, &name),
            false => DataFusionError::External(Box::new(e)),
        })?;
        let schema = program.arrow_schema();
        check_names(schema, &name)?;
        Ok(Arc::clone(schema))
    }

    /// Under [`OnCorruptBlock::Skip`], drops files without a valid header, with a warning.
    pub(crate) async fn readable(&self, mut listings: Vec<Listing>) -> Result<Vec<Listing>> {
        if self.options().on_corrupt_block != OnCorruptBlock::Skip {
            return Ok(listings);
        }
        let (mut first_error, mut warnings) = (None, vec![]);
        for listing in &mut listings {
            let headers = stream::iter(listing.files.clone()).map(|file| async {
                let name = file.name();
                let header = self.headers.get(file.store.as_ref(), &file.object, &name).await;
                header.map(|_| file)
            });
            let mut headers = headers.buffered(CONCURRENCY);
            let mut files = Vec::with_capacity(listing.files.len());
            while let Some(file) = headers.next().await {
                match file {
                    Ok(file) => files.push(file),
                    Err(e) if is_of_file(&e) => {
                        warnings.push(format!("skipped a file: {}", message(&e)));
                        first_error = first_error.or(Some(e));
                    }
                    Err(e) => return Err(e),
                }
            }
            drop(headers);
            listing.files = files;
        }
        match first_error {
            // No file is left.
            Some(e) if listings.iter().all(|listing| listing.files.is_empty()) => Err(e),
            _ => {
                warnings.iter().for_each(|warning| self.options().warn(warning));
                Ok(listings)
            }
        }
    }

    /// Returns what the header of each file records about its partition columns: `None` where no type of such a column
    /// depends on it, since the types are declared (`given`), texts, or not asked for. With a reader schema, nothing
    /// else needs the headers now, and one file of each directory is asked.
    pub(crate) async fn recorded(&self, listings: &[Listing], given: bool) -> Result<Vec<Option<String>>> {
        let options = self.options();
        let has_types =
            !given && options.partitions != Partitions::Ignore && options.partition_types == PartitionTypes::Infer;
        let mut all = vec![];
        for listing in listings {
            let mut directories = HashSet::new();
            for file in &listing.files {
                let mut directory = listing.below(file);
                directory.pop();
                let is_partitioned = has_types && directory.iter().any(|name| name.contains('='));
                let is_asked = is_partitioned && (options.reader_schema.is_none() || directories.insert(directory));
                all.push((is_asked, file.clone()));
            }
        }
        let recorded = stream::iter(all).map(|(is_asked, file)| async move {
            if !is_asked {
                return Ok::<_, DataFusionError>(None);
            }
            let name = file.name();
            let (header, _) = self.headers.get(file.store.as_ref(), &file.object, &name).await?;
            Ok(header.partitions.clone())
        });
        recorded.buffered(CONCURRENCY).try_collect().await
    }

    /// Merges the schemas of the files.
    async fn merged(&self, mut files: Vec<ListedFile>) -> Result<AvroSchema> {
        // Sorted by path, so that the order of columns does not depend on the order of the listing.
        let is_one = files.len() == 1;
        files.retain(|file| file.object.size > 0 || is_one);
        files.sort_by(|a, b| {
            (a.store_url.as_str(), &a.object.location).cmp(&(b.store_url.as_str(), &b.object.location))
        });
        if files.is_empty() {
            return plan_err!("no file to infer the columns from");
        }
        let local: Vec<&ListedFile> = files.iter().filter(|file| is_local(&file.store_url)).collect();
        if let Some(first) = local.first()
            && local.len() >= MANY
        {
            let objects: Vec<_> = local.iter().map(|file| file.object.clone()).collect();
            self.headers.prefetch_local(&first.store, &objects).await;
        }
        let schemas: Vec<(String, AvroSchema)> = stream::iter(files)
            .map(|file| {
                let headers = Arc::clone(&self.headers);
                async move {
                    let name = file.name();
                    let (header, _) = headers.get(file.store.as_ref(), &file.object, &name).await?;
                    Ok::<_, DataFusionError>((name, header.schema.avro().clone()))
                }
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let options = self.options();
        let named = schemas.iter().map(|(name, schema)| (name.as_str(), schema));
        let merged = MergedSchema::of(named, options.on_conflict, &options.limits);
        Ok(merged.map_err(|e| DataFusionError::External(Box::new(e)))?.schema)
    }
}

/// Returns whether the content of a file caused this error.
fn is_of_file(e: &DataFusionError) -> bool {
    matches!(e.find_root(), DataFusionError::External(e) if e.is::<avro_arrow::Error>())
}

/// Returns the message of a file's error without DataFusion's prefixes.
fn message(e: &DataFusionError) -> String {
    match e.find_root() {
        DataFusionError::External(e) => e.to_string(),
        e => e.to_string(),
    }
}

/// Checks that column names are distinct, as DataFusion's schemas require. `first` is the name of the first file.
fn check_names(schema: &Schema, first: &str) -> Result<()> {
    let mut names = HashSet::new();
    match schema.fields().iter().find(|field| !names.insert(field.name())) {
        Some(field) => {
            plan_err!("{first}: two columns are named `{}`, which SQL cannot distinguish", field.name())
        }
        None => Ok(()),
    }
}

impl Default for AvroFormat {
    fn default() -> Self {
        AvroFormat::new(AvroOptions::default())
    }
}

#[async_trait]
impl FileFormat for AvroFormat {
    fn get_ext(&self) -> String {
        "avro".to_owned()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        match compression.is_compressed() {
            false => Ok(self.get_ext()),
            true => not_impl_err!("Avro files are compressed block by block, not as a whole"),
        }
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        None
    }

    async fn infer_schema(
        &self,
        _session: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        // DataFusion does not pass the URL of the store. It is only for messages; most files are local.
        let found = |object: &ObjectMeta| ListedFile {
            store: Arc::clone(store),
            store_url: ObjectStoreUrl::local_filesystem(),
            object: object.clone(),
        };
        self.schema_of(objects.iter().map(found).collect()).await
    }

    /// Returns unknown statistics: statistics of some files but not others would add up to a wrong, seemingly exact
    /// total.
    async fn infer_stats(
        &self,
        _session: &dyn Session,
        _store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        _object: &ObjectMeta,
    ) -> Result<Statistics> {
        Ok(Statistics::new_unknown(&table_schema))
    }

    async fn create_physical_plan(
        &self,
        session: &dyn Session,
        config: FileScanConfig,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(source) = config.file_source().downcast_ref::<AvroSource>() else {
            return internal_err!("expected an AvroSource");
        };
        let source = source.clone().with_memory_pool(Arc::clone(&session.runtime_env().memory_pool));
        let config = FileScanConfigBuilder::from(config).with_source(Arc::new(source)).build();
        Ok(DataSourceExec::from_data_source(config))
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        _session: &dyn Session,
        config: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Only `COPY` passes a URL. The options of a table may include read options, as a table is also read.
        if let Some(name) = self.read_options.first()
            && !config.original_url.is_empty()
        {
            let known = crate::options::list::write_names();
            return plan_err!("`{name}` is a read option; write options are {known}");
        }
        sink::plan(input, &config, self.options().clone(), order)
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        let reader = self.reader(&table_schema);
        Arc::new(AvroSource::new(table_schema, Arc::clone(self.headers()), reader))
    }
}

/// Creates [`AvroFormat`]s for `CREATE EXTERNAL TABLE` and for file names that end in `.avro`.
#[derive(Debug, Clone, Default)]
pub struct AvroFormatFactory {
    options: AvroOptions,
}

impl AvroFormatFactory {
    /// Creates a factory with these default options; options of a statement take precedence.
    pub fn new(options: AvroOptions) -> Self {
        AvroFormatFactory { options }
    }
}

impl FileFormatFactory for AvroFormatFactory {
    fn create(&self, _session: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        let format = AvroFormat::new(self.options.clone().with_sql_options(options)?);
        Ok(Arc::new(AvroFormat { read_options: read_options(options).into(), ..format }))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(AvroFormat::new(self.options.clone()))
    }
}

impl GetExt for AvroFormatFactory {
    fn get_ext(&self) -> String {
        "avro".to_owned()
    }
}
