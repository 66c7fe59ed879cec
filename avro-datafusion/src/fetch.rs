//! A file's bytes, in order: ranged reads of the object store in, pieces of the file out, the next one under way while one is
//! decoded.

use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::metrics::Count;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::ops::Range;
use std::sync::Arc;

/// Pieces grow from the first size to the second, so that a query that wants few rows reads little and one that wants all
/// asks seldom.
const PIECE_MIN: u64 = 256 << 10;
const PIECE_MAX: u64 = 4 << 20;
/// Bytes read at once beyond the end of a range, where its last block ends: writers close blocks at 16 to 64 KiB.
const OVERHANG: u64 = 64 << 10;

/// Is the next piece fetched before it is asked for?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadAhead {
    /// While pieces lie inside the range that is wanted.
    InRange,
    /// Never: the query may need no more.
    Never,
}

/// Reads one file from a position on.
pub(crate) struct Fetch {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Where the next piece begins that has not been asked for.
    position: u64,
    /// Where what is surely wanted ends.
    wanted_end: u64,
    file_len: u64,
    piece: u64,
    read_ahead: ReadAhead,
    /// The piece that is under way. Dropped, it is given up.
    pending: Option<SpawnedTask<object_store::Result<Bytes>>>,
    bytes_scanned: Count,
}

impl Fetch {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        path: Path,
        wanted: Range<u64>,
        file_len: u64,
        read_ahead: ReadAhead,
        bytes_scanned: Count,
    ) -> Self {
        Fetch {
            store,
            path,
            position: wanted.start,
            wanted_end: wanted.end.saturating_add(OVERHANG).min(file_len),
            file_len,
            piece: PIECE_MIN,
            read_ahead,
            pending: None,
            bytes_scanned,
        }
    }

    /// The next piece; `None` at the end of the file.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(pending) = self.pending.take().or_else(|| self.start()) else { return Ok(None) };
        let bytes = pending.join_unwind().await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        self.bytes_scanned.add(bytes.len());
        if self.read_ahead == ReadAhead::InRange && self.position < self.wanted_end {
            self.pending = self.start();
        }
        Ok(Some(bytes))
    }

    /// Asks for the next piece, if there is one. A task of its own lets it come in while the caller decodes.
    fn start(&mut self) -> Option<SpawnedTask<object_store::Result<Bytes>>> {
        let range = self.next_range()?;
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        Some(SpawnedTask::spawn(async move { store.get_range(&path, range).await }))
    }

    fn next_range(&mut self) -> Option<Range<u64>> {
        // Inside the range never beyond its end; past it only because the last block goes on.
        let limit = if self.position < self.wanted_end { self.wanted_end } else { self.file_len };
        let range = self.position..self.position.saturating_add(self.piece).min(limit);
        if range.is_empty() {
            return None;
        }
        self.position = range.end;
        self.piece = self.piece.saturating_mul(2).min(PIECE_MAX);
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    #[test]
    fn pieces() {
        const K: u64 = 1 << 10;
        // The range wanted, the file's length, and the pieces that are read if all are asked for, in KiB.
        let cases: &[(Range<u64>, u64, &[u64])] = &[
            (0..0, 0, &[]),
            (4..10, 10, &[6]),
            (0..5000, 5000, &[256, 512, 1024, 2048, 1160]),
            (0..20000, 20000, &[256, 512, 1024, 2048, 4096, 4096, 4096, 3872]),
            // To the end of the range and a little more, and only then further.
            (100..200, 4000, &[164, 512, 1024, 2048, 152]),
            (3900..4000, 4000, &[100]),
        ];
        for (wanted, file_len, expected) in cases {
            let mut fetch = Fetch::new(
                Arc::new(InMemory::new()),
                Path::from("x"),
                wanted.start * K..wanted.end * K,
                file_len * K,
                ReadAhead::Never,
                Count::new(),
            );
            let mut at = wanted.start * K;
            let mut pieces = vec![];
            while let Some(range) = fetch.next_range() {
                assert_eq!(range.start, at, "pieces leave nothing out");
                at = range.end;
                pieces.push((range.end - range.start) / K);
            }
            assert_eq!(pieces, *expected, "{wanted:?} of {file_len}");
            assert_eq!(at, file_len * K);
        }
    }
}
