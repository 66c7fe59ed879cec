//! Gives the expressions of GROUP BY different names.
//!
//! DataFusion 55 names a cast after its operand, so both columns of `GROUP BY x, x::date` are called `x`. Its planner
//! rejects two such casts, and rules of its optimizer reject one beside the operand. Here `x::date` becomes
//! `CASE WHEN 'x::date' = 'x::date' THEN x::date END`: the optimizer folds the condition and keeps the name.

use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr,
    Value, VisitorMut,
};

use super::names::folded;
use super::walk::{any_expr, visit, walk};

/// Returns whether an aggregation of the plan has two groups of one name.
pub(super) fn have_equal_names(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            let mut names = HashSet::new();
            let groups = grouping_set_to_exprlist(&aggregate.group_expr)?;
            found |= !groups.iter().all(|group| names.insert(group.schema_name().to_string()));
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Rewrites the casts in GROUP BY. Returns `false` if it has no casts.
pub(super) fn rename(statement: &mut Statement) -> bool {
    let mut groups = Groups { changed: false };
    visit(statement, &mut groups);
    groups.changed
}

struct Groups {
    changed: bool,
}

impl VisitorMut for Groups {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        self.rename(&mut query.body, query.order_by.as_mut());
        ControlFlow::Continue(())
    }
}

impl Groups {
    fn rename(&mut self, body: &mut SetExpr, order_by: Option<&mut OrderBy>) {
        let select = match body {
            SetExpr::Select(select) => select,
            SetExpr::SetOperation { left, right, .. } => {
                self.rename(left, None);
                return self.rename(right, None);
            }
            _ => return,
        };
        let casts: Vec<_> =
            groups(select).into_iter().filter(|group| has_cast(group) && !is_named(group)).map(key).collect();
        if casts.is_empty() {
            return;
        }
        self.changed = true;
        let named = &mut Named { casts };
        let ControlFlow::Continue(()) = walk(&mut select.projection, named);
        let ControlFlow::Continue(()) = walk(&mut select.group_by, named);
        let ControlFlow::Continue(()) = walk(&mut select.having, named);
        let ControlFlow::Continue(()) = walk(&mut select.qualify, named);
        if let Some(OrderBy { kind: OrderByKind::Expressions(keys), .. }) = order_by {
            let ControlFlow::Continue(()) = walk(keys, named);
        }
    }
}

/// Returns the grouping expressions of a SELECT. Positions and aliases stand for items of the select list.
fn groups(select: &Select) -> Vec<&Expr> {
    let listed = match &select.group_by {
        GroupByExpr::All(_) => return select.projection.iter().filter_map(|found| item(found).0).collect(),
        GroupByExpr::Expressions(listed, _) => listed,
    };
    let mut groups = vec![];
    for group in listed {
        match group {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => groups.extend(sets.iter().flatten()),
            group => groups.push(group),
        }
    }
    groups.into_iter().map(|group| resolved(group, select).unwrap_or(group)).collect()
}

/// Returns the item of the select list that a position or an alias stands for.
fn resolved<'a>(group: &Expr, select: &'a Select) -> Option<&'a Expr> {
    match group {
        Expr::Value(value) => {
            let Value::Number(position, _) = &value.value else { return None };
            let position = position.to_string().parse::<usize>().ok()?.checked_sub(1)?;
            item(select.projection.get(position)?).0
        }
        Expr::Identifier(name) => {
            let is_alias = |alias: Option<&Ident>| alias.is_some_and(|alias| folded(alias) == folded(name));
            select.projection.iter().map(item).find(|(_, alias)| is_alias(*alias))?.0
        }
        _ => None,
    }
}

/// Returns the expression and the alias of an item of the select list.
fn item(item: &SelectItem) -> (Option<&Expr>, Option<&Ident>) {
    match item {
        SelectItem::UnnamedExpr(expr) => (Some(expr), None),
        SelectItem::ExprWithAlias { expr, alias } => (Some(expr), Some(alias)),
        _ => (None, None),
    }
}

fn has_cast(expr: &Expr) -> bool {
    any_expr(expr, |expr| matches!(expr, Expr::Cast { .. } | Expr::TypedString(_)))
}

/// Returns whether the expression has been rewritten already.
fn is_named(expr: &Expr) -> bool {
    let Expr::Case { conditions, .. } = expr else { return false };
    matches!(conditions.as_slice(), [CaseWhen { condition: Expr::BinaryOp { left, right, .. }, .. }] if left == right)
}

/// Returns the text of an expression without qualifiers and in lower case, since one column may be written in several
/// ways. Different expressions with one key keep different names: a name contains the operands too.
fn key(expr: &Expr) -> String {
    struct Unqualified;
    impl VisitorMut for Unqualified {
        type Break = Infallible;

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
            if let Expr::CompoundIdentifier(names) = expr
                && let Some(name) = names.pop()
            {
                *expr = Expr::Identifier(name);
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = expr.clone();
    let ControlFlow::Continue(()) = walk(&mut expr, &mut Unqualified);
    expr.to_string().to_lowercase()
}

/// Gives names to all occurrences of the expressions with these keys.
struct Named {
    casts: Vec<String>,
}

impl VisitorMut for Named {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        let key = key(expr);
        if self.casts.contains(&key) {
            let name = || Box::new(Expr::Value(Value::SingleQuotedString(key.clone()).into()));
            let condition = Expr::BinaryOp { left: name(), op: BinaryOperator::Eq, right: name() };
            *expr = Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen { condition, result: expr.clone() }],
                else_result: None,
            };
        }
        ControlFlow::Continue(())
    }
}
