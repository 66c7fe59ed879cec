//! All benchmarks on one page, each against the peers that are installed: `cargo bench-all`.
//!
//! Decoding and writing need nothing else. SQL and conversion need the command (`cargo build --release -p
//! avro-sql-cli`) and Python packages, Python needs the module `avro_sql`. What is not installed is named, and how to
//! install it.

use avro_benches::cases::{cases, matching};
use avro_benches::data;
use avro_benches::engines::{Engine, Input};
use avro_benches::measure::{How, Line, measure};
use clap::Parser;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Decoded cases: nested ones first, as most Avro is nested.
const DECODED: [&str; 11] = [
    "events",
    "events-items",
    "events-flat",
    "lineitem",
    "lineitem-2of16",
    "lineitem-nulls",
    "lineitem-snappy",
    "lineitem-zstandard",
    "lineitem-deflate",
    "wide",
    "wide-5of100",
];

/// Measures everything and prints one page in Markdown.
#[derive(Parser)]
struct Args {
    /// Size of the data: 1 is TPC-H's scale factor 1, and a million events
    #[arg(long, default_value_t = 0.2)]
    scale: f64,
    /// Times to run each; the best counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Directory of the generated data [default: bench-data in cargo's target directory]
    #[arg(long)]
    data: Option<PathBuf>,
    /// The Python that has the peers
    #[arg(long, default_value = "python3")]
    python: String,
    /// The command [default: avro-sql beside this program]
    #[arg(long)]
    avro_sql: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let release = std::env::current_exe()?.parent().ok_or("this program is in no directory")?.to_owned();
    let data = args.data.clone().unwrap_or_else(|| release.with_file_name("bench-data"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("# {}, {cores} cores, scale {}\n", cpu(), args.scale);

    println!("## Decoding: how many times as fast as arrow-avro\n");
    let mut turns = vec![1, cores];
    turns.dedup();
    for threads in turns {
        let (columns, engines) = match threads {
            1 => (
                "| case | rows | seconds | ours | apache-avro |",
                &[Engine::Ours, Engine::ArrowAvro, Engine::ApacheAvro][..],
            ),
            _ => ("| case, all cores | rows | seconds | ours |", &[Engine::Ours, Engine::ArrowAvro][..]),
        };
        println!("{columns}\n|{}", "---|".repeat(columns.matches('|').count() - 1));
        for name in DECODED {
            let case = matching(cases(), &[name.to_owned()])?.remove(0);
            let path = data::file(&data, case.data, args.scale)?;
            let columns = case.columns.map(|names| names.iter().map(|name| name.to_string()).collect());
            let input = Input { path: &path, columns, task: case.task, data: Some(case.data) };
            let lines = measure(&case.name, &input, &How { engines, threads, runs: args.runs })?;
            println!("{}", row(&case.name, &lines, engines));
        }
        println!();
    }

    println!("## Writing: `cargo bench -p avro-benches --bench writers`\n");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(cargo).args(["bench", "-q", "-p", "avro-benches", "--bench", "writers"]));

    let avro_sql = args.avro_sql.clone().unwrap_or_else(|| release.join("avro-sql"));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = |modules: &str| {
        let imports = Command::new(&args.python).args(["-c", &format!("import {modules}")]).output();
        imports.is_ok_and(|output| output.status.success())
    };
    let lineitem = matching(cases(), &["lineitem-snappy".to_owned()])?.remove(0).data;
    let lineitem = data::file(&data, lineitem, args.scale)?;

    println!("## SQL: TPC-H, against DuckDB over Parquet\n");
    if !avro_sql.is_file() {
        println!("Not measured: build the command first, `cargo build --release -p avro-sql-cli`.\n");
    } else if !python("duckdb, pyarrow") {
        println!("Not measured: `pip install duckdb duckdb-extension-tpch pyarrow`.\n");
    } else {
        let tables = data.join("tpch");
        std::fs::create_dir_all(&tables)?;
        let (scale, runs) = (args.scale.to_string(), args.runs.to_string());
        let script = scripts.join("tpch_peers.py");
        run(Command::new(&args.python)
            .arg(script)
            .arg(&avro_sql)
            .arg(&tables)
            .args(["--scale", &scale, "--runs", &runs]));
    }

    println!("## Conversion of lineitem to Parquet\n");
    if !avro_sql.is_file() || !python("pyarrow") {
        println!("Not measured: it needs the command and `pip install pyarrow`; other peers are optional.\n");
    } else {
        run(Command::new(&args.python).arg(scripts.join("convert_peers.py")).arg(&avro_sql).arg(&lineitem));
    }

    println!("## Python\n");
    if !python("avro_sql, pyarrow") {
        println!("Not measured: `pip install ./avro-python pyarrow`; other peers are optional.\n");
    } else {
        run(Command::new(&args.python).arg(scripts.join("python_peers.py")).arg(&lineitem));
    }
    Ok(())
}

/// A row of the table: the case, its rows, our seconds, and for each engine but arrow-avro how many times as fast as
/// arrow-avro it is.
fn row(case: &str, lines: &[Line], engines: &[Engine]) -> String {
    let of = |engine: Engine| lines.iter().find(|line| line.engine == engine.name());
    let theirs = of(Engine::ArrowAvro).map(|line| line.seconds);
    let ours = of(Engine::Ours);
    let mut row = match ours {
        Some(ours) => format!("| {case} | {} | {:.3} |", ours.rows, ours.seconds),
        None => format!("| {case} | | |"),
    };
    for &engine in engines.iter().filter(|engine| **engine != Engine::ArrowAvro) {
        let ratio = theirs.zip(of(engine)).map(|(theirs, line)| theirs / line.seconds);
        // Writing to a string does not fail.
        let _ = match ratio {
            Some(ratio) => write!(row, " {ratio:.2} |"),
            None => write!(row, " |"),
        };
    }
    row
}

/// Runs a program that prints a table; says so if it fails.
fn run(command: &mut Command) {
    match command.output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).replace('\t', "  ");
            println!("```text\n{}\n```\n", text.trim_end());
        }
        Ok(output) => println!("Failed:\n\n```text\n{}\n```\n", String::from_utf8_lossy(&output.stderr).trim_end()),
        Err(e) => println!("Not measured: {e}\n"),
    }
}

/// The CPU's name, where Linux tells.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown CPU".to_owned(), |(_, name)| name.trim().to_owned())
}
