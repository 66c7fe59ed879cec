//! The format and the compression of an input, by its name.

use std::path::Path;

use avro_datafusion::data_files::compression;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

use crate::error::{Error, Result};
use crate::files::inputs::InputFile;

/// An input format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputFormat {
    Avro,
    Parquet,
    Arrow,
    Csv,
    Tsv,
    Ndjson,
    Json,
}

impl InputFormat {
    /// Returns the format by the extension before that of a compression. An unknown extension means Avro, whose reader
    /// reports files that are not.
    pub(crate) fn from_path(path: &Path) -> InputFormat {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let plain = name.rsplit_once('.').filter(|_| compression(&name).is_some()).map_or(&*name, |(plain, _)| plain);
        match Path::new(plain).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase().as_str() {
            "parquet" => InputFormat::Parquet,
            "arrow" | "feather" | "arrows" | "ipc" => InputFormat::Arrow,
            "csv" => InputFormat::Csv,
            "tsv" | "tab" => InputFormat::Tsv,
            "ndjson" | "jsonl" => InputFormat::Ndjson,
            "json" => InputFormat::Json,
            _ => InputFormat::Avro,
        }
    }

    /// Returns the format of all these files, or an error if they differ.
    pub(crate) fn from_files(files: &[InputFile]) -> Result<InputFormat> {
        let first = files.first().map_or(InputFormat::Avro, |file| InputFormat::from_path(&file.path));
        let compression = |path: &Path| format!("{:?}", compression_of(path));
        if let [one, others @ ..] = files
            && let Some(other) = others.iter().find(|other| compression(&other.path) != compression(&one.path))
        {
            return Err(Error::Usage(format!(
                "{} and {} have different compression; decompress one of them",
                one.path.display(),
                other.path.display()
            )));
        }
        match files.iter().map(|file| &file.path).find(|path| InputFormat::from_path(path) != first) {
            Some(other) => Err(Error::Usage(format!(
                "{} is {:?}, but {} is {first:?}: to write one file, all inputs must have one format; to convert each file, write to a directory, \
                 as in `convert IN... OUT/ --to parquet`",
                other.display(),
                InputFormat::from_path(other),
                files.first().map(|file| file.path.display().to_string()).unwrap_or_default()
            ))),
            None => Ok(first),
        }
    }
}

/// Returns the compression by the extension of a name.
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
