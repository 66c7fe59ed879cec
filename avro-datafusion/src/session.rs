//! Registration of Avro with DataFusion sessions.

use crate::avro_functions;
use crate::compat;
use crate::functions;
use crate::listing::paths::Paths;
use crate::options::read::AvroOptions;
use crate::scan::format::AvroFormatFactory;
use crate::scan::unnest::NarrowUnnested;
use crate::schema::header_caches::HeaderCaches;
use crate::stores;
use crate::table::factory::AvroTableFactory;
use crate::table::provider::AvroTable;
use crate::table::url::AvroUrlTableFactory;
use async_trait::async_trait;
use datafusion::catalog::DynamicFileCatalog;
use datafusion::common::{Result, TableReference};
use datafusion::datasource::dynamic_file::DynamicListTableFactory;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use std::sync::Arc;

/// Creates a session with this configuration and [registers](register_all) Avro with it.
///
/// # Errors
/// If DataFusion refuses a registration.
pub fn new_session(config: SessionConfig) -> Result<SessionContext> {
    let ctx = SessionContext::new_with_config(config);
    register_all(&ctx)?;
    Ok(ctx)
}

/// Registers everything of this crate with a session.
///
/// - `CREATE EXTERNAL TABLE .. STORED AS AVRO`, `COPY .. TO 'x.avro'` and `SELECT .. FROM 'path'`, in place of
///   DataFusion's own Avro reader.
/// - The table functions `read_avro` ([`ReadAvroFunc`](crate::ReadAvroFunc)), `avro_schema`
///   ([`AvroSchemaFunc`](crate::AvroSchemaFunc)), `avro_metadata` ([`AvroMetadataFunc`](crate::AvroMetadataFunc)),
///   `avro_blocks` ([`AvroBlocksFunc`](crate::AvroBlocksFunc)), `avro_files`
///   ([`AvroFilesFunc`](crate::AvroFilesFunc)), `avro_damage` ([`AvroDamageFunc`](crate::AvroDamageFunc)), `avro_index`
///   ([`AvroIndexFunc`](crate::AvroIndexFunc)) and `avro_options` ([`AvroOptionsFunc`](crate::AvroOptionsFunc)).
/// - Object stores: paths may be URLs of S3, Google Cloud Storage, Azure and web servers in any statement, see
///   [`ObjectStores`](crate::ObjectStores).
/// - The functions `from_avro`, `to_avro`, `avro_to_json`, `json_to_avro`, `from_avro_file`, `avro_schema_id` and
///   `avro_error`, for Avro bytes in columns.
/// - `map['key']` for maps whose keys are string views.
///
/// # Errors
/// If DataFusion refuses a registration.
pub fn register_all(ctx: &SessionContext) -> Result<()> {
    register_all_with(ctx, AvroOptions::default())
}

/// Registers everything of this crate with a session, see [`register_all`], with these default options.
///
/// Options in a statement or a call take precedence.
///
/// # Errors
/// If DataFusion refuses a registration.
pub fn register_all_with(ctx: &SessionContext, options: AvroOptions) -> Result<()> {
    stores::install(ctx)?;
    let others = DynamicListTableFactory::default();
    others.session_store().with_state(ctx.state_weak_ref());
    let urls = AvroUrlTableFactory::new(options.clone(), others);

    let state = ctx.state_ref();
    let mut state = state.write();
    state.config_mut().set_extension(Arc::new(HeaderCaches::default()));
    if !state.physical_optimizers().iter().any(|rule| rule.name() == NarrowUnnested::NAME) {
        let builder = SessionStateBuilder::new_from_existing(state.clone());
        *state = builder.with_physical_optimizer_rule(Arc::new(NarrowUnnested)).build();
    }
    state.register_file_format(Arc::new(AvroFormatFactory::new(options.clone())), true)?;
    functions::register(&mut state, &options)?;
    avro_functions::register(&mut state, &options)?;
    state.table_factories_mut().insert("AVRO".to_owned(), Arc::new(AvroTableFactory::new(options)));
    compat::register(&mut state)?;
    let catalogs = Arc::clone(state.catalog_list());
    state.register_catalog_list(Arc::new(DynamicFileCatalog::new(catalogs, Arc::new(urls))));
    Ok(())
}

/// Adds Avro tables to a [`SessionContext`].
///
/// These methods work without [`register_all`]. Their names differ from `register_avro` and `read_avro`, inherent
/// methods of `SessionContext` under DataFusion's feature `avro`, so that both can be used in one program.
#[async_trait]
pub trait AvroSessionExt {
    /// Registers the files at these paths as a table.
    ///
    /// A path is a file, a directory (including its subdirectories), a glob, or the URL of one of these in an object
    /// store.
    ///
    /// # Errors
    /// If a path has no files, a file is not Avro, or the schemas of the files cannot be merged.
    async fn register_avro_table(
        &self,
        name: impl Into<TableReference> + Send,
        paths: impl Into<Paths> + Send,
        options: AvroOptions,
    ) -> Result<()>;

    /// Returns the rows of the files at these paths as a [`DataFrame`].
    ///
    /// # Errors
    /// See [`register_avro_table`](Self::register_avro_table).
    async fn read_avro_table(&self, paths: impl Into<Paths> + Send, options: AvroOptions) -> Result<DataFrame>;
}

#[async_trait]
impl AvroSessionExt for SessionContext {
    async fn register_avro_table(
        &self,
        name: impl Into<TableReference> + Send,
        paths: impl Into<Paths> + Send,
        options: AvroOptions,
    ) -> Result<()> {
        let (name, paths) = (name.into(), paths.into());
        stores::install(self)?;
        let table = AvroTable::try_new(&self.state(), paths, options).await?;
        self.register_table(name, Arc::new(table))?;
        Ok(())
    }

    async fn read_avro_table(&self, paths: impl Into<Paths> + Send, options: AvroOptions) -> Result<DataFrame> {
        let paths = paths.into();
        stores::install(self)?;
        self.read_table(Arc::new(AvroTable::try_new(&self.state(), paths, options).await?))
    }
}
