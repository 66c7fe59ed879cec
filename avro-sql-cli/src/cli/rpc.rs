//! The arguments of `rpc`: what was written in, the task out.

use std::path::PathBuf;
use std::time::Duration;

use avro_arrow::json::Form;
use clap::{Args, ValueEnum};
use url::Url;

use crate::commands::rpc::{Payload, RpcAction, RpcMessage, RpcTask, TlsFiles};
use crate::error::{Error, Result};

#[derive(Args)]
pub(super) struct RpcArguments {
    /// Print the protocol of a server, send it a message, or receive one message as a server
    #[arg(value_enum)]
    action: RpcActionArgument,
    /// The server, or the address to listen on (port 0 is any free one): http://, https://, or tcp:// for a stateful
    /// connection
    #[arg(value_parser = parse_url)]
    url: Url,
    /// Protocol file (.avpr or .avdl)
    protocol: Option<PathBuf>,
    /// Name of the message
    message: Option<String>,
    /// Parameters, or the response of receive, as JSON
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    data: Option<String>,
    /// File with them: JSON, an Avro file with one row, or an Avro file whose rows are the items of an array; `-` is
    /// standard input
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    file: Option<PathBuf>,
    /// With receive: answer with this error, a value of the union of the message's errors
    #[arg(long, value_name = "JSON", conflicts_with_all = ["data", "file"])]
    error: Option<String>,
    /// JSON without union tags
    #[arg(long)]
    plain: bool,
    /// Indent JSON over several lines
    #[arg(long)]
    pretty: bool,
    /// How long the server may take to answer (default: 60), or how long receive waits for the message (default: no
    /// limit)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
    /// Authority that signed the server's certificate, in PEM (default: those of the system)
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// With receive: certificate of this server, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// With receive: key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RpcActionArgument {
    Protocol,
    Send,
    Receive,
}

impl RpcArguments {
    pub(super) fn task(self) -> Result<RpcTask> {
        let usage = |what: &str| Err(Error::Usage(format!("{what} (see avro-sql rpc --help)")));
        let has_payload = self.data.is_some() || self.file.is_some() || self.error.is_some();
        let payload = match (self.data, self.file, self.error) {
            (Some(json), ..) => Payload::Json(json),
            (_, Some(file), _) => Payload::File(file),
            (_, _, Some(json)) => Payload::Error(json),
            _ => Payload::None,
        };
        let form = if self.plain { Form::Plain } else { Form::Avro };
        let is_receive = self.action == RpcActionArgument::Receive;
        if matches!(payload, Payload::Error(_)) && !is_receive {
            return usage("--error is for rpc receive");
        }
        if self.tls_cert.is_some() && !is_receive {
            return usage("--tls-cert is for rpc receive; rpc send takes --tls-ca");
        }
        let action = match (self.action, self.protocol, self.message) {
            (RpcActionArgument::Protocol, None, _) if !has_payload => RpcAction::Protocol,
            (RpcActionArgument::Protocol, ..) => return usage("rpc protocol takes only the URL of a server"),
            (action, Some(protocol), Some(name)) => {
                let message = RpcMessage { protocol, name, payload, form };
                if action == RpcActionArgument::Send { RpcAction::Send(message) } else { RpcAction::Receive(message) }
            }
            _ => return usage("rpc send and rpc receive take a URL, a protocol file and the name of a message"),
        };
        Ok(RpcTask {
            action,
            url: self.url,
            timeout: self.timeout.map(|seconds| Duration::from_secs(seconds.into())),
            tls: TlsFiles { ca: self.tls_ca, own: self.tls_cert.zip(self.tls_key) },
            pretty: self.pretty,
        })
    }
}

/// Parses the URL of a server.
fn parse_url(text: &str) -> std::result::Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "expected a URL such as http://localhost:8080/".to_owned())?;
    match url.scheme() {
        "http" | "https" | "tcp" if url.host_str().unwrap_or_default().is_empty() => {
            Err("the URL has no host; expected http://HOST:PORT/".to_owned())
        }
        "tcp" if url.port().is_none() => Err("the URL has no port; expected tcp://HOST:PORT".to_owned()),
        "http" | "https" | "tcp" => Ok(url),
        "avro" => Err("avro:// is Avro's SASL transport, which is not supported; use http:// or tcp://".to_owned()),
        other => Err(format!("`{other}://` is not supported; use http://, https:// or tcp://")),
    }
}
