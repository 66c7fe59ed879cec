//! Command-line arguments: parses them into checked [`Options`]. Only this file and `manual.rs` use `clap`.

mod caching;
mod cluster;
mod conversion;
pub(crate) mod manual;
mod options;
mod reading;
mod registry;
mod results;
mod rpc;
mod tools;
mod usage_error;
mod words;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread;

use avro_datafusion::index::IndexOptions;
use avro_datafusion::parse_bytes;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use terminal_size::terminal_size;

pub(crate) use options::{Options, Task};

use reading::reading;
use results::{ResultArguments, files_of, literal};

use crate::commands::index;
use crate::commands::tools::{Compat, Count, ShowSchema};
use crate::error::{Error, Result, on_stdout, suppress_notes};
use crate::files::stdin;
use crate::options::{
    CountMode, Hash, MemoryLimit, Query, Resources, SchemaForm, SqlSource, format_by_name, format_of,
    parse_memory_limit, parse_option, parse_parameter, parse_table, tables_of,
};
use crate::output::{Display, Format};
use crate::session::memory;
use crate::terminal::colors;
use crate::topics;

/// Rows that a table on a terminal shows by default.
const MAX_ROWS_TERMINAL: u64 = 40;

/// SQL over Avro files.
#[derive(Parser)]
#[command(name = "avro-sql", version, about, after_help = manual::QUERY_EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct CommandLine {
    #[command(flatten)]
    query: QueryArguments,
    #[command(flatten)]
    resources: ResourceArguments,
    #[command(flatten)]
    workers: cluster::WorkersArguments,
    #[command(subcommand)]
    tool: Option<CommandArguments>,
}

#[derive(Args, Default)]
struct QueryArguments {
    /// Files, directories, globs or URLs that become tables, named as the file: x.avro is the table x
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Run this SQL and exit; repeatable; `;` separates statements
    #[arg(short, long = "command", value_name = "SQL", conflicts_with = "file", allow_hyphen_values = true)]
    command: Vec<String>,
    /// Run the SQL in this file and exit; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Give a file, directory, glob or URL of any format a table name; `-` is standard input; repeatable
    #[arg(short, long, value_name = "NAME=PATH", value_parser = parse_table)]
    table: Vec<(String, String)>,
    /// Set $NAME in the SQL: a number, true, false, null, or else text; repeatable
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    param: Vec<(String, String)>,
    /// Output format (default: by the extension of -o, else table on a terminal and csv elsewhere)
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Short for --format json
    #[arg(long, conflicts_with_all = ["format", "csv"])]
    json: bool,
    /// Short for --format csv
    #[arg(long, conflicts_with = "format")]
    csv: bool,
    /// Write rows to this file or URL, replaced only on success; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Memory that queries may use, such as 512M or 2G, or none for no limit (default: 80 % of the machine's)
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_limit)]
    memory_limit: Option<MemoryLimit>,
    /// Memory for columns of files that a second statement reads, 0 for none (default: a quarter of the memory limit)
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    column_cache: Option<usize>,
    /// Rows to show in a table, the first and the last; 0 for all (default: 40 on a terminal, all elsewhere)
    #[arg(long, value_name = "N")]
    max_rows: Option<u64>,
    /// Width of a table in characters, 0 for no limit (default: the terminal's width, no limit elsewhere)
    #[arg(long, value_name = "N")]
    max_width: Option<u16>,
    /// Print the time of each statement
    #[arg(long)]
    timing: bool,
    /// Print the time of each statement and the bytes and rows it read
    #[arg(short, long)]
    verbose: bool,
    /// Reject statements that write files
    #[arg(long, conflicts_with = "output")]
    read_only: bool,
    /// Do not run ~/.config/avro-sql/rc.sql at the start of the prompt
    #[arg(long)]
    no_rc: bool,
}

#[derive(Args)]
struct ResourceArguments {
    /// Threads to use (default: all cores)
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Rows in a batch
    #[arg(long, value_name = "N", global = true, default_value = "8192",
        value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch_size: u32,
    /// Skip damaged blocks and report them on standard error; allow writing schemas that violate the specification
    #[arg(long, global = true)]
    lenient: bool,
    /// Set a read option such as unions=struct, or a limit such as block_bytes=500000000 (see avro-sql help options);
    /// repeatable
    #[arg(long, value_name = "NAME=VALUE", global = true, value_parser = parse_option)]
    option: Vec<(String, String)>,
    /// Schema file (.avsc, .avdl) or directory with types that other schemas name; repeatable; a schema's own directory
    /// is always searched
    #[arg(long, value_name = "PATH", global = true)]
    import: Vec<PathBuf>,
    /// Type to take from a schema file that declares several, such as Avro IDL; also FILE#NAME
    #[arg(long = "type", value_name = "NAME", global = true)]
    schema_type: Option<String>,
    /// Directory or URL of the block indexes (default: beside the files)
    #[arg(long, value_name = "DIR", global = true)]
    index_dir: Option<String>,
    /// Print only errors on standard error
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Show no progress bar; it shows only on a terminal
    #[arg(long, global = true)]
    no_progress: bool,
    /// Resolve every Avro file to this schema: a schema file (.avsc), an Avro file that has it, or
    /// registry:SUBJECT[@VERSION]
    // An Avro file or JSON text works too, as with `avro-tools`, which calls the option `--reader-schema-file`.
    #[arg(long, alias = "reader-schema-file", value_name = "FILE", global = true)]
    reader_schema: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArgument {
    Table,
    Line,
    Csv,
    Tsv,
    Json,
    #[value(alias = "jsonl")]
    Ndjson,
    #[value(alias = "md")]
    Markdown,
    Html,
    Arrow,
    Parquet,
    Avro,
}

#[derive(Subcommand)]
enum CommandArguments {
    /// Convert between Avro, Parquet, Arrow, CSV, TSV, JSON and NDJSON, by file extension
    #[command(override_usage = "avro-sql convert [OPTIONS] <IN>... <OUT>", after_help = manual::CONVERT)]
    Convert(ConvertArguments),
    /// Build block indexes, so that queries skip blocks and know row counts, minima and maxima
    #[command(after_help = manual::INDEX)]
    Index {
        /// Files, directories, globs or URLs; an index is written beside its file as `.NAME.avroidx`, or in --index-dir
        #[arg(required = true, value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// Index only these columns or fields, such as a.b (default: all that can be indexed)
        #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
        columns: Option<Vec<String>>,
        /// Rebuild indexes that are up to date
        #[arg(long)]
        force: bool,
    },
    /// Copy the columns of files to a cache in Parquet, so that later queries read them as columns
    #[command(after_help = manual::CACHE)]
    Cache(caching::CacheArguments),
    /// Print the schema of an Avro file or schema file, or one schema for many files, as JSON
    #[command(visible_aliases = ["getschema", "canonical", "fingerprint"], after_help = manual::SCHEMA)]
    Schema {
        /// File or URL of Avro data or a schema, with any extension; with --merged also directories and globs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print one schema that reads all these files, and on standard error which file adds what
        #[arg(long)]
        merged: bool,
        #[command(flatten)]
        form: SchemaFormArguments,
        /// Write to this file, replaced only on success
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// Check whether a reader's schema can read data of a writer's schema; print every reason why not
    #[command(after_help = manual::COMPAT)]
    Compat {
        /// The reader's schema: a schema file (.avsc), or an Avro file that has it
        reader: PathBuf,
        /// The writer's schema: a schema file (.avsc), or an Avro file that has it
        writer: PathBuf,
    },
    /// Ask a schema registry: subjects, versions, get, register or compat
    #[command(after_help = manual::REGISTRY)]
    Registry(Box<registry::RegistryArguments>),
    /// Count the rows of Avro files, from their block headers where these are plausible
    #[command(after_help = manual::COUNT)]
    Count {
        /// Files, directories, globs or URLs; `-` is standard input; without a path, a pipe is read
        #[arg(value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// Print a line for each file: rows, a tab, name
        #[arg(long)]
        per_file: bool,
    },
    /// List files: rows, blocks, bytes, codec, fingerprint of the schema, and what is wrong with those that cannot be
    /// read
    #[command(after_help = manual::LS)]
    Ls {
        /// Files, directories, globs or URLs
        #[arg(required = true, value_name = "PATH")]
        inputs: Vec<String>,
        #[command(flatten)]
        result: ResultArguments,
    },
    /// Print a row for each column and nested field: nulls, distinct values, minimum, maximum, quantiles, top values
    #[command(after_help = manual::SUMMARIZE)]
    Summarize {
        /// File, directory, glob or URL
        #[arg(value_name = "PATH")]
        input: String,
        #[command(flatten)]
        result: ResultArguments,
    },
    #[command(flatten)]
    Blocks(tools::ToolArguments),
    /// Call a message of an Avro RPC server, answer one, or print a server's protocol
    #[command(visible_aliases = ["rpcprotocol", "rpcsend", "rpcreceive"], after_help = manual::RPC)]
    Rpc(Box<rpc::RpcArguments>),
    /// Run parts of other machines' queries, until SIGTERM; prints its address
    #[command(after_help = manual::WORKER)]
    Worker(cluster::WorkerArguments),
    /// Print a completion script for a shell
    #[command(after_help = manual::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the man page of avro-sql or of a command
    #[command(after_help = manual::MAN)]
    Man {
        /// The command
        command: Option<String>,
    },
    /// Print this help, or that of a command or topic: sql, types, unions, dates, options, s3
    #[command(after_help = manual::HELP)]
    Help {
        /// The command or topic
        topic: Option<String>,
    },
}

#[derive(Args)]
struct ConvertArguments {
    /// Inputs (files, directories, globs), then the output: a file, or a directory ending in `/` that gets one file for
    /// each input
    // One list, because clap allows options between positional arguments only then.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Output format, if the output's extension does not tell
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Option<TargetArgument>,
    /// Columns or expressions to write, as in SQL (default: all columns)
    #[arg(long, value_name = "SQL")]
    select: Option<String>,
    /// Write only rows that satisfy this SQL condition
    #[arg(long = "where", value_name = "SQL")]
    filter: Option<String>,
    /// Write a directory `COLUMN=value` for each value of these columns
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    partition_by: Vec<String>,
    /// Compression of Parquet (default: zstd) or Avro (default: snappy)
    #[arg(long, value_enum)]
    codec: Option<ConvertCodecArgument>,
    /// Compression level, on the codec's own scale
    #[arg(long, allow_hyphen_values = true)]
    level: Option<i32>,
    /// Size of an Avro block before compression, such as 256K
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    block_size: Option<usize>,
    /// Schema of the Avro output: a schema file (.avsc), or an Avro file that has it
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
struct SchemaFormArguments {
    /// Print the Arrow types of the columns
    #[arg(long)]
    arrow: bool,
    /// Print the Parsing Canonical Form
    #[arg(long)]
    canonical: bool,
    /// Print Avro IDL
    #[arg(long)]
    idl: bool,
    /// Print the fingerprint of the Parsing Canonical Form, in hexadecimal; rabin is CRC-64-AVRO
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
enum ConvertCodecArgument {
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

/// Returns the parsed options, or `None` after printing help or the version.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Options>> {
    let words = words::rewritten(arguments.into_iter().collect(), &CommandLine::command());
    let arguments = match CommandLine::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(e) if e.kind() == ErrorKind::DisplayHelp => {
            let command = CommandLine::command();
            let first = words.get(1).and_then(|word| word.to_str());
            let tool = first.and_then(|word| command.find_subcommand(word)).map(|tool| tool.get_name().to_owned());
            return print(manual::help(tool.as_deref(), command)?.as_bytes());
        }
        Err(e) if e.kind() == ErrorKind::DisplayVersion => return print(e.to_string().as_bytes()),
        Err(e) => return Err(Error::Usage(usage_error::usage_error(&e, &words, &CommandLine::command()))),
    };
    let memory_limit = match &arguments.tool {
        Some(CommandArguments::Worker(worker)) => worker.memory_limit,
        _ => arguments.query.memory_limit,
    };
    let resources = Resources {
        threads: match arguments.resources.threads {
            Some(n) => usize::from(n),
            None => thread::available_parallelism().map_or(1, usize::from),
        },
        memory_bytes: match memory_limit {
            Some(MemoryLimit::Bytes(bytes)) => Some(bytes),
            Some(MemoryLimit::None) => None,
            None => memory::default_limit(),
        },
        column_bytes: arguments.query.column_cache,
        read_only: arguments.query.read_only,
        batch_rows: usize::try_from(arguments.resources.batch_size).unwrap_or(8192),
    };
    if arguments.resources.quiet {
        suppress_notes();
    }
    let mut reading = reading(&arguments)?;
    let task = match arguments.tool {
        None => {
            let mut query = query(arguments.query, arguments.resources.quiet)?;
            query.workers = arguments.workers.workers()?;
            Task::Query(query)
        }
        Some(CommandArguments::Worker(arguments)) => Task::Worker(arguments.task()?),
        Some(CommandArguments::Completions { shell }) => {
            return print(&manual::completions(shell, CommandLine::command()));
        }
        Some(CommandArguments::Man { command }) => {
            return print(&manual::page(command.as_deref(), CommandLine::command())?);
        }
        Some(CommandArguments::Help { topic }) => {
            if let Some(text) = topic.as_deref().and_then(topics::text) {
                return print(format!("{text}\n").as_bytes());
            }
            return print(manual::help(topic.as_deref(), CommandLine::command())?.as_bytes());
        }
        Some(CommandArguments::Convert(arguments)) => {
            Task::Convert(Box::new(conversion::conversion(arguments, &reading)?))
        }
        Some(CommandArguments::Ls { inputs, result }) => {
            let paths: Vec<_> = inputs.iter().map(|path| literal(path)).collect();
            result.query(files_of(&paths.join(", ")), arguments.resources.quiet)?
        }
        Some(CommandArguments::Summarize { input, result }) => {
            result.query(format!("SUMMARIZE {}", literal(&input)), arguments.resources.quiet)?
        }
        Some(CommandArguments::Index { inputs, columns, force }) => {
            let index = IndexOptions::default().with_columns(columns).with_rebuild(force);
            Task::Index(index::IndexTask { inputs, index, quiet: arguments.resources.quiet })
        }
        Some(CommandArguments::Cache(cache)) => Task::Cache(cache.task(&mut reading, arguments.resources.quiet)),
        Some(CommandArguments::Schema { mut files, merged, form, mut output }) => {
            // `canonical IN OUT`, as in `avro-tools`.
            if form.canonical && !merged && files.len() == 2 && output.as_os_str() == "-" {
                output = files.pop().unwrap_or(output);
            }
            if !merged && files.len() > 1 {
                return Err(Error::Usage("schema takes one file; use --merged for the schema of several".to_owned()));
            }
            Task::Tool(crate::commands::tools::ToolTask::Schema(ShowSchema {
                inputs: files,
                merged,
                form: schema_form(&form),
                output,
            }))
        }
        Some(CommandArguments::Compat { reader, writer }) => {
            Task::Tool(crate::commands::tools::ToolTask::Compat(Compat { inputs: [reader, writer] }))
        }
        Some(CommandArguments::Registry(arguments)) => Task::Tool(arguments.task()?),
        Some(CommandArguments::Count { inputs, per_file }) => {
            let total = if per_file { CountMode::PerFile } else { CountMode::Sum };
            Task::Tool(crate::commands::tools::ToolTask::Count(Count { inputs: or_stdin(inputs)?, total }))
        }
        Some(CommandArguments::Rpc(arguments)) => Task::Rpc(Box::new(arguments.task()?)),
        Some(CommandArguments::Blocks(tool)) => Task::Tool(tool.task()?),
    };
    let ResourceArguments { reader_schema, quiet, no_progress, .. } = arguments.resources;
    let bars = !quiet && !no_progress && io::stderr().is_terminal();
    Ok(Some(Options { task, resources, reading, reader_schema, bars }))
}

fn query(arguments: QueryArguments, quiet: bool) -> Result<Query> {
    let source = match (arguments.command, arguments.file) {
        (commands, _) if !commands.is_empty() => SqlSource::Commands(commands),
        (_, Some(file)) if file.as_os_str() == "-" => SqlSource::Stdin,
        (_, Some(file)) => SqlSource::File(file),
        (_, None) if io::stdin().is_terminal() => SqlSource::Prompt,
        (_, None) => SqlSource::Stdin,
    };
    if matches!(source, SqlSource::Stdin) {
        stdin::has_statements();
    }
    usage_error::check_files(&arguments.files, &CommandLine::command())?;
    let mut tables = arguments.table;
    let unnamed_tables = arguments.files.len();
    tables.extend(tables_of(arguments.files));
    // As in the tools, `-` is standard output.
    let output = arguments.output.filter(|output| output.as_os_str() != "-");
    let on_terminal = output.is_none() && io::stdout().is_terminal();
    let short = [(arguments.json, FormatArgument::Json), (arguments.csv, FormatArgument::Csv)];
    let short = short.into_iter().find_map(|(given, format)| given.then_some(format));
    let given = arguments.format.or(short);
    let format = format_for(given, output.as_deref(), on_terminal)?;
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
        tables,
        unnamed_tables,
        parameters: arguments.param,
        format,
        output,
        max_rows_given: arguments.max_rows.is_some(),
        max_width_given: arguments.max_width.is_some(),
        format_given: given.is_some(),
        display: Display { max_rows, max_width, colored: on_terminal && colors::enabled(), ..Display::default() },
        on_terminal,
        timing: arguments.timing,
        quiet,
        verbose: arguments.verbose,
        rc: !arguments.no_rc,
        workers: None,
    })
}

/// Returns the output format: the requested one, or the one of the file's extension.
fn format_for(argument: Option<FormatArgument>, output: Option<&Path>, on_terminal: bool) -> Result<Format> {
    let format = match (argument, output) {
        (Some(FormatArgument::Table), _) => Format::Table,
        (Some(FormatArgument::Csv), _) => Format::Csv,
        (Some(FormatArgument::Tsv), _) => Format::Tsv,
        (Some(FormatArgument::Json), _) => Format::Json,
        (Some(FormatArgument::Ndjson), _) => Format::Ndjson,
        (Some(FormatArgument::Markdown), _) => Format::Markdown,
        (Some(FormatArgument::Line), _) => Format::Line,
        (Some(FormatArgument::Html), _) => Format::Html,
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
        true => Err(Error::Usage(format!("cannot write {0} to a terminal; use -o x.{0}", format.name()))),
        false => Ok(format),
    }
}

/// Returns the inputs; without any, standard input, unless that is the terminal.
fn or_stdin(inputs: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    match inputs.is_empty() {
        true if io::stdin().is_terminal() => {
            Err(Error::Usage("no input; name a file, or pipe one into the command".to_owned()))
        }
        true => Ok(vec![PathBuf::from("-")]),
        false => Ok(inputs),
    }
}

fn schema_form(arguments: &SchemaFormArguments) -> SchemaForm {
    match arguments.fingerprint {
        Some(HashArgument::Rabin) => SchemaForm::Fingerprint(Hash::Rabin),
        Some(HashArgument::Md5) => SchemaForm::Fingerprint(Hash::Md5),
        Some(HashArgument::Sha256) => SchemaForm::Fingerprint(Hash::Sha256),
        None if arguments.canonical => SchemaForm::Canonical,
        None if arguments.idl => SchemaForm::Idl,
        None if arguments.arrow => SchemaForm::Arrow,
        None => SchemaForm::Avro,
    }
}

/// Writes help, a script or a page to standard output.
fn print(text: &[u8]) -> Result<Option<Options>> {
    io::stdout().write_all(text).map_err(on_stdout)?;
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests;
