//! The benchmark's command: arguments in, a table out, one line for each case and engine, separated by tabs.
//!
//! All engines read the same file one after the other, several times over, and the best time of each counts. They must
//! agree on the number of rows and on a checksum of all values, or the program fails. See `benches/README.md`.

use avro_benches::cases::{cases, matching};
use avro_benches::engines::{Engine, Input, Task};
use avro_benches::measure::{HEADER, How, measure};
use avro_benches::{chart, data};
use clap::{Parser, Subcommand};
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures avro-arrow against other readers of Avro. Prints a table separated by tabs.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    /// Cases to run: a name, the start of names, or a pattern with `*` and `?` [default: all]
    cases: Vec<String>,
    /// Engines to run, in this order; `ratio` compares with arrow-avro's time
    #[arg(long, value_delimiter = ',', default_value = "ours,arrow-avro")]
    engine: Vec<Engine>,
    /// A file to read in place of the cases
    #[arg(long, conflicts_with = "cases")]
    file: Option<PathBuf>,
    /// Columns of that file to read, in the file's order [default: all]
    #[arg(long, value_delimiter = ',', requires = "file")]
    columns: Option<Vec<String>>,
    /// Threads; only ours can use more than one
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Size of the data: 1 is TPC-H's scale factor 1, of 6 001 215 rows of lineitem, and a million rows of most others
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Times to run each engine, ten times as often if that takes less than 20 ms; the best counts
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
    /// Write the file of a case
    Generate {
        /// The case
        #[arg(default_value = "lineitem")]
        case: String,
        /// As above
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// The file to write
        #[arg(long)]
        out: PathBuf,
    },
    /// Draw a table that was kept as a file
    Chart {
        /// The table, with comments that say what was measured where
        record: PathBuf,
        /// The SVG file to write
        out: PathBuf,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    match &args.command {
        Some(Command::Generate { case, scale, out }) => return generate(case, *scale, out),
        Some(Command::Chart { record, out }) => {
            let name = record.file_stem().unwrap_or_default().to_string_lossy();
            std::fs::write(out, chart::draw(&std::fs::read_to_string(record)?, &name)?)?;
            return Ok(());
        }
        None => {}
    }
    if args.list {
        cases().iter().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    let chosen = matching(cases(), &args.cases)?;
    let how = How { engines: &args.engine, threads: args.threads, runs: args.runs };
    println!("{HEADER}");
    if let Some(path) = &args.file {
        let name = path.file_stem().map_or("file".into(), |stem| stem.to_string_lossy().into_owned());
        let input = Input { path, columns: args.columns.clone(), task: Task::Decode, data: None };
        measure(&name, &input, &how)?.iter().for_each(|line| println!("{line}"));
    } else {
        let dir = args.data.clone().map_or_else(default_dir, Ok)?;
        for case in chosen {
            let path = data::file(&dir, case.data, args.scale)?;
            let columns = case.columns.map(|names| names.iter().map(|n| n.to_string()).collect());
            let input = Input { path: &path, columns, task: case.task, data: Some(case.data) };
            measure(&case.name, &input, &how)?.iter().for_each(|line| println!("{line}"));
        }
    }
    if let Some(peak) = peak_memory() {
        eprintln!("peak memory of the process, all engines: {peak}");
    }
    Ok(())
}

fn generate(case: &str, scale: f64, out: &Path) -> Result<(), Box<dyn Error>> {
    let found = cases().into_iter().find(|c| c.name == case);
    let found = found.ok_or_else(|| format!("no case `{case}`; --list shows them"))?;
    let rows = found.data.write(BufWriter::with_capacity(1 << 20, File::create(out)?), scale)?;
    eprintln!("{rows} rows");
    Ok(())
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
