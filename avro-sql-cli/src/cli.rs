//! Command-line arguments: the only file that names `clap`, but for `manual.rs`. Arguments in, checked [`Options`] out.

mod conversion;
pub(crate) mod manual;
mod options;
mod tools;
mod wrong;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread;

use avro_datafusion::index::IndexOptions;
use avro_datafusion::{AvroOptions, OnCorruptBlock};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use terminal_size::terminal_size;

pub(crate) use options::{Options, Task};

use crate::commands::index;
use crate::commands::tools::{Compat, Count, ShowSchema};
use crate::error::{Error, Result, be_quiet, on_stdout};
use crate::options::{
    Hash, MemoryLimit, Query, Resources, SchemaForm, Source, Total, format_by_name, format_of, parse_bytes,
    parse_memory_limit, parse_option, parse_table,
};
use crate::output::{Display, Format};
use crate::session::memory;

/// Rows of an answer that a table on a terminal shows by default.
const MAX_ROWS_TERMINAL: u64 = 200;

/// SQL over Avro files.
#[derive(Parser)]
#[command(name = "avro-sql", version, about, after_help = manual::ASK)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    query: QueryArguments,
    #[command(flatten)]
    resources: ResourceArguments,
    #[command(subcommand)]
    tool: Option<Tool>,
}

#[derive(Args)]
struct QueryArguments {
    /// Run this SQL and exit; repeatable, several statements are split by `;`
    #[arg(short, long = "command", value_name = "SQL", conflicts_with = "file", allow_hyphen_values = true)]
    command: Vec<String>,
    /// Run the SQL in this file and exit; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name a file, directory or glob; repeatable
    #[arg(short, long, value_name = "NAME=PATH", value_parser = parse_table)]
    table: Vec<(String, String)>,
    /// How to write rows (default: by the ending of -o, else table on a terminal and csv elsewhere)
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Write rows to this file, which appears whole or not at all; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Memory that queries may use, such as 512M or 2G, or none for no limit (default: 80 % of the machine's)
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_limit)]
    memory_limit: Option<MemoryLimit>,
    /// Rows that a table shows, 0 for all (default: 200 on a terminal, all elsewhere)
    #[arg(long, value_name = "N")]
    max_rows: Option<u64>,
    /// Columns of the terminal that a table may take, 0 for all it needs (default: those of the terminal, all elsewhere)
    #[arg(long, value_name = "N")]
    max_width: Option<u16>,
    /// Say how long each statement took
    #[arg(long)]
    timing: bool,
    /// Say what each statement took and read
    #[arg(short, long)]
    verbose: bool,
    /// Refuse statements that write files
    #[arg(long, conflicts_with = "output")]
    read_only: bool,
    /// Do not run the start-up script ~/.config/avro-sql/rc.sql before the prompt
    #[arg(long)]
    no_rc: bool,
}

#[derive(Args)]
struct ResourceArguments {
    /// Threads to use (default: all cores)
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Rows decoded and computed at a time
    #[arg(long, value_name = "N", global = true, default_value = "8192",
        value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch_size: u32,
    /// Skip damaged blocks, and say on standard error what was skipped; write schemas that the specification forbids (default: refuse them)
    #[arg(long, global = true)]
    lenient: bool,
    /// How Avro is read, as in the OPTIONS of a table: a limit such as block_bytes=500000000, unions=struct; repeatable
    #[arg(long, value_name = "NAME=VALUE", global = true, value_parser = parse_option)]
    option: Vec<(String, String)>,
    /// Schemas whose types the schema of a file may name: a file (.avsc), or a directory of them; repeatable. Types are also found beside the file
    #[arg(long, value_name = "PATH", global = true)]
    import: Vec<PathBuf>,
    /// The directory or URL where block indexes are, instead of beside their files
    #[arg(long, value_name = "DIR", global = true)]
    index_dir: Option<String>,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Show no progress of what takes long; without a terminal none is shown anyway
    #[arg(long, global = true)]
    no_progress: bool,
    /// Read every Avro file as this schema: a file of it (.avsc), or Avro data that has it
    // Its JSON will do as well, as with `avro-tools`, which calls the file `--reader-schema-file`.
    #[arg(long, alias = "reader-schema-file", value_name = "FILE", global = true)]
    reader_schema: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArgument {
    Table,
    Csv,
    Tsv,
    Json,
    Ndjson,
    Markdown,
    Arrow,
    Parquet,
    Avro,
}

#[derive(Subcommand)]
enum Tool {
    /// Convert between Avro, Parquet, Arrow, CSV, TSV, JSON and NDJSON, by the endings of the names
    #[command(override_usage = "avro-sql convert [OPTIONS] <IN>... <OUT>", after_help = manual::CONVERT)]
    Convert(ConvertArguments),
    /// Build block indexes, with which queries skip what they do not want and know counts, least and greatest values
    #[command(after_help = manual::INDEX)]
    Index {
        /// Files, directories, globs or URLs; the index of a file is beside it, `.NAME.avroidx`, or in --index-dir
        #[arg(required = true, value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// Index only these columns, or fields in them such as a.b (default: all that can be)
        #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
        columns: Option<Vec<String>>,
        /// Also build indexes that are there and still those of their files
        #[arg(long)]
        force: bool,
    },
    /// Show the schema of an Avro file, of a schema file, or of many files together, as JSON
    #[command(alias = "getschema", after_help = manual::SCHEMA)]
    Schema {
        /// The file or URL: Avro data (.avro) or a schema (.avsc), whatever its name; with --merged files, directories or globs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Show the one schema that all these files can be read as, and on standard error which brought what
        #[arg(long)]
        merged: bool,
        #[command(flatten)]
        form: SchemaArguments,
    },
    /// Say whether a reader's schema can read what was written with another, and every reason why not
    #[command(after_help = manual::COMPAT)]
    Compat {
        /// The reader's schema: a schema (.avsc), or Avro data that has it
        reader: PathBuf,
        /// The writer's schema, likewise
        writer: PathBuf,
    },
    /// Count the rows of Avro files, from their block headers where those can be believed
    #[command(after_help = manual::COUNT)]
    Count {
        /// Files, directories, globs or URLs; `-` is standard input
        #[arg(required = true, value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// One line for each file: its rows, a tab, its name
        #[arg(long)]
        per_file: bool,
    },
    #[command(flatten)]
    Blocks(tools::Tool),
    /// Print a script with which a shell completes this command
    #[command(after_help = manual::COMPLETIONS)]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the man page, or that of a command
    #[command(after_help = manual::MAN)]
    Man {
        /// Which command
        command: Option<String>,
    },
    /// Print this help, or that of a command
    #[command(after_help = manual::HELP)]
    Help {
        /// Which command
        command: Option<String>,
    },
}

#[derive(Args)]
struct ConvertArguments {
    /// The files, directories or globs to read, and last the file to write, or with `/` at its end a directory, into which each file goes on its own
    // One list, because only then may options stand between them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The format to write, where the output's name does not say
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Option<TargetArgument>,
    /// Columns or expressions to write, as in SQL (default: all columns)
    #[arg(long, value_name = "SQL")]
    select: Option<String>,
    /// Write only rows of which this is true, as in SQL
    #[arg(long = "where", value_name = "SQL")]
    filter: Option<String>,
    /// Write a directory `COLUMN=value` for each value of these columns, below the output directory
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    partition_by: Vec<String>,
    /// Compression of a Parquet file (default: zstd) or an Avro file (default: snappy)
    #[arg(long, value_enum)]
    codec: Option<CodecArgument>,
    /// How hard to compress, by the codec's own scale
    #[arg(long, allow_hyphen_values = true)]
    level: Option<i32>,
    /// Bytes of a block of an Avro file before compression, such as 256K
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    block_size: Option<usize>,
    /// The schema that an Avro file gets: a file of it (.avsc), or Avro data that has it
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum TargetArgument {
    Avro,
    Parquet,
    Arrow,
    Arrows,
    Csv,
    Tsv,
    Json,
    Ndjson,
}

#[derive(Args)]
#[group(multiple = false)]
struct SchemaArguments {
    /// Show the Arrow types its columns are read as
    #[arg(long)]
    arrow: bool,
    /// Show its Parsing Canonical Form
    #[arg(long)]
    canonical: bool,
    /// Show the fingerprint of its Parsing Canonical Form, in hexadecimal; rabin is CRC-64-AVRO
    #[arg(long, value_enum, value_name = "HASH")]
    fingerprint: Option<HashArgument>,
}

#[derive(Clone, Copy, ValueEnum)]
enum HashArgument {
    Rabin,
    Md5,
    Sha256,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CodecArgument {
    #[value(alias = "null")]
    None,
    Snappy,
    Gzip,
    Deflate,
    Lz4,
    #[value(alias = "zstandard")]
    Zstd,
    Bzip2,
    Xz,
}

/// What the arguments ask for; `None` after printing help or the version.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Options>> {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return print(e.to_string().as_bytes());
        }
        Err(e) => return Err(Error::Usage(wrong::usage_error(&e, &words, &Arguments::command()))),
    };
    let resources = Resources {
        threads: match arguments.resources.threads {
            Some(n) => usize::from(n),
            None => thread::available_parallelism().map_or(1, usize::from),
        },
        memory_bytes: match arguments.query.memory_limit {
            Some(MemoryLimit::Bytes(bytes)) => Some(bytes),
            Some(MemoryLimit::None) => None,
            None => memory::default_limit(),
        },
        read_only: arguments.query.read_only,
        batch_rows: usize::try_from(arguments.resources.batch_size).unwrap_or(8192),
    };
    let reading = reading(&arguments)?;
    let task = match arguments.tool {
        None => Task::Query(query(arguments.query, arguments.resources.quiet)?),
        Some(Tool::Completions { shell }) => {
            return print(&manual::completions(shell, Arguments::command()));
        }
        Some(Tool::Man { command }) => {
            return print(&manual::page(command.as_deref(), Arguments::command())?);
        }
        Some(Tool::Help { command }) => {
            return print(manual::help(command.as_deref(), Arguments::command())?.as_bytes());
        }
        Some(Tool::Convert(arguments)) => Task::Convert(Box::new(conversion::conversion(arguments, &reading)?)),
        Some(Tool::Index { inputs, columns, force }) => {
            let index = IndexOptions { columns, rebuild: force, progress: None };
            Task::Index(index::Task { inputs, index, quiet: arguments.resources.quiet })
        }
        Some(Tool::Schema { files, merged, form }) => {
            if !merged && files.len() > 1 {
                return Err(Error::Usage("schema shows one file's schema; --merged that of several".to_owned()));
            }
            Task::Tool(crate::commands::tools::Task::Schema(ShowSchema {
                inputs: files,
                merged,
                form: schema_form(&form),
            }))
        }
        Some(Tool::Compat { reader, writer }) => {
            Task::Tool(crate::commands::tools::Task::Compat(Compat { inputs: [reader, writer] }))
        }
        Some(Tool::Count { inputs, per_file }) => {
            let total = if per_file { Total::PerFile } else { Total::Sum };
            Task::Tool(crate::commands::tools::Task::Count(Count { inputs, total }))
        }
        Some(Tool::Blocks(tool)) => Task::Tool(tool.task()?),
    };
    let ResourceArguments { reader_schema, quiet, no_progress, .. } = arguments.resources;
    let bars = !quiet && !no_progress && io::stderr().is_terminal();
    if quiet {
        be_quiet();
    }
    Ok(Some(Options { task, resources, reading, reader_schema, bars }))
}

/// How files are read, whatever is done with them.
fn reading(arguments: &Arguments) -> Result<AvroOptions> {
    let mut reading = AvroOptions { imports: arguments.resources.import.clone(), ..AvroOptions::default() };
    if let Some(missing) = reading.imports.iter().find(|path| !path.exists()) {
        return Err(Error::Usage(format!("--import {}: there is no such file or directory", missing.display())));
    }
    let converts = matches!(arguments.tool, Some(Tool::Convert(_)));
    for (name, value) in &arguments.resources.option {
        if converts && ["strings", "enums"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Error::Usage(format!("--option {name}: what is converted to decides on it")));
        }
        if name.contains('.') {
            return Err(Error::Usage(format!(
                "--option {name}: object stores are described by the environment, or by the OPTIONS of CREATE EXTERNAL TABLE"
            )));
        }
        reading.set(name, value).map_err(|e| Error::Usage(Error::from(e).to_string()))?;
    }
    if let Some(directory) = &arguments.resources.index_dir {
        reading.index_path = Some(directory.clone());
    }
    if arguments.resources.lenient {
        reading.damage = OnCorruptBlock::Skip;
        reading.writing.check_schema = false;
        reading.short_decimals = true;
    }
    Ok(reading)
}

fn query(arguments: QueryArguments, quiet: bool) -> Result<Query> {
    let source = match (arguments.command, arguments.file) {
        (commands, _) if !commands.is_empty() => Source::Commands(commands),
        (_, Some(file)) if file.as_os_str() == "-" => Source::Stdin,
        (_, Some(file)) => Source::File(file),
        (_, None) if io::stdin().is_terminal() => Source::Prompt,
        (_, None) => Source::Stdin,
    };
    // As tools have it.
    let output = arguments.output.filter(|output| output.as_os_str() != "-");
    let on_terminal = output.is_none() && io::stdout().is_terminal();
    let format = format_for(arguments.format, output.as_deref(), on_terminal)?;
    let max_rows = match arguments.max_rows {
        Some(0) => None,
        Some(n) => Some(n),
        None => on_terminal.then_some(MAX_ROWS_TERMINAL),
    };
    let max_width = match arguments.max_width {
        Some(0) => None,
        Some(n) => Some(usize::from(n)),
        None if on_terminal => terminal_size().map(|(width, _)| usize::from(width.0)),
        None => None,
    };
    Ok(Query {
        source,
        tables: arguments.table,
        format,
        output,
        max_rows_given: arguments.max_rows.is_some(),
        display: Display { max_rows, max_width, expanded: false },
        on_terminal,
        timing: arguments.timing,
        quiet,
        verbose: arguments.verbose,
        rc: !arguments.no_rc,
    })
}

/// How rows are written: as was asked for, or by the name of the file.
fn format_for(argument: Option<FormatArgument>, output: Option<&Path>, on_terminal: bool) -> Result<Format> {
    let format = match (argument, output) {
        (Some(FormatArgument::Table), _) => Format::Table,
        (Some(FormatArgument::Csv), _) => Format::Csv,
        (Some(FormatArgument::Tsv), _) => Format::Tsv,
        (Some(FormatArgument::Json), _) => Format::Json,
        (Some(FormatArgument::Ndjson), _) => Format::Ndjson,
        (Some(FormatArgument::Markdown), _) => Format::Markdown,
        (Some(FormatArgument::Arrow), output) => match output.and_then(format_of) {
            Some(Format::ArrowFile) => Format::ArrowFile,
            _ => Format::ArrowStream,
        },
        (Some(FormatArgument::Parquet), _) => Format::Parquet,
        (Some(FormatArgument::Avro), _) => Format::Avro,
        (None, Some(output)) => format_by_name(output)?,
        (None, None) if on_terminal => Format::Table,
        (None, None) => Format::Csv,
    };
    match format.is_binary() && on_terminal {
        true => Err(Error::Usage(format!("a terminal cannot show {0}; write a file with -o x.{0}", format.name()))),
        false => Ok(format),
    }
}

fn schema_form(arguments: &SchemaArguments) -> SchemaForm {
    match arguments.fingerprint {
        Some(HashArgument::Rabin) => SchemaForm::Fingerprint(Hash::Rabin),
        Some(HashArgument::Md5) => SchemaForm::Fingerprint(Hash::Md5),
        Some(HashArgument::Sha256) => SchemaForm::Fingerprint(Hash::Sha256),
        None if arguments.canonical => SchemaForm::Canonical,
        None if arguments.arrow => SchemaForm::Arrow,
        None => SchemaForm::Avro,
    }
}

/// Writes what was asked for to standard output.
fn print(text: &[u8]) -> Result<Option<Options>> {
    io::stdout().write_all(text).map_err(on_stdout)?;
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        for command in Arguments::command().get_subcommands().chain([&Arguments::command()]) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let first = format!("\n  avro-sql {}", command.get_name()).replace(" avro-sql avro-sql", " avro-sql");
            assert!(help.starts_with("Examples:") && help.contains(&first), "{}: {help}", command.get_name());
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{}", command.get_name());
        }
    }

    #[test]
    fn usage_errors_are_one_line() {
        let cases: [(&[&str], &str); 22] = [
            (&["--nonsense"], "unexpected argument '--nonsense' found (see avro-sql --help)"),
            (&["count", "--nonsense"], "unexpected argument '--nonsense' found (see avro-sql count --help)"),
            (&["recodec", "a", "b", "--codec", "c"], "bzip2, xz] (see avro-sql recodec --help)"),
            (&["head", "-3", "a.avro"], "the number of rows is -n 3 (see avro-sql head --help)"),
            (&["src"], "src is a directory, not a command; -c \"SELECT * FROM 'src'\" or avro-sql head src shows"),
            (&["SELECT\n1"], "`SELECT 1` is no command; SQL stands behind -c, in quotes"),
            (&["recode"], "a similar subcommand exists: 'recodec' (see avro-sql --help)"),
            (&["help", "nonsense"], "there is no command `nonsense`"),
            (&["-c"], "a value is required for '--command <SQL>'"),
            (&["-t", "x"], "write NAME=PATH"),
            (&["--option", "unions"], "write NAME=VALUE"),
            (&["--option", "compression=9"], "Avro tables have no option `compression`"),
            (&["count", "a.avro", "--option", "block_bytes=many"], "which is not a number"),
            (&["convert", "a.avro", "b.arrow", "--option", "strings=view"], "what is converted to decides on it"),
            (&["--threads", "0"], "0 is not in 1..=65535"),
            (&["schema", "a.avro", "--arrow", "--fingerprint", "md5"], "'--arrow' cannot be used with '--fingerprint"),
            (&["schema", "a.avro", "--fingerprint", "md4"], "[possible values: rabin, md5, sha256]"),
            (&["convert", "a.avro"], "a file to write"),
            (&["convert", "a.avro", "b.txt"], ".parquet, .arrow, .feather"),
            (
                &["convert", "a.avro", "b.parquet", "--level", "99"],
                "99 is no level of zstd in Parquet: those are 1 to 22",
            ),
            (&["-c", "SELECT 1", "-o", "b.xlsx"], "from the name `b.xlsx` what to write; known endings are .avro"),
            (&["cat", "a.avro", "-o", "b.csv.gz"], "or say it with --format"),
        ];
        for (arguments, expected) in cases {
            let arguments = ["avro-sql"].iter().chain(arguments).map(OsString::from);
            match parse(arguments) {
                Err(Error::Usage(text)) => {
                    assert!(text.contains(expected) && !text.contains('\n'), "{text:?} has no {expected:?}");
                }
                other => panic!("{expected}: {other:?}"),
            }
        }
    }
}
