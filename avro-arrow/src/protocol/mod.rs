//! Protocols and remote procedure calls: declarations, handshakes, calls and framing, without sockets.
//!
//! ```
//! use avro_arrow::Limits;
//! use avro_arrow::json::Form;
//! use avro_arrow::protocol::{Call, Client, Protocol, Received, Server, Session, Transport};
//!
//! # fn main() -> Result<(), avro_arrow::Error> {
//! let limits = Limits::default();
//! let text = r#"{"protocol": "Greeter", "messages": {
//!     "hello": {"request": [{"name": "name", "type": "string"}], "response": "string"}}}"#;
//! let protocol = Protocol::parse(text, &limits)?;
//! let mut client = Client::new(&protocol, Transport::Stateless, &limits);
//! let mut server = Server::new(&protocol, &limits);
//!
//! let call = Call::from_json(&protocol, "hello", r#"{"name": "Ada"}"#, Form::Avro, &limits)?;
//! // Sends a request, and receives its reply. Between the two would be a network.
//! let response = client.call(&call, |request, _| {
//!     match server.receive(&mut Session::stateless(), request)? {
//!         Received::Call(call) => {
//!             assert_eq!(call.parameters().json(Form::Avro)?, r#"{"name":"Ada"}"#);
//!             Ok(call.respond_json(r#""Hello, Ada!""#, Form::Avro)?)
//!         }
//!         Received::Reply(reply) | Received::Invalid { reply, .. } => Ok(Some(reply)),
//!         _ => Ok(None),
//!     }
//! })?;
//! assert_eq!(response.datum().map(|datum| datum.json(Form::Avro)).transpose()?.as_deref(), Some(r#""Hello, Ada!""#));
//! # Ok(())
//! # }
//! ```
//!
//! - [`Protocol`] parses the JSON text of a protocol. It has a [`Message`] for each call that a server answers.
//! - [`Call`] has encoded parameters, from JSON or from record batches. [`Datum`] is a received value with the schemas
//!   of both sides, as JSON or as record batches.
//! - [`Client`] makes requests and takes their replies; [`Server`] takes requests. Both do the handshake.
//! - [`FrameDecoder`] and [`write_frames`] cut and join the bytes of a transport.
//!
//! Every length is checked against the bytes that are there, and against [`Limits`](crate::Limits): a message against
//! `block_bytes`, the text of a protocol and the metadata of a call against `metadata_bytes`.

mod declaration;
mod framing;
mod wire;
mod handshake;
mod datum;
mod call;
mod client;
mod server;

pub use call::Call;
pub use client::{Client, Response, Transport};
pub use datum::Datum;
pub use declaration::{Message, Protocol};
pub use framing::{FrameDecoder, read_frames, write_frames};
pub use handshake::{HandshakeMatch, HandshakeRequest, HandshakeResponse};
pub use server::{IncomingCall, Received, Server, Session};
pub use wire::Metadata;
