//! `UNNEST` in `FROM`, as a table.
//!
//! The table before it is not known during planning. Its columns are outer references, which the [rule](super::rule)
//! binds.

use super::ordinals::ordinals;
use crate::compat::map_entries::map_entries;
use arrow_schema::{DataType, Fields};
use datafusion::common::{
    Column, DFSchema, NullHandling, Result, TableReference, UnnestOptions, not_impl_err, plan_err,
};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarUDF, cast};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, FunctionArg, FunctionArgExpr, Ident, TableAlias, TableFactor};
use std::sync::Arc;

/// Plans `UNNEST(..) [WITH ORDINALITY] [AS name(columns)]`.
#[derive(Debug)]
pub(crate) struct UnnestInFrom;

impl RelationPlanner for UnnestInFrom {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (lists, with_ordinality, alias) = match relation {
            TableFactor::UNNEST { with_offset: true, .. } => {
                return not_impl_err!("UNNEST WITH OFFSET; WITH ORDINALITY numbers the items from 1");
            }
            TableFactor::UNNEST { array_exprs, with_ordinality, alias, .. } => (array_exprs, with_ordinality, alias),
            TableFactor::Function { name, args, with_ordinality, alias, lateral }
                if name.to_string().eq_ignore_ascii_case("unnest") =>
            {
                let Some(lists) = args.iter().map(argument).collect::<Option<Vec<_>>>() else {
                    let original = TableFactor::Function { name, args, with_ordinality, alias, lateral };
                    return Ok(RelationPlanning::Original(Box::new(original)));
                };
                (lists, with_ordinality, alias)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let nothing = DFSchema::empty();
        let lists = lists.into_iter().map(|list| context.sql_to_expr(list, &nothing)).collect::<Result<Vec<_>>>()?;
        let (table, names) = named(alias, context);
        let plan = unnested(lists, with_ordinality, &table, names)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

fn argument(argument: &FunctionArg) -> Option<SqlExpr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

/// The names in the statement: of the table, and of as many of its columns as it names.
fn named(alias: Option<TableAlias>, context: &dyn RelationPlannerContext) -> (String, Vec<String>) {
    let normal = |name: Ident| context.normalize_ident(name);
    match alias {
        Some(alias) => (normal(alias.name), alias.columns.into_iter().map(|column| normal(column.name)).collect()),
        None => ("unnest".to_owned(), vec![]),
    }
}

/// The columns that one list becomes.
enum ListColumns {
    /// One column for the items.
    Item,
    /// One column for each field of the items.
    Fields(Fields),
}

impl ListColumns {
    fn n(&self) -> usize {
        match self {
            ListColumns::Item => 1,
            ListColumns::Fields(fields) => fields.len(),
        }
    }
}

/// Returns the rows of these lists side by side, under these names.
fn unnested(lists: Vec<Expr>, with_ordinality: bool, table: &str, mut names: Vec<String>) -> Result<LogicalPlan> {
    let input = LogicalPlanBuilder::empty(true);
    let nothing = DFSchema::empty();
    if let [record] = lists.as_slice()
        && let DataType::Struct(fields) = record.get_type(&nothing)?
    {
        let (names, _) = name_columns(&[ListColumns::Fields(fields.clone())], false, table, names)?;
        let columns = fields.iter().zip(names);
        let columns = columns.map(|(field, name)| qualified(get_field(record.clone(), field.name()), table, name));
        return input.project(columns)?.build();
    }
    let lists = lists.into_iter().map(|list| as_list(list, &nothing)).collect::<Result<Vec<_>>>()?;
    // One more name than lists names the ordinality; otherwise names are those of the items' fields.
    let n_items = names.len().saturating_sub(usize::from(with_ordinality));
    let mut columns = Vec::with_capacity(lists.len());
    for list in &lists {
        let is_item = !names.is_empty() && n_items.max(1) <= lists.len();
        columns.push(match item_type(&list.get_type(&nothing)?) {
            Some(DataType::Struct(fields)) if !is_item && !fields.is_empty() => ListColumns::Fields(fields),
            _ => ListColumns::Item,
        });
    }
    let ordinality = if with_ordinality {
        let n: usize = columns.iter().map(ListColumns::n).sum();
        if names.len() > n { names.pop() } else { Some("ordinality".to_owned()) }
    } else {
        None
    };
    let (names, placeholders) = name_columns(&columns, lists.len() > 1, table, names)?;

    let mut inputs: Vec<Expr> = Vec::with_capacity(lists.len() + 1);
    if ordinality.is_some() {
        inputs.push(ordinals_of(lists.clone()).alias(ORDINALITY));
    }
    inputs.extend(lists.into_iter().zip(&placeholders).map(|(list, name)| list.alias(name)));
    let to_unnest: Vec<Column> =
        inputs.iter().map(|input| Column::from_name(input.schema_name().to_string())).collect();
    let options = UnnestOptions::new().with_null_handling(NullHandling::Drop);
    let plan = input.project(inputs)?.unnest_columns_with_options(to_unnest, options)?;

    let mut names = names.into_iter();
    let mut outputs = Vec::new();
    for (columns, placeholder) in columns.iter().zip(placeholders) {
        let item = Expr::Column(Column::from_name(placeholder));
        match columns {
            ListColumns::Item => outputs.extend(names.next().map(|name| qualified(item, table, name))),
            ListColumns::Fields(fields) => {
                let fields = fields.iter().zip(names.by_ref());
                outputs
                    .extend(fields.map(|(field, name)| qualified(get_field(item.clone(), field.name()), table, name)));
            }
        }
    }
    outputs.extend(ordinality.map(|name| qualified(Expr::Column(Column::from_name(ORDINALITY)), table, name)));
    plan.project(outputs)?.build()
}

/// Returns the expression as a column of the table. A `SubqueryAlias` would block optimizer rules.
fn qualified(expr: Expr, table: &str, name: String) -> Expr {
    expr.alias_qualified(Some(TableReference::bare(table)), name)
}

const ORDINALITY: &str = "__ordinality";

fn ordinals_of(lists: Vec<Expr>) -> Expr {
    Arc::new(ordinals()).call(lists)
}

/// Returns the names of all columns but the ordinality's, and one for each list.
fn name_columns(
    columns: &[ListColumns],
    is_numbered: bool,
    table: &str,
    mut names: Vec<String>,
) -> Result<(Vec<String>, Vec<String>)> {
    let mut usual = Vec::new();
    for (i, columns) in columns.iter().enumerate() {
        match columns {
            ListColumns::Item if is_numbered => usual.push(format!("{table}_{}", i + 1)),
            ListColumns::Item => usual.push(table.to_owned()),
            ListColumns::Fields(fields) => usual.extend(fields.iter().map(|field| field.name().clone())),
        }
    }
    if names.len() > usual.len() {
        return plan_err!(
            "{table} has {} names for columns, but UNNEST makes {}: {}",
            names.len(),
            usual.len(),
            usual.join(", ")
        );
    }
    names.extend(usual.into_iter().skip(names.len()));
    Ok((names, (0..columns.len()).map(|i| format!("__item_{i}")).collect()))
}

/// Returns the list, or the entries of a map.
fn as_list(expr: Expr, nothing: &DFSchema) -> Result<Expr> {
    match expr.get_type(nothing)? {
        DataType::Map(..) => Ok(call(map_entries(), expr)),
        DataType::Null => {
            Ok(cast(expr, DataType::List(Arc::new(arrow_schema::Field::new_list_field(DataType::Int64, true)))))
        }
        other if item_type(&other).is_some() => Ok(expr),
        _ => plan_err!("UNNEST takes a list or a map; {} is neither", plain(&expr)),
    }
}

fn call(function: ScalarUDF, argument: Expr) -> Expr {
    Arc::new(function).call(vec![argument])
}

/// Formats the expression as SQL.
fn plain(expr: &Expr) -> String {
    match expr {
        Expr::OuterReferenceColumn(_, column) | Expr::Column(column) => column.flat_name(),
        other => other.schema_name().to_string(),
    }
}

fn item_type(list: &DataType) -> Option<DataType> {
    match list {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Some(item.data_type().clone()),
        _ => None,
    }
}
