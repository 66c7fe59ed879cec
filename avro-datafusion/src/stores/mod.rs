//! Object stores that are created from their URL when first used.
//!
//! A session asks `registry` for stores; it creates those it does not know. They are `lazy`: credentials and regions
//! are looked up, and clients created, on first use, so that a session costs nothing that its queries do not need.
//! `settings` holds the options of a table; `aws` and `clouds` create stores from these and the environment; `explain`
//! adds advice to errors; `staged` keeps written objects back until a statement has succeeded. Without the cargo
//! feature `cloud`, all such URLs are errors that say so.

#[cfg(feature = "cloud")]
mod aws;
#[cfg(feature = "cloud")]
mod clouds;
mod configure;
#[cfg(feature = "cloud")]
mod explain;
#[cfg(feature = "cloud")]
mod lazy;
mod registry;
mod settings;
mod staged;

pub use configure::configure;
pub use registry::ObjectStores;
pub(crate) use registry::install;
pub use staged::StagedWrites;

use url::Url;

/// A kind of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Amazon S3 and compatible services.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage and Data Lake.
    Azure,
    /// Any web server.
    Http,
}

/// All services.
const SERVICES: [Service; 4] = [Service::S3, Service::Gcs, Service::Azure, Service::Http];

impl Service {
    /// Returns the service of a URL.
    pub(crate) fn from_url(url: &Url) -> Option<Service> {
        SERVICES.into_iter().find(|service| service.schemes().contains(&url.scheme()))
    }

    /// Returns the URL schemes.
    pub(crate) fn schemes(self) -> &'static [&'static str] {
        match self {
            Service::S3 => &["s3", "s3a"],
            Service::Gcs => &["gs"],
            Service::Azure => &["az", "azure", "abfs", "abfss", "adl"],
            Service::Http => &["http", "https"],
        }
    }

    /// Returns the prefix of its options.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Service::S3 => "aws",
            Service::Gcs => "gcp",
            Service::Azure => "azure",
            Service::Http => "http",
        }
    }
}
