//! `FROM t, UNNEST(t.items) AS u(item)`: a table in `FROM` that is made of the columns of the one before it. DataFusion 55 unnests
//! columns in `SELECT` only, so this makes of it `FROM (SELECT *, unnest(items) AS item FROM t) AS t`.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, OrderBy, Select, SelectItem, SetExpr, Statement, TableFactor, Value, VisitMut,
    VisitorMut, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::table_name;
use super::names::folded;

/// A list that is unnested.
struct Unnested {
    list: Expr,
    /// What the table of its items is called, and its column.
    table: Ident,
    column: Ident,
}

/// Moves what is unnested in `FROM` into the table before it, and calls its columns by their own names, also where rows are ordered
/// by them.
pub(super) fn into_select(select: &mut Select, mut order: Option<&mut OrderBy>) {
    let mut lists = take(select).into_iter();
    while let Some(Unnested { list, table, column }) = lists.next() {
        let Some(from) = select.from.first_mut() else { return };
        let mut rename = Rename { table: folded(&table), column: &column };
        if let Some(relation) = with_list(&from.relation, &list, &column) {
            from.relation = relation;
        }
        let ControlFlow::Continue(()) = select.visit(&mut rename);
        for later in lists.as_mut_slice() {
            let ControlFlow::Continue(()) = later.list.visit(&mut rename);
        }
        if let Some(order) = &mut order {
            let ControlFlow::Continue(()) = order.visit(&mut rename);
        }
    }
}

/// The call `unnest(argument)`.
pub(super) fn call(argument: Expr) -> Expr {
    let args = FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
        clauses: vec![],
    };
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("unnest")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

fn is_unnest(name: &ObjectName) -> bool {
    name.to_string().eq_ignore_ascii_case("unnest")
}

/// Takes the lists out of `FROM` that are of its first table, or of a list of that one's.
fn take(select: &mut Select) -> Vec<Unnested> {
    let mut lists: Vec<Unnested> = Vec::new();
    let Some((first, others)) = select.from.split_first_mut() else { return lists };
    let Some(name) = table_name(&first.relation).map(folded) else { return lists };
    let mut tables = vec![name];
    // Behind other tables, which may have columns of the same names, it has to say whose list it is.
    let mut is_alone = true;
    let mut is_of_first = |table: &TableFactor, is_alone: bool| {
        let list = unnested(table).filter(|list| is_of(&list.list, &tables, is_alone))?;
        tables.push(folded(&list.table));
        Some(list)
    };
    let mut joins = Vec::new();
    for join in std::mem::take(&mut first.joins) {
        let may_be = is_cross(&join) && joins.iter().all(keeps_first);
        let list = if may_be { is_of_first(&join.relation, is_alone) } else { None };
        match list {
            Some(list) => lists.push(list),
            None => {
                is_alone = false;
                joins.push(join);
            }
        }
    }
    let keeps_first = joins.iter().all(keeps_first);
    first.joins = joins;
    let mut left = Vec::new();
    for other in others.iter() {
        let list = if keeps_first && other.joins.is_empty() { is_of_first(&other.relation, is_alone) } else { None };
        match list {
            Some(list) => lists.push(list),
            None => {
                is_alone = false;
                left.push(other.clone());
            }
        }
    }
    select.from.truncate(1);
    select.from.append(&mut left);
    lists
}

/// Does a join look at each row of what is on its left as it is, so that these may be made more before it?
fn keeps_first(join: &Join) -> bool {
    matches!(
        join.join_operator,
        JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::CrossJoin(_)
            | JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_)
    )
}

/// Are all columns in it of these tables?
fn is_of(list: &Expr, tables: &[String], is_alone: bool) -> bool {
    let other = visit_expressions(list, |expr| match expr {
        Expr::Identifier(_) if !is_alone => ControlFlow::Break(()),
        Expr::CompoundIdentifier(names) if !is_alone => match names.first() {
            Some(table) if tables.contains(&folded(table)) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        },
        _ => ControlFlow::Continue(()),
    });
    other.is_continue()
}

fn is_cross(join: &Join) -> bool {
    match &join.join_operator {
        JoinOperator::CrossJoin(_) => true,
        JoinOperator::Join(on) | JoinOperator::Inner(on) => match on {
            JoinConstraint::None => true,
            JoinConstraint::On(Expr::Value(on)) => on.value == Value::Boolean(true),
            _ => false,
        },
        _ => false,
    }
}

/// A list of another table's column, if that is what is unnested.
fn unnested(table: &TableFactor) -> Option<Unnested> {
    let (list, alias) = match table {
        TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: false, .. } => {
            let [list] = array_exprs.as_slice() else { return None };
            (list, alias.as_ref()?)
        }
        TableFactor::Function { name, args, alias, .. } if is_unnest(name) => {
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(list))] = args.as_slice() else { return None };
            (list, alias.as_ref()?)
        }
        _ => return None,
    };
    let column = match alias.columns.as_slice() {
        [] => &alias.name,
        [column] => &column.name,
        _ => return None,
    };
    let has_column = visit_expressions(list, |expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let unnested = Unnested { list: list.clone(), table: alias.name.clone(), column: column.clone() };
    has_column.is_break().then_some(unnested)
}

/// The table under its own name, with a column more for the items of the list.
fn with_list(table: &TableFactor, list: &Expr, column: &Ident) -> Option<TableFactor> {
    let name = table_name(table)?.clone();
    let parsed = Parser::parse_sql(&GenericDialect {}, "SELECT 1 FROM (SELECT * FROM x) AS x").ok()?;
    let Some(Statement::Query(mut outer)) = parsed.into_iter().next() else { return None };
    let SetExpr::Select(outer) = outer.body.as_mut() else { return None };
    let mut made = outer.from.first()?.relation.clone();
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = &mut made else { return None };
    let SetExpr::Select(inner) = subquery.body.as_mut() else { return None };
    inner.projection.push(SelectItem::ExprWithAlias { expr: call(list.clone()), alias: column.clone() });
    inner.from.first_mut()?.relation = table.clone();
    alias.name = name;
    Some(made)
}

/// Calls `table.column` only `column`, and `table.other` the field `column.other` of the items.
struct Rename<'a> {
    table: String,
    column: &'a Ident,
}

impl VisitorMut for Rename<'_> {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::CompoundIdentifier(names) = expr
            && let [table, field, ..] = names.as_slice()
            && folded(table) == self.table
        {
            if folded(field) == folded(self.column) {
                names.remove(0);
            } else if let Some(table) = names.first_mut() {
                *table = self.column.clone();
            }
            if let [name] = names.as_slice() {
                *expr = Expr::Identifier(name.clone());
            }
        }
        ControlFlow::Continue(())
    }
}
