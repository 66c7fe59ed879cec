//! Decorrelates a subquery: rewrites its plan to return its rows for all outer rows, each beside its outer row.
//!
//! The plan of a subquery over `UNNEST` has one row without columns at its bottom. The outer rows replace that row, and
//! every step above passes their columns on. Steps that combine several rows, such as aggregates, combine only rows of
//! the same outer row, which the column `row` identifies.

use super::UniqueNames;
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
    /// Names of its columns, by the names that the subquery uses.
    pub(super) bound: HashMap<Column, Column>,
    /// Columns that all steps pass on.
    pub(super) carried: Vec<Column>,
    /// Column that numbers the outer rows. Only row-by-row steps can do without.
    pub(super) row: Option<Column>,
    pub(super) names: &'a UniqueNames,
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
                // Through intermediate names: optimizer rules of DataFusion 55 fail if `i` becomes `u.i`.
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
                // A union drops the qualifiers of columns.
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

    /// Returns whether a plan uses columns of the outer rows.
    pub(super) fn is_correlated(&self, plan: &LogicalPlan) -> bool {
        is_correlated(plan, &|column| self.bound.contains_key(column))
    }

    /// Replaces references to the outer rows' columns in an expression.
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

    /// Applies [`bind`](Self::bind) to expressions that are columns of a plan, which keep their names.
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
            // The right side refers to outer columns that are now on the left: a lateral join.
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

    /// Returns the plan with outer references to the outer rows' columns under their names here.
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
        // Joined with the outer rows, whose other columns the groups lack.
        let key = Column::from_name(self.names.next("row"));
        let keyed = std::iter::once(Expr::Column(row.clone()).alias(&key.name)).chain(columns.iter().cloned());
        let keyed = project(LogicalPlan::Aggregate(grouped), keyed)?;
        let on = vec![(Expr::Column(row.clone()), Expr::Column(key.clone()))];
        if !groups.is_empty() {
            return self.project(join(self.outer.clone(), keyed, JoinType::Inner, on)?, columns);
        }
        // Without `GROUP BY`, an aggregate returns a row even for no input.
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

    /// Numbers the rows of each outer row, and keeps those within the limit.
    fn limit(&self, input: &LogicalPlan, skip: usize, fetch: Option<usize>) -> Result<LogicalPlan> {
        // Below the projection, where the sort columns still exist.
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
        // An empty order would give another frame, which DataFusion rejects.
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

    /// Restricts windows to the rows of an outer row.
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

/// Returns whether a plan has outer references to columns for which `is_outer` is true.
pub(super) fn is_correlated(plan: &LogicalPlan, is_outer: &dyn Fn(&Column) -> bool) -> bool {
    plan.all_out_ref_exprs()
        .iter()
        .any(|expr| matches!(expr, Expr::OuterReferenceColumn(_, column) if is_outer(column)))
}

/// Projects, keeping the names of columns.
pub(super) fn project(input: LogicalPlan, columns: impl IntoIterator<Item = Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(columns.into_iter().collect(), Arc::new(input))?))
}

fn join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<(Expr, Expr)>) -> Result<LogicalPlan> {
    let (left, right) = (Arc::new(left), Arc::new(right));
    let equality = NullEquality::NullEqualsNothing;
    Ok(LogicalPlan::Join(Join::try_new(left, right, on, None, kind, JoinConstraint::On, equality, false)?))
}

/// Returns the error for unsupported subqueries over the items of an outer column.
pub(super) fn unsupported<T>(what: &str) -> Result<T> {
    not_impl_err!("{what} in a correlated subquery; write it as a join with UNNEST in FROM and GROUP BY")
}
