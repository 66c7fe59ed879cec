//! A table: paths and options in, a `TableProvider` out that lists its files at every scan.

use crate::counts;
use crate::format::AvroFormat;
use crate::index;
use crate::location::{Location, Wanted};
use crate::options::AvroOptions;
use crate::partitions;
use crate::source::is_few;
use arrow_schema::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Constraints, DFSchema, Result, Statistics, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::{expr_applicable_for_cols, filter_partitioned_file};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::{ObjectMeta, ObjectStore};
use std::collections::HashMap;
use std::sync::Arc;

/// Paths, URLs or globs: one, or several that make one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(Vec<String>);

/// A table of Avro files. New files are seen by the next query; the columns are those of the files that were there at first.
#[derive(Debug)]
pub struct AvroTable {
    locations: Vec<Location>,
    store: ObjectStoreUrl,
    format: AvroFormat,
    schema: TableSchema,
    pub(crate) definition: Option<String>,
    pub(crate) constraints: Constraints,
    pub(crate) column_defaults: HashMap<String, Expr>,
}

impl AvroTable {
    /// The table over these paths. Fails if there is nothing, or if the files cannot be one table.
    pub async fn try_new(session: &dyn Session, paths: impl Into<Paths>, options: AvroOptions) -> Result<Self> {
        let Paths(paths) = paths.into();
        let locations = paths.iter().map(|path| Location::parse(path)).collect::<Result<Vec<_>>>()?;
        let Some(first) = locations.first() else { return plan_err!("a table needs at least one path") };
        let store_url = first.store();
        if let Some(other) = locations.iter().find(|location| location.store() != store_url) {
            return plan_err!("{} and {} are in different object stores", first.text(), other.text());
        }
        let store = session.runtime_env().object_store(&store_url)?;

        let format = AvroFormat::new(options);
        let files = files(&locations, store.as_ref(), format.options()).await?;
        let all = files.iter().flat_map(|(location, files)| files.iter().map(move |file| (*location, &file.location)));
        let given = format.options().schema.as_deref();
        let columns = partitions::columns(&format.options().partitions, all, given);
        let objects: Vec<ObjectMeta> = files.into_iter().flat_map(|(_, files)| files).collect();
        let file_schema = format.schema_of(&store, &store_url, &objects).await?;
        let schema = table_schema(file_schema, columns, given.is_some());
        Ok(AvroTable {
            locations,
            store: store_url,
            format,
            schema,
            definition: None,
            constraints: Constraints::default(),
            column_defaults: HashMap::new(),
        })
    }

    /// The files of a scan with their partition values, without those that the filters on partition columns exclude.
    async fn files(&self, store: &dyn ObjectStore, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let columns = self.schema.table_partition_cols();
        let column_schema = DFSchema::from_unqualified_fields(columns.clone(), HashMap::new())?;
        let unknown = Arc::new(Statistics::new_unknown(self.schema.file_schema()));
        let mut wanted = vec![];
        for (location, files) in files(&self.locations, store, self.format.options()).await? {
            for file in files {
                let values = partitions::values(columns, location, &file.location)?;
                let file = PartitionedFile::new_from_meta(file).with_partition_values(values);
                let file = file.with_statistics(Arc::clone(&unknown));
                wanted.extend(filter_partitioned_file(file, filters, &column_schema)?);
            }
        }
        Ok(wanted)
    }

    /// What the indexes say of all these files, if each has one.
    fn known(
        &self,
        store: &dyn ObjectStore,
        files: &[PartitionedFile],
        indexes: &[Option<Arc<index::FileIndex>>],
        projection: Option<&Vec<usize>>,
    ) -> Option<Statistics> {
        let (reader, columns) = (self.format.reader(&self.schema), self.schema.file_schema());
        let of_file = |(file, index): (&PartitionedFile, &Option<Arc<index::FileIndex>>)| {
            let header = self.format.headers().known(store, &file.object_meta)?;
            Some(index::of_file(index.as_ref()?, reader.columns(columns, &header.schema), projection))
        };
        let files = files.iter().zip(indexes).map(of_file).collect::<Option<Vec<_>>>()?;
        index::of_files(files, self.schema.table_schema())
    }

    /// Can this filter be decided by the partition columns alone?
    fn decides_files(&self, filter: &Expr) -> bool {
        let columns = self.schema.table_partition_cols();
        let names: Vec<_> = columns.iter().map(|column| column.name().as_str()).collect();
        !names.is_empty() && expr_applicable_for_cols(&names, filter)
    }
}

/// Every location's files. A location without any is an error, unless the columns are given: such a table may start empty.
pub(crate) async fn files<'a>(
    locations: &'a [Location],
    store: &dyn ObjectStore,
    options: &AvroOptions,
) -> Result<Vec<(&'a Location, Vec<ObjectMeta>)>> {
    let mut all = Vec::with_capacity(locations.len());
    for location in locations {
        let (files, empty) = location.files(store, Wanted::Extension(&options.file_extension)).await?;
        if files.is_empty() && options.schema.is_none() {
            return match empty {
                0 => plan_err!("no Avro files at {}", location.text()),
                n => plan_err!("no Avro files at {}: all that are there ({n}) are empty", location.text()),
            };
        }
        all.push((location, files));
    }
    Ok(all)
}

/// Partition columns follow the columns of the files. A column that the files have themselves is not one of the directories;
/// columns that were given include those of the directories.
fn table_schema(file_schema: SchemaRef, mut columns: Vec<FieldRef>, given: bool) -> TableSchema {
    let is_partition = |name: &str| columns.iter().any(|column| column.name() == name);
    let file_schema = match given {
        true if !columns.is_empty() => {
            let fields = file_schema.fields().iter().filter(|field| !is_partition(field.name()));
            Arc::new(Schema::new_with_metadata(fields.cloned().collect::<Vec<_>>(), file_schema.metadata().clone()))
        }
        _ => file_schema,
    };
    columns.retain(|column| file_schema.fields().find(column.name()).is_none());
    TableSchema::builder(file_schema).with_table_partition_cols(columns).build()
}

#[async_trait]
impl TableProvider for AvroTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
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
        let answer = |filter: &&Expr| match self.decides_files(filter) {
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
        let store = session.runtime_env().object_store(&self.store)?;
        let filters: Vec<Expr> = filters.iter().filter(|filter| self.decides_files(filter)).cloned().collect();
        let mut files = self.files(store.as_ref(), &filters).await?;
        if files.is_empty() {
            let schema = match projection {
                Some(indices) => Arc::new(self.schema.table_schema().project(indices)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }

        // How many bytes there are is what the planner needs to know which side of a join is the smaller one.
        let bytes = files.iter().map(|file| file.object_meta.size).sum::<u64>();
        let headers = self.format.headers();
        let indexes = index::indexes(headers, session.runtime_env(), &store, &self.store, &files).await?;
        let known = self.known(store.as_ref(), &files, &indexes, projection);
        for (file, index) in files.iter_mut().zip(indexes) {
            if let Some(index) = index {
                file.extensions.insert_arc(index);
            }
        }
        // Who wants no column counts rows.
        let counted = match projection {
            Some(columns) if columns.is_empty() && known.is_none() => {
                counts::exact(headers, &store, &self.store, &files).await
            }
            _ => None,
        };
        let known = known.unwrap_or_else(|| Statistics {
            num_rows: match counted.map(usize::try_from) {
                Some(Ok(rows)) => Precision::Exact(rows),
                _ => counts::estimate(headers, store.as_ref(), &files),
            },
            ..Statistics::new_unknown(self.schema.table_schema())
        });
        let total_byte_size = Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX));
        let statistics = Statistics { total_byte_size, ..known };
        // The planner then splits files where that evens things out.
        let partitions = if is_few(limit) { 1 } else { session.config().target_partitions() };
        let groups = FileGroup::new(files).split_files(partitions);
        let config = FileScanConfigBuilder::new(self.store.clone(), self.format.file_source(self.schema.clone()))
            .with_file_groups(groups)
            .with_constraints(self.constraints.clone())
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        self.format.create_physical_plan(session, config).await
    }
}

impl Paths {
    /// As the caller wrote them.
    pub(crate) fn texts(&self) -> &[String] {
        &self.0
    }
}

impl From<&str> for Paths {
    fn from(path: &str) -> Self {
        Paths(vec![path.to_owned()])
    }
}

impl From<String> for Paths {
    fn from(path: String) -> Self {
        Paths(vec![path])
    }
}

impl From<&String> for Paths {
    fn from(path: &String) -> Self {
        Paths(vec![path.clone()])
    }
}

impl<T: Into<String>> From<Vec<T>> for Paths {
    fn from(paths: Vec<T>) -> Self {
        Paths(paths.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Paths {
    fn from(paths: [T; N]) -> Self {
        Paths(paths.into_iter().map(Into::into).collect())
    }
}
