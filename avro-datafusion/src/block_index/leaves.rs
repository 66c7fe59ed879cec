//! Leaf columns that can be indexed: paths to all ordered values of a schema, and the Arrow types used to compare them.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema as ArrowSchema};
use avro_arrow::schema::{Kind, Logical, NodeId, Schema};
use avro_arrow::{Enums, Limits, Options, Program};
use datafusion::arrow::buffer::NullBuffer;
use std::collections::HashSet;

/// Maximum size of indexed `fixed` values.
const FIXED_MAX: usize = 64;

/// A column of the file, or a field inside structs of one, whose values have an order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    /// Names of the column and the fields, joined by dots.
    pub(crate) path: String,
    /// Avro type as text, without the null of a union.
    pub(crate) avro_type: String,
    /// Arrow type of the values when decoded with [`leaf_options`].
    pub(crate) data_type: DataType,
}

/// Returns the decoder options for indexed columns. Enums are decoded as strings, since symbol order differs between
/// schemas.
pub(crate) fn leaf_options(paths: Vec<String>, limits: &Limits) -> Options {
    Options::default().with_projection(Some(paths)).with_enums(Enums::String).with_limits(limits.clone())
}

/// Returns the leaves of a schema in order. Names that a path or a line of text cannot express are skipped.
pub(crate) fn leaves(schema: &Schema, limits: &Limits) -> avro_arrow::Result<Vec<Leaf>> {
    let mut walk = Walk { schema, found: vec![], left: limits.arrow_fields };
    match &schema.node(schema.root()).kind {
        Kind::Record(_) => walk.record(schema.root(), ""),
        _ => walk.value(schema.root(), "value"),
    }
    let paths = walk.found.iter().map(|(path, _)| path.clone()).collect();
    let program = Program::compile(schema, &leaf_options(paths, limits))?;
    let leaf = |(path, avro_type): (String, String)| {
        let data_type = type_at(program.arrow_schema(), &path)?.clone();
        is_ordered(&data_type).then_some(Leaf { path, avro_type, data_type })
    };
    Ok(walk.found.into_iter().filter_map(leaf).collect())
}

struct Walk<'a> {
    schema: &'a Schema,
    found: Vec<(String, String)>,
    /// Maximum number of visited fields: a few bytes of schema can expand without end.
    left: usize,
}

impl Walk<'_> {
    fn record(&mut self, node: NodeId, prefix: &str) {
        let schema = self.schema;
        let Kind::Record(record) = &schema.node(node).kind else { return };
        let mut names = HashSet::new();
        for field in &record.fields {
            // If two fields have the same name, a path means the first.
            if names.insert(field.name.as_str()) && is_plain(&field.name) {
                self.value(field.node, &format!("{prefix}{}", field.name));
            }
        }
    }

    fn value(&mut self, node: NodeId, path: &str) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        let node = nullable(self.schema, node);
        let value = self.schema.node(node);
        let ordered = match &value.kind {
            Kind::Record(_) if !self.schema.is_recursive(node) => return self.record(node, &format!("{path}.")),
            Kind::Fixed(fixed) => value.logical != Some(Logical::Duration) && (1..=FIXED_MAX).contains(&fixed.size),
            Kind::Null | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record(_) => false,
            _ => true,
        };
        let words = value.to_string();
        if ordered && !words.contains(char::is_control) {
            self.found.push((path.to_owned(), words));
        }
    }
}

/// Returns the non-null type of a union of null and one type, else the type itself.
pub(crate) fn nullable(schema: &Schema, node: NodeId) -> NodeId {
    let Kind::Union(branches) = &schema.node(node).kind else { return node };
    let mut others = branches.iter().filter(|branch| schema.node(**branch).kind != Kind::Null);
    match (others.next(), others.next()) {
        (Some(&only), None) => only,
        _ => node,
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '.' || c.is_control())
}

/// Returns whether an index can order values of this type.
fn is_ordered(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(
        data_type,
        Boolean
            | Int32
            | Int64
            | Float32
            | Float64
            | Utf8View
            | BinaryView
            | FixedSizeBinary(_)
            | Date32
            | Time32(_)
            | Time64(_)
            | Timestamp(_, _)
            | Decimal128(_, _)
            | Decimal256(_, _)
    )
}

fn type_at<'a>(schema: &'a ArrowSchema, path: &str) -> Option<&'a DataType> {
    let mut fields = schema.fields();
    let mut names = path.split('.').peekable();
    loop {
        let (_, field) = fields.find(names.next()?)?;
        match (names.peek(), field.data_type()) {
            (None, data_type) => return Some(data_type),
            (Some(_), DataType::Struct(inner)) => fields = inner,
            _ => return None,
        }
    }
}

/// Returns the values of a leaf, and which rows are null because a struct around them is.
pub(crate) fn column_at(batch: &RecordBatch, path: &str) -> Option<(ArrayRef, Option<NullBuffer>)> {
    let mut names = path.split('.');
    let mut array = batch.column_by_name(names.next()?)?;
    let mut around = None;
    for name in names {
        let inner = array.as_struct_opt()?;
        around = NullBuffer::union(around.as_ref(), inner.nulls());
        array = inner.column_by_name(name)?;
    }
    Some((array.clone(), around))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn leaves_lists_ordered_columns() {
        let record = |fields: &str| format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#);
        let cases = [
            (r#""long""#.to_owned(), "value:long:Int64"),
            (r#"["null","string"]"#.to_owned(), "value:string:Utf8View"),
            (r#"["int","string"]"#.to_owned(), ""),
            (
                record(r#"{"name":"a","type":"int"},{"name":"b","type":["double","null"]}"#),
                "a:int:Int32 b:double:Float64",
            ),
            (record(r#"{"name":"a","type":{"type":"array","items":"int"}},{"name":"n","type":"null"}"#), ""),
            (
                record(
                    r#"{"name":"s","type":["null",{"type":"record","name":"s","fields":[{"name":"x","type":"long"}]}]}"#,
                ),
                "s.x:long:Int64",
            ),
            (record(r#"{"name":"next","type":["null","r"]},{"name":"v","type":"float"}"#), "v:float:Float32"),
            (record(r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["B","A"]}}"#), "e:enum E:Utf8View"),
            (record(r#"{"name":"a.b","type":"int"},{"name":"c","type":"int"}"#), "c:int:Int32"),
            (
                record(
                    r#"{"name":"f","type":{"type":"fixed","name":"F","size":0}},{"name":"g","type":{"type":"fixed","name":"G","size":65}}"#,
                ),
                "",
            ),
            (
                record(r#"{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}}"#),
                "d:bytes (decimal(5, 2)):Decimal128(5, 2)",
            ),
        ];
        check_all(cases, |(json, expected)| {
            let limits = Limits::default();
            let schema = Schema::parse(&json, &limits).unwrap();
            let found = leaves(&schema, &limits).unwrap();
            let found: Vec<_> =
                found.iter().map(|leaf| format!("{}:{}:{}", leaf.path, leaf.avro_type, leaf.data_type)).collect();
            assert_eq!(found.join(" "), expected, "{json}");
        });
    }
}
