//! Write plans: how each column is written, in the order of a row's encoding. Mismatches are found here, before the
//! first row, except for single values.

use crate::error::{Error, Result};
use crate::json;
use crate::limits::Limits;
use crate::plan::{BRANCHES_MAX, VALUE_COLUMN, decimal};
use crate::schema::{Enum, Field as AvroField, Kind, Logical, NodeId, ORIGINAL_NAME, Schema};
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema as ArrowSchema, TimeUnit, UnionFields};
use std::collections::HashMap;

/// How the rows of a batch are written.
#[derive(Debug)]
pub(super) struct WritePlan {
    pub(super) schema: Schema,
    /// The row: a record of the columns, or one of them.
    pub(super) row: Row,
    pub(super) limits: Limits,
}

#[derive(Debug)]
pub(super) enum Row {
    Record(Vec<FieldSource>),
    /// The outermost type is not a record; this is the only column.
    Value(Box<ValuePlan>),
}

/// The source of a field of a record.
#[derive(Debug)]
pub(super) enum FieldSource {
    /// The column of this index.
    Column(usize, ValuePlan),
    /// Equal bytes in every row: a default, or nothing.
    Constant(Vec<u8>),
}

/// How the values of a column are written.
#[derive(Debug)]
pub(super) struct ValuePlan {
    /// The Arrow type that they are cast to first.
    pub(super) from: DataType,
    pub(super) tags: ColumnTags,
    pub(super) form: AvroShape,
    /// The path for errors.
    pub(super) path: String,
}

/// The branches of the union around a type: of its values, and of null. Without the first there is no union, without
/// the second no null.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ColumnTags {
    pub(super) value: Option<usize>,
    pub(super) null: Option<usize>,
}

#[derive(Debug)]
pub(super) enum AvroShape {
    /// Nothing is written; for a column of nulls, the null branch.
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    /// Text or bytes, for which Arrow has many types.
    Bytes,
    Fixed(usize),
    /// The index of each symbol.
    Enum(HashMap<String, i32>),
    /// A `fixed` of this many bytes, or as many bytes as needed.
    Decimal(Option<usize>),
    Duration,
    /// Avro's JSON encoding of a recursive type.
    Json(NodeId),
    Array(Box<ValuePlan>),
    /// Keys and values.
    Map(Box<[ValuePlan; 2]>),
    Record(Vec<FieldSource>),
    /// The children of Arrow's union, each with its type id, branch and values.
    Union(Vec<(i8, usize, ValuePlan)>),
    /// The columns of a struct, at most one of which is not null, each with its branch.
    Branches(Vec<(usize, ValuePlan)>),
}

impl WritePlan {
    /// Plans how to write columns of these types.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Argument`](crate::ErrorKind::Argument) and the first column that does not fit.
    pub(super) fn new(arrow: &ArrowSchema, schema: &Schema, limits: &Limits) -> Result<WritePlan> {
        let mut planner = WritePlanner { schema, limits, path: String::new(), depth: 0 };
        let root = schema.node(schema.root());
        let row = match (&root.kind, &**arrow.fields()) {
            (Kind::Record(record), columns) => planner.parts(columns, &record.fields).map(Row::Record),
            (_, [column]) => {
                planner.column(column, VALUE_COLUMN, schema.root()).map(|value| Row::Value(Box::new(value)))
            }
            (_, columns) => Err(format!("the schema is one {root}, but there are {} columns", columns.len())),
        };
        let row = row.map_err(|why| Error::argument(format!("the columns do not fit the schema: {why}")))?;
        Ok(WritePlan { schema: schema.clone(), row, limits: limits.clone() })
    }
}

struct WritePlanner<'a> {
    schema: &'a Schema,
    limits: &'a Limits,
    path: String,
    depth: usize,
}

/// Why a column does not fit.
type Why = String;

impl WritePlanner<'_> {
    /// The parts of a record of these fields, from these columns.
    fn parts(&mut self, columns: &[FieldRef], fields: &[AvroField]) -> Result<Vec<FieldSource>, Why> {
        if let Some(other) = columns.iter().find(|c| fields.iter().all(|field| !is_called(field, c.name()))) {
            return Err(format!("the schema has no field `{}`", self.path_of(other.name())));
        }
        let mut parts = Vec::with_capacity(fields.len());
        for field in fields {
            let mut found = columns.iter().enumerate().filter(|(_, column)| is_called(field, column.name()));
            parts.push(match (found.next(), found.next()) {
                (Some((at, column)), None) => FieldSource::Column(at, self.column(column, &field.name, field.node)?),
                (Some(_), Some(_)) => return Err(format!("duplicate column `{}`", self.path_of(&field.name))),
                (None, _) => FieldSource::Constant(self.absent(field)?),
            });
        }
        Ok(parts)
    }

    /// The bytes of a field without a column.
    fn absent(&self, field: &AvroField) -> Result<Vec<u8>, Why> {
        let mut bytes = Vec::new();
        let path = || self.path_of(&field.name);
        if let Some(default) = &field.default {
            let mut encoder = json::Encoder::new(self.schema, json::Form::Avro, self.limits);
            let why = |e: Error| format!("the default of `{}` is invalid: {e}", path());
            encoder.encode_default(default, field.node, &mut bytes).map_err(why)?;
            return Ok(bytes);
        }
        match self.null_branch(field.node) {
            Some(branch) => crate::encoding::put_long(branch as i64, &mut bytes),
            None if self.schema.node(field.node).kind == Kind::Null => {}
            None => return Err(format!("the field `{}` has no column, and no default", path())),
        }
        Ok(bytes)
    }

    fn null_branch(&self, node: NodeId) -> Option<usize> {
        let Kind::Union(branches) = &self.schema.node(node).kind else { return None };
        branches.iter().position(|branch| self.schema.node(*branch).kind == Kind::Null)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn column(&mut self, column: &Field, name: &str, node: NodeId) -> Result<ValuePlan, Why> {
        let path = self.path_of(name);
        self.inside(path, |planner| planner.value(column.data_type(), node))
    }

    /// Runs `plan` at this path, one level deeper.
    fn inside<T>(&mut self, path: String, plan: impl FnOnce(&mut Self) -> Result<T, Why>) -> Result<T, Why> {
        if self.depth > self.limits.nesting {
            return Err(format!("`{path}` is nested more deeply than the limit `nesting` ({})", self.limits.nesting));
        }
        let outer = std::mem::replace(&mut self.path, path);
        self.depth += 1;
        let planned = plan(self);
        self.depth -= 1;
        self.path = outer;
        planned
    }

    /// Plans values of this Arrow type as this Avro type.
    fn value(&mut self, arrow: &DataType, node: NodeId) -> Result<ValuePlan, Why> {
        let Kind::Union(branches) = &self.schema.node(node).kind else {
            return self.bare(arrow, node, ColumnTags::default());
        };
        if let DataType::Union(children, _) = arrow {
            return self.union(arrow, children, branches);
        }
        let null = self.null_branch(node);
        let others = || branches.iter().enumerate().filter(|(at, _)| Some(*at) != null);
        if *arrow == DataType::Null
            && let Some(null) = null
        {
            let tags = ColumnTags { value: Some(null), null: Some(null) };
            return Ok(ValuePlan { from: DataType::Null, tags, form: AvroShape::Null, path: self.path.clone() });
        }
        // Such a union is read as JSON text.
        if branches.len() > BRANCHES_MAX && casts(arrow, &DataType::Utf8View) {
            let (from, tags) = (DataType::Utf8View, ColumnTags { value: None, null });
            return Ok(ValuePlan { from, tags, form: AvroShape::Json(node), path: self.path.clone() });
        }
        // The branch that reads back as this exact type, rather than the first that can hold it.
        let natural = others().find(|(_, branch)| self.is_natural(arrow, **branch));
        let mut whys = Vec::new();
        for (at, branch) in natural.into_iter().chain(others()) {
            match self.bare(arrow, *branch, ColumnTags { value: Some(at), null }) {
                Ok(value) => return Ok(value),
                Err(why) => whys.push(why),
            }
        }
        if let DataType::Struct(children) = arrow {
            return self.branches(arrow, children, branches);
        }
        match whys.as_slice() {
            [why] => Err(why.clone()),
            _ => Err(self.unfit(arrow, node)),
        }
    }

    fn is_natural(&self, arrow: &DataType, node: NodeId) -> bool {
        let node = self.schema.node(node);
        match scalar(&node.kind, node.logical) {
            Some((from, _)) => from == *arrow,
            None => {
                matches!((&node.kind, arrow), (Kind::String, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View))
            }
        }
    }

    fn unfit(&self, arrow: &DataType, node: NodeId) -> Why {
        let types = match &self.schema.node(node).kind {
            Kind::Union(branches) => {
                let words: Vec<String> = branches.iter().map(|b| self.schema.node(*b).to_string()).collect();
                format!("[{}]", words.join(", "))
            }
            _ => self.schema.node(node).to_string(),
        };
        format!("`{}` is {arrow}, which {types} cannot hold", self.path)
    }

    /// Plans the children of Arrow's union, each as the branch with its name, or else as the first branch that it
    /// fits.
    fn union(&mut self, arrow: &DataType, children: &UnionFields, branches: &[NodeId]) -> Result<ValuePlan, Why> {
        let mut planned = Vec::new();
        for (id, child) in children.iter() {
            planned.push(self.branch(child, branches).map(|(branch, value)| (id, branch, value))?);
        }
        let form = AvroShape::Union(planned);
        Ok(ValuePlan { from: arrow.clone(), tags: ColumnTags::default(), form, path: self.path.clone() })
    }

    fn branches(&mut self, arrow: &DataType, children: &Fields, branches: &[NodeId]) -> Result<ValuePlan, Why> {
        let mut planned = Vec::new();
        for child in children {
            planned.push(self.branch(child, branches)?);
        }
        let null = branches.iter().position(|branch| self.schema.node(*branch).kind == Kind::Null);
        let tags = ColumnTags { value: None, null };
        Ok(ValuePlan { from: arrow.clone(), tags, form: AvroShape::Branches(planned), path: self.path.clone() })
    }

    fn branch(&mut self, child: &Field, branches: &[NodeId]) -> Result<(usize, ValuePlan), Why> {
        let is_called = |node: &NodeId| {
            let kind = &self.schema.node(*node).kind;
            kind.word() == child.name()
                || kind.name().is_some_and(|n| n.simple() == child.name() || n.full() == child.name())
        };
        let named = branches.iter().position(is_called);
        let path = format!("{}<{}>", self.path, child.name());
        self.inside(path, |planner| {
            for at in named.into_iter().chain(0..branches.len()) {
                let Some(branch) = branches.get(at) else { continue };
                if let Ok(value) = planner.bare(child.data_type(), *branch, ColumnTags::default()) {
                    return Ok((at, value));
                }
            }
            Err(format!("`{}` is {}, which no branch of the union can hold", planner.path, child.data_type()))
        })
    }

    /// Plans values of this Arrow type as this Avro type, which is not a union.
    fn bare(&mut self, arrow: &DataType, node: NodeId, tags: ColumnTags) -> Result<ValuePlan, Why> {
        // Encodings, not types.
        let arrow = match arrow {
            DataType::Dictionary(_, values) => &**values,
            DataType::RunEndEncoded(_, values) => values.data_type(),
            arrow => arrow,
        };
        let avro = self.schema.node(node);
        let unfit = |planner: &Self| Err(planner.unfit(arrow, node));
        if let Some((from, form)) = scalar(&avro.kind, avro.logical) {
            if !casts(arrow, &from) {
                return unfit(self);
            }
            return Ok(ValuePlan { from, tags, form, path: self.path.clone() });
        }
        let (from, form) = match (&avro.kind, arrow) {
            (Kind::Null, DataType::Null) => (DataType::Null, AvroShape::Null),
            (Kind::String | Kind::Bytes, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            | (Kind::Bytes, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
                (arrow.clone(), AvroShape::Bytes)
            }
            (Kind::Bytes, DataType::FixedSizeBinary(_)) => (DataType::Binary, AvroShape::Bytes),
            (Kind::Fixed(fixed), DataType::FixedSizeBinary(size)) if usize::try_from(*size) == Ok(fixed.size) => {
                (arrow.clone(), AvroShape::Fixed(fixed.size))
            }
            (Kind::Fixed(fixed), DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
                (DataType::BinaryView, AvroShape::Fixed(fixed.size))
            }
            (Kind::Enum(e), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
                (enum_type(), AvroShape::Enum(symbols(e)))
            }
            (Kind::Record(_), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
                if self.schema.is_recursive(node) =>
            {
                (DataType::Utf8View, AvroShape::Json(node))
            }
            (Kind::Record(record), DataType::Struct(children)) => {
                (arrow.clone(), AvroShape::Record(self.parts(children, &record.fields)?))
            }
            (Kind::Array(items), _) => match item(arrow) {
                Some(child) => {
                    let path = format!("{}[]", self.path);
                    let value = self.inside(path, |planner| planner.value(child.data_type(), *items))?;
                    // Nested types are cast when they are reached.
                    let from = match arrow {
                        DataType::Map(..) => arrow.clone(),
                        _ => DataType::List(child.clone()),
                    };
                    (from, AvroShape::Array(Box::new(value)))
                }
                None => return unfit(self),
            },
            (Kind::Map(values), DataType::Map(entries, _)) => {
                let DataType::Struct(fields) = entries.data_type() else { return unfit(self) };
                let [key, value] = &**fields else { return unfit(self) };
                let path = format!("{}{{}}", self.path);
                if !casts(key.data_type(), &DataType::Utf8View) {
                    return unfit(self);
                }
                let key = ValuePlan {
                    from: DataType::Utf8View,
                    tags: ColumnTags::default(),
                    form: AvroShape::Bytes,
                    path: path.clone(),
                };
                let value = self.inside(path, |planner| planner.value(value.data_type(), *values))?;
                (arrow.clone(), AvroShape::Map(Box::new([key, value])))
            }
            _ => return unfit(self),
        };
        Ok(ValuePlan { from, tags, form, path: self.path.clone() })
    }
}

/// Whether this is the name of the field, or its original name, which Avro does not allow.
fn is_called(field: &AvroField, name: &str) -> bool {
    field.name == name || field.attributes.get(ORIGINAL_NAME).and_then(|original| original.as_str()) == Some(name)
}

/// The items of Arrow's lists.
fn item(arrow: &DataType) -> Option<&FieldRef> {
    match arrow {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => Some(item),
        _ => None,
    }
}

fn enum_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn symbols(e: &Enum) -> HashMap<String, i32> {
    (0..).zip(&e.symbols).map(|(at, symbol)| (symbol.clone(), at)).collect()
}

/// The Arrow type of numbers, dates and times, if this is one, and how it is written.
fn scalar(kind: &Kind, logical: Option<Logical>) -> Option<(DataType, AvroShape)> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond};
    let utc = || Some("UTC".into());
    Some(match (kind, logical) {
        (Kind::Boolean, _) => (DataType::Boolean, AvroShape::Boolean),
        (Kind::Int, Some(Logical::Date)) => (DataType::Date32, AvroShape::Int),
        (Kind::Int, Some(Logical::TimeMillis)) => (DataType::Time32(Millisecond), AvroShape::Int),
        (Kind::Int, _) => (DataType::Int32, AvroShape::Int),
        (Kind::Long, Some(Logical::TimeMicros)) => (DataType::Time64(Microsecond), AvroShape::Long),
        (Kind::Long, Some(Logical::TimestampMillis)) => (DataType::Timestamp(Millisecond, utc()), AvroShape::Long),
        (Kind::Long, Some(Logical::TimestampMicros)) => (DataType::Timestamp(Microsecond, utc()), AvroShape::Long),
        (Kind::Long, Some(Logical::TimestampNanos)) => (DataType::Timestamp(Nanosecond, utc()), AvroShape::Long),
        (Kind::Long, Some(Logical::LocalTimestampMillis)) => (DataType::Timestamp(Millisecond, None), AvroShape::Long),
        (Kind::Long, Some(Logical::LocalTimestampMicros)) => (DataType::Timestamp(Microsecond, None), AvroShape::Long),
        (Kind::Long, Some(Logical::LocalTimestampNanos)) => (DataType::Timestamp(Nanosecond, None), AvroShape::Long),
        (Kind::Long, _) => (DataType::Int64, AvroShape::Long),
        (Kind::Float, _) => (DataType::Float32, AvroShape::Float),
        (Kind::Double, _) => (DataType::Float64, AvroShape::Double),
        (Kind::Bytes, logical) => (decimal(logical)?, AvroShape::Decimal(None)),
        (Kind::Fixed(fixed), Some(Logical::Duration)) if fixed.size == 12 => {
            (DataType::Interval(IntervalUnit::MonthDayNano), AvroShape::Duration)
        }
        (Kind::Fixed(fixed), logical) => (decimal(logical)?, AvroShape::Decimal(Some(fixed.size))),
        _ => return None,
    })
}

/// Whether values of one type can be cast to the other without rounding, with errors for values that cannot.
fn casts(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (from, to) if from == to => true,
        (Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64, Int32 | Int64) => true,
        (Duration(_), Int64) => true,
        (Float16, Float32 | Float64) | (Float32, Float64) => true,
        (Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32, Float64) => true,
        (Date64, Date32) | (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (Timestamp(_, None), Timestamp(..)) | (Timestamp(_, Some(_)), Timestamp(_, Some(_))) => true,
        (Timestamp(_, Some(zone)), Timestamp(_, None)) => matches!(&**zone, "UTC" | "+00:00" | "Z"),
        (
            Decimal32(_, from) | Decimal64(_, from) | Decimal128(_, from) | Decimal256(_, from),
            Decimal128(_, to) | Decimal256(_, to),
        ) => from <= to,
        (Utf8 | LargeUtf8 | Utf8View, Utf8View) => true,
        _ => false,
    }
}
