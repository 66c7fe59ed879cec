//! The client's side of a call: requests out, replies in.

use super::call::Call;
use super::datum::Datum;
use super::declaration::Protocol;
use super::handshake::{HandshakeMatch, HandshakeRequest, HandshakeResponse};
use super::wire::{Metadata, at, metadata};
use crate::encoding::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::schema::Schema;

/// Whether a connection remembers that its handshake is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Each request has a handshake, as over HTTP.
    Stateless,
    /// The first requests of a connection have a handshake, until it succeeds. A client is for one connection.
    Stateful,
}

/// The client's side of calls. It does no I/O: [`request`](Self::request) returns the bytes to send, and
/// [`reply`](Self::reply) takes the bytes of the answer. [`call`](Self::call) does both.
#[derive(Debug)]
pub struct Client {
    protocol: Protocol,
    transport: Transport,
    limits: Limits,
    /// The server's protocol with the server's hash, once the server has said it.
    server: Option<(Protocol, [u8; 16])>,
    /// Whether the server has asked for the text of the client's protocol.
    sends_text: bool,
    connected: bool,
}

/// The answer to a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Response {
    /// No value: the answer to a ping, or to a one-way message over a stateful connection.
    Empty,
    /// The value of the response.
    Value {
        /// The response's metadata.
        metadata: Metadata,
        /// The value.
        datum: Datum,
    },
    /// An error, which is a value of a union: `string` for errors that the protocol does not declare.
    Error {
        /// The response's metadata.
        metadata: Metadata,
        /// The error.
        datum: Datum,
    },
}

impl Response {
    /// Returns the value of the response or the error.
    pub fn datum(&self) -> Option<&Datum> {
        match self {
            Response::Empty => None,
            Response::Value { datum, .. } | Response::Error { datum, .. } => Some(datum),
        }
    }
}

impl Client {
    /// Creates a client that calls messages of this protocol. The server's may differ: parameters, responses and errors
    /// are resolved as records and unions are.
    pub fn new(protocol: &Protocol, transport: Transport, limits: &Limits) -> Client {
        Client {
            protocol: protocol.clone(),
            transport,
            limits: limits.clone(),
            server: None,
            sends_text: false,
            connected: false,
        }
    }

    /// Returns the client's protocol.
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Returns the server's protocol, once a handshake has told it.
    pub fn server_protocol(&self) -> Option<&Protocol> {
        self.server.as_ref().map(|(protocol, _)| protocol)
    }

    /// Returns the message to send for a call, without its frames.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::UnknownMessage`] if the client's protocol lacks the message, and with
    /// [`ErrorKind::Argument`] if it is one-way for one side only and the connection does not tell whether there will
    /// be a reply.
    pub fn request(&self, call: &Call) -> Result<Vec<u8>> {
        if !call.message().is_empty() {
            let one_way = self.protocol.message(call.message())?.one_way;
            let of_server = self.server_protocol().and_then(|server| server.message(call.message()).ok());
            if self.connected && of_server.is_some_and(|message| message.one_way != one_way) {
                let what = format!("the message `{}` is one-way for only one of client and server", call.message());
                return Err(Error::argument(what));
            }
        }
        let mut request = Vec::new();
        if !self.connected {
            let handshake = HandshakeRequest {
                client_hash: *self.protocol.md5(),
                client_protocol: self.sends_text.then(|| self.protocol.json().to_owned()),
                server_hash: self.server.as_ref().map_or(*self.protocol.md5(), |(_, hash)| *hash),
                metadata: None,
            };
            handshake.encode(&mut request);
        }
        call.encode(&mut request);
        Ok(request)
    }

    /// Whether the server replies to the current [`request`](Self::request) for this call.
    // SPEC: Call Format: "When a message is declared one-way and a stateful connection has been established by a
    // successful handshake response, no response data is sent."
    pub fn expects_reply(&self, call: &Call) -> bool {
        !(self.connected && self.is_one_way(call))
    }

    fn is_one_way(&self, call: &Call) -> bool {
        self.protocol.message(call.message()).is_ok_and(|message| message.one_way)
    }

    /// Takes the reply to the current request for this call, without its frames. `None` means that the server does not
    /// know the client's protocol; the next [`request`](Self::request) has it.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Handshake`] if the server does not follow the handshake, with [`ErrorKind::Protocol`] if
    /// its protocol is invalid, with [`ErrorKind::UnknownMessage`] if it lacks the message, with [`ErrorKind::Value`]
    /// if the bytes are not a reply, and with [`ErrorKind::Limit`] if they exceed a limit. The value in the reply is
    /// checked when it is read.
    pub fn reply(&mut self, call: &Call, reply: &[u8]) -> Result<Option<Response>> {
        let mut body = reply;
        if !self.connected {
            let (handshake, n_bytes) = HandshakeResponse::decode(reply, &self.limits)?;
            if !self.take_handshake(handshake)? {
                return Ok(None);
            }
            body = reply.get(n_bytes..).unwrap_or_default();
            self.connected = self.transport == Transport::Stateful;
        }
        // The reply to a ping is a handshake, and nothing or an empty response after it.
        if call.message().is_empty() {
            return Ok(Some(Response::Empty));
        }
        if body.is_empty() {
            let reason = "the server sent no response after it; it may have failed to read the request";
            return Err(ErrorKind::Handshake { reason }.into());
        }
        self.response(call, body, reply.len() - body.len()).map(Some)
    }

    /// Whether the server has accepted the request.
    fn take_handshake(&mut self, handshake: HandshakeResponse) -> Result<bool> {
        let failed = |reason: &'static str| Err(Error::new(ErrorKind::Handshake { reason }));
        let matched = handshake.matched;
        match (handshake.server_protocol, handshake.server_hash) {
            (Some(text), Some(hash)) => self.server = Some((Protocol::parse(&text, &self.limits)?, hash)),
            (None, None) if matched == HandshakeMatch::Both => {
                let hash = *self.protocol.md5();
                self.server.get_or_insert_with(|| (self.protocol.clone(), hash));
            }
            // SPEC: Handshake: with NONE, "the serverHash and serverProtocol may also be non-null if the server's
            // protocol hash was incorrect".
            (None, None) if matched == HandshakeMatch::None => {}
            _ => return failed("the server did not send its protocol with its hash"),
        }
        match matched {
            HandshakeMatch::None if self.sends_text => {
                failed("the server does not accept the client's protocol, though it was sent")
            }
            HandshakeMatch::None => {
                self.sends_text = true;
                Ok(false)
            }
            _ => {
                self.sends_text = false;
                Ok(true)
            }
        }
    }

    // SPEC: Call Format: the response is metadata, an error flag, and the response or the error.
    fn response(&self, call: &Call, body: &[u8], offset: usize) -> Result<Response> {
        let mut cursor = Cursor::new(body);
        let in_message = |cursor: &Cursor<'_>, fault| {
            at(cursor)(fault).at(|p| p.offset_in_message = p.offset_in_message.map(|at| at + offset as u64))
        };
        let metadata = metadata(&mut cursor, &self.limits).map_err(|fault| in_message(&cursor, fault))?;
        let is_error = cursor.boolean().map_err(|fault| in_message(&cursor, fault))?;
        let bytes = body.get(cursor.at()..).unwrap_or_default().to_vec();
        let datum = |writer: &Schema, reader: &Schema| Datum {
            bytes,
            writer: writer.clone(),
            reader: reader.clone(),
            limits: self.limits.clone(),
        };
        let message = self.protocol.message(call.message())?;
        let of_server = self.server_protocol().unwrap_or(&self.protocol).message(call.message());
        match (of_server, is_error) {
            (Ok(writer), true) => Ok(Response::Error { metadata, datum: datum(&writer.errors, &message.errors) }),
            (Ok(writer), false) => Ok(Response::Value { metadata, datum: datum(&writer.response, &message.response) }),
            // The server says that it has no such message.
            (Err(_), true) => {
                let system = Schema::parse(r#"["string"]"#, &self.limits)?;
                Ok(Response::Error { metadata, datum: datum(&system, &message.errors) })
            }
            (Err(error), false) => Err(error),
        }
    }

    /// Makes a call: `exchange` sends a request and returns the reply. Its second argument is whether there will be a
    /// reply; if not, it returns `None`. It is called again if the server asks for the client's protocol.
    ///
    /// # Errors
    /// Fails as `exchange` and [`reply`](Self::reply) do.
    pub fn call(
        &mut self,
        call: &Call,
        mut exchange: impl FnMut(&[u8], bool) -> Result<Option<Vec<u8>>>,
    ) -> Result<Response> {
        loop {
            let expects_reply = self.expects_reply(call);
            let reply = exchange(&self.request(call)?, expects_reply)?;
            if !expects_reply {
                return Ok(Response::Empty);
            }
            // After a second time, the reply is an error.
            if let Some(response) = self.reply(call, &reply.unwrap_or_default())? {
                return Ok(response);
            }
        }
    }
}
