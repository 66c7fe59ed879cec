//! A file's bytes, in order: ranged reads of the object store in, pieces of the file out, the next ones under way while one is
//! decoded.
//!
//! | | local files | object stores |
//! |---|---|---|
//! | pieces | 256 KiB at first, 1 MiB then | equal ones of about 8 MiB |
//! | under way meanwhile | one | as many as [`Pace::of`] says |
//! | pieces where few rows may do | the same | 128 KiB at first, doubled up to 8 MiB |
//! | under way then | one, once they have 1 MiB | one, once they have 1 MiB |
//!
//! What is under way or being decoded is accounted to the session's memory pool. A pool that is exhausted makes pieces smaller
//! and lets one come after the other, but never fails a query.

use crate::io::object_version::{Piece, Version};
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

/// Bytes of the first and of the later pieces of a local file: more do not stay in a processor's cache until they are decoded.
const LOCAL_FIRST: u64 = 256 << 10;
const LOCAL: u64 = 1 << 20;
/// Bytes of pieces of remote objects. A request costs some tens of milliseconds, in which a connection brings a few megabytes.
pub(crate) const REMOTE: u64 = 8 << 20;
/// Bytes of a remote object's first piece where few rows may be enough, and from where on more of them are likely wanted.
const FEW_FIRST: u64 = 128 << 10;
const FEW_LARGE: u64 = 1 << 20;
/// Bytes read at once beyond the end of a range, where its last block ends, and the one behind that is looked at: writers
/// close blocks at 16 to 64 KiB.
const OVERHANG: u64 = 192 << 10;
/// Remote pieces that are under way for all partitions of a scan together, and at least and at most for one.
const UNDER_WAY: usize = 8;
const UNDER_WAY_MIN: usize = 2;
const UNDER_WAY_MAX: usize = 6;
/// Bytes of a piece where the memory pool has no room for more.
const SCARCE: u64 = 512 << 10;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Bytes of the first piece, and of the largest.
    first: u64,
    largest: u64,
    /// Are all pieces of one size, so that they come out even?
    even: bool,
    /// Pieces that are under way while one is decoded, once they have so many bytes.
    ahead: usize,
    ahead_from: u64,
}

impl Pace {
    /// For a scan of so many partitions that wants at most `limit` rows of files in this place.
    pub(crate) fn of(is_local: bool, limit: Option<usize>, partitions: usize) -> Pace {
        let ahead = (UNDER_WAY / partitions.max(1)).clamp(UNDER_WAY_MIN, UNDER_WAY_MAX);
        match (is_local, limit) {
            (true, limit) => {
                let ahead_from = if limit.is_some() { LOCAL } else { 0 };
                Pace { first: LOCAL_FIRST, largest: LOCAL, even: false, ahead: 1, ahead_from }
            }
            (false, None) => Pace { first: REMOTE, largest: REMOTE, even: true, ahead, ahead_from: 0 },
            (false, Some(_)) => {
                Pace { first: FEW_FIRST, largest: REMOTE, even: false, ahead: 1, ahead_from: FEW_LARGE }
            }
        }
    }
}

/// What is read, by whom it is accounted for.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) version: Arc<Version>,
    /// What errors call it.
    pub(crate) name: String,
    /// The consumer of memory. Nothing is reserved by itself, only by what is split from it.
    pub(crate) memory: Arc<MemoryReservation>,
}

/// Reads one file from a position on.
pub(crate) struct Fetch {
    object: Object,
    pace: Pace,
    /// Where the next piece begins that has not been asked for.
    position: u64,
    /// Where what is surely wanted ends, and what may be asked for at all.
    wanted_end: u64,
    end: u64,
    /// Bytes of the next piece, and of the next one behind what is surely wanted.
    piece: u64,
    tail: u64,
    /// The pieces that are under way, in their order. Dropped, they are given up.
    pending: VecDeque<Pending>,
    /// Accounts for the piece that was given out last, which is being decoded.
    decoded: Option<MemoryReservation>,
    /// The open file, if it is a local one.
    file: Option<File>,
    bytes_scanned: Count,
}

/// A piece that is under way.
struct Pending {
    task: SpawnedTask<Result<Piece>>,
    memory: MemoryReservation,
}

impl Fetch {
    /// Reads the `wanted` bytes of an object, and those behind them if they are asked for too.
    pub(crate) fn new(object: Object, wanted: Range<u64>, pace: Pace, bytes_scanned: Count) -> Self {
        let end = object.version.len();
        Self::within(object, wanted.start..wanted.end.saturating_add(OVERHANG).min(end), end, pace, bytes_scanned)
    }

    /// Reads the `wanted` bytes of an object, and nothing else.
    pub(crate) fn exactly(object: Object, wanted: Range<u64>, pace: Pace, bytes_scanned: Count) -> Self {
        let end = wanted.end;
        Self::within(object, wanted, end, pace, bytes_scanned)
    }

    fn within(object: Object, wanted: Range<u64>, end: u64, pace: Pace, bytes_scanned: Count) -> Self {
        let wanted_end = wanted.end;
        let bytes = wanted_end.saturating_sub(wanted.start);
        let piece = match pace.even {
            true => bytes.div_ceil(((bytes + pace.first / 2) / pace.first).max(1)),
            false => pace.first,
        };
        Fetch {
            object,
            pace,
            position: wanted.start,
            wanted_end,
            end,
            piece,
            tail: OVERHANG,
            pending: VecDeque::new(),
            decoded: None,
            file: None,
            bytes_scanned,
        }
    }

    /// The next piece; `None` at the end of the file. `awaited` is the block that the decoder is in, where it knows that.
    pub(crate) async fn next(&mut self, awaited: Option<Range<u64>>) -> Result<Option<Bytes>> {
        // The last piece is decoded, as far as it goes.
        self.decoded = None;
        if self.pace.even {
            self.read_ahead();
        }
        let Some(next) = self.pending.pop_front().or_else(|| self.start(awaited)) else { return Ok(None) };
        let Pending { task, memory } = next;
        let piece = task.join_unwind().await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        self.bytes_scanned.add(piece.bytes.len());
        self.decoded = Some(memory);
        self.file = piece.file;
        self.read_ahead();
        Ok(Some(piece.bytes))
    }

    /// Asks for the pieces that should be under way by now, as far as there is memory for them.
    fn read_ahead(&mut self) {
        while self.pending.len() < self.pace.ahead && self.piece >= self.pace.ahead_from {
            let Some(range) = self.range(self.piece).filter(|range| range.start < self.wanted_end) else { return };
            let memory = self.object.memory.new_empty();
            if memory.try_grow(bytes_of(&range)).is_err() {
                return;
            }
            self.spawn(range, memory);
        }
    }

    /// Asks for the next piece, if there is one, since nothing is under way.
    fn start(&mut self, awaited: Option<Range<u64>>) -> Option<Pending> {
        let mut range = self.range(self.enough(awaited))?;
        let memory = self.object.memory.new_empty();
        if memory.try_grow(bytes_of(&range)).is_err() {
            // One piece there must be, or nothing goes on. It is accounted for, so that others see how little there is.
            range.end = range.end.min(range.start + SCARCE);
            memory.grow(bytes_of(&range));
        }
        self.spawn(range, memory);
        self.pending.pop_front()
    }

    /// How many bytes to ask for, so that the decoder can go on.
    fn enough(&self, awaited: Option<Range<u64>>) -> u64 {
        let is_tail = self.position >= self.wanted_end;
        let bytes = match awaited {
            // Behind the last block of a range the next one is looked at, which is likely of the same size or a little larger.
            Some(block) if is_tail => {
                let next = (block.end - block.start).saturating_mul(5) / 4;
                block.end.saturating_add(next).saturating_sub(self.position)
            }
            Some(block) => self.piece.max(block.end.saturating_sub(self.position)),
            None if is_tail => self.tail,
            None => self.piece,
        };
        bytes.min(self.pace.largest.max(self.piece))
    }

    /// The next bytes, at most so many. Inside the range never beyond its end; past it only because the last block goes on.
    fn range(&self, bytes: u64) -> Option<Range<u64>> {
        let limit = if self.position < self.wanted_end { self.wanted_end } else { self.end };
        let range = self.position..self.position.saturating_add(bytes).min(limit);
        (!range.is_empty()).then_some(range)
    }

    /// Asks for bytes. A task of its own lets them come in while the caller decodes.
    fn spawn(&mut self, range: Range<u64>, memory: MemoryReservation) {
        if range.start >= self.wanted_end {
            self.tail = self.tail.saturating_mul(2).min(self.pace.largest);
        } else if !self.pace.even {
            self.piece = self.piece.saturating_mul(2).min(self.pace.largest);
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
        self.pending.push_back(Pending { task, memory });
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

    /// A store with one object of so many bytes, each telling its place.
    async fn object(len: u64, pool: Arc<dyn MemoryPool>) -> (Object, Arc<InMemory>) {
        let store = Arc::new(InMemory::new());
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        bytes.chunks_mut(K as usize).enumerate().for_each(|(k, chunk)| chunk.fill((k % 251) as u8));
        store.put(&Path::from("x"), PutPayload::from(bytes)).await.unwrap();
        let version = Arc::new(Version::new(store.head(&Path::from("x")).await.unwrap()));
        let memory = Arc::new(MemoryConsumer::new("AvroScan[0]").register(&pool));
        (Object { store: Arc::clone(&store) as _, version, name: "x".to_owned(), memory }, store)
    }

    #[tokio::test]
    async fn pieces() {
        let pace = Pace::of;
        let (local, few_local) = (pace(true, None, 2), pace(true, Some(10), 2));
        let (remote, few) = (pace(false, None, 2), pace(false, Some(10), 2));
        // The range wanted and the file's length; then the pieces that are read if all are asked for, and how many are under way
        // behind the first. In KiB.
        type Case = (Pace, Range<u64>, u64, &'static [u64], usize);
        let cases: &[Case] = &[
            (local, 0..0, 0, &[], 0),
            (local, 4..10, 10, &[6], 0),
            (local, 0..3000, 3000, &[256, 512, 1024, 1024, 184], 1),
            (few_local, 0..3000, 3000, &[256, 512, 1024, 1024, 184], 0),
            // To the end of the range and a little more, and only then further.
            (local, 100..200, 2000, &[256, 36, 192, 384, 768, 264], 1),
            (local, 1900..2000, 2000, &[100], 0),
            (remote, 0..0, 0, &[], 0),
            (remote, 64..100, 100, &[36], 0),
            (remote, 0..12000, 12000, &[12000], 0),
            (remote, 0..13000, 13000, &[6500, 6500], 1),
            (remote, 5..26005, 26005, &[8667, 8667, 8666], 2),
            (remote, 0..100000, 100000, &[8334; 11], 4),
            (remote, 0..10000, 10400, &[10192, 192, 16], 0),
            // What is wanted came with the header.
            (remote, Range { start: 300, end: 100 }, 2000, &[192, 384, 768, 356], 0),
            (few, 64..20000, 20000, &[128, 256, 512, 1024, 2048, 4096, 8192, 3680], 0),
        ];
        for (pace, wanted, len, expected, ahead) in cases {
            let case = format!("{wanted:?} of {len}, {pace:?}");
            let (object, _) = object(len * K, Arc::new(UnboundedMemoryPool::default())).await;
            let mut fetch = Fetch::new(object, wanted.start * K..wanted.end * K, *pace, Count::new());
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
    async fn what_the_decoder_awaits_is_asked_for() {
        let (few, remote) = (Pace::of(false, Some(10), 1), Pace::of(false, None, 1));
        // The range wanted, the block awaited after the first piece, and the pieces, in KiB.
        type Case = (Pace, Range<u64>, Range<u64>, &'static [u64]);
        let cases: &[Case] = &[
            (few, 0..9000, 100..150, &[128, 256]),
            (few, 0..9000, 100..700, &[128, 572]),
            (few, 0..90000, 100..60000, &[128, 8192]),
            // The rest of the block, and as much as the block again and a quarter.
            (remote, 0..8, 150..300, &[200, 287]),
            (remote, 0..8, 150..50000, &[200, 8192]),
        ];
        for (pace, wanted, awaited, expected) in cases {
            let (object, _) = object(90000 * K, Arc::new(UnboundedMemoryPool::default())).await;
            let mut fetch = Fetch::new(object, wanted.start * K..wanted.end * K, *pace, Count::new());
            let mut pieces = vec![];
            for awaited in [None, Some(awaited.start * K..awaited.end * K)] {
                pieces.push(fetch.next(awaited).await.unwrap().unwrap().len() as u64 / K);
            }
            assert_eq!(pieces, *expected, "{wanted:?} {awaited:?}");
        }
    }

    #[tokio::test]
    async fn memory_is_accounted_for_and_its_lack_no_error() {
        const LEN: u64 = 40 << 20;
        for pool_bytes in [usize::MAX, 20 << 20, 4 << 20, 0] {
            let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(pool_bytes));
            let (object, _) = object(LEN, Arc::clone(&pool)).await;
            let mut fetch = Fetch::new(object, 0..LEN, Pace::of(false, None, 1), Count::new());
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
    async fn another_version_is_an_error() {
        for limit in [None, Some(10)] {
            let (object, store) = object(40 << 20, Arc::new(UnboundedMemoryPool::default())).await;
            let version = Arc::clone(&object.version);
            let mut fetch = Fetch::new(object, 0..(40 << 20), Pace::of(false, limit, 6), Count::new());
            fetch.next(None).await.unwrap().unwrap();
            assert!(!version.is_gone());
            store.put(&Path::from("x"), PutPayload::from(vec![0; 40 << 20])).await.unwrap();
            let mut last = fetch.next(None).await;
            while let Ok(Some(_)) = last {
                last = fetch.next(None).await;
            }
            let error = last.unwrap_err().to_string();
            assert!(error.contains("x: the file changed while it was read"), "{error}");
            assert!(version.is_gone());
        }
    }
}
