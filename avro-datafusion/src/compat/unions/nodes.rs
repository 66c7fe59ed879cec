//! Operators that compare whole values: `GROUP BY`, `DISTINCT`, `ORDER BY`, joins and set operations over unions.

use super::arguments::unify;
use super::compare::compare;
use super::expressions::{equal_as, key, numbers_of, sort_key};
use super::shape::{has_dense, union_of};
use super::values::{Target, UnionValue};
use arrow_schema::DataType;
use datafusion::common::{DFSchema, NullEquality, Result};
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Operator, Projection,
    Sort, Union,
};
use std::sync::Arc;

/// Rewrites an operator to compare unions as numbers or text.
pub(super) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(_) => tagged(plan),
        LogicalPlan::Aggregate(aggregate) => grouped(aggregate),
        LogicalPlan::Distinct(Distinct::All(input)) => Ok(LogicalPlan::Distinct(Distinct::All(with_numbers(input)?))),
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let schema = Arc::clone(on.input.schema());
            let keys = |exprs: Vec<Expr>| exprs.into_iter().map(|expr| key(expr, &schema)).collect();
            let sort_expr = on.sort_expr.map(|by| by.into_iter().map(|by| sort_key(by, &schema)).collect());
            Ok(LogicalPlan::Distinct(Distinct::On(DistinctOn { on_expr: keys(on.on_expr), sort_expr, ..on })))
        }
        LogicalPlan::Sort(sort) => {
            let schema = Arc::clone(sort.input.schema());
            let expr = sort.expr.into_iter().map(|by| sort_key(by, &schema)).collect();
            Ok(LogicalPlan::Sort(Sort { expr, ..sort }))
        }
        LogicalPlan::Join(join) => joined(join),
        LogicalPlan::Union(union) => united(union),
        other => Ok(other),
    }
}

/// Returns a scan with Arrow's unions as tagged structs.
fn tagged(scan: LogicalPlan) -> Result<LogicalPlan> {
    if !scan.schema().fields().iter().any(|field| has_dense(field.data_type())) {
        return Ok(scan);
    }
    let columns = scan.schema().iter().map(|(qualifier, field)| {
        let column = Expr::Column((qualifier, field).into());
        match has_dense(field.data_type()) {
            true => UnionValue::call(column, Target::Tagged).alias_qualified(qualifier.cloned(), field.name()),
            false => column,
        }
    });
    let columns: Vec<_> = columns.collect();
    LogicalPlanBuilder::from(scan).project(columns)?.build()
}

fn with_numbers(input: Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    match numbers_of(input.schema()) {
        Some(columns) => Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, input)?))),
        None => Ok(input),
    }
}

fn grouped(aggregate: Aggregate) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    if let [Expr::GroupingSet(_)] = group_expr.as_slice() {
        // Its expressions have no names of their own.
        return Aggregate::try_new(with_numbers(input)?, group_expr, aggr_expr).map(LogicalPlan::Aggregate);
    }
    let named = |expr: Expr| {
        let (qualifier, name) = expr.qualified_name();
        let is_key = union_of(&expr.get_type(input.schema()).unwrap_or(DataType::Null)).is_some();
        let key = key(expr.clone(), input.schema());
        if is_key && key != expr { key.alias_qualified(qualifier, name) } else { expr }
    };
    let group_expr = group_expr.into_iter().map(named).collect::<Vec<_>>();
    Aggregate::try_new(input, group_expr, aggr_expr).map(LogicalPlan::Aggregate)
}

fn joined(mut join: Join) -> Result<LogicalPlan> {
    let type_of = |expr: &Expr, schema: &DFSchema| expr.get_type(schema).unwrap_or(DataType::Null);
    let both = join.left.schema().join(join.right.schema())?;
    let mut on = Vec::with_capacity(join.on.len());
    for (left, right) in join.on {
        let (left_type, right_type) = (type_of(&left, join.left.schema()), type_of(&right, join.right.schema()));
        let (left_union, right_union) = (union_of(&left_type), union_of(&right_type));
        if left_union.is_none() && right_union.is_none() && !(left_type.is_nested() && right_type.is_nested()) {
            on.push((left, right));
            continue;
        }
        match equal_as((left_union.as_ref(), &left_type), (right_union.as_ref(), &right_type)) {
            Some((as_left, as_right)) => {
                let side = |expr: Expr, target: Option<Target>| match target {
                    Some(target) => UnionValue::call(expr, target),
                    None => expr,
                };
                on.push((side(left, as_left), side(right, as_right)));
            }
            None => {
                let op = match join.null_equality {
                    NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
                    NullEquality::NullEqualsNothing => Operator::Eq,
                };
                let equal = compare(left, op, right, &both)?;
                join.filter = Some(match join.filter {
                    Some(filter) => filter.and(equal),
                    None => equal,
                });
            }
        }
    }
    Ok(LogicalPlan::Join(Join { on, ..join }))
}

fn united(union: Union) -> Result<LogicalPlan> {
    let Union { inputs, schema } = union;
    let n = inputs.first().map_or(0, |input| input.schema().fields().len());
    if inputs.iter().any(|input| input.schema().fields().len() != n) {
        return Ok(LogicalPlan::Union(Union { inputs, schema }));
    }
    // By input, then by column.
    let mut targets: Vec<Vec<Option<Target>>> = inputs.iter().map(|_| Vec::with_capacity(n)).collect();
    for column in 0..n {
        let types: Vec<_> = inputs.iter().map(|input| input.schema().field(column).data_type().clone()).collect();
        let unified = unify("UNION", &types)?;
        targets.iter_mut().zip(unified).for_each(|(targets, target)| targets.push(target));
    }
    if targets.iter().flatten().all(Option::is_none) {
        return Ok(LogicalPlan::Union(Union { inputs, schema }));
    }
    let mut converted = Vec::with_capacity(inputs.len());
    for (input, targets) in inputs.into_iter().zip(targets) {
        let columns = input.schema().iter().zip(targets).map(|((qualifier, field), target)| {
            let column = Expr::Column((qualifier, field).into());
            match target {
                Some(target) => UnionValue::call(column, target).alias_qualified(qualifier.cloned(), field.name()),
                None => column,
            }
        });
        let columns: Vec<_> = columns.collect();
        converted.push(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, input)?)));
    }
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(converted)?))
}
