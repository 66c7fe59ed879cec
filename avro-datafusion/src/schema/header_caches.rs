//! The header caches of a session: a statement that is planned more than once creates its tables again, and so does the
//! next statement, but headers are read once.

use crate::options::read::AvroOptions;
use crate::schema::header_cache::HeaderCache;
use datafusion::catalog::Session;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of caches. The one that was used least recently is dropped.
const CACHES_MAX: usize = 8;

/// The header caches of a session, one for each set of options. It is an extension of the session's configuration.
#[derive(Debug, Default)]
pub(crate) struct HeaderCaches(Mutex<Vec<Arc<HeaderCache>>>);

impl HeaderCaches {
    /// Returns the session's cache for these options; a new one, if the session has no caches.
    pub(crate) fn of(session: &dyn Session, options: AvroOptions) -> Arc<HeaderCache> {
        let Some(caches) = session.config().get_extension::<HeaderCaches>() else {
            return Arc::new(HeaderCache::new(options));
        };
        let mut caches = caches.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = match caches.iter().position(|cache| *cache.options() == options) {
            Some(known) => caches.remove(known),
            None => Arc::new(HeaderCache::new(options)),
        };
        if caches.len() >= CACHES_MAX {
            caches.remove(0);
        }
        caches.push(Arc::clone(&cache));
        cache
    }
}
