//! Targets: the columns of the output as a tree, from the reader's schema and the projection. It has the only table of
//! Avro's types against Arrow's.

use super::metadata::with_field_id;
use super::projection::{WHOLE, Wanted};
use super::{Planner, limit, symbols_of};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Decimals, Enums, LogicalMaps, Strings, Unions};
use crate::schema::{Field as AvroField, Kind, Logical, Node, NodeId};
use crate::tagged::{BRANCHES_MAX, tag};
use arrow_array::StringArray;
use arrow_schema::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit,
    UnionFields,
};
use std::sync::Arc;

/// A column, or a part of one.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Name, Arrow type, nullability and metadata.
    pub(crate) field: FieldRef,
    /// The reader's type, without a union that is removed.
    pub(crate) node: NodeId,
    /// Whether the type was in a union with null.
    pub(crate) nullable: bool,
    pub(crate) form: ColumnShape,
}

/// The parts of a column. Its Arrow type is in the field.
#[derive(Debug, Clone)]
pub(crate) enum ColumnShape {
    Null,
    Boolean,
    /// Numbers, dates, times, decimals, intervals.
    Primitive,
    /// Strings or bytes.
    Views,
    Fixed(usize),
    Enum(Arc<StringArray>),
    /// JSON text of a recursive type.
    Text,
    List(Box<Target>),
    /// The entries, which are records of a key and a value.
    Map(Box<Target>),
    Record(RecordTarget),
    /// A dense `Union` or a `Struct`, of a target for each branch.
    Union(Vec<Target>),
}

/// The columns of a record.
#[derive(Debug, Clone)]
pub(crate) struct RecordTarget {
    /// In the order of the output.
    pub(crate) columns: Vec<Target>,
    /// By the reader's field: the index of its column, if it has one.
    pub(crate) places: Vec<Option<usize>>,
}

/// The union around a type, if it is removed in the Arrow type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrap {
    /// No union, or one that stays.
    None,
    /// A union of this one type.
    Single,
    /// A union of this type and null, which is branch 0 or 1.
    Nullable { null_branch: usize },
}

impl Planner<'_> {
    /// The columns of a record with these fields.
    pub(super) fn record_target(&mut self, fields: &[AvroField], wanted: &Wanted) -> Result<RecordTarget> {
        let mut columns = Vec::new();
        let mut places = vec![None; fields.len()];
        for ((at, field), place) in fields.iter().enumerate().zip(&mut places) {
            if let Some((column, wanted)) = wanted.field(at) {
                columns.push((column, self.target(&field.name, field.node, Some(field), wanted)?));
                *place = Some(column);
            }
        }
        columns.sort_by_key(|(column, _)| *column);
        Ok(RecordTarget { columns: columns.into_iter().map(|(_, target)| target).collect(), places })
    }

    /// The column of a type. `field` is the record's field that has it, if any.
    fn target(&mut self, name: &str, node: NodeId, field: Option<&AvroField>, wanted: &Wanted) -> Result<Target> {
        let limits = &self.options.limits;
        self.n_fields += 1;
        limit("arrow_fields", self.n_fields, limits.arrow_fields)?;
        self.depth += 1;
        limit("nesting", self.depth, limits.nesting)?;

        let (wrap, inner) = self.unwrap_union(node);
        let (form, data_type) = self.form(inner, wanted)?;
        self.depth -= 1;
        let metadata = self.metadata(inner, field);
        // Documentation of a type is repeated at each use of the type.
        self.metadata_bytes += metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        limit("metadata_bytes", self.metadata_bytes, limits.metadata_bytes)?;
        let field = Arc::new(Field::new(name, data_type, self.can_be_null(node)).with_metadata(metadata));
        let nullable = matches!(wrap, Wrap::Nullable { .. }) || (self.is_wide(inner) && self.can_be_null(inner));
        Ok(Target { field, node: inner, nullable, form })
    }

    /// The union that can be removed from a type, and the type inside.
    pub(super) fn unwrap_union(&self, node: NodeId) -> (Wrap, NodeId) {
        let Kind::Union(branches) = &self.reader.node(node).kind else { return (Wrap::None, node) };
        let is_null = |id: NodeId| matches!(self.reader.node(id).kind, Kind::Null);
        match *branches.as_slice() {
            [only] => (Wrap::Single, only),
            [null, other] if is_null(null) && !is_null(other) => (Wrap::Nullable { null_branch: 0 }, other),
            [other, null] if is_null(null) && !is_null(other) => (Wrap::Nullable { null_branch: 1 }, other),
            _ => (Wrap::None, node),
        }
    }

    fn can_be_null(&self, node: NodeId) -> bool {
        let is_null = |id: NodeId| matches!(self.reader.node(id).kind, Kind::Null);
        match &self.reader.node(node).kind {
            Kind::Union(branches) => branches.iter().any(|branch| is_null(*branch)),
            _ => is_null(node),
        }
    }

    /// Whether a union has more types than Arrow's unions, whose type ids are 0 to 127. It becomes JSON text.
    fn is_wide(&self, node: NodeId) -> bool {
        matches!(&self.reader.node(node).kind, Kind::Union(branches) if branches.len() > BRANCHES_MAX)
    }

    /// Whether this record is inside itself as often as it is expanded, so that it becomes JSON text.
    pub(super) fn is_json(&self, record: NodeId) -> bool {
        self.open.iter().filter(|open| **open == record).count() > self.options.recursion_levels
    }

    /// The record and the value type of an array that becomes a map: a marked array of records of a non-null key and a
    /// value.
    pub(super) fn pairs(&self, array: NodeId) -> Option<(NodeId, NodeId)> {
        let node = self.reader.node(array);
        let (LogicalMaps::Map, Some(Logical::Map), Kind::Array(items)) =
            (self.options.logical_maps, node.logical, &node.kind)
        else {
            return None;
        };
        let Kind::Record(record) = &self.reader.node(*items).kind else { return None };
        let [key, value] = record.fields.as_slice() else { return None };
        let is_map = key.name == "key" && value.name == "value" && !self.can_be_null(key.node);
        (is_map && !self.is_json(*items)).then_some((*items, value.node))
    }

    /// The type table.
    fn form(&mut self, id: NodeId, wanted: &Wanted) -> Result<(ColumnShape, DataType)> {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond};
        let node = self.reader.node(id);
        let utc = || Some(Arc::from("UTC"));
        let primitive = |data_type| (ColumnShape::Primitive, data_type);
        Ok(match (&node.kind, node.logical) {
            (Kind::Null, _) => (ColumnShape::Null, DataType::Null),
            (Kind::Boolean, _) => (ColumnShape::Boolean, DataType::Boolean),
            (Kind::Int, logical) => primitive(match logical {
                Some(Logical::Date) => DataType::Date32,
                Some(Logical::TimeMillis) => DataType::Time32(Millisecond),
                _ => DataType::Int32,
            }),
            (Kind::Long, logical) => primitive(match logical {
                Some(Logical::TimeMicros) => DataType::Time64(Microsecond),
                Some(Logical::TimestampMillis) => DataType::Timestamp(Millisecond, utc()),
                Some(Logical::TimestampMicros) => DataType::Timestamp(Microsecond, utc()),
                Some(Logical::TimestampNanos) => DataType::Timestamp(Nanosecond, utc()),
                Some(Logical::LocalTimestampMillis) => DataType::Timestamp(Millisecond, None),
                Some(Logical::LocalTimestampMicros) => DataType::Timestamp(Microsecond, None),
                Some(Logical::LocalTimestampNanos) => DataType::Timestamp(Nanosecond, None),
                _ => DataType::Int64,
            }),
            (Kind::Float, _) => primitive(DataType::Float32),
            (Kind::Double, _) => primitive(DataType::Float64),
            (Kind::Bytes, logical) => match self.decimal(logical) {
                Some(data_type) => primitive(data_type),
                None => (ColumnShape::Views, self.binary()),
            },
            (Kind::String, _) => (ColumnShape::Views, self.utf8()),
            // Arrow's sizes are 32 bits wide, and so are the program's.
            (Kind::Fixed(fixed), _) if i32::try_from(fixed.size).is_err() => {
                return Err(unsupported(format!("fixed of {}", fixed.size)));
            }
            (Kind::Fixed(fixed), logical) => {
                match (self.decimal(logical.or_else(|| self.short_decimal(node))), logical) {
                    (Some(data_type), _) => primitive(data_type),
                    (None, Some(Logical::Duration)) => primitive(DataType::Interval(IntervalUnit::MonthDayNano)),
                    _ => (ColumnShape::Fixed(fixed.size), DataType::FixedSizeBinary(fixed.size as i32)),
                }
            }
            (Kind::Enum(e), _) => {
                let symbols = symbols_of(&mut self.reader_symbols, id, e);
                let data_type = match self.options.enums {
                    Enums::Dictionary => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
                    Enums::String => self.utf8(),
                };
                (ColumnShape::Enum(symbols), data_type)
            }
            (Kind::Array(items), _) => {
                let is_map = self.pairs(id).is_some();
                let mut item = self.target(Field::LIST_FIELD_DEFAULT_NAME, *items, None, wanted)?;
                item.field = with_field_id(item.field, &node.attributes, "element-id");
                if is_map {
                    item.field = Arc::new(item.field.as_ref().clone().with_name("entries"));
                    let data_type = DataType::Map(item.field.clone(), false);
                    (ColumnShape::Map(Box::new(item)), data_type)
                } else {
                    let field = item.field.clone();
                    (ColumnShape::List(Box::new(item)), DataType::List(field))
                }
            }
            (Kind::Map(values), _) => {
                let key = Arc::new(Field::new("key", self.utf8(), false));
                let field = with_field_id(key, &node.attributes, "key-id");
                let key = Target { field, node: id, nullable: false, form: ColumnShape::Views };
                let mut value = self.target("value", *values, None, wanted)?;
                value.field = with_field_id(value.field, &node.attributes, "value-id");
                let entries = DataType::Struct(Fields::from(vec![key.field.clone(), value.field.clone()]));
                let record = RecordTarget { columns: vec![key, value], places: vec![Some(0), Some(1)] };
                let field = Arc::new(Field::new("entries", entries, false));
                let entries = Target { field, node: id, nullable: false, form: ColumnShape::Record(record) };
                let data_type = DataType::Map(entries.field.clone(), false);
                (ColumnShape::Map(Box::new(entries)), data_type)
            }
            // A recursive type would expand without end.
            (Kind::Record(_), _) if self.is_json(id) => (ColumnShape::Text, self.utf8()),
            (Kind::Record(record), _) => {
                self.open.push(id);
                let target = self.record_target(&record.fields, wanted)?;
                self.open.pop();
                let fields = target.columns.iter().map(|column| column.field.clone()).collect();
                (ColumnShape::Record(target), DataType::Struct(fields))
            }
            (Kind::Union(_), _) if self.is_wide(id) => (ColumnShape::Text, self.utf8()),
            (Kind::Union(branches), _) => self.union_form(branches)?,
        })
    }

    /// The decimal that a fixed is too short for, if the options read it.
    fn short_decimal(&self, node: &Node) -> Option<Logical> {
        if self.options.short_decimals { Logical::short_decimal(node) } else { None }
    }

    fn union_form(&mut self, branches: &[NodeId]) -> Result<(ColumnShape, DataType)> {
        if branches.is_empty() {
            return Err(unsupported("a union of 0 branches".to_owned()));
        }
        let names = self.branch_names(branches);
        let mut targets = Vec::with_capacity(branches.len());
        for (&branch, name) in branches.iter().zip(&names) {
            targets.push(self.target(name, branch, None, &WHOLE)?);
        }
        let data_type = match self.options.unions {
            Unions::Dense => {
                let ids = (0..=127i8).take(targets.len());
                DataType::Union(
                    UnionFields::try_new(ids, targets.iter().map(|t| t.field.clone()))?,
                    arrow_schema::UnionMode::Dense,
                )
            }
            Unions::Struct | Unions::Tagged => {
                let is_tagged = self.options.unions == Unions::Tagged;
                for (at, target) in targets.iter_mut().enumerate() {
                    let field = target.field.as_ref().clone().with_nullable(true);
                    target.field = Arc::new(if is_tagged { tag(field, at, branches.len()) } else { field });
                }
                let children = targets.iter().filter(|t| !matches!(t.form, ColumnShape::Null));
                DataType::Struct(children.map(|t| t.field.clone()).collect())
            }
        };
        Ok((ColumnShape::Union(targets), data_type))
    }

    /// A name for each branch: the name of its type, with the namespace if two names are equal.
    fn branch_names(&self, branches: &[NodeId]) -> Vec<String> {
        let kinds = || branches.iter().map(|&b| &self.reader.node(b).kind);
        let simple = |kind: &Kind| kind.name().map_or(kind.word(), |n| n.simple()).to_string();
        let mut names: Vec<String> = Vec::with_capacity(branches.len());
        for kind in kinds() {
            let mut name = simple(kind);
            if kinds().filter(|k| simple(k) == name).count() > 1 {
                name = kind.name().map_or(kind.word(), |n| n.full()).to_string();
            }
            // The specification forbids two branches of one type, but such schemas exist.
            let first = name.clone();
            let mut seen = 0;
            while names.contains(&name) {
                seen += 1;
                name = format!("{first}_{seen}");
            }
            names.push(name);
        }
        names
    }

    fn utf8(&self) -> DataType {
        match self.options.strings {
            Strings::View => DataType::Utf8View,
            Strings::Utf8 => DataType::Utf8,
        }
    }

    /// The Arrow type of a decimal under the options.
    pub(super) fn decimal(&self, logical: Option<Logical>) -> Option<DataType> {
        match (decimal(logical)?, self.options.decimals) {
            (_, Decimals::Bytes) => None,
            (DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale), Decimals::Wide) => {
                Some(DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale))
            }
            (data_type, _) => Some(data_type),
        }
    }

    fn binary(&self) -> DataType {
        match self.options.strings {
            Strings::View => DataType::BinaryView,
            Strings::Utf8 => DataType::Binary,
        }
    }
}

/// The Arrow type of a decimal, if one is wide enough.
pub(crate) fn decimal(logical: Option<Logical>) -> Option<DataType> {
    let Some(Logical::Decimal { precision, scale }) = logical else { return None };
    let (precision, scale) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
    match precision {
        1..=DECIMAL128_MAX_PRECISION => Some(DataType::Decimal128(precision, scale)),
        ..=DECIMAL256_MAX_PRECISION => Some(DataType::Decimal256(precision, scale)),
        _ => None,
    }
}

pub(super) fn unsupported(what: String) -> Error {
    Error::new(ErrorKind::Unsupported { what })
}
