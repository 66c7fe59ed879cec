//! Checked, typed options. `cli.rs` makes them; later modules do not see arguments.

use std::path::{Path, PathBuf};

use avro_datafusion::{AvroOptions, parse_bytes};

use crate::error::{Error, Result};
use crate::files::stdin;
use crate::output::{Display, Format};

/// The form in which a schema is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SchemaForm {
    /// The file's own JSON.
    Avro,
    /// The Arrow types of the columns.
    Arrow,
    /// The Parsing Canonical Form.
    Canonical,
    /// Avro IDL.
    Idl,
    /// A fingerprint of the canonical form.
    Fingerprint(Hash),
}

/// A fingerprint algorithm.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hash {
    /// CRC-64-AVRO.
    Rabin,
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

/// Whether row counts are summed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CountMode {
    /// One number for all files.
    Sum,
    /// One line for each file.
    PerFile,
}

/// Threads, memory and batch size that a task may use, and whether it may write.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    /// Threads that decode and compute.
    pub(crate) threads: usize,
    /// Bytes that queries may hold before they spill to disk or fail; `None` is no limit.
    pub(crate) memory_bytes: Option<usize>,
    /// Bytes of decoded columns that stay in memory for later statements; `None` is a part of `memory_bytes`.
    pub(crate) column_bytes: Option<usize>,
    /// Whether statements that write files are rejected.
    pub(crate) read_only: bool,
    /// Rows of a batch.
    pub(crate) batch_rows: usize,
}

/// Environment variables of the cache, and the options that they set.
const CACHE_SETTINGS: [(&str, &str); 3] =
    [("AVRO_SQL_CACHE", "cache"), ("AVRO_SQL_CACHE_DIR", "cache_path"), ("AVRO_SQL_CACHE_SIZE", "cache_size")];

/// Returns these options with those of the cache as the environment sets them, else with the user's cache directory.
pub(crate) fn with_cache_settings(mut reading: AvroOptions) -> Result<AvroOptions> {
    let directory = dirs::cache_dir().map(|directory| directory.join("avro-sql"));
    reading.cache_path = directory.and_then(|directory| directory.to_str().map(str::to_owned));
    for (variable, option) in CACHE_SETTINGS {
        if let Some(value) = std::env::var(variable).ok().filter(|value| !value.is_empty()) {
            let failed = |e| Error::Usage(format!("{variable}: {}", Error::from(e)));
            reading.set(option, &value).map_err(failed)?;
        }
    }
    Ok(reading)
}

/// SQL to run, and how to show the result.
#[derive(Debug)]
pub(crate) struct Query {
    /// Where the SQL comes from.
    pub(crate) source: SqlSource,
    /// Tables by name: `(name, path)`.
    pub(crate) tables: Vec<(String, String)>,
    /// How many of the last tables the user did not name: they are called after their files.
    pub(crate) unnamed_tables: usize,
    /// Values of `$name` in statements: `(name, value)`.
    pub(crate) parameters: Vec<(String, String)>,
    /// How rows are written.
    pub(crate) format: Format,
    /// Where rows are written; `None` is standard output.
    pub(crate) output: Option<PathBuf>,
    /// How much of the rows formats for people show.
    pub(crate) display: Display,
    /// Whether the user set the limit of rows.
    pub(crate) max_rows_given: bool,
    /// Whether the user set the maximum width.
    pub(crate) max_width_given: bool,
    /// Whether the user set the format.
    pub(crate) format_given: bool,
    /// Whether rows go to standard output and that is a terminal.
    pub(crate) on_terminal: bool,
    /// Whether the time of each statement is printed.
    pub(crate) timing: bool,
    /// `--quiet`: whether only errors are printed on standard error.
    pub(crate) quiet: bool,
    /// Whether the bytes and rows that each statement read are printed.
    pub(crate) verbose: bool,
    /// Whether the prompt runs the user's start-up script.
    pub(crate) rc: bool,
    /// The workers that run it; `None` is this machine.
    pub(crate) workers: Option<Workers>,
}

/// Where SQL comes from.
#[derive(Debug, Clone)]
pub(crate) enum SqlSource {
    /// Arguments of `-c`.
    Commands(Vec<String>),
    /// A file.
    File(PathBuf),
    /// Standard input that is not a terminal.
    Stdin,
    /// A person at the prompt.
    Prompt,
}

/// The workers that run queries, and how to reach them.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "cluster"), allow(dead_code))]
pub(crate) struct Workers {
    /// Workers as `HOST:PORT`, URLs or `dns://NAME:PORT`.
    pub(crate) addresses: Vec<String>,
    /// A file of workers, one on each line.
    pub(crate) file: Option<PathBuf>,
    /// Whether workers see the local files of this machine.
    pub(crate) shared_files: bool,
    /// Token and certificates.
    pub(crate) security: Security,
}

/// How coordinator and workers trust each other.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "cluster"), allow(dead_code))]
pub(crate) struct Security {
    /// The file of the token that both sides know.
    pub(crate) token_file: Option<PathBuf>,
    /// The certificate of this process, and its key.
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    /// The authority of workers' certificates.
    pub(crate) tls_ca: Option<PathBuf>,
    /// The authority of clients' certificates.
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// The name in workers' certificates.
    pub(crate) tls_name: Option<String>,
    /// Whether connections to other machines may do without token and TLS.
    pub(crate) insecure: bool,
}

/// A worker to run.
#[derive(Debug)]
#[cfg_attr(not(feature = "cluster"), allow(dead_code))]
pub(crate) struct WorkerTask {
    /// Where it listens, as `HOST:PORT`.
    pub(crate) listen: String,
    /// Where it serves its metrics, as `HOST:PORT`.
    pub(crate) metrics: Option<String>,
    /// Token and certificates.
    pub(crate) security: Security,
}

/// How much memory queries may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryLimit {
    /// No limit.
    None,
    /// This many bytes.
    Bytes(usize),
}

/// Parses a size, or `none`.
pub(crate) fn parse_memory_limit(text: &str) -> Result<MemoryLimit, String> {
    match text.eq_ignore_ascii_case("none") {
        true => Ok(MemoryLimit::None),
        false => parse_bytes(text).map(MemoryLimit::Bytes),
    }
}

/// Parses `NAME=PATH`.
pub(crate) fn parse_table(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.trim().is_empty() && !path.is_empty() => {
            Ok((name.trim().to_owned(), path.to_owned()))
        }
        _ => Err("expected NAME=PATH, such as events=logs/2024/".to_owned()),
    }
}

/// Parses `NAME=VALUE`, where blanks are part of the value.
pub(crate) fn parse_parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.trim_start_matches('$').to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, such as day=2024-05-01".to_owned()),
    }
}

/// Parses `NAME=VALUE`.
pub(crate) fn parse_option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected NAME=VALUE, such as block_bytes=500000000".to_owned()),
    }
}

/// Returns a table for each file, named as the file without its extensions, in words that SQL needs no quotes for.
pub(crate) fn tables_of(files: Vec<String>) -> Vec<(String, String)> {
    let mut tables: Vec<(String, String)> = Vec::new();
    for file in files {
        let name = file.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = name.trim_start_matches('.').split('.').next().unwrap_or_default().to_lowercase();
        let mut word = stem.replace(|c: char| !c.is_alphanumeric() && c != '_', "_");
        if word.is_empty() || stdin::is_stdin(&file) {
            word = "stdin".to_owned();
        } else if word.starts_with(|c: char| c.is_numeric()) {
            word.insert(0, '_');
        }
        let n = tables.iter().filter(|(other, _)| *other == word || other.starts_with(&format!("{word}_"))).count();
        tables.push((if n == 0 { word } else { format!("{word}_{}", n + 1) }, file));
    }
    tables
}

/// Returns the format for the extension of an output file.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    Some(match extension(path).as_str() {
        "csv" => Format::Csv,
        "tsv" | "tab" => Format::Tsv,
        "json" => Format::Json,
        "ndjson" | "jsonl" => Format::Ndjson,
        "txt" => Format::Table,
        "md" | "markdown" => Format::Markdown,
        "html" | "htm" => Format::Html,
        "arrow" | "feather" => Format::ArrowFile,
        "arrows" => Format::ArrowStream,
        "parquet" => Format::Parquet,
        "avro" => Format::Avro,
        _ => return None,
    })
}

/// The extensions of output files, as messages list them.
pub(crate) const EXTENSIONS: &str = "known extensions are .avro, .parquet, .arrow, .feather (Arrow file), .arrows (Arrow stream), .csv, .tsv, .json \
                                  and .ndjson";

/// Returns the format for the extension of an output file; CSV if there is no extension.
pub(crate) fn format_by_name(path: &Path) -> Result<Format> {
    match format_of(path) {
        Some(format) => Ok(format),
        None if path.extension().is_none() => Ok(Format::Csv),
        // Do not silently write CSV under an unrelated extension.
        None => {
            let name = path.display();
            Err(Error::Usage(format!(
                "cannot tell the output format from the name `{name}`; {EXTENSIONS}; or use --format"
            )))
        }
    }
}

/// Returns the format that `convert` writes for the extension of an output file.
pub(crate) fn target_of(path: &Path) -> Option<Format> {
    format_of(path).filter(|format| !matches!(format, Format::Table | Format::Line | Format::Markdown | Format::Html))
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn parse_table_needs_name_and_path() {
        let cases = [("a=b", Some(("a", "b"))), ("a=b=c", Some(("a", "b=c"))), ("a", None), ("=b", None), ("a=", None)];
        check_all(cases, |(text, expected)| {
            let expected = expected.map(|(name, path)| (name.to_owned(), path.to_owned()));
            assert_eq!(parse_table(text).ok(), expected, "{text}");
        });
    }
}
