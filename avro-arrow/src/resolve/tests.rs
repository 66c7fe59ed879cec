//! Pairs of schemas: what does not match, and where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
