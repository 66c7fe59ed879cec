//! The session's time zone.
//!
//! In DataFusion 55 each column's type has a zone, by which its timestamps are shown and truncated. Columns of Avro
//! files have UTC, so `SET TIME ZONE` had little effect, and casts between wall clocks and instants used no zone, or
//! the wrong one. SQL has one zone per session. So here instants take the session's zone in table scans, and all casts
//! between timestamps with and without zone use it, as in PostgreSQL and DuckDB. `x AT TIME ZONE 'z'` of an instant is
//! a wall clock; in DataFusion it is an instant in that zone.
//!
//! Delete when: DataFusion has a timestamp type of the session's zone (open upstream).

use std::sync::Arc;

use super::exprs::{self, Rewrite};
use super::{clock, points};
use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::dml::CopyTo;
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::optimizer::AnalyzerRule;

/// The zone of a session.
pub(super) fn of_session(config: &ConfigOptions) -> &str {
    config.execution.time_zone.as_deref().unwrap_or("UTC")
}

/// Gives instants the session's zone, and plans casts with it.
#[derive(Debug)]
pub(super) struct SessionZone;

impl AnalyzerRule for SessionZone {
    fn name(&self) -> &str {
        "avro_session_zone"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = of_session(config);
        clock::zone(zone)?;
        exprs::rewrite(plan, &Zoned { zone })
    }
}

struct Zoned<'a> {
    zone: &'a str,
}

impl Rewrite for Zoned<'_> {
    fn plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Copy(copy) = plan {
            return copied(copy);
        }
        scanned(plan, self.zone)
    }

    fn expr(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        rewrite(expr, schema, self.zone)
    }
}

/// A scan whose instants are in the session's zone. Durations that Parquet stores as bytes become intervals again.
fn scanned(plan: LogicalPlan, zone: &str) -> Result<Transformed<LogicalPlan>> {
    let is_other = |field: &FieldRef| points::is_duration(field) || differs(field.data_type(), zone);
    if !matches!(plan, LogicalPlan::TableScan(_)) || !plan.schema().fields().iter().any(is_other) {
        return Ok(Transformed::no(plan));
    }
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .map(|(table, field)| {
            let column = Expr::Column(Column::new(table.cloned(), field.name()));
            if points::is_duration(field) {
                return points::duration(column).alias_qualified(table.cloned(), field.name());
            }
            if !differs(field.data_type(), zone) {
                return column;
            }
            let to = in_zone(field.data_type(), zone);
            cast(column, to).alias_qualified(table.cloned(), field.name())
        })
        .collect();
    Ok(Transformed::yes(LogicalPlanBuilder::new(plan).project(columns)?.build()?))
}

/// A copy to Parquet with durations as bytes, since Parquet has no intervals of months, days and nanoseconds.
fn copied(mut copy: CopyTo) -> Result<Transformed<LogicalPlan>> {
    let is_interval = |field: &FieldRef| matches!(field.data_type(), DataType::Interval(_));
    if copy.file_type.get_ext() != "parquet" || !copy.input.schema().fields().iter().any(is_interval) {
        return Ok(Transformed::no(LogicalPlan::Copy(copy)));
    }
    let columns: Vec<Expr> = copy
        .input
        .schema()
        .iter()
        .map(|(table, field)| {
            let column = Expr::Column(Column::new(table.cloned(), field.name()));
            if is_interval(field) {
                points::duration_bytes(column).alias_qualified(table.cloned(), field.name())
            } else {
                column
            }
        })
        .collect();
    copy.input = Arc::new(LogicalPlanBuilder::new(Arc::unwrap_or_clone(copy.input)).project(columns)?.build()?);
    Ok(Transformed::yes(LogicalPlan::Copy(copy)))
}

/// Returns whether a type contains instants of another zone.
fn differs(data_type: &DataType, zone: &str) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(other)) => **other != *zone && !(clock::is_utc(other) && clock::is_utc(zone)),
        // Casts of unions would lose branches.
        DataType::Union(..) => false,
        other => children(other).iter().any(|field| differs(field.data_type(), zone)),
    }
}

fn children(data_type: &DataType) -> Vec<&FieldRef> {
    match data_type {
        DataType::Struct(fields) => fields.iter().collect(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => {
            vec![item]
        }
        _ => vec![],
    }
}

/// Returns the type with its instants in a zone.
fn in_zone(data_type: &DataType, zone: &str) -> DataType {
    let field = |field: &FieldRef| Arc::new(Field::clone(field).with_data_type(in_zone(field.data_type(), zone)));
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some(zone.into())),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect::<Fields>()),
        DataType::List(item) => DataType::List(field(item)),
        DataType::LargeList(item) => DataType::LargeList(field(item)),
        DataType::FixedSizeList(item, n) => DataType::FixedSizeList(field(item), *n),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}

fn rewrite(expr: Expr, schema: &DFSchema, zone: &str) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(Cast { expr, field }) => match casted(&expr, field.data_type(), schema)? {
            Some(new) => Ok(Transformed::yes(new)),
            None => Ok(Transformed::no(Expr::Cast(Cast { expr, field }))),
        },
        Expr::TryCast(TryCast { expr, field }) => match casted(&expr, field.data_type(), schema)? {
            Some(new) => Ok(Transformed::yes(new)),
            None => Ok(Transformed::no(Expr::TryCast(TryCast { expr, field }))),
        },
        Expr::ScalarFunction(call) if call.func.inner().is::<AtTimeZone>() => at_time_zone(call, schema, zone),
        expr => Ok(Transformed::no(expr)),
    }
}

/// Plans a cast that depends on a zone.
fn casted(expr: &Expr, to: &DataType, schema: &DFSchema) -> Result<Option<Expr>> {
    // DataFusion reports an expression without a type.
    let Ok(from) = expr.get_type(schema) else { return Ok(None) };
    let converted = match (&from, to) {
        (DataType::Timestamp(..) | DataType::Date32, DataType::Timestamp(unit, Some(zone)))
            if !clock::is_utc(zone) && !matches!(from, DataType::Timestamp(_, Some(_))) =>
        {
            points::to_instant(cast(expr.clone(), DataType::Timestamp(*unit, None)), zone)
        }
        (DataType::Timestamp(_, Some(zone)), DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64)
            if !clock::is_utc(zone) =>
        {
            let local = points::to_local(expr.clone());
            if local.get_type(schema)? == *to { local } else { cast(local, to.clone()) }
        }
        _ => return Ok(None),
    };
    Ok(Some(converted))
}

/// Plans `x AT TIME ZONE 'z'`: the wall clock there for an instant, the instant for a wall clock there.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct AtTimeZone {
    signature: Signature,
}

impl AtTimeZone {
    pub(super) fn new() -> AtTimeZone {
        AtTimeZone { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for AtTimeZone {
    /// PostgreSQL's name for it.
    fn name(&self) -> &str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        plan_err!("the type of AT TIME ZONE depends on its arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [zone, value] = args.arg_fields else { return plan_err!("AT TIME ZONE has two arguments") };
        let data_type = match value.data_type() {
            DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
            DataType::Timestamp(unit, None) => DataType::Timestamp(*unit, Some("UTC".into())),
            DataType::Date32 | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            other => return plan_err!("AT TIME ZONE needs a timestamp, not {other}"),
        };
        Ok(Arc::new(Field::new(zone.name(), data_type, value.is_nullable())))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        plan_err!("AT TIME ZONE needs the rules of this session")
    }
}

fn at_time_zone(call: ScalarFunction, schema: &DFSchema, session: &str) -> Result<Transformed<Expr>> {
    let zone = match call.args.first() {
        Some(Expr::Literal(ScalarValue::Utf8(Some(zone)) | ScalarValue::Utf8View(Some(zone)), _)) => zone.clone(),
        _ => return plan_err!("AT TIME ZONE needs the name of a zone as text"),
    };
    clock::zone(&zone)?;
    let Some(value) = call.args.get(1).cloned() else { return plan_err!("AT TIME ZONE has two arguments") };
    let converted = match value.get_type(schema)? {
        DataType::Timestamp(unit, Some(_)) => {
            points::to_local(cast(value, DataType::Timestamp(unit, Some(zone.into()))))
        }
        other => {
            let unit = if let DataType::Timestamp(unit, _) = other { unit } else { TimeUnit::Microsecond };
            let instant = points::to_instant(cast(value, DataType::Timestamp(unit, None)), &zone);
            cast(instant, DataType::Timestamp(unit, Some(session.into())))
        }
    };
    Ok(Transformed::yes(converted))
}
