//! The slow decoder, written to be read: a plan and a block's bytes in; values, arrays, or the exact place of an error out.
//!
//! It goes value by value through a checked cursor and does no more than one thing at a time. The fast decoder is tested
//! against it, and asks it for row, field and offset when it has found that a block is damaged.

mod arrays;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use arrays::to_batch;
pub(crate) use value::Value;

use crate::bytes::Cursor;
use crate::codec::Decompressor;
use crate::container::{Framer, Header};
use crate::error::{Error, Fault, Result};
use crate::json::{
    branch_index, checked_item_block, is_zero_width, limit, skip_value, string, symbol_index, write_json,
};
use crate::limits::Limits;
use crate::options::Options;
use crate::plan::{Plan, Read, Shape, Step, VALUE_COLUMN, Wrap};
use crate::schema::{Kind, NodeId};
use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, i256};
use arrow_schema::DataType;

/// All rows of a file, one batch for each of its blocks that has any: slow, of whole files only, and right. For checking other readers;
/// `options.batch_size` has no meaning here.
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

/// A fault and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located {
    pub(crate) fault: Fault,
    /// Index of the row in its block.
    pub(crate) row: u64,
    /// Bytes from the start of the block to the start of the faulty value.
    pub(crate) offset: usize,
    /// Field names: `a.b` of a record, `a[]` an array's items, `a{}` a map's values, `a{key}` its keys, `a<b>` a union's
    /// branch. Empty where the fault is in no field.
    pub(crate) path: String,
}

impl Located {
    /// As an error; whoever read the block adds which it is.
    pub(crate) fn into_error(self) -> Error {
        Error::from(self.fault).at(|position| {
            position.row = Some(self.row);
            position.offset_in_block = Some(self.offset as u64);
            position.path = Some(self.path).filter(|path| !path.is_empty());
        })
    }
}

/// The values of all rows of a block, each row in the order of its columns.
pub(crate) fn decode_rows(plan: &Plan, bytes: &[u8], rows: u64, limits: &Limits) -> Result<Vec<Vec<Value>>, Located> {
    let mut kept = Vec::new();
    walk(plan, bytes, rows, limits, Keep::Values, |row| kept.push(row))?;
    Ok(kept)
}

/// The first fault of a block, in the memory of one row's outline.
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

/// What becomes of the values of a walk.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Values,
    /// Values without what they hold: only where they end matters.
    Nothing,
}

/// A part of the path to a value.
enum Part<'p> {
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
    /// On a fault, it stands at the start of the faulty value.
    cursor: Cursor<'b>,
    /// Items without bytes in the block so far.
    n_zero_width: u64,
    /// To the value being read. On a fault, to the faulty one.
    path: Vec<Part<'p>>,
}

impl<'p> Walker<'p, '_> {
    fn row(&mut self) -> Result<Vec<Value>, Fault> {
        let plan = self.plan;
        self.record(plan.schema.root(), &plan.steps, plan.arrow.fields().len())
    }

    /// The columns of a record, or of a row that is the value `node`.
    fn record(&mut self, node: NodeId, steps: &'p [Step], n_columns: usize) -> Result<Vec<Value>, Fault> {
        let (schema, limits) = (&self.plan.schema, self.limits);
        let mut record = vec![Value::Null; n_columns];
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Skip(skipped) => {
                    let name = match &schema.node(node).kind {
                        Kind::Record(record) => record.fields.get(at).map_or("", |field| &field.name),
                        _ => VALUE_COLUMN,
                    };
                    let skip = |walker: &mut Self| skip_value(schema, *skipped, &mut walker.cursor, limits);
                    self.within(Part::Field(name), skip)?;
                }
                Step::Read { column, read } => {
                    let value = self.within(Part::Field(read.field.name()), |walker| walker.read(read))?;
                    if let Some(slot) = record.get_mut(*column) {
                        *slot = value;
                    }
                }
            }
        }
        Ok(record)
    }

    fn read(&mut self, read: &'p Read) -> Result<Value, Fault> {
        match read.wrap {
            Wrap::None => {}
            Wrap::Single => drop(branch_index(&mut self.cursor, 1)?),
            Wrap::Nullable { null_branch } => {
                if branch_index(&mut self.cursor, 2)? == usize::from(null_branch) {
                    return Ok(Value::Null);
                }
            }
        }
        self.shape(&read.shape, read.field.data_type())
    }

    fn shape(&mut self, shape: &'p Shape, data_type: &DataType) -> Result<Value, Fault> {
        let cursor = &mut self.cursor;
        Ok(match shape {
            Shape::Null => Value::Null,
            Shape::Boolean => Value::Boolean(cursor.boolean()?),
            Shape::Int => Value::Int(cursor.int()?),
            Shape::Long => Value::Long(cursor.long()?),
            Shape::Float => Value::Float(f32::from_le_bytes(cursor.array()?)),
            Shape::Double => Value::Double(f64::from_le_bytes(cursor.array()?)),
            Shape::Bytes => {
                let bytes = cursor.bytes()?;
                Value::Bytes(self.kept(bytes))
            }
            Shape::String => {
                let text = string(cursor)?;
                Value::String(if self.keep == Keep::Values { text.to_owned() } else { String::new() })
            }
            Shape::Fixed(size) => {
                let bytes = cursor.take(*size)?;
                Value::Fixed(self.kept(bytes))
            }
            Shape::Enum(symbols) => {
                let n_symbols = arrow_array::Array::len(symbols.as_ref());
                Value::Enum(symbol_index(cursor, n_symbols)? as i32)
            }
            Shape::DecimalBytes => {
                let start = cursor.clone();
                let bytes = cursor.bytes()?;
                decimal(bytes, data_type).inspect_err(|_| *cursor = start)?
            }
            Shape::DecimalFixed(size) => {
                let start = cursor.clone();
                let bytes = cursor.take(*size)?;
                decimal(bytes, data_type).inspect_err(|_| *cursor = start)?
            }
            Shape::Duration => {
                let start = cursor.clone();
                duration(cursor).inspect_err(|_| *cursor = start)?
            }
            Shape::List(items) => Value::List(self.items(items)?),
            Shape::Pairs(record) => Value::Map(self.items(record)?.into_iter().filter_map(pair).collect()),
            Shape::Map { keys, values } => Value::Map(self.entries(keys, values)?),
            Shape::Record { node, steps, n_columns } => Value::Record(self.record(*node, steps, *n_columns)?),
            Shape::Union { branches } => {
                let index = branch_index(cursor, branches.len())?;
                let Some(branch) = branches.get(index) else { return Err(Fault::UnionBranch(index as i64)) };
                let value = self.within(Part::Branch(branch.field.name()), |walker| walker.read(branch))?;
                Value::Union(index, Box::new(value))
            }
            Shape::Json(node) => {
                let mut text = Vec::new();
                write_json(&self.plan.schema, *node, cursor, &mut text, self.limits)?;
                Value::Json(String::from_utf8(text).map_err(|_| Fault::Utf8)?)
            }
        })
    }

    fn items(&mut self, items: &'p Read) -> Result<Vec<Value>, Fault> {
        let zero_width = read_is_zero_width(self.plan, items);
        let mut list = Vec::new();
        self.item_blocks(zero_width, |walker| {
            let value = walker.within(Part::Items, |walker| walker.read(items))?;
            if walker.keep == Keep::Values {
                list.push(value);
            }
            Ok(())
        })?;
        Ok(list)
    }

    fn entries(&mut self, keys: &'p Read, values: &'p Read) -> Result<Vec<(Value, Value)>, Fault> {
        let mut map = Vec::new();
        // The key is a string, which has at least the byte of its length.
        self.item_blocks(false, |walker| {
            let key = walker.within(Part::Keys, |walker| walker.read(keys))?;
            let value = walker.within(Part::Values, |walker| walker.read(values))?;
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
    fn within<T>(&mut self, part: Part<'p>, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
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
                Part::Field(name) if path.is_empty() => path.push_str(name),
                Part::Field(name) => path.extend([".", name]),
                Part::Items => path.push_str("[]"),
                Part::Keys => path.push_str("{key}"),
                Part::Values => path.push_str("{}"),
                Part::Branch(name) => path.extend(["<", name, ">"]),
            }
        }
        Located { fault, row, offset: self.cursor.at(), path }
    }
}

/// Key and value of a record that is read as an entry of a map.
fn pair(record: Value) -> Option<(Value, Value)> {
    match record {
        Value::Record(columns) => match <[Value; 2]>::try_from(columns) {
            Ok([key, value]) => Some((key, value)),
            Err(_) => None,
        },
        _ => None,
    }
}

/// Do these values take no bytes?
fn read_is_zero_width(plan: &Plan, read: &Read) -> bool {
    read.wrap == Wrap::None
        && match &read.shape {
            Shape::Null | Shape::Fixed(0) | Shape::DecimalFixed(0) => true,
            Shape::Record { steps, .. } => steps.iter().all(|step| match step {
                Step::Skip(node) => is_zero_width(&plan.schema, *node),
                Step::Read { read, .. } => read_is_zero_width(plan, read),
            }),
            Shape::Json(node) => is_zero_width(&plan.schema, *node),
            _ => false,
        }
}

// SPEC: Logical Types, Decimal: "two's-complement representation of the unscaled integer value in big-endian byte order".
// Any length: none is 0, and more than needed are copies of the sign.
fn decimal(bytes: &[u8], data_type: &DataType) -> Result<Value, Fault> {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let fill = if negative { 0xff } else { 0 };
    let (extra, digits) = bytes.split_at(bytes.len().saturating_sub(32));
    let mut wide = [fill; 32];
    for (to, from) in wide.iter_mut().rev().zip(digits.iter().rev()) {
        *to = *from;
    }
    let value = i256::from_be_bytes(wide);
    let fits_256 = extra.iter().all(|byte| *byte == fill) && value.is_negative() == negative;
    let fits = fits_256 && (matches!(data_type, DataType::Decimal256(..)) || value.to_i128().is_some());
    if fits { Ok(Value::Decimal(value)) } else { Err(Fault::DecimalRange) }
}

// SPEC: Logical Types, Duration: "three little-endian unsigned integers that represent durations at different
// granularities of time", months, days and milliseconds.
fn duration(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = cursor.array()?;
    let months = u32::from_le_bytes([a, b, c, d]);
    let days = u32::from_le_bytes([e, f, g, h]);
    let millis = u32::from_le_bytes([i, j, k, l]);
    // Arrow's interval has signed months and days.
    for count in [months, days] {
        if i32::try_from(count).is_err() {
            return Err(Fault::DurationRange(count));
        }
    }
    Ok(Value::Duration { months, days, millis })
}
