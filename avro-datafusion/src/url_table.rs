//! `SELECT .. FROM 'path'`: the name of a table that nobody registered in, the table of the files it stands for out.
//!
//! Avro is read here; anything else is left to DataFusion, which goes by the file's extension. DataFusion turns whatever goes
//! wrong into "table not found"; where the name is plainly a path, this says what is wrong with the path.

use crate::listing::{Found, list};
use crate::location::{Location, has_extension};
use crate::options::AvroOptions;
use crate::table::AvroTable;
use async_trait::async_trait;
use datafusion::catalog::{TableProvider, UrlTableFactory};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::datasource::dynamic_file::DynamicListTableFactory;
use datafusion::execution::SessionState;
use object_store::ObjectStoreExt;
use std::sync::Arc;

/// The first bytes of an Avro container file.
const MAGIC: &[u8] = b"Obj\x01";

/// Makes tables of paths.
#[derive(Debug)]
pub struct AvroUrlTableFactory {
    options: AvroOptions,
    others: DynamicListTableFactory,
}

impl AvroUrlTableFactory {
    /// A factory of tables with these options. `others` makes the tables that are not Avro, and holds the session that both
    /// belong to.
    pub fn new(options: AvroOptions, others: DynamicListTableFactory) -> Self {
        AvroUrlTableFactory { options, others }
    }

    fn session(&self) -> Result<SessionState> {
        let session = self.others.session_store().get_session().upgrade();
        let state = session.and_then(|session| session.read().as_any().downcast_ref::<SessionState>().cloned());
        state.ok_or_else(|| DataFusionError::Internal("the session is gone".to_owned()))
    }

    async fn avro(&self, session: &SessionState, url: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(Some(Arc::new(AvroTable::try_new(session, url, self.options.clone()).await?)))
    }
}

#[async_trait]
impl UrlTableFactory for AvroUrlTableFactory {
    async fn try_new(&self, url: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let session = self.session()?;
        let is_avro = url.to_ascii_lowercase().ends_with(&self.options.file_extension.to_ascii_lowercase());
        if is_avro && !self.options.file_extension.is_empty() {
            return self.avro(&session, url).await;
        }
        let found = match Location::parse(url) {
            Ok(locations) => kind(&session, &locations, &self.options).await,
            Err(e) => Err(e),
        };
        match found {
            Ok(Kind::Avro) => self.avro(&session, url).await,
            Ok(Kind::Missing) => plan_err!("no such file or directory: {url}"),
            Ok(Kind::Nothing) if is_path(url) => plan_err!("no files at {url}"),
            Ok(Kind::Nothing) => Ok(None),
            Ok(Kind::Other) => match self.others.try_new(url).await? {
                None if is_path(url) => plan_err!("{url} has no files of a format that is known here"),
                table => Ok(table),
            },
            // A name without anything of a path in it is just the name of a table that does not exist.
            Err(e) if is_path(url) => Err(e),
            Err(_) => Ok(None),
        }
    }
}

/// What the files at a location are.
enum Kind {
    Avro,
    Other,
    Nothing,
    /// Not even the directory.
    Missing,
}

/// Looks at names first, and at the first file's first bytes where they say nothing.
async fn kind(session: &SessionState, locations: &[Location], options: &AvroOptions) -> Result<Kind> {
    if locations.iter().all(Location::is_missing) {
        return Ok(Kind::Missing);
    }
    let is_avro = |file: &Found| has_extension(&file.object.location, &options.file_extension);
    let listings = list(locations, session.runtime_env(), "", None).await?;
    let Some(listing) = listings.iter().find(|listing| !listing.files.is_empty()) else {
        return Ok(match listings.iter().all(|listing| listing.empty == 0) {
            true => Kind::Nothing,
            false => Kind::Other,
        });
    };
    match listing.files.first() {
        // Of a directory the Avro files are taken; of a glob everything.
        Some(first)
            if !listing.location.is_directory() || listing.location.below(&first.object.location).is_empty() =>
        {
            match is_avro(first) || starts_avro(first).await? {
                true => Ok(Kind::Avro),
                false => Ok(Kind::Other),
            }
        }
        _ if listing.files.iter().any(is_avro) => Ok(Kind::Avro),
        _ => Ok(Kind::Other),
    }
}

async fn starts_avro(file: &Found) -> Result<bool> {
    let len = MAGIC.len() as u64;
    Ok(file.object.size >= len && file.store.get_range(&file.object.location, 0..len).await? == MAGIC)
}

/// Does this look like a path rather than the name of a table?
fn is_path(name: &str) -> bool {
    name.contains(['/', '\\', '*', '?', '[', '{'])
}
