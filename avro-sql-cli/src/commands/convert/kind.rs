//! The format and the compression of an input, by its name.

use std::path::Path;

use avro_datafusion::data_files::compression;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

use crate::error::{Error, Result};
use crate::files::inputs::Found;

/// A format to convert from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Avro,
    Parquet,
    Arrow,
    Csv,
    Tsv,
    Ndjson,
    Json,
}

impl Kind {
    /// By the extension of the name, in front of that of a compression. A file of no known extension is Avro, or says itself that
    /// it is not.
    pub(crate) fn of(path: &Path) -> Kind {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let plain = name.rsplit_once('.').filter(|_| compression(&name).is_some()).map_or(&*name, |(plain, _)| plain);
        match Path::new(plain).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase().as_str() {
            "parquet" => Kind::Parquet,
            "arrow" | "feather" | "arrows" | "ipc" => Kind::Arrow,
            "csv" => Kind::Csv,
            "tsv" | "tab" => Kind::Tsv,
            "ndjson" | "jsonl" => Kind::Ndjson,
            "json" => Kind::Json,
            _ => Kind::Avro,
        }
    }

    /// The one kind that all these files are of.
    pub(crate) fn of_all(files: &[Found]) -> Result<Kind> {
        let first = files.first().map_or(Kind::Avro, |file| Kind::of(&file.path));
        let compression = |path: &Path| format!("{:?}", compression_of(path));
        if let [one, others @ ..] = files
            && let Some(other) = others.iter().find(|other| compression(&other.path) != compression(&one.path))
        {
            return Err(Error::Usage(format!(
                "{} and {} are not compressed alike; decompress one of them",
                one.path.display(),
                other.path.display()
            )));
        }
        match files.iter().map(|file| &file.path).find(|path| Kind::of(path) != first) {
            Some(other) => Err(Error::Usage(format!(
                "{} is {:?}, but {} is {first:?}: files of one format make one file; one to one they are converted into a directory, \
                 as in `convert IN... OUT/ --to parquet`",
                other.display(),
                Kind::of(other),
                files.first().map(|file| file.path.display().to_string()).unwrap_or_default()
            ))),
            None => Ok(first),
        }
    }
}

/// How a file is compressed, by the extension of its name.
pub(crate) fn compression_of(path: &Path) -> FileCompressionType {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match compression(&name) {
        Some(("gzip", _)) => FileCompressionType::GZIP,
        Some(("bzip2", _)) => FileCompressionType::BZIP2,
        Some(("xz", _)) => FileCompressionType::XZ,
        Some(("zstd", _)) => FileCompressionType::ZSTD,
        _ => FileCompressionType::UNCOMPRESSED,
    }
}
