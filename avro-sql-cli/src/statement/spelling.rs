//! Names in other letters than they have: `SELECT userID` finds the column `userId`.
//!
//! SQL takes capitals without quotes for small letters, and Avro's names are full of them. So where planning misses a column, the
//! statement is planned again with the names that there are instead, as far as there is no doubt. Names in quotes are left alone.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableAlias, TableFactor, VisitorMut, WildcardAdditionalOptions,
};

/// What planning missed.
pub(super) struct Missing {
    /// The parts of the name: of a column, perhaps with a table before it or fields behind.
    pub(super) parts: Vec<String>,
    /// The columns there are, where that is known.
    columns: BTreeSet<String>,
    /// Their tables.
    tables: BTreeSet<String>,
}

impl Missing {
    /// What an error says is missing, if that is what it says.
    pub(super) fn of(error: &DataFusionError) -> Option<Missing> {
        match error.find_root() {
            DataFusionError::SchemaError(error, _) => {
                let SchemaError::FieldNotFound { field, valid_fields } = error.as_ref() else { return None };
                let table = field.relation.iter().flat_map(|table| {
                    [table.catalog(), table.schema(), Some(table.table())].into_iter().flatten().map(str::to_owned)
                });
                let parts = table.chain([field.name.clone()]).collect();
                let columns = valid_fields.iter().map(|column| column.name.clone()).collect();
                let tables =
                    valid_fields.iter().filter_map(|column| Some(column.relation.as_ref()?.table().to_owned()));
                Some(Missing { parts, columns, tables: tables.collect() })
            }
            DataFusionError::Plan(text) | DataFusionError::Execution(text) => {
                let field = text.strip_prefix("Field ")?.strip_suffix(" not found in struct")?;
                Some(Missing { parts: vec![field.to_owned()], columns: BTreeSet::new(), tables: BTreeSet::new() })
            }
            _ => None,
        }
    }

    /// Is it missing because it has been spelled like this, and there it is in other letters?
    pub(super) fn contradicts(&self, spelled: &HashMap<String, String>) -> bool {
        let is_there_else =
            |part: &String| self.columns.iter().any(|column| column != part && column.eq_ignore_ascii_case(part));
        self.parts.iter().any(|part| spelled.values().any(|name| name == part) && is_there_else(part))
    }

    /// Adds how names are to be spelled: a column as it is, and a field, of which nothing is known, as it was written.
    pub(super) fn spellings(&self, written: &Written, spelled: &mut HashMap<String, String>) {
        // All the columns at once that can be: each further round plans the statement again.
        for name in written.0.iter().chain(&self.parts) {
            let mut alike = self.columns.iter().filter(|column| column.eq_ignore_ascii_case(name));
            if let (Some(column), None) = (alike.next(), alike.next())
                && column.chars().any(|c| c.is_ascii_uppercase())
            {
                spelled.entry(column.to_ascii_lowercase()).or_insert_with(|| column.clone());
            }
        }
        let is_field = |part: &&String| {
            !self.tables.contains(*part) && !self.columns.iter().any(|column| column.eq_ignore_ascii_case(part))
        };
        for part in self.parts.iter().filter(is_field) {
            let mut alike = written.0.iter().filter(|name| name.eq_ignore_ascii_case(part));
            if let (Some(name), None) = (alike.next(), alike.next())
                && name != part
            {
                spelled.entry(part.clone()).or_insert_with(|| name.clone());
            }
        }
    }
}

/// Collects the names without quotes, each spelling of them.
#[derive(Default)]
pub(super) struct Written(BTreeSet<String>);

impl VisitorMut for Written {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        let unquoted = names(expr).iter().filter(|name| name.quote_style.is_none());
        self.0.extend(unquoted.map(|name| name.value.clone()));
        ControlFlow::Continue(())
    }
}

/// Spells a name without quotes as `spelled` has it: from names in small letters to how they are spelled.
fn respell(name: &mut Ident, spelled: &HashMap<String, String>) {
    if name.quote_style.is_none()
        && let Some(spelled) = spelled.get(&name.value.to_ascii_lowercase())
    {
        name.value.clone_from(spelled);
        name.quote_style = Some('"');
    }
}

/// Spells the columns like this where a statement uses them.
pub(super) struct RespellUsed<'a>(pub(super) &'a HashMap<String, String>);

/// Spells the columns like this where a statement makes them.
pub(super) struct RespellMade<'a>(pub(super) &'a HashMap<String, String>);

impl VisitorMut for RespellUsed<'_> {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        names(expr).iter_mut().for_each(|name| respell(name, self.0));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        for item in &mut select.projection {
            if let SelectItem::Wildcard(but) | SelectItem::QualifiedWildcard(_, but) = item {
                self.left_out(but);
            }
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(record), _) = item {
                self.columns(std::slice::from_mut(record));
            }
        }
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            self.columns(using(join));
        }
        ControlFlow::Continue(())
    }
}

impl RespellUsed<'_> {
    fn columns(&self, columns: &mut [ObjectName]) {
        for part in columns.iter_mut().flat_map(|column| &mut column.0) {
            if let ObjectNamePart::Identifier(name) = part {
                respell(name, self.0);
            }
        }
    }

    /// `* EXCLUDE (a, b)`, `* EXCEPT (a, b)`
    fn left_out(&self, but: &mut WildcardAdditionalOptions) {
        match &mut but.opt_exclude {
            Some(ExcludeSelectItem::Single(column)) => self.columns(std::slice::from_mut(column)),
            Some(ExcludeSelectItem::Multiple(columns)) => self.columns(columns),
            None => {}
        }
        if let Some(except) = &mut but.opt_except {
            respell(&mut except.first_element, self.0);
            except.additional_elements.iter_mut().for_each(|name| respell(name, self.0));
        }
    }
}

impl VisitorMut for RespellMade<'_> {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                respell(alias, self.0);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::UNNEST { alias, .. } = table
        {
            alias.iter_mut().for_each(|alias| self.columns(alias));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        query.with.iter_mut().flat_map(|with| &mut with.cte_tables).for_each(|table| self.columns(&mut table.alias));
        ControlFlow::Continue(())
    }
}

impl RespellMade<'_> {
    fn columns(&self, alias: &mut TableAlias) {
        alias.columns.iter_mut().for_each(|column| respell(&mut column.name, self.0));
    }
}

/// The names that an expression is made of; none of what it holds.
fn names(expr: &mut Expr) -> &mut [Ident] {
    match expr {
        Expr::Identifier(name) => std::slice::from_mut(name),
        Expr::CompoundIdentifier(names) => names,
        _ => &mut [],
    }
}

/// The columns that a join names in `USING`.
fn using(join: &mut Join) -> &mut [ObjectName] {
    let (JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)
    | JoinOperator::Right(constraint)
    | JoinOperator::RightOuter(constraint)
    | JoinOperator::FullOuter(constraint)
    | JoinOperator::Semi(constraint)
    | JoinOperator::LeftSemi(constraint)
    | JoinOperator::RightSemi(constraint)
    | JoinOperator::Anti(constraint)
    | JoinOperator::LeftAnti(constraint)
    | JoinOperator::RightAnti(constraint)) = &mut join.join_operator
    else {
        return &mut [];
    };
    match constraint {
        JoinConstraint::Using(columns) => columns,
        _ => &mut [],
    }
}
