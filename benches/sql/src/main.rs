//! The benchmark's command: arguments in, a table out, one line for each case and engine, separated by tabs.
//!
//! Both engines are DataFusion with the same configuration, and differ in the Avro source alone. They answer the same
//! queries in turns, and the best time of each counts. Their answers must be equal, or the program fails. See
//! `benches/README.md`.

mod answer;
mod cases;
mod data;
mod engines;
mod measure;
#[cfg(test)]
mod tests;
#[path = "../../../avro-datafusion/tests/support/tpch.rs"]
#[allow(unreachable_pub)]
mod tpch;

use cases::{cases, matching};
use clap::{Parser, Subcommand};
use data::Folder;
use engines::Engine;
use measure::{HEADER, How, geometric_means, measure};
use std::error::Error;
use std::path::{Path, PathBuf};
use tpchgen::distribution::Distributions;
use tpchgen::text::TextPool;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures SQL over Avro files against DataFusion's own Avro source. Prints a table separated by tabs.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    /// Cases to run: a name, or the start of names if there is no such name [default: all]
    cases: Vec<String>,
    /// Engines to run, in this order; `ratio` compares with the time of stock
    #[arg(long, value_delimiter = ',', default_value = "ours,stock")]
    engine: Vec<Engine>,
    /// TPC-H's scale factor: 1 is 6 001 215 rows of lineitem
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Times to run each engine, ten times as often if that takes less than 20 ms; the best counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Threads, and partitions of a plan
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Directory of the generated data [default: bench-data in cargo's target directory]
    #[arg(long)]
    data: Option<PathBuf>,
    /// List the cases
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Write TPC-H's tables as Parquet, for other engines
    Tables {
        /// As above
        #[arg(long)]
        scale: f64,
        /// Size in bytes of the text that comments are cut out of [default: TPC-H's, 300 MiB]
        #[arg(long)]
        text: Option<i32>,
        /// The directory to write to
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if let Some(Command::Tables { scale, text, out }) = args.command {
        return data::write_parquet(&out, scale, pool(text));
    }
    let cases = cases(args.scale);
    if args.list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    let chosen = matching(cases, &args.cases)?;
    let dir = args.data.map_or_else(default_dir, Ok)?;
    let folder = Folder { dir: dir.join(format!("sql-{}", args.scale)), scale: args.scale, pool: || pool(None) };
    let how = How { engines: &args.engine, threads: args.threads, runs: args.runs };
    println!("{HEADER}");
    let mut lines = Vec::new();
    for case in chosen {
        for line in measure(&case, &folder, &how)? {
            println!("{line}");
            lines.push(line);
        }
    }
    geometric_means(&lines).iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// The text that comments are cut out of.
fn pool(bytes: Option<i32>) -> &'static TextPool {
    match bytes {
        None => TextPool::get_or_init_default(),
        // Once in the life of a process, so it may as well stay.
        Some(bytes) => Box::leak(Box::new(TextPool::new(bytes, Distributions::static_default()))),
    }
}

/// `target/bench-data`, wherever cargo's target directory is.
fn default_dir() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).ok_or("no target directory; use --data")?;
    Ok(target.join("bench-data"))
}
