//! Credentials, endpoints and regions that are found where AWS's own tools find them.
//!
//! They are in the environment of a process, so each case runs in a process of its own: this test, started again.

use super::data::Rows;
use super::numbers;
use super::server::{KEY, SECRET, Server};
use datafusion::prelude::SessionConfig;
use std::process::Command;

const ROWS: Rows = Rows { first: 3, blocks: 2, per_block: 5, pad: 0 };
/// Set in the processes that this test starts.
const INSIDE: &str = "AVRO_TEST_INSIDE";

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_the_environment() {
    if std::env::var_os(INSIDE).is_some() {
        let ctx = avro_datafusion::new_session(SessionConfig::new()).unwrap();
        match numbers(&ctx, "SELECT sum(id) FROM 's3a://bucket/x.avro'").await {
            Ok(found) => assert_eq!(found, [ROWS.sum()]),
            Err(e) => panic!("ERROR {e}"),
        }
        println!("READ");
        return;
    }
    let server = Server::start().await;
    server.put("x.avro", ROWS.file()).await;
    let json = format!(
        r#"{{"Version":1,"AccessKeyId":"{KEY}","SecretAccessKey":"{SECRET}","Token":"","Expiration":"2199-01-01T00:00:00Z"}}"#
    );
    server.page("/container", &json);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let endpoint = server.endpoint.as_str();
    let process = file("process.json", json.replace(r#""Token":"","#, ""));
    let keys = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    let profiles = file(
        "credentials",
        format!(
            "[default]\n{keys}[other]\n{keys}[process]\ncredential_process = cat {process}\n[wrong]\n{}",
            keys.replace(KEY, "AKIAWRONG")
        ),
    );
    let config = file("config", format!("[profile other]\nendpoint_url = {endpoint}\nregion = eu-central-1\n"));
    let container = format!("{endpoint}/container");

    let at = ("AWS_ENDPOINT_URL", endpoint);
    let with_keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let profiles = ("AWS_SHARED_CREDENTIALS_FILE", profiles.as_str());
    let nowhere = "http://127.0.0.1:1";
    let cases: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![at, with_keys[0], with_keys[1]], "READ"),
        (vec![("AWS_ENDPOINT", endpoint), with_keys[0], with_keys[1], ("AWS_REGION", "x")], "READ"),
        (vec![("AWS_ENDPOINT_URL_S3", endpoint), ("AWS_ENDPOINT_URL", nowhere), with_keys[0], with_keys[1]], "READ"),
        (vec![at, with_keys[0], with_keys[1], ("AWS_ALLOW_HTTP", "false")], "ERROR"),
        (vec![at, profiles], "READ"),
        (vec![profiles, ("AWS_CONFIG_FILE", config.as_str()), ("AWS_PROFILE", "other")], "READ"),
        (vec![at, profiles, ("AWS_PROFILE", "process")], "READ"),
        (vec![at, profiles, ("AWS_PROFILE", "wrong")], "AWS_ACCESS_KEY_ID"),
        (vec![at, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str())], "READ"),
        (vec![at], "no credentials for s3://bucket: set AWS_ACCESS_KEY_ID"),
        // The server does not let anybody in without a signature.
        (vec![at, ("AWS_SKIP_SIGNATURE", "true")], "AWS_SKIP_SIGNATURE"),
    ];
    for (variables, expected) in cases {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "s3::credentials::credentials_come_from_the_environment", "--nocapture"]).env_clear();
        command.env(INSIDE, "1").env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", dir.path());
        // Where there is no such thing, looking for it takes time.
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
        let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(said.contains(expected), "{variables:?}: {said}");
        assert_eq!(done.status.success(), expected == "READ", "{variables:?}: {said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}
