//! SQL over Avro bytes in columns: `from_avro` decodes only what a query needs, with the same rows as decoding all.

use arrow_array::{ArrayRef, BinaryArray, BinaryViewArray, Int64Array, LargeBinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use avro_datafusion::{new_session, register_all};
use avro_testing::check_all;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;

const EVENT: &str = r#"{"type": "record", "name": "Event", "fields": [
    {"name": "id", "type": "long"},
    {"name": "user", "type": {"type": "record", "name": "User", "fields": [
        {"name": "name", "type": "string"}, {"name": "age", "type": ["null", "int"]}]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "either", "type": ["int", "string"]},
    {"name": "payload", "type": "bytes"}]}"#;

/// Appends a `long` of one byte.
fn long(n: i8, to: &mut Vec<u8>) {
    to.push(((n << 1) ^ (n >> 7)) as u8);
}

/// The message of a row.
fn event(n: i8) -> Vec<u8> {
    let mut out = vec![];
    long(n, &mut out);
    long(2, &mut out);
    out.extend([b'u', b'0' + n as u8 % 10]);
    match n % 3 {
        0 => long(0, &mut out),
        _ => {
            long(1, &mut out);
            long(10 + n, &mut out);
        }
    }
    long(1, &mut out);
    long(1, &mut out);
    out.push(b'a' + n as u8 % 5);
    long(0, &mut out);
    match n % 2 {
        0 => {
            long(0, &mut out);
            long(n, &mut out);
        }
        _ => {
            long(1, &mut out);
            long(1, &mut out);
            out.push(b'x');
        }
    }
    long(3, &mut out);
    out.extend([1, 2, 3]);
    out
}

/// Makes an array of messages.
type MakeBytes = fn(Vec<Option<Vec<u8>>>) -> ArrayRef;

/// Registers table `t` of 50 messages, of which some are null, in two batches.
fn register(ctx: &SessionContext, bytes: MakeBytes) {
    let batch = |from: i8, to: i8| {
        let keys = Int64Array::from_iter_values((from..to).map(i64::from));
        let values = bytes((from..to).map(|n| (n % 7 != 3).then(|| event(n))).collect());
        let schema = Schema::new(vec![
            Field::new("k", DataType::Int64, false),
            Field::new("v", values.data_type().clone(), true),
        ]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(keys), values]).unwrap()
    };
    let batches = [batch(0, 30), batch(30, 50)];
    let table = datafusion::datasource::MemTable::try_new(batches[0].schema(), vec![batches.to_vec()]).unwrap();
    ctx.register_table("t", Arc::new(table)).unwrap();
}

fn binary(values: Vec<Option<Vec<u8>>>) -> ArrayRef {
    Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>())
}

async fn rows(ctx: &SessionContext, sql: &str) -> String {
    let batches = ctx.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

/// A session without the rule that narrows calls.
fn session_without_rule() -> SessionContext {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    register_all(&ctx).unwrap();
    let state = ctx.state();
    let rules = state.optimizers().iter().filter(|rule| rule.name() != "narrow_decoded_messages").cloned().collect();
    SessionContext::new_with_state(SessionStateBuilder::new_from_existing(state).with_optimizer_rules(rules).build())
}

#[tokio::test]
async fn narrowed_queries_return_the_rows_of_whole_ones() {
    let narrow = new_session(SessionConfig::new().with_target_partitions(1)).unwrap();
    let whole = session_without_rule();
    for ctx in [&narrow, &whole] {
        register(ctx, binary);
    }
    let d = format!("(SELECT k, from_avro(v, '{EVENT}') AS e FROM t) AS d");
    // A query, and the columns of each call in its plan; a call without columns decodes all.
    let cases: [(&str, &[&str]); 14] = [
        ("SELECT k, e['id'] FROM {d} ORDER BY k", &["id"]),
        ("SELECT k, e['user']['age'], e['user']['name'] FROM {d} ORDER BY k", &["user.age,user.name"]),
        ("SELECT k, e['user'] FROM {d} ORDER BY k", &["user"]),
        ("SELECT e['id'] FROM {d} WHERE e['user']['age'] > 40 ORDER BY 1", &["user.age", "id"]),
        ("SELECT e['tags'][1] AS x, count(*) FROM {d} GROUP BY 1 ORDER BY 1", &["tags"]),
        ("SELECT e['user']['name'] AS n, sum(e['id']) FROM {d} GROUP BY 1 ORDER BY 1", &["id,user.name"]),
        // The fields of a tagged union are its branches, so it is decoded whole.
        ("SELECT e['either'] FROM {d} ORDER BY k", &["either"]),
        ("SELECT k FROM {d} WHERE e IS NULL ORDER BY k", &[""]),
        ("SELECT k, e FROM {d} WHERE e['id'] = 5", &["id", ""]),
        ("SELECT x['id'] FROM (SELECT e AS x, k FROM {d} ORDER BY k LIMIT 5) ORDER BY k", &["id"]),
        ("SELECT e['id'] FROM (SELECT e FROM {d} WHERE k > 3 UNION ALL SELECT e FROM {d} WHERE k < 3) ORDER BY 1", &[]),
        (
            "SELECT a.k, b.e['user'] FROM {d} JOIN t AS a ON a.k = d.e['id'] JOIN {d2} ON b.k = a.k ORDER BY 1",
            &["id", "user"],
        ),
        ("SELECT k FROM t WHERE k IN (SELECT e['id'] FROM {d}) ORDER BY k", &["id"]),
        ("SELECT k, (SELECT max(e['id']) FROM {d} WHERE d.k = t.k) AS m FROM t ORDER BY k", &["id"]),
    ];
    let d2 = d.replace("AS d", "AS b");
    for (sql, columns) in cases {
        let sql = sql.replace("{d2}", &d2).replace("{d}", &d);
        assert_eq!(rows(&narrow, &sql).await, rows(&whole, &sql).await, "{sql}");
        let plan = narrow.sql(&sql).await.unwrap().into_optimized_plan().unwrap().display_indent().to_string();
        for columns in columns {
            let call = match *columns {
                "" => "\"bytes\"}]}\"))".to_owned(),
                columns => format!("Utf8(\"columns\"), Utf8(\"{columns}\"))"),
            };
            assert_eq!(plan.matches(&call).count(), 1, "{columns} of {sql}\n{plan}");
        }
    }
}

#[tokio::test]
async fn all_types_of_bytes_are_decoded() {
    let types: [MakeBytes; 3] = [
        binary,
        |values| Arc::new(values.iter().map(Option::as_deref).collect::<LargeBinaryArray>()),
        |values| Arc::new(values.iter().map(Option::as_deref).collect::<BinaryViewArray>()),
    ];
    let mut answers = vec![];
    for bytes in types {
        let ctx = new_session(SessionConfig::new()).unwrap();
        register(&ctx, bytes);
        let sql = format!("SELECT k, from_avro(v, '{EVENT}') AS e FROM t ORDER BY k");
        answers.push(rows(&ctx, &sql).await);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert!(answers[0].contains("| 1  | {id: 1, user: {name: u1, age: 11}, tags: [b], "), "{}", answers[0]);
    assert!(answers[0].contains("| 3  |  "), "{}", answers[0]);
}

#[tokio::test]
async fn every_cut_of_a_message_is_rejected_alone() {
    let ctx = new_session(SessionConfig::new()).unwrap();
    let whole = event(1);
    // Each cut between two whole messages.
    let values = (0..whole.len()).flat_map(|len| [Some(whole.clone()), Some(whole[..len].to_vec())]).collect();
    let values = binary(values);
    let n = values.len();
    ctx.register_batch("t", RecordBatch::try_from_iter([("v", values)]).unwrap()).unwrap();
    let sql =
        format!("SELECT from_avro(v, '{EVENT}', 'on_error', 'null') AS e, avro_error(v, '{EVENT}') AS why FROM t");
    let counts = format!(
        "SELECT count(*) AS n, count(e) AS good, count(why) AS bad, sum(CASE WHEN (e IS NULL) = (why IS NULL) THEN 1 ELSE 0 \
         END) AS wrong, count(DISTINCT e['user']['age']) AS values FROM ({sql})"
    );
    let half = n / 2;
    let answer = rows(&ctx, &counts).await;
    let row: Vec<&str> = answer.lines().nth(3).unwrap().split('|').map(str::trim).collect();
    assert_eq!(row[1..6], [n.to_string(), half.to_string(), half.to_string(), "0".to_owned(), "1".to_owned()]);
    let error = ctx.sql(&format!("SELECT from_avro(v, '{EVENT}') FROM t")).await.unwrap().collect().await.unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("a value runs past the end of its message") && error.contains("in the value x''"),
        "{error}"
    );
}

#[tokio::test]
async fn to_avro_is_the_reverse_of_from_avro() {
    let ctx = new_session(SessionConfig::new()).unwrap();
    register(&ctx, binary);
    let cases = [
        ("", ""),
        (", 'framing', 'confluent', 'id', 7", ", 'framing', 'confluent'"),
        (", 'id', 7", ", 'framing', 'auto'"),
        (", 'framing', 'single-object'", ", 'framing', 'single-object'"),
        (", 'framing', 'apicurio', 'id', 7", ", 'framing', 'auto'"),
    ];
    for (write, read) in cases {
        let sql = format!(
            "WITH d AS (SELECT k, v, from_avro(v, '{EVENT}') AS e FROM t), \
             m AS (SELECT k, v, e, to_avro(e, '{EVENT}'{write}) AS w FROM d) \
             SELECT count(*) AS n, sum(CASE WHEN to_avro(from_avro(w, '{EVENT}'{read}), '{EVENT}') = v THEN 1 ELSE 0 END) \
             AS same, sum(CASE WHEN w IS NULL THEN 1 ELSE 0 END) AS nulls FROM m"
        );
        let answer = rows(&ctx, &sql).await;
        assert!(answer.contains("| 50 | 43   | 7     |"), "{write}\n{answer}");
    }
}

#[tokio::test]
async fn errors_name_the_function_and_what_to_do() {
    let ctx = new_session(SessionConfig::new()).unwrap();
    register(&ctx, binary);
    let cases = [
        ("from_avro(v)", "from_avro: there is no schema"),
        ("from_avro(v, 'no/such.avsc')", "no such file or directory: no/such.avsc"),
        ("from_avro(v, 'int', 'frame', 'bare')", "from_avro: unknown option `frame`"),
        ("from_avro(v, CAST(k AS VARCHAR))", "must be constants"),
        ("from_avro(k, 'int')", "from_avro needs bytes, not BIGINT"),
        ("to_avro(k, 'string')", "to_avro: the columns do not fit the schema"),
        ("json_to_avro(v, 'int')", "json_to_avro needs text, not "),
    ];
    let mut found = vec![];
    for (call, expected) in cases {
        let planned = ctx.sql(&format!("SELECT {call} FROM t")).await;
        let error = match planned {
            Ok(frame) => frame.collect().await.unwrap_err(),
            Err(error) => error,
        };
        found.push((call, expected, error.to_string()));
    }
    check_all(found, |(call, expected, error)| assert!(error.contains(expected), "{call}: {error}"));
}
