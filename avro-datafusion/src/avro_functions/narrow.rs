//! An optimizer rule that decodes only the fields which a query uses: `SELECT r.a FROM (SELECT from_avro(v, s) AS r
//! FROM t)` needs only `a`, and so the call gets the option `columns`.
//!
//! It goes from the output down. Each node is given what is needed of its columns, and finds what it needs of the
//! columns of its input. A projection that has a call more than once gets another below it that decodes once: other
//! rules copy calls, as they take the access to a field for cheap.

use super::needs::{Need, for_each_use, is_call, is_whole_call};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, lit};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The rule.
#[derive(Debug)]
pub(super) struct NarrowDecoded;

impl NarrowDecoded {
    pub(super) const NAME: &str = "narrow_decoded_messages";
}

impl OptimizerRule for NarrowDecoded {
    fn name(&self) -> &str {
        NarrowDecoded::NAME
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let has_call = |expr: &Expr| expr.exists(|expr| Ok(is_call(expr)));
        let is_affected = plan.exists(|node| {
            let mut found = false;
            for expr in node.expressions() {
                found |= has_call(&expr)?;
            }
            Ok(found)
        })?;
        if !is_affected {
            return Ok(Transformed::no(plan));
        }
        let needs = vec![Need::All; plan.schema().fields().len()];
        narrowed(plan, &needs)
    }
}

/// Narrows the calls in a plan of whose columns this is needed.
fn narrowed(plan: LogicalPlan, needs: &[Need]) -> Result<Transformed<LogicalPlan>> {
    let uses = Uses::of(&plan, needs)?;
    let names = NamePreserver::new(&plan);
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let narrowed = expr.transform_down(|expr| {
            Ok(match uses.calls.get(&expr).and_then(Need::columns) {
                Some(columns) => Transformed::yes(with_columns(expr, columns)),
                None => Transformed::no(expr),
            })
        })?;
        Ok(narrowed.update_data(|expr| name.restore(expr)))
    })?;
    let plan = plan.transform_data(|plan| {
        let mut from = 0;
        plan.map_children(|child| {
            let to = from + child.schema().fields().len();
            let needs = uses.columns.as_ref().and_then(|columns| columns.get(from..to));
            let all = vec![Need::All; to - from];
            from = to;
            narrowed(child, needs.unwrap_or(&all))
        })
    })?;
    let plan = if plan.transformed { plan.map_data(LogicalPlan::recompute_schema)? } else { plan };
    plan.transform_data(|plan| match plan {
        LogicalPlan::Projection(projection) => decoded_once(projection),
        other => Ok(Transformed::no(other)),
    })
}

/// Moves calls that occur more than once in a projection to one below it.
fn decoded_once(projection: Projection) -> Result<Transformed<LogicalPlan>> {
    let mut counts: Vec<(Expr, usize)> = vec![];
    for expr in &projection.expr {
        expr.apply(|expr| {
            if !is_call(expr) {
                return Ok(TreeNodeRecursion::Continue);
            }
            match counts.iter_mut().find(|(known, _)| known == expr) {
                Some((_, count)) => *count += 1,
                None => counts.push((expr.clone(), 1)),
            }
            Ok(TreeNodeRecursion::Jump)
        })?;
    }
    counts.retain(|(_, count)| *count > 1);
    if counts.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Projection(projection)));
    }
    let input = projection.input.schema();
    let mut names =
        (1..).map(|n| format!("__decoded_{n}")).filter(|name| !input.has_column_with_unqualified_name(name));
    let calls: Vec<(Expr, String)> = counts.into_iter().map(|(call, _)| call).zip(names.by_ref()).collect();
    let preserver = NamePreserver::new_for_projection();
    let mut outer = vec![];
    for expr in projection.expr {
        let name = preserver.save(&expr);
        let replaced = expr.transform_down(|expr| {
            Ok(match calls.iter().find(|(call, _)| *call == expr) {
                Some((_, name)) => Transformed::yes(Expr::Column(Column::new_unqualified(name))),
                None => Transformed::no(expr),
            })
        })?;
        outer.push(name.restore(replaced.data));
    }
    let mut inner: Vec<Expr> = calls.into_iter().map(|(call, name)| call.alias(name)).collect();
    let passed = outer.iter().flat_map(|expr| expr.column_refs());
    let passed: HashSet<&Column> = passed.filter(|column| input.has_column(column)).collect();
    let mut passed: Vec<Column> = passed.into_iter().cloned().collect();
    passed.sort();
    inner.extend(passed.into_iter().map(Expr::Column));
    let inner = LogicalPlan::Projection(Projection::try_new(inner, projection.input)?);
    let outer = Projection::try_new(outer, Arc::new(inner))?;
    Ok(Transformed::yes(LogicalPlan::Projection(outer)))
}

/// What a node needs.
struct Uses {
    /// Of each call of `from_avro` in it.
    calls: HashMap<Expr, Need>,
    /// Of each column of its inputs, one after the other; `None` if all of all columns.
    columns: Option<Vec<Need>>,
}

impl Uses {
    fn of(plan: &LogicalPlan, needs: &[Need]) -> Result<Uses> {
        let schema = merge_schema(&plan.inputs());
        let mut uses = Uses { calls: HashMap::new(), columns: None };
        let has_subquery = |expr: &Expr| {
            expr.exists(|expr| {
                Ok(matches!(
                    expr,
                    Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)
                ))
            })
        };
        let mut is_whole = false;
        for expr in plan.expressions() {
            is_whole |= has_subquery(&expr)?;
        }
        let n_columns = schema.fields().len();
        let is_merged = n_columns != plan.inputs().iter().map(|input| input.schema().fields().len()).sum::<usize>();
        uses.columns = match plan {
            // A subquery may refer to any column.
            _ if is_whole || is_merged => None,
            LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => Some(vec![Need::NOTHING; n_columns]),
            // Their first columns are those of their inputs.
            LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Window(_) => needs.get(..n_columns).map(<[Need]>::to_vec),
            _ => None,
        };
        for (at, expr) in plan.expressions().iter().enumerate() {
            // An expression of a projection that is only a column or a call passes on what is needed of it.
            let whole = unaliased(expr);
            let need = match plan {
                LogicalPlan::Projection(_) if matches!(whole, Expr::Column(_)) || is_whole_call(whole) => needs.get(at),
                _ => None,
            };
            match need {
                Some(need) => {
                    uses.add(whole, need.clone(), &schema);
                    if let Expr::ScalarFunction(call) = whole {
                        for argument in &call.args {
                            for_each_use(argument, &schema, &mut |used, need| uses.add(used, need, &schema))?;
                        }
                    }
                }
                None => for_each_use(expr, &schema, &mut |used, need| uses.add(used, need, &schema))?,
            }
        }
        Ok(uses)
    }

    fn add(&mut self, used: &Expr, need: Need, schema: &DFSchema) {
        let Expr::Column(column) = used else {
            self.calls.entry(used.clone()).or_insert(Need::NOTHING).add(need);
            return;
        };
        let Some(columns) = &mut self.columns else { return };
        match schema.maybe_index_of_column(column).and_then(|at| columns.get_mut(at)) {
            Some(column) => column.add(need),
            None => self.columns = None,
        }
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Returns a call with the option `columns`.
fn with_columns(call: Expr, columns: String) -> Expr {
    match call {
        Expr::ScalarFunction(mut call) => {
            call.args.extend([lit("columns"), lit(columns)]);
            Expr::ScalarFunction(call)
        }
        other => other,
    }
}
