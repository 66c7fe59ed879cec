//! The arguments of the tools that go block by block: what was written in, the tool's task out.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use avro_arrow::Codec;
use avro_arrow::json::Form;
use clap::{Args, Subcommand, ValueEnum};
use terminal_size::terminal_size;

use super::{FormatArgument, format_for};
use crate::cli::manual::tools as manual;
use crate::commands::tools::{
    Cat, Compression, Concat, Explain, Fragment, FragmentTo, FromJson, Keep, Meta, Random, Recodec, Repair, Said,
    SchemaFrom, Task, ToJson,
};
use crate::error::{Error, Result};
use crate::output::Display;

#[derive(Subcommand)]
pub(super) enum Tool {
    /// Show what files say of themselves: metadata, codec, sync marker, blocks, rows and sizes
    #[command(alias = "getmeta", after_help = manual::META)]
    Meta {
        /// Files, directories, globs or URLs; `-` is standard input
        #[arg(required = true, value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// Only the value of this key of the metadata, as it is
        #[arg(long, conflicts_with = "blocks")]
        key: Option<String>,
        /// A line for each block: file, block, offset, rows and stored bytes, with tabs between
        #[arg(long)]
        blocks: bool,
        /// An object of JSON for each file or block
        #[arg(long)]
        json: bool,
    },
    /// Show the first rows of a file
    #[command(after_help = manual::HEAD)]
    Head {
        /// A file, directory, glob or URL; `-` is standard input
        #[arg(value_name = "PATH")]
        input: PathBuf,
        /// How many rows
        #[arg(short = 'n', long = "rows", alias = "limit", value_name = "N", default_value = "10")]
        limit: u64,
        #[command(flatten)]
        rows: RowArguments,
    },
    /// Write the rows of files, one file after the other
    #[command(after_help = manual::CAT)]
    Cat {
        /// Files, directories, globs or URLs; `-` is standard input
        #[arg(required = true, value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// How many rows at most
        #[arg(short = 'n', long = "rows", alias = "limit", value_name = "N")]
        limit: Option<u64>,
        #[command(flatten)]
        rows: RowArguments,
    },
    /// Write the rows of files as JSON, a line each, in the specification's encoding
    #[command(name = "tojson", after_help = manual::TOJSON)]
    ToJson {
        /// Files, directories, globs or URLs; `-` is standard input
        #[arg(required = true, value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// With line breaks inside of rows
        #[arg(long)]
        pretty: bool,
        /// Only the first rows; --head=20 for another number than 10
        #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10")]
        head: Option<u64>,
        /// Without the tags of unions
        #[arg(long)]
        plain: bool,
        /// Write to this file, which appears whole or not at all
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// Make an Avro file of JSON documents, lines or just one behind the other
    #[command(name = "fromjson", after_help = manual::FROMJSON)]
    FromJson {
        /// The JSON; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// The file to write, which appears whole or not at all; `-` is standard output
        #[arg(value_name = "OUT")]
        output: PathBuf,
        #[command(flatten)]
        schema: SchemaArguments,
        /// Unions are not tagged: a value is of the first branch that it fits
        #[arg(long)]
        plain: bool,
        #[command(flatten)]
        compression: CompressionArguments,
    },
    /// Put files of one schema and one codec together, without decoding them
    #[command(override_usage = "avro-sql concat [OPTIONS] <IN>... <OUT>", after_help = manual::CONCAT)]
    Concat {
        /// The files, directories, globs or URLs to read, and last the file to write; `-` is standard input or output
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Compress the blocks of a file otherwise, without decoding their rows
    #[command(after_help = manual::RECODEC)]
    Recodec {
        /// The file or URL to read; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// The file to write, which appears whole or not at all; `-` is standard output
        #[arg(value_name = "OUT")]
        output: PathBuf,
        #[command(flatten)]
        compression: CompressionArguments,
    },
    /// Write what is whole of a damaged file, and list what is not
    #[command(after_help = manual::REPAIR)]
    Repair {
        /// The file or URL to read; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// The file to write, which appears whole or not at all; `-` is standard output
        #[arg(value_name = "OUT", required_unless_present = "report", conflicts_with = "report")]
        output: Option<PathBuf>,
        /// Only list what is damaged; exit code 1 if anything is
        #[arg(long)]
        report: bool,
        /// Which of the rows that can be read: all, those before the first damage, or those behind that block
        #[arg(short = 'o', long, value_enum, default_value = "all")]
        keep: KeepArgument,
    },
    /// Write made-up rows of a schema, as test data
    #[command(after_help = manual::RANDOM)]
    Random {
        /// A schema (.avsc), or Avro data that has it
        #[arg(value_name = "SCHEMA")]
        schema: PathBuf,
        /// The file to write, which appears whole or not at all; `-` is standard output
        #[arg(value_name = "OUT")]
        output: PathBuf,
        /// Rows
        #[arg(long, value_name = "N")]
        count: u64,
        /// The same rows for the same number (default: others each time)
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        #[command(flatten)]
        compression: CompressionArguments,
    },
    /// Show the program that a file's blocks are decoded by
    #[command(name = "explain-program", after_help = manual::EXPLAIN_PROGRAM)]
    Explain {
        /// Avro data, or a schema
        #[arg(value_name = "FILE")]
        input: PathBuf,
        /// Of these columns, or fields in them such as a.b (default: all)
        #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
        columns: Option<Vec<String>>,
    },
    /// Write a datum, which is not in a file, as JSON
    #[command(name = "fragtojson", after_help = manual::FRAGTOJSON)]
    FragToJson {
        /// The bytes of a datum, or of several one behind the other; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// The file to write
        #[arg(value_name = "OUT", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        schema: SchemaArguments,
        /// With line breaks inside
        #[arg(long)]
        pretty: bool,
        /// Without the tags of unions
        #[arg(long)]
        plain: bool,
    },
    /// Write JSON documents as datums, which are not in a file
    #[command(name = "jsontofrag", after_help = manual::JSONTOFRAG)]
    JsonToFrag {
        /// The JSON, of one datum or of several one behind the other; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// The file to write
        #[arg(value_name = "OUT", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        schema: SchemaArguments,
        /// Unions are not tagged
        #[arg(long)]
        plain: bool,
    },
}

#[derive(Args)]
pub(super) struct RowArguments {
    /// Leave out so many rows first
    #[arg(long, value_name = "N", default_value = "0")]
    offset: u64,
    /// Only this part of the rows, from 0 to 1, chosen at random
    #[arg(long, alias = "samplerate", value_name = "RATE", value_parser = parse_rate)]
    sample: Option<f64>,
    /// Another number chooses other rows
    #[arg(long, value_name = "N", default_value = "0", requires = "sample")]
    seed: u64,
    /// How to write rows (default: by the ending of -o, else table on a terminal and csv elsewhere)
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Write rows to this file, which appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct SchemaArguments {
    /// The schema, as JSON
    #[arg(long, value_name = "JSON")]
    schema: Option<String>,
    /// A file of the schema (.avsc), or Avro data that has it
    #[arg(long, value_name = "FILE")]
    schema_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct CompressionArguments {
    /// How blocks are compressed
    #[arg(long, value_enum, default_value = "zstandard")]
    codec: CodecArgument,
    /// How well, at the cost of time: deflate 1 to 12, zstandard -7 to 22, bzip2 1 to 9, xz 0 to 9
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum CodecArgument {
    Null,
    Deflate,
    Snappy,
    #[value(alias = "zstd")]
    Zstandard,
    Bzip2,
    Xz,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum KeepArgument {
    All,
    Prior,
    After,
}

impl Tool {
    /// What the arguments ask for.
    pub(super) fn task(self) -> Result<Task> {
        Ok(match self {
            Tool::Meta { inputs, key, blocks, json } => {
                let said = match key {
                    Some(key) => Said::Key(key),
                    None if blocks => Said::Blocks,
                    None => Said::File,
                };
                Task::Meta(Meta { inputs, said, json })
            }
            Tool::Head { input, limit, rows } => Task::Cat(rows.cat(vec![input], Some(limit))?),
            Tool::Cat { inputs, limit, rows } => Task::Cat(rows.cat(inputs, limit)?),
            Tool::ToJson { inputs, pretty, head, plain, output } => {
                Task::ToJson(ToJson { inputs, form: form(plain), pretty, head, output })
            }
            Tool::FromJson { input, output, schema, plain, compression } => Task::FromJson(FromJson {
                input,
                output,
                schema: schema.from(),
                form: form(plain),
                compression: compression.compression(),
            }),
            Tool::Concat { files: mut inputs } => match inputs.pop() {
                Some(output) if !inputs.is_empty() => Task::Concat(Concat { inputs, output }),
                _ => return Err(Error::Usage("concat needs files to read and a file to write".to_owned())),
            },
            Tool::Recodec { input, output, compression } => {
                Task::Recodec(Recodec { input, output, compression: compression.compression() })
            }
            Tool::Repair { input, output, report: _, keep } => {
                let keep = match keep {
                    KeepArgument::All => Keep::All,
                    KeepArgument::Prior => Keep::Prior,
                    KeepArgument::After => Keep::After,
                };
                Task::Repair(Repair { input, output, keep })
            }
            Tool::Random { schema, output, count, seed, compression } => {
                Task::Random(Random { schema, output, count, seed, compression: compression.compression() })
            }
            Tool::Explain { input, columns } => Task::Explain(Explain { input, columns }),
            Tool::FragToJson { input, output, schema, pretty, plain } => {
                let to = if pretty { FragmentTo::PrettyJson } else { FragmentTo::Json };
                Task::Fragment(Fragment { input, output, schema: schema.from(), form: form(plain), to })
            }
            Tool::JsonToFrag { input, output, schema, plain } => {
                let to = FragmentTo::Avro;
                Task::Fragment(Fragment { input, output, schema: schema.from(), form: form(plain), to })
            }
        })
    }
}

impl RowArguments {
    fn cat(self, inputs: Vec<PathBuf>, limit: Option<u64>) -> Result<Cat> {
        let on_terminal = self.output.is_none() && io::stdout().is_terminal();
        let format = format_for(self.format, self.output.as_deref(), on_terminal)?;
        let width = if on_terminal { terminal_size() } else { None };
        let display = Display { max_width: width.map(|(width, _)| usize::from(width.0)), ..Display::default() };
        let sample = self.sample.map(|rate| (rate, self.seed));
        let output = self.output.unwrap_or_else(|| PathBuf::from("-"));
        Ok(Cat { inputs, offset: self.offset, limit, sample, format, display, output })
    }
}

impl SchemaArguments {
    fn from(self) -> SchemaFrom {
        match (self.schema, self.schema_file) {
            (Some(text), _) => SchemaFrom::Text(text),
            (None, file) => SchemaFrom::File(file.unwrap_or_default()),
        }
    }
}

impl CompressionArguments {
    fn compression(self) -> Compression {
        let codec = match self.codec {
            CodecArgument::Null => Codec::Null,
            CodecArgument::Deflate => Codec::Deflate,
            CodecArgument::Snappy => Codec::Snappy,
            CodecArgument::Zstandard => Codec::Zstandard,
            CodecArgument::Bzip2 => Codec::Bzip2,
            CodecArgument::Xz => Codec::Xz,
        };
        Compression { codec, level: self.level }
    }
}

fn form(plain: bool) -> Form {
    if plain { Form::Plain } else { Form::Avro }
}

/// A part of all.
fn parse_rate(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("write a number from 0 to 1".to_owned()),
    }
}
