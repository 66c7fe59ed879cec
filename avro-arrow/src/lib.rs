//! Avro container files decoded straight into Arrow columns.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro");
//! use avro_arrow::ReaderBuilder;
//!
//! let threads = std::thread::available_parallelism()?.get();
//! for batch in ReaderBuilder::new().build_parallel(std::fs::File::open(path)?, threads)? {
//!     let batch = batch?; // an arrow_array::RecordBatch
//!     println!("{} rows of {} columns", batch.num_rows(), batch.num_columns());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The schema and the projected columns are compiled once into a [`Program`] of small ops. The program copies values
//! from the bytes of a block to Arrow buffers, several blocks at a time, without an object for each row.
//!
//! - [`ReaderBuilder`] builds a [`Reader`], which decodes any [`Read`](std::io::Read) on the calling thread; a
//!   [`ParallelReader`], which decodes on several threads; and a [`Decoder`], which does no I/O and decodes bytes that
//!   the caller feeds, also byte ranges of a file.
//! - [`WriterBuilder`] builds a [`Writer`], a [`ParallelWriter`] and an [`Encoder`].
//! - [`Options`] selects columns, their Arrow types, the batch size and the [`Limits`].
//! - [`RowFilter`] selects rows by some columns; the other columns are decoded for the selected rows only.
//! - [`Options::reader_schema`] resolves files of different schemas to one, by Avro's rules of schema resolution.
//! - [`message`] decodes individual messages (single-object encoding, Confluent, Apicurio), each carrying a schema id.
//! - [`container`] has the parts of a file: the header, the blocks, and row counts without decoding.
//! - [`Schema`](schema::Schema) parses Avro schemas, with their canonical form and [fingerprints](schema::Fingerprint).
//!   [`MergedSchema`](schema::MergedSchema) merges the schemas of many files, and
//!   [`Schema::from_arrow`](schema::Schema::from_arrow) converts an Arrow schema.
//! - [`json`] converts values to JSON and back, in the specification's encoding or without union tags.
//! - [`mod@reference`] decodes value by value, slowly, to compare with.
//!
//! Reading any file ends, in bounded memory, with its rows or with an [`Error`] that says what is wrong and where. A
//! truncated file is an error. [`OnCorruptBlock::Skip`] reads the intact blocks and lists the skipped ones.
//!
//! # Features
//!
//! | feature | codec | library |
//! |---|---|---|
//! | `deflate` | deflate | libdeflate |
//! | `snappy` | snappy | `snap` for compression; decompression is this crate's own |
//! | `zstd` | zstandard | libzstd |
//! | `bzip2` | bzip2 | libbz2-rs |
//! | `xz` | xz | liblzma, linked statically |
//!
//! All are on by default. Without its feature, a codec is an [error](ErrorKind::CodecNotEnabled) that names the
//! feature.
//!
//! # Types
//!
//! | Avro | Arrow |
//! |---|---|
//! | null, boolean, int, long, float, double | Null, Boolean, Int32, Int64, Float32, Float64 |
//! | bytes, string | BinaryView, Utf8View; or Binary, Utf8 ([`Strings`]) |
//! | fixed(n) | FixedSizeBinary(n) |
//! | enum | Dictionary(Int32, Utf8); or the strings ([`Enums`]) |
//! | array, map | List, Map |
//! | record | Struct; the outermost is the batch |
//! | any other outermost type | one column, `value` |
//! | `["null", T]`, `[T, "null"]` | T, nullable |
//! | `[T]` | T |
//! | other unions | dense Union, with a child for each branch; or Struct ([`Unions`], [`tagged`]) |
//! | a record inside itself | Utf8View of Avro's JSON encoding, at the point of recursion ([`Options::recursion_levels`]) |
//! | decimal | Decimal128 up to 38 digits, Decimal256 up to 76, else the base type; or wide, or bytes ([`Decimals`]) |
//! | date, time-millis, time-micros | Date32, Time32(ms), Time64(µs) |
//! | timestamp-millis, -micros, -nanos | Timestamp(unit, "UTC") |
//! | local-timestamp-millis, -micros, -nanos; timestamp-… with Iceberg's `adjust-to-utc: false` | Timestamp(unit) |
//! | uuid | FixedSizeBinary(16) with the extension type `arrow.uuid`, or the string |
//! | duration | Interval(MonthDayNano) |
//! | array with Iceberg's `logicalType: map` | List; or Map ([`LogicalMaps`]) |
//! | big-decimal, unknown or invalid logical types | the base type |
//!
//! The metadata of fields keeps what Arrow types cannot express: `avro.doc`, `avro.aliases`, `avro.name` of named
//! types, `avro.logicalType`, all other attributes as `avro.…`, and `field-id` as `PARQUET:field_id`. The metadata of
//! the batches' schema has the Avro schema as `avro.schema`.

#[cfg(target_endian = "big")]
compile_error!(
    "avro-arrow supports little-endian targets only: it copies Avro's little-endian floats and fixed-width values into \
     Arrow's buffers, which have the byte order of the machine"
);

// In the order of the data: a module imports only from modules above it.
mod error;
mod damage;
mod limits;
mod encoding;
pub mod schema;
mod options;
mod codec;
pub mod container;
mod resolve;
mod value;
pub mod tagged;
mod plan;
pub mod json;
pub mod reference;
mod column;
mod program;
mod exec;
mod decode;
pub mod message;
mod writer;

pub use codec::{Block, Codec, Compressor, Decompressor};
pub use damage::DamagedBlock;
pub use decode::batcher::RowRange;
pub use decode::decoder::{DecodeResult, Decoder};
pub use decode::filter::{FilterError, FilterProgram, RowFilter};
pub use decode::parallel_reader::ParallelReader;
pub use decode::reader::Reader;
pub use decode::reader_builder::ReaderBuilder;
#[doc(hidden)] // one writer of varints for the crates of this workspace
pub use encoding::put_long;
pub use encoding::{PADDING, PaddedBytes};
pub use error::{Error, ErrorKind, Fault, Mismatch, Position, Result, Severity};
#[doc(hidden)] // Tests and fuzz targets outside this crate run on each kernel set.
pub use exec::CpuKind;
pub use limits::Limits;
pub use options::{Decimals, Enums, FieldMatch, LogicalMaps, OnCorruptBlock, Options, Strings, TypeNames, Unions};
pub use program::Program;
pub use writer::{
    Blocks, Encoder, MessageEncoder, ParallelWriter, WriteOptions, Writer, WriterBuilder, WrittenBlock, derived_schema,
    renamed_fields,
};
