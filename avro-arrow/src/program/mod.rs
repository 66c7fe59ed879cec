//! Programs: plans compiled to flat lists of small ops, which are run over blocks. The run loop knows no schema and no
//! names.
//!
//! One op reads or skips one value; a nullable value is one op too. Nested values are bodies: ranges of ops elsewhere
//! in the same list. A program prints as text, by which the compiler is reviewed (`tests/programs.rs`).

mod compile;
mod constants;
mod print;
mod verify;

pub(crate) use constants::{Constants, Rescale, View};

use crate::column::{BufferId, Column, Layout, LevelId};
use crate::container::row_count_check::RowCountCheck;
use crate::error::Result;
use crate::options::Options;
use crate::plan::Plan;
use crate::resolve::PairId;
use crate::schema::{NodeId, Schema};
use arrow_schema::SchemaRef;

/// A compiled schema with the caller's options. It is compiled once for a schema, and decodes any number of blocks on
/// any number of threads.
#[derive(Debug)]
pub struct Program {
    pub(crate) plan: Plan,
    /// All ops; bodies are ranges of them.
    pub(crate) ops: Vec<Op>,
    /// Bodies of the branches of [`Op::SwitchBranch`] and [`Op::Union`].
    pub(crate) branches: Vec<Branch>,
    /// Bodies of [`Op::Call`].
    pub(crate) subs: Vec<Body>,
    /// The ops of one row.
    pub(crate) row: Body,
    pub(crate) layout: Layout,
    /// How the buffers become the columns, in the order of the output.
    pub(crate) columns: Vec<Column>,
    /// Written values that are not in the data.
    pub(crate) constants: Constants,
    /// The start of each row in its buffer, if it is recorded.
    pub(crate) starts: Option<Column>,
    /// The minimum size of a row in a file.
    pub(crate) min_row_bytes: u64,
    pub(crate) options: Options,
}

/// Whether the start of each row is recorded.
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
    /// The level in which its values are written; for [`Op::SwitchBranch`] the union's own.
    pub(crate) level: LevelId,
    /// The index of the branch in an Arrow union; 0 for other branches.
    pub(crate) id: u8,
}

/// Maximum number of ops of [`Op::FusedVarints`].
pub(crate) const FUSED_VARINTS_MAX: usize = 4;

/// Maximum nesting of [`Op::PushMask`].
pub(crate) const MASK_DEPTH_MAX: usize = 32;

/// The branches of an op: a range of [`Program::branches`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branches {
    pub(crate) first: u32,
    pub(crate) n: u32,
}

/// A nullable value: the buffer of its validity, and the index of the union's null branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nulls {
    pub(crate) valid: BufferId,
    pub(crate) null_branch: u8,
}

/// How a scalar is read: its encoding, and the slot it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarEncoding {
    /// A byte that must be 0 or 1, to a byte.
    Boolean,
    /// A varint that must fit, to `i32`.
    Int,
    /// A varint, to `i64`.
    Long,
    /// Four bytes, unchanged.
    Float,
    /// Eight bytes, unchanged.
    Double,
    /// A varint below this, to `i32`.
    Enum(u32),
    /// A length and bytes, to a view.
    Bytes,
    /// A length and UTF-8, to a view.
    String,
    /// This many bytes, unchanged.
    Fixed(u32),
    /// A length and a big-endian integer, to `i128`.
    Decimal128,
    /// A length and a big-endian integer, to `i256`.
    Decimal256,
    /// A big-endian integer of this many bytes, to `i128`.
    FixedDecimal128(u32),
    /// A big-endian integer of this many bytes, to `i256`.
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
    /// A varint that this table maps to an index, to `i32`.
    Symbol(u32),
    /// A varint that is an index of these texts, to a view.
    SymbolText(u32),
    /// A number that this conversion multiplies, to `i64`.
    Times(u32),
    /// A decimal that this conversion multiplies, to `i128`.
    Scaled128(u32),
    /// A decimal that this conversion multiplies, to `i256`.
    Scaled256(u32),
}

/// How a scalar is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipScalar {
    Varint,
    Bytes,
    Fixed(u32),
}

/// An instruction. Ops that write do so at the current position of their level. Ops that open a level write at its end
/// and extend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Writes the offset of the cursor in its buffer.
    RecordRowStart { to: BufferId },
    /// Reads a value.
    Read { encoding: ScalarEncoding, to: BufferId },
    /// The next `n` ops, two to four, each read an int or a long, and may be run together.
    FusedVarints { n: u8 },
    /// Reads the index of a union of null and another type, and the value if it is not null; else writes zeros.
    ReadNullable { encoding: ScalarEncoding, to: BufferId, nulls: Nulls },
    /// Reads the index of a union of null and a record, writes whether the record is present, and begins it. Up to its
    /// [`Op::PopMask`], values inside an absent record are not read, and zeros are written for them.
    PushMask { nulls: Nulls },
    /// Ends the record of the last [`Op::PushMask`].
    PopMask,
    /// [`Op::Read`] inside such a record.
    ReadMasked { encoding: ScalarEncoding, to: BufferId },
    /// [`Op::ReadNullable`] inside such a record.
    ReadNullableMasked { encoding: ScalarEncoding, to: BufferId, nulls: Nulls },
    /// Reads a union's index that must be 0.
    ExpectBranch0,
    /// Reads a union's index and runs the branch's body at the same position.
    SwitchBranch { branches: Branches },
    /// Reads a union's index, writes it with the length of the branch's level, and runs the branch's body there.
    Union { ids: BufferId, offsets: BufferId, branches: Branches },
    /// Reads blocks of items, runs the body for each in the level of items, and writes that level's length.
    /// `zero_width` items take no bytes, so their number is limited.
    Items { offsets: BufferId, level: LevelId, body: Body, zero_width: bool },
    /// Reads a value as JSON text into a level of bytes and writes that level's length.
    Json { offsets: BufferId, level: LevelId, bytes: BufferId, pair: PairId },

    /// Writes this many zero bytes, for an absent value.
    WriteZeros { to: BufferId, width: u32 },
    /// Writes 1, for a present value.
    WriteValid { to: BufferId },
    /// Writes the length of a level as an offset, for an absent list.
    WriteOffset { offsets: BufferId, level: LevelId },
    /// Writes a branch and the length of its level, and runs its body there, for a value that is not encoded as a
    /// union.
    WriteUnionBranch { ids: BufferId, offsets: BufferId, branch: Branch },
    /// Writes a constant's bytes.
    Constant { to: BufferId, slot: u32 },
    /// Writes the view of a constant.
    View { to: BufferId, view: u32 },
    /// Runs each of these bodies once in the level of items, and writes that level's length.
    DefaultItems { offsets: BufferId, level: LevelId, items: Branches },
    /// Writes a constant's bytes into a level of bytes, and that level's length.
    Text { offsets: BufferId, level: LevelId, bytes: BufferId, text: u32 },
    /// Is never reached by readable data.
    Unresolvable,

    /// Skips this many bytes.
    SkipFixed { bytes: u64 },
    /// Skips this many varints.
    SkipVarints { n: u32 },
    /// Skips this many values of a length and that many bytes.
    SkipBytes { n: u32 },
    /// Repeats `n` times: reads the index of a union of null and another type, and skips the value if it is not null.
    SkipNullable { skip: SkipScalar, null_branch: u8, n: u32 },
    /// Skips blocks of items, by their size if it is given, else by running the body for each item.
    SkipItems { body: Body },
    /// Runs the body that skips a record.
    Call { sub: u32 },
    /// Skips a value of a recursive type.
    SkipValue { node: NodeId },
}

impl Program {
    /// Compiles the schema of a file under these options.
    ///
    /// # Errors
    /// - [`ErrorKind::Resolve`](crate::ErrorKind::Resolve): the [reader's schema](Options::reader_schema) cannot read
    ///   it.
    /// - [`ErrorKind::Argument`](crate::ErrorKind::Argument): the projection names a missing column or field, or a
    ///   path into a value that is only read whole.
    /// - [`ErrorKind::Limit`](crate::ErrorKind::Limit): the schema exceeds a limit.
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported): a type has no Arrow equivalent.
    pub fn compile(schema: &Schema, options: &Options) -> Result<Program> {
        Self::compile_with(schema, options, Starts::Unknown)
    }

    pub(crate) fn compile_with(schema: &Schema, options: &Options, starts: Starts) -> Result<Program> {
        let plan = Plan::new(schema, options)?;
        let program = compile::compile(plan, options, starts)?;
        verify::verify(&program)?;
        Ok(program)
    }

    /// Returns the Arrow schema of the batches.
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.plan.arrow
    }

    /// Returns the Avro schema of the data.
    pub fn schema(&self) -> &Schema {
        &self.plan.schema
    }

    /// Whether no column is read, so that only the number of rows matters.
    pub(crate) fn counts_only(&self) -> bool {
        self.options.projection.as_ref().is_some_and(Vec::is_empty)
    }

    /// The check of declared row counts.
    pub(crate) fn row_count_check(&self) -> RowCountCheck {
        RowCountCheck::new(self.min_row_bytes, &self.options.limits)
    }

    /// The ops of a body. A verified program has those of each of its bodies.
    pub(crate) fn body(&self, body: Body) -> Option<&[Op]> {
        self.ops.get(body.start as usize..body.end as usize)
    }

    /// The branches of an op. A verified program has all of them.
    pub(crate) fn branches(&self, branches: Branches) -> Option<&[Branch]> {
        let first = branches.first as usize;
        self.branches.get(first..first + branches.n as usize)
    }
}

impl ScalarEncoding {
    /// The width of its slot in bytes.
    pub(crate) fn width(self) -> usize {
        match self {
            ScalarEncoding::Boolean => 1,
            ScalarEncoding::Int | ScalarEncoding::Float | ScalarEncoding::Enum(_) => 4,
            ScalarEncoding::IntToFloat | ScalarEncoding::LongToFloat | ScalarEncoding::Symbol(_) => 4,
            ScalarEncoding::Long | ScalarEncoding::Double | ScalarEncoding::Times(_) => 8,
            ScalarEncoding::IntToLong
            | ScalarEncoding::IntToDouble
            | ScalarEncoding::LongToDouble
            | ScalarEncoding::FloatToDouble => 8,
            ScalarEncoding::SymbolText(_) | ScalarEncoding::Scaled128(_) => 16,
            ScalarEncoding::Bytes
            | ScalarEncoding::String
            | ScalarEncoding::Decimal128
            | ScalarEncoding::FixedDecimal128(_)
            | ScalarEncoding::Duration => 16,
            ScalarEncoding::Decimal256 | ScalarEncoding::FixedDecimal256(_) | ScalarEncoding::Scaled256(_) => 32,
            ScalarEncoding::Fixed(size) => size as usize,
        }
    }
}
