//! Derives the Avro schema to write from an Arrow schema, with names that Avro allows.

use crate::error::Result;
use crate::limits::Limits;
use crate::options::Options;
use crate::plan::Plan;
use crate::schema::{ORIGINAL_NAME_KEY, Schema, valid_name};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema as ArrowSchema, SchemaRef, UnionFields};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) struct Derived {
    pub(super) schema: Schema,
    pub(super) arrow: SchemaRef,
}

/// Returns the schema that the columns were read with, if they still match it, or else one made of their types.
pub(super) fn derive(arrow: &SchemaRef, limits: &Limits) -> Result<Derived> {
    let origin = arrow.metadata().get("avro.schema").and_then(|json| Schema::parse(json, limits).ok());
    if let Some(schema) = origin
        && let Ok(plan) = Plan::new(&schema, &Options { limits: limits.clone(), ..Options::default() })
        && same_fields(plan.arrow.fields(), arrow.fields())
        && all_valid(&arrow.fields)
    {
        return Ok(Derived { schema, arrow: Arc::clone(arrow) });
    }
    let fields = with_valid_names(arrow.fields());
    let arrow = Arc::new(ArrowSchema::new_with_metadata(fields, arrow.metadata().clone()));
    Ok(Derived { schema: Schema::from_arrow(&arrow)?, arrow })
}

fn same_fields(a: &Fields, b: &Fields) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && same(a, b))
}

/// Whether two fields have the same type, apart from how strings are stored.
fn same(a: &Field, b: &Field) -> bool {
    use DataType::*;
    a.is_nullable() == b.is_nullable()
        && match (a.data_type(), b.data_type()) {
            (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
            (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
            (List(a), List(b)) => same(a, b),
            (Map(a, _), Map(b, _)) => same(a, b),
            (Struct(a), Struct(b)) => same_fields(a, b),
            (Union(a, _), Union(b, _)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|((_, a), (_, b))| same(a, b))
            }
            (a, b) => a == b,
        }
}

fn all_valid(fields: &Fields) -> bool {
    fields.iter().all(|field| valid_name(field.name()) == *field.name() && inner_valid(field.data_type()))
}

fn inner_valid(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => all_valid(fields),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => fields.iter().all(|field| inner_valid(field.data_type())),
            _ => true,
        },
        DataType::List(item) => inner_valid(item.data_type()),
        DataType::Union(children, _) => children.iter().all(|(_, child)| inner_valid(child.data_type())),
        _ => true,
    }
}

// SPEC: Names: "The name portion of the fullname of named types, record field names, and enum symbols must start with
// [A-Za-z_]" and "subsequently contain only [A-Za-z0-9_]". SQL gives columns names such as `count(*)`, which readers
// would refuse.
/// Renames columns so that Avro allows their names and no two in one record are equal. A renamed field keeps its own
/// name in the metadata.
fn with_valid_names(fields: &Fields) -> Fields {
    let mut taken: HashSet<String> = HashSet::new();
    let kept: HashSet<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let renamed = fields.iter().map(|field| {
        let valid = valid_name(field.name());
        let mut name = valid.clone();
        let mut n = 1;
        while taken.contains(&name) || (name != *field.name() && kept.contains(name.as_str())) {
            n += 1;
            name = format!("{valid}_{n}");
        }
        taken.insert(name.clone());
        let mut renamed = inside(field).with_name(name);
        if renamed.name() != field.name() {
            let original = field.name().clone();
            renamed.metadata_mut().entry(ORIGINAL_NAME_KEY.to_owned()).or_insert(original);
        }
        renamed
    });
    renamed.collect()
}

fn inside(field: &FieldRef) -> Field {
    let of = |field: &FieldRef| Arc::new(inside(field));
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(with_valid_names(fields)),
        DataType::List(item) => DataType::List(of(item)),
        DataType::LargeList(item) => DataType::LargeList(of(item)),
        DataType::FixedSizeList(item, n) => DataType::FixedSizeList(of(item), *n),
        DataType::ListView(item) => DataType::ListView(of(item)),
        DataType::LargeListView(item) => DataType::LargeListView(of(item)),
        DataType::Map(entries, sorted) => DataType::Map(of(entries), *sorted),
        DataType::Union(children, mode) => {
            DataType::Union(children.iter().map(|(id, child)| (id, of(child))).collect::<UnionFields>(), *mode)
        }
        other => other.clone(),
    };
    field.as_ref().clone().with_data_type(data_type)
}

/// Returns the Avro schema for columns without a given schema: the one that they were read with, or else one of their
/// types.
///
/// # Errors
/// Fails as [`Schema::from_arrow`] does.
pub fn derived_schema(columns: &SchemaRef, limits: &Limits) -> Result<Schema> {
    Ok(derive(columns, limits)?.schema)
}

/// Returns the fields whose names Avro does not allow: the path of each, and its name in files that are written without
/// a given schema. Fields keep their own names as the attribute [`ORIGINAL_NAME`](crate::schema::ORIGINAL_NAME).
///
/// ```
/// use arrow_schema::{DataType, Field, Schema};
///
/// let columns = Schema::new(vec![Field::new("a b", DataType::Int64, true), Field::new("c", DataType::Utf8, true)]);
/// assert_eq!(avro_arrow::renamed_fields(&columns), [("a b".to_string(), "a_b".to_string())]);
/// ```
pub fn renamed_fields(columns: &ArrowSchema) -> Vec<(String, String)> {
    let mut renamed = Vec::new();
    let fields = with_valid_names(columns.fields());
    compare(columns.fields(), &fields, "", &mut renamed);
    renamed
}

fn compare(before: &Fields, after: &Fields, around: &str, renamed: &mut Vec<(String, String)>) {
    for (before, after) in before.iter().zip(after) {
        let path = if around.is_empty() { before.name().clone() } else { format!("{around}.{}", before.name()) };
        if before.name() != after.name() {
            renamed.push((path.clone(), after.name().clone()));
        }
        compare_types(before.data_type(), after.data_type(), &path, renamed);
    }
}

fn compare_types(before: &DataType, after: &DataType, path: &str, renamed: &mut Vec<(String, String)>) {
    match (before, after) {
        (DataType::Struct(before), DataType::Struct(after)) => compare(before, after, path, renamed),
        (DataType::Map(before, _), DataType::Map(after, _)) => {
            // Entries have no name in Avro.
            if let (DataType::Struct(before), DataType::Struct(after)) = (before.data_type(), after.data_type()) {
                for (before, after) in before.iter().zip(after) {
                    compare_types(before.data_type(), after.data_type(), path, renamed);
                }
            }
        }
        (DataType::Union(before, _), DataType::Union(after, _)) => {
            for ((_, before), (_, after)) in before.iter().zip(after.iter()) {
                compare_types(before.data_type(), after.data_type(), path, renamed);
            }
        }
        (DataType::List(before), DataType::List(after))
        | (DataType::LargeList(before), DataType::LargeList(after))
        | (DataType::FixedSizeList(before, _), DataType::FixedSizeList(after, _))
        | (DataType::ListView(before), DataType::ListView(after))
        | (DataType::LargeListView(before), DataType::LargeListView(after)) => {
            compare_types(before.data_type(), after.data_type(), path, renamed);
        }
        _ => {}
    }
}
