//! Outputs in an object store: each command writes a whole object, or nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

mod support;

#[allow(dead_code, unreachable_pub)]
#[path = "../../avro-datafusion/tests/s3/server.rs"]
mod server;

use std::process::Command;
use std::time::Duration;

use server::{KEY, SECRET, Server};
use support::terminal::Terminal;
use support::{Folder, Ran, people};

/// A folder, and a store that its commands know from the environment.
struct Stored {
    folder: Folder,
    server: Server,
}

impl Stored {
    async fn start() -> Self {
        let folder = Folder::new();
        people(&folder);
        Stored { folder, server: Server::start().await }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.command(arguments);
        command.env("AWS_ENDPOINT_URL", &self.server.endpoint).env("AWS_REGION", "us-east-1");
        // Checking signatures of bodies takes long where nothing is optimized.
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_UNSIGNED_PAYLOAD", "true");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = tokio::task::block_in_place(|| self.command(arguments).output().unwrap());
        Ran {
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Waits until the store has exactly these objects and no parts of others.
    #[track_caller]
    fn holds(&self, expected: &[&str]) {
        for _ in 0..500 {
            if self.server.stored() == expected {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.server.stored(), expected);
    }
}

/// Rows of about 100 bytes each, which do not compress.
const ROWS: &str = "SELECT value, random() AS a, random() AS b, random() AS c FROM generate_series(1, 600000)";

#[tokio::test(flavor = "multi_thread")]
async fn every_command_writes_to_urls() {
    let stored = Stored::start().await;
    stored.folder.file("rows.json", "{\"a\":1}\n{\"a\":2}\n");
    stored.folder.file("a.avsc", r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#);
    let commands: [(&[&str], &str, &str); 12] = [
        (&["-c", "SELECT id FROM 'people.avro'", "-o", "s3://bucket/q.csv"], "q.csv", "3"),
        (&["-c", "SELECT id FROM 'people.avro'", "-o", "s3://bucket/q.parquet"], "q.parquet", "3"),
        (&["-c", "SELECT id FROM 'people.avro'", "-o", "s3://bucket/q.arrow"], "q.arrow", "3"),
        (&["convert", "logs/", "s3://bucket/all.parquet"], "all.parquet", "3"),
        (&["convert", "logs/", "s3://bucket/each/", "--to", "parquet"], "each/", "3"),
        (&["cat", "people.avro", "-o", "s3://bucket/cat.avro"], "cat.avro", "3"),
        (&["concat", "logs/", "s3://bucket/concat.avro"], "concat.avro", "3"),
        (&["recodec", "s3://bucket/concat.avro", "s3://bucket/recodec.avro"], "recodec.avro", "3"),
        (&["repair", "people.avro", "s3://bucket/repair.avro"], "repair.avro", "3"),
        (&["fromjson", "rows.json", "s3://bucket/json.avro", "--schema-file", "a.avsc"], "json.avro", "2"),
        (&["random", "a.avsc", "s3://bucket/random.avro", "--count", "7"], "random.avro", "7"),
        (
            &["convert", "s3://bucket/cat.avro", "s3://bucket/days/", "--to", "avro", "--partition-by", "color"],
            "days/",
            "3",
        ),
    ];
    for (command, name, rows) in commands {
        let ran = stored.run(command);
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.stderr);
        let sql = format!("SELECT count(*) AS n FROM 's3://bucket/{name}'");
        stored.run(&["-c", &sql]).wrote(&format!("n\n{rows}\n"));
    }
    stored.run(&["convert", "s3://bucket/days/", "s3://bucket/csv/", "--to", "csv"]).wrote("");
    stored.holds(&[
        "bucket/all.parquet",
        "bucket/cat.avro",
        "bucket/concat.avro",
        "bucket/csv/color=BLUE/part-00001.csv",
        "bucket/csv/color=RED/part-00000.csv",
        "bucket/days/color=BLUE/part-00001.avro",
        "bucket/days/color=RED/part-00000.avro",
        "bucket/each/1.parquet",
        "bucket/each/2.parquet",
        "bucket/json.avro",
        "bucket/q.arrow",
        "bucket/q.csv",
        "bucket/q.parquet",
        "bucket/random.avro",
        "bucket/recodec.avro",
        "bucket/repair.avro",
    ]);
    let again = ["convert", "people.avro", "s3://bucket/days/", "--to", "avro", "--partition-by", "color"];
    stored.run(&again).failed(1, &["s3://bucket/days/: output directory is not empty"]);
    stored.run(&["cat", "people.avro", "-o", "https://localhost/x.avro"]).failed(2, &["cannot write to a web server"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_writes_results_to_url() {
    let stored = Stored::start().await;
    let settings = [
        ("AWS_ENDPOINT_URL", stored.server.endpoint.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    tokio::task::block_in_place(|| {
        let mut terminal = Terminal::start(&stored.folder, &[], &settings);
        terminal.see("avro-sql> ");
        terminal.ask("\\o s3://bucket/out.csv").ask("SELECT 1 AS a;");
        stored.holds(&[]);
        // The output of a failed statement is removed.
        terminal.ask("SELECT 1 / (value - 50000) AS b FROM range(0, 100000);").ask("SELECT 2 AS a;").ask("\\o");
        stored.holds(&["bucket/out.csv"]);
        terminal.ask("\\once s3://bucket/once.csv").ask("SELECT 1 AS a;").ask("SELECT 3 AS shown;");
        stored.holds(&["bucket/once.csv", "bucket/out.csv"]);
        assert!(terminal.text().contains("shown"), "{}", terminal.text());
    });
    stored.run(&["-c", "FROM 's3://bucket/out.csv'"]).wrote("a\n1\na\n2\n");
    stored.run(&["-c", "FROM 's3://bucket/once.csv'"]).wrote("a\n1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_output_is_sent_in_parts() {
    let stored = Stored::start().await;
    for format in ["avro", "parquet"] {
        let url = format!("s3://bucket/large.{format}");
        stored.run(&["-c", ROWS, "-o", &url]).wrote("");
        let sql = format!("SELECT count(*) AS n, sum(value) AS s FROM '{url}'");
        stored.run(&["-c", &sql]).wrote("n,s\n600000,180000300000\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_part_leaves_no_object() {
    let stored = Stored::start().await;
    stored.run(&["-c", ROWS, "-o", "rows.avro"]).wrote("");
    stored.server.refuse_part(Some(2));
    let copy = format!("COPY ({ROWS}) TO 's3://bucket/copy.parquet' STORED AS PARQUET");
    let commands: [&[&str]; 5] = [
        &["-c", ROWS, "-o", "s3://bucket/q.csv"],
        &["convert", "rows.avro", "s3://bucket/x.parquet"],
        &["cat", "rows.avro", "-o", "s3://bucket/x.avro"],
        &["recodec", "rows.avro", "s3://bucket/y.avro", "--codec", "null"],
        &["-c", &copy],
    ];
    for command in commands {
        let ran = stored.run(command);
        ran.failed(1, &["QuotaExceeded: The bucket is full"]);
        assert!(!ran.stderr.contains('<'), "{}", ran.stderr);
        stored.holds(&[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_query_leaves_no_object() {
    let stored = Stored::start().await;
    let failing = ROWS.replace("random() AS c", "1 / (value - 599999) AS c");
    for name in ["x.parquet", "x.csv", "x.json", "x.avro"] {
        let url = format!("s3://bucket/{name}");
        stored.run(&["-c", &failing, "-o", &url]).failed(1, &["ivi", "by zero"]);
        let copy = format!("COPY ({failing}) TO '{url}'");
        stored.run(&["-c", &copy]).failed(1, &["ivi", "by zero"]);
        stored.holds(&[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_command_leaves_no_object() {
    let stored = Stored::start().await;
    let endless = ROWS.replace("600000", "1000000000000");
    let (avro, parquet) =
        (format!("COPY ({endless}) TO 's3://bucket/x.avro'"), format!("COPY ({endless}) TO 's3://bucket/x.parquet'"));
    for command in [&["-c", &endless, "-o", "s3://bucket/x.csv"][..], &["-c", &avro], &["-c", &parquet]] {
        let mut child = stored.command(command).spawn().unwrap();
        for _ in 0..3_000 {
            if !stored.server.stored().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!stored.server.stored().is_empty(), "{command:?}: parts were sent");
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let status = tokio::task::block_in_place(|| child.wait().unwrap());
        assert_eq!(status.code(), Some(130), "{command:?}");
        stored.holds(&[]);
    }
}
