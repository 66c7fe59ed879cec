//! Protocols and calls: declarations, and both sides against the bytes that Python's `avro.ipc` sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema as ArrowSchema};
use avro_arrow::json::Form;
use avro_arrow::protocol::*;
use avro_arrow::{Error, Limits, Options};
use avro_testing::{Rng, check_all, corrupt};
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/rpc").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn parse(text: &str) -> Result<Protocol, Error> {
    Protocol::parse(text, &Limits::default())
}

fn sensors() -> Protocol {
    parse(&file("sensors.avpr")).unwrap()
}

fn exchanges() -> Vec<Json> {
    serde_json::from_str(&file("exchanges.json")).unwrap()
}

fn text<'j>(case: &'j Json, key: &str) -> &'j str {
    case[key].as_str().unwrap()
}

/// The messages of an exchange: requests and replies in turn.
fn messages(case: &Json) -> Vec<Vec<u8>> {
    let decode = |hex: &Json| {
        let digits = hex.as_str().unwrap().as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let framed: Vec<u8> = digits.chunks(2).map(byte).collect();
        let message = read_frames(&mut framed.as_slice(), &Limits::default()).unwrap();
        let mut again = Vec::new();
        write_frames(&message, &mut again);
        assert_eq!(again, framed, "frames of {}", case["case"]);
        message
    };
    case["messages"].as_array().unwrap().iter().map(decode).collect()
}

/// A client that knows what Python's client of the case knew.
fn client_of(case: &Json) -> Client {
    let limits = Limits::default();
    let (own, server) = (parse(text(case, "client")).unwrap(), parse(text(case, "server")).unwrap());
    let mut client = Client::new(&own, Transport::Stateless, &limits);
    if case["server_known"].as_bool().unwrap() && own != server {
        let mut said = Vec::new();
        HandshakeResponse {
            matched: HandshakeMatch::Client,
            server_protocol: Some(server.json().to_owned()),
            server_hash: Some(*server.md5()),
            metadata: None,
        }
        .encode(&mut said);
        client.reply(&Call::ping(), &said).unwrap();
    }
    client
}

fn call_of(case: &Json) -> Call {
    let protocol = parse(text(case, "client")).unwrap();
    let parameters = case["parameters"].to_string();
    Call::from_json(&protocol, text(case, "message"), &parameters, Form::Plain, &Limits::default()).unwrap()
}

#[test]
fn client_sends_what_python_sent_and_reads_what_python_answered() {
    check_all(exchanges(), |case| {
        let (mut client, call) = (client_of(&case), call_of(&case));
        let mut recorded = VecDeque::from(messages(&case));
        let response = client.call(&call, |request, expects_reply| {
            assert_eq!(request, recorded.pop_front().unwrap(), "the request of {}", case["case"]);
            assert!(expects_reply);
            Ok(recorded.pop_front())
        });
        let found = match response {
            Ok(Response::Value { datum, .. }) => ("response", json_of(&datum)),
            Ok(Response::Error { datum, .. }) => ("error", json_of(&datum)),
            Ok(other) => panic!("{other:?}"),
            // Python sends a handshake alone where it has no such message.
            Err(e) => ("fails", json!(e.to_string())),
        };
        let want = match case.get("fails") {
            Some(_) => json!(
                "the handshake failed: the server sent no response after it; it may have failed to read the request"
            ),
            None => case[found.0].clone(),
        };
        assert_eq!(found.1, want, "{}", case["case"]);
        assert!(recorded.is_empty());
    });
}

fn json_of(datum: &Datum) -> Json {
    serde_json::from_str(&datum.json(Form::Plain).unwrap()).unwrap()
}

#[test]
fn server_reads_what_python_sent_and_answers_as_python_did() {
    check_all(exchanges(), |case| {
        let limits = Limits::default();
        let mut server = Server::new(&parse(text(&case, "server")).unwrap(), &limits);
        if case["client_known"].as_bool().unwrap() {
            let client = parse(text(&case, "client")).unwrap();
            let mut request = Vec::new();
            HandshakeRequest {
                client_hash: *client.md5(),
                client_protocol: Some(client.json().to_owned()),
                server_hash: [0; 16],
                metadata: None,
            }
            .encode(&mut request);
            server.receive(&mut Session::stateless(), &[request, vec![0, 0]].concat()).unwrap();
        }
        for exchange in messages(&case).chunks(2) {
            let reply = match server.receive(&mut Session::stateless(), &exchange[0]).unwrap() {
                Received::Reply(reply) => reply,
                Received::Call(call) => answer(&case, &call),
                Received::Invalid { error, reply } => {
                    assert_eq!(error.to_string(), "the protocol `org.example.Sensors` has no message `gone`");
                    assert!(case.get("fails").is_some() && reply.starts_with(&exchange[1]));
                    continue;
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(reply, exchange[1], "the reply of {}", case["case"]);
        }
    });
}

fn answer(case: &Json, call: &IncomingCall) -> Vec<u8> {
    let mut parameters = case["parameters"].clone();
    match text(case, "case") {
        "newer-server" => parameters["unit"] = json!("C"),
        "newer-client" => parameters = json!({"n": 1}),
        _ => {}
    }
    assert_eq!(json_of(call.parameters()), parameters, "{}", case["case"]);
    if let Some(error) = case.get("error") {
        return call.fail(error.as_str().unwrap()).unwrap();
    }
    let mut response = case["response"].clone();
    for row in response.as_array_mut().into_iter().flatten() {
        match text(case, "case") {
            "newer-server" => row["note"] = json!("C"),
            "newer-client" => drop(row.as_object_mut().unwrap().remove("note")),
            _ => {}
        }
    }
    call.respond_json(&response.to_string(), Form::Plain).unwrap().unwrap()
}

/// Answers one request, or two if the first has an unknown protocol.
fn through(
    server: &mut Server,
    session: &mut Session,
    answer: impl Fn(&IncomingCall) -> Option<Vec<u8>>,
) -> impl FnMut(&[u8], bool) -> Result<Option<Vec<u8>>, Error> {
    move |request, expects_reply| {
        let reply = match server.receive(session, request)? {
            Received::Call(call) => answer(&call),
            Received::Reply(reply) | Received::Invalid { reply, .. } => Some(reply),
            other => panic!("{other:?}"),
        };
        assert_eq!(reply.is_some(), expects_reply);
        Ok(reply)
    }
}

fn readings() -> RecordBatch {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    let schema = ArrowSchema::new(vec![field("value", DataType::Float64), field("sensor", DataType::Utf8)]);
    let values = Float64Array::from_iter_values((0..10_000).map(|n| f64::from(n) / 8.0));
    let names = StringArray::from_iter_values((0..10_000).map(|n| format!("sensor {n}")));
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values), Arc::new(names)]).unwrap()
}

#[test]
fn rows_are_parameters_and_responses() {
    let (limits, rows) = (Limits::default(), [readings(), readings()]);
    let (mut client, mut server) = (
        Client::new(&sensors(), Transport::Stateless, &limits),
        Server::new(&parse(text(&exchanges()[0], "client")).unwrap(), &limits),
    );
    let sum = |batches: &[RecordBatch]| -> (usize, f64) {
        let values = |batch: &RecordBatch| -> f64 {
            batch.column_by_name("value").unwrap().as_primitive::<Float64Type>().values().iter().sum()
        };
        (batches.iter().map(RecordBatch::num_rows).sum(), batches.iter().map(values).sum())
    };
    let want = sum(&rows);
    let call = Call::from_batches(&sensors(), "store", &rows, &limits).unwrap();
    let options = Options::default().with_batch_size(3_000);
    let stored = client
        .call(
            &call,
            through(&mut server, &mut Session::stateless(), |call| {
                let batches = call.parameters().batches(&options).unwrap();
                assert_eq!(sum(&batches), want);
                assert_eq!(batches[0].schema().field(2).name(), "unit");
                call.respond_json(&want.0.to_string(), Form::Avro).unwrap()
            }),
        )
        .unwrap();
    assert_eq!(json_of(stored.datum().unwrap()), json!(20_000));

    let call = Call::from_json(&sensors(), "latest", r#"{"n": 9}"#, Form::Avro, &limits).unwrap();
    for rows in [vec![], vec![readings()]] {
        let answer = |call: &IncomingCall| call.respond_batches(&rows).unwrap();
        let latest = client.call(&call, through(&mut server, &mut Session::stateless(), answer)).unwrap();
        let batches = latest.datum().unwrap().batches(&Options::default()).unwrap();
        assert_eq!((sum(&batches), batches[0].num_columns()), (sum(&rows), 3));
    }
    let error = Call::from_batches(&sensors(), "latest", &rows, &limits).unwrap_err();
    assert_eq!(error.to_string(), "rows must be an array, found int; use JSON");
}

#[test]
fn stateful_connection_shakes_hands_once() {
    let limits = Limits::default();
    // The server does not know the client's protocol, as their texts differ.
    let (own, theirs) = (sensors(), parse(&file("sensors.avpr").replace("Readings of", "More")).unwrap());
    let mut client = Client::new(&own, Transport::Stateful, &limits);
    let (mut server, mut session) = (Server::new(&theirs, &limits), Session::stateful());
    let mut n_requests = 0;
    for (message, parameters, n_wanted) in
        [("log", r#"{"line":"1"}"#, 2), ("log", r#"{"line":"2"}"#, 1), ("describe", r#"{"sensor":"a"}"#, 1)]
    {
        n_requests = 0;
        let call = Call::from_json(&own, message, parameters, Form::Avro, &limits).unwrap();
        let answer = |call: &IncomingCall| {
            let response = if call.message().one_way { "null" } else { "\"x\"" };
            assert_eq!(call.parameters().json(Form::Avro).unwrap(), parameters);
            call.respond_json(response, Form::Avro).unwrap()
        };
        let mut exchange = through(&mut server, &mut session, answer);
        let response = client.call(&call, |request, expects_reply| {
            n_requests += 1;
            exchange(request, expects_reply)
        });
        drop(exchange);
        // The first call has a reply: it is a part of the handshake.
        let is_empty = matches!(response.unwrap(), Response::Empty);
        assert_eq!((n_requests, is_empty), (n_wanted, parameters == r#"{"line":"2"}"#), "{parameters}");
    }
    assert!(client.server_protocol() == Some(&theirs) && n_requests == 1);
    let pong = client.call(&Call::ping(), through(&mut server, &mut session, |_| None)).unwrap();
    assert!(matches!(pong, Response::Empty));
}

#[test]
fn errors_are_values_of_the_union() {
    let limits = Limits::default();
    let mut client = Client::new(&sensors(), Transport::Stateless, &limits);
    let mut server = Server::new(&sensors(), &limits);
    let call = Call::from_json(&sensors(), "latest", r#"{"n":1}"#, Form::Avro, &limits).unwrap();
    type Answer = fn(&IncomingCall) -> Option<Vec<u8>>;
    let declared: Answer = |call| call.error_json(r#"{"org.example.Overload":{"retry_after":3}}"#, Form::Avro).unwrap();
    let cases: [(Answer, &str); 2] = [
        (declared, r#"{"org.example.Overload":{"retry_after":3}}"#),
        (|call| call.fail("out of memory"), r#"{"string":"out of memory"}"#),
    ];
    for (answer, want) in cases {
        let response = client.call(&call, through(&mut server, &mut Session::stateless(), answer)).unwrap();
        let Response::Error { datum, .. } = response else { panic!("{response:?}") };
        assert_eq!(datum.json(Form::Avro).unwrap(), want);
    }
    // A parameter of a type that the server cannot read is its error, not a broken connection.
    let other =
        parse(&file("sensors.avpr").replace(r#""name": "n", "type": "int""#, r#""name": "n", "type": "string""#));
    let other = other.unwrap();
    let mut client = Client::new(&other, Transport::Stateless, &limits);
    let call = Call::from_json(&other, "latest", r#"{"n":"1"}"#, Form::Avro, &limits).unwrap();
    let answer = |call: &IncomingCall| call.fail(&call.parameters().json(Form::Avro).unwrap_err().to_string());
    let response = client.call(&call, through(&mut server, &mut Session::stateless(), answer)).unwrap();
    assert_eq!(
        response.datum().unwrap().json(Form::Plain).unwrap(),
        r#""the reader's schema does not fit the file's: n: string cannot be read as int""#
    );
}

#[test]
fn handshakes_that_go_nowhere_are_errors() {
    let limits = Limits::default();
    let none = |with_protocol: bool| {
        let mut reply = Vec::new();
        HandshakeResponse {
            matched: HandshakeMatch::None,
            server_protocol: with_protocol.then(|| sensors().json().to_owned()),
            server_hash: with_protocol.then_some([7; 16]),
            metadata: Some(Metadata::from([("k".to_owned(), vec![1, 2])])),
        }
        .encode(&mut reply);
        reply
    };
    let half = [2, 2, 4, b'{', b'}', 0, 0].to_vec();
    let bad = [2, 2, 4, b'{', b'}', 2].iter().chain(&[0; 17]).copied().collect();
    let cases = [
        (none(true), "the handshake failed: the server does not accept the client's protocol, though it was sent"),
        (none(false), "the handshake failed: the server does not accept the client's protocol, though it was sent"),
        (half, "the handshake failed: the server did not send its protocol with its hash"),
        (bad, "invalid Avro protocol: the object has no `protocol`, a string at $"),
        (vec![], "a value runs past the end of its message (offset in message 0)"),
        (vec![6], "enum has no symbol 3 (offset in message 0)"),
        (vec![0, 0, 0, 0, 0, 0, 4], "a value runs past the end of its message (offset in message 0)"),
        (vec![0, 0, 0, 0, 0, 9], "boolean 9 is neither 0 nor 1 (offset in message 5)"),
    ];
    check_all(cases, |(reply, want)| {
        let mut client = Client::new(&sensors(), Transport::Stateless, &limits);
        let call = Call::from_json(&sensors(), "describe", r#"{"sensor":"a"}"#, Form::Avro, &limits).unwrap();
        let response = client.call(&call, |_, _| Ok(Some(reply.clone())));
        let found = response.map(|response| response.datum().unwrap().json(Form::Avro).unwrap_err());
        assert_eq!(found.unwrap_or_else(|e| e).to_string(), want);
    });
}

#[test]
fn protocol_has_types_messages_and_a_hash() {
    let protocol = sensors();
    assert_eq!((protocol.name().full(), protocol.doc()), ("org.example.Sensors", Some("Readings of sensors.")));
    let names: Vec<&str> = protocol.messages().iter().map(|message| message.name.as_str()).collect();
    assert_eq!(names, ["describe", "latest", "store", "log"]);
    let latest = protocol.message("latest").unwrap();
    let reading = r#"{"name":"org.example.Reading","type":"record","fields":[{"name":"sensor","type":"string"},{"name":"value","type":"double"},{"name":"unit","type":["null","string"]}]}"#;
    assert_eq!(protocol.types()[0].canonical_form(), reading);
    assert_eq!(latest.response.canonical_form(), format!(r#"{{"type":"array","items":{reading}}}"#));
    assert_eq!(
        latest.request.canonical_form(),
        r#"{"name":"org.example.latest","type":"record","fields":[{"name":"n","type":"int"}]}"#
    );
    assert_eq!(latest.doc.as_deref(), Some("Returns the last n readings."));
    assert_eq!(protocol.message("describe").unwrap().errors.json(), r#"["string"]"#);
    assert!(protocol.message("log").unwrap().one_way);
    assert_eq!(latest.errors.len(), 4);
    // By Python's hashlib.
    let md5 = |text: &str| parse(text).unwrap().md5().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(md5(r#"{"protocol":"P"}"#), "ec2b455c2eb44ed1ef9556526e28144e");
}

/// A protocol with these types and the response of a message `m`.
fn response(types: &str, namespace: &str, response: &str) -> String {
    let text = format!(
        r#"{{"protocol":"P","namespace":"{namespace}","types":[{types}],
           "messages":{{"m":{{"request":[],"response":{response}}}}}}}"#
    );
    parse(&text).map_or_else(|e| e.to_string(), |p| p.message("m").unwrap().response.canonical_form())
}

#[test]
fn names_of_types_belong_to_the_namespace_of_the_protocol() {
    let fixed = |name: &str| format!(r#"{{"type":"fixed","name":"{name}","size":1}}"#);
    let whole = |name: &str| format!(r#"{{"name":"{name}","type":"fixed","size":1}}"#);
    let pair = |name: &str| format!(r#"[{},{{"type":"array","items":"{name}"}}]"#, whole(name));
    let cases = [
        (fixed("F"), "a.b", "\"F\"", whole("a.b.F")),
        (fixed("F"), "a.b", "\"a.b.F\"", whole("a.b.F")),
        (fixed("F"), "", "\"F\"", whole("F")),
        (fixed("c.F"), "a.b", "\"c.F\"", whole("c.F")),
        // Used twice: defined where it is used first.
        (fixed("F"), "a.b", r#"["F",{"type":"array","items":"F"}]"#, pair("a.b.F")),
        (fixed("F"), "", r#"["F",{"type":"array","items":"F"}]"#, pair("F")),
        // Defined in the message itself.
        (String::new(), "a", &format!(r#"[{},{{"type":"array","items":"F"}}]"#, fixed("F")), pair("a.F")),
        // A type that contains itself, and one that is declared after its use.
        (
            r#"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]},{"name":"f","type":"F"}]},
               {"type":"fixed","name":"F","size":1}"#
                .into(),
            "a",
            "\"L\"",
            format!(
                r#"{{"name":"a.L","type":"record","fields":[{{"name":"n","type":["null","a.L"]}},{{"name":"f","type":{}}}]}}"#,
                whole("a.F")
            ),
        ),
        (String::new(), "a", "\"F\"", "invalid Avro protocol: type `F` is not defined at $.messages.m.response".into()),
        (
            format!("{},{}", fixed("F"), fixed("F").replace("1", "2")),
            "a",
            "\"F\"",
            "invalid Avro protocol: the type `a.F` is defined in types[0] and differently in types[1]; give one of them \
             another name at $.messages.m.response"
                .into(),
        ),
    ];
    check_all(cases, |(types, namespace, given, want)| assert_eq!(response(&types, namespace, given), want));
    // The record of the parameters has a name that no parameter can mean.
    let text = r#"{"protocol":"a.P","types":[{"type":"fixed","name":"m","size":1}],
        "messages":{"m":{"request":[{"name":"p","type":"m"}],"response":"null"}}}"#;
    assert_eq!(
        parse(text).unwrap().messages()[0].request.canonical_form(),
        r#"{"name":"a.m_","type":"record","fields":[{"name":"p","type":{"name":"a.m","type":"fixed","size":1}}]}"#
    );
}

#[test]
fn text_that_is_not_a_protocol_is_an_error_with_its_place() {
    let message = |body: &str| format!(r#"{{"protocol":"P","messages":{{"m":{body}}}}}"#);
    let cases = [
        ("[]".to_owned(), "a protocol must be an object at $"),
        ("{".into(), "not JSON (EOF while parsing an object at line 1 column 1) at $"),
        (r#"{"type":"record"}"#.into(), "the object has no `protocol`, a string; this is a schema at $"),
        (r#"{"protocol":"a."}"#.into(), "the name is empty at $.protocol"),
        (r#"{"protocol":"P","namespace":1}"#.into(), "the namespace must be a string at $.namespace"),
        (r#"{"protocol":"P","types":{}}"#.into(), "`types` must be an array at $.types"),
        (
            r#"{"protocol":"P","types":["int"]}"#.into(),
            "a type of a protocol must be a record, an error, an enum or a fixed at $.types[0]",
        ),
        (
            r#"{"protocol":"P","types":[{"type":"record","name":"R","fields":[{"name":"f","type":"x"}]}]}"#.into(),
            "type `x` is not defined at $.types[0].fields[0].type",
        ),
        (r#"{"protocol":"P","messages":[]}"#.into(), "the messages must be an object at $.messages"),
        (message("[]"), "a message must be an object at $.messages.m"),
        (message("{}"), "the message has no `request`, a list of parameters at $.messages.m"),
        (message(r#"{"request":[]}"#), "the message has no `response` at $.messages.m"),
        (
            message(r#"{"request":[{"name":"p","type":"x"}],"response":"null"}"#),
            "type `x` is not defined at $.messages.m.request[0].type",
        ),
        (
            message(r#"{"request":[],"response":"null","errors":["x"]}"#),
            "type `x` is not defined at $.messages.m.errors[0]",
        ),
        (
            message(r#"{"request":[],"response":"int","one-way":true}"#),
            "a one-way message must have the response `null` and no errors at $.messages.m",
        ),
        (
            message(r#"{"request":[],"response":"null","one-way":1}"#),
            "`one-way` must be a boolean at $.messages.m.one-way",
        ),
    ];
    check_all(cases, |(text, want)| {
        let found = parse(&text).map(|_| ()).unwrap_err().to_string();
        assert_eq!(found, format!("invalid Avro protocol: {want}"));
    });
}

#[test]
fn limits_bound_protocols_messages_and_metadata() {
    let limited = |text: &str, limits: Limits| Protocol::parse(text, &limits).unwrap_err().to_string();
    let few = Limits::default().with_metadata_bytes(100);
    assert_eq!(
        limited(&file("sensors.avpr"), few.clone()),
        "949 exceeds the limit `metadata_bytes` (100); raise the limit if the data is trusted"
    );
    // Each message has the type again.
    let message = |n: usize| format!(r#""m{n}":{{"request":[],"response":"R"}}"#);
    let messages: Vec<String> = (0..1_000).map(message).collect();
    let text = format!(
        r#"{{"protocol":"P","types":[{{"type":"record","name":"R","doc":"{}","fields":[]}}],"messages":{{{}}}}}"#,
        "x".repeat(40_000),
        messages.join(",")
    );
    let found = limited(&text, Limits::default());
    assert!(found.contains("exceeds the limit `metadata_bytes` (16777216)"), "{found}");
    let found = limited(&text.replace('x', ""), Limits::default().with_schema_nodes(3_000));
    assert!(found.starts_with("3001 exceeds the limit `schema_nodes` (3000)"), "{found}");
    // Nested definitions are copied for each level.
    let mut nested = "\"int\"".to_owned();
    for n in 0..30 {
        nested = format!(r#"{{"type":"record","name":"R{n}","fields":[{{"name":"f","type":{nested}}}]}}"#);
    }
    let found =
        limited(&format!(r#"{{"protocol":"P","types":[{nested}]}}"#), Limits::default().with_metadata_bytes(4_000));
    assert!(found.contains("exceeds the limit `metadata_bytes` (32000)"), "{found}");

    let mut decoder = FrameDecoder::new(&Limits::default().with_block_bytes(10));
    assert_eq!(decoder.feed(&mut [0, 0, 0, 6, 1, 2, 3].as_slice()).unwrap(), None);
    let error = decoder.feed(&mut [4, 5, 6, 0, 0, 0, 5].as_slice()).unwrap_err();
    assert!(error.to_string().starts_with("11 exceeds the limit `block_bytes` (10)"), "{error}");

    // 100 entries of metadata, of three bytes each.
    let metadata = (0..100u8).map(|n| (char::from(n).to_string(), vec![])).collect();
    let request = Client::new(&sensors(), Transport::Stateless, &few).request(&Call::ping().with_metadata(metadata));
    let found = Server::new(&sensors(), &few).receive(&mut Session::stateless(), &request.unwrap());
    let Ok(Received::Invalid { error, .. }) = found else { panic!("{found:?}") };
    assert!(error.to_string().starts_with("128 exceeds the limit `metadata_bytes` (100)"), "{error}");
}

#[test]
fn protocol_of_another_hash_is_not_remembered() {
    let (limits, own) = (Limits::default(), sensors());
    let other = parse(r#"{"protocol":"Other"}"#).unwrap();
    let mut server = Server::new(&own, &limits);
    let mut said = |text: Option<&str>, hash: [u8; 16]| {
        let mut request = Vec::new();
        let client_protocol = text.map(str::to_owned);
        HandshakeRequest { client_hash: hash, client_protocol, server_hash: *own.md5(), metadata: None }
            .encode(&mut request);
        let Ok(Received::Reply(reply)) = server.receive(&mut Session::stateless(), &[request, vec![0, 0]].concat())
        else {
            panic!()
        };
        HandshakeResponse::decode(&reply, &limits).unwrap().0.matched
    };
    assert_eq!(said(Some(other.json()), [1; 16]), HandshakeMatch::Both);
    assert_eq!(said(None, [1; 16]), HandshakeMatch::None);
    assert_eq!(said(Some(other.json()), *other.md5()), HandshakeMatch::Both);
    assert_eq!(said(None, *other.md5()), HandshakeMatch::Both);
}

#[test]
fn frames_come_in_any_pieces() {
    let recorded: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
    let mut framed = Vec::new();
    write_frames(&recorded, &mut framed);
    write_frames(b"", &mut framed);
    let mut rng = Rng::new(3);
    for _ in 0..50 {
        let mut decoder = FrameDecoder::new(&Limits::default());
        let (mut rest, mut found) = (framed.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(rest.len().min(1 + rng.below(5_000)));
            while !piece.is_empty() {
                found.extend(decoder.feed(&mut piece).unwrap());
            }
            rest = after;
        }
        assert!(found == [recorded.clone(), vec![]] && decoder.is_empty());
    }
    let cut = read_frames(&mut &framed[..100], &Limits::default()).unwrap_err();
    assert_eq!(cut.to_string(), "unexpected end of file");
}

#[test]
fn damaged_exchanges_are_values_or_errors() {
    let n_rounds = std::env::var("AVRO_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let limits = Limits::default().with_block_bytes(1 << 20);
    let cases: Vec<(Json, Vec<Vec<u8>>)> =
        exchanges().into_iter().map(|case| (messages(&case), case)).map(|(messages, case)| (case, messages)).collect();
    let mut rng = Rng::new(11);
    for round in 0..n_rounds {
        for (case, messages) in &cases {
            let (mut client, call) = (client_of(case), call_of(case));
            let mut server = Server::new(&parse(text(case, "server")).unwrap(), &limits);
            for exchange in messages.chunks(2) {
                let (mut request, mut reply) = (exchange[0].clone(), exchange[1].clone());
                if round > 0 {
                    corrupt(&mut rng, &mut request);
                    corrupt(&mut rng, &mut reply);
                }
                if let Ok(Received::Call(call)) = server.receive(&mut Session::stateless(), &request) {
                    let _ = call.parameters().json(Form::Avro);
                    let _ = call.parameters().batches(&Options::default());
                }
                if let Ok(Some(response)) = client.reply(&call, &reply)
                    && let Some(datum) = response.datum()
                {
                    let _ = datum.json(Form::Avro);
                    let _ = datum.json_as_written(Form::Plain);
                    let _ = datum.batches(&Options::default());
                }
            }
        }
    }
}
