//! The texts of errors.

use super::{Error, ErrorKind, Fault, Mismatch};
use std::fmt;

/// Mismatches beyond this number are counted, so that the message stays readable.
const MISMATCHES_SHOWN: usize = 5;

/// Formats one line: file, problem, position.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.position();
        if let Some(file) = &at.file {
            write!(f, "{file}: ")?;
        }
        match (self.kind(), &at.unread) {
            // Messages have no blocks.
            (ErrorKind::Value(Fault::End), _) if at.message.is_some() => {
                f.write_str("a value runs past the end of its message")?
            }
            (ErrorKind::Value(Fault::TrailingBytes(1)), _) if at.message.is_some() => {
                f.write_str("1 byte is left in the message after its value")?;
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
            SyncMismatch => f.write_str("the sync marker after the block does not match the file's"),
            SecondHeader { unlike: None } => f.write_str(
                "a second file begins here, as if two files were joined with cat; `avro-sql repair` and the \
                 option damage = 'skip' (--lenient) read the rows of both",
            ),
            SecondHeader { unlike: Some(unlike) } => {
                write!(f, "a second file with a different {unlike} begins here; only the first file is read")
            }
            Codec { codec, reason } => write!(f, "damaged {codec} block: {reason}"),
            Checksum { stored, computed } => {
                write!(f, "damaged snappy block: the checksum of its data is {computed:08x}, expected {stored:08x}")
            }
            Value(fault) => fault.fmt(f),
            NotFramed { framing, found } => {
                write!(f, "not {framing}: ")?;
                match found.as_slice() {
                    [0xc3, 0x01, ..] => f.write_str("this is Avro's single-object encoding"),
                    [b'O', b'b', b'j', 1, ..] => f.write_str("this is a container file"),
                    [0, ..] => f.write_str("it starts with 00, like messages of Confluent and Apicurio"),
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
                write!(f, " is {first_type} in {first} but {second_type} in {second}: these types cannot be merged")
            }
            UnknownCodec { name } => {
                write!(f, "unknown codec `{name}`; supported are null, deflate, snappy, zstandard, bzip2 and xz")
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
            UnknownSchema { id } => write!(f, "{id} is unknown"),
            UnusableSchema { id, error } => write!(f, "{id} cannot be used: {error}"),
            Resolver { id, error } => write!(f, "{id} cannot be looked up: {error}"),
            Argument { what } | Unwritable { what } => f.write_str(what),
            Limit { limit: "arrow_fields", max, .. } => write!(
                f,
                "the columns have more Arrow fields, including nested ones, than the limit `arrow_fields` ({max}); \
                 select fewer columns or raise the option `arrow_fields`"
            ),
            Limit { limit, value, max } => {
                write!(f, "{value} exceeds the limit `{limit}` ({max}); raise the limit if the data is trusted")
            }
            Filter(e) => e.fmt(f),
            Io(e) => e.fmt(f),
            Arrow(e) => write!(f, "internal error: {e}"),
            Internal { what } => write!(f, "internal error: {what}"),
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
            Varint => f.write_str("a variable-length integer exceeds ten bytes or 64 bits"),
            IntRange(v) => write!(f, "int {v} exceeds 32 bits"),
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
            DecimalRange => {
                f.write_str("a decimal has more digits than its type; use the option decimals=wide or decimals=bytes")
            }
            UnitRange(value) => write!(f, "{value} is too large for the smaller unit of the reader's schema"),
            DurationRange(v) => write!(f, "a duration's count {v} is more than Arrow's interval can hold"),
            ItemCount(v) => write!(f, "an array or map block states {v} items, more than it can hold"),
            ItemBytes { stated, found } => {
                write!(f, "an array or map block has {found} bytes, but states {stated}")
            }
            TrailingBytes(n) => write!(f, "{n} bytes are left in the block after its last row"),
            RowCount(n) => write!(f, "the block claims {n} rows, more than its bytes can hold"),
            Limit { limit, value, max } => write!(f, "{value} exceeds the limit `{limit}` ({max})"),
        }
    }
}
