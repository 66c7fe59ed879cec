//! Messages for the user: hints of errors, warnings, and skipped blocks.

mod synonyms;
pub(crate) mod hints;
pub(crate) mod scan_notes;
