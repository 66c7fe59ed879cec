//! The words of SQL that the prompt shows as such and completes. Others are keywords too, but these are those that people type.

const KEYWORDS: [&str; 126] = [
    "ALL", "ANALYZE", "AND", "ANTI", "ANY", "ARRAY", "AS", "ASC", "BETWEEN", "BIGINT", "BOOLEAN", "BY", "BYTEA", "CASE",
    "CAST", "COLUMNS", "COPY", "CREATE", "CROSS", "CUBE", "CURRENT", "DATE", "DECIMAL", "DEFAULT", "DELETE", "DESC",
    "DESCRIBE", "DISTINCT", "DOUBLE", "DROP", "ELSE", "END", "ESCAPE", "EXCEPT", "EXCLUDE", "EXECUTE", "EXISTS",
    "EXPLAIN", "EXTERNAL", "EXTRACT", "FALSE", "FILTER", "FIRST", "FLOAT", "FOLLOWING", "FROM", "FULL", "GROUP",
    "GROUPING", "HAVING", "IF", "ILIKE", "IN", "INNER", "INSERT", "INT", "INTEGER", "INTERSECT", "INTERVAL", "INTO", "IS",
    "JOIN", "LAST", "LATERAL", "LEFT", "LIKE", "LIMIT", "LOCATION", "NATURAL", "NOT", "NULL", "NULLS", "OFFSET", "ON",
    "OPTIONS", "OR", "ORDER", "OUTER", "OVER", "PARTITION", "PARTITIONED", "PRECEDING", "PREPARE", "QUALIFY", "RANGE",
    "REAL", "RECURSIVE", "REPLACE", "RIGHT", "ROLLUP", "ROW", "ROWS", "SCHEMA", "SELECT", "SEMI", "SET", "SETS", "SHOW",
    "SIMILAR", "SMALLINT", "SOME", "STORED", "STRUCT", "TABLE", "TABLES", "TABLESAMPLE", "THEN", "TIME", "TIMESTAMP",
    "TINYINT", "TO", "TRUE", "TRY_CAST", "UNBOUNDED", "UNION", "UNNEST", "UPDATE", "USING", "VALUES", "VARCHAR", "VERBOSE",
    "VIEW", "WHEN", "WHERE", "WINDOW", "WITH",
];

/// Is it one of them, in any case?
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search_by(|keyword| keyword.bytes().cmp(word.bytes().map(|b| b.to_ascii_uppercase()))).is_ok()
}

/// All of them, in order.
pub(super) fn keywords() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_in_order() {
        assert!(KEYWORDS.is_sorted());
        assert!(keywords().all(is_keyword));
        for (word, expected) in [("select", true), ("Select", true), ("selected", false), ("", false), ("ü", false)] {
            assert_eq!(is_keyword(word), expected, "{word}");
        }
    }
}
