//! Read-ahead: fetches a file's bytes in order, with the next requests in flight while a piece is decoded.
//!
//! | | local files | object stores |
//! |---|---|---|
//! | pieces | 256 KiB first, then 1 MiB | of equal size, about 8 MiB |
//! | in flight meanwhile | one | see [`ReadaheadPolicy::new`] |
//! | pieces with a row limit | 256 KiB first, then 1 MiB | 128 KiB first, doubling up to 8 MiB |
//! | in flight with a row limit | one, once pieces have 1 MiB | one, once pieces have 1 MiB |
//!
//! Bytes in flight or being decoded are charged to the session's memory pool. An exhausted pool makes pieces smaller
//! and stops read-ahead, but never fails a query.

use crate::io::object_version::{FetchedBytes, ObjectSnapshot};
use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::Count;
use object_store::ObjectStore;
use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of the first and of later pieces of a local file. Larger pieces leave the CPU cache before they are decoded.
const LOCAL_FIRST: u64 = 256 << 10;
const LOCAL: u64 = 1 << 20;
/// Bytes of pieces of remote objects. A request takes some tens of milliseconds, in which a connection transfers a few
/// megabytes.
pub(crate) const REMOTE: u64 = 8 << 20;
/// With a row limit: bytes of a remote object's first piece, and the piece size from which on read-ahead starts.
const FEW_FIRST: u64 = 128 << 10;
const FEW_LARGE: u64 = 1 << 20;
/// Bytes read at once past the end of a range, to complete its last block and see the next one. Writers close blocks at
/// 16 to 64 KiB.
const TAIL_BYTES: u64 = 192 << 10;
/// Remote pieces in flight for all partitions of a scan together, and the bounds per partition.
const MAX_IN_FLIGHT: usize = 8;
const MIN_IN_FLIGHT_PER_SCAN: usize = 2;
const MAX_IN_FLIGHT_PER_SCAN: usize = 6;
/// Bytes of a piece if the memory pool is exhausted.
const SCARCE: u64 = 512 << 10;

/// Sizes of pieces and how many are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadaheadPolicy {
    /// Bytes of the first piece, and of the largest.
    first: u64,
    largest: u64,
    /// Whether all pieces have about the same size.
    even: bool,
    /// Pieces in flight while one is decoded, once pieces have `ahead_from` bytes.
    ahead: usize,
    ahead_from: u64,
}

impl ReadaheadPolicy {
    /// Returns the policy for a scan with this many partitions and row limit.
    pub(crate) fn new(is_local: bool, limit: Option<usize>, partitions: usize) -> ReadaheadPolicy {
        let ahead = (MAX_IN_FLIGHT / partitions.max(1)).clamp(MIN_IN_FLIGHT_PER_SCAN, MAX_IN_FLIGHT_PER_SCAN);
        match (is_local, limit) {
            (true, limit) => {
                let ahead_from = if limit.is_some() { LOCAL } else { 0 };
                ReadaheadPolicy { first: LOCAL_FIRST, largest: LOCAL, even: false, ahead: 1, ahead_from }
            }
            (false, None) => ReadaheadPolicy { first: REMOTE, largest: REMOTE, even: true, ahead, ahead_from: 0 },
            (false, Some(_)) => {
                ReadaheadPolicy { first: FEW_FIRST, largest: REMOTE, even: false, ahead: 1, ahead_from: FEW_LARGE }
            }
        }
    }
}

/// An object to read.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) version: Arc<ObjectSnapshot>,
    /// Path or URL, for errors.
    pub(crate) name: String,
    /// Memory consumer. Reservations are split from it; it holds none itself.
    pub(crate) memory: Arc<MemoryReservation>,
}

/// Reads one file from a position on.
pub(crate) struct Fetch {
    object: Object,
    readahead: ReadaheadPolicy,
    /// Start of the next piece to request.
    position: u64,
    /// End of the wanted bytes, and the end of what may be requested.
    wanted_end: u64,
    end: u64,
    /// Bytes of the next piece, and of the next one past the wanted bytes.
    piece: u64,
    tail: u64,
    /// Pieces in flight, in order. Dropping one cancels its request.
    pending: VecDeque<PendingFetch>,
    /// Reservation of the piece returned last, which is being decoded.
    decoded: Option<MemoryReservation>,
    /// The open file, for local files.
    file: Option<File>,
    bytes_scanned: Count,
}

/// A piece in flight.
struct PendingFetch {
    task: SpawnedTask<Result<FetchedBytes>>,
    memory: MemoryReservation,
}

impl Fetch {
    /// Reads the `wanted` bytes of an object, and bytes after them on demand.
    pub(crate) fn new(object: Object, wanted: Range<u64>, readahead: ReadaheadPolicy, bytes_scanned: Count) -> Self {
        let end = object.version.len();
        Self::within(
            object,
            wanted.start..wanted.end.saturating_add(TAIL_BYTES).min(end),
            end,
            readahead,
            bytes_scanned,
        )
    }

    /// Reads the `wanted` bytes of an object and nothing else.
    pub(crate) fn exact_range(
        object: Object,
        wanted: Range<u64>,
        readahead: ReadaheadPolicy,
        bytes_scanned: Count,
    ) -> Self {
        let end = wanted.end;
        Self::within(object, wanted, end, readahead, bytes_scanned)
    }

    fn within(object: Object, wanted: Range<u64>, end: u64, readahead: ReadaheadPolicy, bytes_scanned: Count) -> Self {
        let wanted_end = wanted.end;
        let bytes = wanted_end.saturating_sub(wanted.start);
        let piece = match readahead.even {
            true => bytes.div_ceil(((bytes + readahead.first / 2) / readahead.first).max(1)),
            false => readahead.first,
        };
        Fetch {
            object,
            readahead,
            position: wanted.start,
            wanted_end,
            end,
            piece,
            tail: TAIL_BYTES,
            pending: VecDeque::new(),
            decoded: None,
            file: None,
            bytes_scanned,
        }
    }

    /// Returns the next piece; `None` at the end. `awaited` is the block the decoder is in, if it knows.
    pub(crate) async fn next(&mut self, awaited: Option<Range<u64>>) -> Result<Option<Bytes>> {
        // The previous piece has been decoded as far as possible.
        self.decoded = None;
        if self.readahead.even {
            self.read_ahead();
        }
        let Some(next) = self.pending.pop_front().or_else(|| self.start(awaited)) else { return Ok(None) };
        let PendingFetch { task, memory } = next;
        let piece = task.join_unwind().await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        self.bytes_scanned.add(piece.bytes.len());
        self.decoded = Some(memory);
        self.file = piece.file;
        self.read_ahead();
        Ok(Some(piece.bytes))
    }

    /// Requests pieces up to the policy's limit, as far as memory allows.
    fn read_ahead(&mut self) {
        while self.pending.len() < self.readahead.ahead && self.piece >= self.readahead.ahead_from {
            let Some(range) = self.range(self.piece).filter(|range| range.start < self.wanted_end) else { return };
            let memory = self.object.memory.new_empty();
            if memory.try_grow(bytes_of(&range)).is_err() {
                return;
            }
            self.spawn(range, memory);
        }
    }

    /// Requests the next piece, if there is one; nothing is in flight.
    fn start(&mut self, awaited: Option<Range<u64>>) -> Option<PendingFetch> {
        let mut range = self.range(self.enough(awaited))?;
        let memory = self.object.memory.new_empty();
        if memory.try_grow(bytes_of(&range)).is_err() {
            // Without one piece nothing can proceed. It is charged to the pool, so that others see the shortage.
            range.end = range.end.min(range.start + SCARCE);
            memory.grow(bytes_of(&range));
        }
        self.spawn(range, memory);
        self.pending.pop_front()
    }

    /// Returns the bytes the decoder needs to continue.
    fn enough(&self, awaited: Option<Range<u64>>) -> u64 {
        let is_tail = self.position >= self.wanted_end;
        let bytes = match awaited {
            // After the last block of a range the decoder looks at the next one, which is likely about as large.
            Some(block) if is_tail => {
                let next = (block.end - block.start).saturating_mul(5) / 4;
                block.end.saturating_add(next).saturating_sub(self.position)
            }
            Some(block) => self.piece.max(block.end.saturating_sub(self.position)),
            None if is_tail => self.tail,
            None => self.piece,
        };
        bytes.min(self.readahead.largest.max(self.piece))
    }

    /// Returns the next range of at most `bytes`. Within the wanted range it stops at its end; past it, at the end of
    /// the object.
    fn range(&self, bytes: u64) -> Option<Range<u64>> {
        let limit = if self.position < self.wanted_end { self.wanted_end } else { self.end };
        let range = self.position..self.position.saturating_add(bytes).min(limit);
        (!range.is_empty()).then_some(range)
    }

    /// Requests bytes in a task of its own, so that they arrive while the caller decodes.
    fn spawn(&mut self, range: Range<u64>, memory: MemoryReservation) {
        if range.start >= self.wanted_end {
            self.tail = self.tail.saturating_mul(2).min(self.readahead.largest);
        } else if !self.readahead.even {
            self.piece = self.piece.saturating_mul(2).min(self.readahead.largest);
        }
        self.position = range.end;
        let (object, file) = (self.object.clone(), self.file.take());
        let task = SpawnedTask::spawn(async move {
            let Object { store, version, name, .. } = object;
            match file {
                Some(file) => version.read_on(file, range, &name).await,
                None => version.read(store.as_ref(), range, &name).await,
            }
        });
        self.pending.push_back(PendingFetch { task, memory });
    }
}

fn bytes_of(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool, UnboundedMemoryPool};
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStoreExt, PutPayload};

    const K: u64 = 1 << 10;

    /// A store with one object of this size, whose bytes tell their offset.
    async fn object(len: u64, pool: Arc<dyn MemoryPool>) -> (Object, Arc<InMemory>) {
        let store = Arc::new(InMemory::new());
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        bytes.chunks_mut(K as usize).enumerate().for_each(|(k, chunk)| chunk.fill((k % 251) as u8));
        store.put(&Path::from("x"), PutPayload::from(bytes)).await.unwrap();
        let version = Arc::new(ObjectSnapshot::new(store.head(&Path::from("x")).await.unwrap()));
        let memory = Arc::new(MemoryConsumer::new("AvroScan[0]").register(&pool));
        (Object { store: Arc::clone(&store) as _, version, name: "x".to_owned(), memory }, store)
    }

    #[tokio::test]
    async fn fetch_follows_policy() {
        let readahead = ReadaheadPolicy::new;
        let (local, few_local) = (readahead(true, None, 2), readahead(true, Some(10), 2));
        let (remote, few) = (readahead(false, None, 2), readahead(false, Some(10), 2));
        // Wanted range and file size; then the pieces if everything is read, and how many are in flight after the
        // first. In KiB.
        type Case = (ReadaheadPolicy, Range<u64>, u64, &'static [u64], usize);
        let cases: &[Case] = &[
            (local, 0..0, 0, &[], 0),
            (local, 4..10, 10, &[6], 0),
            (local, 0..3000, 3000, &[256, 512, 1024, 1024, 184], 1),
            (few_local, 0..3000, 3000, &[256, 512, 1024, 1024, 184], 0),
            // To the end of the range plus the tail, then further on demand.
            (local, 100..200, 2000, &[256, 36, 192, 384, 768, 264], 1),
            (local, 1900..2000, 2000, &[100], 0),
            (remote, 0..0, 0, &[], 0),
            (remote, 64..100, 100, &[36], 0),
            (remote, 0..12000, 12000, &[12000], 0),
            (remote, 0..13000, 13000, &[6500, 6500], 1),
            (remote, 5..26005, 26005, &[8667, 8667, 8666], 2),
            (remote, 0..100000, 100000, &[8334; 11], 4),
            (remote, 0..10000, 10400, &[10192, 192, 16], 0),
            // The wanted bytes came with the header.
            (remote, Range { start: 300, end: 100 }, 2000, &[192, 384, 768, 356], 0),
            (few, 64..20000, 20000, &[128, 256, 512, 1024, 2048, 4096, 8192, 3680], 0),
        ];
        for (readahead, wanted, len, expected, ahead) in cases {
            let case = format!("{wanted:?} of {len}, {readahead:?}");
            let (object, _) = object(len * K, Arc::new(UnboundedMemoryPool::default())).await;
            let mut fetch = Fetch::new(object, wanted.start * K..wanted.end * K, *readahead, Count::new());
            let (mut at, mut pieces) = (wanted.start * K, vec![]);
            while let Some(bytes) = fetch.next(None).await.unwrap() {
                if pieces.is_empty() {
                    assert_eq!(fetch.pending.len(), *ahead, "{case}");
                }
                let expected = (at..at + bytes.len() as u64).step_by(100).map(|at| (at / K % 251) as u8);
                assert!(bytes.iter().copied().step_by(100).eq(expected), "{case}");
                at += bytes.len() as u64;
                pieces.push((bytes.len() as u64).div_ceil(K));
            }
            let expected = match *expected {
                [8334, ..] => vec![8334; 12], // the last of them is smaller by a little
                expected => expected.to_vec(),
            };
            assert_eq!(pieces.len(), expected.len(), "{case}: {pieces:?}");
            assert!(pieces.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 8), "{case}: {pieces:?}");
            assert_eq!(at, (len * K).max(wanted.start * K), "{case}");
        }
    }

    #[tokio::test]
    async fn fetch_requests_the_awaited_block() {
        let (few, remote) = (ReadaheadPolicy::new(false, Some(10), 1), ReadaheadPolicy::new(false, None, 1));
        // Wanted range, the block awaited after the first piece, and the pieces, in KiB.
        type Case = (ReadaheadPolicy, Range<u64>, Range<u64>, &'static [u64]);
        let cases: &[Case] = &[
            (few, 0..9000, 100..150, &[128, 256]),
            (few, 0..9000, 100..700, &[128, 572]),
            (few, 0..90000, 100..60000, &[128, 8192]),
            // The rest of the block, plus one and a quarter of its size.
            (remote, 0..8, 150..300, &[200, 287]),
            (remote, 0..8, 150..50000, &[200, 8192]),
        ];
        for (readahead, wanted, awaited, expected) in cases {
            let (object, _) = object(90000 * K, Arc::new(UnboundedMemoryPool::default())).await;
            let mut fetch = Fetch::new(object, wanted.start * K..wanted.end * K, *readahead, Count::new());
            let mut pieces = vec![];
            for awaited in [None, Some(awaited.start * K..awaited.end * K)] {
                pieces.push(fetch.next(awaited).await.unwrap().unwrap().len() as u64 / K);
            }
            assert_eq!(pieces, *expected, "{wanted:?} {awaited:?}");
        }
    }

    #[tokio::test]
    async fn fetch_charges_memory_and_survives_exhaustion() {
        const LEN: u64 = 40 << 20;
        for pool_bytes in [usize::MAX, 20 << 20, 4 << 20, 0] {
            let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(pool_bytes));
            let (object, _) = object(LEN, Arc::clone(&pool)).await;
            let mut fetch = Fetch::new(object, 0..LEN, ReadaheadPolicy::new(false, None, 1), Count::new());
            let (mut read, mut most) = (0, 0);
            while let Some(bytes) = fetch.next(None).await.unwrap() {
                assert!(pool.reserved() >= bytes.len(), "{pool_bytes}");
                most = most.max(pool.reserved());
                read += bytes.len() as u64;
            }
            assert_eq!(read, LEN);
            assert!(most <= pool_bytes.max(SCARCE as usize), "{pool_bytes}: {most}");
            drop(fetch);
            assert_eq!(pool.reserved(), 0, "all is given back");
        }
    }

    #[tokio::test]
    async fn fetch_fails_if_the_object_changes() {
        for limit in [None, Some(10)] {
            let (object, store) = object(40 << 20, Arc::new(UnboundedMemoryPool::default())).await;
            let version = Arc::clone(&object.version);
            let mut fetch = Fetch::new(object, 0..(40 << 20), ReadaheadPolicy::new(false, limit, 6), Count::new());
            fetch.next(None).await.unwrap().unwrap();
            assert!(!version.is_stale());
            store.put(&Path::from("x"), PutPayload::from(vec![0; 40 << 20])).await.unwrap();
            let mut last = fetch.next(None).await;
            while let Ok(Some(_)) = last {
                last = fetch.next(None).await;
            }
            let error = last.unwrap_err().to_string();
            assert!(error.contains("x: the file changed while it was read"), "{error}");
            assert!(version.is_stale());
        }
    }
}
