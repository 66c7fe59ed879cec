//! Rewrites types, functions and settings of time for DataFusion 55:
//!
//! - `TIMESTAMP` without a precision has microseconds, as in PostgreSQL and DuckDB, and nanoseconds if a literal has
//!   them; DataFusion's nanoseconds end in the year 2262;
//! - `x AT TIME ZONE 'z'` is the function `timezone('z', x)`, because DataFusion's cast keeps instants instants;
//! - `SET TIME ZONE 'z'`, `LOCAL`, `DEFAULT`, `UTC` and a number of hours are `SET timezone = 'z'`.

use datafusion::arrow::array::timezone::Tz;
use datafusion::common::{Result, plan_err};
use datafusion::sql::parser::Statement as Declaring;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, Set, Statement, TypedString, UnaryOperator, Value,
};

/// Rewrites an expression.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::TypedString(TypedString { data_type, value, .. }) => {
            let digits = if let Value::SingleQuotedString(text) = &value.value { fraction_digits(text) } else { 0 };
            with_precision(data_type, digits);
        }
        Expr::Cast { expr, data_type, .. } => {
            let digits = match expr.as_ref() {
                Expr::Value(value) => match &value.value {
                    Value::SingleQuotedString(text) => fraction_digits(text),
                    _ => 0,
                },
                _ => 0,
            };
            with_precision(data_type, digits);
        }
        Expr::AtTimeZone { timestamp, time_zone } => {
            let arg = |expr: &Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr.clone()));
            let args = vec![arg(time_zone), arg(timestamp)];
            *expr = Expr::Function(Function {
                name: ObjectName::from(vec![Ident::new("timezone")]),
                uses_odbc_syntax: false,
                parameters: FunctionArguments::None,
                args: FunctionArguments::List(FunctionArgumentList {
                    duplicate_treatment: None,
                    args,
                    clauses: vec![],
                }),
                filter: None,
                null_treatment: None,
                over: None,
                within_group: vec![],
            });
        }
        _ => {}
    }
}

/// Gives declared columns of a table microseconds.
pub(super) fn declared(statement: &mut Declaring) {
    let columns = match statement {
        Declaring::CreateExternalTable(table) => &mut table.columns,
        Declaring::Statement(statement) => match statement.as_mut() {
            Statement::CreateTable(table) => &mut table.columns,
            _ => return,
        },
        _ => return,
    };
    for column in columns {
        with_precision(&mut column.data_type, 0);
    }
}

/// Returns the digits after the point of a time; a timestamp has no other point.
fn fraction_digits(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count())
}

fn with_precision(data_type: &mut DataType, digits: usize) {
    match data_type {
        DataType::Timestamp(precision @ None, _) => *precision = Some(if digits > 6 { 9 } else { 6 }),
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item)) => {
            with_precision(item, digits);
        }
        _ => {}
    }
}

/// Rewrites all ways to set the time zone as `SET timezone = 'zone'`, and checks that the zone exists.
pub(super) fn set_time_zone(statement: &mut Statement) -> Result<()> {
    let value = match statement {
        Statement::Set(Set::SetTimeZone { local: false, value }) => &*value,
        Statement::Set(Set::SingleAssignment { variable, values, .. }) => {
            match (values.as_slice(), is_zone(variable)) {
                ([value], true) => value,
                _ => return Ok(()),
            }
        }
        Statement::Set(Set::SetTimeZone { local: true, .. }) => {
            return plan_err!("SET LOCAL TIME ZONE needs a transaction, which is not supported; use SET TIME ZONE");
        }
        _ => return Ok(()),
    };
    let zone = zone_of(value)?;
    if zone.parse::<Tz>().is_err() {
        return plan_err!(
            "`{zone}` is not a time zone; use a name such as 'Europe/Berlin', or an offset such as '+02:00'"
        );
    }
    *statement = Statement::Set(Set::SingleAssignment {
        scope: None,
        hivevar: false,
        variable: ObjectName::from(vec![Ident::new("timezone")]),
        values: vec![Expr::Value(Value::SingleQuotedString(zone).into())],
    });
    Ok(())
}

fn is_zone(variable: &ObjectName) -> bool {
    let name = variable.to_string().to_ascii_lowercase();
    matches!(name.as_str(), "timezone" | "time.zone" | "datafusion.execution.time_zone")
}

/// Returns the zone name or offset.
fn zone_of(value: &Expr) -> Result<String> {
    let value = match value {
        Expr::Identifier(name) => &Value::SingleQuotedString(name.value.clone()),
        Expr::Value(value) => &value.value,
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(hours, _) => return offset(hours, '-'),
                _ => return invalid_zone(),
            },
            _ => return invalid_zone(),
        },
        _ => return invalid_zone(),
    };
    match value {
        Value::SingleQuotedString(name) | Value::DoubleQuotedString(name) => {
            // A session starts in UTC.
            let is_utc = ["local", "default", "utc", "gmt", "z"].contains(&name.to_ascii_lowercase().as_str());
            Ok(if is_utc { "UTC".to_owned() } else { name.clone() })
        }
        Value::Number(hours, _) => offset(hours, '+'),
        _ => invalid_zone(),
    }
}

/// Returns the offset of whole or half hours.
fn offset(hours: &str, sign: char) -> Result<String> {
    match hours.parse::<f64>() {
        Ok(hours) if hours <= 15.0 => Ok(format!("{sign}{:02}:{:02}", hours.trunc(), (hours.fract() * 60.0).round())),
        _ => invalid_zone(),
    }
}

fn invalid_zone<T>() -> Result<T> {
    plan_err!("SET TIME ZONE needs a zone name, such as 'Europe/Berlin', or an offset, such as '+02:00'")
}
