//! Maps index statistics of a file's column to a table's column, if the table's values keep the file's order.

use super::leaves::nullable;
use super::model::{Bounds, IndexColumn};
use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::DataType;
use avro_arrow::FieldMatch;
use avro_arrow::schema::{Kind, Logical, Node, NodeId, Schema};
use datafusion::arrow::compute::{CastOptions, cast_with_options};

/// Statistics of a table's column per block, in the table's type.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub(crate) nulls: UInt64Array,
    pub(crate) min: ArrayRef,
    pub(crate) max: ArrayRef,
    pub(crate) min_exact: BooleanArray,
    pub(crate) max_exact: BooleanArray,
    /// Whether exact bounds of the file are also exact in the table's type.
    pub(crate) keeps_exact: bool,
}

/// Converts the statistics of a file's column to the type of the table's column.
pub(crate) fn table_column(column: &IndexColumn, to: &DataType) -> Option<TableColumn> {
    let keeps_exact = order_kept(column.min.values.data_type(), to)?;
    let cast = |bounds: &Bounds| {
        // A bound that the table's type cannot hold becomes null: unknown.
        cast_with_options(&bounds.values, to, &CastOptions { safe: true, ..CastOptions::default() }).ok()
    };
    Some(TableColumn {
        nulls: column.nulls.clone(),
        min: cast(&column.min)?,
        max: cast(&column.max)?,
        min_exact: column.min.exact.clone(),
        max_exact: column.max.exact.clone(),
        keeps_exact,
    })
}

/// Returns `None` if a cast between these types changes the order of values, else whether it keeps every value.
fn order_kept(from: &DataType, to: &DataType) -> Option<bool> {
    use DataType::*;
    if from == to {
        return Some(true);
    }
    Some(match (from, to) {
        (Utf8, LargeUtf8 | Utf8View) | (Binary, LargeBinary | BinaryView) | (Int32, Int64) => true,
        (Utf8, Binary | LargeBinary | BinaryView) | (Binary, Utf8 | LargeUtf8 | Utf8View) => false,
        (Int32 | Int64, Float32 | Float64) | (Float32, Float64) => false,
        (Utf8, Dictionary(_, values)) if matches!(values.as_ref(), Utf8 | LargeUtf8 | Utf8View) => false,
        (Decimal128(from, a) | Decimal256(from, a), Decimal128(to, b) | Decimal256(to, b)) if from <= to && a == b => {
            true
        }
        _ => return None,
    })
}

/// Returns whether a table's column holds the values of the file's column of the same path, apart from promotions.
/// `reader` is the table's schema; without one, columns are matched by name and cast.
pub(crate) fn is_same_column(reader: Option<&Schema>, by: FieldMatch, file: &Schema, path: &str) -> bool {
    match reader {
        Some(reader) if reader.json() == file.json() => true,
        // Under matching by id, columns of the same name may be different ones.
        _ if by == FieldMatch::Id => false,
        Some(reader) => same_leaf(reader, file, path).unwrap_or(false),
        None => true,
    }
}

fn same_leaf(reader: &Schema, file: &Schema, path: &str) -> Option<bool> {
    let mut names = path.split('.');
    let (mut r, mut f) = (reader.root(), file.root());
    let is_record = |schema: &Schema, node: NodeId| matches!(schema.node(node).kind, Kind::Record(_));
    if !is_record(reader, r) && !is_record(file, f) {
        // A schema that is not a record has one column, and that has a name.
        names.next()?;
    }
    loop {
        (r, f) = (nullable(reader, r), nullable(file, f));
        match (is_record(reader, r), is_record(file, f), names.next()) {
            (true, true, Some(name)) => (r, f) = (field(reader, r, name)?, field(file, f, name)?),
            (false, false, None) => return Some(is_promoted(file.node(f), reader.node(r))),
            _ => return None,
        }
    }
}

fn field(schema: &Schema, node: NodeId, name: &str) -> Option<NodeId> {
    let Kind::Record(record) = &schema.node(node).kind else { return None };
    record.fields.iter().find(|field| field.name == name).map(|field| field.node)
}

/// Returns whether a value of the file's type, read as the reader's type, is the same or promoted.
fn is_promoted(file: &Node, reader: &Node) -> bool {
    use Kind::*;
    let same_logical = match (file.logical, reader.logical) {
        (Some(Logical::Decimal { scale: a, .. }), Some(Logical::Decimal { scale: b, .. })) => a == b,
        (a, b) => a == b,
    };
    let plain = file.logical.is_none() && reader.logical.is_none();
    match (&file.kind, &reader.kind) {
        (Boolean, Boolean) | (Int, Int) | (Long, Long) | (Float, Float) | (Double, Double) => same_logical,
        (Bytes, Bytes) | (String, String) => same_logical,
        (Fixed(a), Fixed(b)) => same_logical && a.size == b.size,
        // A symbol unknown to the reader becomes its default.
        (Enum(a), Enum(b)) => a.symbols.iter().all(|symbol| b.symbols.contains(symbol)),
        (Int, Long | Float | Double) | (Long, Float | Double) | (Float, Double) | (String, Bytes) | (Bytes, String) => {
            plain
        }
        (Enum(_), String) => reader.logical.is_none(),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_arrow::Limits;
    use avro_testing::check_all;

    #[test]
    fn is_same_column_compares_schemas() {
        let record = |ty: &str| format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{ty}}}]}}"#);
        let symbols = |symbols: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#);
        let inner = |ty: &str| {
            record(&format!(r#"["null",{{"type":"record","name":"s","fields":[{{"name":"b","type":{ty}}}]}}]"#))
        };
        let decimal = |precision: u8, scale: u8| {
            format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":{scale}}}"#)
        };
        // File schema, reader schema, path, and whether the column is the same.
        let cases = [
            (record(r#""int""#), record(r#""long""#), "a", true),
            (record(r#""int""#), record(r#"["null","double"]"#), "a", true),
            (record(r#"["null","int"]"#), record(r#""long""#), "a", true),
            (record(r#""long""#), record(r#""int""#), "a", false),
            (record(r#""int""#), record(r#"["null","int","string"]"#), "a", false),
            (record(r#""int""#), record(r#""long""#), "b", false),
            (record(r#""string""#), record(r#""bytes""#), "a", true),
            (inner(r#""int""#), inner(r#""long""#), "a.b", true),
            (inner(r#""int""#), inner(r#""long""#), "a", false),
            (inner(r#""int""#), record(r#""int""#), "a.b", false),
            (record(&symbols(r#""X","Y""#)), record(&symbols(r#""Y","X","Z""#)), "a", true),
            (record(&symbols(r#""X","Y""#)), record(&symbols(r#""X""#)), "a", false),
            (record(&symbols(r#""X","Y""#)), record(r#""string""#), "a", true),
            (record(&decimal(4, 2)), record(&decimal(9, 2)), "a", true),
            (record(&decimal(4, 2)), record(&decimal(9, 3)), "a", false),
            (record(r#"{"type":"long","logicalType":"timestamp-millis"}"#), record(r#""long""#), "a", false),
            (r#""int""#.to_owned(), r#""long""#.to_owned(), "value", true),
            (r#""int""#.to_owned(), record(r#""int""#), "value", false),
        ];
        check_all(cases, |(file, reader, path, expected)| {
            let parse = |json: &str| Schema::parse(json, &Limits::default()).unwrap();
            let (file, reader) = (parse(&file), parse(&reader));
            let same = |by| is_same_column(Some(&reader), by, &file, path);
            assert_eq!(same(FieldMatch::Name), expected, "{} {}", file.json(), reader.json());
            assert!(!same(FieldMatch::Id), "names say nothing then");
            assert!(is_same_column(Some(&file), FieldMatch::Id, &file, path));
        });
    }
}
