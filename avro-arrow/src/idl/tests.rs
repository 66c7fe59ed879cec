//! Tests of IDL that need more than one of its modules.
#![allow(clippy::unwrap_used, clippy::panic)]
