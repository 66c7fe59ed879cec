//! Plans: a schema and the caller's options in, a tree that says of every value, in the order of its bytes, what becomes of
//! it, and the Arrow schema that follows. The only table of Avro's types against Arrow's is here.
//!
//! The program compiler and the reference decoder both start from a plan, so that they can differ only in how they read.

use crate::error::{Error, ErrorKind, Result};
use crate::options::{Enums, Options, Pairs, Strings, Unions};
use crate::schema::{Attributes, Field as AvroField, Kind, Logical, NodeId, Record, Schema};
use arrow_array::StringArray;
use arrow_schema::extension::{EXTENSION_TYPE_NAME_KEY, ExtensionType, Uuid};
use arrow_schema::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Fields, IntervalUnit,
    Schema as ArrowSchema, SchemaRef, TimeUnit, UnionFields,
};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

/// The name of the one column of a file whose top level is not a record.
pub(crate) const VALUE_COLUMN: &str = "value";

/// What becomes of a row.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) schema: Schema,
    /// The values of a row in the order of their bytes.
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
        let (steps, fields) = match &schema.node(root).kind {
            Kind::Record(record) => {
                planner.open.push(root);
                let wanted = wanted_columns(record.fields.iter().map(|f| f.name.as_str()), options)?;
                planner.record(record, &wanted)?
            }
            _ => match wanted_columns([VALUE_COLUMN].into_iter(), options)?.first() {
                Some(Some(column)) => {
                    let read = planner.read(VALUE_COLUMN, root, None)?;
                    let field = read.field.clone();
                    (vec![Step::Read { column: *column, read }], vec![field])
                }
                _ => (vec![Step::Skip(root)], vec![]),
            },
        };
        let metadata = HashMap::from([("avro.schema".to_string(), schema.json().to_string())]);
        let arrow = Arc::new(ArrowSchema::new_with_metadata(fields, metadata));
        Ok(Plan { schema: schema.clone(), steps, arrow })
    }
}

/// For each field of the file, the output column that it becomes, if any.
fn wanted_columns<'a>(names: impl Iterator<Item = &'a str> + Clone, options: &Options) -> Result<Vec<Option<usize>>> {
    let Some(projection) = &options.projection else {
        return Ok(names.enumerate().map(|(column, _)| Some(column)).collect());
    };
    let mut wanted: Vec<Option<usize>> = names.clone().map(|_| None).collect();
    let mut places = HashMap::new();
    for (at, name) in names.clone().enumerate() {
        // Some real schemas give two fields one name: the name then means the first.
        places.entry(name).or_insert(at);
    }
    for (column, name) in projection.iter().enumerate() {
        match places.get(name.as_str()).and_then(|&at| wanted.get_mut(at)) {
            Some(place @ None) => *place = Some(column),
            Some(_) => return Err(Error::argument(format!("column `{name}` is asked for twice"))),
            None => {
                let known: Vec<&str> = names.clone().collect();
                return Err(Error::argument(format!("no column `{name}`; there are: {}", known.join(", "))));
            }
        }
    }
    Ok(wanted)
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
    /// The steps and columns of a record, given the column of each of its fields.
    fn record(&mut self, record: &Record, wanted: &[Option<usize>]) -> Result<(Vec<Step>, Vec<FieldRef>)> {
        let mut steps = Vec::with_capacity(record.fields.len());
        let mut columns = Vec::new();
        for (field, column) in record.fields.iter().zip(wanted) {
            steps.push(match *column {
                Some(column) => {
                    let read = self.read(&field.name, field.node, Some(field))?;
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
    fn read(&mut self, name: &str, node: NodeId, field: Option<&AvroField>) -> Result<Read> {
        let limits = &self.options.limits;
        self.n_fields += 1;
        limit("arrow_fields", self.n_fields, limits.arrow_fields)?;
        self.depth += 1;
        limit("nesting", self.depth, limits.nesting)?;

        let (wrap, inner) = self.unwrap_union(node);
        let (shape, data_type) = self.shape(inner)?;
        let nullable = match (&shape, wrap) {
            (Shape::Null, _) | (_, Wrap::Nullable { .. }) => true,
            (Shape::Union { branches }, _) => branches.iter().any(|b| matches!(b.shape, Shape::Null)),
            _ => false,
        };
        self.depth -= 1;
        let metadata = self.metadata(inner, field);
        let field = Arc::new(Field::new(name, data_type, nullable).with_metadata(metadata));
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

    /// The type table.
    fn shape(&mut self, id: NodeId) -> Result<(Shape, DataType)> {
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
            (Kind::Array(items), logical) => {
                let items = *items;
                let mut item = self.read(Field::LIST_FIELD_DEFAULT_NAME, items, None)?;
                item.field = with_field_id(item.field, &node.attributes, "element-id");
                match (self.options.pairs, logical, pairs_entries(&item)) {
                    (Pairs::Map, Some(Logical::Map), Some(entries)) => {
                        (Shape::Pairs(Box::new(item)), DataType::Map(entries, false))
                    }
                    _ => {
                        let field = item.field.clone();
                        (Shape::List(Box::new(item)), DataType::List(field))
                    }
                }
            }
            (Kind::Map(values), _) => {
                let key = Arc::new(Field::new("key", self.utf8(), false));
                let keys = Read {
                    field: with_field_id(key, &node.attributes, "key-id"),
                    wrap: Wrap::None,
                    shape: Shape::String,
                };
                let mut values = self.read("value", *values, None)?;
                values.field = with_field_id(values.field, &node.attributes, "value-id");
                let entries = DataType::Struct(Fields::from(vec![keys.field.clone(), values.field.clone()]));
                let data_type = DataType::Map(Arc::new(Field::new("entries", entries, false)), false);
                (Shape::Map { keys: Box::new(keys), values: Box::new(values) }, data_type)
            }
            (Kind::Record(record), _) => {
                // A type inside itself would expand for ever.
                let open = self.open.iter().filter(|&&o| o == id).count();
                if open > self.options.recursion_levels {
                    return Ok((Shape::Json(id), self.utf8()));
                }
                self.open.push(id);
                let all: Vec<_> = (0..record.fields.len()).map(Some).collect();
                let (steps, fields) = self.record(record, &all)?;
                self.open.pop();
                (Shape::Record { steps, n_columns: fields.len() }, DataType::Struct(fields.into()))
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
            reads.push(self.read(name, branch, None)?);
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

/// The entries field of a map made of a list's items, if they are structs of a key that cannot be null and a value.
fn pairs_entries(item: &Read) -> Option<FieldRef> {
    let (Wrap::None, DataType::Struct(fields)) = (item.wrap, item.field.data_type()) else { return None };
    match fields.iter().as_slice() {
        [key, value] if key.name() == "key" && value.name() == "value" && !key.is_nullable() => {
            Some(Arc::new(item.field.as_ref().clone().with_name("entries")))
        }
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
