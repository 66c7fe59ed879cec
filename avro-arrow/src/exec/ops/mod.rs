//! The ops of the run loop, by family: functions that run an op on all lanes, and steps that run it on one.

pub(super) mod column;
pub(super) mod encoding;
pub(super) mod flat;
pub(super) mod fused_varints;
pub(super) mod nested;
pub(super) mod nullable;
pub(super) mod scalar;
pub(super) mod skip;
