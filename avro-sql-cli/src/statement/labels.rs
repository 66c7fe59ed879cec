//! What to call the columns of an answer that their query gives no names: `sum(amount)` as it was written, where DataFusion says
//! `sum(events/2024.avro.amount)`, and `price` for `items[1].price`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Fields, Schema, SchemaRef};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement as Sql,
};

use super::unnest;

/// The names of columns, item after item of a `SELECT`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Item>);

#[derive(Debug, PartialEq, Eq)]
struct Item {
    label: Option<Label>,
    /// May it stand for any number of columns?
    is_many: bool,
    /// The record whose fields these are, if it is one: DataFusion names them `table.record.field`.
    record: Option<String>,
}

/// A short name, to be used where no other column has it, and a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    short: String,
    long: String,
}

impl Labels {
    /// Those of the rows that a statement answers with.
    pub(super) fn of(statement: &Statement) -> Labels {
        let Statement::Statement(statement) = statement else { return Labels::default() };
        let Sql::Query(query) = statement.as_ref() else { return Labels::default() };
        let items = select(query).map(|select| select.projection.iter().map(Item::of).collect());
        Labels(items.unwrap_or_default())
    }

    /// The columns under their names.
    pub(crate) fn name(&self, columns: &SchemaRef) -> SchemaRef {
        let own: Vec<_> = columns.fields().iter().map(|field| field.name().as_str()).collect();
        let labels = self.labels(&own);
        let short = |(label, own): (&Option<Label>, &&str)| match label {
            Some(label) => label.short.clone(),
            None => (*own).to_owned(),
        };
        let shorts: Vec<_> = labels.iter().zip(&own).map(short).collect();
        let fields = columns.fields().iter().zip(&labels).zip(&shorts).map(|((field, label), short)| match label {
            Some(label) => {
                let is_alone = shorts.iter().filter(|other| *other == short).count() == 1;
                Arc::new(field.as_ref().clone().with_name(if is_alone { short } else { &label.long }))
            }
            None => Arc::clone(field),
        });
        Arc::new(Schema::new_with_metadata(fields.collect::<Fields>(), columns.metadata().clone()))
    }

    /// The label of each of these columns: of all of them, if there are as many as items, or of those in front of the first item
    /// that may be many, and of those behind the last; between them, of fields of records.
    fn labels(&self, own: &[&str]) -> Vec<Option<Label>> {
        let n = own.len();
        let is_one = |item: &&Item| n == self.0.len() || !item.is_many;
        let field = |own: &&str| self.0.iter().find_map(|item| item.field(own));
        let mut labels: Vec<_> = own.iter().map(field).collect();
        for (at, item) in labels.iter_mut().zip(self.0.iter().take_while(is_one)) {
            *at = item.label.clone().or(at.take());
        }
        for (at, item) in labels.iter_mut().rev().zip(self.0.iter().rev().take_while(is_one)) {
            *at = item.label.clone().or(at.take());
        }
        // A column of a table has the name that it has there.
        let is_own = |label: &Label, own: &str| own.eq_ignore_ascii_case(&label.short);
        labels.into_iter().zip(own).map(|(label, own)| label.filter(|label| !is_own(label, own))).collect()
    }
}

impl Item {
    fn of(item: &SelectItem) -> Item {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) => expr,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let record = name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.clone());
                return Item { label: None, is_many: true, record };
            }
            _ => {
                let is_many = !matches!(item, SelectItem::ExprWithAlias { .. });
                return Item { label: None, is_many, record: None };
            }
        };
        let long = expr.to_string();
        let short = name(expr).map_or_else(|| long.clone(), |name| name.value.clone());
        let label = Some(Label { short, long });
        match unnest::argument(expr) {
            // Of a list one column, of a record those of its fields.
            Some(argument) => Item { label, is_many: true, record: name(argument).map(|name| name.value.clone()) },
            None => Item { label, is_many: false, record: None },
        }
    }

    /// The label of a column that is a field of the record.
    fn field(&self, own: &str) -> Option<Label> {
        let record = format!("{}.", self.record.as_ref()?);
        let at = own.to_ascii_lowercase().rfind(&record.to_ascii_lowercase())?;
        let is_whole = at == 0 || own.get(..at)?.ends_with('.');
        let short = own.get(at + record.len()..)?;
        is_whole.then(|| Label { short: short.to_owned(), long: own.to_owned() })
    }
}

/// The name that an expression ends with.
fn name(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last()? {
            AccessExpr::Dot(Expr::Identifier(name)) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// The `SELECT` that names the columns of a query: the first.
fn select(query: &Query) -> Option<&Select> {
    let mut body = query.body.as_ref();
    loop {
        match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => body = query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            _ => return None,
        }
    }
}
