//! Error texts: turns the engine's text into one sentence without syntax trees, Arrow types and requests for bug
//! reports.
//!
//! DataFusion has no codes for most of its errors, so they are recognized by their text. A text without a rule keeps
//! its words, and [`type_names`] translates its types and literals.

use crate::type_names;

/// Prefixes that the engine puts before an error and that tell the user nothing.
const LAYERS: [&str; 13] = [
    "internal error: ",
    "Error during planning: ",
    "Execution error: ",
    "Internal error: ",
    "Arrow error: ",
    "Cast error: ",
    "Parser error: ",
    "Compute error: ",
    "Invalid argument error: ",
    "Schema error: ",
    "External error: ",
    "Optimizer rule 'simplify_expressions' failed caused by ",
    "type_coercion caused by ",
];

/// The start of the engine's request for a bug report.
const REPORT: [&str; 2] =
    ["This issue was likely caused by a bug in DataFusion", "This was likely caused by a bug in DataFusion"];

/// Requirements of functions, by the engine's words for types.
const NEEDS: [(&[&str], &str); 4] = [
    (&["Decimal", "UInt64", "Int64", "Float64", "Numeric", "Integer", "Float", "Duration"], "a number"),
    (&["String", "Utf8"], "text"),
    (&["Timestamp", "Date", "Time"], "a date or time"),
    (&["Binary"], "bytes"),
];

/// Types of other tools, and their SQL names.
const TYPES: [(&str, &str); 25] = [
    ("int32", "INTEGER"),
    ("int64", "BIGINT"),
    ("int16", "SMALLINT"),
    ("int8", "TINYINT"),
    ("uint8", "TINYINT UNSIGNED"),
    ("uint16", "SMALLINT UNSIGNED"),
    ("uint32", "INTEGER UNSIGNED"),
    ("uint64", "BIGINT UNSIGNED"),
    ("utf8", "VARCHAR"),
    ("utf8view", "VARCHAR"),
    ("largeutf8", "VARCHAR"),
    ("str", "VARCHAR"),
    ("float32", "FLOAT"),
    ("float64", "DOUBLE"),
    ("decimal128", "DECIMAL(p, s)"),
    ("decimal256", "DECIMAL(p, s)"),
    ("money", "DECIMAL(19, 4)"),
    ("binary", "BYTEA"),
    ("date32", "DATE"),
    ("date64", "DATE"),
    ("timestamp_s", "TIMESTAMP(0)"),
    ("timestamp_ms", "TIMESTAMP(3)"),
    ("timestamp_us", "TIMESTAMP(6)"),
    ("timestamp_ns", "TIMESTAMP(9)"),
    ("enum", "VARCHAR"),
];

/// Rewrites the engine's text.
pub(crate) fn plain(text: &str) -> String {
    let text = without_layers(text);
    let text = RULES.iter().find_map(|rule| rule(text)).unwrap_or_else(|| without_dump(text));
    type_names::plain(&text)
}

/// The rewriting rules. The first that matches a text rewrites it.
const RULES: [fn(&str) -> Option<String>; 22] = [
    expected,
    unterminated,
    in_a_file,
    cast,
    value,
    decimal,
    not_grouped,
    no_signature,
    no_candidate,
    aggregate_argument,
    comparison,
    arithmetic,
    union_types,
    condition,
    fields_of,
    limit,
    type_name,
    table_function,
    columns_of_subquery,
    nested_csv,
    changes,
    statement,
];

/// What the parser expects, and plain words for it. Other words stand for themselves.
const EXPECTED: [(&str, &str); 12] = [
    ("an expression", "an expression"),
    ("an SQL statement", "a statement"),
    ("end of statement", "the end of the statement"),
    ("identifier", "a name"),
    ("joined table", "a table"),
    ("SELECT, VALUES, or a subquery in the query body", "SELECT, VALUES or a subquery"),
    ("literal string", "a text in single quotes"),
    ("literal int", "a whole number"),
    ("a data type name", "the name of a type"),
    ("a list of columns in parentheses", "columns in parentheses"),
    ("a value", "a value"),
    ("a concrete value", "a value"),
];

/// Matches `Expected: an expression, found: EOF` of the parser.
fn expected(text: &str) -> Option<String> {
    let (what, found) = text.strip_prefix("Expected: ")?.rsplit_once(", found: ")?;
    let known = EXPECTED.iter().find(|(word, _)| *word == what).map(|(_, plain)| (*plain).to_owned());
    let what = known.unwrap_or_else(|| match what.split_once(' ') {
        Some(_) => what.to_owned(),
        None => format!("`{what}`"),
    });
    let (found, place) = match found.find(" at Line: ") {
        Some(at) => found.split_at_checked(at)?,
        None => (found, ""),
    };
    let found = if found == "EOF" { "the end of the statement".to_owned() } else { format!("`{found}`") };
    Some(format!("expected {what}, found {found}{place}"))
}

/// Matches `Unterminated string literal at Line: 1, Column: 8` of the tokenizer.
fn unterminated(text: &str) -> Option<String> {
    let (what, place) = text.split_once(" at Line: ")?;
    let plain = match what {
        "Unterminated string literal" => "this text has no closing quote",
        "Unexpected EOF while in a multi-line comment" => "this comment has no end",
        _ => what.strip_prefix("Unterminated ").map(|_| "this has no end")?,
    };
    Some(format!("{plain} at Line: {place}"))
}

fn without_layers(text: &str) -> &str {
    let mut text = REPORT.iter().find_map(|report| Some(text.split_once(report)?.0)).unwrap_or(text).trim();
    while let Some(inner) = LAYERS.iter().find_map(|layer| text.strip_prefix(layer)) {
        text = inner;
    }
    text.trim_end_matches(['.', ' '])
}

/// Removes a syntax tree, and names its node.
fn without_dump(text: &str) -> String {
    let is_dump = text.contains("span: Span(") || text.contains("Ident { value:");
    let Some((before, _)) = text.split_once(['{', '(', '[']).filter(|_| is_dump) else { return text.to_owned() };
    let before = before.trim_end();
    let before = before.strip_prefix("not supported: ").unwrap_or(before);
    let is_node = NODES.iter().any(|start| before.starts_with(start));
    match before.rsplit_once(' ') {
        Some((_, node)) if is_node => format!("not supported: {}", spaced(node)),
        Some((sentence, _)) => sentence.trim_end_matches([',', ':', ' ']).trim_end_matches(", got").to_owned(),
        None => before.to_owned(),
    }
}

/// Prefixes of errors about syntax nodes that the engine does not plan; the node's name follows.
const NODES: [&str; 4] =
    ["Unsupported ast node", "Unsupported JOIN operator", "Unsupported SQL", "SET variant not implemented yet"];

/// Splits a syntax node's name into words: `SetTimeZone` becomes `SET TIME ZONE`.
fn spaced(name: &str) -> String {
    if name == "AsOf" {
        return "ASOF JOIN".to_owned();
    }
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_uppercase());
    }
    words
}

/// Removes the file from the error of a cast in a query: the query is at fault.
fn in_a_file(text: &str) -> Option<String> {
    let errors = [": Arrow error: Cast error: ", ": Arrow error: Arithmetic overflow: "];
    let error = errors.iter().find_map(|error| Some(text.split_once(error)?.1))?;
    Some(plain(error))
}

/// Matches `.. Can't cast value 300 to type Int8`.
fn value(text: &str) -> Option<String> {
    let (place, rest) = text.split_once("Can't cast value ")?;
    let (value, to) = rest.split_once(" to type ")?;
    Some(format!("{place}{value} does not fit {to}"))
}

/// Matches `.. 12345.67 is too large to store in a Decimal128 of precision 5. Max is 999.99`.
fn decimal(text: &str) -> Option<String> {
    let sides = [" is too large to store in a Decimal", " is too small to store in a Decimal"];
    let (value, rest) = sides.iter().find_map(|side| text.split_once(side))?;
    let (precision, limit) = rest.split_once("of precision ")?.1.split_once(". ")?;
    let scale = limit.split_once('.').map_or(0, |(_, digits)| digits.len());
    Some(format!("{value} does not fit DECIMAL({precision}, {scale})"))
}

fn cast(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Cannot cast string '")?;
    let (value, of) = rest.rsplit_once("' to value of ")?;
    Some(format!("cannot convert '{value}' to {}", of.strip_suffix(" type")?))
}

fn not_grouped(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Column in ")?;
    let (place, rest) = rest.split_once(" must be in GROUP BY or an aggregate function")?;
    let (_, column) = rest.split_once("column \"")?;
    let (column, _) = column.split_once("\" must appear")?;
    let column = short(column);
    match place {
        "SELECT" => Some(format!("`{column}` must be in GROUP BY or inside an aggregate function")),
        place => Some(format!("`{column}` in {place} must be in GROUP BY or inside an aggregate function")),
    }
}

/// Returns a column's name without its table.
fn short(column: &str) -> &str {
    column.rsplit_once('.').map_or(column, |(_, name)| name)
}

/// Matches `Function 'sum' failed to match any signature, errors: ..`.
fn no_signature(text: &str) -> Option<String> {
    // Functions with their own type checks nest one DataFusion error in another.
    let text = text.rsplit_once("coercion failed with: Internal error: ").map_or(text, |(_, inner)| inner);
    let (name, rest) = text.strip_prefix("Function '")?.split_once("' failed to match any signature")?;
    let needs = rest.split("requires ").nth(1).and_then(|of| Some(need(of.split_once(',')?.0)));
    let Some((_, of)) = rest.split_once("(DataType: ") else { return arguments(name, rest) };
    let of = of.split_once(").").or_else(|| of.rsplit_once(')')).map_or(of, |(of, _)| of);
    Some(match needs {
        Some(needs) => format!("{name} needs {needs}, not {of}"),
        None => format!("{name} does not take {of}"),
    })
}

fn need(word: &str) -> &str {
    let known = NEEDS.iter().find(|(words, _)| words.iter().any(|w| word.starts_with(w)));
    known.map_or(word, |(_, need)| need)
}

/// Matches `.. expects 2 arguments but received 1 ..`.
fn arguments(name: &str, text: &str) -> Option<String> {
    let (_, rest) = text.split_once(" expects ")?;
    let (expected, rest) = rest.split_once(" arguments but received ")?;
    let given: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{name} takes {expected} argument{}, not {given}", if expected == "1" { "" } else { "s" }))
}

/// Matches `.. No function matches the given name and argument types 'abs(Utf8)'. ..`.
fn no_candidate(text: &str) -> Option<String> {
    let (why, rest) = text.split_once("No function matches the given name and argument types '")?;
    let (call, _) = rest.split_once("'. You might need")?;
    let (name, types) = call.split_once('(')?;
    let types = types.strip_suffix(')')?;
    if let Some(number) = arguments(name, why) {
        return Some(number);
    }
    let needs = why.split_once("' requires ").or_else(|| why.split_once("' expects ")).map(|(_, of)| need(of));
    match needs.filter(|needs| NEEDS.iter().any(|(_, need)| need == needs)) {
        Some(needs) => Some(format!("{name} needs {needs}, not {types}")),
        None if types.is_empty() => Some(format!("{name} needs arguments")),
        None => Some(format!("{name} does not take ({types})")),
    }
}

/// Matches `Failed to coerce arguments to satisfy a call to 'string_agg' function: coercion from Int64 to the signature
/// ..`.
fn aggregate_argument(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Failed to coerce arguments to satisfy a call to '")?;
    let (name, rest) = rest.split_once("' function: ")?;
    let (_, rest) = rest.split_once("coercion from ")?;
    let (types, _) = rest.split_once(" to the signature")?;
    Some(format!("{name} does not take ({types})"))
}

fn comparison(text: &str) -> Option<String> {
    let operation = text.strip_prefix("Cannot infer common argument type for comparison operation ")?;
    let operators =
        [" IS NOT DISTINCT FROM ", " IS DISTINCT FROM ", " <= ", " >= ", " != ", " = ", " < ", " > ", " LIKE ", " ~ "];
    let (a, b) = operators.iter().find_map(|operator| operation.split_once(operator))?;
    Some(format!("cannot compare {a} with {b}"))
}

fn arithmetic(text: &str) -> Option<String> {
    let operation = text.strip_prefix("Cannot coerce arithmetic expression ")?.strip_suffix(" to valid types")?;
    Some(format!("cannot compute {operation}"))
}

/// Matches `Incompatible inputs for Union: Previous inputs were of type A, but got incompatible type B on column 'x'`.
fn union_types(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Incompatible inputs for Union: Previous inputs were of type ")?;
    let (a, rest) = rest.split_once(", but got incompatible type ")?;
    let (b, column) = rest.split_once(" on column '")?;
    Some(format!("UNION: `{}` is {a} in one query and {b} in another", column.trim_end_matches('\'')))
}

fn condition(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Cannot create filter with non-boolean predicate '")?;
    let (expression, of) = rest.rsplit_once("' returning ")?;
    Some(format!("WHERE needs a condition, but {} is {of}", short(expression)))
}

/// Matches `Cannot access field at argument 1: type T is not Struct, Map, or Null`.
fn fields_of(text: &str) -> Option<String> {
    let (_, of) = text.strip_prefix("Cannot access field at argument ")?.split_once(": type ")?;
    let of = of.strip_suffix(" is not Struct, Map, or Null")?;
    let items = if of.starts_with("List(") { "; items of lists are [1], [2], .." } else { "" };
    Some(format!("{of} has no fields{items}"))
}

fn limit(text: &str) -> Option<String> {
    let (clause, of) = text.strip_prefix("Expected ")?.split_once(" to be an integer or null, but got ")?;
    Some(format!("{clause} must be an integer, not {of}"))
}

fn type_name(text: &str) -> Option<String> {
    let name = text
        .strip_prefix("not supported: Unsupported SQL type ")
        .or_else(|| text.strip_prefix("Unsupported SQL type "))?;
    let known = TYPES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    Some(match known {
        Some((_, sql)) => format!("there is no type `{name}`; use {sql}"),
        None => format!(
            "there is no type `{name}`; types are BOOLEAN, INTEGER, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), VARCHAR, BYTEA, DATE, TIME and TIMESTAMP"
        ),
    })
}

fn table_function(text: &str) -> Option<String> {
    let name = text.strip_prefix("table function '")?.strip_suffix("' not found")?;
    let reads = ["csv", "json", "parquet", "ndjson", "text", "arrow"].iter().any(|format| name.contains(format));
    let hint = if reads { "; FROM 'PATH' reads files of all formats" } else { "" };
    Some(format!("there is no table function `{name}`{hint}"))
}

fn columns_of_subquery(text: &str) -> Option<String> {
    let columns = text.strip_prefix("Too many columns! The subquery should only return one column: ")?;
    let columns: Vec<_> = columns.split(", ").map(short).collect();
    Some(format!("expected a subquery with one column, found {}", columns.join(", ")))
}

/// The error of `INSERT`; `COPY` converts such columns before.
fn nested_csv(text: &str) -> Option<String> {
    text.strip_prefix("Csv error: Nested type ")?;
    Some(
        "INSERT cannot write lists, records and maps to CSV; COPY (SELECT ..) TO 'x.csv' writes them as JSON"
            .to_owned(),
    )
}

/// Matches `UPDATE not supported for Base table`.
fn changes(text: &str) -> Option<String> {
    let statement = text.strip_prefix("not supported: ")?.strip_suffix(" not supported for Base table")?;
    Some(format!("{statement} changes tables in memory, not files; use COPY (SELECT ..) TO to write a new file"))
}

fn statement(text: &str) -> Option<String> {
    let what = text.strip_prefix("not supported: Unsupported SQL statement: ")?;
    Some(format!("not supported: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn engine_errors_become_sentences() {
        let cases = [
            (
                "Internal error: Function 'sum' failed to match any signature, errors: Error during planning: Function 'sum' requires \
                 Decimal, but received String (DataType: Dictionary(Int32, Utf8)).,Error during planning: Function 'sum' requires UInt64, \
                 but received String (DataType: Dictionary(Int32, Utf8)).. This issue was likely caused by a bug in DataFusion's code. \
                 Please help us to resolve this",
                "sum needs a number, not ENUM",
            ),
            (
                "Internal error: Function 'round' failed to match any signature, errors: Error during planning: Function 'round' expects 2 \
                 arguments but received 1",
                "round takes 2 arguments, not 1",
            ),
            (
                "Column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column \"events/.kind\" must \
                 appear in the GROUP BY clause or must be part of an aggregate function, currently only \"count(Int64(1))\" appears",
                "`kind` must be in GROUP BY or inside an aggregate function",
            ),
            (
                "/a/b.avro: Arrow error: Cast error: Cannot cast string 'VIEW' to value of Int64 type",
                "cannot convert 'VIEW' to BIGINT",
            ),
            (
                "not supported: Unsupported ast node Pivot { table: Table { name: ObjectName([Identifier(Ident { value: \"e\" })]) } }",
                "not supported: PIVOT",
            ),
            (
                "not supported: Unsupported JOIN operator AsOf { match_condition: BinaryOp { left: Identifier(Ident { value: \"a\" }) } }",
                "not supported: ASOF JOIN",
            ),
            (
                "Substring without for/from is not valid Substring { expr: Identifier(Ident { value: \"kind\", span: Span(Location(1,18)) }) }",
                "Substring without for/from is not valid",
            ),
            (
                "Function 'abs' expects Numeric but received String. No function matches the given name and argument types \
                 'abs(Dictionary(Int32, Utf8))'. You might need to add explicit type casts.\n\tCandidate functions:\n\tabs(Numeric(1))",
                "abs needs a number, not ENUM",
            ),
            (
                "Cannot infer common argument type for comparison operation Struct(\"city\": non-null Utf8View, \"zip\": Utf8View) = Int64",
                "cannot compare STRUCT(city VARCHAR, zip VARCHAR) with BIGINT",
            ),
            (
                "Cannot coerce arithmetic expression Int64 + Dictionary(Int32, Utf8) to valid types",
                "cannot compute BIGINT + ENUM",
            ),
            (
                "Cannot create filter with non-boolean predicate 'events/.id' returning Int64",
                "WHERE needs a condition, but id is BIGINT",
            ),
            (
                "Cannot access field at argument 1: type List(Utf8) is not Struct, Map, or Null",
                "VARCHAR[] has no fields; items of lists are [1], [2], ..",
            ),
            ("Expected LIMIT to be an integer or null, but got Utf8", "LIMIT must be an integer, not VARCHAR"),
            ("not supported: Unsupported SQL type int64", "there is no type `int64`; use BIGINT"),
            (
                "table function 'read_text' not found",
                "there is no table function `read_text`; FROM 'PATH' reads files of all formats",
            ),
            ("division by zero", "division by zero"),
            ("Expected: an expression, found: EOF", "expected an expression, found the end of the statement"),
            (
                "Expected: end of statement, found: frm at Line: 1, Column: 10",
                "expected the end of the statement, found `frm` at Line: 1, Column: 10",
            ),
            ("Expected: ), found: EOF", "expected `)`, found the end of the statement"),
            (
                "Unterminated string literal at Line: 1, Column: 8",
                "this text has no closing quote at Line: 1, Column: 8",
            ),
        ];
        check_all(cases, |(engine, expected)| {
            assert_eq!(plain(engine), expected);
        });
    }
}
