//! The table provider, which lists its files at every scan.

use crate::block_index;
use crate::index;
use crate::listing::list::{list, list_some};
use crate::listing::listed::{ListedFile, Listing};
use crate::listing::location::{Find, Location};
use crate::listing::partition_values::{self, Directories, PartitionFilters};
use crate::listing::paths::Paths;
use crate::options::read::{AvroOptions, Partitions};
use crate::scan::format::AvroFormat;
use crate::scan::source::{AvroSource, is_few};
use crate::schema::declared_columns;
use crate::schema::header_caches::HeaderCaches;
use crate::sink::{self, Destination};
use crate::table::{distinct, row_count};
use crate::virtual_columns::{self, is_virtual, without};
use arrow_schema::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Constraints, Result, SchemaExt, Statistics, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A table of Avro files.
///
/// Each query sees new files. The columns are those of the files that existed when the table was created.
#[derive(Debug)]
pub struct AvroTable {
    locations: Vec<Location>,
    pub(super) format: AvroFormat,
    /// Columns of the scan: of the files, then row positions, then partitions and file name.
    pub(super) schema: TableSchema,
    /// Columns of the table, virtual ones last, and the index of each in the scan.
    shown: SchemaRef,
    order: Vec<usize>,
    pub(crate) definition: Option<String>,
    pub(crate) constraints: Constraints,
    pub(crate) column_defaults: HashMap<String, Expr>,
}

impl AvroTable {
    /// Creates a table with declared columns, which are matched to the files as names in queries are. A column that no
    /// file has is an error, unless there are no files yet.
    pub(crate) async fn declared(
        session: &dyn Session,
        paths: impl Into<Paths>,
        mut options: AvroOptions,
    ) -> Result<Self> {
        let paths = paths.into();
        if let Some(columns) = options.schema.take() {
            let format = AvroFormat::with_headers(HeaderCaches::of(session, options.clone()));
            let locations = paths.locations()?;
            let listings = list(&locations, session.runtime_env(), &options.file_extension, None).await?;
            let listings = format.readable(listings).await?;
            let mut files = vec![];
            for file in listings.iter().flat_map(|listing| &listing.files) {
                let name = file.name();
                let (header, _) = format.headers().get(file.store.as_ref(), &file.object, &name).await?;
                files.push((name, Arc::clone(&header.schema)));
            }
            let mut keys = HashSet::new();
            for listing in &listings {
                for file in &listing.files {
                    keys.extend(Directories::of_file(listing.below(file), None).keys());
                }
            }
            if let Partitions::Named(names) = &options.partitions {
                keys.extend(names.iter().cloned());
            }
            let named = match files.is_empty() {
                true => columns,
                false => Arc::new(declared_columns::named(&columns, &files, |name| keys.contains(name))?),
            };
            options.schema = Some(named);
        }
        Self::try_new(session, paths, options).await
    }

    /// Creates a table over these paths.
    ///
    /// # Errors
    ///
    /// If a path has no files, or the schemas of the files cannot be merged.
    pub async fn try_new(session: &dyn Session, paths: impl Into<Paths>, options: AvroOptions) -> Result<Self> {
        let locations = paths.into().locations()?;
        if locations.is_empty() {
            return plan_err!("a table needs at least one path");
        }

        let format = AvroFormat::with_headers(HeaderCaches::of(session, options));
        let options = format.options();
        // A table with declared columns may be empty at first.
        let given = options.schema.as_deref();
        let listings = match given {
            Some(_) => list(&locations, session.runtime_env(), &options.file_extension, None).await?,
            None => list_some(&locations, session.runtime_env(), &options.file_extension).await?,
        };
        let listings = format.readable(listings).await?;
        let files: Vec<ListedFile> = listings.iter().flat_map(|listing| listing.files.clone()).collect();
        let file_schema = format.schema_of(files).await?;
        let recorded = format.recorded(&listings, given.is_some()).await?;
        let all = listings.iter().flat_map(|listing| listing.files.iter().map(|file| listing.below(file)));
        let all = all.zip(&recorded).map(|(below, recorded)| Directories::of_file(below, recorded.as_deref()));
        let columns = partition_values::columns(options, &all.collect::<Vec<_>>(), given);
        let schema = table_schema(file_schema, columns, given.is_some(), options.virtual_columns);
        let order = order(&schema);
        let shown = Arc::new(schema.table_schema().project(&order)?);
        Ok(AvroTable {
            locations,
            format,
            schema,
            shown,
            order,
            definition: None,
            constraints: Constraints::default(),
            column_defaults: HashMap::new(),
        })
    }

    /// Returns the read options.
    pub fn options(&self) -> &AvroOptions {
        self.format.options()
    }

    /// Returns this table with the columns `_file`, `_block`, `_row` and `_offset` after its own, as the option
    /// `virtual_columns` adds them. A column of the table hides the one of its name.
    pub fn with_virtual_columns(&self) -> AvroTable {
        let columns = self.schema.table_partition_cols().to_vec();
        let schema = table_schema(Arc::clone(self.schema.file_schema()), columns, false, true);
        let order = order(&schema);
        let shown = schema.table_schema().project(&order).map_or_else(|_| Arc::clone(&self.shown), Arc::new);
        AvroTable {
            locations: self.locations.clone(),
            format: self.format.clone(),
            schema,
            shown,
            order,
            definition: self.definition.clone(),
            constraints: self.constraints.clone(),
            column_defaults: self.column_defaults.clone(),
        }
    }

    /// Lists the files with their partition values, by object store, without those that filters on partition columns
    /// exclude.
    pub(super) async fn files(
        &self,
        session: &dyn Session,
        filters: &[Expr],
    ) -> Result<Vec<(ObjectStoreUrl, Vec<PartitionedFile>)>> {
        let columns = self.schema.table_partition_cols();
        let filters = PartitionFilters::new(columns, filters)?;
        let extension = &self.format.options().file_extension;
        let listings = match &filters {
            Some(filters) => list(&self.locations, session.runtime_env(), extension, Some(filters)).await?,
            // An empty table is an error here, as at creation.
            None if self.format.options().schema.is_none() => {
                list_some(&self.locations, session.runtime_env(), extension).await?
            }
            None => list(&self.locations, session.runtime_env(), extension, None).await?,
        };
        let unknown = Arc::new(Statistics::new_unknown(self.schema.file_schema()));
        let mut stores: Vec<(ObjectStoreUrl, Vec<PartitionedFile>)> = vec![];
        for listing in self.format.readable(listings).await? {
            listing.warn(self.format.options().observer.as_deref());
            let values = |file: &ListedFile| {
                let directories = Directories::of_file(listing.below(file), None);
                partition_values::values(columns, &directories, listing.location.text(), &file.name())
            };
            let values: Vec<_> = listing.files.iter().map(values).collect::<Result<_>>()?;
            let Listing { location, files, .. } = listing;
            let keep = match &filters {
                Some(filters) => filters.keep_files(&values)?,
                None => vec![true; files.len()],
            };
            let kept = files.into_iter().zip(values).zip(keep).filter(|(_, keep)| *keep);
            // Files of one directory share their statistics: those of all columns are kilobytes.
            let mut of_directory: Option<PartitionedFile> = None;
            let kept = kept.map(|((file, values), _)| {
                let file = PartitionedFile::new_from_meta(file.object);
                match &of_directory {
                    Some(other) if other.partition_values == values => {
                        PartitionedFile { partition_values: values, statistics: other.statistics.clone(), ..file }
                    }
                    _ => {
                        let file = file.with_partition_values(values).with_statistics(Arc::clone(&unknown));
                        of_directory = Some(file.clone());
                        file
                    }
                }
            });
            let store = location.store();
            match stores.iter_mut().find(|(other, _)| *other == store) {
                Some((_, files)) => files.extend(kept),
                None => stores.push((store, kept.collect())),
            }
        }
        stores.retain(|(_, files)| !files.is_empty());
        Ok(stores)
    }

    /// Returns the statistics of all these files, if each has an index.
    fn known(
        &self,
        store: &dyn ObjectStore,
        files: &[PartitionedFile],
        indexes: &[Option<Arc<block_index::FileIndex>>],
        projection: &[usize],
    ) -> Option<Statistics> {
        // Virtual columns follow the others and have no statistics.
        let (reader, columns) = (self.format.reader(&self.schema), without(self.schema.file_schema()));
        let of_file = |(file, index): (&PartitionedFile, &Option<Arc<block_index::FileIndex>>)| {
            let header = self.format.headers().known(store, &file.object_meta)?;
            Some(block_index::of_file(index.as_ref()?, reader.columns(&columns, &header.schema), projection))
        };
        let files = files.iter().zip(indexes).map(of_file).collect::<Option<Vec<_>>>()?;
        block_index::of_files(files, self.schema.table_schema())
    }
}

/// Returns the position in the scan of each column of a table: virtual columns are last, `_file` before the others.
fn order(schema: &TableSchema) -> Vec<usize> {
    let (fields, n_file) = (schema.table_schema().fields(), schema.file_schema().fields().len());
    let mut order: Vec<usize> = (0..fields.len()).collect();
    order.sort_by_key(|&i| match fields.get(i) {
        Some(field) if is_virtual(field) => (true, i < n_file),
        _ => (false, false),
    });
    order
}

/// Builds the table schema: partition columns follow the columns of the files. A column of the files hides a partition
/// column of the same name; declared columns include partition columns. Virtual columns are hidden by others of the
/// same name.
fn table_schema(file_schema: SchemaRef, mut columns: Vec<FieldRef>, given: bool, with_virtual: bool) -> TableSchema {
    let is_partition = |name: &str| columns.iter().any(|column| column.name() == name);
    let file_schema = match given {
        true if !columns.is_empty() => {
            let fields = file_schema.fields().iter().filter(|field| !is_partition(field.name()));
            Arc::new(Schema::new_with_metadata(fields.cloned().collect::<Vec<_>>(), file_schema.metadata().clone()))
        }
        _ => file_schema,
    };
    columns.retain(|column| file_schema.fields().find(column.name()).is_none());
    let file_schema = match with_virtual {
        true => {
            let is_free = |field: &FieldRef| {
                file_schema.fields().find(field.name()).is_none()
                    && columns.iter().all(|column| column.name() != field.name())
            };
            let places: Vec<_> = virtual_columns::places().filter(is_free).collect();
            let name = Some(virtual_columns::file()).filter(is_free);
            columns.extend(name);
            let fields: Vec<_> = file_schema.fields().iter().cloned().chain(places).collect();
            Arc::new(Schema::new_with_metadata(fields, file_schema.metadata().clone()))
        }
        false => file_schema,
    };
    TableSchema::builder(file_schema).with_table_partition_cols(columns).build()
}

#[async_trait]
impl TableProvider for AvroTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.shown)
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.definition.as_deref()
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.column_defaults.get(column)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let columns = self.schema.table_partition_cols();
        let answer = |filter: &&Expr| match partition_values::decide(columns, filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection: Vec<usize> = match projection {
            Some(shown) => shown.iter().filter_map(|&i| self.order.get(i).copied()).collect(),
            None => self.order.clone(),
        };
        let mut scans = vec![];
        for (store, files) in self.files(session, filters).await? {
            scans.push(self.scan_of(session, store, files, &projection, limit).await?);
        }
        match scans.len() {
            0 => Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.table_schema().project(&projection)?)))),
            1 => Ok(scans.remove(0)),
            // A scan reads from one object store.
            _ => UnionExec::try_new(scans),
        }
    }

    /// Each statement writes one new file, or one per partition directory.
    async fn insert_into(
        &self,
        session: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.shown.logically_equivalent_names_and_types(&input.schema())?;
        let destination = self.destination(session).await?;
        let options = self.format.options();
        let mut options = options.clone();
        options.writing.schema = options.writing.schema.or_else(|| options.reader_schema.clone());
        // Virtual columns are not written.
        let fields = self.shown.fields().iter().filter(|field| !is_virtual(field));
        // A declared column is written under its name in the other files.
        let fields: Vec<_> = fields
            .map(|field| match declared_columns::aliases(field).into_iter().next() {
                Some(name) if options.schema.is_some() => Arc::new(field.as_ref().clone().with_name(name)),
                _ => Arc::clone(field),
            })
            .collect();
        let metadata = self.schema.file_schema().metadata().clone();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        sink::write(input, op, destination, schema, options, None)
    }
}

impl AvroTable {
    /// Returns where new files go.
    async fn destination(&self, session: &dyn Session) -> Result<Destination> {
        let [location] = self.locations.as_slice() else {
            return plan_err!("INSERT requires a table with exactly one location, a directory");
        };
        let text = location.text();
        let is_directory = match location.find() {
            Find::Directory => true,
            Find::Either => {
                let store = session.runtime_env().object_store(location.store())?;
                matches!(store.head(location.base()).await, Err(object_store::Error::NotFound { .. }))
            }
            Find::File | Find::Glob(_) => false,
        };
        if !is_directory {
            return plan_err!("INSERT requires a directory, but {text} is not one");
        }
        let columns = self.schema.table_partition_cols().iter();
        Ok(Destination {
            store_url: location.store(),
            base: location.base().clone(),
            single: false,
            extension: self.format.options().file_extension.clone(),
            partition_by: columns.filter(|column| !is_virtual(column)).map(|column| column.name().clone()).collect(),
            keep: false,
        })
    }

    /// Plans the scan of these files.
    async fn scan_of(
        &self,
        session: &dyn Session,
        store_url: ObjectStoreUrl,
        mut files: Vec<PartitionedFile>,
        projection: &[usize],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let store = session.runtime_env().object_store(&store_url)?;
        // The total size tells the planner which side of a join is smaller.
        let bytes = files.iter().map(|file| file.object_meta.size).sum::<u64>();
        let headers = self.format.headers();
        let indexes = index::indexes(headers, session.runtime_env(), &store, &store_url, &files).await?;
        #[cfg(feature = "cache")]
        let (cached, known) = {
            let in_memory = self.in_memory(session, store.as_ref(), &store_url, &mut files);
            let (copies, blocks) = self.copies(session, &store, &store_url, &mut files, &indexes, limit).await;
            ((copies, in_memory), self.known(store.as_ref(), &files, &blocks, projection))
        };
        #[cfg(not(feature = "cache"))]
        let known = self.known(store.as_ref(), &files, &indexes, projection);
        for (file, index) in files.iter_mut().zip(indexes) {
            if let Some(index) = index {
                file.extensions.insert_arc(index);
            }
        }
        // A scan without columns counts rows.
        let counted = match projection {
            [] if known.is_none() => row_count::exact(headers, &store, &store_url, &files).await,
            _ => None,
        };
        let known = match known {
            Some(known) => known,
            None => {
                let mut unknown = Statistics::new_unknown(self.schema.table_schema());
                unknown.num_rows = match counted.map(usize::try_from) {
                    Some(Ok(rows)) => Precision::Exact(rows),
                    _ => row_count::estimate(headers, store.as_ref(), &files),
                };
                if let (Some(&rows), false) = (unknown.num_rows.get_value(), is_few(limit)) {
                    let place = (headers, store.as_ref(), &store_url);
                    let columns = without(self.schema.file_schema());
                    let reader = (self.format.reader(&self.schema), columns.as_ref());
                    let column_statistics = &mut unknown.column_statistics;
                    distinct::add_estimates(place, &files, reader, projection, rows, column_statistics).await;
                }
                unknown
            }
        };
        let total_byte_size = Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX));
        let statistics = Statistics { total_byte_size, ..known };
        // The planner may then split files.
        let partitions = if is_few(limit) { 1 } else { session.config().target_partitions() };
        let groups = FileGroup::new(files).split_files(partitions);
        let reader = self.format.reader(&self.schema);
        let source = AvroSource::new(self.schema.clone(), Arc::clone(headers), reader);
        #[cfg(feature = "cache")]
        let source = source.with_cached(cached.0, cached.1);
        let config = FileScanConfigBuilder::new(store_url, Arc::new(source))
            .with_file_groups(groups)
            .with_constraints(self.constraints.clone())
            .with_statistics(statistics)
            .with_projection_indices(Some(projection.to_vec()))?
            .with_limit(limit)
            .build();
        self.format.create_physical_plan(session, config).await
    }
}
