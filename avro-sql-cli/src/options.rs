//! Options: what was asked for, checked and typed. Made by `cli.rs`; nothing after it knows of arguments.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::{Display, Format};

/// In which form to show a schema.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SchemaForm {
    /// As the file has it.
    Avro,
    /// The Arrow types its columns are read as.
    Arrow,
    /// The Parsing Canonical Form.
    Canonical,
    /// A fingerprint of that.
    Fingerprint(Hash),
}

/// How to make a fingerprint.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hash {
    /// CRC-64-AVRO.
    Rabin,
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

/// How much to say about many files.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Total {
    /// One number for all of them.
    Sum,
    /// One line for each file.
    PerFile,
}

/// What may be used.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    /// Threads that decode and compute.
    pub(crate) threads: usize,
    /// Bytes that queries may hold before they spill to disk or fail; `None` is no limit.
    pub(crate) memory_bytes: Option<usize>,
    /// Whether statements that write files are refused.
    pub(crate) read_only: bool,
    /// Rows of a batch.
    pub(crate) batch_rows: usize,
}

/// SQL to answer, and how to show the answer.
#[derive(Debug)]
pub(crate) struct Query {
    /// Where the SQL comes from.
    pub(crate) source: Source,
    /// Tables by name: `(name, path)`.
    pub(crate) tables: Vec<(String, String)>,
    /// How rows are written.
    pub(crate) format: Format,
    /// Where rows are written; `None` is standard output.
    pub(crate) output: Option<PathBuf>,
    /// How much of them formats for people show.
    pub(crate) display: Display,
    /// Is the limit of its rows the user's?
    pub(crate) max_rows_given: bool,
    /// Is standard output a terminal, and the place where rows are written?
    pub(crate) on_terminal: bool,
    /// Is the time of each statement said?
    pub(crate) timing: bool,
    /// Is nothing said that is not asked for?
    pub(crate) quiet: bool,
    /// Is what each statement read said?
    pub(crate) verbose: bool,
    /// Does the prompt run the user's start-up script?
    pub(crate) rc: bool,
}

/// Where SQL comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The command line.
    Commands(Vec<String>),
    /// A file.
    File(PathBuf),
    /// Standard input, not a terminal.
    Stdin,
    /// A person.
    Prompt,
}

/// A size such as `512M`, `2G` or `2GiB` in bytes, by powers of 1024.
pub(crate) fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_bytes = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 1u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return Err(format!("unknown unit `{unit}`; use K, M, G or T")),
    };
    let number: f64 = number.parse().map_err(|_| "not a size; write for example 512M or 2G".to_owned())?;
    let bytes = number * unit_bytes as f64;
    // 2^53 bytes is far beyond any memory, and what an f64 counts exactly.
    if bytes < 1.0 || bytes > (1u64 << 53) as f64 {
        return Err("a size must be between 1 byte and 8192 TiB".to_owned());
    }
    Ok(bytes as usize)
}

/// How much memory queries may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryLimit {
    /// No limit.
    None,
    /// This many bytes.
    Bytes(usize),
}

/// A size, or `none`.
pub(crate) fn parse_memory_limit(text: &str) -> Result<MemoryLimit, String> {
    match text.eq_ignore_ascii_case("none") {
        true => Ok(MemoryLimit::None),
        false => parse_bytes(text).map(MemoryLimit::Bytes),
    }
}

/// `NAME=PATH`.
pub(crate) fn parse_table(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.trim().is_empty() && !path.is_empty() => {
            Ok((name.trim().to_owned(), path.to_owned()))
        }
        _ => Err("write NAME=PATH, for example events=logs/2024/".to_owned()),
    }
}

/// `NAME=VALUE`.
pub(crate) fn parse_option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write NAME=VALUE, for example block_bytes=500000000".to_owned()),
    }
}

/// The format that an output file's ending asks for.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    Some(match ending(path).as_str() {
        "csv" => Format::Csv,
        "tsv" | "tab" => Format::Tsv,
        "json" => Format::Json,
        "ndjson" | "jsonl" => Format::Ndjson,
        "txt" => Format::Table,
        "md" | "markdown" => Format::Markdown,
        "arrow" | "feather" => Format::ArrowFile,
        "arrows" => Format::ArrowStream,
        "parquet" => Format::Parquet,
        "avro" => Format::Avro,
        _ => return None,
    })
}

/// The endings of the files that are written, as messages list them.
pub(crate) const ENDINGS: &str = "known endings are .avro, .parquet, .arrow, .feather (Arrow file), .arrows (Arrow stream), .csv, .tsv, .json \
                                  and .ndjson";

/// The format of a file that no option says the format of: by its ending; CSV where it has none.
pub(crate) fn format_by_name(path: &Path) -> Result<Format> {
    match format_of(path) {
        Some(format) => Ok(format),
        None if path.extension().is_none() => Ok(Format::Csv),
        // What is no CSV to the user would be CSV to nobody's surprise but theirs.
        None => {
            let name = path.display();
            Err(Error::Usage(format!(
                "cannot tell from the name `{name}` what to write; {ENDINGS}; or say it with --format"
            )))
        }
    }
}

/// The format to convert to that an output file's ending asks for.
pub(crate) fn target_of(path: &Path) -> Option<Format> {
    format_of(path).filter(|format| !matches!(format, Format::Table | Format::Markdown))
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("1", Some(1)),
            ("512M", Some(512 << 20)),
            ("2G", Some(2 << 30)),
            ("2GiB", Some(2 << 30)),
            ("2gb", Some(2 << 30)),
            ("1.5K", Some(1536)),
            ("", None),
            ("0", None),
            ("-1", None),
            ("2X", None),
            ("G", None),
            ("999999999999T", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_bytes(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn tables() {
        let cases = [("a=b", Some(("a", "b"))), ("a=b=c", Some(("a", "b=c"))), ("a", None), ("=b", None), ("a=", None)];
        for (text, expected) in cases {
            let expected = expected.map(|(name, path)| (name.to_owned(), path.to_owned()));
            assert_eq!(parse_table(text).ok(), expected, "{text}");
        }
    }
}
