//! Errors: what is wrong (`ErrorKind`), where it is (`Position`), and who has to act on it.
//!
//! Everything in this crate fails with [`Error`]. Code that reads values returns a bare [`Fault`], and the block boundary adds
//! the position once. The run loop only notes that something is wrong; the reference decoder then says what and where.

use arrow_schema::ArrowError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: its kind and its position in the data, one pointer wide.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    position: Position,
}

/// Where in the data an error was found. Every part is given where it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The file's name or URL.
    pub file: Option<String>,
    /// Bytes from the start of the file; inside a compressed block, the offset at which that block starts.
    pub offset: Option<u64>,
    /// Index of the block in what was read, from 0.
    pub block: Option<u64>,
    /// Index of the row inside its block, from 0.
    pub row: Option<u64>,
    /// Bytes from the start of the (decompressed) block.
    pub offset_in_block: Option<u64>,
    /// Path of field names to the value, such as `a.b[].c`.
    pub path: Option<String>,
    /// The message, as [`MessageDecoder::decode`](crate::message::MessageDecoder::decode) numbers them.
    pub message: Option<u64>,
    /// Bytes from the start of the message.
    pub offset_in_message: Option<u64>,
    /// The symbol or the type of a writer's union that the reader's schema has no place for.
    pub unread: Option<String>,
}

/// What is wrong, sorted by who has to act.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    // The file is damaged.
    /// The first four bytes are not those of an Avro container file.
    NotAvro {
        /// What stands there instead.
        found: Vec<u8>,
    },
    /// The file ends inside the thing named.
    Truncated {
        /// What was cut.
        what: &'static str,
    },
    /// The header or a block's frame (its count, its size) breaks the container format.
    Container {
        /// What is wrong.
        what: &'static str,
        /// The value found, where there is one.
        value: Option<i64>,
    },
    /// The 16 bytes after a block are not the file's sync marker.
    SyncMismatch,
    /// Where a block should begin, the header of another file does: two files were joined byte by byte.
    SecondHeader {
        /// Why the rows after it cannot be read as those of the first file.
        unlike: Option<&'static str>,
    },
    /// A block's compressed bytes are damaged.
    Codec {
        /// Name of the codec.
        codec: &'static str,
        /// What the decompressor said.
        reason: String,
    },
    /// A snappy block's checksum does not match its data.
    Checksum {
        /// The checksum stored in the file.
        stored: u32,
        /// The checksum of the data.
        computed: u32,
    },
    /// A value breaks its schema or Avro's binary encoding.
    Value(Fault),
    /// A message does not start as its framing says.
    NotFramed {
        /// What it should be.
        framing: &'static str,
        /// How it starts.
        found: Vec<u8>,
    },
    /// A message ends before its datum.
    ShortMessage {
        /// What it should be.
        framing: &'static str,
        /// Its bytes.
        len: usize,
    },

    // The file is valid or might be, but its schema cannot be used.
    /// The text is not an Avro schema.
    Schema {
        /// What is wrong.
        reason: String,
        /// JSON path to the part that is wrong, such as `$.fields[2].type`.
        at: String,
    },
    /// A JSON text is not a value of its Avro type, or not JSON.
    Json {
        /// What is wrong.
        reason: String,
        /// Path to the value, such as `$.a.b[3]`, or the byte of the text.
        at: String,
    },
    /// Two schemas of one table have types at one place that no type can hold.
    Conflict {
        /// Path of field names to the place, such as `a.b[]`; `a{}` is a map's values. Empty for the outermost type.
        path: String,
        /// A source that has the first type, as the caller calls it, such as a file's name.
        first: String,
        /// The type there.
        first_type: String,
        /// A source that has the other type.
        second: String,
        /// The type there.
        second_type: String,
        /// Whether [`OnConflict::Widen`](crate::schema::OnConflict::Widen) makes one type of both.
        widens: bool,
    },
    /// The file uses a codec that this crate does not know.
    UnknownCodec {
        /// The codec's name in the file.
        name: String,
    },
    /// The cargo feature for the file's codec is off.
    CodecNotEnabled {
        /// The codec's name in the file.
        codec: &'static str,
        /// The feature of `avro-arrow` that has it.
        feature: &'static str,
    },
    /// The reader's schema cannot read what the file's schema describes.
    Resolve {
        /// Why not.
        mismatches: Vec<Mismatch>,
    },
    /// Valid Avro that has no Arrow equivalent.
    Unsupported {
        /// What it is.
        what: String,
    },
    /// A message was written with a schema that nobody knows.
    UnknownSchema {
        /// Which.
        id: String,
    },
    /// A message was written with a schema that cannot be used.
    UnusableSchema {
        /// Which.
        id: String,
        /// Why not.
        error: Arc<Error>,
    },

    // The caller asked for something that is not there.
    /// An argument is wrong, such as the name of a column.
    Argument {
        /// What is wrong with it.
        what: String,
    },

    /// A value that is to be written is none that the schema allows.
    Unwritable {
        /// What is wrong with it.
        what: String,
    },

    // The data is larger than the caller allows.
    /// A limit of [`Limits`](crate::Limits) was reached.
    Limit {
        /// Name of the field of [`Limits`](crate::Limits).
        limit: &'static str,
        /// What the data asked for.
        value: u64,
        /// What is allowed.
        max: u64,
    },

    // The outside world.
    /// The caller's [`ResolveSchema`](crate::message::ResolveSchema) failed, as it says.
    Resolver {
        /// Which schema it was asked for.
        id: String,
        /// What it says.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller's [`RowFilter`](crate::RowFilter) failed, as it says.
    Filter(Box<dyn std::error::Error + Send + Sync>),
    /// Reading failed.
    Io(io::Error),
    /// Arrow refused an array. Always a bug in this crate.
    Arrow(ArrowError),
    /// A thread of the parallel reader died: a bug in this crate, or a panic of what it was given to read from.
    Worker,
}

/// A value that breaks its schema or the binary encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The value runs past the end of its block.
    End,
    /// A variable-length integer of more than ten bytes, or beyond 64 bits.
    Varint,
    /// An `int` beyond 32 bits.
    IntRange(i64),
    /// A boolean that is neither 0 nor 1.
    Boolean(u8),
    /// A negative length.
    NegativeLength(i64),
    /// A union's branch that does not exist.
    UnionBranch(i64),
    /// An enum's symbol that does not exist.
    EnumSymbol(i64),
    /// A union's branch that the reader's schema has no type for.
    UnreadBranch {
        /// Index of the union among the nodes of the writer's schema.
        node: u32,
        /// Index of the branch.
        branch: u32,
    },
    /// An enum's symbol that the reader's enum lacks, as it lacks a default.
    UnreadSymbol {
        /// Index of the enum among the nodes of the writer's schema.
        node: u32,
        /// Index of the symbol.
        symbol: u32,
    },
    /// A string that is not UTF-8.
    Utf8,
    /// A decimal that does not fit the Arrow type of its precision.
    DecimalRange,
    /// A date, time or timestamp is too large for the smaller units that it is read in.
    UnitRange(i64),
    /// A duration's months, days or milliseconds that Arrow's interval cannot hold.
    DurationRange(u32),
    /// An array or map block whose count has no absolute value, or more items than fit a batch.
    ItemCount(i64),
    /// An array or map block whose byte size is not the size of its items.
    ItemBytes {
        /// The size given.
        stated: i64,
        /// The size found.
        found: u64,
    },
    /// Bytes are left in the block after its last row.
    TrailingBytes(u64),
    /// The block claims more rows than its bytes can hold.
    RowCount(i64),
    /// A limit of [`Limits`](crate::Limits).
    Limit {
        /// Name of the field of [`Limits`](crate::Limits).
        limit: &'static str,
        /// What the data asked for.
        value: u64,
        /// What is allowed.
        max: u64,
    },
}

/// A reason why a writer's data cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Path of the reader's field names to the type, such as `a.b[].c`; `a{}` is a map's values and `a<int>` a branch of the
    /// writer's union. Empty for the outermost type.
    pub path: String,
    /// What does not match.
    pub reason: String,
    /// Whether all values meet it.
    pub severity: Severity,
}

/// Which of the values at a mismatch cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// None can be read.
    Always,
    /// Those of some branches of the writer's union or some symbols of its enum cannot.
    SomeValues,
}

impl Error {
    /// An error of this kind at an unknown position.
    #[cold]
    pub fn new(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { kind, position: Position::default() }))
    }

    /// What is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where it is.
    pub fn position(&self) -> &Position {
        &self.0.position
    }

    /// Is it the data that is damaged, rather than the request, the schema or the outside world?
    pub fn is_corrupt(&self) -> bool {
        use ErrorKind::*;
        matches!(
            self.kind(),
            NotAvro { .. }
                | Truncated { .. }
                | Container { .. }
                | SyncMismatch
                | SecondHeader { .. }
                | Codec { .. }
                | Checksum { .. }
                | Value(_)
                | NotFramed { .. }
                | ShortMessage { .. }
        )
    }

    /// May reading go on behind the block that this is about? So it is where the block is damaged, or larger than allowed, but not
    /// where it is the reader's schema that has no place for a value.
    pub fn is_recoverable(&self) -> bool {
        match self.kind() {
            ErrorKind::Value(Fault::UnreadBranch { .. } | Fault::UnreadSymbol { .. }) => false,
            ErrorKind::Limit { .. } => true,
            _ => self.is_corrupt(),
        }
    }

    /// The same error, with `set` applied to its position.
    #[must_use]
    pub fn at(mut self, set: impl FnOnce(&mut Position)) -> Self {
        set(&mut self.0.position);
        self
    }

    /// The same error in the file of this name.
    #[must_use]
    pub fn in_file(self, name: impl Into<String>) -> Self {
        self.at(|p| p.file = Some(name.into()))
    }

    /// The same error at this offset from the start of the file.
    #[must_use]
    pub fn at_offset(self, offset: u64) -> Self {
        self.at(|p| p.offset = Some(offset))
    }

    /// A wrong argument.
    #[cold]
    pub(crate) fn argument(what: impl Into<String>) -> Self {
        Error::new(ErrorKind::Argument { what: what.into() })
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error::new(kind)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Limit { limit, value, max } => Error::new(ErrorKind::Limit { limit, value, max }),
            fault => Error::new(ErrorKind::Value(fault)),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Error::new(ErrorKind::Io(e))
    }
}

/// Takes out the error that the opposite conversion put in.
impl From<ArrowError> for Error {
    fn from(e: ArrowError) -> Self {
        match e {
            ArrowError::ExternalError(e) => match e.downcast::<Error>() {
                Ok(e) => *e,
                Err(e) => Error::new(ErrorKind::Arrow(ArrowError::ExternalError(e))),
            },
            e => Error::new(ErrorKind::Arrow(e)),
        }
    }
}

/// [`ArrowError::ExternalError`] with the error inside.
impl From<Error> for ArrowError {
    fn from(e: Error) -> Self {
        ArrowError::ExternalError(Box::new(e))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Filter(e) => Some(&**e),
            ErrorKind::Resolver { error, .. } => Some(&**error),
            ErrorKind::UnusableSchema { error, .. } => Some(&**error),
            ErrorKind::Io(e) => Some(e),
            ErrorKind::Arrow(e) => Some(e),
            _ => None,
        }
    }
}

/// More mismatches than this are counted: a line is to be read.
const MISMATCHES_SHOWN: usize = 5;

/// One line: file, what, where.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.position();
        if let Some(file) = &at.file {
            write!(f, "{file}: ")?;
        }
        match (self.kind(), &at.unread) {
            // In the words of messages, which have no blocks.
            (ErrorKind::Value(Fault::End), _) if at.message.is_some() => {
                f.write_str("a value runs past the end of its message")?
            }
            (ErrorKind::Value(Fault::TrailingBytes(n)), _) if at.message.is_some() => {
                write!(f, "{n} bytes are left in the message after its value")?;
            }
            (ErrorKind::Value(Fault::UnreadBranch { .. }), Some(unread)) => {
                write!(f, "the reader's schema has no type for {unread} of the writer's union")?;
            }
            (ErrorKind::Value(Fault::UnreadSymbol { .. }), Some(unread)) => {
                write!(f, "the reader's enum has neither the symbol `{unread}` nor a default")?;
            }
            (kind, _) => kind.fmt(f)?,
        }
        let mut sep = " (";
        let mut part = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| {
            write!(f, "{sep}{name} {value}")?;
            sep = ", ";
            Ok::<_, fmt::Error>(())
        };
        if let Some(path) = &at.path {
            part(f, "field", path)?;
        }
        if let Some(row) = at.row {
            part(f, "row", &row)?;
        }
        if let Some(block) = at.block {
            part(f, "block", &block)?;
        }
        if let Some(offset) = at.offset {
            part(f, "file offset", &offset)?;
        }
        if let Some(offset) = at.offset_in_block {
            part(f, "offset in block", &offset)?;
        }
        if let Some(message) = at.message {
            part(f, "message", &message)?;
        }
        if let Some(offset) = at.offset_in_message {
            part(f, "offset in message", &offset)?;
        }
        if sep == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ErrorKind::*;
        match self {
            NotAvro { found } => match found.as_slice() {
                [] => f.write_str("not an Avro container file: it is empty"),
                b"PAR1" => f.write_str("not an Avro container file: this is Parquet"),
                b"AGS1" => f.write_str("not an Avro container file: this is an encrypted (AES-GCM) stream"),
                b"ARRO" => f.write_str("not an Avro container file: this is Arrow IPC"),
                [b'O', b'R', b'C', ..] => f.write_str("not an Avro container file: this is ORC"),
                [0x1f, 0x8b, ..] => f.write_str("not an Avro container file: this is gzip; decompress it first"),
                [0x28, 0xb5, 0x2f, 0xfd] => {
                    f.write_str("not an Avro container file: this is zstandard; decompress it first")
                }
                [b'B', b'Z', b'h', ..] => f.write_str("not an Avro container file: this is bzip2; decompress it first"),
                [0xfd, b'7', b'z', b'X'] => f.write_str("not an Avro container file: this is xz; decompress it first"),
                [b'P', b'K', 3, 4] => f.write_str("not an Avro container file: this is zip; unpack it first"),
                [b'{' | b'[', ..] => f.write_str("not an Avro container file: this looks like JSON"),
                [b'O', b'b', b'j', version] => {
                    write!(f, "Avro container format version {version} is not supported, only version 1")
                }
                other => write!(f, "not an Avro container file: it starts with {}", other.escape_ascii()),
            },
            Truncated { what } => write!(f, "the file ends inside {what}"),
            Container { what, value: Some(v) } => write!(f, "damaged container: {what} {v}"),
            Container { what, value: None } => write!(f, "damaged container: {what}"),
            SyncMismatch => f.write_str("the sync marker after the block is not the file's"),
            SecondHeader { unlike: None } => f.write_str(
                "the header of a second file begins here, as if two files were joined with cat; `avro-sql repair` and the \
                 option damage = 'skip' (--lenient) read the rows of both",
            ),
            SecondHeader { unlike: Some(unlike) } => {
                write!(f, "the header of a second file begins here, which has another {unlike}: only the first file is read")
            }
            Codec { codec, reason } => write!(f, "damaged {codec} block: {reason}"),
            Checksum { stored, computed } => {
                write!(f, "damaged snappy block: checksum {computed:08x} of its data is not {stored:08x} as stored")
            }
            Value(fault) => fault.fmt(f),
            NotFramed { framing, found } => {
                write!(f, "not {framing}: ")?;
                match found.as_slice() {
                    [0xc3, 0x01, ..] => f.write_str("this is Avro's single-object encoding"),
                    [b'O', b'b', b'j', 1, ..] => f.write_str("this is a container file"),
                    [0, ..] => f.write_str("it starts with 00, as Confluent's and Apicurio's do"),
                    found => {
                        f.write_str("it starts with")?;
                        found.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
                    }
                }
            }
            ShortMessage { framing, len } => write!(f, "{framing} is longer than {len} bytes"),
            Schema { reason, at } => write!(f, "invalid Avro schema: {reason} at {at}"),
            Json { reason, at } => write!(f, "{at}: {reason}"),
            Conflict { path, first, first_type, second, second_type, .. } => {
                match path.as_str() {
                    "" => f.write_str("the outermost type")?,
                    path => write!(f, "`{path}`")?,
                }
                write!(f, " is {first_type} in {first} but {second_type} in {second}: they are not one table")
            }
            UnknownCodec { name } => {
                write!(f, "unknown codec `{name}`; known are null, deflate, snappy, zstandard, bzip2 and xz")
            }
            CodecNotEnabled { codec, feature } => {
                write!(f, "codec {codec} is not supported by this build; enable the feature `{feature}` of avro-arrow")
            }
            Resolve { mismatches } => {
                f.write_str("the reader's schema does not fit the file's: ")?;
                for (at, mismatch) in mismatches.iter().take(MISMATCHES_SHOWN).enumerate() {
                    write!(f, "{}{mismatch}", if at > 0 { "; " } else { "" })?;
                }
                match mismatches.len().saturating_sub(MISMATCHES_SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Unsupported { what } => write!(f, "not supported: {what}"),
            UnknownSchema { id } => write!(f, "{id} is not known"),
            UnusableSchema { id, error } => write!(f, "{id} cannot be used: {error}"),
            Resolver { id, error } => write!(f, "{id} cannot be looked up: {error}"),
            Argument { what } | Unwritable { what } => f.write_str(what),
            Limit { limit: "arrow_fields", max, .. } => write!(
                f,
                "the columns have more Arrow fields, nested ones counted, than the limit `arrow_fields` allows ({max}); \
                 choose fewer columns, or raise the option `arrow_fields`"
            ),
            Limit { limit, value, max } => {
                write!(
                    f,
                    "{value} is more than the limit `{limit}` allows ({max}); raise it if the data is to be trusted"
                )
            }
            Filter(e) => e.fmt(f),
            Io(e) => e.fmt(f),
            Arrow(e) => write!(f, "internal error: {e}"),
            Worker => f.write_str("internal error: a reading or decoding thread died"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Fault::*;
        match self {
            End => f.write_str("a value runs past the end of its block"),
            Varint => f.write_str("a variable-length integer is longer than ten bytes or 64 bits"),
            IntRange(v) => write!(f, "int {v} is beyond 32 bits"),
            Boolean(v) => write!(f, "boolean {v} is neither 0 nor 1"),
            NegativeLength(v) => write!(f, "length {v} is negative"),
            UnionBranch(v) => write!(f, "union has no branch {v}"),
            EnumSymbol(v) => write!(f, "enum has no symbol {v}"),
            UnreadBranch { branch, .. } => {
                write!(f, "the reader's schema has no type for values of the union's branch {branch}")
            }
            UnreadSymbol { symbol, .. } => {
                write!(f, "the reader's enum has neither the enum's symbol {symbol} nor a default")
            }
            Utf8 => f.write_str("a string is not valid UTF-8"),
            DecimalRange => f.write_str(
                "a decimal has more digits than its type; the option decimals=wide or decimals=bytes reads it",
            ),
            UnitRange(value) => write!(f, "{value} is too large for the units that it is read in"),
            DurationRange(v) => write!(f, "a duration's count {v} is more than Arrow's interval can hold"),
            ItemCount(v) => write!(f, "an array or map block claims {v} items, more than it can have"),
            ItemBytes { stated, found } => {
                write!(f, "an array or map block of {found} bytes says that it has {stated}")
            }
            TrailingBytes(n) => write!(f, "{n} bytes are left in the block after its last row"),
            RowCount(n) => write!(f, "the block claims {n} rows, more than its bytes can hold"),
            Limit { limit, value, max } => write!(f, "{value} is more than the limit `{limit}` allows ({max})"),
        }
    }
}
