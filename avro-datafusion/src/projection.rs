//! Projection pushdown: the columns and nested fields that expressions use, and the columns to decode for them.
//!
//! `SELECT rec['a'], items[1]['b'] FROM t` needs only `a` of `rec`, and only `b` of the structs in the list `items`.
//! DataFusion passes such accesses to the scan as `get_field(rec, 'a')` and `get_field(array_element(items, 1), 'b')`.
//! The first finds the field by name, so it also works on a struct without the other fields. The second is rebuilt for
//! a list of such structs.

use crate::nested_nulls::is_get_field;
use crate::virtual_columns::is_virtual;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use avro_arrow::tagged::is_tagged;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::PhysicalExpr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The columns that expressions use, by index, and which nested fields of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProjectedColumns(BTreeMap<usize, FieldMask>);

/// The part of a value that expressions use.
#[derive(Debug, Clone, PartialEq)]
enum FieldMask {
    All,
    /// These fields of a struct.
    Fields(Vec<(String, FieldMask)>),
    /// This part of each item of a list.
    Items(Box<FieldMask>),
}

/// A step from a value to one inside it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ColumnStep<'a> {
    Field(&'a str),
    Item,
}

/// Columns to decode.
#[derive(Debug, Clone)]
pub(crate) struct DecodeColumns {
    /// Paths in the form of [`avro_arrow::Options::projection`].
    pub(crate) paths: Arc<[String]>,
    /// Schema of the decoded columns.
    pub(crate) schema: SchemaRef,
}

#[cfg(feature = "cache")]
impl DecodeColumns {
    /// Returns these columns and those of another set. A column of which they have different fields is taken from
    /// `full`, the schema before pruning.
    pub(crate) fn union(&self, other: &DecodeColumns, full: &Schema) -> DecodeColumns {
        let (mut paths, mut fields) = (self.paths.to_vec(), self.schema.fields().to_vec());
        for field in other.schema.fields() {
            let of_field = other.paths.iter().filter(|path| is_in(path, field.name())).cloned();
            match fields.iter_mut().find(|known| known.name() == field.name()) {
                None => {
                    fields.push(Arc::clone(field));
                    paths.extend(of_field);
                }
                Some(known) if known.data_type() != field.data_type() => {
                    if let Some((_, whole)) = full.fields().find(field.name()) {
                        *known = Arc::clone(whole);
                    }
                    paths.retain(|path| !is_in(path, field.name()));
                    paths.push(field.name().clone());
                }
                Some(_) => {}
            }
        }
        DecodeColumns { paths: paths.into(), schema: Arc::new(Schema::new(fields)) }
    }

    /// Returns the columns with these names.
    pub(crate) fn only(&self, is_wanted: impl Fn(&str) -> bool) -> DecodeColumns {
        let fields: Vec<_> = self.schema.fields().iter().filter(|field| is_wanted(field.name())).cloned().collect();
        let is_there = |path: &&String| fields.iter().any(|field| is_in(path, field.name()));
        DecodeColumns {
            paths: self.paths.iter().filter(is_there).cloned().collect(),
            schema: Arc::new(Schema::new(fields)),
        }
    }
}

/// Returns whether a path leads to a column or into it.
#[cfg(feature = "cache")]
fn is_in(path: &str, column: &str) -> bool {
    path.strip_prefix(column).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl ProjectedColumns {
    /// Collects what expressions use of columns of these fields. Columns beyond these, such as partition columns, are
    /// ignored.
    pub(crate) fn from_exprs<'a>(
        exprs: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>,
        fields: &Fields,
    ) -> ProjectedColumns {
        let mut parts = ProjectedColumns::default();
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

    fn add(&mut self, column: usize, path: &[ColumnStep]) {
        match self.0.get_mut(&column) {
            Some(part) => part.add(path),
            None => {
                self.0.insert(column, FieldMask::from_path(path));
            }
        }
    }

    /// Returns the indices of the columns, ascending.
    pub(crate) fn columns(&self) -> Vec<usize> {
        self.0.keys().copied().collect()
    }

    /// Returns whether the expressions use this column.
    pub(crate) fn has(&self, column: usize) -> bool {
        self.0.contains_key(&column)
    }

    /// Returns the columns to decode, by ascending index, without virtual columns. `full` is the schema before pruning;
    /// `schema` may already be pruned.
    pub(crate) fn decoded(&self, schema: &Schema, full: &Schema) -> DecodeColumns {
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
        DecodeColumns {
            paths: paths.into(),
            schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())),
        }
    }

    /// Returns the list type pruned to what the expressions use of its items, which are the values of `column`.
    pub(crate) fn of_items(&self, column: usize, list: &FieldRef) -> FieldRef {
        match self.0.get(&column) {
            Some(part) => FieldMask::Items(Box::new(part.clone())).of_column(list),
            None => Arc::clone(list),
        }
    }

    /// Returns the schema with used columns pruned; unused columns stay whole.
    pub(crate) fn narrow(&self, schema: &Schema) -> Schema {
        let narrow = |(i, field): (usize, &FieldRef)| match self.0.get(&i) {
            Some(part) => part.of_column(field),
            None => Arc::clone(field),
        };
        let fields = schema.fields().iter().enumerate().map(narrow).collect::<Fields>();
        Schema::new_with_metadata(fields, schema.metadata().clone())
    }
}

impl FieldMask {
    fn from_path(path: &[ColumnStep]) -> FieldMask {
        match path {
            [] => FieldMask::All,
            [ColumnStep::Field(name), rest @ ..] => {
                FieldMask::Fields(vec![((*name).to_owned(), FieldMask::from_path(rest))])
            }
            [ColumnStep::Item, rest @ ..] => FieldMask::Items(Box::new(FieldMask::from_path(rest))),
        }
    }

    fn add(&mut self, path: &[ColumnStep]) {
        match (&mut *self, path) {
            (FieldMask::All, _) => {}
            (FieldMask::Fields(fields), [ColumnStep::Field(first), rest @ ..]) => {
                match fields.iter_mut().find(|(name, _)| name == first) {
                    Some((_, part)) => part.add(rest),
                    None => fields.push(((*first).to_owned(), FieldMask::from_path(rest))),
                }
            }
            (FieldMask::Items(part), [ColumnStep::Item, rest @ ..]) => part.add(rest),
            _ => *self = FieldMask::All,
        }
    }

    fn of_column(&self, column: &FieldRef) -> FieldRef {
        // A path cannot express a name that contains a dot.
        if column.name().contains('.') { Arc::clone(column) } else { self.of_field(column) }
    }

    fn of_field(&self, field: &FieldRef) -> FieldRef {
        let narrow = match (self, field.data_type()) {
            (FieldMask::Fields(parts), DataType::Struct(fields)) => {
                let part = |field: &FieldRef| {
                    let (_, part) = parts.iter().find(|(name, _)| name == field.name())?;
                    Some(part.of_field(field))
                };
                DataType::Struct(fields.iter().filter_map(part).collect())
            }
            (FieldMask::Items(part), DataType::List(item)) => DataType::List(part.of_field(item)),
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(narrow))
    }
}

/// Appends the paths of the pruned type's leaves, relative to the whole type, in field order.
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
        // Paths skip list levels.
        (DataType::List(narrow), DataType::List(whole)) => {
            leaves(path, narrow.data_type(), whole.data_type(), paths);
        }
        _ => paths.push(path.to_owned()),
    }
}

/// Returns the column and the field names on the path if the expression is a column or a struct field of one; `None` if
/// the path leads through a list.
pub(crate) fn field_access<'a>(expr: &'a Arc<dyn PhysicalExpr>, fields: &'a Fields) -> Option<(usize, Vec<&'a str>)> {
    let (column, path) = access(expr, fields)?;
    let name = |step| match step {
        ColumnStep::Field(name) => Some(name),
        ColumnStep::Item => None,
    };
    Some((column, path.into_iter().map(name).collect::<Option<_>>()?))
}

/// Returns the column and the path if the expression is a column or a part of one.
fn access<'a>(expr: &'a Arc<dyn PhysicalExpr>, fields: &'a Fields) -> Option<(usize, Vec<ColumnStep<'a>>)> {
    let (column, path) = steps(expr, fields)?;
    is_path(fields.get(column)?, &path).then_some((column, path))
}

fn steps<'a>(expr: &'a Arc<dyn PhysicalExpr>, fields: &'a Fields) -> Option<(usize, Vec<ColumnStep<'a>>)> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return fields.get(column.index()).map(|_| (column.index(), vec![]));
    }
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let (base, arguments) = call.args().split_first()?;
    let (column, mut path) = steps(base, fields)?;
    if is_get_field(call.fun()) {
        for name in arguments {
            path.push(ColumnStep::Field(text(name)?));
        }
    } else if call.name() == "array_element" && arguments.iter().all(|index| index.is::<Literal>()) {
        path.push(ColumnStep::Item);
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

/// Returns whether each step leads to one field of a struct, or into a list. Names with dots cannot be in paths.
fn is_path(column: &Field, path: &[ColumnStep]) -> bool {
    let mut field = column;
    for step in path {
        field = match (step, field.data_type()) {
            // Tagged structs stand for unions, which are decoded whole.
            (ColumnStep::Field(name), DataType::Struct(fields)) if !name.contains('.') && !is_tagged(fields) => {
                let mut named = fields.iter().filter(|field| field.name() == name);
                let (Some(next), None) = (named.next(), named.next()) else { return false };
                next
            }
            (ColumnStep::Item, DataType::List(item)) => item,
            _ => return false,
        };
    }
    true
}

/// Rebuilds an expression for pruned columns: functions with other argument types have other return types.
pub(crate) fn rebuild_for_pruned_schema(
    expr: &Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    let rebuild = |expr: Arc<dyn PhysicalExpr>| {
        let depends = |call: &&ScalarFunctionExpr| call.name() == "array_element" || is_get_field(call.fun());
        let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>().filter(depends) else {
            return Ok(Transformed::no(expr));
        };
        let (fun, args) = (Arc::new(call.fun().clone()), call.args().to_vec());
        let rebuilt = ScalarFunctionExpr::try_new(fun, args, schema, Arc::new(call.config_options().clone()))?;
        Ok(Transformed::yes(Arc::new(rebuilt) as Arc<dyn PhysicalExpr>))
    };
    Arc::clone(expr).transform_up(rebuild).data()
}
