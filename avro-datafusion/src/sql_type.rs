//! Names of types as SQL writes them: `VARCHAR`, `DECIMAL(12, 2)`, `STRUCT(city VARCHAR, zip VARCHAR)`.

use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use avro_arrow::schema::ENUM_SYMBOLS;
use avro_arrow::tagged;

/// Returns the SQL name of a field's type.
///
/// | Arrow | SQL |
/// |---|---|
/// | `Utf8View` | `VARCHAR` |
/// | `Binary` | `BYTEA`; a fixed of 4 bytes is `FIXED(4)`, a uuid `UUID` |
/// | `Dictionary(Int32, Utf8)` | `ENUM`; `ENUM('A', 'B')` after a cast to it |
/// | `Timestamp(ms, "UTC")` | `TIMESTAMPTZ(3)`, without a zone `TIMESTAMP(3)` |
/// | `List(Int64)` | `BIGINT[]` |
/// | `Map(Utf8, Int64)` | `MAP(VARCHAR, BIGINT)` |
/// | `Struct` | `STRUCT(a BIGINT, b VARCHAR)`; a tagged struct is a union |
/// | `Union` | `UNION(int INTEGER, string VARCHAR)` |
///
/// ```
/// use avro_datafusion::sql_type_name;
/// use datafusion::arrow::datatypes::{DataType, Field};
///
/// let tags = Field::new_list("tags", Field::new_list_field(DataType::Utf8View, false), true);
/// assert_eq!(sql_type_name(&tags), "VARCHAR[]");
/// ```
pub fn sql_type_name(field: &Field) -> String {
    match field.data_type() {
        DataType::FixedSizeBinary(16) if field.extension_type_name() == Some("arrow.uuid") => "UUID".to_owned(),
        other => match symbols_of(field) {
            Some(symbols) => sql_enum_name(&symbols),
            None => type_name(other),
        },
    }
}

/// Returns the symbols of an enum that a statement declares.
pub(crate) fn symbols_of(field: &Field) -> Option<Vec<String>> {
    let DataType::Dictionary(..) = field.data_type() else { return None };
    Some(field.metadata().get(ENUM_SYMBOLS)?.split('\n').map(str::to_owned).collect())
}

/// Returns the SQL name of an enum of these symbols, such as `ENUM('A', 'B')`.
pub fn sql_enum_name(symbols: &[String]) -> String {
    let quoted: Vec<_> = symbols.iter().map(|symbol| format!("'{}'", symbol.replace('\'', "''"))).collect();
    format!("ENUM({})", quoted.join(", "))
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INTEGER UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".to_owned(),
        DataType::FixedSizeBinary(bytes) => format!("FIXED({bytes})"),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMPTZ({})", digits(*unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(*unit)),
        DataType::Duration(_) | DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "ENUM".to_owned(),
            values => type_name(values),
        },
        DataType::RunEndEncoded(_, values) => sql_type_name(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            format!("{}[]", sql_type_name(item))
        }
        DataType::FixedSizeList(item, size) => format!("{}[{size}]", sql_type_name(item)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry) if entry.len() == 2 => {
                format!("MAP({})", entry.iter().map(|field| sql_type_name(field)).collect::<Vec<_>>().join(", "))
            }
            _ => "MAP".to_owned(),
        },
        DataType::Struct(fields) if tagged::is_tagged(fields) => format!("UNION({})", named(fields.iter())),
        DataType::Struct(fields) => format!("STRUCT({})", named(fields.iter())),
        DataType::Union(branches, _) => {
            let is_value = |branch: &&FieldRef| *branch.data_type() != DataType::Null;
            format!("UNION({})", named(branches.iter().map(|(_, branch)| branch).filter(is_value)))
        }
    }
}

/// Returns the names and types of fields.
fn named<'a>(fields: impl Iterator<Item = &'a FieldRef>) -> String {
    let one = |field: &FieldRef| format!("{} {}", identifier(field.name()), sql_type_name(field));
    fields.map(one).collect::<Vec<_>>().join(", ")
}

/// Returns a name as SQL writes it, in quotes if it needs them.
fn identifier(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match is_plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Returns the digits after the second.
fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{Fields, IntervalUnit, UnionFields, UnionMode};
    use avro_testing::check_all;
    use std::collections::HashMap;
    use std::sync::Arc;

    #[test]
    fn sql_type_name_of_each_kind_of_type_is_sql() {
        use DataType::*;
        let text = |name: &str| Field::new(name, Utf8View, false);
        let record = Struct(Fields::from(vec![text("city"), Field::new("Zip code", Int32, true)]));
        let entries = Struct(Fields::from(vec![text("key"), Field::new("value", Int64, true)]));
        let branches = [(0, Arc::new(Field::new("null", Null, true))), (1, Arc::new(Field::new("int", Int32, false)))];
        let branch = |name: &str, of: DataType, at: &str| {
            Field::new(name, of, true).with_metadata(HashMap::from([("avro.branch".to_owned(), at.to_owned())]))
        };
        let tagged = Struct(Fields::from(vec![branch("int", Int32, "0/2"), branch("string", Utf8View, "1/2")]));
        let cases = [
            (Utf8View, "VARCHAR"),
            (List(Arc::new(Field::new_list_field(Int64, false))), "BIGINT[]"),
            (FixedSizeList(Arc::new(Field::new_list_field(Float32, true)), 3), "FLOAT[3]"),
            (record.clone(), "STRUCT(city VARCHAR, \"Zip code\" INTEGER)"),
            (List(Arc::new(Field::new_list_field(record, true))), "STRUCT(city VARCHAR, \"Zip code\" INTEGER)[]"),
            (Map(Arc::new(Field::new("entries", entries, false)), false), "MAP(VARCHAR, BIGINT)"),
            (Union(branches.into_iter().collect::<UnionFields>(), UnionMode::Dense), "UNION(int INTEGER)"),
            (tagged, "UNION(int INTEGER, string VARCHAR)"),
            (Dictionary(Box::new(Int32), Box::new(Utf8)), "ENUM"),
            (Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "TIMESTAMPTZ(6)"),
            (Timestamp(TimeUnit::Nanosecond, None), "TIMESTAMP(9)"),
            (Time32(TimeUnit::Millisecond), "TIME(3)"),
            (Interval(IntervalUnit::MonthDayNano), "INTERVAL"),
            (FixedSizeBinary(16), "FIXED(16)"),
            (Decimal128(10, 2), "DECIMAL(10, 2)"),
        ];
        check_all(cases, |(of, expected)| {
            assert_eq!(sql_type_name(&Field::new("x", of, true)), expected);
        });
    }
}
