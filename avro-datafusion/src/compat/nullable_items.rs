//! `array_except(l, [1])`, `array_resize(l, 2)`, `array_repeat(l, 2)` and others for lists with non-null items, as most
//! of Avro's have.
//!
//! These functions of DataFusion 55 fail on them: they compare list types including nullability, or put nulls into the
//! list, or return another type than declared. Here they get lists with nullable items.
//!
//! Delete when: they work for `List(non-null Int64)`.

use arrow_schema::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use std::collections::HashMap;
use std::sync::Arc;

/// The functions, by their primary names.
const FUNCTIONS: [&str; 9] = [
    "array_append",
    "array_concat",
    "array_except",
    "array_intersect",
    "array_prepend",
    "array_repeat",
    "array_resize",
    "array_union",
    "make_array",
];

/// Casts the arguments of these functions.
#[derive(Debug)]
pub(super) struct NullableItems;

impl FunctionRewrite for NullableItems {
    fn name(&self) -> &str {
        "avro_nullable_items"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
        let mut changed = false;
        if FUNCTIONS.contains(&call.func.name()) {
            // This function declares the metadata of the items, such as the symbols of an enum, and omits it from the
            // result.
            let keeps_metadata = call.func.name() != "array_repeat";
            for argument in &mut call.args {
                // DataFusion reports an expression without a type.
                let Ok(of) = argument.get_type(schema) else { continue };
                let nullable = nullable(&of, keeps_metadata);
                if nullable != of {
                    *argument = cast(std::mem::take(argument), nullable);
                    changed = true;
                }
            }
        }
        let expr = Expr::ScalarFunction(call);
        Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
    }
}

/// Returns the type with nullable items, in lists at any depth.
fn nullable(of: &DataType, keeps_metadata: bool) -> DataType {
    let item = |item: &FieldRef| {
        let of = nullable(item.data_type(), keeps_metadata);
        let item = item.as_ref().clone().with_data_type(of).with_nullable(true);
        Arc::new(if keeps_metadata { item } else { item.with_metadata(HashMap::new()) })
    };
    match of {
        DataType::List(of) => DataType::List(item(of)),
        DataType::LargeList(of) => DataType::LargeList(item(of)),
        other => other.clone(),
    }
}
