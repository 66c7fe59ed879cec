//! The ops of the run loop, by family. Each function runs one kind of op on all lanes.

pub(super) mod column;
pub(super) mod fused_varints;
pub(super) mod nested;
pub(super) mod nullable;
pub(super) mod scalar;
pub(super) mod skip;
