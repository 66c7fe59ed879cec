//! The client against the stub: every request, references, caches, and answers that are wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stub;

use avro_arrow::message::{Framing, MessageDecoder, SchemaId, SchemaStore};
use avro_registry::{
    ApicurioIds, BlockingRegistry, Builder, ErrorKind, Limits, Reference, RegistryClient, Retries, SubjectVersion,
};
use std::time::Duration;
use stub::{Fault, Stub};

const ORDER: &str = r#"{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"long"}]}"#;

fn record(name: &str, fields: &[&str]) -> String {
    let fields = fields.iter().enumerate().map(|(n, kind)| format!(r#"{{"name":"f{n}","type":{kind}}}"#));
    format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.collect::<Vec<_>>().join(","))
}

fn builder(stub: &Stub) -> Builder {
    let retries = Retries { pause: Duration::from_millis(1), ..Retries::default() };
    RegistryClient::builder(&stub.url).retries(retries)
}

fn client(stub: &Stub) -> RegistryClient {
    builder(stub).build().unwrap()
}

#[tokio::test]
async fn schemas_are_found_by_id_and_guid_and_kept() {
    let stub = Stub::start().await;
    let id = stub.register("orders-value", ORDER, &[]);
    let client = client(&stub);
    let by_id = client.schema(SchemaId::Number(id)).await.unwrap().unwrap();
    assert_eq!(
        by_id.canonical_form(),
        r#"{"name":"shop.Order","type":"record","fields":[{"name":"id","type":"long"}]}"#
    );
    let guid = client.latest("orders-value").await.unwrap().guid.unwrap();
    let by_guid = client.schema(SchemaId::Guid(guid)).await.unwrap().unwrap();
    assert_eq!(by_guid.json(), by_id.json());
    let guid = stub::registry::guid(1);
    assert_eq!(
        stub.paths(),
        [
            "/schemas/ids/1".to_owned(),
            "/subjects/orders-value/versions/latest".to_owned(),
            format!("/schemas/guids/{guid}")
        ]
    );
    for _ in 0..3 {
        client.schema(SchemaId::Number(id)).await.unwrap().unwrap();
    }
    // Clones share what is known. Ids of other kinds are not asked for.
    assert!(client.clone().schema(SchemaId::Rabin(1)).await.unwrap().is_none());
    assert!(client.clone().schema(SchemaId::Number(1)).await.unwrap().is_some());
    assert!(client.schema(SchemaId::Number(1 << 40)).await.unwrap().is_none());
    assert!(stub.paths().is_empty());
}

#[tokio::test]
async fn unknown_id_is_asked_for_again_after_its_time() {
    let stub = Stub::start().await;
    let client = builder(&stub).missing_for(Duration::from_millis(200)).build().unwrap();
    for _ in 0..3 {
        assert!(client.schema(SchemaId::Number(1)).await.unwrap().is_none());
    }
    assert_eq!(stub.paths(), ["/schemas/ids/1"]);
    stub.register("s", ORDER, &[]);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(client.schema(SchemaId::Number(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn subjects_and_versions_are_listed() {
    let stub = Stub::start().await;
    stub.register("orders-value", ORDER, &[]);
    stub.register("orders-value", &record("shop.Order", &[]), &[]);
    let odd = "a/b c?#%é:";
    stub.register(odd, ORDER, &[]);
    let client = client(&stub);
    assert_eq!(client.subjects().await.unwrap(), [odd, "orders-value"]);
    assert_eq!(client.versions("orders-value").await.unwrap(), [1, 2]);
    assert_eq!(client.versions(odd).await.unwrap(), [1]);
    let newest = client.latest("orders-value").await.unwrap();
    assert_eq!((newest.version, newest.id, newest.subject.as_str()), (2, 2, "orders-value"));
    let first = client.version("orders-value", 1).await.unwrap();
    assert_eq!((first.version, first.id, first.text.as_str()), (1, 1, ORDER));
    stub.requests();
    client.version("orders-value", 1).await.unwrap();
    assert!(stub.paths().is_empty());
    client.latest("orders-value").await.unwrap();
    assert_eq!(stub.paths().len(), 1);
    assert_eq!(client.latest(odd).await.unwrap().id, 1);
}

#[tokio::test]
async fn missing_things_are_errors_that_name_them() {
    let stub = Stub::start().await;
    stub.register("s", ORDER, &[]);
    let client = client(&stub);
    let errors = [
        (client.latest("t").await.unwrap_err(), "subject t"),
        (client.version("s", 9).await.unwrap_err(), "subject s version 9"),
        (client.versions("t").await.unwrap_err(), "subject t"),
        (client.compatible("t", None, ORDER, &[]).await.unwrap_err(), "subject t"),
    ];
    for (error, wanted) in errors {
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), format!("{}: the registry has no {wanted}", stub.url));
    }
    for wrong in ["", ".", ".."] {
        assert!(matches!(client.latest(wrong).await.unwrap_err().kind(), ErrorKind::Setting(_)));
    }
    // An address whose path is not that of a registry.
    let elsewhere = RegistryClient::builder(&format!("{}/nowhere", stub.url)).build().unwrap();
    let error = elsewhere.schema(SchemaId::Number(1)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoRegistry), "{error}");
}

#[tokio::test]
async fn registration_returns_id_and_version() {
    let stub = Stub::start().await;
    let client = client(&stub);
    let first = client.register("s", ORDER, &[]).await.unwrap();
    assert_eq!((first.id, first.version), (1, 1));
    assert_eq!(client.register("s", ORDER, &[]).await.unwrap(), first);
    assert_eq!(client.compatibility_level("s").await.unwrap(), "BACKWARD");
    // A field that old data do not have.
    let wider = record("shop.Order", &["\"string\""]);
    let verdict = client.compatible("s", None, &wider, &[]).await.unwrap();
    assert!(!verdict.is_compatible && !verdict.messages.is_empty(), "{verdict:?}");
    assert!(client.compatible("s", Some(1), ORDER, &[]).await.unwrap().is_compatible);
    let error = client.register("s", &wider, &[]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused { status: 409, .. }), "{error}");
    assert!(
        error.to_string().contains("subject s: the registry refuses this (409: Schema being registered"),
        "{error}"
    );
    let error = client.register("s", "{\"type\": \"nonsense\"}", &[]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused { status: 422, code: Some(42201), .. }), "{error}");
    // Old registries answer with the id only.
    stub.grow_old();
    stub.requests();
    let second = client.register("s", &record("shop.Order", &[]), &[]).await.unwrap();
    assert_eq!((second.id, second.version), (2, 2));
    assert_eq!(stub.paths(), ["/subjects/s/versions", "/subjects/s"]);
}

#[tokio::test]
async fn references_are_resolved_at_all_depths_and_fetched_once() {
    let stub = Stub::start().await;
    stub.register("d", &record("x.D", &[r#"{"type":"enum","name":"E","symbols":["A"]}"#]), &[]);
    stub.register("b", &record("x.B", &["\"x.D\""]), &[("x.D", "d", 1)]);
    stub.register("c", &record("x.C", &["\"x.D\"", "\"x.E\""]), &[("x.D", "d", 1)]);
    let id = stub.register("a", &record("x.A", &["\"x.B\"", "\"x.C\""]), &[("x.B", "b", 1), ("x.C", "c", 1)]);
    let client = client(&stub);
    let schema = client.schema(SchemaId::Number(id)).await.unwrap().unwrap();
    let whole = schema.canonical_form();
    assert!(whole.contains(r#"{"name":"x.B","type":"record","fields":[{"name":"f0","type":{"name":"x.D""#), "{whole}");
    assert!(
        whole.contains(
            r#"{"name":"x.C","type":"record","fields":[{"name":"f0","type":"x.D"},{"name":"f1","type":"x.E"}]"#
        )
    );
    let mut paths = stub.paths();
    paths.sort();
    let version = |subject: &str| format!("/subjects/{subject}/versions/1?deleted=true");
    assert_eq!(paths, ["/schemas/ids/4".to_owned(), version("b"), version("c"), version("d")]);
    // Another schema with the same references needs no more than its own request.
    let id = stub.register("o", &record("x.O", &["\"x.C\""]), &[("x.C", "c", 1)]);
    client.schema(SchemaId::Number(id)).await.unwrap().unwrap();
    assert_eq!(stub.paths(), ["/schemas/ids/5"]);
    let newest = client.latest("a").await.unwrap();
    assert_eq!(newest.references.len(), 2);
    assert_eq!(newest.references[0], Reference { name: "x.B".into(), subject: "b".into(), version: 1 });
}

#[tokio::test]
async fn cyclic_deep_and_missing_references_are_errors() {
    let stub = Stub::start().await;
    let answer = |name: &str, subject: &str| {
        let schema = serde_json::Value::from(record("x.X", &[]));
        format!(
            r#"{{"schema": {schema}, "id": 1, "subject": "{name}", "version": 1,
                "references": [{{"name": "x.Y", "subject": "{subject}", "version": 1}}]}}"#
        )
    };
    let client = client(&stub);
    stub.fault("/schemas/ids/1", Fault::Answer(200, answer("a", "b")));
    stub.fault("/subjects/b/", Fault::Answer(200, answer("b", "c")));
    stub.fault("/subjects/c/", Fault::Answer(200, answer("c", "b")));
    let error = client.schema(SchemaId::Number(1)).await.unwrap_err();
    let round = "subject b version 1 → subject c version 1 → subject b version 1";
    assert_eq!(error.to_string(), format!("{}: schema id 1: the schema refers to itself: {round}", stub.url));
    // Without end.
    for n in 1..40 {
        stub.fault(&format!("/subjects/n{n}/"), Fault::Answer(200, answer("n", &format!("n{}", n + 1))));
    }
    stub.fault("/schemas/ids/2", Fault::Answer(200, answer("a", "n1")));
    let error = client.schema(SchemaId::Number(2)).await.unwrap_err();
    assert!(error.to_string().ends_with("schema id 2: over the limit reference_depth of 32"), "{error}");
    stub.fault("/schemas/ids/3", Fault::Answer(200, answer("a", "nowhere")));
    let error = client.schema(SchemaId::Number(3)).await.unwrap_err();
    assert!(error.to_string().ends_with("it refers to subject nowhere version 1, which does not exist"), "{error}");
    assert!(!error.is_not_found());
}

#[tokio::test]
async fn many_and_large_references_are_errors() {
    let stub = Stub::start().await;
    let mut references = vec![];
    for n in 0..5 {
        stub.register(&format!("s{n}"), &record(&format!("x.S{n}"), &[]), &[]);
        references.push((format!("x.S{n}"), format!("s{n}")));
    }
    let references: Vec<_> = references.iter().map(|(name, subject)| (name.as_str(), subject.as_str(), 1)).collect();
    let id = SchemaId::Number(stub.register("a", &record("x.A", &["\"x.S0\""]), &references));
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        builder(&stub).limits(limits).build().unwrap()
    };
    type Change = fn(&mut Limits);
    let cases: [(Change, &str); 3] = [
        (|limits| limits.references = 4, "over the limit references of 4"),
        (|limits| limits.reference_bytes = 200, "over the limit reference_bytes of 200"),
        (|limits| limits.answer_bytes = 100, "over the limit answer_bytes of 100"),
    ];
    for (change, expected) in cases {
        let error = with(change).schema(id).await.unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    assert!(client(&stub).schema(id).await.unwrap().is_some());
}

#[tokio::test]
async fn wrong_answers_are_errors_and_not_kept() {
    let stub = Stub::start().await;
    stub.register("s", ORDER, &[]);
    let protobuf = stub.add("p", serde_json::json!({ "schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF" }));
    let client = client(&stub);
    let error = client.schema(SchemaId::Number(protobuf)).await.unwrap_err();
    assert!(error.to_string().ends_with("schema id 2: the schema is PROTOBUF, not AVRO"), "{error}");
    let id = SchemaId::Number(1);
    let cases = [
        (Fault::Answer(200, "<html>log in</html>".into()), "unexpected answer: a web page; is this the address"),
        (Fault::Answer(200, "{\"schema\": ".into()), "unexpected answer: not JSON"),
        (Fault::Answer(200, "{}".into()), "unexpected answer: no `schema`"),
        (Fault::Answer(200, "[".repeat(100_000)), "unexpected answer: not JSON"),
        (Fault::Answer(200, r#"{"schema": "{"}"#.into()), "schema id 1: "),
        (Fault::Answer(200, r#"{"schema": "\"int\"", "references": 1}"#.into()), "invalid `references`"),
        (Fault::Answer(418, r#"{"message": "I\n am \u001b a\tteapot"}"#.into()), "refuses this (418: I am a teapot)"),
        (Fault::Endless(20 << 20), "over the limit answer_bytes"),
    ];
    for (fault, expected) in cases {
        stub.fault("/schemas/ids/1", fault);
        let error = client.schema(id).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    assert!(client.schema(id).await.unwrap().is_some());
}

#[tokio::test]
async fn apicurio_is_asked_by_its_own_api_and_by_confluents() {
    let stub = Stub::start().await;
    stub.register("b b", &record("x.B", &["\"int\""]), &[]);
    let id = stub.register("a", &record("x.A", &["\"x.B\""]), &[("x.B", "b b", 1)]);
    let whole = r#"{"name":"x.A","type":"record","fields":[{"name":"f0","type":{"name":"x.B","#;
    let global = id + stub::registry::GLOBAL;
    let cases = [
        ("/apis/ccompat/v7", ApicurioIds::Content, id),
        ("/apis/registry/v2", ApicurioIds::Content, id),
        ("/apis/registry/v2", ApicurioIds::Global, global),
        ("/apis/registry/v3/", ApicurioIds::Content, id),
        ("/apis/registry/v3", ApicurioIds::Global, global),
    ];
    for (path, ids, id) in cases {
        let client = RegistryClient::builder(&format!("{}{path}", stub.url)).apicurio_ids(ids).build().unwrap();
        let schema = client.schema(SchemaId::Number(id)).await.unwrap().unwrap();
        assert!(schema.canonical_form().starts_with(whole), "{path}");
        assert!(client.schema(SchemaId::Number(99)).await.unwrap().is_none(), "{path}");
        match path.contains("registry") {
            true => assert!(matches!(client.subjects().await.unwrap_err().kind(), ErrorKind::Unsupported(_))),
            false => assert_eq!(client.subjects().await.unwrap(), ["a", "b b"]),
        }
    }
}

#[test]
fn blocking_registry_resolves_ids_of_messages() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let stub = runtime.block_on(Stub::start());
    stub.register("s", r#"{"type":"record","name":"R","fields":[{"name":"n","type":"long"}]}"#, &[]);
    let registry = BlockingRegistry::new(client(&stub)).unwrap();
    let store = SchemaStore::new().with_resolver(registry.clone());
    let mut decoder = MessageDecoder::new(Framing::Confluent, store, &Default::default());
    for message in [&b"\0\0\0\0\x01\x02"[..], b"\0\0\0\0\x01\x04"] {
        decoder.decode(message).unwrap();
    }
    let error = decoder.decode(b"\0\0\0\0\x05\x02").unwrap_err();
    assert!(error.to_string().starts_with("schema id 5 is unknown"), "{error}");
    assert_eq!(decoder.flush().unwrap().batch.num_rows(), 2);
    assert_eq!(stub.paths(), ["/schemas/ids/1", "/schemas/ids/5"]);
    // From the threads of a runtime, also of one with a single thread that waits for the answer.
    let single = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    single.block_on(async { assert_eq!(registry.find(&SubjectVersion::parse("s")).unwrap().version, 1) });
    assert_eq!(registry.find(&SubjectVersion::parse("s@1")).unwrap().id, 1);
    // A registry that is gone is another error than an unknown id.
    drop(runtime);
    let error = decoder.decode(b"\0\0\0\0\x06\x02").unwrap_err().to_string();
    assert!(error.contains("schema id 6 cannot be looked up: http://127.0.0.1"), "{error}");
    assert!(error.contains("cannot reach the registry: connection refused, after 4 attempts"), "{error}");
}
