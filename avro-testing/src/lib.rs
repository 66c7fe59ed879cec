//! What the tests of the other crates share; it is not published.
//!
//! - [`wire`] writes the bytes of Avro values and container files, independently of the crates under test.
//! - [`random_schema`](fn@random_schema), [`random_rows`](fn@random_rows), [`evolved_schema`], [`Evolution`],
//!   [`random_paths`], [`random_options`](fn@random_options) and [`corrupt`] make random cases from the choices of an
//!   [`Rng`].
//! - [`check_seeds`] runs random cases and shrinks the first that fails. [`check_all`] runs the rows of a table.
//! - [`oracle`] compares the decoder with the reference decoder, and [`ways`] the ways to read a file.
//! - [`fuzz`] has the fuzz targets.
//!
//! The unit tests inside `avro-arrow` use it too. They are compiled with another copy of that crate's types than this
//! crate is, so they share only what has no such types: bytes, texts and numbers.
// Made for tests, where a panic is how a check fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod wire;
mod rng;
mod check;
mod random_schema;
mod random_rows;
mod evolve;
mod evolution;
mod paths;
mod random_options;
pub mod oracle;
pub mod ways;
pub mod fuzz;

pub use check::{check_all, check_seeds, n_seeds};
pub use evolution::Evolution;
pub use evolve::evolved_schema;
pub use paths::{keep, random_paths};
pub use random_options::random_options;
pub use random_rows::{random_rows, random_rows_of};
pub use random_schema::{corrupt, random_schema};
pub use rng::Rng;
