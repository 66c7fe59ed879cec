//! The cases: which data, which columns, what is done.

use crate::avro_writer::{Blocks, Codec, KIB_64};
use crate::data::{Data, Nulls, TYPES};
use crate::engines::Task;

/// One line of the table, for each engine.
#[derive(Debug)]
pub struct Case {
    /// What it is called on the command line and in the table.
    pub name: String,
    /// The file it reads.
    pub data: Data,
    /// The columns it reads; `None` is all.
    pub columns: Option<&'static [&'static str]>,
    /// What is done with them.
    pub task: Task,
}

const TWO: &[&str] = &["l_quantity", "l_extendedprice"];
const STRINGS: &[&str] = &["l_returnflag", "l_linestatus", "l_shipinstruct", "l_shipmode", "l_comment"];
/// A kind of column each, from all over the row but its end.
const FIVE_OF_WIDE: &[&str] = &["c01", "c20", "c46", "c64", "c87"];

/// All of them, in the order of the table.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, data, columns, task| cases.push(Case { name: name.into(), data, columns, task });
    for (blocks, of_blocks) in [(Blocks::Rows(512), "lineitem"), (KIB_64, "lineitem-64k")] {
        for (codec, nulls, of_file) in [
            (Codec::Null, Nulls::Required, ""),
            (Codec::Null, Nulls::None, "-nullable"),
            (Codec::Null, Nulls::Some, "-nulls"),
            (Codec::Snappy, Nulls::Required, "-snappy"),
            (Codec::Zstandard, Nulls::Required, "-zstandard"),
            (Codec::Deflate, Nulls::Required, "-deflate"),
        ] {
            // The size of blocks has little to do with nulls: once is enough.
            if nulls == Nulls::Some && blocks == KIB_64 {
                continue;
            }
            let data = Data::Lineitem(blocks, codec, nulls);
            let name = format!("{of_blocks}{of_file}");
            add(&name, data, None, Task::Decode);
            add(&format!("{name}-2of16"), data, Some(TWO), Task::Decode);
            add(&format!("{name}-strings"), data, Some(STRINGS), Task::Decode);
            if nulls == Nulls::Required {
                add(&format!("{name}-count"), data, None, Task::Count);
            }
        }
    }
    add("wide", Data::Wide, None, Task::Decode);
    add("wide-1of100", Data::Wide, Some(&["c50"]), Task::Decode);
    add("wide-5of100", Data::Wide, Some(FIVE_OF_WIDE), Task::Decode);
    add("events", Data::Events, None, Task::Decode);
    add("events-flat", Data::Events, Some(&["id", "time", "kind", "host"]), Task::Decode);
    add("events-items", Data::Events, Some(&["items"]), Task::Decode);
    add("events-last", Data::Events, Some(&["bot"]), Task::Decode);
    for of in TYPES {
        add(&format!("types/{}", of.name), Data::Type(of), None, Task::Decode);
        if of.name == "string" {
            add("types/string-view", Data::Type(of), None, Task::Views);
        }
    }
    cases
}

/// The cases that are meant: `*` and `?` stand for any characters; otherwise it is a case's name or else, if there is
/// no such case, the start of some.
pub fn matching(cases: Vec<Case>, wanted: &[String]) -> Result<Vec<Case>, String> {
    if wanted.is_empty() {
        return Ok(cases);
    }
    let mut chosen = vec![false; cases.len()];
    for text in wanted {
        let exact = cases.iter().any(|case| case.name == *text);
        let pattern = glob::Pattern::new(text).map_err(|e| format!("{text}: {e}"))?;
        let matches = |name: &str| pattern.matches(name) || !exact && name.starts_with(text.as_str());
        let indices: Vec<usize> = (0..cases.len()).filter(|&index| matches(&cases[index].name)).collect();
        if indices.is_empty() {
            return Err(format!("no case `{text}`; --list shows them"));
        }
        indices.into_iter().for_each(|index| chosen[index] = true);
    }
    Ok(cases.into_iter().zip(chosen).filter_map(|(case, chosen)| chosen.then_some(case)).collect())
}
