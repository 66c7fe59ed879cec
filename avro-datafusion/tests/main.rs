//! The integration tests of this crate, as one program: each program of tests holds another copy of DataFusion, a
//! third of a gigabyte without optimization.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cache")]
mod column_cache;
mod common_subplans;
mod damage;
mod evolution;
mod functions;
mod index;
mod messages;
#[cfg(feature = "proto")]
mod proto;
mod pushdown;
mod reads;
#[cfg(feature = "cloud")]
mod s3;
mod sink;
mod splits;
mod sql;
mod statistics;
mod tables;
mod testdata;
mod tpch;
mod virtual_columns;
