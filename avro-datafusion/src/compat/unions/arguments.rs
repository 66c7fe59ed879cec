//! How functions take arguments that are unions, or lists of them.

use super::shape::{TypeClass, UnionShape, class_of, has_map, has_union, items_of, union_of};
use super::values::Target;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Column, DataFusionError, Result, plan_err};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::type_coercion::functions::{UDFCoercionExt, fields_with_udf};
use std::sync::Arc;

/// Functions that return a value unchanged, or only test for null.
const PASSING: &[&str] = &[
    "any_value",
    "array_agg",
    "arrow_field",
    "arrow_metadata",
    "arrow_typeof",
    "avro_cast",
    "avro_try_cast",
    "count",
    "first_value",
    "get_field",
    "is_null",
    "lag",
    "last_value",
    "lead",
    "make_array",
    "make_map",
    "map",
    "named_struct",
    "nth_value",
    "row",
    "struct",
    "typeof",
    "union_cast",
    "union_compare",
    "union_extract",
    "union_fields",
    "union_number",
    "union_numbers",
    "union_tag",
    "union_tagged",
    "union_text",
    "union_try_cast",
    "value_key",
    "value_key_text",
    "with_metadata",
];

/// Functions that do not examine the items of a list.
const STRUCTURAL: &[&str] = &[
    "array_append",
    "array_concat",
    "array_dims",
    "array_element",
    "array_length",
    "array_ndims",
    "array_pop_back",
    "array_pop_front",
    "array_prepend",
    "array_repeat",
    "array_reverse",
    "array_slice",
    "cardinality",
    "empty",
    "flatten",
    "length",
];

/// Functions that search for an item.
const SEARCHING: &[&str] = &["array_has", "array_has_all", "array_has_any", "array_position", "array_positions"];

/// Functions that convert their arguments to text.
const READING: &[&str] = &["array_to_string", "concat", "concat_ws", "string_agg"];

/// Functions that return one of their arguments.
const CHOOSING: [&str; 4] = ["coalesce", "nvl", "ifnull", "nvl2"];

/// Functions that need an order, which values of different branches do not have.
const ORDERING: &[&str] = &["array_max", "array_min", "array_sort", "max", "min"];

/// Functions of numbers only, whose own errors do not know unions.
const ADDING: &[&str] = &["avg", "sum"];

/// The conversion of an argument before the call, if any.
pub(super) fn targets<F: UDFCoercionExt>(function: &F, fields: &[FieldRef]) -> Result<Vec<Option<Target>>> {
    let name = function.name();
    let unions: Vec<_> = fields.iter().map(|field| union_of(field.data_type())).collect();
    let lists: Vec<_> = fields.iter().map(|field| items_of(field.data_type())).collect();
    let nothing = || vec![None; fields.len()];
    if ORDERING.contains(&name)
        && let Some(map) = fields.iter().find(|field| has_map(field.data_type()))
    {
        return plan_err!("{name}: `{}` is a map, and maps have no order; take a value, as in m['key']", map.name());
    }
    if PASSING.contains(&name) || unions.iter().chain(&lists).all(Option::is_none) {
        return Ok(nothing());
    }
    if CHOOSING.contains(&name) {
        // The first argument of `nvl2` is only tested for null.
        let tested = usize::from(name == "nvl2").min(fields.len());
        let chosen = fields.get(tested..).unwrap_or_default();
        let types: Vec<_> = chosen.iter().map(|field| field.data_type().clone()).collect();
        let unified = unify(name, &types)?;
        return Ok(std::iter::repeat_n(None, tested).chain(unified).collect());
    }
    let first = || {
        fields
            .iter()
            .zip(unions.iter().zip(&lists))
            .find_map(|(field, (union, list))| Some((field, union.as_ref().or(list.as_ref())?)))
    };
    if ORDERING.contains(&name)
        && let Some((field, union)) = first()
        && union.number().is_none()
    {
        return Err(refuse(field, union, "has no order"));
    }
    if ADDING.contains(&name)
        && let Some((field, union)) = first()
        && union.number().is_none()
    {
        return Err(refuse(field, union, "is no number"));
    }
    let is_passed = STRUCTURAL.contains(&name)
        || (lists.iter().flatten().all(|list| list.number().is_none()) && !READING.contains(&name));
    if unions.iter().all(Option::is_none) && is_passed && accepts(function, fields) {
        return Ok(nothing());
    }
    if name == "nullif"
        && let [Some(a), Some(b)] = unions.as_slice()
        && a == b
        && a.number().is_none()
    {
        return Ok(nothing());
    }
    let others =
        || fields.iter().filter(|field| !has_union(field.data_type())).map(|field| class_of(field.data_type()));
    let of_list = |shape: &UnionShape| match shape.number() {
        Some(_) if !READING.contains(&name) => Target::Number,
        None if SEARCHING.contains(&name) && others().any(|class| class == TypeClass::Number) => Target::Numbers,
        _ => Target::Text,
    };
    let targets: Vec<_> = unions
        .iter()
        .zip(&lists)
        .map(|(union, list)| match (union, list) {
            (Some(union), _) if union.number().is_some() && !READING.contains(&name) => Some(Target::Number),
            (Some(_), _) => Some(Target::Text),
            (None, Some(list)) => Some(of_list(list)),
            (None, None) => None,
        })
        .collect();
    let given: Vec<FieldRef> =
        fields.iter().zip(&targets).map(|(field, target)| converted(field, target.as_ref())).collect();
    if !accepts_coerced(function, &given)
        && let Some((field, union)) = first()
    {
        return Err(refuse(field, union, &format!("cannot be an argument of {name}")));
    }
    Ok(targets)
}

fn refuse(field: &Field, union: &UnionShape, problem: &str) -> DataFusionError {
    let column = Expr::Column(Column::from_name(field.name()));
    union.refuse(&column, problem)
}

/// Returns the field of a converted argument.
pub(super) fn converted(field: &FieldRef, target: Option<&Target>) -> FieldRef {
    match target {
        Some(target) => Arc::new(field.as_ref().clone().with_data_type(target.of(field.data_type()))),
        None => Arc::clone(field),
    }
}

/// Whether the function takes these arguments without a cast.
fn accepts<F: UDFCoercionExt>(function: &F, fields: &[FieldRef]) -> bool {
    fields_with_udf(fields, function)
        .is_ok_and(|coerced| coerced.iter().zip(fields).all(|(a, b)| a.data_type() == b.data_type()))
}

fn accepts_coerced<F: UDFCoercionExt>(function: &F, fields: &[FieldRef]) -> bool {
    fields_with_udf(fields, function).is_ok()
}

/// Returns the common type of values of these types in one column. Equal unions stay unions.
pub(super) fn unify(what: &str, types: &[DataType]) -> Result<Vec<Option<Target>>> {
    let shapes: Vec<_> = types.iter().map(union_of).collect();
    let Some((first, data_type)) =
        shapes.iter().zip(types).find_map(|(shape, data_type)| Some((shape.as_ref()?, data_type)))
    else {
        return Ok(vec![None; types.len()]);
    };
    if types.iter().all(|other| other == data_type || *other == DataType::Null) {
        return Ok(vec![None; types.len()]);
    }
    // Only one may have null as a branch; that is no difference, as each can be null.
    if let DataType::Struct(fields) = data_type
        && types.iter().zip(&shapes).all(|(data_type, shape)| match shape {
            Some(shape) => shape.has_branches_of(first),
            None => *data_type == DataType::Null,
        })
    {
        let target = |(shape, other): (&Option<UnionShape>, &DataType)| {
            (shape.is_some() && other != data_type).then(|| Target::Fields(fields.clone()))
        };
        return Ok(shapes.iter().zip(types).map(target).collect());
    }
    let is_number = |(shape, data_type): (&Option<UnionShape>, &DataType)| match shape {
        Some(shape) => shape.number().is_some(),
        None => matches!(class_of(data_type), TypeClass::Number | TypeClass::Null),
    };
    if shapes.iter().zip(types).all(is_number) {
        return Ok(shapes.iter().map(|shape| shape.as_ref().map(|_| Target::Number)).collect());
    }
    let is_text = |(shape, data_type): (&Option<UnionShape>, &DataType)| {
        shape.is_none() && class_of(data_type) == TypeClass::Text
    };
    if shapes.iter().zip(types).any(is_text) {
        return Ok(shapes.iter().map(|shape| shape.as_ref().map(|_| Target::Text)).collect());
    }
    let other = types.iter().zip(&shapes).find(|(other, _)| *other != data_type && **other != DataType::Null);
    let other = match other {
        Some((_, Some(shape))) => shape.words(),
        Some((other, None)) => class_of(other).word().to_owned(),
        None => "another type".to_owned(),
    };
    plan_err!(
        "{what}: {} and {other} cannot be one column; take a branch of the union, as in u.{}, or cast both to varchar",
        first.words(),
        first.branches.first().map_or("", |branch| branch.name())
    )
}
