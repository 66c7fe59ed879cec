//! Handshakes: both sides tell each other their protocols, by hash where the other side may know it.

// SPEC: Protocol Wire Format, Handshake.
use super::wire::{Metadata, at, metadata, put_bytes, put_metadata};
use crate::encoding::{Cursor, put_long};
use crate::error::{Error, Fault, Result};
use crate::json::{branch_index, limit, string, symbol_index};
use crate::limits::Limits;

/// What the client says before its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeRequest {
    /// The hash of the client's protocol.
    pub client_hash: [u8; 16],
    /// The text of the client's protocol, if the server may not know it.
    pub client_protocol: Option<String>,
    /// The hash of the protocol that the client takes for the server's.
    pub server_hash: [u8; 16],
    /// Other information.
    pub metadata: Option<Metadata>,
}

/// What the server says before its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeResponse {
    /// What the server knows.
    pub matched: HandshakeMatch,
    /// The text of the server's protocol, unless the client knows it.
    pub server_protocol: Option<String>,
    /// The hash of the server's protocol, unless the client knows it.
    pub server_hash: Option<[u8; 16]>,
    /// Other information.
    pub metadata: Option<Metadata>,
}

/// What the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeMatch {
    /// The server knows the client's protocol, and the client's hash is that of the server's.
    Both,
    /// The server knows the client's protocol, but the client does not know the server's.
    Client,
    /// The server does not know the client's protocol. It did not read the call.
    None,
}

impl HandshakeRequest {
    /// Appends the handshake in Avro's binary encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.client_hash);
        put_optional(self.client_protocol.as_ref(), out, |text, out| put_bytes(text.as_bytes(), out));
        out.extend_from_slice(&self.server_hash);
        put_optional(self.metadata.as_ref(), out, put_metadata);
    }

    /// Reads the handshake at the start of a request, and returns its size in bytes too.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Value`](crate::ErrorKind::Value) if the bytes are not a handshake, and with
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) if it exceeds [`Limits::metadata_bytes`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<(HandshakeRequest, usize)> {
        decode(bytes, |cursor| {
            Ok(HandshakeRequest {
                client_hash: cursor.array()?,
                client_protocol: optional(cursor, |cursor| text(cursor, limits))?,
                server_hash: cursor.array()?,
                metadata: optional(cursor, |cursor| metadata(cursor, limits))?,
            })
        })
    }
}

impl HandshakeResponse {
    /// Appends the handshake in Avro's binary encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_long(self.matched as i64, out);
        put_optional(self.server_protocol.as_ref(), out, |text, out| put_bytes(text.as_bytes(), out));
        put_optional(self.server_hash.as_ref(), out, |hash, out| out.extend_from_slice(hash));
        put_optional(self.metadata.as_ref(), out, put_metadata);
    }

    /// Reads the handshake at the start of a reply, and returns its size in bytes too.
    ///
    /// # Errors
    /// Fails as [`HandshakeRequest::decode`] does.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<(HandshakeResponse, usize)> {
        decode(bytes, |cursor| {
            let matched = match symbol_index(cursor, 3)? {
                0 => HandshakeMatch::Both,
                1 => HandshakeMatch::Client,
                _ => HandshakeMatch::None,
            };
            Ok(HandshakeResponse {
                matched,
                server_protocol: optional(cursor, |cursor| text(cursor, limits))?,
                server_hash: optional(cursor, Cursor::array)?,
                metadata: optional(cursor, |cursor| metadata(cursor, limits))?,
            })
        })
    }
}

fn decode<'a, T>(bytes: &'a [u8], read: impl Fn(&mut Cursor<'a>) -> Result<T, Fault>) -> Result<(T, usize)> {
    let mut cursor = Cursor::new(bytes);
    let value = read(&mut cursor).map_err(|fault| -> Error { at(&cursor)(fault) })?;
    Ok((value, cursor.at()))
}

/// Appends a value of a union of null and its type.
fn put_optional<T>(value: Option<&T>, out: &mut Vec<u8>, put: impl Fn(&T, &mut Vec<u8>)) {
    put_long(value.is_some().into(), out);
    if let Some(value) = value {
        put(value, out);
    }
}

/// Reads a value of a union of null and its type.
fn optional<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    match branch_index(cursor, 2)? {
        0 => Ok(None),
        _ => read(cursor).map(Some),
    }
}

/// Reads the text of a protocol.
fn text(cursor: &mut Cursor<'_>, limits: &Limits) -> Result<String, Fault> {
    let text = string(cursor)?;
    if text.len() > limits.metadata_bytes {
        return Err(limit("metadata_bytes", text.len() as u64, limits.metadata_bytes as u64));
    }
    Ok(text.to_owned())
}
