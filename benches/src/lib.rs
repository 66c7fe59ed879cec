//! The parts of the benchmark: cases and engines in, lines of a table out. `main.rs` is its command, `benches/` its
//! small benchmarks of single kinds of values; see `benches/README.md`.

pub mod avro_writer;
pub mod random;
pub mod data;
pub mod kinds;
pub mod checksum;
pub mod engines;
#[cfg(target_arch = "x86_64")]
pub mod limit;
pub mod cases;
pub mod measure;
pub mod chart;
#[cfg(test)]
mod tests;
