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
//! No row objects are made: a schema and the columns that are wanted are compiled once into a [`Program`] of small ops, and
//! the program writes values from the bytes of a block to where Arrow wants them, several blocks at a time.
//!
//! - [`Reader`] reads anything that can be read, on the calling thread; [`ParallelReader`] decodes on several;
//!   [`Decoder`] does no I/O, for engines that bring the bytes themselves, and decodes byte ranges of a file.
//! - [`Options`] says which columns are wanted, of which Arrow types, in batches of which size, and within which [`Limits`].
//! - [`message`] decodes datums that come one by one, framed as queues have them, each with a word on its schema.
//! - [`RowFilter`] says which rows are wanted, from columns that are read first; of the other rows nothing more is read.
//! - [`container`] has the parts below: the header, the blocks, the number of rows without decoding.
//! - [`Options::reader_schema`] reads files of many schemas as one, by Avro's rules of schema resolution.
//! - [`Schema`](schema::Schema) is Avro's schema language; its canonical form and [fingerprints](schema::Fingerprint) name it.
//!   [`MergedSchema`](schema::MergedSchema) is the schema of many files together,
//!   [`Schema::from_arrow`](schema::Schema::from_arrow) that of Arrow columns.
//! - [`json`] has values as JSON and back, in the specification's encoding or without tags.
//! - [`mod@reference`] decodes value by value, to compare with.
//!
//! Whatever a file holds, reading it ends, in bounded memory, with its rows or with an [`Error`] that says what is wrong and
//! where. A file that is cut short is an error. [`OnCorruptBlock::Skip`] reads the blocks around the damage, and lists what it skipped.
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
//! | `["null", T]`, `[T, "null"]`, `[T]` | T, nullable but in the last |
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
//! Fields keep in their metadata what Arrow's types do not say: `avro.doc`, `avro.aliases`, `avro.name` of named types,
//! `avro.logicalType`, all other attributes as `avro.…`, and `field-id` as `PARQUET:field_id`. The batches' schema has the
//! Avro schema as `avro.schema`.

// In the order of the data: a module imports only from those above it.
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
mod decode;
pub mod message;
mod writer;
#[doc(hidden)]
pub mod testing;

pub use codec::{Block, Codec, Compressor, Decompressor};
pub use damage::DamagedBlock;
pub use decode::batcher::RowRange;
pub use decode::decoder::{DecodeResult, Decoder};
pub use decode::filter::{FilterError, FilterProgram, RowFilter};
pub use decode::parallel_reader::ParallelReader;
pub use decode::reader::Reader;
pub use decode::reader_builder::ReaderBuilder;
pub use encoding::{PADDING, PaddedBytes};
pub use error::{Error, ErrorKind, Fault, Mismatch, Position, Result, Severity};
pub use limits::Limits;
pub use options::{Decimals, Enums, FieldMatch, LogicalMaps, OnCorruptBlock, Options, Strings, TypeNames, Unions};
pub use program::Program;
pub use writer::{
    Blocks, Encoder, ParallelWriter, WriteOptions, Writer, WriterBuilder, WrittenBlock, derived_schema, renamed_fields,
};
