//! What expressions need of values: all of a value, or some fields of its structs.

use super::function::AvroFunction;
use crate::nested_nulls::is_get_field;
use arrow_schema::DataType;
use avro_arrow::tagged::is_tagged;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable};
use std::collections::BTreeSet;

/// What is needed of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    All,
    /// The fields at these paths; none of it, without paths.
    Paths(BTreeSet<Vec<String>>),
}

impl Need {
    pub(super) const NOTHING: Need = Need::Paths(BTreeSet::new());

    pub(super) fn add(&mut self, other: Need) {
        match (&mut *self, other) {
            (Need::Paths(paths), Need::Paths(others)) => paths.extend(others),
            _ => *self = Need::All,
        }
    }

    /// Returns the columns to decode, in the form of the option `columns`; `None` if all or none are needed.
    pub(super) fn columns(&self) -> Option<String> {
        match self {
            Need::Paths(paths) if !paths.is_empty() => {
                Some(paths.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(","))
            }
            _ => None,
        }
    }
}

/// Calls `report` for each column and each call of `from_avro` in an expression, with what the expression needs of it.
pub(super) fn for_each_use(expr: &Expr, schema: &DFSchema, report: &mut impl FnMut(&Expr, Need)) -> Result<()> {
    expr.apply(|expr| {
        let Some((base, path)) = access(expr) else { return Ok(TreeNodeRecursion::Continue) };
        let need = match base.get_type(schema) {
            Ok(data_type) => need_of(&data_type, &path),
            Err(_) => Need::All,
        };
        report(base, need);
        if let Expr::ScalarFunction(call) = base {
            for argument in &call.args {
                for_each_use(argument, schema, report)?;
            }
        }
        Ok(TreeNodeRecursion::Jump)
    })?;
    Ok(())
}

/// Whether an expression is a call of `from_avro`.
pub(super) fn is_call(expr: &Expr) -> bool {
    let Expr::ScalarFunction(call) = expr else { return false };
    call.func.inner().downcast_ref::<AvroFunction>().is_some_and(AvroFunction::can_narrow)
}

/// Whether an expression is a call of `from_avro` that decodes all fields.
pub(super) fn is_whole_call(expr: &Expr) -> bool {
    let Expr::ScalarFunction(call) = expr else { return false };
    let is_columns = |argument: &Expr| {
        matches!(argument, Expr::Literal(value, _)
        if value.try_as_str().flatten().is_some_and(|text| text.eq_ignore_ascii_case("columns")))
    };
    is_call(expr) && !call.args.iter().skip(1).any(is_columns)
}

/// Returns the column or call of `from_avro` that an expression accesses, and the names of fields that lead from its
/// value to that of the expression.
fn access(expr: &Expr) -> Option<(&Expr, Vec<&str>)> {
    if matches!(expr, Expr::Column(_)) || is_whole_call(expr) {
        return Some((expr, vec![]));
    }
    let Expr::ScalarFunction(call) = expr else { return None };
    if !is_get_field(&call.func) {
        return None;
    }
    let (inner, names) = call.args.split_first()?;
    let (base, mut path) = access(inner)?;
    for name in names {
        let Expr::Literal(value, _) = name else { return None };
        path.push(value.try_as_str()??);
    }
    Some((base, path))
}

/// Returns the need of the longest part of a path that leads through structs.
fn need_of(data_type: &DataType, path: &[&str]) -> Need {
    let mut data_type = data_type;
    let mut used = vec![];
    for name in path {
        // Tagged structs stand for unions, which are decoded whole.
        let DataType::Struct(fields) = data_type else { break };
        if is_tagged(fields) || name.contains(['.', ',']) || name.trim() != *name {
            break;
        }
        let mut named = fields.iter().filter(|field| field.name() == name);
        let (Some(field), None) = (named.next(), named.next()) else { break };
        used.push((*name).to_owned());
        data_type = field.data_type();
    }
    if used.is_empty() { Need::All } else { Need::Paths(BTreeSet::from([used])) }
}
