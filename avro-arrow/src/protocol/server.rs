//! The server's side of a call: requests in, replies out.

use super::call::encode;
use super::datum::{Datum, array_of_rows};
use super::declaration::{Message, Protocol};
use super::handshake::{HandshakeMatch, HandshakeRequest, HandshakeResponse};
use super::wire::{Metadata, at, metadata, put_bytes, put_metadata};
use crate::encoding::Cursor;
use crate::error::{Error, Result};
use crate::json::{Form, string};
use crate::limits::Limits;
use arrow_array::RecordBatch;
use md5::{Digest, Md5};
use std::collections::HashMap;

/// Maximum memory of the clients' protocols that a server remembers.
const CLIENTS_BYTES_MAX: usize = 64 << 20;

/// The server's side of calls. It does no I/O, and remembers the protocols of clients.
#[derive(Debug)]
pub struct Server {
    protocol: Protocol,
    limits: Limits,
    /// By the hash of their texts.
    clients: HashMap<[u8; 16], Protocol>,
    clients_bytes: usize,
}

/// What a server knows of one connection.
#[derive(Debug)]
pub struct Session {
    is_stateful: bool,
    /// The client's protocol, after a handshake on a stateful connection.
    client: Option<Protocol>,
}

/// What a request is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Received {
    /// A part of a handshake or a ping, with the reply to send.
    Reply(Vec<u8>),
    /// A call to answer.
    Call(Box<IncomingCall>),
    /// A call that cannot be answered, with the reply that says so.
    Invalid {
        /// The reason.
        error: Error,
        /// The reply to send.
        reply: Vec<u8>,
    },
}

/// A call to answer. Each answer is the reply to send, or `None` if the client does not expect one.
#[derive(Debug)]
pub struct IncomingCall {
    /// The handshake that the reply begins with.
    handshake: Vec<u8>,
    metadata: Metadata,
    message: Message,
    parameters: Datum,
    is_silent: bool,
    limits: Limits,
}

impl Session {
    /// Creates the session of a single request, as over HTTP.
    pub fn stateless() -> Session {
        Session { is_stateful: false, client: None }
    }

    /// Creates the session of a connection that is kept.
    pub fn stateful() -> Session {
        Session { is_stateful: true, client: None }
    }
}

impl Server {
    /// Creates a server of this protocol.
    pub fn new(protocol: &Protocol, limits: &Limits) -> Server {
        let clients = HashMap::from([(*protocol.md5(), protocol.clone())]);
        Server { protocol: protocol.clone(), limits: limits.clone(), clients, clients_bytes: 0 }
    }

    /// Returns the server's protocol.
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Takes a request, without its frames.
    ///
    /// # Errors
    /// Fails if the request has no valid handshake. No reply is possible then, and a stateful connection cannot be
    /// used further.
    pub fn receive(&mut self, session: &mut Session, request: &[u8]) -> Result<Received> {
        let mut handshake = Vec::new();
        let (client, n_bytes) = match &session.client {
            Some(client) => (client.clone(), 0),
            None => {
                let (asked, n_bytes) = HandshakeRequest::decode(request, &self.limits)?;
                let known = self.client(&asked);
                self.answer(&asked, !matches!(known, Ok(None))).encode(&mut handshake);
                match known {
                    Ok(Some(client)) => (client, n_bytes),
                    Ok(None) => return Ok(Received::Reply(handshake)),
                    Err(error) => return Ok(invalid(error, handshake)),
                }
            }
        };
        let was_connected = session.client.is_some();
        if session.is_stateful {
            session.client = Some(client.clone());
        }
        let body = request.get(n_bytes..).unwrap_or_default();
        match self.call(&client, body, n_bytes, was_connected) {
            Ok(Some(call)) => Ok(Received::Call(Box::new(IncomingCall { handshake, ..call }))),
            Ok(None) => Ok(Received::Reply(handshake)),
            Err(error) => Ok(invalid(error, handshake)),
        }
    }

    /// Finds the client's protocol. A text is remembered only if it has the hash that the client says, so that no
    /// client can change what the server takes for the protocol of another.
    fn client(&mut self, asked: &HandshakeRequest) -> Result<Option<Protocol>> {
        if let Some(known) = self.clients.get(&asked.client_hash) {
            return Ok(Some(known.clone()));
        }
        let Some(text) = &asked.client_protocol else { return Ok(None) };
        let client = Protocol::parse(text, &self.limits)?;
        if <[u8; 16]>::from(Md5::digest(text.as_bytes())) == asked.client_hash {
            self.clients_bytes += client.memory_bytes();
            if self.clients_bytes > CLIENTS_BYTES_MAX {
                self.clients = HashMap::from([(*self.protocol.md5(), self.protocol.clone())]);
                self.clients_bytes = client.memory_bytes();
            }
            self.clients.insert(asked.client_hash, client.clone());
        }
        Ok(Some(client))
    }

    fn answer(&self, asked: &HandshakeRequest, is_known: bool) -> HandshakeResponse {
        let is_right = asked.server_hash == *self.protocol.md5();
        let matched = match (is_known, is_right) {
            (true, true) => HandshakeMatch::Both,
            (true, false) => HandshakeMatch::Client,
            (false, _) => HandshakeMatch::None,
        };
        // A client that has the right hash needs no protocol with NONE, but Python's fails without it.
        let tells = matched != HandshakeMatch::Both;
        HandshakeResponse {
            matched,
            server_protocol: tells.then(|| self.protocol.json().to_owned()),
            server_hash: tells.then(|| *self.protocol.md5()),
            metadata: None,
        }
    }

    /// Reads a call after the handshake of `offset` bytes; a ping is `None`.
    fn call(&self, client: &Protocol, body: &[u8], offset: usize, was_connected: bool) -> Result<Option<IncomingCall>> {
        let mut cursor = Cursor::new(body);
        let in_message = |cursor: &Cursor<'_>, fault| {
            at(cursor)(fault).at(|p| p.offset_in_message = p.offset_in_message.map(|at| at + offset as u64))
        };
        let metadata = metadata(&mut cursor, &self.limits).map_err(|fault| in_message(&cursor, fault))?;
        let name = string(&mut cursor).map_err(|fault| in_message(&cursor, fault))?;
        if name.is_empty() {
            return Ok(None);
        }
        let (written, message) = (client.message(name)?, self.protocol.message(name)?);
        if written.one_way != message.one_way && was_connected {
            let (one, other) = if message.one_way { ("server", "client") } else { ("client", "server") };
            let what = format!("the message `{name}` is one-way for the {one}, but not for the {other}");
            return Err(Error::argument(what));
        }
        let parameters = Datum {
            bytes: body.get(cursor.at()..).unwrap_or_default().to_vec(),
            writer: written.request.clone(),
            reader: message.request.clone(),
            limits: self.limits.clone(),
        };
        Ok(Some(IncomingCall {
            handshake: Vec::new(),
            metadata,
            message: message.clone(),
            parameters,
            is_silent: message.one_way && was_connected,
            limits: self.limits.clone(),
        }))
    }
}

impl IncomingCall {
    /// Returns the message that is called.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Returns the metadata of the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the parameters, as the fields of a record.
    pub fn parameters(&self) -> &Datum {
        &self.parameters
    }

    /// Answers with a response in JSON.
    ///
    /// # Errors
    /// Fails if the JSON is not a value of the response's type.
    pub fn respond_json(&self, json: &str, form: Form) -> Result<Option<Vec<u8>>> {
        Ok(self.reply(false, &encode(&self.message.response, json, form, &self.limits)?))
    }

    /// Answers with rows, for a response that is an array.
    ///
    /// # Errors
    /// Fails if the response is not an array, or the rows do not fit the type of its items.
    pub fn respond_batches(&self, rows: &[RecordBatch]) -> Result<Option<Vec<u8>>> {
        Ok(self.reply(false, &array_of_rows(&self.message.response, rows, &self.limits)?))
    }

    /// Answers with an error in JSON, a value of the union of the message's errors.
    ///
    /// # Errors
    /// Fails if the JSON is not a value of the union.
    pub fn error_json(&self, json: &str, form: Form) -> Result<Option<Vec<u8>>> {
        Ok(self.reply(true, &encode(&self.message.errors, json, form, &self.limits)?))
    }

    /// Answers with an error that the protocol does not declare.
    pub fn fail(&self, text: &str) -> Option<Vec<u8>> {
        self.reply(true, &undeclared(text))
    }

    fn reply(&self, is_error: bool, value: &[u8]) -> Option<Vec<u8>> {
        (!self.is_silent).then(|| reply(self.handshake.clone(), is_error, value))
    }
}

/// Appends a response to a handshake.
fn reply(mut handshake: Vec<u8>, is_error: bool, value: &[u8]) -> Vec<u8> {
    put_metadata(&Metadata::new(), &mut handshake);
    handshake.push(is_error.into());
    handshake.extend_from_slice(value);
    handshake
}

/// The value of the first branch of all unions of errors.
fn undeclared(text: &str) -> Vec<u8> {
    let mut value = vec![0];
    put_bytes(text.as_bytes(), &mut value);
    value
}

fn invalid(error: Error, handshake: Vec<u8>) -> Received {
    let reply = reply(handshake, true, &undeclared(&error.to_string()));
    Received::Invalid { error, reply }
}
