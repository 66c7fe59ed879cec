//! `docs/functions.md` lists the functions of a session, with the answers to their examples. `UPDATE_EXPECT=1 cargo
//! test` writes it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::Path;

use avro_datafusion::AvroOptions;
use datafusion::arrow::array::AsArray;
use datafusion::logical_expr::Documentation;

use super::{ResultPart, Session};
use crate::options::Resources;

const INTRODUCTION: &str = "# Functions

A test generates this page from the command's session: each example is run, and `→` is its answer.
`docs/sql.md` says what the operators and types do; `\\df` at the prompt lists the functions of a session.
Names in parentheses are other names of a function.
";

/// A function: its name, its other names, and its documentation.
type Documented = (String, Vec<String>, Option<Documentation>);

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_documented() {
    let resources =
        Resources { threads: 1, batch_rows: 8192, memory_bytes: None, column_bytes: None, read_only: false };
    let session = Session::open(&resources, &AvroOptions::default(), &[]).await.unwrap();
    let page = page(&session).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/functions.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(written, is)| written != is);
    assert_eq!(differs, None, "docs/functions.md differs; UPDATE_EXPECT=1 writes it");
    assert_eq!(written.len(), page.len(), "docs/functions.md differs; UPDATE_EXPECT=1 writes it");
}

/// Returns the text of the page.
async fn page(session: &Session) -> String {
    let state = session.context().state();
    let scalar = state.scalar_functions().values().map(|f| {
        let is_hidden = f.documentation().is_some_and(|documentation| documentation.syntax_example.is_empty());
        (!is_hidden).then(|| (f.name().to_owned(), f.aliases().to_vec(), f.documentation().cloned()))
    });
    let lambdas = state.higher_order_functions().values();
    let lambdas = lambdas.map(|f| (f.name().to_owned(), f.aliases().to_vec(), f.documentation().cloned()));
    let aggregates = state.aggregate_functions().values();
    let aggregates = aggregates.map(|f| (f.name().to_owned(), f.aliases().to_vec(), f.documentation().cloned()));
    let windows = state.window_functions().values();
    let windows = windows.map(|f| (f.name().to_owned(), f.aliases().to_vec(), f.documentation().cloned()));
    let mut page = INTRODUCTION.to_owned();
    section(session, "Scalar functions", scalar.flatten().collect(), &mut page).await;
    section(session, "Functions of lambdas", lambdas.collect(), &mut page).await;
    section(session, "Aggregates", aggregates.collect(), &mut page).await;
    section(session, "Window functions", windows.collect(), &mut page).await;
    let mut tables: Vec<&String> = state.table_functions().keys().collect();
    tables.sort_unstable();
    page.push_str("\n## Table functions\n\n`docs/sql.md` has their arguments.\n\n");
    for name in tables {
        writeln!(page, "- `{name}(..)`").unwrap();
    }
    page
}

async fn section(session: &Session, title: &str, mut functions: Vec<Documented>, page: &mut String) {
    functions.sort_by(|a, b| a.0.cmp(&b.0));
    // The map has each function under each of its names.
    functions.dedup_by(|a, b| a.0 == b.0);
    write!(page, "\n## {title}\n\n| function | |\n|---|---|\n").unwrap();
    for (name, mut aliases, documentation) in functions {
        aliases.sort_unstable();
        aliases.dedup();
        aliases.retain(|alias| *alias != name);
        let others = if aliases.is_empty() { String::new() } else { format!(" ({})", aliases.join(", ")) };
        let usage = documentation.as_ref().map_or(format!("{name}(..)"), |d| d.syntax_example.trim().to_owned());
        let about = documentation.as_ref().map(|d| sentences(&d.description)).unwrap_or_default();
        let example = documentation.as_ref().and_then(|d| d.sql_example.clone()).filter(|e| !e.contains("```"));
        let answer = match &example {
            Some(example) => format!(" `{example}` → `{}`", answer(session, example).await),
            None => String::new(),
        };
        let usage = usage.lines().next().unwrap_or_default();
        let line = format!("| `{usage}`{others} | {about}{answer} |");
        writeln!(page, "{}", escaped(&line)).unwrap();
    }
}

/// Returns the first paragraph of a description in one line.
fn sentences(description: &str) -> String {
    let paragraph = description.trim().split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Escapes the bars within a row of a table.
fn escaped(line: &str) -> String {
    let inner = line.trim_start_matches("| ").trim_end_matches(" |");
    let cells: Vec<String> = inner.splitn(2, " | ").map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

/// Returns the answer to an expression as text.
async fn answer(session: &Session, example: &str) -> String {
    let mut result = session.execute(&format!("SELECT CAST(({example}) AS VARCHAR) AS answer"));
    while let Some(part) = result.next().await.unwrap_or_else(|e| panic!("{example}: {e}")) {
        if let ResultPart::Rows(rows) = part
            && rows.num_rows() == 1
        {
            let text = datafusion::arrow::compute::cast(rows.column(0), &datafusion::arrow::datatypes::DataType::Utf8);
            let text = text.unwrap();
            return text.as_string::<i32>().iter().flatten().next().unwrap_or("NULL").to_owned();
        }
    }
    "no rows".to_owned()
}
