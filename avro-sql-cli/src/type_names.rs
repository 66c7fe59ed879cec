//! Translates Arrow's type names and the engine's literals in messages into SQL's.
//!
//! `Utf8View` becomes `VARCHAR`, `List(Int64)` becomes `BIGINT[]`, and `Int64(1)`, the engine's form of a literal,
//! becomes `1`.

use std::fmt::Write;

use avro_datafusion::sql_type_name;
use datafusion::arrow::datatypes::{DataType, Field};

/// Maximum nesting of types. A message with deeper types is left unchanged.
const DEPTH_MAX: usize = 32;

/// Returns the text with SQL's names.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let is_start = c.is_ascii_uppercase()
            && !before.is_some_and(|c: char| c.is_alphanumeric() || c == '_' || c == '`' || c == '.');
        let found = if is_start { literal(rest).or_else(|| data_type(rest, 0)) } else { None };
        match found {
            Some((name, after)) if !after.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '`') => {
                out.push_str(&name);
                before = name.chars().next_back();
                rest = after;
            }
            _ => {
                out.push(c);
                before = Some(c);
                rest = rest.get(c.len_utf8()..).unwrap_or("");
            }
        }
    }
    out
}

/// Parses an Arrow type as it is displayed; returns its SQL name and the text after it.
fn data_type(text: &str, depth: usize) -> Option<(String, &str)> {
    if depth > DEPTH_MAX {
        return None;
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    if let Some(name) = without_children(word) {
        return Some((name, after)).filter(|_| !after.starts_with('('));
    }
    let inside = after.strip_prefix('(')?;
    match word {
        "List" | "LargeList" | "ListView" | "LargeListView" => {
            let (item, rest) = data_type(not_null(inside), depth + 1)?;
            Some((format!("{item}[]"), close(rest)?))
        }
        "FixedSizeList" => {
            let (size, rest) = inside.split_once(" x ")?;
            let (item, rest) = data_type(not_null(rest), depth + 1)?;
            Some((format!("{item}[{size}]"), close(rest)?))
        }
        "Struct" => {
            let is_union = is_union(inside, depth);
            let (fields, rest) = fields(inside, depth)?;
            if is_union {
                let branches = fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
                return Some((format!("UNION({branches})"), rest));
            }
            let fields = fields.iter().map(|(name, of)| format!("{name} {of}")).collect::<Vec<_>>().join(", ");
            Some((format!("STRUCT({fields})"), rest))
        }
        "Map" => {
            let (_, rest) = quoted(inside)?;
            let (entries, rest) = fields(not_null(rest.strip_prefix(": ")?).strip_prefix("Struct(")?, depth)?;
            let [(_, key), (_, value)] = entries.as_slice() else { return None };
            Some((format!("MAP({key}, {value})"), close(rest)?))
        }
        "Union" => {
            let mut rest = inside.strip_prefix("Dense").or_else(|| inside.strip_prefix("Sparse"))?;
            let mut branches = Vec::new();
            while let Some(branch) = rest.strip_prefix(", ") {
                let (_, branch) = branch.split_once(": (")?;
                let (of, after) = fields(branch, depth)?;
                branches.extend(of.into_iter().map(|(name, _)| name));
                rest = after;
            }
            Some((format!("UNION({})", branches.join(", ")), rest.strip_prefix(')')?))
        }
        "Dictionary" => {
            let (_, rest) = data_type(inside, depth + 1)?;
            let (value, rest) = data_type(rest.strip_prefix(", ")?, depth + 1)?;
            let name = if value == "VARCHAR" { "ENUM".to_owned() } else { value };
            Some((name, rest.strip_prefix(')')?))
        }
        _ => {
            let (of, rest) = text.split_at(text.find(')')? + 1);
            Some((without_children(of)?, rest))
        }
    }
}

/// Whether these struct fields are those of a tagged union, whose first field names the branch.
fn is_union(fields: &str, depth: usize) -> bool {
    let after_name = quoted(fields).and_then(|(_, rest)| rest.strip_prefix(": "));
    let after = after_name.and_then(|rest| data_type(not_null(rest), depth + 1)).map(|(_, rest)| rest);
    let metadata = after.and_then(|rest| rest.strip_prefix(", metadata: {")).and_then(|rest| rest.split('}').next());
    metadata.is_some_and(|metadata| metadata.contains("\"avro.branch\": "))
}

/// Returns the SQL name of an Arrow type that contains no other types.
fn without_children(text: &str) -> Option<String> {
    let of: DataType = text.parse().ok()?;
    (!of.is_nested()).then(|| sql_type_name(&Field::new("", of, true)))
}

/// Parses the struct fields `"name": Type, "name": Type)`; returns names, types and the text after them.
fn fields(mut text: &str, depth: usize) -> Option<(Vec<(String, String)>, &str)> {
    let mut found = Vec::new();
    loop {
        if let Some(rest) = text.strip_prefix(')') {
            return Some((found, rest));
        }
        let (name, rest) = quoted(text)?;
        let (of, rest) = data_type(not_null(rest.strip_prefix(": ")?), depth + 1)?;
        found.push((name, of));
        let rest = metadata(rest);
        text = rest.strip_prefix(", ").unwrap_or(rest);
    }
}

fn not_null(text: &str) -> &str {
    text.strip_prefix("non-null ").unwrap_or(text)
}

/// Skips the field name, metadata and key order before the closing parenthesis of a list or map.
fn close(text: &str) -> Option<&str> {
    let text = metadata(text);
    let text = match text.strip_prefix(", field: '") {
        Some(name) => name.split_once('\'')?.1,
        None => text,
    };
    let text = metadata(text);
    let text = text.strip_prefix(", unsorted").or_else(|| text.strip_prefix(", sorted")).unwrap_or(text);
    text.strip_prefix(')')
}

/// Skips `, metadata: {..}`.
fn metadata(text: &str) -> &str {
    let Some(mut rest) = text.strip_prefix(", metadata: {") else { return text };
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        rest = match quoted(rest) {
            Some((_, after)) => after,
            None => match rest.chars().next() {
                Some(c) => rest.get(c.len_utf8()..).unwrap_or(""),
                None => return text,
            },
        };
    }
}

/// Parses a double-quoted string as Rust's `{:?}` prints it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((content, text.get(at + 2..)?)),
            '\\' => content.push(chars.next()?.1),
            c => content.push(c),
        }
    }
    None
}

/// Parses a literal as the engine prints it; returns SQL's form and the text after it.
fn literal(text: &str) -> Option<(String, &str)> {
    let (word, inside) = text.split_once('(')?;
    let is_text = matches!(word, "Utf8" | "LargeUtf8" | "Utf8View");
    let is_date = matches!(word, "Date32" | "Date64");
    if let Some(rest) = inside.strip_prefix("NULL)").filter(|_| without_children(word).is_some()) {
        return Some(("NULL".to_owned(), rest));
    }
    if is_text || is_date {
        let (content, rest) = quoted(inside)?;
        let prefix = if is_date { "DATE " } else { "" };
        return Some((format!("{prefix}'{}'", content.replace('\'', "''")), rest.strip_prefix(')')?));
    }
    if let Some(digits) = inside.strip_prefix("Some(").filter(|_| matches!(word, "Decimal128" | "Decimal256")) {
        let (digits, rest) = digits.split_once("),")?;
        let (scale, rest) = rest.split_once(',')?.1.split_once(')')?;
        return Some((decimal(digits, scale.parse().ok()?)?, rest));
    }
    let is_number = matches!(word, "Boolean" | "Float16" | "Float32" | "Float64")
        || word
            .strip_prefix("UInt")
            .or_else(|| word.strip_prefix("Int"))
            .is_some_and(|bits| bits.parse::<u8>().is_ok());
    let (content, rest) = inside.split_once(')').filter(|_| is_number)?;
    let is_plain = content.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (is_plain && !content.is_empty()).then(|| (content.to_owned(), rest))
}

/// Inserts the decimal point into the digits of a decimal.
fn decimal(digits: &str, scale: usize) -> Option<String> {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at_checked(digits.len() - scale)?;
    let mut text = format!("{sign}{whole}");
    if !part.is_empty() {
        write!(text, ".{part}").ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;
    use datafusion::arrow::datatypes::{Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode};
    use std::collections::HashMap;
    use std::sync::Arc;

    #[test]
    fn types_have_their_sql_names() {
        use DataType::*;
        let text = |name: &str| Field::new(name, Utf8View, false);
        let noted = text("city").with_metadata(HashMap::from([("avro.name".to_owned(), "a\"}, b".to_owned())]));
        let record = Struct(Fields::from(vec![noted, Field::new("n", Int32, true)]));
        let entries = Struct(Fields::from(vec![text("key"), Field::new("value", Int64, true)]));
        let branches = [(0, Arc::new(Field::new("null", Null, true))), (1, Arc::new(Field::new("int", Int32, false)))];
        let cases = [
            (Utf8View, "VARCHAR"),
            (List(Arc::new(Field::new_list_field(Int64, false))), "BIGINT[]"),
            (
                List(Arc::new(Field::new("element", List(Arc::new(Field::new_list_field(Utf8, true))), true))),
                "VARCHAR[][]",
            ),
            (FixedSizeList(Arc::new(Field::new_list_field(Float32, true)), 3), "FLOAT[3]"),
            (record.clone(), "STRUCT(city VARCHAR, n INTEGER)"),
            (List(Arc::new(Field::new_list_field(record, true))), "STRUCT(city VARCHAR, n INTEGER)[]"),
            (Map(Arc::new(Field::new("entries", entries, false)), false), "MAP(VARCHAR, BIGINT)"),
            (Union(branches.into_iter().collect::<UnionFields>(), UnionMode::Dense), "UNION(null, int)"),
            (Dictionary(Box::new(Int32), Box::new(Utf8)), "ENUM"),
            (Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "TIMESTAMPTZ(6)"),
            (Timestamp(TimeUnit::Nanosecond, None), "TIMESTAMP(9)"),
            (Time32(TimeUnit::Millisecond), "TIME(3)"),
            (Interval(IntervalUnit::MonthDayNano), "INTERVAL"),
            (FixedSizeBinary(16), "FIXED(16)"),
            (Decimal128(10, 2), "DECIMAL(10, 2)"),
        ];
        check_all(cases, |(of, expected)| {
            assert_eq!(plain(&of.to_string()), expected);
            assert_eq!(plain(&format!("a {of}, b")), format!("a {expected}, b"));
        });
    }

    #[test]
    fn literals_are_written_as_in_sql() {
        let cases = [
            ("count(Int64(1)) > Int64(-5)", "count(1) > -5"),
            ("a = Utf8(\"it's\") AND b", "a = 'it''s' AND b"),
            ("Decimal128(Some(-5),10,2)", "-0.05"),
            ("Decimal128(Some(1234),10,2) + Float64(0.5)", "12.34 + 0.5"),
            ("Boolean(true) OR Int64(NULL) IS NULL", "true OR NULL IS NULL"),
            ("Date32(\"2024-01-01\")", "DATE '2024-01-01'"),
        ];
        check_all(cases, |(engine, expected)| {
            assert_eq!(plain(engine), expected);
        });
    }

    #[test]
    fn plain_keeps_other_words() {
        for text in
            ["", "List of files", "`Int64` is a column", "t.Utf8", "MyInt64", "Struct", "Map(", "Int64x", "Él Date32x"]
        {
            assert_eq!(plain(text), text);
        }
    }
}
