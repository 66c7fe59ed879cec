//! `DESCRIBE`: its plan in; what the Avro schema of the table does not mean though it seems to, out.

use avro_arrow::Limits;
use avro_arrow::schema::Schema;
use datafusion::logical_expr::LogicalPlan;

/// A line for each field that does not mean what it seems to.
pub(crate) fn hints(plan: &LogicalPlan) -> Vec<String> {
    let LogicalPlan::DescribeTable(table) = plan else { return Vec::new() };
    let schema = table.schema.metadata().get("avro.schema").map(|json| Schema::parse(json, &Limits::default()));
    schema.and_then(Result::ok).map_or_else(Vec::new, |schema| schema.hints())
}
