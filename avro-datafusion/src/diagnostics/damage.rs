//! Damage that a query reads around: blocks that were skipped in, whoever wants to know told. How else would one know that
//! rows are missing?

use avro_arrow::DamagedBlock;
use std::fmt;
use std::sync::Arc;

/// Is told what queries skip, under [`OnCorruptBlock::Skip`](crate::OnCorruptBlock::Skip).
///
/// Scans run on several threads, so there is no certain order, but for the blocks of one file. A block that is read twice, as in a
/// join of a table with itself, is told twice. Where a query ends before the end of a file, as with `LIMIT`, the rest of the file is
/// not looked at.
pub trait DamageSink: Send + Sync {
    /// This was skipped in the file of this name.
    fn skipped(&self, file: &str, damaged: &DamagedBlock);
}

/// Who is told what queries skip; by default nobody. The metric `blocks_damaged` of a scan counts it in any case.
#[derive(Clone, Default)]
pub struct Report(Option<Arc<dyn DamageSink>>);

impl Report {
    /// This one is told.
    pub fn to(sink: Arc<dyn DamageSink>) -> Report {
        Report(Some(sink))
    }

    pub(crate) fn skipped(&self, file: &str, damaged: &DamagedBlock) {
        if let Some(sink) = &self.0 {
            sink.skipped(file, damaged);
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Report(to a sink)" } else { "Report(to nobody)" })
    }
}

/// Two that tell the same sink, or nobody, are equal.
impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}
