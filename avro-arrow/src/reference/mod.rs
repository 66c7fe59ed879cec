//! The slow decoder, written for clarity: decodes values one by one from a plan and a block's bytes, or finds the
//! exact position of an error.
//!
//! It reads through a checked cursor. The fast decoder is tested against it, and asks it for row, field and offset
//! once it has found a block to be damaged.

mod arrays;
#[cfg(test)]
mod tests;

pub(crate) use arrays::to_batch;

use crate::codec::Decompressor;
use crate::container::{Framer, Header};
use crate::encoding::Cursor;
use crate::error::{Error, Fault, Result};
use crate::json::{branch_index, checked_item_block, limit, skip_value, string, symbol_index, write_json};
use crate::limits::Limits;
use crate::options::Options;
use crate::plan::{
    ColumnShape, FieldStep, Plan, RecordSource, RecordTarget, Scalar, Target, VALUE_COLUMN, ValueSource,
};
use crate::resolve::{unread_branch, unread_symbol};
use crate::schema::{Kind, NodeId, is_zero_width};
use crate::value::{Value, decimal, duration, scaled_decimal, times};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_schema::DataType;

/// Reads all rows of a whole file, with one batch for each block that has rows. It is slow, and made to check other
/// readers; `options.batch_size` does not apply.
pub fn read(mut file: impl std::io::Read, options: &Options) -> Result<Vec<RecordBatch>> {
    let limits = &options.limits;
    let (header, mut bytes) = Header::read(&mut file, limits)?;
    file.read_to_end(&mut bytes)?;
    let plan = Plan::new(&header.schema, options)?;
    let mut framer = Framer::new(&header, limits);
    framer.feed(Buffer::from_vec(bytes));
    framer.finish();
    let mut decompressor = Decompressor::new(header.codec, limits);
    let mut batches = Vec::new();
    while let Some(raw) = framer.next_block()? {
        let block = decompressor.decompress(raw)?;
        let rows = decode_rows(&plan, &block.data, block.rows, limits).map_err(|located| {
            located.into_error().at(|position| {
                position.block = Some(block.index);
                position.offset = Some(block.offset);
            })
        })?;
        batches.push(to_batch(&plan, rows)?);
    }
    Ok(batches)
}

/// A fault and its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located {
    pub(crate) fault: Fault,
    /// Index of the row in its block.
    pub(crate) row: u64,
    /// Offset in the block of the invalid value.
    pub(crate) offset: usize,
    /// Field names: `a.b` of a record, `a[]` an array's items, `a{}` a map's values, `a{key}` its keys, `a<b>` a
    /// union's branch. Empty if the fault is in no field.
    pub(crate) path: String,
    /// The symbol or type that the reader's schema lacks.
    pub(crate) unread: Option<String>,
}

impl Located {
    /// Converts it to an error; the caller adds the block.
    pub(crate) fn into_error(self) -> Error {
        Error::from(self.fault).at(|position| {
            position.row = Some(self.row);
            position.offset_in_block = Some(self.offset as u64);
            position.path = Some(self.path).filter(|path| !path.is_empty());
            position.unread = self.unread;
        })
    }
}

/// Decodes all rows of a block, each row in the order of its columns.
pub(crate) fn decode_rows(plan: &Plan, bytes: &[u8], rows: u64, limits: &Limits) -> Result<Vec<Vec<Value>>, Located> {
    let mut kept = Vec::new();
    walk(plan, bytes, rows, limits, Keep::Values, |row| kept.push(row))?;
    Ok(kept)
}

/// Finds the first fault of a block, in the memory of one row's outline.
pub(crate) fn locate(plan: &Plan, bytes: &[u8], rows: u64, limits: &Limits) -> Option<Located> {
    walk(plan, bytes, rows, limits, Keep::Nothing, drop).err()
}

fn walk(
    plan: &Plan,
    bytes: &[u8],
    rows: u64,
    limits: &Limits,
    keep: Keep,
    mut take_row: impl FnMut(Vec<Value>),
) -> Result<(), Located> {
    let mut walker = Walker { plan, limits, keep, cursor: Cursor::new(bytes), n_zero_width: 0, path: Vec::new() };
    if rows > limits.zero_width_items && is_zero_width(&plan.schema, plan.schema.root()) {
        return Err(walker.located(limit("zero_width_items", rows, limits.zero_width_items), 0));
    }
    for row in 0..rows {
        match walker.row() {
            Ok(values) => take_row(values),
            Err(fault) => return Err(walker.located(fault, row)),
        }
    }
    match walker.cursor.remaining() as u64 {
        0 => Ok(()),
        left => Err(walker.located(Fault::TrailingBytes(left), rows)),
    }
}

/// What to do with the values of a walk.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Values,
    /// Values without their content: only where they end matters.
    Nothing,
}

/// A part of the path to a value.
enum PathPart<'p> {
    Field(&'p str),
    Items,
    Keys,
    Values,
    Branch(&'p str),
}

struct Walker<'p, 'b> {
    plan: &'p Plan,
    limits: &'p Limits,
    keep: Keep,
    /// On a fault, it is at the start of the invalid value.
    cursor: Cursor<'b>,
    /// Items without bytes in the block so far.
    n_zero_width: u64,
    /// The path to the current value; on a fault, to the invalid one.
    path: Vec<PathPart<'p>>,
}

impl<'p> Walker<'p, '_> {
    fn row(&mut self) -> Result<Vec<Value>, Fault> {
        let plan = self.plan;
        self.row_of(&plan.row, &plan.target)
    }

    /// The columns of a row, which may be in a union.
    fn row_of(&mut self, source: &'p ValueSource, target: &'p RecordTarget) -> Result<Vec<Value>, Fault> {
        match source {
            ValueSource::Single(row) => {
                branch_index(&mut self.cursor, 1)?;
                self.row_of(row, target)
            }
            ValueSource::Branches { union, branches } => {
                let branch = self.branch(*union, branches)?;
                self.row_of(branch, target)
            }
            ValueSource::Record(record) => self.record(record, target),
            _ => Ok(Vec::new()),
        }
    }

    /// The columns of a record, or of a row that is another value.
    fn record(&mut self, source: &'p RecordSource, target: &'p RecordTarget) -> Result<Vec<Value>, Fault> {
        let (schema, limits) = (&self.plan.schema, self.limits);
        let mut record = vec![Value::Null; target.columns.len()];
        for (at, step) in source.steps.iter().enumerate() {
            let (column, value) = match step {
                FieldStep::Skip(skipped) => {
                    let name = match &schema.node(source.node).kind {
                        Kind::Record(record) => record.fields.get(at).map_or("", |field| &field.name),
                        _ => VALUE_COLUMN,
                    };
                    let skip = |walker: &mut Self| skip_value(schema, *skipped, &mut walker.cursor, limits);
                    self.within(PathPart::Field(name), skip)?;
                    continue;
                }
                FieldStep::Read { column, source } => {
                    let Some(target) = target.columns.get(*column) else { continue };
                    (*column, self.within(PathPart::Field(target.field.name()), |walker| walker.read(source, target))?)
                }
                FieldStep::Default { .. } if self.keep == Keep::Nothing => continue,
                FieldStep::Default { column, value } => (*column, value.clone()),
            };
            if let Some(slot) = record.get_mut(column) {
                *slot = value;
            }
        }
        Ok(record)
    }

    fn read(&mut self, source: &'p ValueSource, target: &'p Target) -> Result<Value, Fault> {
        Ok(match (source, &target.form) {
            (ValueSource::Single(value), _) => {
                branch_index(&mut self.cursor, 1)?;
                self.read(value, target)?
            }
            (ValueSource::Nullable { null_branch, value }, _) => {
                match branch_index(&mut self.cursor, 2)? == usize::from(*null_branch) {
                    true => Value::Null,
                    false => self.read(value, target)?,
                }
            }
            (ValueSource::Branches { union, branches }, _) => {
                let branch = self.branch(*union, branches)?;
                self.read(branch, target)?
            }
            (ValueSource::Branch { branch, value }, ColumnShape::Union(targets)) => {
                let Some(target) = targets.get(*branch) else { return Err(Fault::UnionBranch(*branch as i64)) };
                let value = self.within(PathPart::Branch(target.field.name()), |walker| walker.read(value, target))?;
                Value::Union(*branch, Box::new(value))
            }
            (ValueSource::Present(value), _) => self.read(value, target)?,
            (ValueSource::Scalar(scalar), _) => self.scalar(scalar, target.field.data_type())?,
            (ValueSource::Items { item, zero_width }, ColumnShape::List(to)) => {
                Value::List(self.items(item, *zero_width, to)?)
            }
            (ValueSource::Items { item, zero_width }, ColumnShape::Map(to)) => {
                let entries = self.items(item, *zero_width, to)?;
                Value::Map(entries.into_iter().filter_map(Value::into_entry).collect())
            }
            (ValueSource::Entries(values), ColumnShape::Map(entry)) => Value::Map(self.entries(values, entry)?),
            (ValueSource::Record(record), ColumnShape::Record(target)) => Value::Record(self.record(record, target)?),
            (ValueSource::Json(pair), _) => {
                let mut text = Vec::new();
                write_json(&self.plan.resolution, *pair, &mut self.cursor, &mut text, self.limits)?;
                Value::Json(String::from_utf8(text).map_err(|_| Fault::Utf8)?)
            }
            // Absent values, and cases that no plan has.
            _ => Value::Null,
        })
    }

    /// Reads the index of a union, and returns the branch's source.
    fn branch(&mut self, union: NodeId, branches: &'p [Option<ValueSource>]) -> Result<&'p ValueSource, Fault> {
        let before = self.cursor.clone();
        let index = branch_index(&mut self.cursor, branches.len())?;
        match branches.get(index) {
            Some(Some(branch)) => Ok(branch),
            _ => {
                self.cursor = before;
                Err(unread_branch(union, index))
            }
        }
    }

    fn scalar(&mut self, scalar: &'p Scalar, data_type: &DataType) -> Result<Value, Fault> {
        let start = self.cursor.clone();
        let cursor = &mut self.cursor;
        let value = match scalar {
            Scalar::Null => Ok(Value::Null),
            Scalar::Boolean => Ok(Value::Boolean(cursor.boolean()?)),
            Scalar::Int => Ok(Value::Int(cursor.int()?)),
            Scalar::Long => Ok(Value::Long(cursor.long()?)),
            Scalar::Float => Ok(Value::Float(f32::from_le_bytes(cursor.array()?))),
            Scalar::Double => Ok(Value::Double(f64::from_le_bytes(cursor.array()?))),
            Scalar::IntToLong => Ok(Value::Long(cursor.int()?.into())),
            Scalar::IntToFloat => Ok(Value::Float(cursor.int()? as f32)),
            Scalar::IntToDouble => Ok(Value::Double(cursor.int()?.into())),
            Scalar::LongToFloat => Ok(Value::Float(cursor.long()? as f32)),
            Scalar::LongToDouble => Ok(Value::Double(cursor.long()? as f64)),
            Scalar::FloatToDouble => Ok(Value::Double(f32::from_le_bytes(cursor.array()?).into())),
            Scalar::Bytes => {
                let bytes = cursor.bytes()?;
                Ok(Value::Bytes(self.kept(bytes)))
            }
            Scalar::String => {
                let text = string(cursor)?;
                Ok(Value::String(if self.keep == Keep::Values { text.to_owned() } else { String::new() }))
            }
            Scalar::Fixed(size) => {
                let bytes = cursor.take(*size)?;
                Ok(Value::Fixed(self.kept(bytes)))
            }
            Scalar::Enum(n_symbols) => Ok(Value::Enum(symbol_index(cursor, *n_symbols)? as i32)),
            Scalar::Symbol { of, table } => {
                let index = symbol_index(cursor, table.len())?;
                let to = table.get(index).copied().flatten();
                to.map(|to| Value::Enum(to as i32)).ok_or(unread_symbol(*of, index))
            }
            Scalar::SymbolText(symbols) => {
                let index = symbol_index(cursor, symbols.len())?;
                let text = symbols.value(index);
                Ok(Value::String(if self.keep == Keep::Values { text.to_owned() } else { String::new() }))
            }
            Scalar::DecimalBytes => decimal(cursor.bytes()?, data_type),
            Scalar::DecimalFixed(size) => decimal(cursor.take(*size)?, data_type),
            Scalar::IntTimes(factor) => times(cursor.int()?.into(), *factor),
            Scalar::LongTimes(factor) => times(cursor.long()?, *factor),
            Scalar::ScaledBytes(zeros) => scaled_decimal(cursor.bytes()?, *zeros, data_type),
            Scalar::ScaledFixed(size, zeros) => scaled_decimal(cursor.take(*size)?, *zeros, data_type),
            Scalar::Duration => duration(cursor.take(12)?),
        };
        value.inspect_err(|_| self.cursor = start)
    }

    fn items(&mut self, item: &'p ValueSource, zero_width: bool, target: &'p Target) -> Result<Vec<Value>, Fault> {
        let mut list = Vec::new();
        self.item_blocks(zero_width, |walker| {
            let value = walker.within(PathPart::Items, |walker| walker.read(item, target))?;
            if walker.keep == Keep::Values {
                list.push(value);
            }
            Ok(())
        })?;
        Ok(list)
    }

    fn entries(&mut self, values: &'p ValueSource, entry: &'p Target) -> Result<Vec<(Value, Value)>, Fault> {
        let mut map = Vec::new();
        let ColumnShape::Record(RecordTarget { columns, .. }) = &entry.form else { return Ok(map) };
        let [_, target] = columns.as_slice() else { return Ok(map) };
        // The key is a string, which has at least the byte of its length.
        self.item_blocks(false, |walker| {
            let key = walker.within(PathPart::Keys, |walker| walker.scalar(&Scalar::String, &DataType::Utf8))?;
            let value = walker.within(PathPart::Values, |walker| walker.read(values, target))?;
            if walker.keep == Keep::Values {
                map.push((key, value));
            }
            Ok(())
        })?;
        Ok(map)
    }

    // SPEC: Complex Types, Arrays: a series of blocks, each a count and that many items; a count of 0 ends it.
    fn item_blocks(
        &mut self,
        zero_width: bool,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            let head = self.cursor.clone();
            let (count, bytes) = checked_item_block(&mut self.cursor, zero_width, &mut self.n_zero_width, self.limits)?;
            if count == 0 {
                return Ok(());
            }
            let start = self.cursor.at();
            for _ in 0..count {
                item(self)?;
            }
            let found = (self.cursor.at() - start) as u64;
            if let Some(stated) = bytes
                && stated != found
            {
                self.cursor = head;
                return Err(Fault::ItemBytes { stated: stated as i64, found });
            }
        }
    }

    /// Reads with one more part in the path. A fault leaves it there.
    fn within<T>(&mut self, part: PathPart<'p>, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.path.push(part);
        let value = read(self)?;
        self.path.pop();
        Ok(value)
    }

    fn kept(&self, bytes: &[u8]) -> Vec<u8> {
        if self.keep == Keep::Values { bytes.to_vec() } else { Vec::new() }
    }

    fn located(&self, fault: Fault, row: u64) -> Located {
        let mut path = String::new();
        for part in &self.path {
            match part {
                PathPart::Field(name) if path.is_empty() => path.push_str(name),
                PathPart::Field(name) => path.extend([".", name]),
                PathPart::Items => path.push_str("[]"),
                PathPart::Keys => path.push_str("{key}"),
                PathPart::Values => path.push_str("{}"),
                PathPart::Branch(name) => path.extend(["<", name, ">"]),
            }
        }
        let unread = self.plan.resolution.unread(fault);
        Located { fault, row, offset: self.cursor.at(), path, unread }
    }
}
