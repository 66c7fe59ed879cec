//! The arguments of the tools that go block by block: what was written in, the tool's task out.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use avro_arrow::Codec;
use avro_arrow::json::Form;
use clap::{Args, Subcommand, ValueEnum};
use terminal_size::terminal_size;

use super::{FormatArgument, format_for, or_stdin};
use crate::cli::manual::tools as manual;
use crate::commands::tools::{
    Cat, Compression, Concat, Explain, Fragment, FragmentTo, FromJson, FromText, Idl, Keep, Meta, MetaFields, Random,
    Recodec, Repair, SchemaSource, Schemata, ToJson, ToText, ToolTask,
};
use crate::error::{Error, Result, print_note};
use crate::options::format_of;
use crate::output::Display;
use crate::terminal::colors;

#[derive(Subcommand)]
pub(super) enum ToolArguments {
    /// Print the metadata of files: header entries, codec, sync marker, blocks, rows and sizes
    #[command(visible_alias = "getmeta", after_help = manual::META)]
    Meta {
        /// Files, directories, globs or URLs; `-` is standard input; without a path, a pipe is read
        #[arg(value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// Print only the value of this metadata key, unchanged
        #[arg(long, conflicts_with = "blocks")]
        key: Option<String>,
        /// Print a line for each block: file, block, offset, rows and stored bytes, separated by tabs
        #[arg(long)]
        blocks: bool,
        /// Print a JSON object for each file or block
        #[arg(long)]
        json: bool,
    },
    /// Print the first rows of a file
    #[command(after_help = manual::HEAD)]
    Head {
        /// A file, directory, glob or URL; `-` is standard input; without a path, a pipe is read
        #[arg(value_name = "PATH")]
        input: Option<PathBuf>,
        /// Number of rows
        #[arg(short = 'n', long = "rows", alias = "limit", value_name = "N", default_value = "10")]
        limit: u64,
        #[command(flatten)]
        rows: RowArguments,
    },
    /// Print the rows of files, one file after another
    #[command(after_help = manual::CAT)]
    Cat {
        /// Files, directories, globs or URLs; `-` is standard input; without a path, a pipe is read. The last of
        /// several is the output, as in `avro-tools cat IN.. OUT`, if it does not exist and has the extension of an
        /// output format
        #[arg(value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// Maximum number of rows
        #[arg(short = 'n', long = "rows", alias = "limit", value_name = "N")]
        limit: Option<u64>,
        #[command(flatten)]
        rows: RowArguments,
    },
    /// Print rows as JSON lines, in Avro's JSON encoding
    #[command(name = "tojson", after_help = manual::TOJSON)]
    ToJson {
        /// Files, directories, globs or URLs; `-` is standard input; without a path, a pipe is read
        #[arg(value_name = "PATH")]
        inputs: Vec<PathBuf>,
        /// Indent rows over several lines
        #[arg(long)]
        pretty: bool,
        /// Print only the first 10 or N rows
        #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10")]
        head: Option<u64>,
        /// Omit union tags
        #[arg(long)]
        plain: bool,
        /// Write to this file, replaced only on success
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// Make an Avro file from JSON documents, on lines or concatenated
    #[command(name = "fromjson", after_help = manual::FROMJSON)]
    FromJson {
        /// JSON file; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write, replaced only on success; `-` is standard output
        #[arg(value_name = "OUT")]
        output: PathBuf,
        #[command(flatten)]
        schema: SchemaArguments,
        /// Read untagged unions: a value gets the first branch that fits
        #[arg(long)]
        plain: bool,
        #[command(flatten)]
        compression: CompressionArguments,
    },
    /// Concatenate files of one schema and codec, without decoding rows
    #[command(override_usage = "avro-sql concat [OPTIONS] <IN>... <OUT>", after_help = manual::CONCAT)]
    Concat {
        /// Inputs (files, directories, globs, URLs), then the file to write; `-` is standard input or output
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Recompress a file with another codec, without decoding rows
    #[command(after_help = manual::RECODEC)]
    Recodec {
        /// File or URL to read; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write, replaced only on success; `-` is standard output
        #[arg(value_name = "OUT")]
        output: PathBuf,
        #[command(flatten)]
        compression: CompressionArguments,
    },
    /// Write the intact blocks of a damaged file, and list the damaged ones
    #[command(after_help = manual::REPAIR)]
    Repair {
        /// File or URL to read; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write, replaced only on success; `-` is standard output
        #[arg(value_name = "OUT", conflicts_with = "report")]
        output: Option<PathBuf>,
        /// Only list the damage; exit code 1 if there is any
        #[arg(long)]
        report: bool,
        /// Which readable rows to keep: all, those before the first damaged block, or those after it; report only lists
        /// the damage
        #[arg(short = 'o', long, value_enum, default_value = "all")]
        keep: KeepArgument,
    },
    /// Write random rows of a schema, as test data
    #[command(override_usage = "avro-sql random [OPTIONS] --count <N> [SCHEMA] <OUT>", after_help = manual::RANDOM)]
    Random {
        /// Schema file (.avsc) or Avro file that has the schema, unless an option gives it; then the file to write,
        /// replaced only on success; `-` is standard output
        // One list, because the first of two optional arguments would be OUT alone.
        #[arg(required = true, num_args = 1..=2, value_names = ["SCHEMA", "OUT"])]
        files: Vec<PathBuf>,
        /// Schema, as JSON
        #[arg(long = "schema", value_name = "JSON", conflicts_with = "schema_file")]
        schema: Option<String>,
        /// Schema file (.avsc), or Avro file that has the schema
        #[arg(long, value_name = "FILE")]
        schema_file: Option<PathBuf>,
        /// Number of rows
        #[arg(long, value_name = "N")]
        count: u64,
        /// Seed of the random generator (default: different for each run)
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        #[command(flatten)]
        compression: CompressionArguments,
    },
    /// Print the decoder program compiled for a file's schema
    #[command(name = "explain-program", after_help = manual::EXPLAIN_PROGRAM)]
    Explain {
        /// Avro file or schema file
        #[arg(value_name = "FILE")]
        input: PathBuf,
        /// Only these columns or fields, such as a.b (default: all)
        #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
        columns: Option<Vec<String>>,
    },
    /// Print bare datums (without a container file) as JSON
    #[command(name = "fragtojson", after_help = manual::FRAGTOJSON)]
    FragToJson {
        /// Binary datum, or several concatenated; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write
        #[arg(value_name = "OUT", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        schema: SchemaArguments,
        /// Indent over several lines
        #[arg(long)]
        pretty: bool,
        /// Omit union tags
        #[arg(long)]
        plain: bool,
    },
    /// Write JSON documents as bare datums (without a container file)
    #[command(name = "jsontofrag", after_help = manual::JSONTOFRAG)]
    JsonToFrag {
        /// JSON of one or several datums; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write
        #[arg(value_name = "OUT", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        schema: SchemaArguments,
        /// Read untagged unions: a value gets the first branch that fits
        #[arg(long)]
        plain: bool,
    },
    /// Make an Avro file of bytes from the lines of a text file
    #[command(name = "fromtext", after_help = manual::FROMTEXT)]
    FromText {
        /// Text file; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write, replaced only on success; `-` is standard output
        #[arg(value_name = "OUT")]
        output: PathBuf,
        #[command(flatten)]
        compression: CompressionArguments,
    },
    /// Print an Avro file of bytes as lines of text
    #[command(name = "totext", after_help = manual::TOTEXT)]
    ToText {
        /// File or URL to read; `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write, replaced only on success
        #[arg(value_name = "OUT", default_value = "-")]
        output: PathBuf,
    },
    /// Print the protocol (.avpr) or the schema (.avsc) that Avro IDL declares, as JSON
    #[command(name = "idl", after_help = manual::IDL)]
    Idl {
        /// Avro IDL file (.avdl); `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write, replaced only on success
        #[arg(value_name = "OUT", default_value = "-")]
        output: PathBuf,
    },
    /// Write a schema file for each type that Avro IDL declares or imports
    #[command(name = "idl2schemata", after_help = manual::IDL2SCHEMATA)]
    Schemata {
        /// Avro IDL file (.avdl) or protocol (.avpr); `-` is standard input
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// Directory of the schema files, which are replaced
        #[arg(value_name = "DIR", default_value = ".")]
        directory: PathBuf,
    },
}

#[derive(Args)]
pub(super) struct RowArguments {
    /// Skip this many rows first
    #[arg(long, value_name = "N", default_value = "0")]
    offset: u64,
    /// Print a random sample: the share of rows, from 0 to 1
    #[arg(long, alias = "samplerate", value_name = "RATE", value_parser = parse_rate)]
    sample: Option<f64>,
    /// Seed of the sample
    #[arg(long, value_name = "N", default_value = "0", requires = "sample")]
    seed: u64,
    /// Output format (default: by the extension of -o, else table on a terminal and csv elsewhere)
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// Write rows to this file, replaced only on success
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct SchemaArguments {
    /// Schema, as JSON
    #[arg(long, value_name = "JSON")]
    schema: Option<String>,
    /// Schema file (.avsc), or Avro file that has the schema
    #[arg(long, value_name = "FILE")]
    schema_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct CompressionArguments {
    /// Compression of blocks
    #[arg(long, value_enum, default_value = "zstandard")]
    codec: BlockCodecArgument,
    /// Compression level: deflate 1 to 12, zstandard -7 to 22, bzip2 1 to 9, xz 0 to 9
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum BlockCodecArgument {
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
    Report,
}

impl ToolArguments {
    /// What the arguments ask for.
    pub(super) fn task(self) -> Result<ToolTask> {
        Ok(match self {
            ToolArguments::Meta { inputs, key, blocks, json } => {
                let said = match key {
                    Some(key) => MetaFields::Key(key),
                    None if blocks => MetaFields::Blocks,
                    None => MetaFields::File,
                };
                ToolTask::Meta(Meta { inputs: or_stdin(inputs)?, said, json })
            }
            ToolArguments::Head { input, limit, rows } => {
                ToolTask::Cat(rows.cat(or_stdin(input.into_iter().collect())?, Some(limit))?)
            }
            ToolArguments::Cat { mut inputs, limit, mut rows } => {
                if rows.output.is_none() {
                    rows.output = output_of(&mut inputs);
                }
                ToolTask::Cat(rows.cat(or_stdin(inputs)?, limit)?)
            }
            ToolArguments::ToJson { inputs, pretty, head, plain, output } => {
                ToolTask::ToJson(ToJson { inputs: or_stdin(inputs)?, form: form(plain), pretty, head, output })
            }
            ToolArguments::FromJson { input, output, schema, plain, compression } => ToolTask::FromJson(FromJson {
                input,
                output,
                schema: schema.source(),
                form: form(plain),
                compression: compression.compression(),
            }),
            ToolArguments::Concat { files: mut inputs } => match inputs.pop() {
                Some(output) if !inputs.is_empty() => ToolTask::Concat(Concat { inputs, output }),
                _ => return Err(Error::Usage("concat needs at least one input and an output".to_owned())),
            },
            ToolArguments::Recodec { input, output, compression } => {
                ToolTask::Recodec(Recodec { input, output, compression: compression.compression() })
            }
            ToolArguments::Repair { input, output, report, keep } => {
                let reports = report || matches!(keep, KeepArgument::Report);
                if output.is_none() && !reports {
                    let what = "repair needs an output, or --report to only list the damage";
                    return Err(Error::Usage(format!("{what} (see avro-sql repair --help)")));
                }
                let output = output.filter(|_| !reports);
                let keep = match keep {
                    KeepArgument::All | KeepArgument::Report => Keep::All,
                    KeepArgument::Prior => Keep::Prior,
                    KeepArgument::After => Keep::After,
                };
                ToolTask::Repair(Repair { input, output, keep })
            }
            ToolArguments::Random { files, schema, schema_file, count, seed, compression } => {
                let option = schema.map(SchemaSource::Text).or(schema_file.map(SchemaSource::File));
                let (schema, output) = match (option, <[PathBuf; 2]>::try_from(files)) {
                    (None, Ok([schema, output])) => (SchemaSource::File(schema), output),
                    (Some(schema), Err(files)) => (schema, files.into_iter().next().unwrap_or_default()),
                    (Some(_), Ok(_)) => {
                        return Err(Error::Usage("random takes one schema: an argument or an option".to_owned()));
                    }
                    (None, Err(_)) => {
                        return Err(Error::Usage("random needs a schema and an output".to_owned()));
                    }
                };
                ToolTask::Random(Random { schema, output, count, seed, compression: compression.compression() })
            }
            ToolArguments::Explain { input, columns } => ToolTask::Explain(Explain { input, columns }),
            ToolArguments::FragToJson { input, output, schema, pretty, plain } => {
                let to = if pretty { FragmentTo::PrettyJson } else { FragmentTo::Json };
                ToolTask::Fragment(Fragment { input, output, schema: schema.source(), form: form(plain), to })
            }
            ToolArguments::JsonToFrag { input, output, schema, plain } => {
                let to = FragmentTo::Avro;
                ToolTask::Fragment(Fragment { input, output, schema: schema.source(), form: form(plain), to })
            }
            ToolArguments::FromText { input, output, compression } => {
                ToolTask::FromText(FromText { input, output, compression: compression.compression() })
            }
            ToolArguments::ToText { input, output } => ToolTask::ToText(ToText { input, output }),
            ToolArguments::Idl { input, output } => ToolTask::Idl(Idl { input, output }),
            ToolArguments::Schemata { input, directory } => ToolTask::Schemata(Schemata { input, directory }),
        })
    }
}

impl RowArguments {
    fn cat(self, inputs: Vec<PathBuf>, limit: Option<u64>) -> Result<Cat> {
        let on_terminal = self.output.is_none() && io::stdout().is_terminal();
        let format = format_for(self.format, self.output.as_deref(), on_terminal)?;
        let width = if on_terminal { terminal_size() } else { None };
        let max_width = width.map(|(width, _)| usize::from(width.0));
        let display = Display { max_width, colored: on_terminal && colors::enabled(), ..Display::default() };
        let sample = self.sample.map(|rate| (rate, self.seed));
        let output = self.output.unwrap_or_else(|| PathBuf::from("-"));
        Ok(Cat { inputs, offset: self.offset, limit, sample, format, display, output })
    }
}

impl SchemaArguments {
    fn source(self) -> SchemaSource {
        match (self.schema, self.schema_file) {
            (Some(text), _) => SchemaSource::Text(text),
            (None, file) => SchemaSource::File(file.unwrap_or_default()),
        }
    }
}

impl CompressionArguments {
    fn compression(self) -> Compression {
        let codec = match self.codec {
            BlockCodecArgument::Null => Codec::Null,
            BlockCodecArgument::Deflate => Codec::Deflate,
            BlockCodecArgument::Snappy => Codec::Snappy,
            BlockCodecArgument::Zstandard => Codec::Zstandard,
            BlockCodecArgument::Bzip2 => Codec::Bzip2,
            BlockCodecArgument::Xz => Codec::Xz,
        };
        Compression { codec, level: self.level }
    }
}

fn form(plain: bool) -> Form {
    if plain { Form::Plain } else { Form::Avro }
}

/// Takes the output off a list of paths: the last of several that does not exist and has the extension of an output.
fn output_of(paths: &mut Vec<PathBuf>) -> Option<PathBuf> {
    let last = paths.last().filter(|_| paths.len() > 1)?;
    let text = last.to_string_lossy();
    let is_input = last.exists() || text.contains(['*', '?', '[']) || text.contains("://");
    if is_input || format_of(last).is_none() {
        return None;
    }
    let output = paths.pop()?;
    print_note(&format!("avro-sql: writing to {}, which does not exist yet", output.display()));
    Some(output)
}

/// A part of all.
fn parse_rate(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}
