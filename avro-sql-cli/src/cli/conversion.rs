//! The arguments of `convert`: what was written in, the task out, with the codecs and levels of each format checked.

use avro_arrow::{Codec, Compressor};
use avro_datafusion::AvroOptions;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

use super::{CodecArgument, ConvertArguments, TargetArgument};
use crate::commands::convert::{self, Wanted};
use crate::commands::schema;
use crate::error::{Error, Result};
use crate::options::{ENDINGS, target_of};
use crate::output::{Format, Writing};

/// What to convert to what, and how it is written.
pub(super) fn conversion(arguments: ConvertArguments, reading: &AvroOptions) -> Result<convert::Task> {
    let mut inputs = arguments.files;
    let output = match inputs.pop() {
        Some(output) if !inputs.is_empty() => output,
        _ => return Err(Error::Usage("convert needs files to read and a file to write".to_owned())),
    };
    let named = arguments.to.map(|to| match to {
        TargetArgument::Avro => Format::Avro,
        TargetArgument::Parquet => Format::Parquet,
        TargetArgument::Arrow => Format::ArrowFile,
        TargetArgument::Arrows => Format::ArrowStream,
        TargetArgument::Csv => Format::Csv,
        TargetArgument::Tsv => Format::Tsv,
        TargetArgument::Json => Format::Json,
        TargetArgument::Ndjson => Format::Ndjson,
    });
    let format = named.or_else(|| target_of(&output)).ok_or_else(|| {
        let name = output.display();
        Error::Usage(format!("cannot tell from the name `{name}` what to convert to; {ENDINGS}; or say it with --to"))
    })?;
    let into_directory = output.is_dir() || output.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
    if !arguments.partition_by.is_empty() && !into_directory {
        return Err(Error::Usage(format!("--partition-by writes a directory: {}/", output.display())));
    }
    let mut writing = Writing::default();
    match (format, arguments.codec) {
        (Format::Parquet, codec) => writing.parquet = parquet_codec(codec, arguments.level)?,
        (Format::Avro, codec) => {
            writing.avro.codec = codec.map_or(Ok(writing.avro.codec), avro_codec)?;
            writing.avro.level = arguments.level;
            Compressor::new(writing.avro.codec, arguments.level).map_err(|e| Error::Usage(e.to_string()))?;
            writing.avro.block_bytes = arguments.block_size.unwrap_or(writing.avro.block_bytes);
            writing.avro.limits = reading.limits.clone();
        }
        (_, Some(_)) => {
            return Err(Error::Usage(
                "--codec is for Parquet and Avro; other files are written uncompressed".to_owned(),
            ));
        }
        (_, None) if arguments.level.is_some() => {
            return Err(Error::Usage(
                "--level is for Parquet and Avro; other files are written uncompressed".to_owned(),
            ));
        }
        _ => {}
    }
    if let Some(schema) = &arguments.schema {
        if format != Format::Avro {
            return Err(Error::Usage("--schema is for Avro, which is not what is written".to_owned()));
        }
        writing.avro.check_schema = reading.writing.check_schema;
        writing.avro.schema = Some(schema::schema_of(schema, reading)?);
    }
    if arguments.block_size.is_some() && format != Format::Avro {
        return Err(Error::Usage("--block-size is for Avro, which is not what is written".to_owned()));
    }
    Ok(convert::Task {
        inputs,
        output,
        into_directory,
        format,
        writing,
        wanted: Wanted { select: arguments.select, filter: arguments.filter },
        partition_by: arguments.partition_by,
    })
}

fn parquet_codec(codec: Option<CodecArgument>, level: Option<i32>) -> Result<Compression> {
    let wrong = |level: i32, codec: &str, levels: &str| {
        Error::Usage(format!("{level} is no level of {codec} in Parquet: those are {levels}"))
    };
    Ok(match (codec.unwrap_or(CodecArgument::Zstd), level) {
        (CodecArgument::Zstd, None) => Compression::ZSTD(ZstdLevel::default()),
        (CodecArgument::Zstd, Some(level)) => {
            Compression::ZSTD(ZstdLevel::try_new(level).map_err(|_| wrong(level, "zstd", "1 to 22"))?)
        }
        (CodecArgument::Gzip, None) => Compression::GZIP(GzipLevel::default()),
        (CodecArgument::Gzip, Some(level)) => {
            let found = u32::try_from(level).ok().and_then(|level| GzipLevel::try_new(level).ok());
            Compression::GZIP(found.ok_or_else(|| wrong(level, "gzip", "0 to 9"))?)
        }
        (_, Some(_)) => return Err(Error::Usage("--level is for the codecs zstd and gzip".to_owned())),
        (CodecArgument::None, None) => Compression::UNCOMPRESSED,
        (CodecArgument::Snappy, None) => Compression::SNAPPY,
        (CodecArgument::Lz4, None) => Compression::LZ4_RAW,
        (CodecArgument::Deflate | CodecArgument::Bzip2 | CodecArgument::Xz, None) => {
            return Err(Error::Usage("the codecs of Parquet are none, snappy, gzip, lz4 and zstd".to_owned()));
        }
    })
}

fn avro_codec(codec: CodecArgument) -> Result<Codec> {
    Ok(match codec {
        CodecArgument::None => Codec::Null,
        CodecArgument::Snappy => Codec::Snappy,
        CodecArgument::Deflate => Codec::Deflate,
        CodecArgument::Zstd => Codec::Zstandard,
        CodecArgument::Bzip2 => Codec::Bzip2,
        CodecArgument::Xz => Codec::Xz,
        CodecArgument::Gzip | CodecArgument::Lz4 => {
            return Err(Error::Usage("the codecs of Avro are none, deflate, snappy, zstd, bzip2 and xz".to_owned()));
        }
    })
}
