//! Name resolution: replaces the names of a statement by the exact names of columns and fields, and names each column
//! of each `SELECT`.
//!
//! It processes a statement in SQL's order: the tables of `FROM` with their columns, then expressions over them, then
//! what sees the results. Tables are looked up before ([`tables`]), so the fields of records are known. Unknown names
//! are left unchanged, for the engine to resolve or to report.
//!
//! [`scope`] resolves a name, [`paths`] rewrites expressions, [`joins`] join conditions, [`items`] the columns of a
//! `SELECT`, [`columns`] those of `COLUMNS(..)`; [`aliases`] replaces a name of an item where no column has it.

mod aliases;
mod columns;
mod items;
mod joins;
mod paths;
mod pivot;
mod scope;
mod tables;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionState;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, ObjectName, ObjectNamePart, OrderBy, OrderByExpr,
    OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr, Statement as Sql, TableAlias, TableFactor,
    TableObject, TableWithJoins, Value,
};

use super::walk::any_expr;
pub(super) use paths::dot;
pub(super) use scope::folded;
use scope::{Column, Columns, Relation, Scope};
pub(super) use tables::once;
use tables::{Found, Tables};

/// Resolves the names of a statement.
struct Binder<'a> {
    state: &'a SessionState,
    tables: Tables,
    /// The scopes of the enclosing queries, the innermost last.
    scopes: Vec<Scope>,
    /// Whether the current expression is the argument of `UNNEST`. The engine treats the tables beside it as those of
    /// an outer query.
    is_unnesting: bool,
    /// Tables of `WITH`, and their columns if known.
    with: Vec<(String, Option<Vec<Column>>)>,
    /// The number of subqueries that were named.
    named: usize,
}

/// The prefix of names given to subqueries.
const UNNAMED: &str = "__subquery_";

/// Resolves the names of a statement.
///
/// If it `names_places`, tables of Avro files have virtual columns, such as `_file`, that a `*` leaves out.
pub(super) async fn bind(state: &SessionState, statement: &mut Statement, names_places: bool) -> Result<()> {
    let tables = Tables::load(state, statement, names_places).await?;
    let mut binder = Binder { state, tables, scopes: Vec::new(), is_unnesting: false, with: Vec::new(), named: 0 };
    binder.statement(statement)
}

/// Returns a placeholder for a query that is taken out.
fn placeholder_query() -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: vec![],
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![],
        exclude: None,
        into: None,
        from: vec![],
        lateral_views: vec![],
        prewhere: None,
        selection: None,
        connect_by: vec![],
        group_by: GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

impl Binder<'_> {
    fn statement(&mut self, statement: &mut Statement) -> Result<()> {
        match statement {
            Statement::Statement(statement) => self.sql(statement),
            Statement::Explain(explain) => self.statement(&mut explain.statement),
            Statement::CopyTo(copy) => match &mut copy.source {
                CopyToSource::Query(query) => self.query(query, false).map(|_| ()),
                CopyToSource::Relation(_) => Ok(()),
            },
            Statement::CreateExternalTable(_) | Statement::Reset(_) => Ok(()),
        }
    }

    fn sql(&mut self, statement: &mut Sql) -> Result<()> {
        match statement {
            Sql::Query(query) => self.query(query, false).map(|_| ()),
            Sql::Explain { statement, .. } => self.sql(statement),
            Sql::Prepare { statement, .. } => self.sql(statement),
            Sql::CreateView(view) => self.query(&mut view.query, false).map(|_| ()),
            Sql::CreateTable(table) => match &mut table.query {
                Some(query) => self.query(query, false).map(|_| ()),
                None => Ok(()),
            },
            Sql::Insert(insert) => {
                if let TableObject::TableName(table) = &insert.table
                    && let Some(schema) = self.tables.named(table)
                {
                    respell(&mut insert.columns, &schema.columns())?;
                }
                match &mut insert.source {
                    Some(query) => self.query(query, false).map(|_| ()),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Resolves a query; returns the columns of its result, if known.
    fn query(&mut self, query: &mut Query, wants_types: bool) -> Result<Option<Vec<Column>>> {
        let n = self.with.len();
        if let Some(with) = &mut query.with {
            for table in &mut with.cte_tables {
                let columns = self.cte(&mut table.alias, &mut table.query, with.recursive)?;
                self.with.push((folded(&table.alias.name), columns));
            }
        }
        let columns = self.body(&mut query.body, query.order_by.as_mut(), wants_types);
        self.with.truncate(n);
        columns
    }

    fn cte(&mut self, alias: &mut TableAlias, query: &mut Query, is_recursive: bool) -> Result<Option<Vec<Column>>> {
        if let (true, SetExpr::SetOperation { left, right, .. }) = (is_recursive, query.body.as_mut())
            && query.with.is_none()
        {
            // The first query decides the columns.
            let columns = renamed(self.body(left, None, true)?, alias);
            self.with.push((folded(&alias.name), columns.clone()));
            self.body(right, None, false)?;
            self.with.pop();
            return Ok(columns);
        }
        Ok(renamed(self.query(query, true)?, alias))
    }

    fn body(
        &mut self,
        body: &mut SetExpr,
        order: Option<&mut OrderBy>,
        wants_types: bool,
    ) -> Result<Option<Vec<Column>>> {
        match body {
            SetExpr::Select(select) => {
                self.scopes.push(Scope::default());
                let columns = self.select(select, order, wants_types);
                self.scopes.pop();
                columns
            }
            SetExpr::Query(query) => {
                let columns = self.query(query, wants_types)?;
                self.ordered(order, columns.as_deref())?;
                Ok(columns)
            }
            SetExpr::SetOperation { left, right, .. } => {
                let columns = self.body(left, None, wants_types)?;
                self.body(right, None, false)?;
                self.ordered(order, columns.as_deref())?;
                Ok(columns)
            }
            SetExpr::Values(values) => {
                self.parts(values)?;
                let n = values.rows.first().map_or(0, |row| row.len());
                let column = |n: usize| Column { name: format!("column{n}"), field: None };
                Ok(Some((1..=n).map(column).collect()))
            }
            SetExpr::Insert(statement) => self.sql(statement).map(|()| None),
            _ => Ok(None),
        }
    }

    /// Resolves the ORDER BY of a whole query.
    fn ordered(&mut self, order: Option<&mut OrderBy>, columns: Option<&[Column]>) -> Result<()> {
        let (Some(order), Some(columns)) = (order, columns) else { return Ok(()) };
        by_all(order, Some(columns.len()));
        let outputs = Columns::new(columns.to_vec());
        self.scopes.push(Scope { outputs, is_output_first: true, ..Scope::default() });
        let done = self.parts(order);
        self.scopes.pop();
        done
    }

    fn select(
        &mut self,
        select: &mut Select,
        order: Option<&mut OrderBy>,
        wants_types: bool,
    ) -> Result<Option<Vec<Column>>> {
        for from in &mut select.from {
            self.bind_from(from)?;
        }
        self.scope().start = 0;
        if select.projection.is_empty() {
            return plan_err!("SELECT without columns; use SELECT * for all");
        }
        let columns = self.items(&mut select.projection, wants_types)?;
        for view in &mut select.lateral_views {
            self.parts(view)?;
        }
        if let Some(condition) = &mut select.selection {
            self.expr(condition)?;
            if has_window(condition) {
                return plan_err!(
                    "WHERE cannot have a window function; use QUALIFY, as in QUALIFY row_number() OVER (..) = 1"
                );
            }
        }
        self.scope().outputs = Columns::new(columns.clone().unwrap_or_default());
        if let GroupByExpr::Expressions(by, _) = &mut select.group_by {
            by.iter_mut().for_each(|by| numbered_groups(by, &select.projection));
            self.parts(by)?;
        }
        for condition in [&mut select.having, &mut select.qualify].into_iter().flatten() {
            self.expr(condition)?;
        }
        self.parts(&mut select.named_window)?;
        self.scope().is_output_first = true;
        if let Some(Distinct::On(on)) = &mut select.distinct {
            self.parts(on)?;
        }
        if let Some(order) = order {
            by_all(order, columns.as_ref().map(Vec::len));
            self.parts(order)?;
        }
        Ok(columns)
    }

    /// Returns the innermost scope.
    fn scope(&mut self) -> &mut Scope {
        let scope = self.scopes.pop().unwrap_or_default();
        self.scopes.push_mut(scope)
    }

    fn bind_from(&mut self, from: &mut TableWithJoins) -> Result<()> {
        let first = self.scope().relations.len();
        self.scope().start = 0;
        if !from.joins.is_empty() {
            let joined = from.joins.iter_mut().map(|join| &mut join.relation);
            std::iter::once(&mut from.relation).chain(joined).for_each(|table| self.name_subquery(table));
        }
        self.relation(&mut from.relation)?;
        for join in &mut from.joins {
            let right = self.scope().relations.len();
            self.relation(&mut join.relation)?;
            self.scope().start = first;
            self.join(join, first, right)?;
            self.scope().start = 0;
        }
        Ok(())
    }

    /// Names an unnamed subquery in a join, to tell its columns from others.
    fn name_subquery(&mut self, table: &mut TableFactor) {
        if let TableFactor::Derived { alias: alias @ None, .. } = table {
            self.named += 1;
            let name = Ident::new(format!("{UNNAMED}{}", self.named));
            *alias = Some(TableAlias { explicit: true, name, columns: vec![], at: None });
        }
    }

    /// Adds a table of `FROM`, or the tables that it stands for.
    fn relation(&mut self, table: &mut TableFactor) -> Result<()> {
        self.pivoted(table)?;
        let called = matches!(table, TableFactor::Table { args: Some(_), .. })
            .then(|| self.tables.called(table).map(Found::columns))
            .flatten();
        let relation = match table {
            TableFactor::Table { name, alias, args, .. } => {
                let cte = match name.0.as_slice() {
                    [part] => part
                        .as_ident()
                        .map(folded)
                        .and_then(|name| self.with.iter().rev().find(|(cte, _)| *cte == name)),
                    _ => None,
                };
                let columns = match (cte, args) {
                    (Some((_, columns)), None) => columns.clone().map(Columns::new),
                    (None, None) => self.tables.named(name).map(Found::columns),
                    (_, Some(_)) => called,
                };
                let own = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                named(own, columns, alias.as_mut())
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let columns = match lateral {
                    true => self.query(subquery, true)?,
                    // It does not see the tables beside it.
                    false => {
                        let beside = self.scopes.pop();
                        let columns = self.query(subquery, true);
                        self.scopes.extend(beside);
                        columns?
                    }
                };
                named(vec![], columns.map(Columns::new), alias.as_mut())
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                self.is_unnesting = true;
                let done = self.parts(array_exprs);
                self.is_unnesting = false;
                done?;
                self.unnested(array_exprs, *with_ordinality, alias.as_ref())?
            }
            TableFactor::Function { name, args, alias, with_ordinality, .. } => {
                let is_unnest = name.to_string().eq_ignore_ascii_case("unnest");
                self.is_unnesting = is_unnest;
                let done = self.parts(args);
                self.is_unnesting = false;
                done?;
                let list = |argument: &FunctionArg| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(list)) if is_unnest => Some(list.clone()),
                    _ => None,
                };
                match args.iter().map(list).collect::<Option<Vec<_>>>() {
                    Some(lists) => self.unnested(&lists, *with_ordinality, alias.as_ref())?,
                    None => Relation::new(alias.iter().map(|alias| alias.name.clone()).collect(), None),
                }
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => return self.bind_from(table_with_joins),
            other => Relation::new(alias(other).into_iter().cloned().collect(), None),
        };
        self.scope().relations.push(relation);
        Ok(())
    }

    /// Returns the table of the items of lists, whose columns have the names that the engine's `UNNEST` gives them.
    fn unnested(&mut self, lists: &[Expr], with_ordinality: bool, alias: Option<&TableAlias>) -> Result<Relation> {
        let table = alias.map_or_else(|| Ident::new("unnest"), |alias| alias.name.clone());
        let given: Vec<String> = alias.iter().flat_map(|a| &a.columns).map(|column| folded(&column.name)).collect();
        let n_items = given.len().saturating_sub(usize::from(with_ordinality)).max(1);
        let is_item = !given.is_empty() && n_items <= lists.len();
        let mut columns = Vec::new();
        for (i, list) in lists.iter().enumerate() {
            let field = match self.field_of(list)?.as_ref().map(|field| field.data_type()) {
                Some(record @ DataType::Struct(_)) => Some(Arc::new(Field::new("item", record.clone(), true))),
                of => of.and_then(paths::unnested_item),
            };
            match field.as_ref().map(|field| field.data_type()) {
                None if !is_item => return Ok(Relation::new(vec![table], None)),
                Some(DataType::Struct(fields)) if !is_item && !fields.is_empty() => {
                    let column = |field: &FieldRef| {
                        let field = Arc::new(field.as_ref().clone().with_nullable(true));
                        Column { name: field.name().clone(), field: Some(field) }
                    };
                    columns.extend(fields.iter().map(column));
                }
                _ => {
                    let name = folded(&table);
                    let name = if lists.len() > 1 { format!("{name}_{}", i + 1) } else { name };
                    columns.push(Column { name, field });
                }
            }
        }
        if with_ordinality {
            let field = Arc::new(Field::new("ordinality", DataType::Int64, true));
            columns.push(Column { name: "ordinality".to_owned(), field: Some(field) });
        }
        columns.iter_mut().zip(given).for_each(|(column, name)| column.name = name);
        Ok(Relation::new(vec![table], Some(Columns::new(columns))))
    }
}

/// Returns the columns as an alias renames them. Names that differ only in case keep their own.
fn renamed(columns: Option<Vec<Column>>, alias: &mut TableAlias) -> Option<Vec<Column>> {
    let mut columns = columns?;
    for (column, new) in columns.iter_mut().zip(&mut alias.columns) {
        if folded(&new.name) != new.name.value && new.name.value.eq_ignore_ascii_case(&column.name) {
            paths::respell(&mut new.name, &column.name);
        }
        column.name = folded(&new.name);
    }
    Some(columns)
}

fn named(own: Vec<Ident>, columns: Option<Columns>, alias: Option<&mut TableAlias>) -> Relation {
    match alias {
        Some(alias) if alias.columns.is_empty() => Relation::new(vec![alias.name.clone()], columns),
        Some(alias) => {
            let columns = renamed(columns.map(|columns| columns.list), alias).map(Columns::new);
            Relation::new(vec![alias.name.clone()], columns)
        }
        None => Relation::new(own, columns),
    }
}

/// Returns the alias of a table of another kind.
fn alias(table: &TableFactor) -> Option<&Ident> {
    match table {
        TableFactor::TableFunction { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::JsonTable { alias, .. }
        | TableFactor::OpenJsonTable { alias, .. }
        | TableFactor::Pivot { alias, .. }
        | TableFactor::Unpivot { alias, .. }
        | TableFactor::MatchRecognize { alias, .. } => alias.as_ref().map(|alias| &alias.name),
        _ => None,
    }
}

/// Replaces names of columns by their exact spelling.
fn respell(names: &mut [ObjectName], columns: &Columns) -> Result<()> {
    for name in names {
        if let Some(ObjectNamePart::Identifier(name)) = name.0.last_mut()
            && let Some(column) = columns.find(name)?
        {
            paths::respell(name, &column.name);
        }
    }
    Ok(())
}

/// Whether an expression has a window function, outside of subqueries.
fn has_window(expr: &Expr) -> bool {
    !paths::has_subquery(expr)
        && any_expr(expr, |expr| matches!(expr, Expr::Function(function) if function.over.is_some()))
}

/// Replaces the column numbers in `ROLLUP (1, 2)`, `CUBE (..)` and `GROUPING SETS (..)` by the columns.
fn numbered_groups(by: &mut Expr, items: &[SelectItem]) {
    let (Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets)) = by else { return };
    for by in sets.iter_mut().flatten() {
        let Expr::Value(value) = by else { continue };
        let Value::Number(number, _) = &value.value else { continue };
        let item = number.parse::<usize>().ok().and_then(|n| items.get(n.checked_sub(1)?));
        if let Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item {
            *by = expr.clone();
        }
    }
}

/// Replaces `ORDER BY ALL` by the numbers of all columns.
fn by_all(order: &mut OrderBy, n: Option<usize>) {
    let options = match &order.kind {
        OrderByKind::All(options) => *options,
        OrderByKind::Expressions(by) => match by.as_slice() {
            [OrderByExpr { expr: Expr::Identifier(all), options, .. }]
                if all.quote_style.is_none() && all.value.eq_ignore_ascii_case("all") =>
            {
                *options
            }
            _ => return,
        },
    };
    if let Some(n) = n {
        let by = |n: usize| OrderByExpr {
            expr: Expr::Value(Value::Number(n.to_string(), false).into()),
            options,
            with_fill: None,
        };
        order.kind = OrderByKind::Expressions((1..=n).map(by).collect());
    }
}
