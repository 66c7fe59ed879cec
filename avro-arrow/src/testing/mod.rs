//! For tests: a seed in; random schemas, rows and damage out. And what tests and fuzz targets share. Not part of the
//! public interface.

mod evolve;
mod evolution;
pub mod fuzz;
pub(crate) mod oracle;
mod paths;
mod random;
mod rows;
pub mod ways;

pub use evolution::Evolution;
pub use evolve::evolved_schema;
pub use paths::{keep, random_paths};
pub use random::{Rng, corrupt, random_schema};
pub use rows::random_rows;
