//! `DESCRIBE`: columns with SQL's type names, and hints about attributes of the table's Avro schema that have no
//! effect.

use std::sync::Arc;

use avro_arrow::Limits;
use avro_arrow::schema::{Kind, NodeId, Schema as AvroSchema};
use avro_datafusion::{sql_enum_name, sql_type_name};
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{DescribeTable, LogicalPlan, LogicalPlanBuilder};

/// Returns a plan of the rows, in which types have their SQL names; other plans are unchanged.
pub(crate) fn with_sql_types(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::DescribeTable(DescribeTable { schema: described, .. }) = &plan else { return Ok(plan) };
    let avro = avro_schema(&plan);
    let fields = described.fields();
    let columns: [StringArray; 3] = [
        fields.iter().map(|field| Some(field.name().as_str())).collect(),
        fields.iter().map(|field| Some(type_name(field, avro.as_ref()))).collect(),
        fields.iter().map(|field| Some(if field.is_nullable() { "YES" } else { "NO" })).collect(),
    ];
    let names = ["column_name", "data_type", "is_nullable"];
    let schema = Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Utf8, false)).to_vec()));
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns.map(|column| Arc::new(column) as _).to_vec())?;
    let table = MemTable::try_new(schema, vec![vec![rows]])?;
    LogicalPlanBuilder::scan("described", provider_as_source(Arc::new(table)), None)?.build()
}

/// Returns a line for each field with an attribute that has no effect.
pub(crate) fn hints(plan: &LogicalPlan) -> Vec<String> {
    avro_schema(plan).map_or_else(Vec::new, |schema| schema.hints())
}

/// Returns the Avro schema of a described table.
fn avro_schema(plan: &LogicalPlan) -> Option<AvroSchema> {
    let LogicalPlan::DescribeTable(table) = plan else { return None };
    let json = table.schema.metadata().get("avro.schema")?;
    AvroSchema::parse(json, &Limits::default()).ok()
}

/// Returns the type of a column, of an enum with its symbols.
fn type_name(field: &Field, avro: Option<&AvroSchema>) -> String {
    let name = sql_type_name(field);
    let symbols = avro.filter(|_| name == "ENUM").and_then(|schema| symbols(schema, field.name()));
    match symbols {
        Some(symbols) => sql_enum_name(symbols),
        None => name,
    }
}

/// Returns the symbols of an enum, which may be null.
fn symbols<'a>(schema: &'a AvroSchema, column: &str) -> Option<&'a [String]> {
    let of = |id: NodeId| match &schema.node(id).kind {
        Kind::Enum(found) => Some(found.symbols.as_slice()),
        _ => None,
    };
    let Kind::Record(record) = &schema.node(schema.root()).kind else { return None };
    let field = record.fields.iter().find(|field| field.name == column)?;
    match &schema.node(field.node).kind {
        Kind::Union(branches) => branches.iter().find_map(|branch| of(*branch)),
        _ => of(field.node),
    }
}
