//! Requests that do not succeed at once: retries, several addresses, redirects, credentials, certificates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stub;
#[path = "stub/tls.rs"]
mod stub_tls;

use avro_registry::{Builder, ErrorKind, OAuth, RegistryClient, Retries, Tls};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use stub::{Auth, Fault, Stub};

/// The address of a port on which nothing listens.
async fn dead() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn builder(urls: &str) -> Builder {
    RegistryClient::builder(urls).retries(Retries { pause: Duration::from_millis(1), ..Retries::default() })
}

async fn subjects(builder: Builder) -> Result<usize, String> {
    let client = builder.build().map_err(|e| e.to_string())?;
    client.subjects().await.map(|subjects| subjects.len()).map_err(|e| e.to_string())
}

#[tokio::test]
async fn transient_failures_are_retried() {
    let stub = Stub::start().await;
    let faults = [
        Fault::Status(500, None),
        Fault::Status(503, Some("0")),
        Fault::Status(429, Some("Mon, 30 Nov 2020 08:00:30 GMT")),
        Fault::Close,
    ];
    for fault in faults {
        stub.fault("/subjects", fault.clone());
        assert_eq!(subjects(builder(&stub.url)).await, Ok(0), "{fault:?}");
        assert_eq!(stub.paths().len(), 2, "{fault:?}");
    }
    for _ in 0..4 {
        stub.fault("/subjects", Fault::Answer(503, r#"{"error_code": 50301, "message": "no leader"}"#.into()));
    }
    let error = subjects(builder(&stub.url)).await.unwrap_err();
    let expected = "list of subjects: the registry is busy or fails (503: no leader), after 4 attempts";
    assert_eq!(error, format!("{}: {expected}", stub.url));
    assert_eq!(stub.paths().len(), 4);
}

#[tokio::test]
async fn retry_after_is_kept_to_unless_it_takes_too_long() {
    let stub = Stub::start().await;
    stub.fault("/subjects", Fault::Status(429, Some("1")));
    let start = Instant::now();
    assert_eq!(subjects(builder(&stub.url)).await, Ok(0));
    assert!(start.elapsed() >= Duration::from_secs(1));
    stub.fault("/subjects", Fault::Status(429, Some("3600")));
    let start = Instant::now();
    let error = subjects(builder(&stub.url)).await.unwrap_err();
    assert!(error.ends_with("the registry is busy or fails (429); it asks to wait 3600 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn slow_answer_ends_in_time() {
    let stub = Stub::start().await;
    let retries = Retries { max: 1, pause: Duration::from_millis(1), total: Duration::from_secs(5) };
    for _ in 0..2 {
        stub.fault("/subjects", Fault::Delay(Duration::from_secs(60)));
    }
    let start = Instant::now();
    let client = RegistryClient::builder(&stub.url).timeout(Duration::from_millis(200)).retries(retries);
    let error = subjects(client).await.unwrap_err();
    assert!(error.ends_with("cannot reach the registry: no answer within 1 s, after 2 attempts"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn other_addresses_are_asked_if_one_fails() {
    let (first, second) = (Stub::start().await, Stub::start().await);
    let urls = format!("{}, {},{}", dead().await, first.url, second.url);
    let client = builder(&urls).build().unwrap();
    client.subjects().await.unwrap();
    assert_eq!((first.paths().len(), second.paths().len()), (1, 0));
    // The one that answered is asked first from then on, until it fails.
    first.fault("/subjects", Fault::Status(502, None));
    client.subjects().await.unwrap();
    client.subjects().await.unwrap();
    assert_eq!((first.paths().len(), second.paths().len()), (1, 2));
    // What a registry refuses, the others do not decide.
    second.fault("/subjects", Fault::Status(403, None));
    assert!(matches!(client.subjects().await.unwrap_err().kind(), ErrorKind::Unauthorized { status: 403, .. }));
    assert_eq!(first.paths().len(), 0);
    let error = subjects(builder(&format!("{},{}", dead().await, dead().await))).await.unwrap_err();
    assert!(error.ends_with("cannot reach the registry: connection refused, after 8 attempts"), "{error}");
}

#[tokio::test]
async fn credentials_are_sent_and_not_shown() {
    let stub = Stub::start().await;
    let host = stub.url.trim_start_matches("http://").to_owned();
    let basic = Auth::Header("Basic bWU6aHVudGVyMg==".to_owned());
    stub.ask_for(basic.clone());
    assert_eq!(subjects(builder(&stub.url).basic("me", "hunter2")).await, Ok(0));
    assert_eq!(subjects(builder(&format!("http://me:hunter2@{host}"))).await, Ok(0));
    // Those of the address precede.
    assert_eq!(subjects(builder(&format!("http://me:hunter2@{host}")).bearer("other-token")).await, Ok(0));
    let error = subjects(builder(&stub.url)).await.unwrap_err();
    assert!(error.contains("asks for credentials (401") && error.contains("BASIC_AUTH_USER_INFO"), "{error}");
    let wrong = [
        builder(&stub.url).basic("me", "wrong-password"),
        builder(&format!("http://me:wrong-password@{host}")),
        builder(&stub.url).bearer("wrong-password"),
    ];
    for builder in wrong {
        let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        let error = subjects(builder).await.unwrap_err();
        assert!(error.contains("refuses the credentials (401"), "{error}");
        // The stub repeats what it was sent.
        assert!(!error.contains("wrong-password") && !shown.contains("wrong-password"), "{error} {shown}");
    }
    stub.ask_for(Auth::Header("Bearer abc".to_owned()));
    assert_eq!(subjects(builder(&stub.url).bearer("abc").header("target-sr-cluster", "lsrc-1")).await, Ok(0));
    assert_eq!(stub.requests().last().unwrap().cluster.as_deref(), Some("lsrc-1"));
    let error = subjects(builder(&stub.url).bearer("hunter\n2")).await.unwrap_err();
    assert!(error.contains("line break") && !error.contains("hunter"), "{error}");
}

#[tokio::test]
async fn oauth_tokens_are_kept_and_renewed() {
    let stub = Stub::start().await;
    let oauth = |secret: &str| OAuth::new(format!("{}/oauth/token", stub.url), "client", secret).with_scope("a b");
    stub.ask_for(Auth::Token(60.0));
    let client = builder(&stub.url).oauth(oauth("client secret")).build().unwrap();
    client.subjects().await.unwrap();
    client.subjects().await.unwrap();
    assert_eq!(stub.paths(), ["/oauth/token", "/subjects", "/subjects"]);
    // A token that was revoked is replaced once.
    stub.revoke_tokens();
    client.subjects().await.unwrap();
    assert_eq!(stub.paths(), ["/subjects", "/oauth/token", "/subjects"]);
    // One that expires is renewed before that.
    stub.ask_for(Auth::Token(0.5));
    stub.revoke_tokens();
    client.subjects().await.unwrap();
    tokio::time::sleep(Duration::from_millis(450)).await;
    stub.requests();
    client.subjects().await.unwrap();
    assert_eq!(stub.paths(), ["/oauth/token", "/subjects"]);
    // The endpoint fails at first, then refuses.
    stub.fault("/oauth/token", Fault::Status(503, None));
    assert_eq!(subjects(builder(&stub.url).oauth(oauth("client secret"))).await, Ok(0));
    let error = subjects(builder(&stub.url).oauth(oauth("wrong-password"))).await.unwrap_err();
    let expected = "cannot get an OAuth token: the server answers 401 (invalid_client)";
    assert_eq!(error, format!("{}/oauth/token: list of subjects: {expected}", stub.url));
}

#[tokio::test]
async fn redirects_are_followed_without_credentials() {
    let (stub, other) = (Stub::start().await, Stub::start().await);
    other.register("s", "\"int\"", &[]);
    let secret = || builder(&stub.url).basic("me", "hunter2").header("target-sr-cluster", "lsrc-1");
    // On the same server they stay.
    stub.fault("/subjects", Fault::Redirect(307, "/x/../subjects?deleted=false".to_owned()));
    assert_eq!(subjects(secret()).await, Ok(0));
    assert!(stub.requests().iter().all(|request| request.authorization.is_some()));
    // Another port is another server.
    let to = other.url.replace("http://", "http://you:swordfish@") + "/subjects";
    stub.fault("/subjects", Fault::Redirect(302, to));
    assert_eq!(subjects(secret()).await, Ok(1));
    let seen = other.requests();
    assert_eq!((seen.len(), &seen[0].authorization, &seen[0].cluster), (1, &None, &None));
    // If it needs credentials, the error says why it got none.
    other.ask_for(Auth::Header("Basic bWU6aHVudGVyMg==".to_owned()));
    stub.fault("/subjects", Fault::Redirect(302, format!("{}/subjects", other.url)));
    let error = subjects(secret()).await.unwrap_err();
    assert!(error.contains(&format!("redirects to {}, which asks for credentials", other.url)), "{error}");
    other.ask_for(Auth::None);
    // Without end, nowhere, and with data that a redirect would drop.
    for n in 0..8 {
        stub.fault("/", Fault::Redirect(302, format!("/n{n}")));
    }
    let error = subjects(builder(&stub.url)).await.unwrap_err();
    assert!(error.contains("too many redirects"), "{error}");
    let stub = Stub::start().await;
    stub.fault("/subjects", Fault::Redirect(302, "ftp://x/".to_owned()));
    assert!(subjects(builder(&stub.url)).await.unwrap_err().contains("redirects to nowhere"));
    let client = builder(&stub.url).build().unwrap();
    stub.fault("/subjects", Fault::Redirect(301, format!("{}/subjects/s/versions", other.url)));
    let error = client.register("s", "\"int\"", &[]).await.unwrap_err().to_string();
    assert!(error.contains("which is not followed for data that are sent"), "{error}");
    stub.fault("/subjects", Fault::Redirect(308, format!("{}/subjects/s/versions", other.url)));
    assert_eq!(client.register("s", "\"int\"", &[]).await.unwrap().id, 1);
}

fn tls(ca: &str, client: Option<&str>) -> Tls {
    let file = |name: &str| PathBuf::from(format!("{}/../testdata/tls/{name}", env!("CARGO_MANIFEST_DIR")));
    Tls {
        ca: Some(file(ca)),
        certificate: client.map(|name| file(&format!("{name}.pem"))),
        key: client.map(|name| file(&format!("{name}.key"))),
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    let (stub, mutual) = (stub_tls::start(false).await, stub_tls::start(true).await);
    assert_eq!(subjects(builder(&stub.url).tls(tls("ca.pem", None))).await, Ok(0));
    assert_eq!(subjects(builder(&mutual.url).tls(tls("ca.pem", Some("client")))).await, Ok(0));
    let error = subjects(builder(&mutual.url).tls(tls("ca.pem", None))).await.unwrap_err();
    assert!(error.contains("cannot reach the registry"), "{error}");
    for builder in [builder(&stub.url), builder(&stub.url).tls(tls("other.pem", None))] {
        let error = subjects(builder).await.unwrap_err();
        assert!(error.contains("certificate"), "{error}");
    }
    let cases = [
        (tls("missing.pem", None), "missing.pem: no such file"),
        (tls("client.key", None), "client.key: no certificate in pem"),
        (Tls { key: None, ..tls("ca.pem", Some("client")) }, "client.pem: no certificate with an unencrypted key"),
        (Tls { certificate: None, ..tls("ca.pem", Some("client")) }, "client.key: a key needs its certificate"),
    ];
    for (tls, expected) in cases {
        let error = subjects(builder(&stub.url).tls(tls)).await.unwrap_err();
        assert!(error.to_lowercase().contains(expected), "{error}");
    }
    // To an address that is not encrypted, no redirect leads.
    let plain = Stub::start().await;
    stub.fault("/subjects", Fault::Redirect(302, format!("{}/subjects", plain.url)));
    let error = subjects(builder(&stub.url).tls(tls("ca.pem", None))).await.unwrap_err();
    assert!(error.contains("which is not encrypted"), "{error}");
    // Nor does the client certificate follow one.
    stub.fault("/subjects", Fault::Redirect(302, format!("{}/subjects", mutual.url)));
    mutual.requests();
    let once = builder(&stub.url).retries(Retries { max: 0, ..Retries::default() });
    let error = subjects(once.tls(tls("ca.pem", Some("client")))).await.unwrap_err();
    assert!(error.contains("cannot reach the registry"), "{error}");
    assert!(mutual.paths().is_empty() && plain.paths().is_empty());
}
