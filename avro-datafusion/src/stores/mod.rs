//! Object stores that nobody registered: the URL of a bucket, account or web server in, its store out.
//!
//! `registry` is what a session asks for stores; it makes those that it does not know. What it makes is `lazy`: credentials and
//! regions are looked for, and clients made, when a store is first used, so that a session costs nothing that no query needs.
//! `settings` is what `CREATE EXTERNAL TABLE .. OPTIONS(..)` says of a store; `aws` and `clouds` make stores of that and of
//! what the environment says; `explain` says what to do about their errors. Without the cargo feature `cloud` all URLs of this
//! kind are errors that say so.

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

pub(crate) use configure::configure;
pub use registry::ObjectStores;
pub(crate) use registry::install;

use url::Url;

/// Who keeps the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Amazon S3, and whatever speaks its language.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage and Data Lake.
    Azure,
    /// Any web server.
    Http,
}

/// All of them.
const SERVICES: [Service; 4] = [Service::S3, Service::Gcs, Service::Azure, Service::Http];

impl Service {
    /// The one that this URL is an address of.
    pub(crate) fn of(url: &Url) -> Option<Service> {
        SERVICES.into_iter().find(|service| service.schemes().contains(&url.scheme()))
    }

    /// What its URLs begin with.
    pub(crate) fn schemes(self) -> &'static [&'static str] {
        match self {
            Service::S3 => &["s3", "s3a"],
            Service::Gcs => &["gs"],
            Service::Azure => &["az", "azure", "abfs", "abfss", "adl"],
            Service::Http => &["http", "https"],
        }
    }

    /// What the names of its options begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Service::S3 => "aws",
            Service::Gcs => "gcp",
            Service::Azure => "azure",
            Service::Http => "http",
        }
    }
}
