//! The arguments of `convert`: checks codecs and levels for each format and returns the task.

use avro_arrow::{Codec, Compressor};
use avro_datafusion::AvroOptions;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

use super::{ConvertArguments, ConvertCodecArgument, TargetArgument};
use crate::commands::convert::{self, RowSelection};
use crate::commands::schema;
use crate::error::{Error, Result};
use crate::options::{EXTENSIONS, target_of};
use crate::output::{Format, Writing};

/// Returns the conversion task of these arguments.
pub(super) fn conversion(arguments: ConvertArguments, reading: &AvroOptions) -> Result<convert::ConvertTask> {
    let mut inputs = arguments.files;
    let output = match inputs.pop() {
        Some(output) if !inputs.is_empty() => output,
        _ => return Err(Error::Usage("convert needs at least one input and an output".to_owned())),
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
        Error::Usage(format!("cannot tell the output format from the name `{name}`; {EXTENSIONS}; or use --to"))
    })?;
    let into_directory = output.is_dir() || output.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
    if !arguments.partition_by.is_empty() && !into_directory {
        return Err(Error::Usage(format!("--partition-by needs an output directory; write {}/", output.display())));
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
                "--codec applies to Parquet and Avro only; other formats are written uncompressed".to_owned(),
            ));
        }
        (_, None) if arguments.level.is_some() => {
            return Err(Error::Usage(
                "--level applies to Parquet and Avro only; other formats are written uncompressed".to_owned(),
            ));
        }
        _ => {}
    }
    if let Some(schema) = &arguments.schema {
        if format != Format::Avro {
            return Err(Error::Usage("--schema applies to Avro output only".to_owned()));
        }
        writing.avro.check_schema = reading.writing.check_schema;
        writing.avro.schema = Some(schema::schema_of(schema, reading)?);
    }
    if arguments.block_size.is_some() && format != Format::Avro {
        return Err(Error::Usage("--block-size applies to Avro output only".to_owned()));
    }
    Ok(convert::ConvertTask {
        inputs,
        output,
        into_directory,
        format,
        writing,
        wanted: RowSelection { select: arguments.select, filter: arguments.filter },
        partition_by: arguments.partition_by,
    })
}

fn parquet_codec(codec: Option<ConvertCodecArgument>, level: Option<i32>) -> Result<Compression> {
    let wrong = |level: i32, codec: &str, levels: &str| {
        Error::Usage(format!("--level {level}: Parquet's {codec} has levels {levels}"))
    };
    Ok(match (codec.unwrap_or(ConvertCodecArgument::Zstd), level) {
        (ConvertCodecArgument::Zstd, None) => Compression::ZSTD(ZstdLevel::default()),
        (ConvertCodecArgument::Zstd, Some(level)) => {
            Compression::ZSTD(ZstdLevel::try_new(level).map_err(|_| wrong(level, "zstd", "1 to 22"))?)
        }
        (ConvertCodecArgument::Gzip, None) => Compression::GZIP(GzipLevel::default()),
        (ConvertCodecArgument::Gzip, Some(level)) => {
            let found = u32::try_from(level).ok().and_then(|level| GzipLevel::try_new(level).ok());
            Compression::GZIP(found.ok_or_else(|| wrong(level, "gzip", "0 to 9"))?)
        }
        (_, Some(_)) => return Err(Error::Usage("--level applies to the codecs zstd and gzip only".to_owned())),
        (ConvertCodecArgument::None, None) => Compression::UNCOMPRESSED,
        (ConvertCodecArgument::Snappy, None) => Compression::SNAPPY,
        (ConvertCodecArgument::Lz4, None) => Compression::LZ4_RAW,
        (ConvertCodecArgument::Deflate | ConvertCodecArgument::Bzip2 | ConvertCodecArgument::Xz, None) => {
            return Err(Error::Usage("codec not supported by Parquet; use none, snappy, gzip, lz4 or zstd".to_owned()));
        }
    })
}

fn avro_codec(codec: ConvertCodecArgument) -> Result<Codec> {
    Ok(match codec {
        ConvertCodecArgument::None => Codec::Null,
        ConvertCodecArgument::Snappy => Codec::Snappy,
        ConvertCodecArgument::Deflate => Codec::Deflate,
        ConvertCodecArgument::Zstd => Codec::Zstandard,
        ConvertCodecArgument::Bzip2 => Codec::Bzip2,
        ConvertCodecArgument::Xz => Codec::Xz,
        ConvertCodecArgument::Gzip | ConvertCodecArgument::Lz4 => {
            return Err(Error::Usage(
                "codec not supported by Avro; use none, deflate, snappy, zstd, bzip2 or xz".to_owned(),
            ));
        }
    })
}
