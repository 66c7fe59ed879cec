//! Walks over parsed statements. sqlparser compiles a walk over its whole syntax tree for each type of visitor, some
//! 200 KB of code; here all visitors share one.

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement as Sql, TableFactor, ValueWithSpan, VisitMut, VisitorMut,
    visit_expressions,
};
use std::convert::Infallible;
use std::ops::ControlFlow;

/// Applies a visitor to a part of a statement.
pub(super) fn walk<T: VisitMut, B>(part: &mut T, visitor: &mut dyn VisitorMut<Break = B>) -> ControlFlow<B> {
    part.visit(&mut Shared(visitor))
}

/// Applies a visitor to a statement, or to the statement that it explains or the query that it copies.
pub(super) fn walk_statement<B>(statement: &mut Statement, visitor: &mut dyn VisitorMut<Break = B>) -> ControlFlow<B> {
    match statement {
        Statement::Statement(statement) => walk(statement.as_mut(), visitor),
        Statement::Explain(explain) => walk_statement(&mut explain.statement, visitor),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => walk(query.as_mut(), visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    }
}

/// Applies a visitor that always goes on to a statement, as [`walk_statement`] does.
pub(super) fn visit(statement: &mut Statement, visitor: &mut dyn VisitorMut<Break = Infallible>) {
    let ControlFlow::Continue(()) = walk_statement(statement, visitor);
}

/// Returns whether a condition holds for an expression or a part of it.
pub(super) fn any_expr(expr: &Expr, mut holds: impl FnMut(&Expr) -> bool) -> bool {
    let mut stop = |expr: &Expr| match holds(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let stop: &mut dyn FnMut(&Expr) -> ControlFlow<()> = &mut stop;
    visit_expressions(expr, stop).is_break()
}

/// A visitor of any type.
struct Shared<'a, B>(&'a mut dyn VisitorMut<Break = B>);

macro_rules! forward {
    ($($method:ident($part:ty)),* $(,)?) => {
        $(fn $method(&mut self, part: &mut $part) -> ControlFlow<B> {
            self.0.$method(part)
        })*
    };
}

impl<B> VisitorMut for Shared<'_, B> {
    type Break = B;

    forward! {
        pre_visit_query(Query),
        post_visit_query(Query),
        pre_visit_select(Select),
        post_visit_select(Select),
        pre_visit_relation(ObjectName),
        post_visit_relation(ObjectName),
        pre_visit_table_factor(TableFactor),
        post_visit_table_factor(TableFactor),
        pre_visit_expr(Expr),
        post_visit_expr(Expr),
        pre_visit_statement(Sql),
        post_visit_statement(Sql),
        pre_visit_value(ValueWithSpan),
        post_visit_value(ValueWithSpan),
    }
}
