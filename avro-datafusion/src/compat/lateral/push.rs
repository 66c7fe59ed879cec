//! A subquery that looks at columns of the query outside, made into one that does not: its plan in, a plan of the same rows out, each
//! beside the outer row it belongs to.
//!
//! The plan of a subquery over `UNNEST` has one row without columns at its bottom. The outer rows take the place of that row,
//! and every step above them passes their columns on. Steps that look at several rows at once, such as aggregates, look only at
//! rows of the same outer row: the column `row` tells them apart.

use super::Names;
use super::rule;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, NullEquality, Result, not_impl_err};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprFunctionExt, FetchType, Filter, Join, JoinConstraint, JoinType, LogicalPlan,
    Projection, SkipType, Sort, Union, Unnest, Window, WindowFunctionDefinition, lit, when,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The outer rows that a subquery's plan is pushed onto.
pub(super) struct Push<'a> {
    /// A plan of the outer rows.
    pub(super) outer: LogicalPlan,
    /// What its columns are called, by the names that the subquery has for them.
    pub(super) bound: HashMap<Column, Column>,
    /// The columns that all steps pass on.
    pub(super) carried: Vec<Column>,
    /// The column that numbers the outer rows. Only row by row steps can do without.
    pub(super) row: Option<Column>,
    pub(super) names: &'a Names,
}

impl Push<'_> {
    /// Returns the rows of this plan for all outer rows: the carried columns, then its own.
    pub(super) fn push(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Ok(self.outer.clone()),
            LogicalPlan::Subquery(subquery) => self.push(&subquery.subquery),
            plan if !self.is_correlated(plan) => join(self.outer.clone(), plan.clone(), JoinType::Inner, vec![]),
            LogicalPlan::SubqueryAlias(alias) => {
                let names = alias.input.schema().columns().into_iter().map(|column| column.name);
                let qualify = |(expr, name): (Expr, String)| expr.alias_qualified(Some(alias.alias.clone()), name);
                if let LogicalPlan::Projection(projection) = alias.input.as_ref() {
                    let columns = self.bind_all(&projection.expr)?.into_iter().map(Expr::unalias).zip(names);
                    return self.project(self.push(&projection.input)?, columns.map(qualify));
                }
                // By way of names of their own: optimizer rules of DataFusion 55 fail where `i` becomes `u.i`.
                let input = self.push(&alias.input)?;
                let columns = alias.input.schema().columns();
                let between: Vec<_> = columns.iter().map(|_| Column::from_name(self.names.next("column"))).collect();
                let renamed = columns.into_iter().zip(&between);
                let renamed = renamed.map(|(column, between)| Expr::Column(column).alias(&between.name));
                let input = self.project(input, renamed)?;
                self.project(input, between.into_iter().map(Expr::Column).zip(names).map(qualify))
            }
            LogicalPlan::Projection(projection) => {
                let columns = self.bind_all(&projection.expr)?;
                self.project(self.push(&projection.input)?, columns)
            }
            LogicalPlan::Filter(filter) => {
                let input = self.push(&filter.input)?;
                Ok(LogicalPlan::Filter(Filter::try_new(self.bind(filter.predicate.clone())?, Arc::new(input))?))
            }
            LogicalPlan::Unnest(unnest) => {
                let input = self.push(&unnest.input)?;
                let unnest = Unnest::try_new(Arc::new(input), unnest.exec_columns.clone(), unnest.options.clone());
                Ok(LogicalPlan::Unnest(unnest?))
            }
            LogicalPlan::Join(inner) => self.push_join(inner),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let input = Arc::new(self.push(&sort.input)?);
                Ok(LogicalPlan::Sort(Sort { expr: self.bind_order(&sort.expr)?, input, fetch: None }))
            }
            LogicalPlan::Limit(limit) => match (limit.get_skip_type()?, limit.get_fetch_type()?) {
                (SkipType::Literal(skip), FetchType::Literal(fetch)) => self.limit(&limit.input, skip, fetch),
                _ => unsupported("a LIMIT that is no number"),
            },
            LogicalPlan::Aggregate(aggregate) => {
                self.aggregate(&aggregate.input, &aggregate.group_expr, &aggregate.aggr_expr)
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
                self.aggregate(input, &columns, &[])
            }
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Union(union) => {
                let input = |input: &Arc<LogicalPlan>| {
                    let columns = input.schema().columns().into_iter().map(Expr::Column);
                    Ok(Arc::new(self.project(self.push(input)?, columns)?))
                };
                let inputs = union.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
                let all = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
                // A union leaves out which tables the columns are of.
                let names = self.carried.iter().cloned().chain(plan.schema().columns());
                let columns = all.schema().columns().into_iter().zip(names);
                let columns: Vec<Expr> = columns
                    .map(|(column, name)| Expr::Column(column).alias_qualified(name.relation, name.name))
                    .collect();
                project(all, columns)
            }
            LogicalPlan::Distinct(_) => unsupported("DISTINCT ON"),
            LogicalPlan::RecursiveQuery(_) => unsupported("WITH RECURSIVE"),
            _ => unsupported("this clause"),
        }
    }

    /// Whether a plan looks at columns of the outer rows.
    pub(super) fn is_correlated(&self, plan: &LogicalPlan) -> bool {
        is_correlated(plan, &|column| self.bound.contains_key(column))
    }

    /// The expression over the outer rows' columns instead of references to them.
    fn bind(&self, expr: Expr) -> Result<Expr> {
        expr.transform_up(|expr| match expr {
            Expr::OuterReferenceColumn(field, column) => Ok(match self.bound.get(&column) {
                Some(bound) => Transformed::yes(Expr::Column(bound.clone())),
                None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
            }),
            other if rule::subquery_of(&other).is_some_and(|inner| self.is_correlated(&inner.subquery)) => {
                unsupported("a table in an inner subquery")
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
    }

    /// [`bind`](Self::bind) for expressions that are columns of a plan, which keep their names.
    fn bind_all(&self, exprs: &[Expr]) -> Result<Vec<Expr>> {
        let bind = |expr: &Expr| {
            let (relation, name) = expr.qualified_name();
            let bound = self.bind(expr.clone())?;
            Ok(if bound == *expr { bound } else { bound.unalias().alias_qualified(relation, name) })
        };
        exprs.iter().map(bind).collect()
    }

    fn bind_order(&self, order: &[SortExpr]) -> Result<Vec<SortExpr>> {
        order.iter().map(|by| Ok(by.with_expr(self.bind(by.expr.clone())?))).collect()
    }

    /// Projects to the carried columns and these.
    fn project(&self, input: LogicalPlan, columns: impl IntoIterator<Item = Expr>) -> Result<LogicalPlan> {
        project(input, self.carried.iter().cloned().map(Expr::Column).chain(columns))
    }

    fn push_join(&self, inner: &Join) -> Result<LogicalPlan> {
        let mut inner = inner.clone();
        if self.is_correlated(&inner.right) {
            if !matches!(inner.join_type, JoinType::Inner | JoinType::Left) {
                return unsupported("such a join");
            }
            // What is on the right refers to outer columns that are now on the left: a lateral join.
            inner.right = Arc::new(self.rename(&inner.right)?);
        }
        inner.left = Arc::new(self.push(&inner.left)?);
        let on = inner.on.into_iter().map(|(left, right)| Ok((self.bind(left)?, self.bind(right)?)));
        let on: Vec<_> = on.collect::<Result<_>>()?;
        let filter = inner.filter.map(|filter| self.bind(filter)).transpose()?;
        let joined = Join::try_new(
            inner.left,
            inner.right,
            on,
            filter,
            inner.join_type,
            JoinConstraint::On,
            inner.null_equality,
            inner.null_aware,
        )?;
        Ok(rule::lateral_join(joined, self.names)?.data)
    }

    /// The plan with outer references to the outer rows' columns under the names that these have here.
    fn rename(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let rename = |expr: Expr| {
            expr.transform_up(|expr| match expr {
                Expr::OuterReferenceColumn(field, column) => Ok(match self.bound.get(&column) {
                    Some(bound) => Transformed::yes(Expr::OuterReferenceColumn(field, bound.clone())),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                }),
                other => Ok(Transformed::no(other)),
            })
        };
        plan.clone().transform_up(|plan| plan.map_expressions(rename)).data()
    }

    /// Groups the rows of each outer row.
    fn aggregate(&self, input: &LogicalPlan, groups: &[Expr], aggregates: &[Expr]) -> Result<LogicalPlan> {
        let row = self.row()?;
        if groups.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
            return unsupported("GROUPING SETS, CUBE or ROLLUP");
        }
        let input = Arc::new(self.push(input)?);
        let (groups, aggregates) = (self.bind_all(groups)?, self.bind_all(aggregates)?);
        let by = std::iter::once(Expr::Column(row.clone())).chain(groups.iter().cloned()).collect();
        let grouped = Aggregate::try_new(Arc::clone(&input), by, aggregates.clone())?;
        let columns = grouped.schema.columns().into_iter().skip(1).map(Expr::Column).collect::<Vec<_>>();
        // Beside the outer rows again, whose other columns the groups do not have.
        let key = Column::from_name(self.names.next("row"));
        let keyed = std::iter::once(Expr::Column(row.clone()).alias(&key.name)).chain(columns.iter().cloned());
        let keyed = project(LogicalPlan::Aggregate(grouped), keyed)?;
        let on = vec![(Expr::Column(row.clone()), Expr::Column(key.clone()))];
        if !groups.is_empty() {
            return self.project(join(self.outer.clone(), keyed, JoinType::Inner, on)?, columns);
        }
        // Without groups there is a row even where there is nothing to aggregate.
        let nothing = LogicalPlan::Filter(Filter::try_new(lit(false), input)?);
        let nothing = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(nothing), vec![], aggregates)?);
        let defaults: Vec<_> = columns.iter().map(|_| Column::from_name(self.names.next("default"))).collect();
        let renamed = columns.iter().cloned().zip(&defaults).map(|(column, default)| column.alias(&default.name));
        let nothing = project(nothing, renamed)?;
        let joined = join(self.outer.clone(), keyed, JoinType::Left, on)?;
        let joined = join(joined, nothing, JoinType::Inner, vec![])?;
        let value = |(column, default): (Expr, Column)| {
            let (relation, name) = column.qualified_name();
            let value = when(Expr::Column(key.clone()).is_null(), Expr::Column(default)).otherwise(column)?;
            Ok(value.alias_qualified(relation, name))
        };
        let values = columns.into_iter().zip(defaults).map(value).collect::<Result<Vec<_>>>()?;
        self.project(joined, values)
    }

    /// Numbers the rows of each outer row, and keeps those that the limit does.
    fn limit(&self, input: &LogicalPlan, skip: usize, fetch: Option<usize>) -> Result<LogicalPlan> {
        // Below, so that what it is sorted by is still there.
        if let LogicalPlan::Projection(projection) = input {
            let columns = self.bind_all(&projection.expr)?;
            return self.project(self.limit(&projection.input, skip, fetch)?, columns);
        }
        let order = match input {
            LogicalPlan::Sort(sort) => self.bind_order(&sort.expr)?,
            _ => vec![],
        };
        let columns = input.schema().columns().into_iter().map(Expr::Column);
        let input = self.push(input)?;
        let number = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]);
        let number = Expr::from(number).partition_by(vec![Expr::Column(self.row()?.clone())]);
        // An order of nothing is another frame than no order, and one that DataFusion refuses.
        let number = if order.is_empty() { number.build()? } else { number.order_by(order).build()? };
        let name = self.names.next("number");
        let numbered = Window::try_new(vec![number.alias(&name)], Arc::new(input))?;
        let bound = |n: usize| lit(u64::try_from(n).unwrap_or(u64::MAX));
        let number = Expr::Column(Column::from_name(name));
        let mut kept = number.clone().gt(bound(skip));
        if let Some(fetch) = fetch {
            kept = kept.and(number.lt_eq(bound(skip.saturating_add(fetch))));
        }
        self.project(LogicalPlan::Filter(Filter::try_new(kept, Arc::new(LogicalPlan::Window(numbered)))?), columns)
    }

    /// Keeps windows within the rows of an outer row.
    fn window(&self, window: &Window) -> Result<LogicalPlan> {
        let row = Expr::Column(self.row()?.clone());
        let within = |expr: &Expr| {
            let (relation, name) = expr.qualified_name();
            let partitioned = self.bind(expr.clone())?.transform_up(|expr| match expr {
                Expr::WindowFunction(mut function) => {
                    function.params.partition_by.push(row.clone());
                    Ok(Transformed::yes(Expr::WindowFunction(function)))
                }
                other => Ok(Transformed::no(other)),
            });
            Ok(partitioned.data()?.unalias().alias_qualified(relation, name))
        };
        let exprs = window.window_expr.iter().map(within).collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlan::Window(Window::try_new(exprs, Arc::new(self.push(&window.input)?))?))
    }

    fn row(&self) -> Result<&Column> {
        match &self.row {
            Some(row) => Ok(row),
            None => unsupported("this clause beside a table"),
        }
    }
}

/// Whether a plan has outer references to columns that `is_outer` says are meant.
pub(super) fn is_correlated(plan: &LogicalPlan, is_outer: &dyn Fn(&Column) -> bool) -> bool {
    plan.all_out_ref_exprs()
        .iter()
        .any(|expr| matches!(expr, Expr::OuterReferenceColumn(_, column) if is_outer(column)))
}

/// Projects, leaving the names of columns as they are.
pub(super) fn project(input: LogicalPlan, columns: impl IntoIterator<Item = Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(columns.into_iter().collect(), Arc::new(input))?))
}

fn join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<(Expr, Expr)>) -> Result<LogicalPlan> {
    let (left, right) = (Arc::new(left), Arc::new(right));
    let equality = NullEquality::NullEqualsNothing;
    Ok(LogicalPlan::Join(Join::try_new(left, right, on, None, kind, JoinConstraint::On, equality, false)?))
}

/// The error for what a subquery over the items of an outer column cannot have.
pub(super) fn unsupported<T>(what: &str) -> Result<T> {
    not_impl_err!(
        "{what} in a subquery that looks at columns of the query outside; write it as a join with UNNEST in FROM and GROUP BY"
    )
}
