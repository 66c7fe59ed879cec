//! Plans: a schema and the caller's options in, a tree that says of every value, in the order of its bytes, what becomes of
//! it, and the Arrow schema that follows. The only table of Avro's types against Arrow's is here.
//!
//! The program compiler and the reference decoder both start from a plan, so that they can differ only in how they read.

use crate::error::{Error, ErrorKind, Result};
use crate::options::{Enums, Options, Pairs, Strings, Unions};
use crate::schema::{Attributes, Field as AvroField, Kind, Logical, NodeId, Schema};
use arrow_array::StringArray;
use arrow_schema::extension::{EXTENSION_TYPE_NAME_KEY, ExtensionType, Uuid};
use arrow_schema::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Fields, IntervalUnit,
    Schema as ArrowSchema, SchemaRef, TimeUnit, UnionFields,
};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

mod projection;

use projection::{WHOLE, Wanted};

/// The name of the one column of a file whose top level is not a record.
pub(crate) const VALUE_COLUMN: &str = "value";

/// What becomes of a row.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) schema: Schema,
    /// The fields of a row in the order of their bytes.
    pub(crate) steps: Vec<Step>,
    /// The columns, in the order of the output.
    pub(crate) arrow: SchemaRef,
}

/// What becomes of a field.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// It is walked over.
    Skip(NodeId),
    /// It becomes the column of this index among those of its record.
    Read { column: usize, read: Read },
}

/// How a value becomes a value of a column.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    /// The column's name, Arrow type, nullability and metadata.
    pub(crate) field: FieldRef,
    pub(crate) wrap: Wrap,
    pub(crate) shape: Shape,
}

/// The union around a value that does not show in its Arrow type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// No union.
    None,
    /// A union of this one type: an index that must be 0.
    Single,
    /// A union of this type and null, which is branch 0 or 1.
    Nullable { null_branch: u8 },
}

/// How a value is encoded and what it is made of. Which Arrow type it becomes is in the field.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Arc<StringArray>),
    /// A decimal on bytes, to `Decimal128` or `Decimal256`.
    DecimalBytes,
    /// A decimal on fixed of this size.
    DecimalFixed(usize),
    Duration,
    List(Box<Read>),
    Map {
        keys: Box<Read>,
        values: Box<Read>,
    },
    /// An array of records of `key` and `value`, to a `Map`.
    Pairs(Box<Read>),
    Record {
        node: NodeId,
        steps: Vec<Step>,
        n_columns: usize,
    },
    /// Any other union, to a dense `Union` or a `Struct`.
    Union {
        branches: Vec<Read>,
    },
    /// A recursive reference: the value as JSON text.
    Json(NodeId),
}

impl Plan {
    /// The plan for a schema under these options.
    pub(crate) fn new(schema: &Schema, options: &Options) -> Result<Plan> {
        let mut planner = Planner { schema, options, open: Vec::new(), n_fields: 0, depth: 0 };
        let root = schema.root();
        let value;
        let row = match &schema.node(root).kind {
            Kind::Record(record) => {
                planner.open.push(root);
                &record.fields
            }
            _ => {
                value = value_field(root);
                std::slice::from_ref(&value)
            }
        };
        let wanted = planner.wanted(row)?;
        let (steps, fields) = planner.record(row, &wanted)?;
        let metadata = HashMap::from([("avro.schema".to_string(), schema.json().to_string())]);
        let arrow = Arc::new(ArrowSchema::new_with_metadata(fields, metadata));
        Ok(Plan { schema: schema.clone(), steps, arrow })
    }
}

/// A value that is not a record as the field of a row.
fn value_field(node: NodeId) -> AvroField {
    AvroField {
        name: VALUE_COLUMN.to_string(),
        aliases: Vec::new(),
        doc: None,
        default: None,
        node,
        attributes: Attributes::new(),
    }
}

struct Planner<'a> {
    schema: &'a Schema,
    options: &'a Options,
    /// The records around the place being planned, outermost first.
    open: Vec<NodeId>,
    n_fields: usize,
    depth: usize,
}

impl Planner<'_> {
    /// The steps and columns of a record with these fields.
    fn record(&mut self, fields: &[AvroField], wanted: &Wanted) -> Result<(Vec<Step>, Vec<FieldRef>)> {
        let mut steps = Vec::with_capacity(fields.len());
        let mut columns = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            steps.push(match wanted.field(at) {
                Some((column, wanted)) => {
                    let read = self.read(&field.name, field.node, Some(field), wanted)?;
                    columns.push((column, read.field.clone()));
                    Step::Read { column, read }
                }
                None => Step::Skip(field.node),
            });
        }
        columns.sort_by_key(|(column, _)| *column);
        Ok((steps, columns.into_iter().map(|(_, field)| field).collect()))
    }

    /// The plan of a value. `field` is the record's field that holds it, if one does.
    fn read(&mut self, name: &str, node: NodeId, field: Option<&AvroField>, wanted: &Wanted) -> Result<Read> {
        let limits = &self.options.limits;
        self.n_fields += 1;
        limit("arrow_fields", self.n_fields, limits.arrow_fields)?;
        self.depth += 1;
        limit("nesting", self.depth, limits.nesting)?;

        let (wrap, inner) = self.unwrap_union(node);
        let (shape, data_type) = self.shape(inner, wanted)?;
        self.depth -= 1;
        let metadata = self.metadata(inner, field);
        let field = Arc::new(Field::new(name, data_type, self.can_be_null(node)).with_metadata(metadata));
        Ok(Read { field, wrap, shape })
    }

    /// The union that can be taken off a value, and the type inside.
    fn unwrap_union(&self, node: NodeId) -> (Wrap, NodeId) {
        let Kind::Union(branches) = &self.schema.node(node).kind else { return (Wrap::None, node) };
        let is_null = |id: NodeId| matches!(self.schema.node(id).kind, Kind::Null);
        match *branches.as_slice() {
            [only] => (Wrap::Single, only),
            [null, other] if is_null(null) && !is_null(other) => (Wrap::Nullable { null_branch: 0 }, other),
            [other, null] if is_null(null) && !is_null(other) => (Wrap::Nullable { null_branch: 1 }, other),
            _ => (Wrap::None, node),
        }
    }

    fn can_be_null(&self, node: NodeId) -> bool {
        let is_null = |id: NodeId| matches!(self.schema.node(id).kind, Kind::Null);
        match &self.schema.node(node).kind {
            Kind::Union(branches) => branches.iter().any(|branch| is_null(*branch)),
            _ => is_null(node),
        }
    }

    /// Is this record inside itself as often as it is expanded, so that it becomes JSON text?
    fn is_json(&self, record: NodeId) -> bool {
        self.open.iter().filter(|open| **open == record).count() > self.options.recursion_levels
    }

    /// The record and the type of the values of an array that becomes a map: one marked as such, of records of a key that cannot
    /// be null and a value.
    fn pairs(&self, array: NodeId) -> Option<(NodeId, NodeId)> {
        let node = self.schema.node(array);
        let (Pairs::Map, Some(Logical::Map), Kind::Array(items)) = (self.options.pairs, node.logical, &node.kind)
        else {
            return None;
        };
        let Kind::Record(record) = &self.schema.node(*items).kind else { return None };
        let [key, value] = record.fields.as_slice() else { return None };
        let is_map = key.name == "key" && value.name == "value" && !self.can_be_null(key.node);
        (is_map && !self.is_json(*items)).then_some((*items, value.node))
    }

    /// The type table.
    fn shape(&mut self, id: NodeId, wanted: &Wanted) -> Result<(Shape, DataType)> {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond};
        let node = self.schema.node(id);
        let utc = || Some(Arc::from("UTC"));
        Ok(match (&node.kind, node.logical) {
            (Kind::Null, _) => (Shape::Null, DataType::Null),
            (Kind::Boolean, _) => (Shape::Boolean, DataType::Boolean),
            (Kind::Int, Some(Logical::Date)) => (Shape::Int, DataType::Date32),
            (Kind::Int, Some(Logical::TimeMillis)) => (Shape::Int, DataType::Time32(Millisecond)),
            (Kind::Int, _) => (Shape::Int, DataType::Int32),
            (Kind::Long, logical) => {
                let data_type = match logical {
                    Some(Logical::TimeMicros) => DataType::Time64(Microsecond),
                    Some(Logical::TimestampMillis) => DataType::Timestamp(Millisecond, utc()),
                    Some(Logical::TimestampMicros) => DataType::Timestamp(Microsecond, utc()),
                    Some(Logical::TimestampNanos) => DataType::Timestamp(Nanosecond, utc()),
                    Some(Logical::LocalTimestampMillis) => DataType::Timestamp(Millisecond, None),
                    Some(Logical::LocalTimestampMicros) => DataType::Timestamp(Microsecond, None),
                    Some(Logical::LocalTimestampNanos) => DataType::Timestamp(Nanosecond, None),
                    _ => DataType::Int64,
                };
                (Shape::Long, data_type)
            }
            (Kind::Float, _) => (Shape::Float, DataType::Float32),
            (Kind::Double, _) => (Shape::Double, DataType::Float64),
            (Kind::Bytes, logical) => match decimal(logical) {
                Some(data_type) => (Shape::DecimalBytes, data_type),
                None => (Shape::Bytes, self.binary()),
            },
            (Kind::String, _) => (Shape::String, self.utf8()),
            // Arrow's sizes are 32 bits wide, and so are the program's.
            (Kind::Fixed(fixed), _) if i32::try_from(fixed.size).is_err() => {
                return Err(unsupported(format!("fixed of {}", fixed.size)));
            }
            (Kind::Fixed(fixed), logical) => match (decimal(logical), logical) {
                (Some(data_type), _) => (Shape::DecimalFixed(fixed.size), data_type),
                (None, Some(Logical::Duration)) => (Shape::Duration, DataType::Interval(IntervalUnit::MonthDayNano)),
                _ => (Shape::Fixed(fixed.size), DataType::FixedSizeBinary(fixed.size as i32)),
            },
            (Kind::Enum(e), _) => {
                let symbols = Arc::new(StringArray::from_iter_values(&e.symbols));
                let data_type = match self.options.enums {
                    Enums::Dictionary => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
                    Enums::String => self.utf8(),
                };
                (Shape::Enum(symbols), data_type)
            }
            (Kind::Array(items), _) => {
                let is_map = self.pairs(id).is_some();
                let mut item = self.read(Field::LIST_FIELD_DEFAULT_NAME, *items, None, wanted)?;
                item.field = with_field_id(item.field, &node.attributes, "element-id");
                if is_map {
                    let entries = Arc::new(item.field.as_ref().clone().with_name("entries"));
                    (Shape::Pairs(Box::new(item)), DataType::Map(entries, false))
                } else {
                    let field = item.field.clone();
                    (Shape::List(Box::new(item)), DataType::List(field))
                }
            }
            (Kind::Map(values), _) => {
                let key = Arc::new(Field::new("key", self.utf8(), false));
                let keys = Read {
                    field: with_field_id(key, &node.attributes, "key-id"),
                    wrap: Wrap::None,
                    shape: Shape::String,
                };
                let mut values = self.read("value", *values, None, wanted)?;
                values.field = with_field_id(values.field, &node.attributes, "value-id");
                let entries = DataType::Struct(Fields::from(vec![keys.field.clone(), values.field.clone()]));
                let data_type = DataType::Map(Arc::new(Field::new("entries", entries, false)), false);
                (Shape::Map { keys: Box::new(keys), values: Box::new(values) }, data_type)
            }
            // A type inside itself would expand for ever.
            (Kind::Record(_), _) if self.is_json(id) => (Shape::Json(id), self.utf8()),
            (Kind::Record(record), _) => {
                self.open.push(id);
                let (steps, fields) = self.record(&record.fields, wanted)?;
                self.open.pop();
                (Shape::Record { node: id, steps, n_columns: fields.len() }, DataType::Struct(fields.into()))
            }
            (Kind::Union(branches), _) => self.union(branches)?,
        })
    }

    fn union(&mut self, branches: &[NodeId]) -> Result<(Shape, DataType)> {
        // Type ids are bytes from 0 to 127.
        if branches.is_empty() || branches.len() > 128 {
            return Err(unsupported(format!("a union of {} branches", branches.len())));
        }
        let names = self.branch_names(branches);
        let mut reads = Vec::with_capacity(branches.len());
        for (&branch, name) in branches.iter().zip(&names) {
            reads.push(self.read(name, branch, None, &WHOLE)?);
        }
        let data_type = match self.options.unions {
            Unions::Dense => {
                let ids = (0..=127i8).take(reads.len());
                DataType::Union(
                    UnionFields::try_new(ids, reads.iter().map(|r| r.field.clone()))?,
                    arrow_schema::UnionMode::Dense,
                )
            }
            Unions::Struct => {
                for read in &mut reads {
                    read.field = Arc::new(read.field.as_ref().clone().with_nullable(true));
                }
                let children = reads.iter().filter(|r| !matches!(r.shape, Shape::Null));
                DataType::Struct(children.map(|r| r.field.clone()).collect())
            }
        };
        Ok((Shape::Union { branches: reads }, data_type))
    }

    /// A name for each branch: its type's, with the namespace where two have the same.
    fn branch_names(&self, branches: &[NodeId]) -> Vec<String> {
        let kinds = || branches.iter().map(|&b| &self.schema.node(b).kind);
        let simple = |kind: &Kind| kind.name().map_or(kind.word(), |n| n.simple()).to_string();
        let mut names: Vec<String> = Vec::with_capacity(branches.len());
        for kind in kinds() {
            let mut name = simple(kind);
            if kinds().filter(|k| simple(k) == name).count() > 1 {
                name = kind.name().map_or(kind.word(), |n| n.full()).to_string();
            }
            // The specification forbids two branches of one type, but such schemas exist.
            let seen = names.iter().filter(|n| **n == name).count();
            names.push(if seen == 0 { name } else { format!("{name}_{seen}") });
        }
        names
    }

    fn utf8(&self) -> DataType {
        match self.options.strings {
            Strings::View => DataType::Utf8View,
            Strings::Plain => DataType::Utf8,
        }
    }

    fn binary(&self) -> DataType {
        match self.options.strings {
            Strings::View => DataType::BinaryView,
            Strings::Plain => DataType::Binary,
        }
    }

    /// What Arrow's types do not say, for the field's metadata: all of it under `avro.`, but for the keys that other
    /// formats know.
    fn metadata(&self, id: NodeId, field: Option<&AvroField>) -> HashMap<String, String> {
        let mut metadata = HashMap::new();
        let mut keep = |key: &str, value: String| match key {
            "field-id" => drop(metadata.insert(FIELD_ID.into(), value)),
            // These are of the fields inside, which have them.
            "element-id" | "key-id" | "value-id" => {}
            _ => drop(metadata.insert(format!("avro.{key}"), value)),
        };
        let node = self.schema.node(id);
        let mut keep_all = |attributes: &Attributes| {
            for (key, value) in attributes {
                keep(key, text(value));
            }
        };
        keep_all(&node.attributes);
        if let Some(field) = field {
            keep_all(&field.attributes);
            if let Some(doc) = &field.doc {
                keep("doc", doc.clone());
            }
            if !field.aliases.is_empty() {
                keep("aliases", text(&Json::from(field.aliases.clone())));
            }
        }
        if let Some(name) = node.kind.name() {
            keep("name", name.full().to_string());
        }
        if let Some(logical) = node.logical {
            keep("logicalType", logical.word().to_string());
            // Of a decimal that no Arrow type is wide enough for, nothing else tells.
            if let Logical::Decimal { precision, scale } = logical
                && decimal(node.logical).is_none()
            {
                keep("precision", precision.to_string());
                keep("scale", scale.to_string());
            }
        }
        if node.logical == Some(Logical::Uuid) && matches!(node.kind, Kind::Fixed(_)) {
            metadata.insert(EXTENSION_TYPE_NAME_KEY.to_string(), Uuid::NAME.to_string());
        }
        metadata
    }
}

/// Where Parquet's readers and writers look for a field's id.
const FIELD_ID: &str = "PARQUET:field_id";

/// The field with the id that the array or map around it has for it, as Iceberg's have.
fn with_field_id(field: FieldRef, around: &Attributes, key: &str) -> FieldRef {
    let Some(id) = around.get(key) else { return field };
    let mut metadata = field.metadata().clone();
    metadata.insert(FIELD_ID.to_string(), text(id));
    Arc::new(field.as_ref().clone().with_metadata(metadata))
}

/// A string as it is, anything else as JSON.
fn text(value: &Json) -> String {
    match value {
        Json::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// The Arrow type of a decimal, if there is one wide enough.
fn decimal(logical: Option<Logical>) -> Option<DataType> {
    let Some(Logical::Decimal { precision, scale }) = logical else { return None };
    let (precision, scale) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
    match precision {
        1..=DECIMAL128_MAX_PRECISION => Some(DataType::Decimal128(precision, scale)),
        ..=DECIMAL256_MAX_PRECISION => Some(DataType::Decimal256(precision, scale)),
        _ => None,
    }
}

fn unsupported(what: String) -> Error {
    Error::new(ErrorKind::Unsupported { what })
}

fn limit(name: &'static str, value: usize, max: usize) -> Result<()> {
    if value <= max {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Limit { limit: name, value: value as u64, max: max as u64 }))
}
