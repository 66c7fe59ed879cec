//! Listings that the steps of planning one statement share.
//!
//! What a name means, its columns, its row count and its scan each need the files of a location, and DataFusion asks
//! for each without saying for which statement. The task that plans says it: the listings are a value of the task.

use crate::listing::listed::Listing;
use crate::listing::location::Location;
use object_store::ObjectStore;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static LISTINGS: SharedListings;
}

/// Listings that the steps of planning one statement share, so that each location is listed once.
///
/// Without it, a query lists a directory two or three times: to know its format, for its columns, and for its scan.
/// With it, the query also sees the same files in each step. Block indexes are looked for by a listing of their own.
/// Use a new value for each statement, so that each sees new files, and only to plan: a statement that writes changes
/// what it has listed.
///
/// ```
/// # use avro_datafusion::{SharedListings, new_session};
/// # use datafusion::physical_plan::collect;
/// # use datafusion::prelude::SessionConfig;
/// # async fn run() -> datafusion::error::Result<()> {
/// let ctx = new_session(SessionConfig::new())?;
/// let plan = SharedListings::default()
///     .scope(async { ctx.sql("SELECT count(*) FROM 's3://lake/events/'").await?.create_physical_plan().await })
///     .await?;
/// let batches = collect(plan, ctx.task_ctx()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct SharedListings(Arc<Mutex<HashMap<ListingKey, Kept>>>);

/// A location in a store, by the store's address, and the extension of data files.
type ListingKey = (usize, Location, String);

/// The store is kept with its files, so that no other has its address.
#[derive(Debug)]
struct Kept {
    listing: Listing,
    _store: Arc<dyn ObjectStore>,
}

impl SharedListings {
    /// Runs work that uses these listings and adds to them. Tasks that the work spawns do not.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        LISTINGS.scope(self.clone(), work).await
    }
}

/// Returns all files of a location, if the task has listed them.
pub(super) fn get(store: &Arc<dyn ObjectStore>, location: &Location, extension: &str) -> Option<Listing> {
    let listings = LISTINGS.try_with(SharedListings::clone).ok()?;
    let kept = listings.0.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get(&key(store, location, extension)).map(|kept| kept.listing.clone())
}

/// Keeps all files of a location, if the task shares its listings.
pub(super) fn put(store: &Arc<dyn ObjectStore>, location: &Location, extension: &str, listing: &Listing) {
    if let Ok(listings) = LISTINGS.try_with(SharedListings::clone) {
        let kept = Kept { listing: listing.clone(), _store: Arc::clone(store) };
        listings.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key(store, location, extension), kept);
    }
}

fn key(store: &Arc<dyn ObjectStore>, location: &Location, extension: &str) -> ListingKey {
    (Arc::as_ptr(store).cast::<()>().addr(), location.clone(), extension.to_owned())
}
