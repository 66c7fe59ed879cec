//! Columns: the buffers that the program writes, and how they become Arrow arrays.
//!
//! A column is made of flat buffers of fixed-width slots. Buffers belong to levels. A level is not a definition
//! level of Parquet, but a row space with a length of its own: level 0 is the rows of the batch, and each array, map,
//! dense union branch and JSON text opens a level for its content. All buffers of a level have the same number of
//! slots, so a struct's children need no positions of their own.

mod arrays;
mod buffers;

pub(crate) use arrays::FilledBuffers;
pub(crate) use buffers::{LaneBuffers, OutputBuffers, SLOTS_MAX};

use arrow_array::StringArray;
use arrow_schema::FieldRef;
use std::sync::Arc;

/// Index of a buffer among those of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BufferId(pub(crate) u32);

/// Index of a level among those of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LevelId(pub(crate) u32);

/// The level of the rows.
pub(crate) const ROWS: LevelId = LevelId(0);

/// The content of a buffer.
#[derive(Debug, Clone)]
pub(crate) struct BufferSpec {
    pub(crate) level: LevelId,
    /// Bytes of a slot.
    pub(crate) width: usize,
    pub(crate) holds: Holds,
}

/// The meaning of the slots when lanes are joined.
#[derive(Debug, Clone)]
pub(crate) enum Holds {
    /// Values, which are unchanged.
    Values,
    /// `i32` positions in another level.
    ListOffsets(LevelId),
    /// `i32` positions in the level of the branch in the same slot of the buffer `ids`.
    UnionOffsets { ids: BufferId, branches: Vec<LevelId> },
}

/// All buffers and levels of a program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) buffers: Vec<BufferSpec>,
    /// The buffers of each level.
    pub(crate) levels: Vec<Vec<BufferId>>,
}

/// How buffers become one array.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Name, Arrow type, nullability and metadata.
    pub(crate) field: FieldRef,
    pub(crate) level: LevelId,
    /// A byte for each slot, 1 for values that are not null.
    pub(crate) valid: Option<BufferId>,
    pub(crate) content: ColumnBuffers,
}

/// The buffers of a column by its kind.
#[derive(Debug, Clone)]
pub(crate) enum ColumnBuffers {
    /// No buffer: every value is null.
    Null,
    /// A byte each, 0 or 1.
    Boolean(BufferId),
    /// Arrow's own representation of a primitive type.
    Primitive(BufferId),
    /// The bytes of a `FixedSizeBinary`.
    Fixed(BufferId),
    /// Arrow's views of strings or bytes, whose buffers are the blocks.
    Views(BufferId),
    /// Indexes of symbols.
    Enum(BufferId, Arc<StringArray>),
    /// Offsets of text in a level of bytes. Offsets are without the leading 0 here.
    Text { offsets: BufferId, bytes: BufferId, level: LevelId },
    /// Offsets of lists in the level of the items.
    List { offsets: BufferId, items: Box<Column> },
    /// Offsets of maps in the level of the entries.
    Map { offsets: BufferId, entries: Box<Column> },
    /// Children of the same level.
    Struct(Vec<Column>),
    /// The branch of each value, its position in the branch's level, and a column for each branch.
    Union { ids: BufferId, offsets: BufferId, branches: Vec<Column> },
}

impl ColumnBuffers {
    /// The buffer of a column that has only one.
    pub(crate) fn values(&self) -> Option<BufferId> {
        match self {
            ColumnBuffers::Boolean(values)
            | ColumnBuffers::Primitive(values)
            | ColumnBuffers::Fixed(values)
            | ColumnBuffers::Views(values)
            | ColumnBuffers::Enum(values, _) => Some(*values),
            _ => None,
        }
    }
}

impl Layout {
    pub(crate) fn add_level(&mut self) -> LevelId {
        self.levels.push(Vec::new());
        LevelId(self.levels.len() as u32 - 1)
    }

    pub(crate) fn add_buffer(&mut self, spec: BufferSpec) -> BufferId {
        let id = BufferId(self.buffers.len() as u32);
        if let Some(level) = self.levels.get_mut(spec.level.0 as usize) {
            level.push(id);
        }
        self.buffers.push(spec);
        id
    }

    /// Bytes of one slot of all buffers of a level.
    pub(crate) fn slot_bytes(&self, level: LevelId) -> usize {
        let buffers = self.levels.get(level.index()).into_iter().flatten();
        let widths = buffers.filter_map(|buffer| self.buffers.get(buffer.index())).map(|spec| spec.width);
        widths.fold(0, usize::saturating_add)
    }
}

impl BufferId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl LevelId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
