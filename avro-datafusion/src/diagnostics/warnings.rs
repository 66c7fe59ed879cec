//! What does not fail a query and should be known: warnings in, whoever wants to know told.

use std::fmt;
use std::sync::Arc;

/// Is told what queries pass over: such as a block index that is not that of its file any more.
///
/// Queries run on several threads, so there is no certain order.
pub trait WarningSink: Send + Sync {
    /// This happened; one line, which names the file.
    fn warn(&self, message: &str);
}

/// Who is told of warnings; by default nobody.
#[derive(Clone, Default)]
pub struct Warnings(Option<Arc<dyn WarningSink>>);

impl Warnings {
    /// This one is told.
    pub fn to(sink: Arc<dyn WarningSink>) -> Warnings {
        Warnings(Some(sink))
    }

    pub(crate) fn warn(&self, message: &str) {
        if let Some(sink) = &self.0 {
            sink.warn(message);
        }
    }
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Warnings(to a sink)" } else { "Warnings(to nobody)" })
    }
}

/// Two that tell the same sink, or nobody, are equal.
impl PartialEq for Warnings {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}
