//! Errors: what is wrong ([`ErrorKind`]), and where it is ([`Position`]).
//!
//! Everything in this crate fails with [`Error`]. Code that reads values returns a bare [`Fault`], and the block
//! decoder adds the position once. The run loop only notes that a value is wrong; the reference decoder then finds
//! what and where.

mod display;

use arrow_schema::ArrowError;
use std::io;
use std::sync::Arc;

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: its kind and its position in the data, one pointer wide.
#[derive(Debug)]
pub struct Error(Box<ErrorInner>);

#[derive(Debug)]
struct ErrorInner {
    kind: ErrorKind,
    position: Position,
}

/// The position of an error in the data. Each part is `None` where it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Name or URL of the file.
    pub file: Option<String>,
    /// Offset in the file; inside a compressed block, the offset at which the block starts.
    pub offset: Option<u64>,
    /// Index of the block in the file or the byte range, from 0.
    pub block: Option<u64>,
    /// Index of the row in its block, from 0.
    pub row: Option<u64>,
    /// Offset in the decompressed block.
    pub offset_in_block: Option<u64>,
    /// Path of field names to the value, such as `a.b[].c`.
    pub path: Option<String>,
    /// Index of the message, as [`MessageDecoder::decode`](crate::message::MessageDecoder::decode) numbers them.
    pub message: Option<u64>,
    /// Offset in the message.
    pub offset_in_message: Option<u64>,
    /// The enum symbol, or the type in the writer's union, that the reader's schema lacks.
    pub unread: Option<String>,
}

/// What is wrong, sorted by who has to act.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    // The file is damaged.
    /// The first four bytes are not those of an Avro container file.
    NotAvro {
        /// The first bytes of the file, at most four.
        found: Vec<u8>,
    },
    /// The file ends too early.
    Truncated {
        /// The part of the file in which it ends.
        what: &'static str,
    },
    /// The header or a block's frame (its count and size) violates the container format.
    Container {
        /// What is wrong.
        what: &'static str,
        /// The value found, if there is one.
        value: Option<i64>,
    },
    /// The 16 bytes after a block are not the file's sync marker.
    SyncMismatch,
    /// A block is expected and the header of another file found: two files were concatenated.
    SecondHeader {
        /// What differs between the two headers, if the rows after the second cannot be read as rows of the first
        /// file.
        unlike: Option<&'static str>,
    },
    /// A block's compressed bytes are damaged.
    Codec {
        /// Name of the codec.
        codec: &'static str,
        /// The message of the decompressor.
        reason: String,
    },
    /// The checksum of a snappy block does not match its data.
    Checksum {
        /// The checksum stored in the file.
        stored: u32,
        /// The checksum of the data.
        computed: u32,
    },
    /// A value violates its schema or Avro's binary encoding.
    Value(Fault),
    /// A message does not start as its framing requires.
    NotFramed {
        /// Name of the expected framing.
        framing: &'static str,
        /// The first bytes of the message.
        found: Vec<u8>,
    },
    /// A message ends before its datum.
    ShortMessage {
        /// Name of the expected framing.
        framing: &'static str,
        /// Length of the message in bytes.
        len: usize,
    },

    // The file is valid or might be, but its schema cannot be used.
    /// The text is not an Avro schema.
    Schema {
        /// What is wrong.
        reason: String,
        /// JSON path to the invalid part, such as `$.fields[2].type`.
        at: String,
    },
    /// The text of an Avro IDL file, or of a file that it imports, is wrong.
    Idl {
        /// What is wrong.
        reason: String,
        /// Where it is.
        place: Box<TextPlace>,
    },
    /// The text is not an Avro protocol.
    Protocol {
        /// What is wrong.
        reason: String,
        /// JSON path to the invalid part, such as `$.messages.send.request[0].type`.
        at: String,
    },
    /// A text is not JSON, or the JSON is not a value of its Avro type.
    Json {
        /// What is wrong.
        reason: String,
        /// Path to the value, such as `$.a.b[3]`, or the offset in the text.
        at: String,
    },
    /// Two schemas have types at one path that no type can hold.
    Conflict {
        /// Path of field names, such as `a.b[]`; `a{}` is a map's values. Empty for the outermost type.
        path: String,
        /// Name of a source that has the first type, such as a file name.
        first: String,
        /// The type in that source.
        first_type: String,
        /// Name of a source that has the other type.
        second: String,
        /// The type in that source.
        second_type: String,
        /// Whether [`OnConflict::Widen`](crate::schema::OnConflict::Widen) merges the two types.
        widens: bool,
    },
    /// The file uses an unknown codec.
    UnknownCodec {
        /// The codec's name in the file.
        name: String,
    },
    /// The cargo feature for the file's codec is off.
    CodecNotEnabled {
        /// The codec's name in the file.
        codec: &'static str,
        /// The feature of `avro-arrow` that enables it.
        feature: &'static str,
    },
    /// The reader's schema cannot read data of the file's schema.
    Resolve {
        /// The reasons.
        mismatches: Vec<Mismatch>,
    },
    /// Valid Avro that has no Arrow equivalent.
    Unsupported {
        /// A description of it.
        what: String,
    },
    /// The schema of a message is unknown.
    UnknownSchema {
        /// The schema's id.
        id: String,
    },
    /// The schema of a message cannot be used.
    UnusableSchema {
        /// The schema's id.
        id: String,
        /// The reason.
        error: Arc<Error>,
    },

    // The caller asked for something that is not there.
    /// An argument is invalid, such as the name of a column.
    Argument {
        /// What is wrong with it.
        what: String,
    },

    /// A value to write is not valid under the Avro schema.
    Unwritable {
        /// What is wrong with it.
        what: String,
    },

    /// The client or the server of a call does not follow the protocol's handshake.
    Handshake {
        /// What it did.
        reason: &'static str,
    },
    /// A protocol has no message of this name.
    UnknownMessage {
        /// The name.
        message: String,
        /// The full name of the protocol.
        protocol: String,
    },

    // The data is larger than the caller allows.
    /// The data exceeds a limit of [`Limits`](crate::Limits).
    Limit {
        /// Name of the field of [`Limits`](crate::Limits).
        limit: &'static str,
        /// The value in the data.
        value: u64,
        /// The maximum.
        max: u64,
    },

    // The outside world.
    /// The caller's [`ResolveSchema`](crate::message::ResolveSchema) failed.
    Resolver {
        /// The id that was looked up.
        id: String,
        /// Its error.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller's [`RowFilter`](crate::RowFilter) failed with this error.
    Filter(Box<dyn std::error::Error + Send + Sync>),
    /// Reading failed.
    Io(io::Error),
    /// Arrow rejected an array. This is always a bug in this crate.
    Arrow(ArrowError),
    /// A state that should be impossible: a bug in this crate.
    Internal {
        /// What was found.
        what: String,
    },
    /// A thread of a parallel reader or writer died: a bug in this crate, or a panic of the caller's `Read`.
    Worker,
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPlace {
    /// Name of the file, or an empty string.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The text of the line.
    pub text: String,
}

/// A value that violates its schema or the binary encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The value runs past the end of its block.
    End,
    /// A variable-length integer has more than ten bytes, or exceeds 64 bits.
    Varint,
    /// An `int` exceeds 32 bits.
    IntRange(i64),
    /// A boolean that is neither 0 nor 1.
    Boolean(u8),
    /// A negative length.
    NegativeLength(i64),
    /// A union has no branch with this index.
    UnionBranch(i64),
    /// An enum has no symbol with this index.
    EnumSymbol(i64),
    /// The reader's schema has no type for this branch of a union.
    UnreadBranch {
        /// Index of the union among the nodes of the writer's schema.
        node: u32,
        /// Index of the branch.
        branch: u32,
    },
    /// The reader's enum has neither this symbol nor a default.
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
    /// A date, time or timestamp is too large for the reader's smaller unit.
    UnitRange(i64),
    /// A duration's months, days or milliseconds that Arrow's interval cannot hold.
    DurationRange(u32),
    /// The count of an array or map block has no absolute value, or exceeds the items of a batch.
    ItemCount(i64),
    /// The byte size of an array or map block differs from the size of its items.
    ItemBytes {
        /// The size in the data.
        stated: i64,
        /// The actual size.
        found: u64,
    },
    /// Bytes remain in the block after its last row.
    TrailingBytes(u64),
    /// The block's row count exceeds what its bytes can hold.
    RowCount(i64),
    /// The data exceeds a limit of [`Limits`](crate::Limits).
    Limit {
        /// Name of the field of [`Limits`](crate::Limits).
        limit: &'static str,
        /// The value in the data.
        value: u64,
        /// The maximum.
        max: u64,
    },
}

/// A reason why data of the writer's schema cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Path of the reader's field names, such as `a.b[].c`; `a{}` is a map's values and `a<int>` a branch of the
    /// writer's union. Empty for the outermost type.
    pub path: String,
    /// What does not match.
    pub reason: String,
    /// Whether all values are affected, or some.
    pub severity: Severity,
}

/// Which values a mismatch affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// No value can be read.
    Always,
    /// Values of some branches of the writer's union, or some symbols of its enum, cannot be read.
    SomeValues,
}

impl Error {
    /// Creates an error of this kind at an unknown position.
    #[cold]
    pub fn new(kind: ErrorKind) -> Self {
        Error(Box::new(ErrorInner { kind, position: Position::default() }))
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns where the error is.
    pub fn position(&self) -> &Position {
        &self.0.position
    }

    /// Whether the data is damaged, rather than the request, the schema or the environment at fault.
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

    /// Whether the error is confined to one block, so that reading can continue with the next block.
    ///
    /// This is so for a damaged block and for a block that exceeds a limit. It is not so for a value that the reader's
    /// schema cannot represent.
    pub fn is_recoverable(&self) -> bool {
        match self.kind() {
            ErrorKind::Value(Fault::UnreadBranch { .. } | Fault::UnreadSymbol { .. }) => false,
            ErrorKind::Limit { .. } => true,
            _ => self.is_corrupt(),
        }
    }

    /// Returns the error with `set` applied to its position.
    #[must_use]
    pub fn at(mut self, set: impl FnOnce(&mut Position)) -> Self {
        set(&mut self.0.position);
        self
    }

    /// Returns the error with the name of its file.
    #[must_use]
    pub fn in_file(self, name: impl Into<String>) -> Self {
        self.at(|p| p.file = Some(name.into()))
    }

    /// Returns the error with its offset in the file.
    #[must_use]
    pub fn at_offset(self, offset: u64) -> Self {
        self.at(|p| p.offset = Some(offset))
    }

    /// Creates an error about a bug in this crate.
    #[cold]
    pub(crate) fn internal(what: impl Into<String>) -> Self {
        Error::new(ErrorKind::Internal { what: what.into() })
    }

    /// Creates an error about an invalid argument.
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

/// Unwraps an error that `ArrowError::from` wrapped; other errors become [`ErrorKind::Arrow`].
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

/// Wraps the error in [`ArrowError::ExternalError`].
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
