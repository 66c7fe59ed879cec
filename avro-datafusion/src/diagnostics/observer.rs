//! Events of a scan that do not fail the query: skipped blocks and warnings.

use avro_arrow::DamagedBlock;
use std::fmt;

/// Receives events that do not fail a query, so that callers know about missing rows and unused indexes.
///
/// Both methods do nothing by default. Set it as [`AvroOptions::observer`](crate::AvroOptions::observer).
///
/// Scans run on several threads, so events of different files arrive in no fixed order. A block that a query reads
/// twice, as in a join of a table with itself, is reported twice.
pub trait ScanObserver: Send + Sync {
    /// Called for each block that is skipped under [`OnCorruptBlock::Skip`](crate::OnCorruptBlock::Skip), with the path
    /// or URL of its file.
    ///
    /// A query that ends before the end of a file, as with `LIMIT`, does not check the rest of that file. The metric
    /// `blocks_damaged` of a scan counts skipped blocks with or without an observer.
    fn block_skipped(&self, file: &str, block: &DamagedBlock) {
        let _ = (file, block);
    }

    /// Called for each warning, such as a block index that no longer matches its file. The message is one line and
    /// names the file.
    fn warning(&self, message: &str) {
        let _ = message;
    }
}

impl fmt::Debug for dyn ScanObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanObserver")
    }
}

/// Observers are equal if they are the same object.
impl PartialEq for dyn ScanObserver {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}
