//! Messages for the user: hints of errors, warnings, and skipped blocks.

pub(crate) mod hints;
pub(crate) mod scan_notes;
