//! Out-of-memory errors: turns the engine's text into one line that says what to do.

/// The parts of a query that hold memory, by the start of their names in the engine's text.
const HOLDERS: [(&str, &str); 17] = [
    ("HashJoinInput", "a join"),
    ("SymmetricHashJoin", "a join"),
    ("NestedLoopJoin", "a join"),
    ("PiecewiseMergeJoin", "a join"),
    ("CrossJoin", "a cross join"),
    ("SMJStream", "a join"),
    ("ExternalSorter", "a sort"),
    ("SortPreservingMerge", "a sort"),
    ("spill_merge", "a sort"),
    ("TopK", "ORDER BY with LIMIT"),
    ("PartitionedTopK", "a window function"),
    ("RecursiveQuery", "WITH RECURSIVE"),
    ("ParquetSink", "writing Parquet"),
    ("AvroSink", "writing Avro"),
    ("AvroIndex", "building an index"),
    ("Avro", "reading Avro"),
    ("Repartition", "the query"),
];

/// The name of an operator with hashed groups that the table above does not list.
const AGGREGATE: &str = "GROUP BY or DISTINCT";

/// Returns the line for the engine's text.
pub(crate) fn explain(text: &str) -> String {
    let Some(name) = between(text, "Failed to allocate additional ", " with ").and_then(|s| s.split(" for ").nth(1))
    else {
        // Other limits, such as that of temporary files, have nothing to do with memory.
        return text.to_owned();
    };
    let holder = HOLDERS.iter().find(|(start, _)| name.starts_with(start)).map(|(_, what)| *what);
    let what = match holder {
        Some(what) => what,
        None if name.contains("Aggregate") => AGGREGATE,
        None => "the query",
    };
    let limit = between(text, "pool_size: ", ")").map(|size| format!(" of {size}")).unwrap_or_default();
    let spills = match name.starts_with("HashJoinInput") {
        true => ", or let joins spill to disk with SET datafusion.optimizer.prefer_hash_join = false",
        false => "",
    };
    format!("out of memory: {what} needs more than the limit{limit}; raise it with --memory-limit{spills}")
}

/// Returns the text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn exhausted_memory_names_operator_and_remedy() {
        let engine = |name: &str| {
            format!(
                "Additional allocation failed for {name} with top memory consumers (across reservations) as: \
                 {name}#2(can spill: false) consumed 18.0 MB, peak 18.0 MB. Error: Failed to allocate additional \
                 2.0 MB for {name} with 18.0 MB already allocated for this reservation - 1.0 MB remain available \
                 for the total memory pool: fair(pool_size: 20.0 MB)"
            )
        };
        let cases = [
            (
                "ExternalSorter[1]",
                "out of memory: a sort needs more than the limit of 20.0 MB; raise it with --memory-limit",
            ),
            (
                "HashJoinInput",
                "out of memory: a join needs more than the limit of 20.0 MB; raise it with --memory-limit, \
                 or let joins spill to disk with SET datafusion.optimizer.prefer_hash_join = false",
            ),
            (
                "FinalHashAggregateStream[0]",
                "out of memory: GROUP BY or DISTINCT needs more than the limit of 20.0 MB; raise it with --memory-limit",
            ),
            ("Other", "out of memory: the query needs more than the limit of 20.0 MB; raise it with --memory-limit"),
        ];
        check_all(cases, |(name, expected)| {
            assert_eq!(explain(&engine(name)), expected);
        });
        assert_eq!(explain("The used disk space exceeds the limit"), "The used disk space exceeds the limit");
    }
}
