//! Sessions that know Avro: a DataFusion session in, the same with everything of this crate registered out.

use crate::compat;
use crate::functions;
use crate::listing::paths::Paths;
use crate::options::read::AvroOptions;
use crate::scan::format::AvroFormatFactory;
use crate::scan::unnest::NarrowUnnested;
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

/// A new session with this configuration that knows Avro; see [`enable`].
pub fn session(config: SessionConfig) -> Result<SessionContext> {
    let ctx = SessionContext::new_with_config(config);
    enable(&ctx)?;
    Ok(ctx)
}

/// Teaches a session `CREATE EXTERNAL TABLE .. STORED AS AVRO` and `SELECT .. FROM 'path'`, in place of what DataFusion's own
/// Avro reader may have registered, `map['key']` for maps with string views as keys, and the table functions `read_avro`
/// ([`ReadAvro`](crate::ReadAvro)), `avro_schema` ([`AvroFields`](crate::AvroFields)), `avro_metadata`
/// ([`AvroMetadata`](crate::AvroMetadata)), `avro_blocks` ([`AvroBlocks`](crate::AvroBlocks)), `avro_damage`
/// ([`AvroDamage`](crate::AvroDamage)) and `avro_index` ([`AvroIndex`](crate::AvroIndex)).
/// Paths may be URLs of S3, Google Cloud Storage, Azure and web servers, in any statement of the session, see
/// [`ObjectStores`](crate::ObjectStores).
pub fn enable(ctx: &SessionContext) -> Result<()> {
    enable_with(ctx, AvroOptions::default())
}

/// As [`enable`], with other options than the default ones.
pub fn enable_with(ctx: &SessionContext, options: AvroOptions) -> Result<()> {
    stores::install(ctx)?;
    let others = DynamicListTableFactory::default();
    others.session_store().with_state(ctx.state_weak_ref());
    let urls = AvroUrlTableFactory::new(options.clone(), others);

    let state = ctx.state_ref();
    let mut state = state.write();
    if !state.physical_optimizers().iter().any(|rule| rule.name() == NarrowUnnested::NAME) {
        let builder = SessionStateBuilder::new_from_existing(state.clone());
        *state = builder.with_physical_optimizer_rule(Arc::new(NarrowUnnested)).build();
    }
    state.register_file_format(Arc::new(AvroFormatFactory::new(options.clone())), true)?;
    functions::register(&mut state, &options)?;
    state.table_factories_mut().insert("AVRO".to_owned(), Arc::new(AvroTableFactory::new(options)));
    compat::register(&mut state)?;
    let catalogs = Arc::clone(state.catalog_list());
    state.register_catalog_list(Arc::new(DynamicFileCatalog::new(catalogs, Arc::new(urls))));
    Ok(())
}

/// Avro tables for a [`SessionContext`]. Needs nothing else of this crate to be registered.
#[async_trait]
pub trait AvroContext {
    /// Registers the files at these paths as a table. A path may be a file, a directory (taken with all below it), a glob, or
    /// the URL of any of these in an object store.
    async fn register_avro(
        &self,
        name: impl Into<TableReference> + Send,
        paths: impl Into<Paths> + Send,
        options: AvroOptions,
    ) -> Result<()>;

    /// The rows of the files at these paths.
    async fn read_avro(&self, paths: impl Into<Paths> + Send, options: AvroOptions) -> Result<DataFrame>;
}

#[async_trait]
impl AvroContext for SessionContext {
    async fn register_avro(
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

    async fn read_avro(&self, paths: impl Into<Paths> + Send, options: AvroOptions) -> Result<DataFrame> {
        let paths = paths.into();
        stores::install(self)?;
        self.read_table(Arc::new(AvroTable::try_new(&self.state(), paths, options).await?))
    }
}
