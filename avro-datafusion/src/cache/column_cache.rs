//! The decoded columns that a session keeps in memory, the least recently used of which leave first.

use super::columns::{CachedColumn, FileColumns};
use crate::block_index::format::Identity;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::prelude::SessionConfig;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of files of which scans are remembered. When there are more, all are forgotten.
const FILES_MAX: usize = 100_000;
/// Columns that one of the last 16 scans used stay when another scan needs room. Otherwise files that do not fit
/// together would displace each other in every query.
const SCANS_KEPT: u64 = 16;

/// Decoded columns of files, kept in memory by a session.
///
/// A scan that reads a file as a whole, after an earlier statement did, keeps the columns that it decodes; with the
/// option `cache` = `memory`, the first scan does. Later scans take the columns from memory if the file has not
/// changed.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use datafusion::execution::memory_pool::FairSpillPool;
/// # use datafusion::execution::runtime_env::RuntimeEnvBuilder;
/// # use datafusion::prelude::{SessionConfig, SessionContext};
/// # fn session() -> datafusion::error::Result<SessionContext> {
/// let columns = avro_datafusion::cache::ColumnCache::new(4 << 30);
/// let pool = columns.memory_pool(Arc::new(FairSpillPool::new(8 << 30)));
/// let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
/// let config = columns.install(SessionConfig::new());
/// let ctx = SessionContext::new_with_config_rt(config, runtime);
/// avro_datafusion::register_all(&ctx)?;
/// # Ok(ctx)
/// # }
/// ```
pub struct ColumnCache {
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Increases with each scan that is planned.
    clock: u64,
    bytes: usize,
    files: HashMap<String, Arc<FileColumns>>,
    /// When each file was first read as a whole.
    asked: HashMap<String, u64>,
    /// Files whose columns are being decoded.
    loading: HashMap<String, Arc<tokio::sync::Mutex<()>>>,
}

impl ColumnCache {
    /// Creates a cache that keeps at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Arc<ColumnCache> {
        Arc::new(ColumnCache { max_bytes, state: Mutex::default() })
    }

    /// Returns this configuration with the cache, for sessions that use it. A cache of 0 bytes is not used: its scans
    /// would decode columns in vain.
    pub fn install(self: &Arc<Self>, config: SessionConfig) -> SessionConfig {
        match self.max_bytes {
            0 => config,
            _ => config.with_extension(Arc::clone(self)),
        }
    }

    /// Returns a memory pool that drops columns before it refuses memory to an operator. Columns that a running query
    /// reads stay until it ends.
    pub fn memory_pool(self: &Arc<Self>, pool: Arc<dyn MemoryPool>) -> Arc<dyn MemoryPool> {
        Arc::new(YieldingPool { pool, columns: Arc::clone(self) })
    }

    /// Returns the bytes of the columns that are kept.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Drops all columns.
    pub fn clear(&self) {
        let mut state = self.lock();
        let files = std::mem::take(&mut state.files);
        state.bytes -= files.values().map(|file| file.bytes()).sum::<usize>();
        // Dropping columns calls the memory pool.
        drop(state);
        drop(files);
    }

    /// Returns the time, for a scan that is being planned.
    pub(crate) fn tick(&self) -> u64 {
        let mut state = self.lock();
        state.clock += 1;
        state.clock
    }

    /// Records that a scan reads this file as a whole, and returns whether one that was planned before `now` did.
    pub(super) fn ask(&self, name: &str, now: u64) -> bool {
        let mut state = self.lock();
        let clock = state.clock;
        if let Some(first) = state.asked.get(name) {
            return *first < now;
        }
        if state.asked.len() >= FILES_MAX {
            state.asked.clear();
        }
        state.asked.insert(name.to_owned(), clock);
        false
    }

    /// Returns whether there are no columns.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().files.is_empty()
    }

    /// Returns whether there are columns of this file, of whatever version.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.lock().files.contains_key(name)
    }

    /// Returns the columns of this version of a file.
    pub(crate) fn get(&self, name: &str, identity: &Identity) -> Option<Arc<FileColumns>> {
        let mut state = self.lock();
        let known = state.files.get(name)?;
        if known.identity.differs(identity).is_none() {
            return Some(Arc::clone(known));
        }
        let stale = state.files.remove(name)?;
        state.bytes -= stale.bytes();
        drop(state);
        drop(stale);
        None
    }

    /// Adds columns of a file, for which there is room, and returns all of it.
    pub(super) fn insert(&self, name: &str, columns: FileColumns, mut room: Room) -> Arc<FileColumns> {
        let mut state = self.lock();
        let old = state.files.remove(name);
        let columns = Arc::new(match &old {
            Some(old) if old.identity.differs(&columns.identity).is_none() => old.with(columns),
            _ => columns,
        });
        let clock = state.clock;
        columns.columns().iter().filter(|column| column.used() == 0).for_each(|column| column.touch(clock));
        let taken = std::mem::take(&mut room.bytes) + old.as_ref().map_or(0, |old| old.bytes());
        state.bytes = state.bytes + columns.bytes() - taken;
        state.files.insert(name.to_owned(), Arc::clone(&columns));
        drop(state);
        drop(old);
        columns
    }

    /// Drops the columns of a file.
    pub(crate) fn remove(&self, name: &str) {
        let mut state = self.lock();
        let gone = state.files.remove(name);
        state.bytes -= gone.as_ref().map_or(0, |gone| gone.bytes());
        drop(state);
        drop(gone);
    }

    /// Returns the lock under which the columns of a file are decoded, so that two scans do not decode the same.
    pub(super) fn loading(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut state = self.lock();
        if state.loading.len() >= FILES_MAX {
            state.loading.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(state.loading.entry(name.to_owned()).or_default())
    }

    /// Drops the least recently used columns that may go until `bytes` are free. Returns the bytes that are.
    fn evict(&self, bytes: usize, may_go: impl Fn(&CachedColumn) -> bool) -> usize {
        let mut state = self.lock();
        // A running query may have the others.
        let idle = state.files.iter().filter(|(_, file)| Arc::strong_count(file) == 1);
        let mut candidates: Vec<_> = idle
            .flat_map(|(name, file)| file.columns().iter().map(move |column| (column.used(), name, column)))
            .filter(|(_, _, column)| may_go(column))
            .collect();
        candidates.sort_unstable_by_key(|(used, _, _)| *used);
        let mut freed = 0;
        let mut gone: HashMap<String, Vec<Arc<CachedColumn>>> = HashMap::new();
        for (_, name, column) in candidates {
            if freed >= bytes {
                break;
            }
            freed += column.bytes();
            gone.entry(name.clone()).or_default().push(Arc::clone(column));
        }
        for (name, columns) in &gone {
            if let Some(file) = state.files.remove(name) {
                let left = file.without(|column| columns.iter().any(|gone| Arc::ptr_eq(gone, column)));
                if !left.columns().is_empty() {
                    state.files.insert(name.clone(), Arc::new(left));
                }
            }
        }
        state.bytes -= freed;
        drop(state);
        drop(gone);
        freed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ColumnCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnCache").field("max_bytes", &self.max_bytes).field("bytes", &self.bytes()).finish()
    }
}

/// Bytes of the cache for columns that are being decoded.
pub(super) struct Room {
    cache: Arc<ColumnCache>,
    bytes: usize,
}

impl Room {
    pub(super) fn new(cache: &Arc<ColumnCache>) -> Room {
        Room { cache: Arc::clone(cache), bytes: 0 }
    }

    /// Takes `bytes` in all, and returns whether there is room.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let cache = &self.cache;
        let (clock, kept) = {
            let state = cache.lock();
            (state.clock, state.bytes - self.bytes)
        };
        let excess = (kept + bytes).saturating_sub(cache.max_bytes);
        let has_room = bytes <= cache.max_bytes
            && (excess == 0 || cache.evict(excess, |column| column.used() + SCANS_KEPT < clock) >= excess);
        if has_room {
            let mut state = cache.lock();
            state.bytes = state.bytes - self.bytes + bytes;
            self.bytes = bytes;
        }
        has_room
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.cache.lock().bytes -= self.bytes;
    }
}

/// A memory pool that takes memory back from the columns.
#[derive(Debug)]
struct YieldingPool {
    pool: Arc<dyn MemoryPool>,
    columns: Arc<ColumnCache>,
}

impl fmt::Display for YieldingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.pool, f)
    }
}

impl MemoryPool for YieldingPool {
    fn name(&self) -> &str {
        self.pool.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        loop {
            match self.pool.try_grow(reservation, additional) {
                // What the columns give back may be shared among several operators.
                Err(_) if self.columns.evict(additional, |_| true) > 0 => {}
                done => return done,
            }
        }
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}
