//! `map['key']` on maps whose keys are string views: DataFusion 55 compares the keys with a plain string, which fails.
//! Here the key becomes a value of the map's own key type.
//! Can go when DataFusion casts the key.

use arrow_schema::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable};

/// Rewrites the keys of `get_field`, the function behind `map['key']`.
#[derive(Debug)]
pub(crate) struct MapKeys;

impl FunctionRewrite for MapKeys {
    fn name(&self) -> &str {
        "avro_map_keys"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
        if call.func.name() != "get_field" {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        }
        let mut changed = false;
        if let Some((map, keys)) = call.args.split_first_mut() {
            // DataFusion reports an expression without a type.
            let mut of = map.get_type(schema).unwrap_or(DataType::Null);
            for key in keys {
                if let (DataType::Map(entries, _), Expr::Literal(value, _)) = (&of, &mut *key)
                    && let DataType::Struct(entry) = entries.data_type()
                    && let Some(key_type) = entry.first().map(|field| field.data_type())
                    && value.data_type() != *key_type
                {
                    *value = value.cast_to(key_type)?;
                    changed = true;
                }
                of = field_type(&of, key);
            }
        }
        let expr = Expr::ScalarFunction(call);
        Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
    }
}

/// Returns the type of a struct's field, or of a map's values.
fn field_type(of: &DataType, key: &Expr) -> DataType {
    let field = match (of, key) {
        (DataType::Struct(fields), Expr::Literal(name, _)) => {
            name.try_as_str().flatten().and_then(|name| fields.find(name)).map(|(_, field)| field)
        }
        (DataType::Map(entries, _), _) => match entries.data_type() {
            DataType::Struct(entry) => entry.get(1),
            _ => None,
        },
        _ => None,
    };
    field.map_or(DataType::Null, |field| field.data_type().clone())
}
