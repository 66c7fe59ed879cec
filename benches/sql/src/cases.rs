//! The cases: a scale in, queries out, each with the tables it needs.

use crate::data::{TABLES, Table};

/// One line of the table, for each engine.
#[derive(Debug)]
pub(crate) struct Case {
    /// What it is called on the command line and in the table.
    pub(crate) name: String,
    /// The query.
    pub(crate) sql: String,
    /// The tables that it names.
    pub(crate) tables: Vec<Table>,
    /// Whether the time to make the tables is measured too.
    pub(crate) timed_tables: bool,
}

impl Case {
    /// Whether this is the name of a TPC-H query.
    pub(crate) fn is_tpch(name: &str) -> bool {
        name.strip_prefix('q').is_some_and(|number| number.parse::<u8>().is_ok())
    }
}

macro_rules! queries {
    ($($number:literal)*) => {
        [$((concat!("q", $number), include_str!(concat!("../../../testdata/tpch/q", $number, ".sql")))),*]
    };
}

/// TPC-H's queries.
const QUERIES: [(&str, &str); 22] = queries!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22);

/// All of them, in the order of the table. What is asked of a part of the rows is the same part at each scale.
pub(crate) fn cases(scale: f64) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, sql) in QUERIES {
        let words: Vec<&str> = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        let tables = TABLES.into_iter().filter(|table| words.contains(table)).map(Table::Tpch).collect();
        cases.push(Case { name: name.into(), sql: sql.into(), tables, timed_tables: false });
    }
    let lineitem = Table::Tpch("lineitem");
    let mut add = |name: &str, sql: String, table, timed_tables| {
        cases.push(Case { name: name.into(), sql, tables: vec![table], timed_tables });
    };
    add("count", "SELECT count(*) FROM lineitem".into(), lineitem, false);
    // Nothing is remembered of the file.
    add("count-first", "SELECT count(*) FROM lineitem".into(), lineitem, true);
    // A thousandth of the keys, from the middle: parts are in any order, orders in that of their keys. Parts are
    // 200,000 at scale 1, and keys of orders reach to 6,000,000.
    for (name, column, keys) in [("filter", "l_partkey", 200e3), ("filter-sorted", "l_orderkey", 6e6)] {
        let (middle, wanted) = ((keys * scale / 2.0) as i64, ((keys * scale / 1e3) as i64).max(1));
        let range = format!("{column} BETWEEN {middle} AND {}", middle + wanted - 1);
        add(name, format!("SELECT * FROM lineitem WHERE {range}"), lineitem, false);
    }
    // The second and third column make the rows definite.
    add(
        "topk",
        "SELECT * FROM lineitem ORDER BY l_extendedprice DESC, l_orderkey, l_linenumber LIMIT 10".into(),
        lineitem,
        false,
    );
    add("topk-sorted", "SELECT * FROM lineitem ORDER BY l_orderkey, l_linenumber LIMIT 10".into(), lineitem, false);
    let nested = "SELECT item['l_shipmode'] AS mode, sum(item['l_quantity']) AS quantity FROM nested GROUP BY 1";
    add("nested", nested.into(), Table::Nested, false);
    add("small-files", "SELECT count(*) FROM small_files".into(), Table::SmallFiles, true);
    cases
}

/// The cases selected by these texts: each is the name of a case or, if no case has it, the start of names.
///
/// # Errors
/// Where there is no such case.
pub(crate) fn matching(cases: Vec<Case>, wanted: &[String]) -> Result<Vec<Case>, String> {
    let exact = |text: &str| cases.iter().any(|case| case.name == text);
    for text in wanted {
        if !cases.iter().any(|case| case.name.starts_with(text.as_str())) {
            return Err(format!("no case `{text}`; --list shows them"));
        }
    }
    let (names, starts): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|text| exact(text));
    let is_wanted = |name: &String| names.contains(&name) || starts.iter().any(|text| name.starts_with(text.as_str()));
    Ok(cases.into_iter().filter(|case| wanted.is_empty() || is_wanted(&case.name)).collect())
}
