//! Names of types that DataFusion 55 does not know: `UUID`, `JSON`, `MAP(VARCHAR, BIGINT)`, `TIME(3)`, `FIXED(16)`,
//! `BLOB`, `HUGEINT`, `ENUM('A', 'B')`, `UNION(i INTEGER, s VARCHAR)`, and Avro's `long`. With these, `CAST` takes
//! every name that [`sql_type_name`](crate::sql_type_name) returns, except `ENUM` without symbols.
//!
//! Delete when: DataFusion plans `CAST(x AS MAP(VARCHAR, BIGINT))`.

use std::collections::HashMap;
use std::sync::Arc;

use super::{json, uuid};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use avro_arrow::schema::ENUM_SYMBOLS;
use avro_arrow::tagged::tagged_fields;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, TableReference, plan_err};
use datafusion::logical_expr::planner::{ContextProvider, TypePlanner};
use datafusion::logical_expr::sqlparser::ast::{self, ColumnDef, Ident, TimezoneInfo};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::sql::planner::SqlToRel;

/// Plans these types.
#[derive(Debug)]
pub(super) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            ast::DataType::Uuid => return Ok(Some(Arc::new(uuid::field("", true)))),
            ast::DataType::JSON | ast::DataType::JSONB => return Ok(Some(Arc::new(json::field("", true)))),
            ast::DataType::Map(key, value) => map(key, value)?,
            ast::DataType::Enum(members, None) => {
                let symbols: Vec<String> = members.iter().map(symbol).collect::<Result<_>>()?;
                return Ok(Some(Arc::new(enum_field(&symbols)?)));
            }
            ast::DataType::Union(branches) => {
                let branches = branches.iter().map(|branch| (branch.field_name.value.as_str(), &branch.field_type));
                union_type(fields(branches)?)?
            }
            ast::DataType::Time(Some(digits), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => match digits {
                0 => DataType::Time32(TimeUnit::Second),
                3 => DataType::Time32(TimeUnit::Millisecond),
                6 => DataType::Time64(TimeUnit::Microsecond),
                9 => DataType::Time64(TimeUnit::Nanosecond),
                _ => return plan_err!("TIME({digits}): the digits after the second must be 0, 3, 6 or 9"),
            },
            ast::DataType::Blob(_) | ast::DataType::Varbinary(_) | ast::DataType::Binary(None) => DataType::Binary,
            ast::DataType::HugeInt => DataType::Decimal128(38, 0),
            ast::DataType::Custom(name, arguments) => {
                match (name.to_string().to_lowercase().as_str(), &arguments[..]) {
                    ("long", []) => DataType::Int64,
                    ("bytes", []) => DataType::Binary,
                    ("fixed", [bytes]) => match bytes.parse() {
                        Ok(bytes) if bytes >= 0 => DataType::FixedSizeBinary(bytes),
                        _ => return plan_err!("FIXED({bytes}): the number of bytes must be whole"),
                    },
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

/// Returns a map of these types.
fn map(key: &ast::DataType, value: &ast::DataType) -> Result<DataType> {
    let entry = fields([("key", key), ("value", value)].into_iter())?.into_iter().enumerate();
    let entry: Vec<_> = entry.map(|(at, field)| field.with_nullable(at == 1)).collect();
    Ok(DataType::Map(Arc::new(Field::new_struct("entries", entry, false)), false))
}

/// Returns fields of these names and types.
fn fields<'a>(columns: impl Iterator<Item = (&'a str, &'a ast::DataType)>) -> Result<Vec<Field>> {
    let column = |(name, of): (&str, &ast::DataType)| ColumnDef {
        name: Ident::new(name),
        data_type: of.clone(),
        options: vec![],
    };
    let types = NestedTypes { options: ConfigOptions::default() };
    let schema = SqlToRel::new(&types).build_schema(columns.map(column).collect())?;
    Ok(schema.fields().iter().map(|field| field.as_ref().clone()).collect())
}

fn symbol(member: &ast::EnumMember) -> Result<String> {
    match member {
        ast::EnumMember::Name(name) => Ok(name.clone()),
        ast::EnumMember::NamedValue(..) => plan_err!("a symbol of an enum has no value"),
    }
}

/// Returns the field of an enum of these symbols.
fn enum_field(symbols: &[String]) -> Result<Field> {
    let mut sorted: Vec<&String> = symbols.iter().collect();
    sorted.sort();
    if symbols.is_empty() {
        return plan_err!("ENUM needs symbols, as in ENUM('A', 'B')");
    }
    if let Some([symbol, _]) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        return plan_err!("ENUM has the symbol '{symbol}' twice");
    }
    let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    if let Some(symbol) = symbols.iter().find(|symbol| symbol.contains('\n')) {
        return plan_err!("ENUM: the symbol '{symbol}' has a line break");
    }
    Ok(Field::new("", data_type, true).with_metadata(HashMap::from([(ENUM_SYMBOLS.to_owned(), symbols.join("\n"))])))
}

/// Returns the type of a union of these branches.
fn union_type(branches: Vec<Field>) -> Result<DataType> {
    let mut names: Vec<&String> = branches.iter().map(Field::name).collect();
    names.sort();
    if let Some([name, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
        return plan_err!("UNION has the branch {name} twice");
    }
    let Ok(n) = i8::try_from(branches.len()) else { return plan_err!("UNION has more than 127 branches") };
    // Null is a branch, too, so that the union of a row may be null in Avro.
    let null = Arc::new(Field::new("null", DataType::Null, true));
    let children = (0..=n).zip(std::iter::once(null).chain(branches.into_iter().map(Arc::new)));
    Ok(DataType::Struct(tagged_fields(&children.collect())))
}

/// Knows types only.
struct NestedTypes {
    options: ConfigOptions,
}

impl ContextProvider for NestedTypes {
    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        plan_err!("there is no table {name}")
    }

    fn get_function_meta(&self, _: &str) -> Option<Arc<ScalarUDF>> {
        None
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, _: &str) -> Option<Arc<AggregateUDF>> {
        None
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn udf_names(&self) -> Vec<String> {
        vec![]
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }

    fn udaf_names(&self) -> Vec<String> {
        vec![]
    }

    fn udwf_names(&self) -> Vec<String> {
        vec![]
    }
}
