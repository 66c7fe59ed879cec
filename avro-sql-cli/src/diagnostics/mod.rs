//! What the person at the prompt is told: plain words for errors, hints, warnings, and what was skipped.

pub(crate) mod hints;
pub(crate) mod skipped;
pub(crate) mod warned;
