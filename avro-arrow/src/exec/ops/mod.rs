//! The ops of the run loop, by family.

pub(super) mod column;
pub(super) mod fused_varints;
pub(super) mod nested;
