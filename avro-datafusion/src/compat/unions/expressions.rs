//! Rewrites expression nodes with unions to compute with branches.

use super::arguments::{targets, unify};
use super::branch::extract;
use super::compare::{UnionCompare, compare, is_comparison};
use super::functions::{inner_aggregate, inner_scalar};
use super::shape::{TypeClass, UnionShape, class_of, items_of, union_of, union_of_expr};
use super::values::{Target, UnionValue};
use crate::compat::declared;
use arrow_schema::{DataType, FieldRef};
use datafusion::common::{DFSchema, Result, plan_datafusion_err, plan_err};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, Case, Cast, InList, InSubquery, Like, ScalarFunction, Sort, TryCast, WindowFunction,
};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, WindowFunctionDefinition,
    lit, when,
};
use std::sync::Arc;

/// Rewrites an expression whose inner expressions are rewritten already.
pub(super) fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::ScalarFunction(call) => scalar(call, schema),
        Expr::AggregateFunction(call) => aggregate(call, schema),
        Expr::WindowFunction(call) => window(*call, schema),
        Expr::BinaryExpr(binary) => operator(binary, schema),
        Expr::Between(between) => range(between, schema),
        Expr::InList(list) => in_list(list, schema),
        Expr::InSubquery(list) => in_subquery(list, schema),
        Expr::Like(like) => Ok(Expr::Like(patterned(like, schema)?)),
        Expr::SimilarTo(like) => Ok(Expr::SimilarTo(patterned(like, schema)?)),
        Expr::Case(case) => choice(case, schema),
        Expr::Cast(Cast { expr, field }) => match cast_target(&expr, &field, false, schema)? {
            Some(target) => Ok(UnionValue::call(*expr, target)),
            None => Ok(Expr::Cast(Cast { expr, field })),
        },
        Expr::TryCast(TryCast { expr, field }) => match cast_target(&expr, &field, true, schema)? {
            Some(target) => Ok(UnionValue::call(*expr, target)),
            None => Ok(Expr::TryCast(TryCast { expr, field })),
        },
        Expr::Negative(expr) => Ok(Expr::Negative(Box::new(number(*expr, "-", schema)?))),
        Expr::Not(expr) => Ok(Expr::Not(Box::new(boolean(*expr, schema)?))),
        Expr::IsTrue(expr) => Ok(Expr::IsTrue(Box::new(boolean(*expr, schema)?))),
        Expr::IsFalse(expr) => Ok(Expr::IsFalse(Box::new(boolean(*expr, schema)?))),
        Expr::IsNotTrue(expr) => Ok(Expr::IsNotTrue(Box::new(boolean(*expr, schema)?))),
        Expr::IsNotFalse(expr) => Ok(Expr::IsNotFalse(Box::new(boolean(*expr, schema)?))),
        other => Ok(other),
    }
}

/// Converts a value to group by: a union of numbers to its number.
pub(super) fn key(expr: Expr, schema: &DFSchema) -> Expr {
    match union_of_expr(&expr, schema).and_then(|union| union.number()) {
        Some(_) => UnionValue::call(expr, Target::Number),
        None => expr,
    }
}

/// Converts a value to order or partition by: a union of numbers to its number, any other one to a key ordered by
/// branch and then by value.
fn order_key(expr: Expr, schema: &DFSchema) -> Expr {
    match union_of_expr(&expr, schema) {
        Some(union) if union.number().is_some() => UnionValue::call(expr, Target::Number),
        Some(_) => UnionValue::call(expr, Target::Key),
        None => expr,
    }
}

fn scalar(mut call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    if let Some(inner) = inner_scalar(&call.func) {
        call.func = inner;
    }
    if let Some(compared) = call.func.inner().downcast_ref::<UnionCompare>() {
        let op = compared.op;
        return match <[Expr; 2]>::try_from(call.args) {
            Ok([left, right]) => compare(left, op, right, schema),
            Err(_) => plan_err!("a comparison has two sides"),
        };
    }
    if let Some(value) = call.func.inner().downcast_ref::<UnionValue>() {
        return settled(value, &call, schema).map(|expr| expr.unwrap_or(Expr::ScalarFunction(call)));
    }
    if call.func.name() == "get_field"
        && let [union, Expr::Literal(name, _)] = call.args.as_slice()
        && union_of_expr(union, schema).is_some()
        && let Some(name) = name.try_as_str().flatten()
    {
        return Ok(extract(union.clone(), name));
    }
    call.args = converted(&*call.func, call.args, schema)?;
    Ok(Expr::ScalarFunction(call))
}

/// Returns the value of a conversion whose argument is no longer a union: `GROUP BY` converts some to numbers.
fn settled(value: &UnionValue, call: &ScalarFunction, schema: &DFSchema) -> Result<Option<Expr>> {
    let [arg] = call.args.as_slice() else { return Ok(None) };
    let data_type = arg.get_type(schema)?;
    if union_of(&data_type).is_some() || items_of(&data_type).is_some() {
        return Ok(None);
    }
    Ok(Some(match &value.target {
        Target::Text if class_of(&data_type) != TypeClass::Text => cast(arg.clone(), DataType::Utf8View),
        Target::Cast { to, or_null: false } => cast(arg.clone(), to.clone()),
        Target::Cast { to, or_null: true } => Expr::TryCast(TryCast::new(Box::new(arg.clone()), to.clone())),
        _ => arg.clone(),
    }))
}

fn cast(expr: Expr, to: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}

/// Converts arguments as the function takes them.
fn converted<F: datafusion::logical_expr::type_coercion::functions::UDFCoercionExt>(
    function: &F,
    args: Vec<Expr>,
    schema: &DFSchema,
) -> Result<Vec<Expr>> {
    let fields = args.iter().map(|arg| arg.to_field(schema).map(|(_, field)| field)).collect::<Result<Vec<_>>>();
    // DataFusion reports an expression without a type.
    let Ok(fields) = fields else { return Ok(args) };
    let targets = targets(function, &fields)?;
    let convert = |(arg, target): (Expr, Option<Target>)| match target {
        Some(target) => UnionValue::call(arg, target),
        None => arg,
    };
    Ok(args.into_iter().zip(targets).map(convert).collect())
}

fn aggregate(mut call: AggregateFunction, schema: &DFSchema) -> Result<Expr> {
    if let Some(inner) = inner_aggregate(&call.func) {
        call.func = inner;
    }
    let params = &mut call.params;
    let args = converted(&*call.func, std::mem::take(&mut params.args), schema)?;
    params.args = match params.distinct {
        true if call.func.name() == "count" => args.into_iter().map(|arg| order_key(arg, schema)).collect(),
        true => args.into_iter().map(|arg| key(arg, schema)).collect(),
        false => args,
    };
    params.order_by = std::mem::take(&mut params.order_by).into_iter().map(|by| sort_key(by, schema)).collect();
    Ok(Expr::AggregateFunction(call))
}

fn window(mut call: WindowFunction, schema: &DFSchema) -> Result<Expr> {
    if let WindowFunctionDefinition::AggregateUDF(function) = &mut call.fun {
        if let Some(inner) = inner_aggregate(function) {
            *function = inner;
        }
        call.params.args = converted(&**function, std::mem::take(&mut call.params.args), schema)?;
    }
    let params = &mut call.params;
    params.partition_by =
        std::mem::take(&mut params.partition_by).into_iter().map(|by| order_key(by, schema)).collect();
    // DataFusion has no ranges of bytes.
    let by = |by: Sort| match union_of_expr(&by.expr, schema) {
        Some(union) if union.number().is_none() => Sort { expr: UnionValue::call(by.expr, Target::KeyText), ..by },
        _ => sort_key(by, schema),
    };
    params.order_by = std::mem::take(&mut params.order_by).into_iter().map(by).collect();
    Ok(Expr::WindowFunction(Box::new(call)))
}

pub(super) fn sort_key(by: Sort, schema: &DFSchema) -> Sort {
    Sort { expr: order_key(by.expr, schema), ..by }
}

fn operator(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    if is_comparison(op) {
        return compare(*left, op, *right, schema);
    }
    if union_of_expr(&left, schema).is_none() && union_of_expr(&right, schema).is_none() {
        return Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }));
    }
    let side = |expr: Box<Expr>| -> Result<Box<Expr>> {
        Ok(Box::new(match op {
            Operator::And | Operator::Or => boolean(*expr, schema)?,
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                number(*expr, &op.to_string(), schema)?
            }
            _ => text(*expr, schema),
        }))
    };
    Ok(Expr::BinaryExpr(BinaryExpr { left: side(left)?, op, right: side(right)? }))
}

fn number(expr: Expr, what: &str, schema: &DFSchema) -> Result<Expr> {
    match union_of_expr(&expr, schema) {
        Some(union) if union.number().is_none() => Err(union.refuse(&expr, &format!("is no number for {what}"))),
        _ => Ok(key(expr, schema)),
    }
}

fn boolean(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match union_of_expr(&expr, schema) {
        Some(union) => Err(union.refuse(&expr, "is no condition")),
        None => Ok(expr),
    }
}

fn text(expr: Expr, schema: &DFSchema) -> Expr {
    match union_of_expr(&expr, schema) {
        Some(_) => UnionValue::call(expr, Target::Text),
        None => expr,
    }
}

fn patterned(like: Like, schema: &DFSchema) -> Result<Like> {
    let (expr, pattern) = (text(*like.expr, schema), text(*like.pattern, schema));
    Ok(Like { expr: Box::new(expr), pattern: Box::new(pattern), ..like })
}

fn range(between: Between, schema: &DFSchema) -> Result<Expr> {
    let Between { expr, negated, low, high } = between;
    if [&expr, &low, &high].iter().all(|expr| union_of_expr(expr, schema).is_none()) {
        return Ok(Expr::Between(Between { expr, negated, low, high }));
    }
    let within =
        compare((*expr).clone(), Operator::GtEq, *low, schema)?.and(compare(*expr, Operator::LtEq, *high, schema)?);
    Ok(negated_if(negated, within))
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn in_list(list: InList, schema: &DFSchema) -> Result<Expr> {
    let InList { expr, list, negated } = list;
    let union = union_of_expr(&expr, schema);
    if union.is_none() && list.iter().all(|item| union_of_expr(item, schema).is_none()) {
        return Ok(Expr::InList(InList { expr, list, negated }));
    }
    let class = |item: &Expr| item.get_type(schema).map_or(TypeClass::Nested, |data_type| class_of(&data_type));
    if union.as_ref().is_some_and(|union| union.number().is_none())
        && list.iter().all(|item| class(item) == TypeClass::Text)
    {
        return Ok(Expr::InList(InList { expr: Box::new(text(*expr, schema)), list, negated }));
    }
    if let Some(union) = &union
        && list.iter().all(|item| matches!(class(item), TypeClass::Number | TypeClass::Null))
        && !union.of_class(TypeClass::Number).is_empty()
    {
        return Ok(negated_if(negated, in_numbers(*expr, union, list, class)?));
    }
    let mut any: Option<Expr> = None;
    for item in list {
        let equal = compare((*expr).clone(), Operator::Eq, item, schema)?;
        any = Some(match any {
            Some(any) => any.or(equal),
            None => equal,
        });
    }
    match any {
        Some(any) => Ok(negated_if(negated, any)),
        None => plan_err!("IN takes at least one value"),
    }
}

/// Tests whether a union is one of these numbers, branch by branch. A value of another branch is not.
fn in_numbers(union: Expr, shape: &UnionShape, list: Vec<Expr>, class: impl Fn(&Expr) -> TypeClass) -> Result<Expr> {
    let branches = shape.of_class(TypeClass::Number);
    let in_list = |branch: &FieldRef| extract(union.clone(), branch.name()).in_list(list.clone(), false);
    let mut any: Vec<_> = branches.iter().map(|branch| in_list(branch)).collect();
    if branches.len() < shape.branches.len() && list.iter().all(|item| class(item) == TypeClass::Number) {
        any.push(when(union.clone().is_not_null(), lit(false)).end()?);
    }
    Ok(coalesce(any))
}

fn in_subquery(list: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = list;
    let of = subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
    let (Some(of), Ok(data_type)) = (of, expr.get_type(schema)) else {
        return Ok(Expr::InSubquery(InSubquery { expr, subquery, negated }));
    };
    let (left, right) = (union_of(&data_type), union_of(&of));
    let (left_target, right_target) = match (&left, &right) {
        (None, None) if !of.is_nested() || !data_type.is_nested() => (None, None),
        _ => equal_as((left.as_ref(), &data_type), (right.as_ref(), &of)).ok_or_else(|| {
            let union = left.as_ref().or(right.as_ref());
            union.map_or_else(
                || plan_datafusion_err!("IN: values of different types cannot be compared"),
                |union| union.refuse(&expr, "cannot be compared with the values of the subquery"),
            )
        })?,
    };
    let expr = match left_target {
        Some(target) => Box::new(UnionValue::call(*expr, target)),
        None => expr,
    };
    let subquery = match right_target {
        Some(target) => Subquery { subquery: Arc::new(column_as((*subquery.subquery).clone(), target)?), ..subquery },
        None => subquery,
    };
    Ok(Expr::InSubquery(InSubquery { expr, subquery, negated }))
}

/// Converts two sides, at least one a union, so that equal values are equal; `None` if none can be.
pub(super) fn equal_as(
    (left, left_type): (Option<&UnionShape>, &DataType),
    (right, right_type): (Option<&UnionShape>, &DataType),
) -> Option<(Option<Target>, Option<Target>)> {
    let is_number = |shape: Option<&UnionShape>, data_type: &DataType| match shape {
        Some(shape) => shape.number().is_some(),
        None => matches!(class_of(data_type), TypeClass::Number | TypeClass::Null),
    };
    let is_text =
        |shape: Option<&UnionShape>, data_type: &DataType| shape.is_none() && class_of(data_type) == TypeClass::Text;
    let both = |target: Target| (left.map(|_| target.clone()), right.map(|_| target.clone()));
    // DataFusion loses rows of joins on structs, lists and maps that contain nulls.
    let is_same = match (left, right) {
        (Some(left), Some(right)) => left.number().is_none() && left.has_branches_of(right),
        (None, None) => left_type.is_nested() && left_type.equals_datatype(right_type),
        _ => false,
    };
    if is_same {
        return Some((Some(Target::Key), Some(Target::Key)));
    }
    if is_number(left, left_type) && is_number(right, right_type) {
        return Some(both(Target::Number));
    }
    (is_text(left, left_type) || is_text(right, right_type)).then(|| both(Target::Text))
}

/// Returns the plan with its only column converted.
fn column_as(plan: LogicalPlan, target: Target) -> Result<LogicalPlan> {
    let Some((qualifier, field)) = plan.schema().iter().next().map(|(q, f)| (q.cloned(), Arc::clone(f))) else {
        return plan_err!("IN takes a subquery of one column");
    };
    let column = Expr::Column((qualifier.as_ref(), &field).into());
    let value = UnionValue::call(column, target).alias_qualified(qualifier, field.name());
    LogicalPlanBuilder::from(plan).project(vec![value])?.build()
}

fn choice(case: Case, schema: &DFSchema) -> Result<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let (whens, thens): (Vec<_>, Vec<_>) = when_then_expr.into_iter().unzip();
    let is_union = |expr: &Expr| union_of_expr(expr, schema).is_some();
    // `CASE u WHEN 1` compares.
    let (expr, whens) = match expr {
        Some(base) if is_union(&base) || whens.iter().any(|when| is_union(when)) => {
            let equal = |when: Box<Expr>| compare((*base).clone(), Operator::Eq, *when, schema).map(Box::new);
            (None, whens.into_iter().map(equal).collect::<Result<Vec<_>>>()?)
        }
        expr => (expr, whens),
    };
    let n = thens.len();
    let values: Vec<_> = thens.into_iter().chain(else_expr).collect();
    let types = values.iter().map(|value| value.get_type(schema)).collect::<Result<Vec<_>>>();
    let targets = match types {
        Ok(types) => unify("CASE", &types)?,
        Err(_) => vec![None; values.len()],
    };
    let convert = |(value, target): (Box<Expr>, Option<Target>)| match target {
        Some(target) => Box::new(UnionValue::call(*value, target)),
        None => value,
    };
    let mut values: Vec<_> = values.into_iter().zip(targets).map(convert).collect();
    let else_expr = (values.len() > n).then(|| values.pop()).flatten();
    Ok(Expr::Case(Case { expr, when_then_expr: whens.into_iter().zip(values).collect(), else_expr }))
}

/// Returns the conversion for a cast of a union, or of a list of them; `None` for any other cast.
fn cast_target(expr: &Expr, to: &FieldRef, or_null: bool, schema: &DFSchema) -> Result<Option<Target>> {
    let Ok(data_type) = expr.get_type(schema) else { return Ok(None) };
    if *to.data_type() == data_type || declared::is_declared(to) {
        return Ok(None);
    }
    let to = to.data_type();
    if let Some(union) = union_of(&data_type) {
        return match to {
            to if class_of(to) == TypeClass::Text => Ok(Some(Target::Text)),
            DataType::Struct(_) | DataType::Union(..) => Err(union.refuse(expr, "cannot be cast to a record")),
            to => Ok(Some(Target::Cast { to: to.clone(), or_null })),
        };
    }
    Ok(match (items_of(&data_type), to) {
        (Some(_), DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
            Some(match item.data_type() {
                to if class_of(to) == TypeClass::Text => Target::Text,
                to => Target::Cast { to: to.clone(), or_null },
            })
        }
        _ => None,
    })
}

/// Returns a plan's columns with unions of numbers as numbers; `None` if no column is one.
pub(super) fn numbers_of(schema: &DFSchema) -> Option<Vec<Expr>> {
    let mut is_any = false;
    let columns = schema.iter().map(|(qualifier, field)| {
        let column = Expr::Column((qualifier, field).into());
        match union_of(field.data_type()).and_then(|union| union.number()) {
            Some(_) => {
                is_any = true;
                UnionValue::call(column, Target::Number).alias_qualified(qualifier.cloned(), field.name())
            }
            None => column,
        }
    });
    let columns: Vec<_> = columns.collect();
    is_any.then_some(columns)
}
