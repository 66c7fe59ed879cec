//! `rpc`: prints the protocol of an Avro RPC server, sends it a message, or receives one.
//!
//! `connection.rs` carries requests over HTTP or a stream, `listener.rs` answers them, `payload.rs` reads parameters
//! and responses, and `tls.rs` certificates.

mod payload;
mod tls;
mod connection;
mod listener;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use avro_arrow::Limits;
use avro_arrow::json::Form;
use avro_arrow::protocol::{Call, Client, Message, Protocol, Response};
use avro_datafusion::{is_idl, parse_document};
use url::Url;

use crate::commands::schema;
use crate::commands::tools::pretty::pretty;
use crate::error::{Error, Result, on_stdout};

pub(crate) use payload::Payload;
pub(crate) use tls::TlsFiles;

use connection::Connection;

/// How long a server may take to answer, unless an option says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A message to send or receive, or a protocol to print.
#[derive(Debug)]
pub(crate) struct RpcTask {
    pub(crate) action: RpcAction,
    /// The server's URL, or the address to listen on.
    pub(crate) url: Url,
    /// How long the server may take to answer, or how long to wait for a message.
    pub(crate) timeout: Option<Duration>,
    pub(crate) tls: TlsFiles,
    /// Whether JSON is indented.
    pub(crate) pretty: bool,
}

#[derive(Debug)]
pub(crate) enum RpcAction {
    Protocol,
    Send(RpcMessage),
    Receive(RpcMessage),
}

/// A message of a protocol, with its parameters or its response.
#[derive(Debug)]
pub(crate) struct RpcMessage {
    /// The protocol's file.
    pub(crate) protocol: PathBuf,
    pub(crate) name: String,
    pub(crate) payload: Payload,
    pub(crate) form: Form,
}

/// Runs the task.
pub(crate) async fn run(task: RpcTask, limits: &Limits) -> Result<()> {
    match &task.action {
        RpcAction::Protocol => print(server_protocol(&task, limits).await?.json(), true),
        RpcAction::Send(message) => match send(&task, message, limits).await? {
            Some(text) => print(&text, task.pretty),
            None => Ok(()),
        },
        RpcAction::Receive(message) => {
            let (name, text) = listener::receive(&task, message, limits).await?;
            write(format!("{name}\t").as_bytes())?;
            print(&text, task.pretty)
        }
    }
}

/// Asks a server for its protocol, as a client whose protocol it does not know.
async fn server_protocol(task: &RpcTask, limits: &Limits) -> Result<Protocol> {
    let own = Protocol::parse(r#"{"protocol":"avro_sql"}"#, limits)?;
    let mut connection = Connection::open(task, limits).await?;
    let (mut client, ping) = (Client::new(&own, connection.transport(), limits), Call::ping());
    loop {
        let reply = connection.exchange(&client.request(&ping)?, true).await?;
        let understood = client.reply(&ping, &reply.unwrap_or_default());
        match (client.server_protocol(), understood) {
            (Some(protocol), _) => return Ok(protocol.clone()),
            (None, Ok(_)) => {}
            (None, Err(e)) => return Err(connection.failed(&e)),
        }
    }
}

/// Sends a message and returns the JSON of its response.
async fn send(task: &RpcTask, sent: &RpcMessage, limits: &Limits) -> Result<Option<String>> {
    let (protocol, message) = sent.declared(limits)?;
    let call = sent.payload.call(&protocol, &message, sent.form, limits)?;
    let mut connection = Connection::open(task, limits).await?;
    let mut client = Client::new(&protocol, connection.transport(), limits);
    match connection.call(&mut client, &call).await? {
        Response::Value { datum, .. } => {
            let text = datum.json(sent.form).map_err(|e| connection.failed(&e))?;
            Ok((!message.one_way).then_some(text))
        }
        Response::Error { datum, .. } => {
            // The server's own words, as its protocol may have errors that this one lacks.
            let text = datum.json_as_written(sent.form).map_err(|e| connection.failed(&e))?;
            Err(Error::Failed(format!("{}: the server answered with an error: {}", connection.name(), words(&text))))
        }
        _ => Ok(None),
    }
}

impl RpcMessage {
    /// Reads the protocol and finds the message.
    fn declared(&self, limits: &Limits) -> Result<(Protocol, Message)> {
        let file = self.protocol.display();
        let bytes = payload::read(schema::open(&self.protocol)?, &file.to_string(), limits.metadata_bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::Failed(format!("{file}: not valid UTF-8")))?;
        let in_file = |e: avro_arrow::Error| Error::from(e.in_file(file.to_string()));
        let text = match is_idl(&text, Some(&self.protocol)) {
            true => match parse_document(&text, Some(&self.protocol), &[], limits).map_err(in_file)? {
                Some(document) => document.protocol().map_err(in_file)?.map(|protocol| protocol.to_string()),
                None => None,
            },
            false => Some(text),
        };
        let Some(text) = text else {
            return Err(Error::Failed(format!("{file}: a schema without messages; RPC needs a protocol")));
        };
        let protocol = Protocol::parse(&text, limits).map_err(in_file)?;
        let message = protocol.message(&self.name).map_err(|e| {
            let names: Vec<&str> = protocol.messages().iter().map(|message| message.name.as_str()).collect();
            let known =
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            Error::Failed(format!("{file}: {e}; {known}"))
        });
        let message = message?.clone();
        Ok((protocol, message))
    }
}

/// Returns the text of an error without the tag of `string`.
fn words(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Object(tagged)) if tagged.len() == 1 => match tagged.get("string") {
            Some(serde_json::Value::String(text)) => text.clone(),
            _ => json.to_owned(),
        },
        _ => json.to_owned(),
    }
}

/// Prints a line of JSON.
fn print(json: &str, indented: bool) -> Result<()> {
    let mut line = Vec::new();
    if indented {
        let compact = serde_json::from_str::<serde_json::Value>(json).map(|json| json.to_string());
        pretty(compact.as_deref().unwrap_or(json).as_bytes(), &mut line);
    } else {
        line.extend_from_slice(json.as_bytes());
        line.push(b'\n');
    }
    write(&line)
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    Ok(out.write_all(bytes).and_then(|()| out.flush()).map_err(on_stdout)?)
}
