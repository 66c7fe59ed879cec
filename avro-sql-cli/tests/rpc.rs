//! `rpc send`, `rpc receive` and `rpc protocol` against each other, over HTTP, TLS and a stateful stream.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout};
use std::thread;
use std::time::Duration;

use support::{Folder, Ran, Value, avro};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

const READING: &str = r#"{"type":"record","name":"Reading","namespace":"org.example","fields":[
    {"name":"sensor","type":"string"},{"name":"value","type":"double"}]}"#;

/// A folder with the protocol `p.avpr`, and the certificates of the tests.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("p.avpr", fs::read(Path::new(ROOT).join("testdata/rpc/sensors.avpr")).unwrap());
    for name in ["ca.pem", "other.pem", "worker.pem", "worker.key"] {
        folder.file(name, fs::read(Path::new(ROOT).join("testdata/tls").join(name)).unwrap());
    }
    folder
}

/// A server process, which ends with the test.
struct Receiver {
    child: Child,
    out: BufReader<ChildStdout>,
    port: String,
}

impl Receiver {
    fn start(folder: &Folder, scheme: &str, message: &str, options: &[&str]) -> Receiver {
        let url = format!("{scheme}://127.0.0.1:0");
        let arguments = [&["rpc", "receive", &url, "p.avpr", message], options].concat();
        let mut child = folder.command(&arguments).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let port = line.strip_prefix("Port: ").unwrap_or_else(|| panic!("{line:?}")).trim().to_owned();
        Receiver { child, out, port }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    /// What the server prints until it ends.
    fn finish(mut self) -> Ran {
        let (mut stdout, mut stderr) = (Vec::new(), String::new());
        self.out.read_to_end(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ran { stdout, stderr, code: self.child.wait().unwrap().code().unwrap_or(-1) }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn message_is_sent_and_answered_over_each_transport() {
    let folder = folder();
    let row = r#"{"sensor":"a","value":1.5,"unit":{"string":"C"}}"#;
    let answer = format!("[{row}]");
    let cases: [(&str, &[&str], &[&str]); 3] = [
        ("http", &[], &[]),
        ("tcp", &[], &[]),
        ("https", &["--tls-cert", "worker.pem", "--tls-key", "worker.key"], &["--tls-ca", "ca.pem"]),
    ];
    for (scheme, of_server, of_client) in cases {
        let receiver = Receiver::start(&folder, scheme, "latest", &[&["-data", &answer], of_server].concat());
        let url = receiver.url(scheme);
        // The names of avro-tools.
        let sent = folder.run(&[&["rpcsend", &url, "p.avpr", "latest", "-data", r#"{"n":2}"#], of_client].concat());
        sent.wrote(&format!("{answer}\n"));
        receiver.finish().wrote("latest\t{\"n\":2}\n");
    }
}

#[test]
fn protocols_may_be_idl() {
    let folder = folder();
    folder.file(
        "p.avdl",
        "@namespace(\"org.example\") protocol Sensors { error Overload { int retry_after; }
         record Reading { string sensor; double value; union { null, string } unit = null; }
         array<Reading> latest(int n) throws Overload; void log(string line) oneway; }",
    );
    folder.file("schema.avdl", "schema int;");
    let receiver = Receiver::start(&folder, "http", "latest", &["--data", "[]"]);
    let url = receiver.url("http");
    folder.run(&["rpc", "send", &url, "schema.avdl", "latest"]).failed(1, &["schema.avdl: a schema without messages"]);
    folder.run(&["rpc", "send", &url, "p.avdl", "latest", "--data", r#"{"n":2}"#]).wrote("[]\n");
    receiver.finish().wrote("latest\t{\"n\":2}\n");
}

#[test]
fn protocol_of_server_is_printed() {
    let folder = folder();
    for scheme in ["http", "tcp"] {
        let receiver = Receiver::start(&folder, scheme, "log", &[]);
        let printed = folder.run(&["rpcprotocol", &receiver.url(scheme)]);
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!((json(&printed.stdout), printed.code), (json(&folder.read("p.avpr")), 0));
        assert!(printed.stdout().starts_with("{\n  \"protocol\": \"Sensors\","), "{}", printed.stdout());
        // The server still waits for its message, which has no response.
        folder.run(&["rpc", "send", &receiver.url(scheme), "p.avpr", "log", "--data", r#"{"line":"x"}"#]).wrote("");
        receiver.finish().wrote("log\t{\"line\":\"x\"}\n");
    }
}

#[test]
fn rows_of_avro_files_are_parameters_and_responses() {
    let folder = folder();
    let row = |n: i64| Value::Record(vec![format!("s{n}").as_str().into(), Value::Double(n as f64)]);
    let rows: Vec<Value> = (0..1_000).map(row).collect();
    folder.file("rows.avro", avro(READING, 300, &rows));
    let receiver = Receiver::start(&folder, "http", "store", &["--data", "1000", "--plain"]);
    folder.run(&["rpc", "send", &receiver.url("http"), "p.avpr", "store", "--file", "rows.avro"]).wrote("1000\n");
    let received = receiver.finish();
    let (name, text) = received.stdout().split_once('\t').unwrap();
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!((name, json["readings"].as_array().unwrap().len()), ("store", 1_000));
    assert_eq!(json["readings"][999], serde_json::json!({"sensor": "s999", "value": 999.0, "unit": null}));

    let receiver = Receiver::start(&folder, "http", "latest", &["--file", "rows.avro"]);
    // A file with one row of parameters.
    let parameters = r#"{"type":"record","name":"latest","fields":[{"name":"n","type":"int"}]}"#;
    folder.file("one.avro", avro(parameters, 1, &[Value::Record(vec![7.into()])]));
    let sent = folder.run(&["rpc", "send", &receiver.url("http"), "p.avpr", "latest", "-file", "one.avro"]);
    assert_eq!((sent.stdout().matches("sensor").count(), sent.code), (1_000, 0), "{}", sent.stderr);
    receiver.finish().wrote("latest\t{\"n\":7}\n");

    folder.file("two.avro", avro(parameters, 1, &[Value::Record(vec![7.into()]), Value::Record(vec![8.into()])]));
    let url = "http://127.0.0.1:1/";
    folder.run(&["rpc", "send", url, "p.avpr", "latest", "--file", "two.avro"]).failed(1, &["expected one row"]);
}

#[test]
fn errors_of_server_fail_with_its_words() {
    let folder = folder();
    let declared = r#"{"org.example.Overload":{"retry_after":3}}"#;
    let cases = [
        ("latest", "latest", declared, declared, 0),
        ("latest", "latest", r#"{"string":"no readings"}"#, "answered with an error: no readings\n", 0),
        ("describe", "latest", r#"{"string":"x"}"#, "expected the message `describe`, but received `latest`\n", 1),
    ];
    for (expected, message, error, words, code) in cases {
        let receiver = Receiver::start(&folder, "http", expected, &["--error", error]);
        let url = receiver.url("http");
        folder.run(&["rpc", "send", &url, "p.avpr", message, "--data", r#"{"n":1}"#]).failed(1, &[&url, words]);
        assert_eq!(receiver.finish().code, code);
    }
    // A client whose message the server does not have, and one whose parameter is of another type.
    let text = String::from_utf8(folder.read("p.avpr")).unwrap();
    folder.file(
        "other.avpr",
        text.replace("\"describe\"", "\"explain\"").replace("\"type\": \"int\"", "\"type\": \"boolean\""),
    );
    let receiver = Receiver::start(&folder, "http", "latest", &["--data", "[]"]);
    let send = |message: &str, data: &str| {
        folder.run(&["rpc", "send", &receiver.url("http"), "other.avpr", message, "--data", data])
    };
    send("explain", r#"{"sensor":"a"}"#).failed(1, &["the protocol `org.example.Sensors` has no message `explain`"]);
    send("latest", r#"{"n":true}"#).failed(1, &["n: boolean cannot be read as int"]);
    folder.run(&["rpc", "send", &receiver.url("http"), "p.avpr", "latest", "--data", r#"{"n":1}"#]).wrote("[]\n");
    let received = receiver.finish();
    assert_eq!(
        (received.stdout(), received.stderr.matches("avro-sql: rejected a call: ").count()),
        ("latest\t{\"n\":1}\n", 2)
    );
}

#[test]
fn wrong_arguments_fail_before_anything_is_sent() {
    let folder = folder();
    folder.file("bad.avpr", "{\"protocol\":1}").file("not.avro", [0xff, 0xfe]);
    let url = "http://user:secret@127.0.0.1:1/?token=secret";
    let cases: [(&[&str], i32, &str); 9] = [
        (&["send", url, "p.avpr", "latest", "--data", "{\"n\":1}"], 1, "http://127.0.0.1:1/: cannot connect: "),
        (&["send", "tcp://127.0.0.1:1", "p.avpr", "latest", "--data", "{\"n\":1}"], 1, "cannot connect: "),
        (&["send", url, "p.avpr", "latest"], 2, "the message `latest` has parameters; use --data JSON or --file FILE"),
        (&["send", url, "p.avpr", "latest", "--data", "{\"n\":\"x\"}"], 1, "--data: $.n: expected int, found \"x\""),
        (&["send", url, "p.avpr", "last", "--data", "{}"], 1, "no message `last`; it has describe, latest, store, log"),
        (&["send", url, "bad.avpr", "last"], 1, "bad.avpr: invalid Avro protocol: the object has no `protocol`"),
        (&["send", url, "p.avpr", "latest", "--file", "not.avro"], 1, "not.avro: neither Avro nor JSON"),
        (&["receive", "https://127.0.0.1:0", "p.avpr", "log"], 2, "https:// needs a certificate; use --tls-cert"),
        (
            &["receive", "http://127.0.0.1:0", "p.avpr", "latest", "--data", "1"],
            1,
            "--data: $: expected array, found 1",
        ),
    ];
    for (arguments, code, words) in cases {
        let ran = folder.run(&[&["rpc"], arguments].concat());
        ran.failed(code, &[words]);
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    }
}

/// A server that answers the first request with these bytes.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 16 << 10];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(bytes);
        // Silence keeps the connection.
        if bytes.is_empty() {
            thread::sleep(Duration::from_secs(20));
        }
    });
    address.to_string()
}

#[test]
fn servers_that_are_none_fail_in_time() {
    let folder = folder();
    let cases: [(&str, &[u8], &str); 7] = [
        (
            "http",
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP 404 Not Found; is this an Avro RPC server?",
        ),
        (
            "http",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
            "the answer is text/html",
        ),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\0\0\0\x09ab", "the answer ends inside a message"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\0\0\0", "exceeds the limit `block_bytes`"),
        ("http", b"", "no answer in time; use a longer --timeout"),
        ("tcp", b"", "no answer in time; use a longer --timeout"),
        ("tcp", b"\0\0\0\x01\x02\0\0\0\0", "a value runs past the end of its message"),
    ];
    for (scheme, answer, words) in cases {
        let url = format!("{scheme}://{}", answering(answer));
        let sent = folder.run(&["rpc", "send", &url, "p.avpr", "latest", "--data", "{\"n\":1}", "--timeout", "1"]);
        sent.failed(1, &[words, "127.0.0.1"]);
    }
    let waited = folder.run(&["rpc", "receive", "http://127.0.0.1:0", "p.avpr", "log", "--timeout", "1"]);
    assert!(waited.code == 1 && waited.stderr.contains("no message `log` came within the --timeout"), "{waited:?}");
    // A certificate of another authority.
    let receiver = Receiver::start(&folder, "https", "log", &["--tls-cert", "worker.pem", "--tls-key", "worker.key"]);
    let url = receiver.url("https");
    let line = ["--data", r#"{"line":"x"}"#];
    let sent = folder.run(&[&["rpc", "send", &url, "p.avpr", "log", "--tls-ca", "other.pem"], &line[..]].concat());
    sent.failed(1, &["cannot connect: ", "certificate"]);
}

#[test]
fn requests_that_are_none_leave_the_server_waiting() {
    let folder = folder();
    let receiver = Receiver::start(&folder, "http", "log", &["-q"]);
    let ask = |request: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", receiver.port.parse::<u16>().unwrap())).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let post = |body: &str| {
        format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let cases = [
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "405 Method Not Allowed"),
        (post(""), "the body is not a whole message in Avro's framing"),
        (post("\0\0\0\x02ab\0\0\0\0"), "a value runs past the end of its message"),
        (post("\x7f\0\0\x02ab"), "exceeds the limit `block_bytes`"),
    ];
    for (request, want) in cases {
        let answer = ask(request.as_bytes());
        assert!(answer.contains(want), "{want}: {answer}");
    }
    folder.run(&["rpc", "send", &receiver.url("http"), "p.avpr", "log", "--data", r#"{"line":"x"}"#]).wrote("");
    receiver.finish().wrote("log\t{\"line\":\"x\"}\n");
}
