//! Answers that are kept: what was found for ever, what is missing for seconds.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Maximum number of answers. When there are more, those of missing things are dropped first.
const ANSWERS_MAX: usize = 1 << 16;

/// Answers by key. Of several callers that ask for a key at once, one asks the registry.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    slots: Mutex<HashMap<K, Arc<Slot<V>>>>,
    /// For how long a missing answer is kept.
    missing_for: Duration,
}

#[derive(Debug)]
struct Slot<V> {
    /// The answer and when it came; empty while it is asked for, and after that failed.
    answer: OnceCell<(Option<Arc<V>>, Instant)>,
}

impl<K: Eq + Hash, V> Cache<K, V> {
    pub(crate) fn new(missing_for: Duration) -> Self {
        Cache { slots: Mutex::default(), missing_for }
    }

    /// Returns the answer for a key, which `fetch` gets if it is not known. Errors are not kept.
    pub(crate) async fn get(
        &self,
        key: K,
        fetch: impl Future<Output = Result<Option<Arc<V>>>>,
    ) -> Result<Option<Arc<V>>> {
        let slot = self.slot(key);
        let asked = || async { Ok::<_, Error>((fetch.await?, Instant::now())) };
        let (answer, _) = slot.answer.get_or_try_init(asked).await?;
        Ok(answer.clone())
    }

    fn slot(&self, key: K) -> Arc<Slot<V>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= ANSWERS_MAX {
            slots.retain(|_, slot| matches!(slot.answer.get(), Some((Some(_), _))));
            if slots.len() >= ANSWERS_MAX {
                slots.clear();
            }
        }
        let slot = slots.entry(key).or_insert_with(|| Arc::new(Slot { answer: OnceCell::new() }));
        if let Some((None, since)) = slot.answer.get()
            && since.elapsed() >= self.missing_for
        {
            *slot = Arc::new(Slot { answer: OnceCell::new() });
        }
        Arc::clone(slot)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::sleep;

    #[tokio::test]
    async fn found_is_kept_missing_expires_errors_are_not_kept() {
        let cache = Cache::new(Duration::from_millis(50));
        let asked = AtomicUsize::new(0);
        let get = async |key: u32, answer: Result<Option<u32>>| {
            let fetch = async {
                asked.fetch_add(1, Ordering::Relaxed);
                answer.map(|answer| answer.map(Arc::new))
            };
            let found = cache.get(key, fetch).await.map(|found| found.map(|value| *value));
            (found.map_err(|e| e.to_string()), asked.load(Ordering::Relaxed))
        };
        assert_eq!(get(1, Err(Error::setting("down"))).await, (Err("down".to_owned()), 1));
        assert_eq!(get(1, Ok(Some(5))).await, (Ok(Some(5)), 2));
        assert_eq!(get(1, Ok(None)).await, (Ok(Some(5)), 2));
        assert_eq!(get(2, Ok(None)).await, (Ok(None), 3));
        assert_eq!(get(2, Ok(Some(6))).await, (Ok(None), 3));
        sleep(Duration::from_millis(60)).await;
        assert_eq!(get(2, Ok(Some(6))).await, (Ok(Some(6)), 4));
        assert_eq!(get(1, Ok(None)).await, (Ok(Some(5)), 4));
    }

    #[tokio::test]
    async fn concurrent_callers_ask_once() {
        let cache = Cache::new(Duration::from_secs(1));
        let asked = AtomicUsize::new(0);
        let get = || {
            cache.get(1, async {
                asked.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(10)).await;
                Ok(Some(Arc::new(7)))
            })
        };
        let (a, b, c) = tokio::join!(get(), get(), get());
        assert!([a, b, c].into_iter().all(|found| found.unwrap().is_some_and(|value| *value == 7)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
