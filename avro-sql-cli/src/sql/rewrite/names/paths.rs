//! Names in expressions: rewrites `e.address.city`, `ADDRESS['city']`, `items[1].price` with exact names, in a form
//! that DataFusion reads.

use avro_arrow::tagged::is_tagged;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result, TableReference, plan_datafusion_err, plan_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ExprSchemable;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, ExprWithAlias, Ident, Query, Subscript, Value, VisitMut, VisitorMut,
};

use super::super::syntax::Syntax;
use super::super::walk::{any_expr, walk};
use super::Binder;
use super::scope::{Column, Resolution, cased, folded, leaves_capitals_open, spelled};

/// Rewrites the names in an expression.
pub(super) struct Paths<'a, 'b> {
    pub(super) binder: &'a mut Binder<'b>,
    /// Subqueries that are resolved already, until the visit has passed them.
    bound: Vec<Query>,
    /// Parameters of the enclosing lambdas.
    parameters: Vec<Vec<String>>,
}

/// A column by name, and fields after it.
struct Path {
    /// How many parts belong to the column.
    parts: usize,
    /// All parts, with their exact spelling.
    names: Vec<Ident>,
    field: Option<FieldRef>,
    /// The expression of a column that belongs to no single table.
    value: Option<Box<Expr>>,
    /// Whether it belongs to an outer query.
    is_outer: bool,
}

impl Binder<'_> {
    /// Rewrites the names in an expression.
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<()> {
        let mut paths = Paths { binder: self, bound: Vec::new(), parameters: Vec::new() };
        match walk(expr, &mut paths) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Rewrites the names in parts of a statement.
    pub(super) fn parts<T: VisitMut>(&mut self, parts: &mut T) -> Result<()> {
        let mut paths = Paths { binder: self, bound: Vec::new(), parameters: Vec::new() };
        match walk(parts, &mut paths) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Resolves a name in the query, or else in the outer ones.
    fn meaning(&self, name: &[Ident]) -> Result<(Resolution, bool)> {
        for (at, scope) in self.scopes.iter().rev().enumerate() {
            match scope.meaning(name)? {
                Resolution::Nothing => {}
                found => return Ok((found, at > 0)),
            }
        }
        Ok((Resolution::Nothing, false))
    }

    /// Whether the name certainly does not exist.
    pub(super) fn is_nothing(&self, name: &[Ident]) -> Result<bool> {
        Ok(matches!(self.meaning(name)?.0, Resolution::Nothing))
    }

    /// Returns the column and fields of a name; `None` if unknown.
    fn path(&self, name: &[Ident]) -> Result<Option<Path>> {
        let (Resolution::Column(found), is_outer) = self.meaning(name)? else { return Ok(None) };
        let mut names: Vec<Ident> = name.iter().take(found.parts).cloned().collect();
        if let Some(column) = names.last_mut() {
            respell(column, &found.column.name);
        }
        let mut said = found.column.name.clone();
        let mut field = found.column.field;
        for part in name.iter().skip(found.parts) {
            let (own, of) = step(field.as_ref(), part, &said)?;
            said = format!("{said}.{own}");
            names.push(spelled(&own));
            field = of;
        }
        Ok(Some(Path { parts: found.parts, names, field, value: found.value, is_outer }))
    }

    /// Returns the name and type of an expression that is a plain path.
    pub(super) fn column_at(&self, expr: &Expr) -> Result<Option<Column>> {
        let of_path = |path: Option<Path>| {
            let path = path?;
            Some(Column { name: folded(path.names.last()?), field: path.field })
        };
        match expr {
            Expr::Identifier(name) => Ok(of_path(self.path(std::slice::from_ref(name))?)),
            Expr::CompoundIdentifier(names) => Ok(of_path(self.path(names)?)),
            Expr::Nested(inner) => self.column_at(inner),
            _ => Ok(None),
        }
    }

    /// Whether this is a column of a table rather than a field.
    pub(super) fn is_column(&self, expr: &Expr) -> Result<bool> {
        let names = match expr {
            Expr::Identifier(name) => std::slice::from_ref(name),
            Expr::CompoundIdentifier(names) => names.as_slice(),
            _ => return Ok(false),
        };
        Ok(match self.meaning(names)?.0 {
            Resolution::Column(found) => found.parts == names.len(),
            Resolution::Unknown | Resolution::Nothing => names.len() == 1,
        })
    }

    /// Returns the type of a rewritten expression, as far as it can be known.
    pub(super) fn field_of(&self, expr: &Expr) -> Result<Option<FieldRef>> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                Ok(self.column_at(expr)?.and_then(|column| column.field))
            }
            Expr::Nested(inner) => self.field_of(inner),
            Expr::CompoundFieldAccess { root, access_chain } => {
                let mut field = self.field_of(root)?;
                for access in access_chain {
                    field = match access {
                        AccessExpr::Subscript(Subscript::Slice { .. }) => field,
                        AccessExpr::Subscript(Subscript::Index { index }) => {
                            self.subscript_field(field.as_ref(), index)
                        }
                        AccessExpr::Dot(name) => self.subscript_field(field.as_ref(), name),
                    };
                }
                Ok(field)
            }
            Expr::Value(_) | Expr::BinaryOp { .. } | Expr::UnaryOp { .. } | Expr::Subquery(_) => Ok(None),
            other => Ok(self.planned(other)),
        }
    }

    /// Returns the field after this subscript, whose name is exact already.
    fn subscript_field(&self, field: Option<&FieldRef>, index: &Expr) -> Option<FieldRef> {
        match (field?.data_type(), index) {
            (DataType::Struct(fields), Expr::Value(name)) => match &name.value {
                Value::SingleQuotedString(name) => fields.find(name).map(|(_, field)| Arc::clone(field)),
                _ => None,
            },
            (other, _) => item(other),
        }
    }

    /// Returns the type that the engine gives an expression over the columns of this query.
    fn planned(&self, expr: &Expr) -> Option<FieldRef> {
        let scope = self.scopes.last()?;
        let mut fields = Vec::new();
        for relation in &scope.relations {
            let table = match relation.name.as_slice() {
                [] => None,
                [table] => Some(TableReference::bare(folded(table))),
                [schema, table] => Some(TableReference::partial(folded(schema), folded(table))),
                [catalog, schema, table, ..] => {
                    Some(TableReference::full(folded(catalog), folded(schema), folded(table)))
                }
            };
            let columns = relation.columns.iter().flat_map(|columns| &columns.list);
            fields.extend(columns.filter_map(|column| Some((table.clone(), column.field.clone()?))));
        }
        let schema = DFSchema::new_with_metadata(fields, HashMap::new()).ok()?;
        let mut expr = expr.clone();
        // Such as named options, which the engine does not read.
        let _ = walk(&mut expr, &mut Syntax);
        let expr = ExprWithAlias { expr, alias: None };
        let planned = self.state.create_logical_expr_from_sql_expr(expr, &schema).ok()?;
        Some(planned.to_field(&schema).ok()?.1)
    }
}

/// Returns the field of a value with its exact spelling and type. `said` names the value in errors.
fn step(value: Option<&FieldRef>, name: &Ident, said: &str) -> Result<(String, Option<FieldRef>)> {
    let Some(value) = value else { return Ok((folded(name), None)) };
    match value.data_type() {
        DataType::Struct(fields) => {
            // A branch of a union also has its full name.
            let has_full_name = |field: &&FieldRef| field.metadata().get("avro.name") == Some(&name.value);
            let found = match fields.iter().find(|field| is_tagged(fields) && has_full_name(field)) {
                Some(branch) => Some(branch),
                None => field(fields.iter(), name)?,
            };
            match found.cloned() {
                Some(found) => Ok((found.name().clone(), Some(found))),
                None if is_tagged(fields) => plan_err!(
                    "the union `{said}` has no branch `{}`; its branches are {}",
                    name.value,
                    fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
                ),
                None => Err(no_field(name, fields.iter().map(|field| field.name().as_str()), said)),
            }
        }
        DataType::Union(branches, _) => match field(branches.iter().map(|(_, branch)| branch), name)?.cloned() {
            Some(branch) => Ok((branch.name().clone(), Some(branch))),
            None => Ok((name.value.clone(), None)),
        },
        // A map key is data and case-sensitive.
        DataType::Map(..) => Ok((name.value.clone(), item(value.data_type()))),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let (said, name) = (spelled_path(said), &name.value);
            match item.data_type() {
                DataType::Struct(_) => plan_err!(
                    "`{said}` is a list and has no field `{name}`; use {said}[1].{name} for the first item, \
                     or unnest({said}) for a row for each item"
                ),
                _ => plan_err!("`{said}` is a list and has no fields; an item is {said}[1]"),
            }
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 if is_recursive(value) => recursive(said),
        DataType::Dictionary(_, values) => {
            step(Some(&Arc::new(Field::new(value.name(), values.as_ref().clone(), true))), name, said)
        }
        _ => plan_err!("`{said}` is not a record and has no field `{}`", name.value),
    }
}

fn recursive<T>(said: &str) -> Result<T> {
    plan_err!(
        "`{said}` is a record inside itself and is read as JSON text; to read it as columns, use \
         FROM read_avro('..', recursion_levels => 2), or --option recursion_levels=2"
    )
}

/// Whether this is the JSON text of a record inside itself.
fn is_recursive(field: &FieldRef) -> bool {
    field.metadata().contains_key("avro.name")
}

fn no_field<'a>(name: &Ident, fields: impl Iterator<Item = &'a str>, said: &str) -> DataFusionError {
    let fields: Vec<_> = fields.collect();
    plan_datafusion_err!("{}", crate::error::nearby::no_field(&name.value, &fields, said))
}

/// Returns the one field of a name.
fn field<'a>(fields: impl Iterator<Item = &'a FieldRef>, name: &Ident) -> Result<Option<&'a FieldRef>> {
    let alike: Vec<_> = fields.filter(|field| field.name().eq_ignore_ascii_case(&name.value)).collect();
    if let Some(exact) = alike.iter().find(|field| *field.name() == name.value) {
        return Ok(Some(exact));
    }
    match alike.as_slice() {
        _ if !leaves_capitals_open(name) => Ok(None),
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(cased(name, several.iter().map(|field| field.name().as_str()))),
    }
}

/// Returns the items of a list or the values of a map.
pub(super) fn item(of: &DataType) -> Option<FieldRef> {
    match of {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Some(Arc::clone(item)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry) => entry.get(1).map(Arc::clone),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the rows that `UNNEST` makes of a list or a map.
pub(super) fn unnested_item(of: &DataType) -> Option<FieldRef> {
    let DataType::Map(entries, _) = of else { return item(of) };
    let DataType::Struct(entry) = entries.data_type() else { return None };
    let named = entry.iter().zip(["key", "value"]).map(|(field, name)| field.as_ref().clone().with_name(name));
    Some(Arc::new(Field::new("item", DataType::Struct(named.collect()), true)))
}

fn spelled_path(said: &str) -> String {
    said.split('.').map(|part| spelled(part).to_string()).collect::<Vec<_>>().join(".")
}

/// Gives an identifier its column's spelling.
pub(super) fn respell(name: &mut Ident, own: &str) {
    if folded(name) != own {
        name.value = own.to_owned();
        name.quote_style = Some('"');
    }
}

/// Returns the access to this field.
pub(in super::super) fn dot(name: &str) -> AccessExpr {
    AccessExpr::Dot(Expr::Value(Value::SingleQuotedString(name.to_owned()).into()))
}

/// Returns these parts as a column.
fn column(mut names: Vec<Ident>) -> Expr {
    match names.len() {
        1 => Expr::Identifier(names.remove(0)),
        _ => Expr::CompoundIdentifier(names),
    }
}

impl Paths<'_, '_> {
    fn is_parameter(&self, name: &Ident) -> bool {
        self.parameters.iter().flatten().any(|parameter| *parameter == folded(name))
    }

    /// Rewrites one name or path; its inner expressions are visited afterwards.
    fn rewrite(&mut self, expr: &mut Expr) -> Result<()> {
        match expr {
            Expr::Identifier(name) => {
                if self.is_parameter(name) {
                    return Ok(());
                }
                if let Some(path) = self.binder.path(std::slice::from_ref(name))?
                    && let Some(own) = path.names.first()
                {
                    respell(name, &folded(own));
                    if let Some(value) = path.value {
                        *expr = *value;
                    }
                } else if let Some(value) = self.binder.alias(std::slice::from_ref(name))? {
                    *expr = value;
                }
                Ok(())
            }
            Expr::CompoundIdentifier(names) => {
                if names.first().is_some_and(|first| self.is_parameter(first)) {
                    return Ok(());
                }
                let Some(Path { parts, names: own, is_outer, value, .. }) = self.binder.path(names)? else {
                    if let Some(value) = self.binder.alias(names)? {
                        *expr = value;
                    }
                    return Ok(());
                };
                if value.is_none() && (own.len() == parts || !is_outer && !self.binder.is_unnesting) {
                    names.iter_mut().zip(&own).for_each(|(name, own)| respell(name, &folded(own)));
                    return Ok(());
                }
                // Fields of an outer query's column, which the engine takes only in this form.
                let fields = own.iter().skip(parts).map(|field| dot(&folded(field))).collect();
                *expr = Expr::CompoundFieldAccess {
                    root: value.unwrap_or_else(|| Box::new(column(own.into_iter().take(parts).collect()))),
                    access_chain: fields,
                };
                Ok(())
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                let chain = std::mem::take(access_chain);
                let (made, chain) = self.access(root, chain)?;
                **root = made;
                *access_chain = chain;
                if access_chain.is_empty() {
                    *expr = std::mem::replace(root, Expr::Value(Value::Null.into()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns the column at the root of a path, and the rest of the path.
    fn access(&mut self, root: &mut Expr, chain: Vec<AccessExpr>) -> Result<(Expr, Vec<AccessExpr>)> {
        let mut leading: Vec<Ident> = match root {
            Expr::Identifier(name) => vec![name.clone()],
            Expr::CompoundIdentifier(names) => names.clone(),
            _ => vec![],
        };
        let is_parameter = leading.first().is_some_and(|first| self.is_parameter(first));
        let mut chain = chain.into_iter().peekable();
        if !leading.is_empty() && !is_parameter {
            while let Some(AccessExpr::Dot(Expr::Identifier(name))) = chain.peek() {
                leading.push(name.clone());
                chain.next();
            }
        }
        let mut made = Vec::new();
        let (root, mut field) = if leading.is_empty() || is_parameter {
            self.binder.expr(root)?;
            (root.clone(), self.binder.field_of(root)?)
        } else {
            match self.binder.path(&leading)? {
                Some(path) => {
                    made.extend(path.names.iter().skip(path.parts).map(|field| dot(&folded(field))));
                    let own = || column(path.names.into_iter().take(path.parts).collect());
                    (path.value.map_or_else(own, |value| *value), path.field)
                }
                None => match self.binder.alias(&leading)? {
                    Some(value) => {
                        let field = self.binder.field_of(&value)?;
                        (value, field)
                    }
                    None => (column(leading.clone()), None),
                },
            }
        };
        let mut said = leading.last().map_or_else(|| root.to_string(), |name| name.value.clone());
        for access in chain {
            match access {
                AccessExpr::Dot(Expr::Identifier(name)) => {
                    let (own, of) = step(field.as_ref(), &name, &said)?;
                    said = own.clone();
                    made.push(dot(&own));
                    field = of;
                }
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let (index, of) = subscript(field.as_ref(), index)?;
                    made.push(AccessExpr::Subscript(Subscript::Index { index }));
                    field = of;
                }
                AccessExpr::Dot(Expr::Value(name)) => {
                    field = self.binder.subscript_field(field.as_ref(), &Expr::Value(name.clone()));
                    made.push(AccessExpr::Dot(Expr::Value(name)));
                }
                AccessExpr::Subscript(slice) => made.push(AccessExpr::Subscript(slice)),
                AccessExpr::Dot(other) => {
                    return plan_err!(
                        "expected a field name after the dot, found `{other}`; items of lists are items[1]"
                    );
                }
            }
        }
        Ok((root, made))
    }
}

/// Returns a subscript with its field's spelling, and the field.
fn subscript(of: Option<&FieldRef>, index: Expr) -> Result<(Expr, Option<FieldRef>)> {
    let name = match &index {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(name) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    let Some(of) = of else { return Ok((index, None)) };
    match (of.data_type(), name) {
        (DataType::Struct(fields), Some(name)) => match field(fields.iter(), &Ident::new(name.as_str()))? {
            Some(found) => {
                Ok((Expr::Value(Value::SingleQuotedString(found.name().clone()).into()), Some(Arc::clone(found))))
            }
            None => Err(no_field(&Ident::new(name), fields.iter().map(|field| field.name().as_str()), of.name())),
        },
        (DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8, Some(_)) if is_recursive(of) => {
            recursive(of.name())
        }
        (other, _) => Ok((index, item(other))),
    }
}

impl VisitorMut for Paths<'_, '_> {
    type Break = DataFusionError;

    // A subquery has its own columns: it is resolved here, and taken out while the visit passes.
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<DataFusionError> {
        let mut own = std::mem::replace(query, super::placeholder_query());
        let bound = self.binder.query(&mut own, false);
        self.bound.push(own);
        match bound {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<DataFusionError> {
        if let Some(bound) = self.bound.pop() {
            *query = bound;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<DataFusionError> {
        if let Expr::Lambda(lambda) = expr {
            self.parameters.push(lambda.params.iter().map(|parameter| folded(&parameter.name)).collect());
        }
        match self.rewrite(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<DataFusionError> {
        if let Expr::Lambda(_) = expr {
            self.parameters.pop();
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression contains a subquery.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    any_expr(expr, |expr| matches!(expr, Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. }))
}
