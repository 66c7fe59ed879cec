//! TPC-H's 22 queries over Avro tables at scale 0.01, compared with another engine's answers in `testdata/tpch`.

use crate::support::query;
use crate::support::tables::{testdata, write_tables};
use avro_datafusion::{AvroOptions, AvroSessionExt, Strings};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};

/// The rows as text, in order.
fn text(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = vec![];
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    rows
}

/// Whether an answer is the expected one. Averages and quotients, doubles in DuckDB, are decimals here: they may differ
/// by a unit of the last digit, other doubles by one part in a billion. TPC-H itself allows averages and quotients one
/// part in a hundred.
fn same(expected: &str, found: &str, is_double: bool) -> bool {
    let (Ok(want), Ok(have), true) = (expected.parse::<f64>(), found.parse::<f64>(), is_double) else {
        return expected == found;
    };
    let digits = found.split_once('.').map_or(0, |(_, digits)| digits.len());
    let unit = 10f64.powi(-i32::try_from(digits).unwrap());
    (want - have).abs() <= unit + want.abs() * 1e-9
}

/// How the tables are read.
#[derive(Debug)]
struct Run {
    partitions: usize,
    batch_size: usize,
    /// Files from this many bytes on are split.
    split_from: usize,
    strings: Strings,
    /// Whether the caller declares the columns.
    given_columns: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_match_reference() {
    let (views, plain) = (Strings::View, Strings::Utf8);
    let runs = [
        Run { partitions: 1, batch_size: 8192, split_from: 1 << 20, strings: views, given_columns: false },
        Run { partitions: 4, batch_size: 1000, split_from: 1, strings: plain, given_columns: false },
        Run { partitions: 4, batch_size: 3000, split_from: 10_000, strings: views, given_columns: true },
    ];
    let folder = tempfile::tempdir().unwrap();
    let schemas = write_tables(folder.path());
    let mut wrong = vec![];
    for run in runs {
        let mut config = SessionConfig::new().with_target_partitions(run.partitions).with_batch_size(run.batch_size);
        config.options_mut().optimizer.repartition_file_min_size = run.split_from;
        let ctx = SessionContext::new_with_config(config);
        for (table, schema) in &schemas {
            let schema = run.given_columns.then(|| schema.clone());
            let options = AvroOptions::default().with_strings(run.strings).with_schema(schema);
            ctx.register_avro_table(*table, folder.path().join(table).to_str().unwrap(), options).await.unwrap();
        }
        let mut found = vec![];
        for number in 1..=22 {
            found.extend(compare(&ctx, number).await.into_iter().map(|what| format!("q{number}: {what}")));
        }
        if !found.is_empty() {
            wrong.push(format!("{run:?}\n{}", found.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

/// How the answer to a query differs from the one that is expected.
async fn compare(ctx: &SessionContext, number: usize) -> Vec<String> {
    let expected = testdata(number, "tsv");
    let mut lines = expected.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let columns = lines.next().unwrap();
    let expected: Vec<_> = lines.collect();
    let found = match query(ctx, &testdata(number, "sql")).await {
        Ok(batches) => text(&batches),
        Err(e) => return vec![e.to_string()],
    };
    let mut wrong = vec![];
    if found.len() != expected.len() {
        wrong.push(format!("{} rows, not {}", found.len(), expected.len()));
    }
    // Every query that may have more than one row orders them.
    for (row, (expected, found)) in expected.iter().zip(&found).enumerate() {
        assert_eq!(found.len(), columns.len(), "q{number}");
        for ((column, expected), found) in columns.iter().zip(expected).zip(found) {
            if !same(expected, found, column.ends_with(" DOUBLE")) {
                wrong.push(format!("row {row}, {column}: `{found}`, not `{expected}`"));
            }
        }
    }
    wrong
}

#[test]
fn answers_compare_with_tolerance() {
    let cases = [
        ("1.5", "1.5", false, true),
        ("1.5", "1.50", false, false),
        ("1.5", "1.50", true, true),
        ("38273.12973462155", "38273.129735", true, true),
        ("38273.12973462155", "38273.129672", true, false),
        ("0.05", "NULL", true, false),
        ("NULL", "NULL", true, true),
        ("1234567890.5", "1234567893.5", true, false),
    ];
    for (expected, found, is_double, result) in cases {
        assert_eq!(same(expected, found, is_double), result, "{expected} {found}");
    }
}
