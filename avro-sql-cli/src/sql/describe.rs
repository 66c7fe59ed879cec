//! `DESCRIBE`: hints about attributes of the table's Avro schema that have no effect.

use avro_arrow::Limits;
use avro_arrow::schema::Schema;
use datafusion::logical_expr::LogicalPlan;

/// Returns a line for each field with such an attribute.
pub(crate) fn hints(plan: &LogicalPlan) -> Vec<String> {
    let LogicalPlan::DescribeTable(table) = plan else { return Vec::new() };
    let schema = table.schema.metadata().get("avro.schema").map(|json| Schema::parse(json, &Limits::default()));
    schema.and_then(Result::ok).map_or_else(Vec::new, |schema| schema.hints())
}
