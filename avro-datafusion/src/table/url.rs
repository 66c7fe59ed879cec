//! `SELECT .. FROM 'path'`: tables by path.
//!
//! Avro files are read here; other files are left to DataFusion, which goes by the extension. DataFusion reports all
//! errors as "table not found"; if the name is clearly a path, this reports what is wrong with the path.

use crate::listing::data_files::compression;
use crate::listing::list::{list, starts_avro};
use crate::listing::location::{Location, expand_home, has_extension, is_local_file};
use crate::options::read::AvroOptions;
use crate::table::provider::AvroTable;
use async_trait::async_trait;
use datafusion::catalog::{TableProvider, UrlTableFactory};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::datasource::dynamic_file::DynamicListTableFactory;
use datafusion::execution::SessionState;
use std::sync::Arc;
use url::Url;

const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// Creates tables from paths.
#[derive(Debug)]
pub struct AvroUrlTableFactory {
    options: AvroOptions,
    others: DynamicListTableFactory,
}

impl AvroUrlTableFactory {
    /// Creates a factory with these options. `others` creates tables that are not Avro, and holds the session of both.
    pub fn new(options: AvroOptions, others: DynamicListTableFactory) -> Self {
        AvroUrlTableFactory { options, others }
    }

    fn session(&self) -> Result<SessionState> {
        let session = self.others.session_store().get_session().upgrade();
        let state = session.and_then(|session| session.read().as_any().downcast_ref::<SessionState>().cloned());
        state.ok_or_else(|| DataFusionError::Internal("the session is gone".to_owned()))
    }

    /// Creates a table of a directory's files that are not Avro. DataFusion reads those with the extension of the first
    /// file, which may be a `_SUCCESS`; a warning names one that it leaves out.
    async fn other_directory(&self, session: &SessionState, url: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let locations = Location::parse(url)?;
        let listings = list(&locations, session.runtime_env(), "", None).await?;
        let files = listings.iter().flat_map(|listing| &listing.files);
        let mut names = files.filter_map(|file| file.object.location.filename());
        let Some(first) = names.next() else { return Ok(None) };
        let table = match self.others.try_new(&plain(url)).await? {
            None => {
                let files = format!("{}/*{}", plain(url).trim_end_matches('/'), extension(first));
                self.others.try_new(&files).await?
            }
            table => table,
        };
        if table.is_some()
            && let Some(other) = names.find(|name| extension(name) != extension(first))
        {
            let warning = format!("{url}: left out {other} and others like it, whose extension is not that of {first}");
            self.options.warn(&warning);
        }
        Ok(table)
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
            Ok(LocationKind::Avro) => self.avro(&session, url).await,
            Ok(LocationKind::Missing) => plan_err!("no such file or directory: {url}"),
            Ok(LocationKind::Nothing) if is_path(url) => plan_err!("no files at {url}"),
            Ok(LocationKind::Nothing) => Ok(None),
            Ok(LocationKind::OtherFile) => match self.others.try_new(&plain(url)).await? {
                // The Avro reader reports what is wrong with the file.
                None => self.avro(&session, url).await,
                table => Ok(table),
            },
            Ok(LocationKind::NoData(reason)) => plan_err!("{url}: no Avro files{reason}"),
            Ok(LocationKind::OtherDirectory(reason)) => match self.other_directory(&session, url).await? {
                None => plan_err!("{url}: no files of a known format{reason}"),
                table => Ok(table),
            },
            // A name that is not a path is that of a missing table.
            Err(e) if is_path(url) => Err(e),
            Err(_) => Ok(None),
        }
    }
}

/// What the files at a location are.
enum LocationKind {
    Avro,
    /// A file that is not Avro by its extension or its first bytes.
    OtherFile,
    /// A directory of other files only; the text is why they are not Avro.
    OtherDirectory(String),
    /// A directory without files of any known format; the text is why.
    NoData(String),
    Nothing,
    /// The directory does not exist.
    Missing,
}

/// Classifies by names first, then by the first bytes of the first file.
async fn kind(session: &SessionState, locations: &[Location], options: &AvroOptions) -> Result<LocationKind> {
    if locations.iter().all(Location::is_missing) {
        return Ok(LocationKind::Missing);
    }
    let listings = list(locations, session.runtime_env(), &options.file_extension, None).await?;
    let Some(listing) = listings.iter().find(|listing| !listing.files.is_empty()) else {
        let mut reason: String = listings.iter().map(|listing| listing.left_out.reason()).collect();
        if listings.iter().any(|listing| listing.left_out.has_bare()) {
            reason.push_str("; read_parquet, read_csv and read_json read files whatever their names");
        }
        return Ok(match listings.iter().any(|listing| listing.left_out.has_others()) {
            true => LocationKind::OtherDirectory(reason),
            false if reason.is_empty() => LocationKind::Nothing,
            false => LocationKind::NoData(reason),
        });
    };
    match listing.files.first() {
        // Directories have been filtered for Avro; globs have not.
        Some(first)
            if !listing.location.is_directory() || listing.location.below(&first.object.location).is_empty() =>
        {
            let is_avro = has_extension(&first.object.location, &options.file_extension)
                || starts_avro(&first.store, &first.object).await?;
            Ok(if is_avro { LocationKind::Avro } else { LocationKind::OtherFile })
        }
        _ => Ok(LocationKind::Avro),
    }
}

/// Returns the compression of a file, by the extension of its name, as DataFusion calls it.
pub(crate) fn compression_name(name: &str) -> Option<&'static str> {
    match compression(name)?.0 {
        "gzip" => Some("gz"),
        "bzip2" => Some("bz2"),
        "xz" => Some("xz"),
        "zstd" => Some("zst"),
        _ => None,
    }
}

/// Returns the extension of a name, including that of a compression.
pub(crate) fn extension(name: &str) -> String {
    let plain = if compression(name).is_some() { name.rsplit_once('.').map_or(name, |(plain, _)| plain) } else { name };
    let from = plain.rfind('.').unwrap_or(plain.len());
    name.get(from..).unwrap_or_default().to_owned()
}

/// Returns the path for DataFusion, which does not know `~/`, and interprets wildcard characters even in names of
/// existing files.
pub(crate) fn plain(path: &str) -> String {
    let path = expand_home(path).unwrap_or_else(|| path.to_owned());
    let url = match path.contains(WILDCARDS) && is_local_file(&path) {
        true => std::path::absolute(&path).ok().and_then(|path| Url::from_file_path(path).ok()),
        false => None,
    };
    url.map_or(path, String::from)
}

/// Returns whether this looks like a path rather than a table name.
fn is_path(name: &str) -> bool {
    name == "-" || name.contains(['/', '\\']) || name.contains(WILDCARDS)
}
