//! Plans: how a schema, a reader's schema and the options determine the columns (`target`), and how each value in a
//! row's bytes becomes one (`ValueSource`).
//!
//! The program compiler and the reference decoder both start from a plan, so that they can differ only in how they
//! read.

mod constant;
mod metadata;
mod projection;
mod target;

pub(crate) use crate::tagged::BRANCHES_MAX;
pub(crate) use target::{ColumnShape, RecordTarget, Target, decimal};

use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::resolve::{Action, Convert, PairId, RecordPair, Resolution, Rules};
use crate::schema::{Attributes, Enum, Field as AvroField, Kind, Logical, NodeId, Schema, is_zero_width};
use crate::value::Value;
use arrow_array::StringArray;
use arrow_schema::{Schema as ArrowSchema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;
use target::{Wrap, unsupported};

/// The name of the one column of a file whose top level is not a record.
pub(crate) const VALUE_COLUMN: &str = "value";

/// The plan of a row.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The schema that the bytes were written with.
    pub(crate) schema: Schema,
    pub(crate) resolution: Resolution,
    /// The source of the columns of a row.
    pub(crate) row: ValueSource,
    pub(crate) target: RecordTarget,
    pub(crate) arrow: SchemaRef,
}

/// What to do with a field of the writer's record, or for a field that it lacks.
#[derive(Debug, Clone)]
pub(crate) enum FieldStep {
    /// Skip it.
    Skip(NodeId),
    /// Read it into the column with this index among those of its record.
    Read { column: usize, source: ValueSource },
    /// The writer lacks the field: the column has this value.
    Default { column: usize, value: Value },
}

/// The encoding of a value, and how it becomes a value of its target.
#[derive(Debug, Clone)]
pub(crate) enum ValueSource {
    Scalar(Scalar),
    /// Blocks of items, which may take no bytes.
    Items {
        item: Box<ValueSource>,
        zero_width: bool,
    },
    /// Blocks of string keys with these values.
    Entries(Box<ValueSource>),
    Record(RecordSource),
    /// A value that becomes JSON text.
    Json(PairId),
    /// A union of one type: an index that must be 0.
    Single(Box<ValueSource>),
    /// A union of null and another type, whose null is a null of the target.
    Nullable {
        null_branch: u8,
        value: Box<ValueSource>,
    },
    /// Any other union, with the source of each branch that has one.
    Branches {
        /// The writer's union.
        union: NodeId,
        branches: Vec<Option<ValueSource>>,
    },
    /// A non-null value of a nullable target.
    Present(Box<ValueSource>),
    /// No bytes, and a null of the target.
    Absent,
    /// A value that becomes this branch of a union.
    Branch {
        branch: usize,
        value: Box<ValueSource>,
    },
}

/// A record, or a row that is another value.
#[derive(Debug, Clone)]
pub(crate) struct RecordSource {
    pub(crate) node: NodeId,
    pub(crate) steps: Vec<FieldStep>,
}

/// The encoding of a scalar, and the conversion applied to it.
#[derive(Debug, Clone)]
pub(crate) enum Scalar {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    IntToLong,
    IntToFloat,
    IntToDouble,
    LongToFloat,
    LongToDouble,
    FloatToDouble,
    Bytes,
    String,
    Fixed(usize),
    /// An index below this number.
    Enum(usize),
    /// An index that is mapped to the reader's, if it has one.
    Symbol {
        /// The writer's enum.
        of: NodeId,
        table: Arc<[Option<u32>]>,
    },
    /// An index of one of these values.
    SymbolText(Arc<StringArray>),
    /// A decimal on bytes, to `Decimal128` or `Decimal256`.
    DecimalBytes,
    /// A decimal on fixed of this size.
    DecimalFixed(usize),
    /// An int multiplied by this, as `i64`.
    IntTimes(i64),
    /// A long multiplied by this, as `i64`.
    LongTimes(i64),
    /// A decimal on bytes with this many more zeros.
    ScaledBytes(u32),
    /// A decimal on fixed of this size, with this many more zeros.
    ScaledFixed(usize, u32),
    Duration,
}

impl Plan {
    /// Makes the plan for a schema under these options.
    pub(crate) fn new(schema: &Schema, options: &Options) -> Result<Plan> {
        let resolution = match &options.reader_schema {
            Some(reader) if reader != schema => {
                Resolution::new(schema, reader, options.field_match, Rules::of(options), &options.limits)?
            }
            _ => Resolution::same(schema),
        };
        let reader = &resolution.reader;
        let mut planner = Planner {
            resolution: &resolution,
            reader,
            options,
            open: Vec::new(),
            n_fields: 0,
            metadata_bytes: 0,
            depth: 0,
            n_sources: 0,
            default_bytes: 0,
            writer_symbols: EnumSymbols::new(),
            reader_symbols: EnumSymbols::new(),
        };
        let root = reader.root();
        let is_record = matches!(reader.node(root).kind, Kind::Record(_));
        let value;
        let fields = match &reader.node(root).kind {
            Kind::Record(record) => {
                planner.open.push(root);
                &record.fields
            }
            _ => {
                value = value_field(root);
                std::slice::from_ref(&value)
            }
        };
        let wanted = planner.wanted(fields)?;
        let target = planner.record_target(fields, &wanted)?;
        let row = match target.columns.as_slice() {
            _ if is_record => planner.row(resolution.root, &target)?,
            [] => {
                ValueSource::Record(RecordSource { node: schema.root(), steps: vec![FieldStep::Skip(schema.root())] })
            }
            columns => {
                let mut steps = Vec::new();
                for (column, target) in columns.iter().enumerate() {
                    steps.push(FieldStep::Read { column, source: planner.source(resolution.root, target)? });
                }
                ValueSource::Record(RecordSource { node: schema.root(), steps })
            }
        };
        let metadata = HashMap::from([("avro.schema".to_string(), reader.json().to_string())]);
        let fields: Vec<_> = target.columns.iter().map(|column| column.field.clone()).collect();
        let arrow = Arc::new(ArrowSchema::new_with_metadata(fields, metadata));
        Ok(Plan { schema: schema.clone(), row, target, arrow, resolution })
    }
}

/// A value that is not a record, as the field of a row.
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
    resolution: &'a Resolution,
    reader: &'a Schema,
    options: &'a Options,
    /// The enclosing records of the reader, outermost first.
    open: Vec<NodeId>,
    n_fields: usize,
    metadata_bytes: usize,
    depth: usize,
    /// Number of sources and of the writer's record fields.
    n_sources: usize,
    /// Bytes of the text of defaults.
    default_bytes: usize,
    writer_symbols: EnumSymbols,
    reader_symbols: EnumSymbols,
}

/// The symbols of each enum, made once: an enum of a million symbols may be used by a thousand fields.
type EnumSymbols = HashMap<NodeId, Arc<StringArray>>;

/// Each branch of a writer's union has its own source for the reader's type: a few thousand fields could take
/// gigabytes.
const SOURCES_MAX: usize = 1 << 20;

impl<'a> Planner<'a> {
    /// The source of a row that is a record for the reader.
    fn row(&mut self, pair: PairId, target: &RecordTarget) -> Result<ValueSource> {
        match &self.resolution.pair(pair).action {
            Action::FromUnion(branches) => {
                self.union(self.resolution.pair(pair).writer, branches, false, |planner, pair| {
                    planner.row(pair, target)
                })
            }
            Action::Record(record) => self.record(pair, record, target),
            _ => Err(no_source()),
        }
    }

    /// The source of a target's values.
    fn source(&mut self, pair: PairId, target: &Target) -> Result<ValueSource> {
        self.count(1)?;
        let resolution = self.resolution;
        let resolved = resolution.pair(pair);
        Ok(match (&resolved.action, &target.form) {
            (Action::FromUnion(branches), _) => {
                self.union(resolved.writer, branches, target.nullable, |planner, pair| planner.source(pair, target))?
            }
            (Action::ToUnion { branch, value, .. }, form) => match (self.unwrap_union(resolved.reader).0, form) {
                (Wrap::Single, _) => self.source(*value, target)?,
                (Wrap::Nullable { null_branch }, _) if *branch == null_branch => ValueSource::Absent,
                (Wrap::Nullable { .. }, _) => ValueSource::Present(Box::new(self.source(*value, target)?)),
                (Wrap::None, ColumnShape::Union(targets)) => {
                    let target = targets.get(*branch).ok_or_else(no_source)?;
                    ValueSource::Branch { branch: *branch, value: Box::new(self.source(*value, target)?) }
                }
                // A union of too many types is text. Its null is not a null of the target.
                (Wrap::None, ColumnShape::Text) => match self.reader.node(self.resolution.pair(*value).reader).kind {
                    Kind::Null => ValueSource::Absent,
                    _ if target.nullable => ValueSource::Present(Box::new(ValueSource::Json(pair))),
                    _ => ValueSource::Json(pair),
                },
                _ => return Err(no_source()),
            },
            (_, ColumnShape::Text) => ValueSource::Json(pair),
            (Action::Convert(convert), _) => ValueSource::Scalar(self.scalar(resolved.writer, *convert, target)?),
            (Action::Symbols(table), _) => {
                let same = table.iter().zip(0..).all(|(to, at)| *to == Some(at));
                let symbols = match &target.form {
                    ColumnShape::Enum(symbols) => arrow_array::Array::len(symbols.as_ref()),
                    _ => 0,
                };
                let same = same && table.len() <= symbols;
                ValueSource::Scalar(if same {
                    Scalar::Enum(table.len())
                } else {
                    Scalar::Symbol { of: resolved.writer, table: table.clone() }
                })
            }
            (Action::Items(item), ColumnShape::List(to) | ColumnShape::Map(to)) => {
                match &self.writer().node(resolved.writer).kind {
                    Kind::Map(_) => match &to.form {
                        ColumnShape::Record(RecordTarget { columns, .. }) => {
                            let [_, value] = columns.as_slice() else { return Err(no_source()) };
                            ValueSource::Entries(Box::new(self.source(*item, value)?))
                        }
                        _ => return Err(no_source()),
                    },
                    _ => {
                        let zero_width = is_zero_width(self.writer(), resolution.pair(*item).writer);
                        ValueSource::Items { item: Box::new(self.source(*item, to)?), zero_width }
                    }
                }
            }
            (Action::Record(record), ColumnShape::Record(target)) => self.record(pair, record, target)?,
            _ => return Err(no_source()),
        })
    }

    fn count(&mut self, n_sources: usize) -> Result<()> {
        self.n_sources += n_sources;
        if self.n_sources <= SOURCES_MAX {
            return Ok(());
        }
        let what = format!("a schema that is read in more than {SOURCES_MAX} ways; unions of records take the most");
        Err(ErrorKind::Unsupported { what }.into())
    }

    /// The sources of a writer's union, in the simplest form.
    fn union(
        &mut self,
        union: NodeId,
        branches: &[Option<PairId>],
        nullable: bool,
        mut source: impl FnMut(&mut Self, PairId) -> Result<ValueSource>,
    ) -> Result<ValueSource> {
        let mut sources = Vec::with_capacity(branches.len());
        for branch in branches {
            sources.push(branch.map(|pair| source(self, pair)).transpose()?);
        }
        match sources.as_mut_slice() {
            [only @ Some(_)] => {
                let only = only.take().ok_or_else(no_source)?;
                Ok(ValueSource::Single(Box::new(only)))
            }
            [Some(ValueSource::Absent), Some(ValueSource::Present(value))] if nullable => Ok(ValueSource::Nullable {
                null_branch: 0,
                value: std::mem::replace(value, Box::new(ValueSource::Absent)),
            }),
            [Some(ValueSource::Present(value)), Some(ValueSource::Absent)] if nullable => Ok(ValueSource::Nullable {
                null_branch: 1,
                value: std::mem::replace(value, Box::new(ValueSource::Absent)),
            }),
            _ => Ok(ValueSource::Branches { union, branches: sources }),
        }
    }

    fn record(&mut self, pair: PairId, record: &RecordPair, target: &RecordTarget) -> Result<ValueSource> {
        let node = self.resolution.pair(pair).writer;
        let column_of = |field: usize| {
            let column = target.places.get(field).copied().flatten()?;
            Some((column, target.columns.get(column)?))
        };
        let Kind::Record(written) = &self.writer().node(node).kind else { return Err(no_source()) };
        self.count(written.fields.len())?;
        let mut steps = Vec::with_capacity(written.fields.len());
        for (field, to) in written.fields.iter().zip(&record.fields) {
            let wanted = to.and_then(|(field, pair)| Some((pair, column_of(field)?)));
            steps.push(match wanted {
                Some((pair, (column, target))) => FieldStep::Read { column, source: self.source(pair, target)? },
                None => FieldStep::Skip(field.node),
            });
        }
        let Kind::Record(read) = &self.reader.node(self.resolution.pair(pair).reader).kind else {
            return Err(no_source());
        };
        for default in &record.defaults {
            if let (Some((column, target)), Some(field)) = (column_of(default.field), read.fields.get(default.field)) {
                // A default is made again wherever its record is read.
                self.default_bytes += default.text.len();
                limit("metadata_bytes", self.default_bytes, self.options.limits.metadata_bytes)?;
                let value = self.constant(field.node, &default.value, target)?;
                steps.push(FieldStep::Default { column, value });
            }
        }
        Ok(ValueSource::Record(RecordSource { node, steps }))
    }

    fn scalar(&mut self, writer: NodeId, convert: Convert, target: &Target) -> Result<Scalar> {
        let node = self.writer().node(writer);
        match convert {
            Convert::IntToLong => return Ok(Scalar::IntToLong),
            Convert::IntToFloat => return Ok(Scalar::IntToFloat),
            Convert::IntToDouble => return Ok(Scalar::IntToDouble),
            Convert::LongToFloat => return Ok(Scalar::LongToFloat),
            Convert::LongToDouble => return Ok(Scalar::LongToDouble),
            Convert::FloatToDouble => return Ok(Scalar::FloatToDouble),
            Convert::BytesToString => return Ok(Scalar::String),
            Convert::StringToBytes if matches!(target.form, ColumnShape::Primitive) => return Ok(Scalar::DecimalBytes),
            Convert::StringToBytes => return Ok(Scalar::Bytes),
            Convert::Times(factor) if node.kind == Kind::Int => return Ok(Scalar::IntTimes(factor)),
            Convert::Times(factor) => return Ok(Scalar::LongTimes(factor)),
            Convert::Scale(zeros) => {
                return Ok(match &node.kind {
                    Kind::Fixed(fixed) => Scalar::ScaledFixed(fixed.size, zeros),
                    _ => Scalar::ScaledBytes(zeros),
                });
            }
            Convert::EnumToString | Convert::DecimalToFixed(_) | Convert::Same => {}
        }
        Ok(match &node.kind {
            Kind::Boolean => Scalar::Boolean,
            Kind::Int => Scalar::Int,
            Kind::Long => Scalar::Long,
            Kind::Float => Scalar::Float,
            Kind::Double => Scalar::Double,
            // The target distinguishes decimals.
            Kind::Bytes if matches!(target.form, ColumnShape::Primitive) => Scalar::DecimalBytes,
            Kind::Bytes => Scalar::Bytes,
            Kind::String => Scalar::String,
            Kind::Fixed(fixed) => match (&target.form, self.reader.node(target.node).logical) {
                // The writer's decimal has another size than the reader's, which is checked.
                _ if i32::try_from(fixed.size).is_err() => {
                    return Err(unsupported(format!("fixed of {}", fixed.size)));
                }
                (ColumnShape::Fixed(_), _) => Scalar::Fixed(fixed.size),
                (_, Some(Logical::Duration)) => Scalar::Duration,
                _ => Scalar::DecimalFixed(fixed.size),
            },
            Kind::Enum(e) => Scalar::SymbolText(symbols_of(&mut self.writer_symbols, writer, e)),
            _ => Scalar::Null,
        })
    }

    fn writer(&self) -> &'a Schema {
        &self.resolution.writer
    }
}

fn symbols_of(made: &mut EnumSymbols, node: NodeId, of: &Enum) -> Arc<StringArray> {
    Arc::clone(made.entry(node).or_insert_with(|| Arc::new(StringArray::from_iter_values(&of.symbols))))
}

/// The error for a target that does not fit its pair, which only a bug can cause.
fn no_source() -> Error {
    Error::internal("a column that no value becomes")
}

fn limit(name: &'static str, value: usize, max: usize) -> Result<()> {
    if value <= max {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Limit { limit: name, value: value as u64, max: max as u64 }))
}
