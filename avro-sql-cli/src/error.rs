//! Errors: every failure becomes one line on standard error and an exit code.
//!
//! Libraries wrap errors in layers of prefixes; [`one_line`] and the conversions here remove them, so that the user
//! reads what happened and where.

mod exhausted;
pub(crate) mod nearby;
pub(crate) mod place;
mod report;
mod wording;

use std::fmt;
use std::io;
use std::path::Path;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use place::Place;
pub(crate) use report::{catch_panics, panics, print_note, print_stderr, report, suppress_notes};

/// The result type of the whole crate.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the command failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// The query or the data failed: exit code 1.
    Failed(String),
    /// A statement is wrong at this place: exit code 1.
    Statement(String, Place),
    /// Ctrl-C, or a request to terminate: exit code 130.
    Interrupted,
    /// The reader of the output is gone, as after `| head`: exit code 0.
    ClosedPipe,
}

impl Error {
    /// Returns the error of an I/O operation on this file.
    pub(crate) fn file(path: &Path, e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Error::ClosedPipe,
            io::ErrorKind::NotFound => {
                let near = nearby::nearby(path).map(|near| format!("; did you mean {}?", near.display()));
                Error::Failed(format!("{}: {}{}", path.display(), reason(&e), near.unwrap_or_default()))
            }
            _ => Error::Failed(format!("{}: {}", path.display(), reason(&e))),
        }
    }

    /// Puts a place before the message of a failure.
    #[must_use]
    pub(crate) fn with_context(self, place: &str) -> Self {
        match self {
            Error::Failed(what) => Error::Failed(format!("{place}: {what}")),
            Error::Statement(what, at) => Error::Statement(format!("{place}: {what}"), at),
            other => other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(what) | Error::Failed(what) => f.write_str(&one_line(what)),
            Error::Statement(what, at) => write!(f, "{}{}", one_line(what), at.words()),
            Error::Interrupted => f.write_str("interrupted"),
            Error::ClosedPipe => f.write_str("the output was closed"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Error::ClosedPipe,
            _ => Error::Failed(reason(&e)),
        }
    }
}

impl From<avro_arrow::Error> for Error {
    fn from(e: avro_arrow::Error) -> Self {
        match e.kind() {
            _ if closed_pipe(&e) => Error::ClosedPipe,
            avro_arrow::ErrorKind::Idl { place, .. } => Error::Statement(e.to_string(), Place::of_text(place)),
            _ => Error::Failed(avro_error(&e)),
        }
    }
}

impl From<DataFusionError> for Error {
    fn from(e: DataFusionError) -> Self {
        Error::Failed(wording::plain(&engine_error(&e)))
    }
}

impl From<ArrowError> for Error {
    fn from(e: ArrowError) -> Self {
        match e {
            ArrowError::IoError(_, e) => Error::from(e),
            e => Error::Failed(arrow_error(&e)),
        }
    }
}

impl From<ParquetError> for Error {
    fn from(e: ParquetError) -> Self {
        if closed_pipe(&e) {
            return Error::ClosedPipe;
        }
        Error::Failed(match e {
            ParquetError::External(e) => source_error(e.as_ref()),
            e => e.to_string(),
        })
    }
}

/// Whether the root cause is a closed output pipe.
fn closed_pipe(e: &(dyn std::error::Error + 'static)) -> bool {
    let layers = std::iter::successors(Some(e), |e| e.source());
    layers.filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Marks an error as one of standard output, so that a full disk there is not taken for an error of the files that are
/// read.
pub(crate) fn on_stdout(e: io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("standard output: {}", reason(&e)))
}

/// Returns the text of an I/O error without Rust's ` (os error 2)`.
fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Returns the innermost meaningful part of DataFusion's error.
fn engine_error(e: &DataFusionError) -> String {
    use DataFusionError::*;
    match e {
        ArrowError(e, _) => arrow_error(e),
        ParquetError(e) => match e.as_ref() {
            parquet::errors::ParquetError::External(e) => source_error(e.as_ref()),
            e => e.to_string(),
        },
        ObjectStore(e) => e.to_string(),
        IoError(e) => reason(e),
        SQL(e, _) => {
            let text = e.to_string();
            text.strip_prefix("sql parser error: ").unwrap_or(&text).to_owned()
        }
        SchemaError(e, _) => e.to_string(),
        External(e) => source_error(e.as_ref()),
        Context(_, inner) | Diagnostic(_, inner) => engine_error(inner),
        Shared(inner) => engine_error(inner),
        Collection(all) => all.iter().map(engine_error).collect::<Vec<_>>().join("; "),
        NotImplemented(what) => format!("not supported: {what}"),
        Internal(what) => format!("internal error: {what}"),
        ResourcesExhausted(what) => exhausted::explain(what),
        // The user did not choose the default catalog and schema.
        Plan(what) => what.replace("'datafusion.public.", "'").replace("table 'datafusion.", "table '"),
        Configuration(what) | Execution(what) => what.clone(),
        other => other.strip_backtrace(),
    }
}

/// Rewrites Arrow's `Error while parsing value 'x' as type 'Int64' for column 1 at line 3. Row data: ..` as a plain
/// sentence.
fn csv_error(what: &str) -> Option<String> {
    let (value, rest) = what.strip_prefix("Error while parsing value '")?.split_once("' as type '")?;
    let (kind, rest) = rest.split_once("' for column ")?;
    let (column, rest) = rest.split_once(" at line ")?;
    let line = rest.split('.').next()?;
    let column: usize = column.parse().ok()?;
    Some(format!(
        "line {line}, column {}: `{value}` is not of type {kind}, the type of the values before it; set another type with CREATE EXTERNAL TABLE or convert --schema",
        column + 1
    ))
}

/// Returns the text of a decoder's error, with the option that helps.
fn avro_error(e: &avro_arrow::Error) -> String {
    match e.kind() {
        avro_arrow::ErrorKind::Conflict { widens: true, .. } => {
            format!("{e}; union_by_name => 'widen' (--option union_by_name=widen) combines them")
        }
        // A failing condition is an error of the query, not of the file.
        avro_arrow::ErrorKind::Filter(e) => source_error(e.as_ref()),
        _ => e.to_string(),
    }
}

fn arrow_error(e: &ArrowError) -> String {
    use ArrowError::*;
    match e {
        ExternalError(e) => source_error(e.as_ref()),
        IoError(_, e) => reason(e),
        NotYetImplemented(what) => format!("not supported: {what}"),
        DivideByZero => "division by zero".to_owned(),
        ParseError(what) => csv_error(what).unwrap_or_else(|| what.clone()),
        CastError(what)
        | SchemaError(what)
        | ComputeError(what)
        | ArithmeticOverflow(what)
        | InvalidArgumentError(what) => what.clone(),
        other => other.to_string(),
    }
}

fn source_error(e: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    if let Some(e) = e.downcast_ref::<DataFusionError>() {
        engine_error(e)
    } else if let Some(e) = e.downcast_ref::<ArrowError>() {
        arrow_error(e)
    } else if let Some(e) = e.downcast_ref::<avro_arrow::Error>() {
        avro_error(e)
    } else if let Some(e) = e.downcast_ref::<io::Error>() {
        reason(e)
    } else {
        e.to_string()
    }
}

/// Returns a count with its noun, in the plural unless it is 1.
pub(crate) fn n_of(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Returns the text on one line: runs of white space become one space.
pub(crate) fn one_line(text: &str) -> String {
    let text = text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn error_layers_are_removed() {
        let io = || io::Error::from_raw_os_error(2);
        let boxed = |e: DataFusionError| Box::new(e) as Box<dyn std::error::Error + Send + Sync>;
        let cases: [(DataFusionError, &str); 8] = [
            (DataFusionError::IoError(io()), "No such file or directory"),
            (DataFusionError::External(Box::new(io())), "No such file or directory"),
            (DataFusionError::External(boxed(DataFusionError::Plan("no table".into()))), "no table"),
            (DataFusionError::Plan("a".into()).context("type_coercion"), "a"),
            (ArrowError::DivideByZero.into(), "division by zero"),
            (ArrowError::ExternalError(boxed(DataFusionError::Execution("x\n  y".into()))).into(), "x y"),
            (DataFusionError::Shared(std::sync::Arc::new(ArrowError::CastError("bad".into()).into())), "bad"),
            (DataFusionError::NotImplemented("that".into()), "not supported: that"),
        ];
        check_all(cases, |(error, expected)| {
            assert_eq!(Error::from(error).to_string(), expected);
        });
    }
}
