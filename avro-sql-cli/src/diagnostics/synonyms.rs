//! Functions of other engines that there are not, and what to use instead.

/// Names, and the end of the error.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["list_reduce", "array_reduce", "reduce", "list_aggregate", "list_aggr", "array_aggregate", "aggregate"],
        "use array_sum, array_avg, array_min, array_max, array_product or array_to_string, or UNNEST and an aggregate",
    ),
    (&["quantile", "quantile_disc", "percentile"], "use quantile_cont(x, 0.5) or approx_quantile(x, 0.5)"),
    (&["percentile_approx", "approx_percentile"], "use approx_quantile(x, 0.5)"),
    (&["product"], "use exp(sum(ln(x))) for positive numbers"),
    (&["get_json_object", "json_query"], "use x -> '$.path' for JSON, or x ->> '$.path' for text"),
    (&["json_object", "json_array"], "use to_json({'a': 1}) or to_json([1, 2])"),
    (&["json_group_array", "json_agg"], "use to_json(array_agg(x))"),
    (&["struct_pack"], "use {'a': 1} or named_struct('a', 1)"),
    (&["explode"], "use UNNEST(x)"),
    (&["collect_set"], "use array_agg(DISTINCT x)"),
    (&["size"], "use len(x) or cardinality(x)"),
    (&["getdate", "sysdate"], "use now()"),
    (&["dateadd", "timestampadd", "adddate"], "use x + INTERVAL '1 day', or date_add(x, INTERVAL '1 day')"),
    (&["timestampdiff"], "use date_diff('day', x, y)"),
    (&["unix_timestamp"], "use epoch(x)"),
    (&["charindex", "locate"], "use strpos(text, part)"),
    (&["isnull"], "use x IS NULL, or coalesce(x, y)"),
    (&["to_number", "to_varchar", "convert", "try_convert"], "use CAST(x AS DOUBLE) or TRY_CAST(x AS DOUBLE)"),
];

/// Returns what to use instead of a function.
pub(super) fn instead_of(name: &str) -> Option<&'static str> {
    let is = |(names, _): &&(&[&str], &str)| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    INSTEAD.iter().find(is).map(|(_, instead)| *instead)
}
