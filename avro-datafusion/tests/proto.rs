//! Plans that are encoded, decoded in another session and run there: the text of the plan and its rows stay the same.

use crate::support::tables::{self, testdata, write_tables};
use crate::support::{Dir, avro, lines, record, row};
use avro_datafusion::avro_arrow::Limits;
use avro_datafusion::avro_arrow::json::{Encoder, Form};
use avro_datafusion::proto::AvroCodec;
use avro_datafusion::{AvroOptions, AvroSessionExt, Schema, compat};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_proto_converter, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::DeduplicatingProtoConverter;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn config(partitions: usize) -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(partitions);
    config.options_mut().optimizer.repartition_file_min_size = 1;
    // The results of subqueries are not known to a part of a plan.
    config.options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    config
}

fn exact(partitions: usize) -> SessionContext {
    let ctx = avro_datafusion::new_session(config(partitions)).unwrap();
    compat::enable_sql_semantics(&ctx).unwrap();
    avro_datafusion::register_sql_functions(&ctx).unwrap();
    ctx
}

fn encode(plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<u8>> {
    let converter = DeduplicatingProtoConverter::default();
    let bytes = physical_plan_to_bytes_with_proto_converter(Arc::clone(plan), &AvroCodec::default(), &converter)?;
    Ok(bytes.to_vec())
}

fn decode(bytes: &[u8], task: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
    let codec = AvroCodec::default().with_config(Arc::clone(task.session_config().options()));
    physical_plan_from_bytes_with_proto_converter(bytes, task, &codec, &DeduplicatingProtoConverter::default())
}

fn text(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(true).to_string()
}

fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows: Vec<String> = lines(batches).lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

/// Runs a plan here, and its copy in a session that has nothing but the settings of this one.
async fn compare(ctx: &SessionContext, plan: Arc<dyn ExecutionPlan>) -> Result<Option<String>> {
    let bytes = encode(&plan)?;
    let there = SessionContext::new_with_config(SessionConfig::from(ctx.state().config_options().as_ref().clone()));
    let task = there.task_ctx();
    let copy = decode(&bytes, &task).map_err(|e| e.context("decoding"))?;
    if text(&plan).contains("LazyMemoryExec") {
        // datafusion-proto 55.2 loses its projection and its order.
        return Err(DataFusionError::NotImplemented("[LazyMemoryExec cannot be sent to another process".to_owned()));
    }
    // It also coerces the inputs of unions once more, and loses how Parquet files are reordered.
    let (here, there) = (text(&plan), text(&copy));
    let without_order = here.split(", sort_order_for_reorder=").next().unwrap();
    if !here.contains("UnionExec") && here != there && !(without_order != here && there.starts_with(without_order)) {
        return Ok(Some(format!("plan\n{here}\ncopy\n{there}")));
    }
    let (here, there) = (collect(plan, ctx.task_ctx()).await, collect(copy, task).await);
    Ok(match (here, there) {
        (Ok(here), Ok(there)) if rows(&here) == rows(&there) => None,
        (Ok(here), Ok(there)) => Some(format!("rows\n{}\nof the copy\n{}", lines(&here), lines(&there))),
        // Rows of one error may be read in another order.
        (Err(_), Err(_)) => None,
        (here, there) => Some(format!("{:?}\nof the copy {:?}", here.map(|_| ()), there.map(|_| ()))),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tpch_plans_survive() {
    let folder = tempfile::tempdir().unwrap();
    write_tables(folder.path());
    let mut wrong = vec![];
    for (is_exact, partitions) in [(false, 4), (true, 2)] {
        let ctx = if is_exact { exact(partitions) } else { avro_datafusion::new_session(config(partitions)).unwrap() };
        for (table, ..) in tables::TABLES {
            let path = folder.path().join(table).to_str().unwrap().to_owned();
            ctx.register_avro_table(table, path, AvroOptions::default()).await.unwrap();
        }
        for number in 1..=22 {
            for statement in testdata(number, "sql").split(';').filter(|statement| !statement.trim().is_empty()) {
                let plan = ctx.sql(statement).await.unwrap().create_physical_plan().await.unwrap();
                match compare(&ctx, plan).await {
                    Ok(None) => {}
                    Ok(Some(difference)) => wrong.push(format!("q{number}, exact {is_exact}: {difference}")),
                    Err(e) => wrong.push(format!("q{number}, exact {is_exact}: {e}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

/// A line of a case file that runs SQL.
fn statement_of(line: &str) -> Option<String> {
    let rest = line.strip_prefix("$ avro-sql ")?;
    let at = rest.find("-c \"")? + 4;
    let mut sql = String::new();
    let mut characters = rest[at..].chars();
    loop {
        match characters.next()? {
            '"' => return Some(sql),
            '\\' => sql.push(characters.next()?),
            c => sql.push(c),
        }
    }
}

/// Encodes lines of JSON, as `avro-sql fromjson IN OUT --schema-file SCHEMA` does.
fn from_json(folder: &Path, line: &str) -> Option<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let schema = words.get(words.iter().position(|word| *word == "--schema-file")? + 1)?;
    let files: Vec<&&str> = words.iter().skip(3).filter(|word| !word.starts_with("--") && word != &schema).collect();
    let [from, to] = files.as_slice() else { return None };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let schema = Schema::parse(&read(schema)?, &Limits::default()).ok()?;
    let form = if words.contains(&"--plain") { Form::Plain } else { Form::Avro };
    let mut encoder = Encoder::new(&schema, form, &Limits::default());
    let mut encoded = vec![];
    for line in read(from)?.lines() {
        let mut bytes = vec![];
        encoder.encode(line, schema.root(), &mut bytes).ok()?;
        encoded.push(row().raw(&bytes));
    }
    std::fs::write(folder.join(to), avro(schema.json(), &encoded, 2)).ok()
}

/// Creates the files of a case file as far as this crate can, and returns its statements.
fn prepare(cases: &Path, folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(cases).unwrap();
    let mut file: Option<PathBuf> = None;
    let mut statements = vec![];
    for line in text.lines() {
        if let (Some(path), Some(content)) = (&file, line.strip_prefix("    ")) {
            let old = std::fs::read_to_string(path).unwrap_or_default();
            std::fs::write(path, format!("{old}{content}\n")).unwrap();
            continue;
        }
        file = line.strip_prefix("@file ").map(|name| folder.join(name.trim()));
        if let Some(file) = &file {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        } else if let Some(name) = line.strip_prefix("@copy ") {
            let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name), folder.join(name));
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        } else if line.starts_with("$ avro-sql fromjson") {
            from_json(folder, line);
        }
        statements.extend(statement_of(line));
    }
    statements
}

/// The statement with its files in a folder.
fn in_folder(statement: &str, folder: &Path) -> String {
    let is_file = |text: &str| {
        let extension = text.rsplit_once('.').map_or("", |(_, extension)| extension);
        !text.contains(' ') && ["avro", "parquet", "csv", "json", "ndjson", "arrow", "avsc"].contains(&extension)
    };
    let parts = statement.split('\'').enumerate().map(|(i, part)| match i % 2 == 1 && is_file(part) {
        true => folder.join(part).to_str().unwrap().to_owned(),
        false => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("'")
}

/// What of a plan only this process has, as the error says.
fn reason(error: &str) -> Option<String> {
    let end = error.find(" cannot be sent to another process")?;
    error[..end].rsplit(['[', ':']).next().map(|reason| reason.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_of_all_cases_survive() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro-sql-cli/tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut same, mut unplanned, mut wrong) = (0, 0, vec![]);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for cases in files {
        let folder = tempfile::tempdir().unwrap();
        let statements = prepare(&cases, folder.path());
        let ctx = exact(2);
        for statement in statements.iter().flat_map(|statements| statements.split(';')) {
            let statement = &in_folder(statement.trim(), folder.path());
            // `COPY` and `CREATE` make what later statements read.
            let is_query =
                ["SELECT", "WITH", "FROM", "VALUES"].iter().any(|word| statement.to_uppercase().starts_with(word));
            // Directories stay out of the folder of this crate.
            let target = statement.split_once(" TO '").map_or("", |(_, target)| target);
            if statement.to_uppercase().starts_with("COPY") && !target.starts_with(folder.path().to_str().unwrap()) {
                unplanned += 1;
                continue;
            }
            let Ok(planned) = ctx.sql(statement).await else {
                unplanned += 1;
                continue;
            };
            if !is_query {
                let _ = planned.collect().await;
                continue;
            }
            let Ok(plan) = planned.create_physical_plan().await else {
                unplanned += 1;
                continue;
            };
            match compare(&ctx, plan).await {
                Ok(None) => same += 1,
                Ok(Some(difference)) => wrong.push(format!("{statement}\n{difference}")),
                Err(e) => match reason(&e.to_string()) {
                    Some(reason) => *refused.entry(reason).or_default() += 1,
                    None => wrong.push(format!("{statement}\n{e}")),
                },
            }
        }
    }
    println!("{same} plans survive, {unplanned} statements need the command, not encodable: {refused:#?}");
    assert!(wrong.is_empty(), "{} of {same} differ\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(same > 280, "{same}");
    assert!(refused.values().sum::<usize>() < same / 8, "{refused:#?}");
}

fn one_file(dir: &Dir) -> String {
    let rows: Vec<_> = (0..1000).map(|i| row().long(i).string(&format!("text {i}"))).collect();
    let schema = record(&[r#"{"name": "id", "type": "long"}"#, r#"{"name": "t", "type": "string"}"#]);
    dir.write("k=1/a.avro", avro(&schema, &rows, 50));
    dir.write("k=2/a.avro", avro(&schema, &rows, 50));
    dir.path().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn versions_and_places_survive() {
    let dir = Dir::new();
    let path = one_file(&dir);
    let ctx = avro_datafusion::new_session(config(3)).unwrap();
    let options = AvroOptions::default().with_virtual_columns(true);
    ctx.register_avro_table("t", path, options).await.unwrap();
    for sql in [
        "SELECT k, id, _file, _block, _row, _offset FROM t WHERE id % 97 = 3 AND k = 2",
        "SELECT count(*), k FROM t GROUP BY k",
        "SELECT t FROM t WHERE id < 10 ORDER BY id DESC LIMIT 3",
        "SELECT id FROM t LIMIT 4000000000",
    ] {
        let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        assert_eq!(compare(&ctx, plan).await.unwrap(), None, "{sql}");
    }
    // A file that changes after planning.
    let plan = ctx.sql("SELECT sum(id) FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let bytes = encode(&plan).unwrap();
    let file = dir.path().join("k=2/a.avro");
    let content = std::fs::read(&file).unwrap();
    let time = std::fs::metadata(&file).unwrap().modified().unwrap() + std::time::Duration::from_secs(7);
    std::fs::write(&file, content).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    let there = SessionContext::new();
    let copy = decode(&bytes, &there.task_ctx()).unwrap();
    let e = collect(copy, there.task_ctx()).await.unwrap_err().to_string();
    assert!(e.contains("the file changed while it was read"), "{e}");
}

#[tokio::test]
async fn damaged_bytes_are_errors() {
    let dir = Dir::new();
    let path = one_file(&dir);
    let ctx = exact(2);
    ctx.register_avro_table("t", path, AvroOptions::default()).await.unwrap();
    let sql = "SELECT upper(t), k FROM t WHERE id > 10 AND t LIKE '%7%' ORDER BY id LIMIT 5";
    let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let bytes = encode(&plan).unwrap();
    let task = ctx.task_ctx();
    let mut failed = 0;
    for at in 0..bytes.len() {
        assert!(decode(&bytes[..at], &task).is_err() || at == 0);
        for change in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            failed += usize::from(decode(&damaged, &task).is_err());
        }
    }
    assert!(failed > bytes.len(), "{failed}");
}
