//! Which parts of columns a query looks at: its expressions in; the paths to decode, and the columns that come of them, out.
//!
//! `SELECT rec['a'] FROM t` needs of `rec` only `a`. DataFusion hands such accesses to the scan as `get_field(rec, 'a')`, which finds
//! the field by its name in whatever struct it is given: one with the other fields left out does as well.

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::PhysicalExpr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of which columns what is looked at, by the columns' indices.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(BTreeMap<usize, Part>);

/// What of a column, or of a field in it.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    All,
    /// These fields of the struct.
    Fields(Vec<(String, Part)>),
}

/// Columns to decode.
#[derive(Debug, Clone)]
pub(crate) struct Decoded {
    /// Their paths, as [`avro_arrow::Options::projection`] has them.
    pub(crate) paths: Arc<[String]>,
    /// What comes of them.
    pub(crate) schema: SchemaRef,
}

impl Parts {
    /// Of columns of these fields. What the expressions need beyond them, such as partition columns, is passed over.
    pub(crate) fn of<'a>(exprs: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>, fields: &Fields) -> Parts {
        let mut parts = Parts::default();
        for expr in exprs {
            let visited = expr.apply(|expr| {
                Ok(match access(expr, fields) {
                    Some((column, path)) => {
                        parts.add(column, &path);
                        TreeNodeRecursion::Jump
                    }
                    None => TreeNodeRecursion::Continue,
                })
            });
            debug_assert!(visited.is_ok(), "the visitor does not fail");
        }
        parts
    }

    fn add(&mut self, column: usize, path: &[&str]) {
        match self.0.get_mut(&column) {
            Some(part) => part.add(path),
            None => {
                self.0.insert(column, Part::of(path));
            }
        }
    }

    /// The indices of the columns, ascending.
    pub(crate) fn columns(&self) -> Vec<usize> {
        self.0.keys().copied().collect()
    }

    /// The columns to decode, in the order of their indices.
    pub(crate) fn decoded(&self, schema: &Schema) -> Decoded {
        let mut paths = vec![];
        let mut fields = vec![];
        for (&column, part) in &self.0 {
            let Some(field) = schema.fields().get(column) else { continue };
            part.paths(field.name(), field, &mut paths);
            fields.push(part.of_field(field));
        }
        Decoded { paths: paths.into(), schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())) }
    }

    /// All columns of the schema, each with only what is looked at; those that are not looked at as they are.
    pub(crate) fn narrow(&self, schema: &Schema) -> Schema {
        let narrow = |(i, field): (usize, &FieldRef)| match self.0.get(&i) {
            Some(part) => part.of_field(field),
            None => Arc::clone(field),
        };
        let fields = schema.fields().iter().enumerate().map(narrow).collect::<Fields>();
        Schema::new_with_metadata(fields, schema.metadata().clone())
    }
}

impl Part {
    fn of(path: &[&str]) -> Part {
        match path {
            [] => Part::All,
            [first, rest @ ..] => Part::Fields(vec![((*first).to_owned(), Part::of(rest))]),
        }
    }

    fn add(&mut self, path: &[&str]) {
        match (&mut *self, path) {
            (Part::All, _) => {}
            (_, []) => *self = Part::All,
            (Part::Fields(fields), [first, rest @ ..]) => match fields.iter_mut().find(|(name, _)| name == first) {
                Some((_, part)) => part.add(rest),
                None => fields.push(((*first).to_owned(), Part::of(rest))),
            },
        }
    }

    /// Appends the paths to all leaves, in the order of the fields of the type.
    fn paths(&self, path: &str, field: &Field, paths: &mut Vec<String>) {
        match (self, field.data_type()) {
            (Part::Fields(parts), DataType::Struct(fields)) => {
                for field in fields {
                    if let Some((name, part)) = parts.iter().find(|(name, _)| name == field.name()) {
                        part.paths(&format!("{path}.{name}"), field, paths);
                    }
                }
            }
            _ => paths.push(path.to_owned()),
        }
    }

    fn of_field(&self, field: &FieldRef) -> FieldRef {
        match (self, field.data_type()) {
            (Part::Fields(parts), DataType::Struct(fields)) => {
                let part = |field: &FieldRef| {
                    let (_, part) = parts.iter().find(|(name, _)| name == field.name())?;
                    Some(part.of_field(field))
                };
                let fields = fields.iter().filter_map(part).collect::<Fields>();
                Arc::new(field.as_ref().clone().with_data_type(DataType::Struct(fields)))
            }
            _ => Arc::clone(field),
        }
    }
}

/// The column that an expression is, or is a field of, and the names on the way to it.
pub(crate) fn access<'a>(expr: &'a Arc<dyn PhysicalExpr>, fields: &'a Fields) -> Option<(usize, Vec<&'a str>)> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return fields.get(column.index()).map(|_| (column.index(), vec![]));
    }
    let call = ScalarFunctionExpr::try_downcast_func::<GetFieldFunc>(expr.as_ref())?;
    let (base, names) = call.args().split_first()?;
    let (column, mut path) = access(base, fields)?;
    for name in names {
        path.push(text(name)?);
    }
    is_struct_path(fields.get(column)?, &path).then_some((column, path))
}

fn text(expr: &Arc<dyn PhysicalExpr>) -> Option<&str> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            Some(text)
        }
        _ => None,
    }
}

/// Does each name stand for one field of a struct? A name with a dot in it would be another path.
fn is_struct_path(column: &Field, path: &[&str]) -> bool {
    let mut field = column;
    for name in path {
        let DataType::Struct(fields) = field.data_type() else { return false };
        let mut named = fields.iter().filter(|field| field.name() == name);
        let (Some(next), None) = (named.next(), named.next()) else { return false };
        if name.contains('.') {
            return false;
        }
        field = next;
    }
    path.is_empty() || !column.name().contains('.')
}
