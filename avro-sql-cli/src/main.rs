//! The command `avro-sql`; `lib.rs` has its parts.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(avro_sql_cli::run(std::env::args_os().collect()))
}
