//! Unions through everything that moves rows: compares queries over random rows with results computed by hand.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use support::Folder;

const SCHEMA: &str = r#"{"type":"record","name":"t","fields":[{"name":"k","type":"int"},
    {"name":"u","type":["null","int","string",{"type":"record","name":"R","fields":[{"name":"x","type":["null","int"]}]}]},
    {"name":"n","type":["double","int","null","long"]},
    {"name":"l","type":{"type":"array","items":["int","null","string"]}}]}"#;

/// A value of a union.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Int(i64),
    Long(i64),
    Double(f64),
    Text(String),
    Record(Option<i64>),
}

use Value::{Double, Int, Long, Null, Record, Text};

impl Value {
    /// Returns it in Avro's JSON encoding.
    fn tagged(&self) -> String {
        match self {
            Null => "null".to_owned(),
            Int(n) => format!(r#"{{"int":{n}}}"#),
            Long(n) => format!(r#"{{"long":{n}}}"#),
            Double(n) => format!(r#"{{"double":{n:?}}}"#),
            Text(text) => format!(r#"{{"string":"{text}"}}"#),
            Record(None) => r#"{"R":{"x":null}}"#.to_owned(),
            Record(Some(x)) => format!(r#"{{"R":{{"x":{{"int":{x}}}}}}}"#),
        }
    }

    /// Returns it as queries print it.
    fn plain(&self) -> String {
        match self {
            Null => "null".to_owned(),
            Int(n) | Long(n) => n.to_string(),
            Double(n) => format!("{n:?}"),
            Text(text) => format!(r#""{text}""#),
            Record(None) => r#"{"x":null}"#.to_owned(),
            Record(Some(x)) => format!(r#"{{"x":{x}}}"#),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Int(n) | Long(n) => Some(*n as f64),
            Double(n) => Some(*n),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
struct Row {
    k: i64,
    u: Value,
    n: Value,
    l: Vec<Value>,
}

/// A condition, and its value for a row.
type Filter<'a> = (&'a str, &'a dyn Fn(&Row) -> Option<bool>);

/// Xorshift: tests must be repeatable.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % n).unwrap()
    }

    fn row(&mut self, k: i64) -> Row {
        let small = self.below(4);
        let u = match self.below(4) {
            0 => Null,
            1 => Int(small),
            2 => Text(["", "a", "1", "a longer text than a view holds"][small as usize].to_owned()),
            _ => Record((small > 0).then_some(small)),
        };
        let n = match self.below(4) {
            0 => Double(self.below(6) as f64 / 2.0),
            1 => Int(self.below(3)),
            2 => Null,
            _ => Long(self.below(3)),
        };
        let item = |random: &mut Random| match random.below(3) {
            0 => Int(random.below(3)),
            1 => Null,
            _ => Text("x".to_owned()),
        };
        let l = (0..self.below(4)).map(|_| item(self)).collect();
        Row { k, u, n, l }
    }
}

/// Writes the rows of the table `t` as a file.
fn made(folder: &Folder, seed: u64, n: i64) -> Vec<Row> {
    let mut random = Random(seed);
    let rows: Vec<Row> = (0..n).map(|k| random.row(k)).collect();
    let line = |row: &Row| {
        let l: Vec<_> = row.l.iter().map(Value::tagged).collect();
        format!(r#"{{"k":{},"u":{},"n":{},"l":[{}]}}"#, row.k, row.u.tagged(), row.n.tagged(), l.join(","))
    };
    folder.file("t.json", rows.iter().map(line).collect::<Vec<_>>().join("\n")).file("t.avsc", SCHEMA);
    folder.run(&["fromjson", "t.json", "t.avro", "--schema-file", "t.avsc"]).wrote("");
    rows
}

/// Runs a query with small batches, so that operators combine many.
#[track_caller]
fn answers(folder: &Folder, sql: &str, expected: &[String]) {
    answers_with(folder, &["--threads", "3", "--batch-size", "7"], sql, expected);
}

#[track_caller]
fn answers_with(folder: &Folder, options: &[&str], sql: &str, expected: &[String]) {
    let ran = folder.run(&[&["--format", "ndjson", "-c", sql], options].concat());
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{sql}");
    let found: Vec<_> = ran.stdout().lines().collect();
    assert_eq!(found.len(), expected.len(), "{sql}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "row {at} of {sql}");
    }
}

fn whole(row: &Row) -> String {
    let l: Vec<_> = row.l.iter().map(Value::plain).collect();
    format!(r#"{{"k":{},"u":{},"n":{},"l":[{}]}}"#, row.k, row.u.plain(), row.n.plain(), l.join(","))
}

fn kun(k: i64, row: Option<&Row>) -> String {
    let (u, n) = row.map_or((Null, Null), |row| (row.u.clone(), row.n.clone()));
    format!(r#"{{"k":{k},"u":{},"n":{}}}"#, u.plain(), n.plain())
}

#[test]
fn union_rows_pass_through_joins_and_sorts() {
    for seed in [1, 7_000_000_007] {
        let folder = Folder::new();
        let rows = made(&folder, seed, 120);
        let kept = |keep: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| keep(row)).map(whole).collect::<Vec<_>>();
        answers(&folder, "SELECT * FROM 't.avro' ORDER BY k", &kept(&|_| true));
        answers(&folder, "SELECT * FROM 't.avro' WHERE k % 3 = 1 ORDER BY k", &kept(&|row| row.k % 3 == 1));
        let filters: [Filter; 12] = [
            ("n > 1", &|row| row.n.number().map(|n| n > 1.0)),
            ("n = 1", &|row| row.n.number().map(|n| n == 1.0)),
            ("n <> 1", &|row| row.n.number().map(|n| n != 1.0)),
            ("n IN (0, 2, 2.5)", &|row| row.n.number().map(|n| n == 0.0 || n == 2.0 || n == 2.5)),
            ("n BETWEEN 1 AND 2", &|row| row.n.number().map(|n| (1.0..=2.0).contains(&n))),
            ("n IS NULL", &|row| Some(row.n == Null)),
            ("u IS NOT NULL", &|row| Some(row.u != Null)),
            ("u = 1", &|row| (row.u != Null).then_some(row.u == Int(1))),
            ("u <> 1", &|row| (row.u != Null).then_some(row.u != Int(1))),
            ("u = 'a'", &|row| (row.u != Null).then_some(row.u == Text("a".to_owned()))),
            ("u IS DISTINCT FROM 2", &|row| Some(row.u != Int(2))),
            ("u.\"R\".x = 2", &|row| match row.u {
                Record(Some(x)) => Some(x == 2),
                _ => None,
            }),
        ];
        for (filter, holds) in filters {
            for (sql, is) in [
                (format!("WHERE {filter}"), Some(true)),
                (format!("WHERE NOT ({filter})"), Some(false)),
                (format!("WHERE ({filter}) IS NULL"), None),
            ] {
                answers(&folder, &format!("SELECT * FROM 't.avro' {sql} ORDER BY k"), &kept(&|row| holds(row) == is));
            }
        }
        let cases = rows.iter().map(|row| match row.k % 2 {
            0 => kun(row.k, Some(row)),
            _ => kun(row.k, None),
        });
        answers(
            &folder,
            "SELECT k, CASE WHEN k % 2 = 0 THEN u END AS u, CASE WHEN k % 2 = 0 THEN n END AS n FROM 't.avro' ORDER BY k",
            &cases.collect::<Vec<_>>(),
        );
        let outer = (0..150).map(|k| kun(k, rows.get(k as usize).filter(|row| row.k % 5 > 0)));
        answers(
            &folder,
            "SELECT s.k, t.u, t.n FROM (SELECT unnest(range(0, 150)) AS k) s LEFT JOIN 't.avro' t ON s.k = t.k AND t.k % 5 > 0 \
             ORDER BY s.k",
            &outer.collect::<Vec<_>>(),
        );
        let twice = rows.iter().flat_map(|row| [kun(row.k, Some(row)), kun(row.k + 1000, None)]);
        answers(
            &folder,
            "SELECT k, u, n FROM (SELECT k, u, n FROM 't.avro' UNION ALL SELECT k + 1000 AS k, NULL AS u, NULL AS n FROM 't.avro') \
             ORDER BY k % 1000, k",
            &twice.collect::<Vec<_>>(),
        );
        let padded = rows.iter().flat_map(|row| {
            (0..row.l.len().max(2)).map(move |at| {
                let n = ["10", "20"].get(at).unwrap_or(&"null");
                format!(r#"{{"l":{},"n":{n},"u":{}}}"#, row.l.get(at).unwrap_or(&Null).plain(), row.u.plain())
            })
        });
        let sql = "SELECT unnest(l) AS l, unnest([10, 20]) AS n, u FROM 't.avro'";
        answers_with(&folder, &["--threads", "1", "--batch-size", "7"], sql, &padded.collect::<Vec<_>>());
    }
}

#[test]
fn union_values_compare_by_branch_and_value() {
    for seed in [2, 9_000_000_011] {
        let folder = Folder::new();
        let rows = made(&folder, seed, 90);
        let mut by_n: BTreeMap<(bool, i64), usize> = BTreeMap::new();
        let mut by_u: BTreeMap<(u8, String), usize> = BTreeMap::new();
        for row in &rows {
            let half = row.n.number().map_or((true, 0), |n| (false, (n * 2.0) as i64));
            *by_n.entry(half).or_default() += 1;
            let rank = match &row.u {
                Int(n) => (0, n.to_string()),
                Text(text) => (1, text.clone()),
                Record(x) => (2, x.map_or("z".to_owned(), |x| x.to_string())),
                _ => (3, String::new()),
            };
            *by_u.entry(rank).or_default() += 1;
        }
        let groups = by_n.iter().map(|((is_null, half), c)| match is_null {
            true => format!(r#"{{"n":null,"c":{c}}}"#),
            false => format!(r#"{{"n":{:?},"c":{c}}}"#, *half as f64 / 2.0),
        });
        answers(&folder, "SELECT n, count(*) AS c FROM 't.avro' GROUP BY n ORDER BY n", &groups.collect::<Vec<_>>());
        let groups: Vec<_> = by_u.values().map(|c| format!(r#"{{"c":{c}}}"#)).collect();
        answers(&folder, "SELECT count(*) AS c FROM 't.avro' GROUP BY u ORDER BY u", &groups);
        let distinct = by_u.iter().filter(|((rank, _), _)| *rank < 3).count();
        let numbers = by_n.iter().filter(|((is_null, _), _)| !is_null).count();
        answers(
            &folder,
            "SELECT count(DISTINCT u) AS u, count(DISTINCT n) AS n, count(u) AS c, sum(n) AS s FROM 't.avro'",
            &[format!(
                r#"{{"u":{distinct},"n":{numbers},"c":{},"s":{:?}}}"#,
                rows.iter().filter(|row| row.u != Null).count(),
                rows.iter().filter_map(|row| row.n.number()).sum::<f64>()
            )],
        );
        let pairs = |same: &dyn Fn(&Row, &Row) -> bool| {
            let pairs = rows.iter().map(|a| rows.iter().filter(|b| same(a, b)).count()).sum::<usize>();
            [format!(r#"{{"c":{pairs}}}"#)]
        };
        let same_u = pairs(&|a, b| a.u != Null && a.u == b.u);
        let same_n = pairs(&|a, b| a.n.number().is_some() && a.n.number() == b.n.number());
        for (on, expected) in [
            ("a.u = b.u", &same_u),
            ("a.n = b.n", &same_n),
            ("a.n = b.k", &pairs(&|a, b| a.n.number() == Some(b.k as f64))),
        ] {
            answers(&folder, &format!("SELECT count(*) AS c FROM 't.avro' a JOIN 't.avro' b ON {on}"), expected);
        }
        answers(&folder, "SELECT count(*) AS c FROM 't.avro' a JOIN 't.avro' b USING (u)", &same_u);
        let in_both = rows.iter().filter(|row| rows.iter().any(|b| b.k < 20 && row.u != Null && b.u == row.u)).count();
        answers(
            &folder,
            "SELECT count(*) AS c FROM 't.avro' WHERE u IN (SELECT u FROM 't.avro' WHERE k < 20)",
            &[format!(r#"{{"c":{in_both}}}"#)],
        );
        for (set, expected) in [("UNION", by_u.len()), ("INTERSECT", by_u.len()), ("EXCEPT", 0)] {
            let sql = format!("SELECT count(*) AS c FROM (SELECT u FROM 't.avro' {set} SELECT u FROM 't.avro')");
            answers(&folder, &sql, &[format!(r#"{{"c":{expected}}}"#)]);
        }
        let lists = (0..4).map(|g| {
            let of: Vec<_> = rows.iter().filter(|row| row.k % 4 == g).collect();
            let all: Vec<_> = of.iter().map(|row| row.u.plain()).collect();
            let (first, last) = (of.first().unwrap(), of.last().unwrap());
            format!(r#"{{"g":{g},"all":[{}],"first":{},"last":{}}}"#, all.join(","), first.n.plain(), last.u.plain())
        });
        answers(
            &folder,
            "SELECT k % 4 AS g, array_agg(u ORDER BY k) AS all, first_value(n ORDER BY k) AS first, last_value(u ORDER BY k) AS last \
             FROM 't.avro' GROUP BY k % 4 ORDER BY g",
            &lists.collect::<Vec<_>>(),
        );
        let behind = rows.iter().enumerate().map(|(at, row)| {
            let before = at.checked_sub(2).and_then(|at| rows.get(at)).map_or(Null, |row| row.u.clone());
            format!(r#"{{"k":{},"before":{}}}"#, row.k, before.plain())
        });
        let sql = "SELECT k, lag(u, 2) OVER (ORDER BY k) AS before FROM 't.avro' ORDER BY k";
        answers(&folder, sql, &behind.collect::<Vec<_>>());
    }
}

#[test]
fn unions_spill_and_write() {
    let folder = Folder::new();
    let rows = made(&folder, 3, 20_000);
    let backwards: Vec<_> = rows.iter().rev().map(whole).collect();
    let sql = "SELECT * FROM 't.avro' ORDER BY k DESC";
    let options = ["--threads", "1", "--batch-size", "500", "--memory-limit", "12MB"];
    answers_with(&folder, &options, sql, &backwards);
    folder.run(&["-q", "-c", &format!("COPY ({sql}) TO 'back.avro'")]);
    let written = folder.run(&["tojson", "back.avro"]);
    let lines: Vec<_> = written.stdout().lines().collect();
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(rows.iter().rev()) {
        let l: Vec<_> = row.l.iter().map(Value::tagged).collect();
        let expected =
            format!(r#"{{"k":{},"u":{},"n":{},"l":[{}]}}"#, row.k, row.u.tagged(), row.n.tagged(), l.join(","));
        assert_eq!(*line, expected);
    }
    assert_eq!(folder.run(&["schema", "back.avro"]).stdout, folder.run(&["schema", "t.avro"]).stdout);
}
