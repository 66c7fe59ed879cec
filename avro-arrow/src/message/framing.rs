//! Framings: how a message carries the id of its schema before its datum.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// The prefix of a message that identifies the schema of its datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Avro's single-object encoding: `C3 01`, then the Rabin fingerprint of the schema, little-endian.
    SingleObject,
    /// Confluent's schema registry: `00` and the schema's id, or `01` and its GUID. For a GUID in a header of the
    /// message, use [`MessageDecoder::decode_as`](super::MessageDecoder::decode_as).
    ///
    /// Confluent's Java serializer omits the length of a value whose whole schema is `bytes`, unlike Avro and
    /// Confluent's other serializers. Such values are read with the length, as in Avro.
    Confluent,
    /// Apicurio's schema registry: `00` and an id of this width. Messages do not tell whether it is a global or a
    /// content id; that depends on the producer's configuration. For ids in headers, use
    /// [`MessageDecoder::decode_as`](super::MessageDecoder::decode_as).
    Apicurio(IdWidth),
    /// No prefix: all datums have the schema of [`SchemaId::Unnamed`].
    Bare,
}

/// Width of the ids of [`Framing::Apicurio`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IdWidth {
    /// The default of Apicurio 3, and the width of Confluent's ids.
    Four,
    /// The default of Apicurio 1 and 2.
    #[default]
    Eight,
}

/// Identifies the schema that a message was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SchemaId {
    /// The CRC-64-AVRO fingerprint of the schema's canonical form.
    Rabin(u64),
    /// A registry's numeric id.
    Number(u64),
    /// A registry's GUID, with its bytes in the order of its text.
    Guid([u8; 16]),
    /// The schema of messages without an id.
    Unnamed,
}

/// The prefix of Avro's single-object encoding.
// SPEC: Single-object encoding: "A two-byte marker, C3 01, to show that the message is Avro and uses this single-record
// format (version 1)."
const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];
/// The prefix of a numeric id, in Confluent's and Apicurio's framing.
const NUMBER: u8 = 0;
/// The prefix of a GUID, in Confluent's framing.
const GUID: u8 = 1;

impl Framing {
    /// Splits a message into the schema's id and the datum.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::NotFramed`] if the message does not start as this framing requires, and with
    /// [`ErrorKind::ShortMessage`] if it ends before its datum.
    #[inline]
    pub fn split(self, message: &[u8]) -> Result<(SchemaId, &[u8])> {
        let split = match (self, message) {
            (Framing::Bare, _) => Some((SchemaId::Unnamed, message)),
            // SPEC: Single-object encoding: "The 8-byte little-endian CRC-64-AVRO fingerprint of the object's schema."
            (Framing::SingleObject, [0xc3, 0x01, rest @ ..]) => {
                rest.split_first_chunk().map(|(id, datum)| (SchemaId::Rabin(u64::from_le_bytes(*id)), datum))
            }
            (Framing::Confluent, [GUID, rest @ ..]) => {
                rest.split_first_chunk().map(|(id, datum)| (SchemaId::Guid(*id), datum))
            }
            (Framing::Confluent | Framing::Apicurio(IdWidth::Four), [NUMBER, rest @ ..]) => {
                rest.split_first_chunk().map(|(id, datum)| (SchemaId::Number(u32::from_be_bytes(*id).into()), datum))
            }
            (Framing::Apicurio(IdWidth::Eight), [NUMBER, rest @ ..]) => {
                rest.split_first_chunk().map(|(id, datum)| (SchemaId::Number(u64::from_be_bytes(*id)), datum))
            }
            // The first of two bytes, or no byte.
            (Framing::SingleObject, [0xc3]) | (_, []) => None,
            _ => {
                let found = message.iter().take(FOUND_BYTES).copied().collect();
                return Err(at_start(ErrorKind::NotFramed { framing: self.name(), found }));
            }
        };
        split.ok_or_else(|| at_start(ErrorKind::ShortMessage { framing: self.name(), len: message.len() }))
    }

    /// Returns the framing that a message seems to have, by its first bytes; `None` if it has no prefix.
    ///
    /// A bare datum may start with any bytes, so this is a guess unless all messages are known to have a prefix.
    /// Wide ids of [`Apicurio`](Self::Apicurio) are told by their first four bytes, which are 0 below 2^32.
    pub fn detect(message: &[u8]) -> Option<Framing> {
        match message {
            [0xc3, 0x01, ..] if message.len() >= 10 => Some(Framing::SingleObject),
            [NUMBER, 0, 0, 0, 0, _, _, _, _, ..] => Some(Framing::Apicurio(IdWidth::Eight)),
            [NUMBER, ..] if message.len() >= 5 => Some(Framing::Confluent),
            [GUID, ..] if message.len() >= 17 => Some(Framing::Confluent),
            _ => None,
        }
    }

    /// Appends the prefix of a message of this schema. The caller appends the datum.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Argument`] if this framing has no ids of this kind, or none as large; nothing is
    /// appended then.
    pub fn write_prefix(self, id: SchemaId, out: &mut Vec<u8>) -> Result<()> {
        match (self, id) {
            (Framing::Bare, SchemaId::Unnamed) => {}
            (Framing::SingleObject, SchemaId::Rabin(fingerprint)) => {
                out.extend(SINGLE_OBJECT);
                out.extend(fingerprint.to_le_bytes());
            }
            (Framing::Confluent, SchemaId::Guid(guid)) => {
                out.push(GUID);
                out.extend(guid);
            }
            (Framing::Confluent | Framing::Apicurio(IdWidth::Four), SchemaId::Number(number)) => {
                let Ok(number) = u32::try_from(number) else {
                    return Err(Error::argument(format!("schema id {number} has more than four bytes")));
                };
                out.push(NUMBER);
                out.extend(number.to_be_bytes());
            }
            (Framing::Apicurio(IdWidth::Eight), SchemaId::Number(number)) => {
                out.push(NUMBER);
                out.extend(number.to_be_bytes());
            }
            _ => return Err(Error::argument(format!("{} cannot carry {id}", self.name()))),
        }
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Framing::SingleObject => "a message in single-object encoding",
            Framing::Confluent => "a message in Confluent's framing",
            Framing::Apicurio(_) => "a message in Apicurio's framing",
            Framing::Bare => "a bare datum",
        }
    }
}

/// Number of unexpected bytes that an error shows.
const FOUND_BYTES: usize = 8;

fn at_start(kind: ErrorKind) -> Error {
    Error::new(kind).at(|position| position.offset_in_message = Some(0))
}

impl SchemaId {
    /// Parses an id as registries write it: a number, or a GUID of 32 hex digits in groups of 8, 4, 4, 4 and 12.
    pub fn parse(text: &str) -> Option<SchemaId> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(SchemaId::Number);
        }
        let lengths = text.split('-').map(str::len);
        if !lengths.eq([8, 4, 4, 4, 12]) || !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return None;
        }
        let guid = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
        Some(SchemaId::Guid(guid.to_be_bytes()))
    }

    /// Returns the id alone: a number, a GUID, or the 16 hex digits of a fingerprint; without an id, an empty text.
    pub fn value(&self) -> String {
        match self {
            SchemaId::Rabin(fingerprint) => format!("{fingerprint:016x}"),
            SchemaId::Number(number) => number.to_string(),
            SchemaId::Guid(guid) => {
                let byte = |(at, byte): (usize, &u8)| {
                    let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
                    format!("{dash}{byte:02x}")
                };
                guid.iter().enumerate().map(byte).collect()
            }
            SchemaId::Unnamed => String::new(),
        }
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            SchemaId::Rabin(_) => "fingerprint",
            SchemaId::Number(_) => "id",
            SchemaId::Guid(_) => "GUID",
            SchemaId::Unnamed => return f.write_str("the schema of messages without an id"),
        };
        write!(f, "schema {kind} {}", self.value())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use avro_testing::check_all;

    const GUID_BYTES: [u8; 16] = *b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x01\x02\x03\x04\x05\x06\x07\x08";
    const APICURIO: Framing = Framing::Apicurio(IdWidth::Eight);
    const APICURIO_4: Framing = Framing::Apicurio(IdWidth::Four);

    #[test]
    fn write_prefix_is_split_again() {
        let cases: [(Framing, SchemaId, &[u8]); 9] = [
            (
                Framing::SingleObject,
                SchemaId::Rabin(0x7275_d51a_3f39_5c8f),
                b"\xc3\x01\x8f\x5c\x39\x3f\x1a\xd5\x75\x72",
            ),
            (Framing::Confluent, SchemaId::Number(0x0102_0304), b"\0\x01\x02\x03\x04"),
            (Framing::Confluent, SchemaId::Number(u32::MAX.into()), b"\0\xff\xff\xff\xff"),
            (
                Framing::Confluent,
                SchemaId::Guid(GUID_BYTES),
                b"\x01\x12\x34\x56\x78\x9a\xbc\xde\xf0\x01\x02\x03\x04\x05\x06\x07\x08",
            ),
            (APICURIO, SchemaId::Number(7), b"\0\0\0\0\0\0\0\0\x07"),
            (APICURIO, SchemaId::Number(u64::MAX - 1), b"\0\xff\xff\xff\xff\xff\xff\xff\xfe"),
            (APICURIO, SchemaId::Number(0x0102_0304_0506_0708), b"\0\x01\x02\x03\x04\x05\x06\x07\x08"),
            (APICURIO_4, SchemaId::Number(7), b"\0\0\0\0\x07"),
            (Framing::Bare, SchemaId::Unnamed, b""),
        ];
        check_all(cases, |(framing, id, prefix)| {
            for datum in [&b"datum"[..], b"", b"\0\0\0\0\0\0\0\0"] {
                let mut message = vec![];
                framing.write_prefix(id, &mut message).unwrap();
                assert_eq!(message, prefix, "{framing:?} {id}");
                message.extend(datum);
                assert_eq!(framing.split(&message).unwrap(), (id, datum), "{framing:?} {id}");
            }
            for len in 0..prefix.len() {
                let error = framing.split(&prefix[..len]).unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::ShortMessage { len: found, .. } if *found == len), "{error}");
                assert_eq!(error.position().offset_in_message, Some(0));
            }
        });
    }

    #[test]
    fn id_is_parsed_from_its_value() {
        let cases = [
            ("7", Some(SchemaId::Number(7))),
            ("18446744073709551615", Some(SchemaId::Number(u64::MAX))),
            ("18446744073709551616", None),
            ("12345678-9abc-def0-0102-030405060708", Some(SchemaId::Guid(GUID_BYTES))),
            ("123456789abcdef00102030405060708", None),
            ("12345678-9abc-def0-0102-03040506070g", None),
            ("12345678-9abc-def0-0102-0304050607", None),
            ("+7", None),
            ("orders-value", None),
            ("", None),
        ];
        check_all(cases, |(text, id)| {
            assert_eq!(SchemaId::parse(text), id, "{text}");
            assert!(id.is_none_or(|id| id.value() == text), "{text}");
        });
        assert_eq!(SchemaId::Rabin(10).value(), "000000000000000a");
    }

    #[test]
    fn detect_tells_framings_by_first_bytes() {
        let cases: [(&[u8], Option<Framing>); 9] = [
            (b"\xc3\x01\x8f\x5c\x39\x3f\x1a\xd5\x75\x72", Some(Framing::SingleObject)),
            (b"\xc3\x01\x8f\x5c", None),
            (b"\0\0\0\0\x07\x02", Some(Framing::Confluent)),
            (b"\0\0\0\0\0\0\0\0\x07\x02", Some(APICURIO)),
            (b"\0\0\0\0", None),
            (b"\x01\x12\x34\x56\x78\x9a\xbc\xde\xf0\x01\x02\x03\x04\x05\x06\x07\x08", Some(Framing::Confluent)),
            (b"\x01\x12", None),
            (b"\x02\x04", None),
            (b"", None),
        ];
        check_all(cases, |(message, framing)| assert_eq!(Framing::detect(message), framing, "{message:?}"));
    }

    #[test]
    fn split_of_other_message_is_an_error() {
        let cases: [(Framing, &[u8], &str); 9] = [
            (
                Framing::SingleObject,
                b"\0\0\0\0\x07xyz",
                "not a message in single-object encoding: it starts with 00, like messages of Confluent and Apicurio",
            ),
            (Framing::SingleObject, b"\xc3\x02", "not a message in single-object encoding: it starts with c3 02"),
            (Framing::SingleObject, b"\xc3", "a message in single-object encoding is longer than 1 bytes"),
            (
                Framing::SingleObject,
                b"Obj\x01more",
                "not a message in single-object encoding: this is a container file",
            ),
            (
                Framing::Confluent,
                b"\xc3\x01\0\0\0\0\0\0\0\0",
                "not a message in Confluent's framing: this is Avro's single-object encoding",
            ),
            (
                Framing::Confluent,
                b"{\"a\": 1, \"b\": 2}",
                "not a message in Confluent's framing: it starts with 7b 22 61 22 3a 20 31 2c",
            ),
            (Framing::Confluent, b"", "a message in Confluent's framing is longer than 0 bytes"),
            (APICURIO, b"\x01\0\0", "not a message in Apicurio's framing: it starts with 01 00 00"),
            (APICURIO, b"\0\0\0\0\0\0\0\0", "a message in Apicurio's framing is longer than 8 bytes"),
        ];
        check_all(cases, |(framing, message, want)| {
            let error = framing.split(message).unwrap_err();
            assert_eq!(error.to_string(), format!("{want} (offset in message 0)"));
            assert!(error.is_corrupt());
        });
    }

    #[test]
    fn write_prefix_of_unsupported_id_is_an_error() {
        let cases = [
            (
                Framing::SingleObject,
                SchemaId::Number(7),
                "a message in single-object encoding cannot carry schema id 7",
            ),
            (
                Framing::SingleObject,
                SchemaId::Guid(GUID_BYTES),
                "a message in single-object encoding cannot carry schema GUID 12345678-9abc-def0-0102-030405060708",
            ),
            (
                Framing::Confluent,
                SchemaId::Rabin(10),
                "a message in Confluent's framing cannot carry schema fingerprint 000000000000000a",
            ),
            (Framing::Confluent, SchemaId::Number(1 << 32), "schema id 4294967296 has more than four bytes"),
            (APICURIO_4, SchemaId::Number(1 << 32), "schema id 4294967296 has more than four bytes"),
            (
                APICURIO,
                SchemaId::Guid(GUID_BYTES),
                "a message in Apicurio's framing cannot carry schema GUID 12345678-9abc-def0-0102-030405060708",
            ),
            (
                APICURIO,
                SchemaId::Unnamed,
                "a message in Apicurio's framing cannot carry the schema of messages without an id",
            ),
            (Framing::Bare, SchemaId::Number(7), "a bare datum cannot carry schema id 7"),
        ];
        check_all(cases, |(framing, id, want)| {
            let mut out = vec![];
            assert_eq!(framing.write_prefix(id, &mut out).unwrap_err().to_string(), want);
            assert!(out.is_empty());
        });
    }
}
