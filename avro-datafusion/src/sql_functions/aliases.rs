//! Further names of existing functions, as DuckDB, PostgreSQL, MySQL and Spark have them.

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::HigherOrderUDF;
use std::sync::Arc;

/// Scalar functions. None of these reads the configuration, which `with_aliases` would freeze, and DataFusion's rules
/// recognize none of these by its Rust type, which `with_aliases` hides.
const SCALAR: &[(&str, &[&str])] = &[
    ("array_any_value", &["list_any_value"]),
    ("array_concat", &["list_cat"]),
    ("array_element", &["list_element", "list_extract"]),
    ("array_has", &["list_has", "list_contains", "array_contains"]),
    ("array_length", &["array_size"]),
    ("array_min", &["list_min"]),
    ("array_position", &["list_position", "list_indexof", "array_indexof"]),
    ("array_to_string", &["list_to_string"]),
    ("ascii", &["ord", "unicode"]),
    ("cardinality", &["map_size"]),
    ("ceil", &["ceiling"]),
    ("ends_with", &["suffix"]),
    ("levenshtein", &["editdist3"]),
    ("lower", &["lcase"]),
    ("make_array", &["list_value", "list_pack"]),
    ("octet_length", &["strlen"]),
    ("regexp_like", &["regexp_matches"]),
    ("signum", &["sign"]),
    ("starts_with", &["prefix"]),
    ("string_to_array", &["split", "string_split", "str_split"]),
    ("trunc", &["truncate"]),
    ("upper", &["ucase"]),
    ("uuid", &["gen_random_uuid", "uuidv4"]),
];

/// Functions of lambdas.
const HIGHER_ORDER: &[(&str, &[&str])] =
    &[("array_filter", &["filter"]), ("array_transform", &["list_apply", "array_apply", "apply"])];

/// Aggregates.
const AGGREGATES: &[(&str, &[&str])] = &[
    ("any_value", &["arbitrary"]),
    ("approx_distinct", &["approx_count_distinct"]),
    ("approx_percentile_cont", &["approx_quantile"]),
    ("array_agg", &["list", "collect_list"]),
    ("bool_and", &["every"]),
    ("first_value", &["first"]),
    ("last_value", &["last"]),
    ("var", &["variance"]),
];

/// Window functions.
const WINDOWS: &[(&str, &[&str])] = &[("first_value", &["first"]), ("last_value", &["last"])];

/// Adds the names. A function that a session lacks is skipped.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    for (name, aliases) in SCALAR {
        if let Ok(function) = state.udf(name) {
            let function = function.as_ref().clone().with_aliases(aliases.iter().copied());
            state.register_udf(Arc::new(function))?;
        }
    }
    for (name, aliases) in HIGHER_ORDER {
        if let Some(function) = state.higher_order_functions().get(*name).cloned() {
            let function = HigherOrderUDF::clone(&function).with_aliases(aliases.iter().copied());
            state.register_higher_order_function(Arc::new(function))?;
        }
    }
    for (name, aliases) in AGGREGATES {
        if let Ok(function) = state.udaf(name) {
            let function = function.as_ref().clone().with_aliases(aliases.iter().copied());
            state.register_udaf(Arc::new(function))?;
        }
    }
    for (name, aliases) in WINDOWS {
        if let Ok(function) = state.udwf(name) {
            let function = function.as_ref().clone().with_aliases(aliases.iter().copied());
            state.register_udwf(Arc::new(function))?;
        }
    }
    Ok(())
}
