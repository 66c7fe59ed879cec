//! Requests and replies in: each is a call or an error to both sides, and a call sent again is read alike.

use super::{Input, limits};
use avro_arrow::Options;
use avro_arrow::json::Form;
use avro_arrow::protocol::{Call, Client, FrameDecoder, Protocol, Received, Server, Session, Transport};

/// The fuzz target for protocols and calls. Two lines have the protocols of client and server (empty: the client's).
/// A byte follows: 1 if the connection is stateful. The rest is requests and replies in turn, in frames.
///
/// # Panics
/// Where frames that come in pieces are other messages, or values of a call are other values when they are sent again.
pub fn protocol(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let parse = |line: &[u8]| Protocol::parse(std::str::from_utf8(line).ok()?, &limits()).ok();
    let Some(own) = parse(input.line()) else { return };
    let server_line = input.line();
    let Some(theirs) = (if server_line.is_empty() { Some(own.clone()) } else { parse(server_line) }) else { return };
    let bits = input.byte();
    let is_stateful = bits & 1 > 0;
    let transport = if is_stateful { Transport::Stateful } else { Transport::Stateless };
    let new_session = || if is_stateful { Session::stateful() } else { Session::stateless() };
    let mut client = Client::new(&own, transport, &limits());
    let (mut server, mut session) = (Server::new(&theirs, &limits()), new_session());

    let rest = input.rest();
    let messages = unframed(rest, rest.len().max(1));
    assert_eq!(messages, unframed(rest, 1), "frames in pieces");
    for (n, message) in messages.iter().enumerate() {
        if n % 2 == 0 {
            match server.receive(&mut session, message) {
                Ok(Received::Call(call)) => {
                    let _ = call.parameters().batches(&Options::default());
                    let (name, text) = (&call.message().name, call.parameters().json(Form::Avro));
                    if let Ok(text) = text {
                        again(&theirs, name, &text);
                    }
                }
                Ok(_) => {}
                Err(_) => session = new_session(),
            }
            continue;
        }
        for called in own.messages() {
            let call =
                Call::from_json(&own, &called.name, "{}", Form::Avro, &limits()).unwrap_or_else(|_| Call::ping());
            if let Ok(Some(response)) = client.reply(&call, message)
                && let Some(datum) = response.datum()
            {
                let _ = (datum.json(Form::Avro), datum.json_as_written(Form::Plain));
                let _ = datum.batches(&Options::default());
            }
        }
    }
}

/// The messages in frames that come in pieces of this size.
fn unframed(bytes: &[u8], piece_bytes: usize) -> Vec<Vec<u8>> {
    let mut decoder = FrameDecoder::new(&limits());
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(piece_bytes) {
        while !piece.is_empty() {
            let Ok(message) = decoder.feed(&mut piece) else { return messages };
            messages.extend(message);
        }
    }
    messages
}

/// Sends the parameters of a call again, from a client that has the server's protocol.
fn again(protocol: &Protocol, name: &str, text: &str) {
    // Of protocols that the specification forbids, such as those with two fields of one name, values have no text.
    let valid = protocol.message(name).is_ok_and(|message| message.request.check_valid().is_ok());
    let Ok(call) = Call::from_json(protocol, name, text, Form::Avro, &limits()) else {
        assert!(!valid, "values that were read cannot be sent: {text}");
        return;
    };
    let client = Client::new(protocol, Transport::Stateless, &limits());
    let request = client.request(&call).unwrap();
    let received = Server::new(protocol, &limits()).receive(&mut Session::stateless(), &request);
    let Ok(Received::Call(found)) = received else { panic!("{text} is not received: {received:?}") };
    if valid {
        assert_eq!(found.parameters().json(Form::Avro).ok().as_deref(), Some(text), "parameters sent again");
    }
}
