//! `avro-sql registry` and `--reader-schema registry:..`, against the registry of avro-registry's tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../avro-registry/tests/stub/mod.rs"]
mod stub;
mod support;

use std::process::Command;
use std::thread;
use stub::{Auth, Stub};
use support::{Folder, Ran, Value};
use tokio::sync::oneshot;

const ITEM: &str = r#"{"type":"record","name":"shop.Item","fields":[{"name":"sku","type":"string"}]}"#;
const ORDER: &str = r#"{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"long"},{"name":"item","type":"shop.Item"}]}"#;
const WIDER: &str =
    r#"{"type":"record","name":"shop.Item","fields":[{"name":"sku","type":"string"},{"name":"n","type":"int"}]}"#;

/// A stub on a thread of its own: the command runs in another process.
struct Server {
    stub: Stub,
    folder: Folder,
    _stop: oneshot::Sender<()>,
}

impl Server {
    fn start() -> Server {
        let (stop, stopped) = oneshot::channel();
        let (sender, started) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                sender.send(Stub::start().await).unwrap();
                let _ = stopped.await;
            });
        });
        Server { stub: started.recv().unwrap(), folder: Folder::new(), _stop: stop }
    }

    /// Runs the command with the address and these variables in the environment.
    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command: Command = self.folder.command(arguments);
        command.env("SCHEMA_REGISTRY_URL", &self.stub.url).envs(variables.iter().copied());
        ran(command)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[], arguments)
    }
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Ran { stdout: output.stdout, stderr, code: output.status.code().unwrap_or(-1) }
}

#[test]
fn subjects_versions_and_schemas_are_printed() {
    let server = Server::start();
    server.stub.register("items-value", ITEM, &[]);
    server.stub.register("orders-value", ORDER, &[("shop.Item", "items-value", 1)]);
    server.run(&["registry", "subjects"]).wrote("subject\nitems-value\norders-value\n");
    server
        .run(&["registry", "subjects", "--format", "json"])
        .wrote("[\n{\"subject\":\"items-value\"},\n{\"subject\":\"orders-value\"}\n]\n");
    let versions = server.run(&["registry", "versions", "orders-value"]);
    let lines: Vec<_> = versions.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "version,id,name,fingerprint,references", "{versions:?}");
    assert!(lines[1].starts_with("1,2,shop.Order,") && lines[1].ends_with(",items-value@1"), "{lines:?}");
    // The schema is complete, by each of its names.
    let whole = server.run(&["registry", "get", "orders-value"]);
    assert!(whole.stdout().contains("\"name\": \"sku\""), "{whole:?}");
    let guid = stub::registry::guid(2);
    for name in ["2", "orders-value@1", "orders-value@latest", guid.as_str()] {
        assert_eq!(server.run(&["registry", "get", name]).stdout(), whole.stdout(), "{name}");
    }
    server.run(&["registry", "get", "orders-value", "-o", "order.avsc"]).wrote("");
    assert_eq!(server.folder.read("order.avsc"), whole.stdout);
    server.run(&["registry", "get", "orders-value", "--raw"]).wrote(&format!("{ORDER}\n"));
    server.run(&["registry", "get", "nobody"]).failed(1, &["the registry has no subject nobody"]);
    server.run(&["registry", "get", "99"]).failed(1, &["the registry has no schema id 99"]);
    server.run(&["registry", "get", "orders-value@9"]).failed(1, &["no subject orders-value version 9"]);
    server.run(&["registry", "get", "2", "--raw"]).failed(2, &["--raw needs a subject"]);
}

#[test]
fn schemas_are_registered_and_compared() {
    let server = Server::start();
    server.folder.file("item.avsc", ITEM).file("order.avsc", ORDER).file("other/wider.avsc", WIDER);
    server.folder.file("bad.avsc", "{").file("int.avsc", "\"int\"");
    let register = |arguments: &[&str]| server.run(&[&["registry", "register"], arguments].concat());
    register(&["items-value", "item.avsc"]).wrote("subject,version,id\nitems-value,1,1\n");
    register(&["items-value", "item.avsc"]).wrote("subject,version,id\nitems-value,1,1\n");
    // Types of other files are put into the schema, unless they are references.
    register(&["whole-value", "order.avsc"]).wrote("subject,version,id\nwhole-value,1,2\n");
    assert!(server.run(&["registry", "get", "whole-value", "--raw"]).stdout().contains("sku"));
    let reference = ["--reference", "shop.Item=items-value@1"];
    register(&[&["orders-value", "order.avsc"][..], &reference].concat())
        .wrote("subject,version,id\norders-value,1,3\n");
    server.run(&["registry", "get", "orders-value", "--raw"]).wrote(&format!("{ORDER}\n"));
    let compat = |arguments: &[&str]| server.run(&[&["registry", "compat"], arguments].concat());
    compat(&["items-value", "item.avsc"]).wrote("");
    let wider = compat(&["items-value@1", "other/wider.avsc"]);
    assert!(wider.stdout().contains("n") && wider.code == 1, "{wider:?}");
    wider.failed(1, &["wider.avsc is not compatible with items-value (BACKWARD): 1 reason"]);
    register(&["items-value", "other/wider.avsc"])
        .failed(1, &["subject items-value: the registry refuses this (409: Schema being"]);
    compat(&["nobody", "item.avsc"]).failed(1, &["the registry has no subject nobody"]);
    register(&["x", "bad.avsc"]).failed(1, &["bad.avsc"]);
    register(&["x", "missing.avsc"]).failed(1, &["missing.avsc: No such file"]);
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let server = Server::start();
    let cases: [(&[&str], &str); 9] = [
        (&["registry"], "ACTION"),
        (&["registry", "list"], "list"),
        (&["registry", "versions"], "registry versions needs a subject"),
        (&["registry", "get"], "registry get needs a subject, an id or a GUID"),
        (&["registry", "register", "x"], "registry register needs a subject and a schema file"),
        (&["registry", "get", "x", "y"], "registry get takes no file; use -o"),
        (&["registry", "subjects", "--raw"], "registry subjects takes no --raw"),
        (&["registry", "register", "x", "y", "--reference", "a=b"], "expected TYPE=SUBJECT@VERSION"),
        (&["registry", "subjects", "--token-file", "a", "--user-file", "b"], "--token-file"),
    ];
    for (arguments, expected) in cases {
        server.run(arguments).failed(2, &[expected]);
    }
    let mut command = server.folder.command(&["registry", "subjects"]);
    command.env_remove("SCHEMA_REGISTRY_URL");
    ran(command).failed(1, &["the address of the registry is missing; give a URL or set SCHEMA_REGISTRY_URL"]);
    server.run(&["registry", "subjects", "--registry", "localhost:1"]).failed(1, &["write http://localhost:1"]);
}

#[test]
fn credentials_come_from_files_and_environment_and_are_not_shown() {
    let server = Server::start();
    server.stub.ask_for(Auth::Header("Basic bWU6aHVudGVyMg==".to_owned()));
    server.folder.file("user", "me:hunter2\n").file("token", "hunter2\n").file("empty", "\n");
    server.run(&["registry", "subjects", "--user-file", "user"]).wrote("subject\n");
    let user = [("SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO", "me:hunter2")];
    server.run_with(&user, &["registry", "subjects"]).wrote("subject\n");
    server.run(&["registry", "subjects"]).failed(1, &["asks for credentials (401"]);
    let wrong = server.run(&["registry", "subjects", "--token-file", "token"]);
    assert!(!wrong.stderr.contains("hunter2"), "{wrong:?}");
    wrong.failed(1, &["refuses the credentials (401"]);
    server.run(&["registry", "subjects", "--token-file", "empty"]).failed(1, &["empty: the first line is empty"]);
    // Another server does not get what is for the one of SCHEMA_REGISTRY_URL.
    let other = Server::start();
    server.run_with(&user, &["registry", "subjects", "--registry", &other.stub.url]).wrote("subject\n");
    assert_eq!(other.stub.requests()[0].authorization, None);
}

#[test]
fn files_are_read_by_a_schema_of_the_registry() {
    let server = Server::start();
    server.stub.register("items-value", r#"{"type":"record","name":"shop.Item","fields":[]}"#, &[]);
    let renamed = WIDER.replace("\"type\":\"int\"", "\"type\":\"int\",\"default\":5");
    let renamed = renamed.replace("\"type\":\"string\"", "\"type\":\"string\",\"default\":\"\"");
    server.stub.register("items-value", &renamed, &[]);
    server.folder.file("items.avro", support::avro(ITEM, 1, &[Value::Record(vec!["a".into()])]));
    let sql = ["-c", "SELECT * FROM 'items.avro'"];
    let read = |schema: &str, rest: &[&str]| server.run(&[&["--reader-schema", schema], rest].concat());
    read("registry:items-value", &sql).wrote("sku,n\na,5\n");
    read("registry:items-value@2", &sql).wrote("sku,n\na,5\n");
    server.run(&["cat", "items.avro", "--reader-schema", "registry:items-value"]).wrote("sku,n\na,5\n");
    read("registry:nobody", &sql).failed(1, &["the registry has no subject nobody"]);
}

#[test]
fn messages_are_decoded_by_the_ids_in_them() {
    let server = Server::start();
    server.stub.register("items-value", ITEM, &[]);
    server.stub.register("items-value", &WIDER.replace("\"type\":\"int\"", "\"type\":\"int\",\"default\":5"), &[]);
    server.stub.register("orders-value", ORDER, &[("shop.Item", "items-value", 1)]);
    // A message of each version, and one whose id is unknown.
    let values = "(VALUES (1, x'00000000010261'), (2, x'0000000002026212'), (3, x'000000006302')) AS t(n, value)";
    let url = format!("registry => '{}'", server.stub.url);
    let select = |call: &str| format!("SELECT n, {call} AS v FROM {values} ORDER BY n");
    let run = |sql: &str| server.run(&["-c", sql]);
    let newest = select(&format!("from_avro(value, {url}, subject => 'items-value', on_error => 'null')"));
    run(&newest)
        .wrote("n,v\n1,\"{\"\"sku\"\":\"\"a\"\",\"\"n\"\":5}\"\n2,\"{\"\"sku\"\":\"\"b\"\",\"\"n\"\":9}\"\n3,\n");
    // Each id once; the answer for the subject is used for ten seconds by a session.
    let mut asked = server.stub.paths();
    asked.sort();
    assert_eq!(asked, ["/schemas/ids/1", "/schemas/ids/2", "/schemas/ids/99", "/subjects/items-value/versions/latest"]);
    let first = select(&format!("from_avro(value, {url}, subject => 'items-value@1', on_error => 'null')"));
    run(&first).wrote("n,v\n1,\"{\"\"sku\"\":\"\"a\"\"}\"\n2,\"{\"\"sku\"\":\"\"b\"\"}\"\n3,\n");
    // The registry of the environment, where nothing else tells the schemas.
    let json = select("avro_to_json(value, framing => 'confluent', on_error => 'null')");
    run(&json).wrote("n,v\n1,\"{\"\"sku\"\":\"\"a\"\"}\"\n2,\"{\"\"sku\"\":\"\"b\"\",\"\"n\"\":9}\"\n3,\n");
    let why = "SELECT avro_error(x'000000006302', subject => 'items-value') AS why";
    run(why).wrote("why\nschema id 99 is unknown\n");
    let with_reference = "SELECT from_avro(x'00000000030e0261', subject => 'orders-value') AS o";
    run(with_reference).wrote("o\n\"{\"\"id\"\":7,\"\"item\"\":{\"\"sku\"\":\"\"a\"\"}}\"\n");
    let failing = [
        ("from_avro(value, registry => 'http://me:hunter2@r', subject => 's')", "leave credentials out of the address"),
        ("from_avro(value, registry => 'nowhere', subject => 's')", "write http://nowhere"),
        ("from_avro(value, subject => 'nobody')", "the registry has no subject nobody"),
        ("from_avro(value, framing => 'confluent')", "the type of the result is not known"),
        ("from_avro(value, 'int', subject => 'items-value')", "give the schema or the option `subject`, not both"),
        ("from_avro(value, subject => 'items-value')", "schema id 99 is unknown"),
    ];
    for (call, expected) in failing {
        let ran = run(&select(call));
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
        ran.failed(1, &[expected]);
    }
}

#[test]
fn registry_that_is_gone_fails_the_query() {
    let server = Server::start();
    server.stub.register("items-value", ITEM, &[]);
    for _ in 0..8 {
        server.stub.fault("/schemas/", stub::Fault::Answer(401, String::new()));
    }
    let rows = "(SELECT x'00000000010261' AS value FROM generate_series(1, 10000))";
    for call in [
        "from_avro(value, subject => 'items-value', on_error => 'null')",
        "avro_to_json(value, framing => 'confluent', on_error => 'null')",
    ] {
        let ran = server.run(&["-c", &format!("SELECT count({call}) FROM {rows}")]);
        ran.failed(1, &["schema id 1 cannot be looked up", "asks for credentials (401"]);
    }
    // A request for each thread at most, not for each message.
    assert!(server.stub.paths().len() < 20);
}

#[test]
fn plans_show_no_credentials() {
    let server = Server::start();
    server.stub.register("items-value", ITEM, &[]);
    server.stub.ask_for(Auth::Header("Basic bWU6aHVudGVyMg==".to_owned()));
    let user = [("SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO", "me:hunter2")];
    let url = &server.stub.url;
    let sql = format!(
        "EXPLAIN VERBOSE SELECT from_avro(v, registry => '{url}', subject => 'items-value') FROM (VALUES (x'00')) AS t(v)"
    );
    let ran = server.run_with(&user, &["-c", &sql]);
    assert!(ran.code == 0 && ran.stdout().contains("from_avro"), "{ran:?}");
    assert!(!ran.stdout().contains("hunter2") && !ran.stdout().contains("bWU6"), "{ran:?}");
}
