//! Names the columns of a `SELECT`.
//!
//! A column is named as in the query: `sum(amount)`, where DataFusion names it `sum(events/2024.avro.amount)`, and
//! `city` for `address.city`. This holds at every depth: an outer query sees the names that a result would show. If two
//! columns would have one name, a field gets its whole path, and a later column a number: `id`, `id_1`. No column is
//! lost.

use std::collections::{HashMap, HashSet};

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, ExcludeSelectItem, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    RenameSelectItem, SelectItem, SelectItemQualifiedWildcardKind, Value, WildcardAdditionalOptions,
};

use super::Binder;
use super::paths::{dot, has_subquery, respell};
use super::scope::{Column, Columns, folded, spelled};

/// How a column of a result is made.
pub(super) enum ColumnOrigin {
    By(Box<Expr>),
    /// A `*` for the columns of this table, possibly among others.
    ByTable(usize),
}

/// A column of a result.
pub(super) struct OutputColumn {
    pub(super) made: ColumnOrigin,
    /// Its name if no other column has it.
    pub(super) short: String,
    /// Its name otherwise, before it gets a number.
    long: Option<String>,
    /// Whether this is its name in any case, without `AS`.
    is_own: bool,
    field: Option<FieldRef>,
}

/// An item and its columns; `None` if they are unknown.
struct Item {
    item: SelectItem,
    outputs: Option<Vec<OutputColumn>>,
}

impl Binder<'_> {
    /// Names the columns of these items, and rewrites their expressions. The columns are known if those of all tables
    /// are. `wants_types` says whether their types are needed.
    pub(super) fn items(&mut self, items: &mut Vec<SelectItem>, wants_types: bool) -> Result<Option<Vec<Column>>> {
        self.expand_columns(items)?;
        let mut found = Vec::with_capacity(items.len());
        for item in std::mem::take(items) {
            found.push(self.item(item, wants_types)?);
        }
        let names = names(&found);
        let mut names = names.into_iter();
        let mut columns = Some(Vec::new());
        for Item { item, outputs } in found {
            let Some(outputs) = outputs else {
                columns = None;
                items.push(item);
                continue;
            };
            let named: Vec<(OutputColumn, String)> = outputs.into_iter().zip(names.by_ref()).collect();
            if let Some(columns) = &mut columns {
                let column = |(output, name): &(OutputColumn, String)| Column {
                    name: name.clone(),
                    field: output.field.clone(),
                };
                columns.extend(named.iter().map(column));
            }
            let is_star = matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
            if is_star
                && named
                    .iter()
                    .all(|(output, name)| matches!(output.made, ColumnOrigin::ByTable(_)) && output.short == *name)
            {
                items.push(item);
                continue;
            }
            for (output, name) in named {
                let expr = match output.made {
                    ColumnOrigin::By(expr) => *expr,
                    ColumnOrigin::ByTable(table) => self.column_of(table, &output.short),
                };
                items.push(match output.is_own && output.short == name {
                    true => SelectItem::UnnamedExpr(expr),
                    false => SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) },
                });
            }
        }
        Ok(columns)
    }

    fn item(&mut self, mut item: SelectItem, wants_types: bool) -> Result<Item> {
        match &mut item {
            SelectItem::UnnamedExpr(expr) => {
                let long = expr.to_string().replace('`', "");
                if let Some(record) = unnested(expr) {
                    self.expr(record)?;
                    let field = self.field_of(record)?;
                    if let Some(DataType::Struct(_)) = field.as_ref().map(|field| field.data_type()) {
                        let record = std::mem::replace(record, Expr::Value(Value::Null.into()));
                        let outputs = fields(&record, field.as_ref(), &long)?;
                        return Ok(Item { item, outputs: Some(outputs) });
                    }
                }
                self.expr(expr)?;
                let output = self.output(expr, long, wants_types)?;
                Ok(Item { outputs: Some(vec![output]), item })
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                self.expr(expr)?;
                let named = (folded(alias), expr.clone());
                self.scope().aliases.push(named);
                // `userId AS UserID` differs only in case, probably unintentionally: the column keeps its own name.
                if let Some(column) = self.column_at(expr)?
                    && folded(alias) != alias.value
                    && column.name.eq_ignore_ascii_case(&alias.value)
                {
                    respell(alias, &column.name);
                }
                let field = if wants_types { self.field_of(expr)? } else { None };
                let output = OutputColumn {
                    made: ColumnOrigin::By(Box::new(expr.clone())),
                    short: folded(alias),
                    long: None,
                    is_own: false,
                    field,
                };
                Ok(Item { outputs: Some(vec![output]), item })
            }
            SelectItem::ExprWithAliases { .. } => Ok(Item { item, outputs: None }),
            SelectItem::Wildcard(but) => {
                let but = std::mem::take(but);
                let is_plain = but == WildcardAdditionalOptions::default();
                let outputs = self.columns_of(|_| true);
                let outputs = self.apply_wildcard_options(outputs, &but)?;
                item = SelectItem::Wildcard(if is_plain || outputs.is_none() { but } else { <_>::default() });
                Ok(Item { item, outputs })
            }
            SelectItem::QualifiedWildcard(kind, but) => {
                let but = std::mem::take(but);
                let kind = kind.clone();
                let (outputs, record) = match &kind {
                    SelectItemQualifiedWildcardKind::ObjectName(name) => match self.table(name) {
                        Some(table) => (self.columns_of(|at| at == table), None),
                        None => self.record(parts(name), name.to_string())?,
                    },
                    SelectItemQualifiedWildcardKind::Expr(record) => {
                        let said = record.to_string();
                        self.record(Some(record.clone()), said)?
                    }
                };
                if let (None, Some(record)) = (&outputs, record) {
                    // Its type is unknown: the engine decides.
                    let item = SelectItem::UnnamedExpr(super::super::unnest::call(record));
                    return Ok(Item { item, outputs: None });
                }
                let outputs = self.apply_wildcard_options(outputs, &but)?;
                Ok(Item { item: SelectItem::QualifiedWildcard(kind, but), outputs })
            }
        }
    }

    /// Returns the column that an expression makes.
    fn output(&self, expr: &Expr, long: String, wants_types: bool) -> Result<OutputColumn> {
        let is_own = self.is_column(expr)?;
        let at = self.column_at(expr)?;
        let short = match (&at, expr) {
            (Some(column), Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => column.name.clone(),
            (None, Expr::Identifier(name)) => folded(name),
            (None, Expr::CompoundIdentifier(names)) => names.last().map(folded).unwrap_or_default(),
            (_, Expr::CompoundFieldAccess { access_chain, .. }) => match access_chain.last() {
                Some(AccessExpr::Dot(Expr::Value(name))) => match &name.value {
                    Value::SingleQuotedString(name) => name.clone(),
                    _ => long.clone(),
                },
                _ => long.clone(),
            },
            _ => long.clone(),
        };
        let field = match at {
            Some(column) => column.field,
            None if wants_types && !has_subquery(expr) => self.field_of(expr)?,
            None => None,
        };
        let long = Some(long).filter(|long| !is_own && *long != short);
        Ok(OutputColumn { made: ColumnOrigin::By(Box::new(expr.clone())), short, long, is_own, field })
    }

    /// Returns the table of this name.
    fn table(&self, name: &ObjectName) -> Option<usize> {
        let parts: Vec<Ident> = name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<_>>()?;
        let scope = self.scopes.last()?;
        scope.relations.iter().position(|relation| relation.is_called(&parts))
    }

    /// Returns the columns of tables that a `*` stands for.
    pub(super) fn columns_of(&self, is_of: impl Fn(usize) -> bool) -> Option<Vec<OutputColumn>> {
        let scope = self.scopes.last()?;
        let mut outputs = Vec::new();
        let is_all = scope.relations.iter().enumerate().all(|(at, _)| is_of(at));
        for (at, relation) in scope.relations.iter().enumerate().filter(|(at, _)| is_of(*at)) {
            let columns = relation.columns.as_ref()?;
            for column in columns.shown() {
                let merged = scope
                    .merged
                    .iter()
                    .find(|merged| is_all && merged.column.name == column.name && merged.relations.contains(&at));
                let made = match merged {
                    None if columns.has_hidden() => ColumnOrigin::By(Box::new(self.column_of(at, &column.name))),
                    None => ColumnOrigin::ByTable(at),
                    Some(merged) if merged.relations.first() == Some(&at) => {
                        ColumnOrigin::By(Box::new(merged.value.clone()))
                    }
                    Some(_) => continue,
                };
                outputs.push(OutputColumn {
                    is_own: merged.is_none(),
                    made,
                    short: column.name.clone(),
                    long: None,
                    field: column.field.clone(),
                });
            }
        }
        Some(outputs)
    }

    /// Returns this column of this table as an expression.
    pub(super) fn column_of(&self, table: usize, column: &str) -> Expr {
        let table = self.scopes.last().and_then(|scope| scope.relations.get(table));
        match table.map(|table| table.name.as_slice()) {
            None | Some([]) => Expr::Identifier(spelled(column)),
            Some(name) => Expr::CompoundIdentifier([name, &[spelled(column)]].concat()),
        }
    }

    /// Returns the fields of a record as columns, or the record if its type is unknown.
    fn record(&mut self, record: Option<Expr>, said: String) -> Result<(Option<Vec<OutputColumn>>, Option<Expr>)> {
        let Some(mut record) = record else { return Ok((None, None)) };
        let names = match &record {
            Expr::Identifier(name) => Some(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(names) => Some(names.as_slice()),
            _ => None,
        };
        if let Some(names) = names
            && self.is_nothing(names)?
        {
            return plan_err!("there is no table or record `{said}` for `{said}.*`");
        }
        self.expr(&mut record)?;
        let field = self.field_of(&record)?;
        match field {
            Some(_) => {
                let said = match &record {
                    Expr::CompoundIdentifier(names) => names.iter().map(folded).collect::<Vec<_>>().join("."),
                    Expr::Identifier(name) => folded(name),
                    _ => said,
                };
                Ok((Some(fields(&record, field.as_ref(), &said)?), None))
            }
            None => Ok((None, Some(record))),
        }
    }

    /// Applies `EXCLUDE` and `REPLACE` to columns.
    pub(super) fn apply_wildcard_options(
        &mut self,
        outputs: Option<Vec<OutputColumn>>,
        but: &WildcardAdditionalOptions,
    ) -> Result<Option<Vec<OutputColumn>>> {
        let Some(mut outputs) = outputs else { return Ok(None) };
        if *but == WildcardAdditionalOptions::default() {
            return Ok(Some(outputs));
        }
        let list = outputs.iter().map(|output| Column { name: output.short.clone(), field: None });
        let columns = Columns::new(list.collect());
        let own = |name: &Ident, what: &str| match columns.find(name)? {
            Some(column) => Ok(column.name.clone()),
            None => plan_err!("{what}: there is no column `{}`", name.value),
        };
        let excluded: Vec<&ObjectName> = match &but.opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => vec![name],
            Some(ExcludeSelectItem::Multiple(names)) => names.iter().collect(),
            None => vec![],
        };
        let mut left_out = HashSet::new();
        for name in excluded.into_iter().filter_map(|name| name.0.last()?.as_ident()) {
            left_out.insert(own(name, "EXCLUDE")?);
        }
        for name in but.opt_except.iter().flat_map(|e| std::iter::once(&e.first_element).chain(&e.additional_elements))
        {
            left_out.insert(own(name, "EXCEPT")?);
        }
        outputs.retain(|output| !left_out.contains(&output.short));
        for output in &mut outputs {
            if let ColumnOrigin::ByTable(table) = output.made {
                output.made = ColumnOrigin::By(Box::new(self.column_of(table, &output.short)));
            }
        }
        for replaced in but.opt_replace.iter().flat_map(|replace| &replace.items) {
            let name = own(&replaced.column_name, "REPLACE")?;
            let mut expr = replaced.expr.clone();
            self.expr(&mut expr)?;
            let field = self.field_of(&expr)?;
            for output in outputs.iter_mut().filter(|output| output.short == name) {
                (output.made, output.is_own, output.field) =
                    (ColumnOrigin::By(Box::new(expr.clone())), false, field.clone());
            }
        }
        let renamed = match &but.opt_rename {
            Some(RenameSelectItem::Single(name)) => vec![name],
            Some(RenameSelectItem::Multiple(names)) => names.iter().collect(),
            None => vec![],
        };
        for renamed in renamed {
            let name = own(&renamed.ident, "RENAME")?;
            for output in outputs.iter_mut().filter(|output| output.short == name) {
                (output.short, output.is_own) = (folded(&renamed.alias), false);
            }
        }
        match outputs.is_empty() {
            true => plan_err!("`*` selects no columns"),
            false => Ok(Some(outputs)),
        }
    }
}

/// Returns the argument of a call of `unnest`.
fn unnested(expr: &mut Expr) -> Option<&mut Expr> {
    let Expr::Function(function) = expr else { return None };
    let is_unnest = function.name.to_string().eq_ignore_ascii_case("unnest");
    match &mut function.args {
        FunctionArguments::List(list) if is_unnest => match list.args.as_mut_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => Some(argument),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the name before `.*` as an expression.
fn parts(name: &ObjectName) -> Option<Expr> {
    let mut parts: Vec<Ident> = name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<_>>()?;
    match parts.len() {
        1 => Some(Expr::Identifier(parts.remove(0))),
        _ => Some(Expr::CompoundIdentifier(parts)),
    }
}

/// Returns the fields of a record, null where the record is. `said` is the name of the record in errors.
fn fields(record: &Expr, field: Option<&FieldRef>, said: &str) -> Result<Vec<OutputColumn>> {
    let own = match field.map(|field| field.data_type()) {
        Some(DataType::Struct(fields)) => fields,
        Some(DataType::List(_) | DataType::LargeList(_)) => {
            return plan_err!(
                "`.*` needs a record, but `{said}` is a list; use FROM .., UNNEST({said}) AS u(item) and u.item.*"
            );
        }
        Some(DataType::Map(..)) => {
            return plan_err!("`.*` needs a record, but `{said}` is a map; a value is {said}['key']");
        }
        _ => return plan_err!("`.*` needs a record, but `{said}` is not one"),
    };
    let output = |field: &FieldRef| {
        let (root, mut chain) = match record.clone() {
            Expr::CompoundFieldAccess { root, access_chain } => (root, access_chain),
            other => (Box::new(other), vec![]),
        };
        chain.push(dot(field.name()));
        OutputColumn {
            made: ColumnOrigin::By(Box::new(Expr::CompoundFieldAccess { root, access_chain: chain })),
            short: field.name().clone(),
            long: Some(format!("{said}.{}", field.name())),
            is_own: false,
            field: Some(FieldRef::clone(field)),
        }
    };
    Ok(own.iter().map(output).collect())
}

/// Names each column: the short name if it is unique, else the long one, with a number if that is taken.
fn names(items: &[Item]) -> Vec<String> {
    let outputs = || items.iter().flat_map(|item| item.outputs.iter().flatten());
    let mut n: HashMap<&str, usize> = HashMap::new();
    for output in outputs() {
        *n.entry(output.short.as_str()).or_default() += 1;
    }
    if n.values().all(|n| *n == 1) {
        return outputs().map(|output| output.short.clone()).collect();
    }
    let name = |output: &OutputColumn| match &output.long {
        Some(long) if !output.is_own && n.get(output.short.as_str()).is_some_and(|n| *n > 1) => long.clone(),
        _ => output.short.clone(),
    };
    let wanted: Vec<String> = outputs().map(name).collect();
    let all: HashSet<&str> = wanted.iter().map(String::as_str).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut names = Vec::with_capacity(wanted.len());
    for name in &wanted {
        let is_free = |new: &String| !all.contains(new.as_str()) && !taken.contains(new);
        let name = match taken.contains(name) {
            true => (1usize..).map(|n| format!("{name}_{n}")).find(is_free).unwrap_or_else(|| name.clone()),
            false => name.clone(),
        };
        taken.insert(name.clone());
        names.push(name);
    }
    names
}
