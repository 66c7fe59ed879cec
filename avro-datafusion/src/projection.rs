//! Which parts of columns a query looks at: its expressions in; the paths to decode, and the columns that come of them, out.
//!
//! `SELECT rec['a'], items[1]['b'] FROM t` needs of `rec` only `a`, and of the structs in the list `items` only `b`. DataFusion hands such
//! accesses to the scan as `get_field(rec, 'a')` and `get_field(array_element(items, 1), 'b')`. The first finds the field by its name in
//! whatever struct it is given: one with the other fields left out does as well. The second is made anew for such a list.

use crate::virtual_columns::is_virtual;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use avro_arrow::tagged::is_tagged;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::PhysicalExpr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of which columns what is looked at, by the columns' indices.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(BTreeMap<usize, Part>);

/// What of a column, or of what is in it.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    All,
    /// These fields of the struct.
    Fields(Vec<(String, Part)>),
    /// This of each item of the list.
    Items(Box<Part>),
}

/// A step from a column to what is in it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step<'a> {
    Field(&'a str),
    Item,
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

    fn add(&mut self, column: usize, path: &[Step]) {
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

    /// Is anything of this column looked at?
    pub(crate) fn has(&self, column: usize) -> bool {
        self.0.contains_key(&column)
    }

    /// The columns to decode, in the order of their indices. Virtual ones are not. The schema may be one whose columns have been narrowed before, from
    /// those of `full`.
    pub(crate) fn decoded(&self, schema: &Schema, full: &Schema) -> Decoded {
        let mut paths = vec![];
        let mut fields = vec![];
        for (&column, part) in &self.0 {
            let (Some(field), Some(whole)) = (schema.fields().get(column), full.fields().get(column)) else { continue };
            if is_virtual(field) {
                continue;
            }
            let narrow = part.of_column(field);
            leaves(field.name(), narrow.data_type(), whole.data_type(), &mut paths);
            fields.push(narrow);
        }
        Decoded { paths: paths.into(), schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())) }
    }

    /// Of each item of a list, what these parts say of the items of that column.
    pub(crate) fn of_items(&self, column: usize, list: &FieldRef) -> FieldRef {
        match self.0.get(&column) {
            Some(part) => Part::Items(Box::new(part.clone())).of_column(list),
            None => Arc::clone(list),
        }
    }

    /// All columns of the schema, each with only what is looked at; those that are not looked at as they are.
    pub(crate) fn narrow(&self, schema: &Schema) -> Schema {
        let narrow = |(i, field): (usize, &FieldRef)| match self.0.get(&i) {
            Some(part) => part.of_column(field),
            None => Arc::clone(field),
        };
        let fields = schema.fields().iter().enumerate().map(narrow).collect::<Fields>();
        Schema::new_with_metadata(fields, schema.metadata().clone())
    }
}

impl Part {
    fn of(path: &[Step]) -> Part {
        match path {
            [] => Part::All,
            [Step::Field(name), rest @ ..] => Part::Fields(vec![((*name).to_owned(), Part::of(rest))]),
            [Step::Item, rest @ ..] => Part::Items(Box::new(Part::of(rest))),
        }
    }

    fn add(&mut self, path: &[Step]) {
        match (&mut *self, path) {
            (Part::All, _) => {}
            (Part::Fields(fields), [Step::Field(first), rest @ ..]) => {
                match fields.iter_mut().find(|(name, _)| name == first) {
                    Some((_, part)) => part.add(rest),
                    None => fields.push(((*first).to_owned(), Part::of(rest))),
                }
            }
            (Part::Items(part), [Step::Item, rest @ ..]) => part.add(rest),
            _ => *self = Part::All,
        }
    }

    fn of_column(&self, column: &FieldRef) -> FieldRef {
        // A name with a dot in it would be another path.
        if column.name().contains('.') { Arc::clone(column) } else { self.of_field(column) }
    }

    fn of_field(&self, field: &FieldRef) -> FieldRef {
        let narrow = match (self, field.data_type()) {
            (Part::Fields(parts), DataType::Struct(fields)) => {
                let part = |field: &FieldRef| {
                    let (_, part) = parts.iter().find(|(name, _)| name == field.name())?;
                    Some(part.of_field(field))
                };
                DataType::Struct(fields.iter().filter_map(part).collect())
            }
            (Part::Items(part), DataType::List(item)) => DataType::List(part.of_field(item)),
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(narrow))
    }
}

/// Appends the paths to what a type has of another one that has more, in the order of its fields.
fn leaves(path: &str, narrow: &DataType, whole: &DataType, paths: &mut Vec<String>) {
    match (narrow, whole) {
        (narrow, whole) if narrow == whole => paths.push(path.to_owned()),
        (DataType::Struct(narrow), DataType::Struct(whole)) => {
            for field in narrow {
                if let Some((_, whole)) = whole.find(field.name()) {
                    leaves(&format!("{path}.{}", field.name()), field.data_type(), whole.data_type(), paths);
                }
            }
        }
        // Paths go through lists.
        (DataType::List(narrow), DataType::List(whole)) => {
            leaves(path, narrow.data_type(), whole.data_type(), paths);
        }
        _ => paths.push(path.to_owned()),
    }
}

/// The column that an expression is, or is a field of, and the names on the way to it. None where there is a list on the way.
pub(crate) fn field_access<'a>(expr: &'a Arc<dyn PhysicalExpr>, fields: &'a Fields) -> Option<(usize, Vec<&'a str>)> {
    let (column, path) = access(expr, fields)?;
    let name = |step| match step {
        Step::Field(name) => Some(name),
        Step::Item => None,
    };
    Some((column, path.into_iter().map(name).collect::<Option<_>>()?))
}

/// The column that an expression is, or is a part of, and the way to it.
fn access<'a>(expr: &'a Arc<dyn PhysicalExpr>, fields: &'a Fields) -> Option<(usize, Vec<Step<'a>>)> {
    let (column, path) = steps(expr, fields)?;
    is_path(fields.get(column)?, &path).then_some((column, path))
}

fn steps<'a>(expr: &'a Arc<dyn PhysicalExpr>, fields: &'a Fields) -> Option<(usize, Vec<Step<'a>>)> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return fields.get(column.index()).map(|_| (column.index(), vec![]));
    }
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let (base, arguments) = call.args().split_first()?;
    let (column, mut path) = steps(base, fields)?;
    if ScalarFunctionExpr::try_downcast_func::<GetFieldFunc>(expr.as_ref()).is_some() {
        for name in arguments {
            path.push(Step::Field(text(name)?));
        }
    } else if call.name() == "array_element" && arguments.iter().all(|index| index.is::<Literal>()) {
        path.push(Step::Item);
    } else {
        return None;
    }
    Some((column, path))
}

fn text(expr: &Arc<dyn PhysicalExpr>) -> Option<&str> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            Some(text)
        }
        _ => None,
    }
}

/// Does each step lead to one field of a struct, or into a list? A name with a dot in it would be another path.
fn is_path(column: &Field, path: &[Step]) -> bool {
    let mut field = column;
    for step in path {
        field = match (step, field.data_type()) {
            // A union is read whole.
            (Step::Field(name), DataType::Struct(fields)) if !name.contains('.') && !is_tagged(fields) => {
                let mut named = fields.iter().filter(|field| field.name() == name);
                let (Some(next), None) = (named.next(), named.next()) else { return false };
                next
            }
            (Step::Item, DataType::List(item)) => item,
            _ => return false,
        };
    }
    true
}

/// An expression over narrowed columns: functions whose arguments have other types than before return other types.
pub(crate) fn over_narrowed(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let anew = |expr: Arc<dyn PhysicalExpr>| {
        let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>().filter(|call| call.name() == "array_element") else {
            return Ok(Transformed::no(expr));
        };
        let (fun, args) = (Arc::new(call.fun().clone()), call.args().to_vec());
        let anew = ScalarFunctionExpr::try_new(fun, args, schema, Arc::new(call.config_options().clone()))?;
        Ok(Transformed::yes(Arc::new(anew) as Arc<dyn PhysicalExpr>))
    };
    Arc::clone(expr).transform_up(anew).data()
}
