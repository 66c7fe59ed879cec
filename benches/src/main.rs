//! The benchmark: arguments in, a table out, one line for each case and engine, separated by tabs.
//!
//! All engines read the same file one after the other, several times over, and the best time of each counts. They must
//! agree on the number of rows and on a checksum of all values, or the program fails. See `benches/README.md`.

mod cases;
mod checksum;
mod engines;
mod generate;
#[cfg(test)]
mod tests;

use cases::{CASES, Codec, Data, Nulls};
use checksum::Checksum;
use clap::{Parser, Subcommand};
use engines::{Engine, Input};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures avro-arrow against other readers of Avro. Prints a table separated by tabs.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    /// Cases to run [default: all]
    cases: Vec<String>,
    /// Engines to run, in this order; `ratio` compares with arrow-avro's time
    #[arg(long, value_delimiter = ',', default_value = "ours,arrow-avro")]
    engine: Vec<Engine>,
    /// A file to read in place of the cases
    #[arg(long, conflicts_with = "cases")]
    file: Option<PathBuf>,
    /// Columns of that file to read [default: all]
    #[arg(long, value_delimiter = ',', requires = "file")]
    columns: Option<Vec<String>>,
    /// Threads; only ours can use more than one
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// TPC-H scale factor: 1 is 6 001 215 rows of lineitem
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Times to run each engine; the best counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
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
    /// Write lineitem as an Avro file
    Generate {
        /// TPC-H scale factor
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Compression of its blocks
        #[arg(long, value_enum, default_value = "null")]
        codec: Codec,
        /// Whether values can be null
        #[arg(long, value_enum, default_value = "required")]
        nulls: Nulls,
        /// The file to write
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if let Some(Command::Generate { scale, codec, nulls, out }) = &args.command {
        return generate::write(out, Data { codec: *codec, nulls: *nulls }, *scale);
    }
    if args.list {
        CASES.iter().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    if let Some(unknown) = args.cases.iter().find(|name| CASES.iter().all(|case| case.name != **name)) {
        return Err(format!("no case `{unknown}`; --list shows them").into());
    }
    println!("case\tengine\tthreads\trows\tfile_bytes\tseconds\tmrows_s\tmb_s\tratio");
    if let Some(path) = &args.file {
        let name = path.file_stem().map_or("file".into(), |stem| stem.to_string_lossy().into_owned());
        measure(&name, &Input { path, columns: args.columns.clone() }, &args)?;
    } else {
        let dir = args.data.clone().map_or_else(default_dir, Ok)?;
        for case in CASES.iter().filter(|case| args.cases.is_empty() || args.cases.iter().any(|n| n == case.name)) {
            let path = generate::file(&dir, case.data, args.scale)?;
            let columns = case.columns.map(|names| names.iter().map(|n| n.to_string()).collect());
            measure(case.name, &Input { path: &path, columns }, &args)?;
        }
    }
    if let Some(peak) = peak_memory() {
        eprintln!("peak memory of the process, all engines: {peak}");
    }
    Ok(())
}

/// Runs a case on all engines and prints its lines.
fn measure(name: &str, input: &Input<'_>, args: &Args) -> Result<(), Box<dyn Error>> {
    // The checksums come first: they bring the file into memory for all engines alike.
    let mut sums = Vec::new();
    for engine in &args.engine {
        sums.push(engine.checksum(input, engine.threads(args.threads)).map_err(|e| format!("{}: {e}", engine.name()))?);
    }
    agree(name, &args.engine, &sums)?;
    let Some(rows) = sums.first().map(|sum| sum.rows) else { return Ok(()) };

    let mut best = vec![f64::INFINITY; args.engine.len()];
    for _ in 0..args.runs.max(1) {
        for (engine, best) in args.engine.iter().zip(&mut best) {
            let start = Instant::now();
            let drained = engine.drain(input, engine.threads(args.threads))?;
            *best = best.min(start.elapsed().as_secs_f64());
            if drained != rows {
                return Err(format!("{name}: {} gave {drained} rows, {rows} before", engine.name()).into());
            }
        }
    }
    let file_bytes = input.path.metadata()?.len();
    let theirs = args.engine.iter().zip(&best).find(|(engine, _)| **engine == Engine::ArrowAvro).map(|(_, t)| *t);
    for (engine, seconds) in args.engine.iter().zip(best) {
        println!(
            "{name}\t{}\t{}\t{rows}\t{file_bytes}\t{seconds:.4}\t{:.2}\t{:.1}\t{}",
            engine.name(),
            engine.threads(args.threads),
            rows as f64 / seconds / 1e6,
            file_bytes as f64 / seconds / 1e6,
            theirs.map_or("-".into(), |theirs| format!("{:.2}", theirs / seconds)),
        );
    }
    Ok(())
}

/// Fails unless all engines saw the same rows.
fn agree(name: &str, engines: &[Engine], sums: &[Checksum]) -> Result<(), String> {
    if sums.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    let each = engines.iter().zip(sums);
    let each: Vec<_> = each.map(|(e, s)| format!("{} {} rows, checksum {:016x}", e.name(), s.rows, s.sum)).collect();
    Err(format!("{name}: the engines disagree: {}", each.join("; ")))
}

/// `target/bench-data`, wherever cargo's target directory is.
fn default_dir() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).ok_or("no target directory; use --data")?;
    Ok(target.join("bench-data"))
}

/// The most memory that this process has had, where Linux tells.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_string())
}
