//! Programs: a plan compiled into a flat list of small ops that is run over blocks. The run loop sees no schema and no name.
//!
//! One op reads or skips one value; a nullable value is one op too. What is nested is a body, a range of ops elsewhere in
//! the same list. A program prints as text, which is how the compiler is reviewed (`tests/programs.rs`).

mod compile;
mod constants;
#[cfg(test)]
mod hostile;
mod kernels;
mod print;
mod run;
mod skip;
#[cfg(test)]
pub(crate) mod tests;
mod verify;

pub(crate) use run::{CpuKind, Piece, Stop, run};

use crate::column::{Column, Layout, LevelId, SlabId};
use crate::error::Result;
use crate::options::Options;
use crate::plan::Plan;
use crate::resolve::PairId;
use crate::schema::{NodeId, Schema};
use arrow_schema::SchemaRef;
use constants::Constants;

/// A schema and the caller's options, compiled. Made once for a schema, run over any number of blocks by any number of
/// threads.
#[derive(Debug)]
pub struct Program {
    pub(crate) plan: Plan,
    /// All ops; bodies are ranges of them.
    pub(crate) ops: Vec<Op>,
    /// Bodies of the branches of [`Op::Choose`] and [`Op::Union`].
    pub(crate) branches: Vec<Branch>,
    /// Bodies of [`Op::Call`].
    pub(crate) subs: Vec<Body>,
    /// The ops of one row.
    pub(crate) row: Body,
    pub(crate) layout: Layout,
    /// How the slabs become the columns, in the order of the output.
    pub(crate) columns: Vec<Column>,
    /// What is written that is not in the bytes.
    pub(crate) constants: Constants,
    /// Where each row starts in the buffer that it is in, if that was asked for.
    pub(crate) starts: Option<Column>,
    /// The fewest bytes that a row can take in a file.
    pub(crate) min_row_bytes: u64,
    pub(crate) options: Options,
}

/// Is it written down where each row starts?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starts {
    Unknown,
    Written,
}

/// A range of a program's ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Body {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A branch of a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) body: Body,
    /// The level its values are written in: for [`Op::Choose`] the union's own.
    pub(crate) level: LevelId,
    /// Which branch of an Arrow union it is; 0 where there is none.
    pub(crate) id: u8,
}

/// How many ops [`Op::Together`] may be of.
pub(crate) const TOGETHER_MAX: usize = 4;

/// How deep [`Op::Enter`] may be nested.
pub(crate) const ENTERED_MAX: usize = 32;

/// Where an op takes its branches from: a range of [`Program::branches`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branches {
    pub(crate) first: u32,
    pub(crate) n: u32,
}

/// A nullable value: a byte for its validity, and which branch of the union is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nulls {
    pub(crate) valid: SlabId,
    pub(crate) null_branch: u8,
}

/// How one value is read: its encoding and the slot it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// A byte that must be 0 or 1, to a byte.
    Boolean,
    /// A varint that must fit, to `i32`.
    Int,
    /// A varint, to `i64`.
    Long,
    /// Four bytes as they are.
    Float,
    /// Eight bytes as they are.
    Double,
    /// A varint below this, to `i32`.
    Enum(u32),
    /// A length and bytes, to a view.
    Bytes,
    /// A length and UTF-8, to a view.
    String,
    /// So many bytes as they are.
    Fixed(u32),
    /// A length and a big-endian integer, to `i128`.
    Decimal128,
    /// A length and a big-endian integer, to `i256`.
    Decimal256,
    /// A big-endian integer of so many bytes, to `i128`.
    FixedDecimal128(u32),
    /// A big-endian integer of so many bytes, to `i256`.
    FixedDecimal256(u32),
    /// Three little-endian `u32`, to months, days and nanoseconds.
    Duration,
    /// A varint that must fit, to `i64`.
    IntToLong,
    /// A varint that must fit, to `f32`.
    IntToFloat,
    /// A varint that must fit, to `f64`.
    IntToDouble,
    /// A varint, to `f32`.
    LongToFloat,
    /// A varint, to `f64`.
    LongToDouble,
    /// Four bytes, to `f64`.
    FloatToDouble,
    /// A varint that this table has an index for, to `i32`.
    Symbol(u32),
    /// A varint that is one of these texts, to a view.
    SymbolText(u32),
    /// A number that becomes a multiple of itself, as this constant says, to `i64`.
    Times(u32),
    /// A decimal that becomes one, to `i128`.
    Scaled128(u32),
    /// A decimal that becomes one, to `i256`.
    Scaled256(u32),
}

/// How one value is moved over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipLeaf {
    Varint,
    Bytes,
    Fixed(u32),
}

/// One instruction. Those that write do so at the current position of their level; those that open a level write there at
/// its end and make it longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Writes how far the cursor is from the start of its buffer.
    Start { to: SlabId },
    /// Reads a value.
    Read { leaf: Leaf, to: SlabId },
    /// The next so many ops, two to four, each read an int or a long, and may be run together.
    Together { n: u8 },
    /// Reads the index of a union of null and one other, and the value if there is one; else writes zeros.
    ReadNullable { leaf: Leaf, to: SlabId, nulls: Nulls },
    /// Reads the index of a union of null and a record, writes whether the record is there, and begins it: until its
    /// [`Op::Leave`], what is not inside of records that are all there is not read, and zeros are written for it.
    Enter { nulls: Nulls },
    /// Ends the record of the last [`Op::Enter`].
    Leave,
    /// As [`Op::Read`], inside such a record.
    ReadInside { leaf: Leaf, to: SlabId },
    /// As [`Op::ReadNullable`], inside such a record.
    ReadNullableInside { leaf: Leaf, to: SlabId, nulls: Nulls },
    /// Reads a union's index that must be 0.
    Single,
    /// Reads a union's index and runs the branch's body at the same position.
    Choose { branches: Branches },
    /// Reads a union's index, writes it with the length of the branch's level, and runs the branch's body there.
    Union { ids: SlabId, offsets: SlabId, branches: Branches },
    /// Reads blocks of items, runs the body for each in the level of items, and writes that level's length.
    /// `zero_width` items take no bytes, so their number is limited.
    Items { ends: SlabId, level: LevelId, body: Body, zero_width: bool },
    /// Reads a value as JSON text into a level of bytes and writes that level's length.
    Json { ends: SlabId, level: LevelId, bytes: SlabId, pair: PairId },

    /// Writes so many zero bytes: a value that is not there.
    Zero { to: SlabId, width: u32 },
    /// Writes 1: a value that is there.
    One { to: SlabId },
    /// Writes the length of a level: a list that is not there.
    End { ends: SlabId, level: LevelId },
    /// Writes a branch and the length of its level, and runs its body there: a union where there is none in the bytes.
    Branch { ids: SlabId, offsets: SlabId, branch: Branch },
    /// Writes a constant's bytes.
    Constant { to: SlabId, slot: u32 },
    /// Writes the view of a constant.
    View { to: SlabId, view: u32 },
    /// Runs each of these bodies once in the level of items, and writes that level's length.
    Given { ends: SlabId, level: LevelId, items: Branches },
    /// Writes a constant's bytes into a level of bytes, and that level's length.
    Text { ends: SlabId, level: LevelId, bytes: SlabId, text: u32 },
    /// Is never reached by what can be read.
    Fail,

    /// Moves over so many bytes.
    SkipFixed { bytes: u64 },
    /// Moves over so many varints.
    SkipVarints { n: u32 },
    /// Moves over so many values of a length and that many bytes.
    SkipBytes { n: u32 },
    /// So many times, reads the index of a union of null and one other, and moves over the value if there is one.
    SkipNullable { skip: SkipLeaf, null_branch: u8, n: u32 },
    /// Moves over blocks of items, by their size where that is given, else by running the body for each.
    SkipItems { body: Body },
    /// Runs the body that skips a record.
    Call { sub: u32 },
    /// Moves over a value of a recursive type.
    SkipValue { node: NodeId },
}

impl Program {
    /// Compiles the schema of a file under these options.
    ///
    /// # Errors
    /// [`ErrorKind::Resolve`](crate::ErrorKind::Resolve) where the [reader's schema](Options::reader_schema) cannot read it,
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the projection names a column or field that is not there,
    /// or a path leads into what is read whole or not at all,
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) where the schema is larger or deeper than allowed,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where a type has no Arrow equivalent.
    pub fn compile(schema: &Schema, options: &Options) -> Result<Program> {
        Self::compile_with(schema, options, Starts::Unknown)
    }

    pub(crate) fn compile_with(schema: &Schema, options: &Options, starts: Starts) -> Result<Program> {
        let plan = Plan::new(schema, options)?;
        let program = compile::compile(plan, options, starts)?;
        verify::verify(&program)?;
        Ok(program)
    }

    /// The Arrow schema of the batches.
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.plan.arrow
    }

    /// The Avro schema that the bytes are written with.
    pub fn schema(&self) -> &Schema {
        &self.plan.schema
    }

    /// Was no column asked for, so that the number of rows is all there is to know?
    pub(crate) fn counts_only(&self) -> bool {
        self.options.projection.as_ref().is_some_and(Vec::is_empty)
    }

    pub(crate) fn body(&self, body: Body) -> &[Op] {
        self.ops.get(body.start as usize..body.end as usize).unwrap_or_default()
    }

    pub(crate) fn branches(&self, branches: Branches) -> &[Branch] {
        let first = branches.first as usize;
        self.branches.get(first..first + branches.n as usize).unwrap_or_default()
    }
}

impl Body {
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl Leaf {
    /// Bytes of its slot.
    pub(crate) fn width(self) -> usize {
        match self {
            Leaf::Boolean => 1,
            Leaf::Int | Leaf::Float | Leaf::Enum(_) => 4,
            Leaf::IntToFloat | Leaf::LongToFloat | Leaf::Symbol(_) => 4,
            Leaf::Long | Leaf::Double | Leaf::Times(_) => 8,
            Leaf::IntToLong | Leaf::IntToDouble | Leaf::LongToDouble | Leaf::FloatToDouble => 8,
            Leaf::SymbolText(_) | Leaf::Scaled128(_) => 16,
            Leaf::Bytes | Leaf::String | Leaf::Decimal128 | Leaf::FixedDecimal128(_) | Leaf::Duration => 16,
            Leaf::Decimal256 | Leaf::FixedDecimal256(_) | Leaf::Scaled256(_) => 32,
            Leaf::Fixed(size) => size as usize,
        }
    }
}
