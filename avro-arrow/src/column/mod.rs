//! Columns: the slabs that the program writes, and how they become Arrow arrays.
//!
//! A column is made of slabs, flat buffers of fixed-width slots. Slabs belong to levels. A level is not a definition
//! level of Parquet, but a row space with a length of its own: level 0 is the rows of the batch, and each array, map,
//! dense union branch and JSON text opens a level for its content. All slabs of a level have the same number of slots,
//! so a struct's children need no positions of their own.

mod finish;
mod slab;

pub(crate) use finish::{Finished, Parts};
pub(crate) use slab::{Lane, SLOTS_MAX};

use arrow_array::StringArray;
use arrow_schema::FieldRef;
use std::sync::Arc;

/// Index of a slab among those of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlabId(pub(crate) u32);

/// Index of a level among those of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LevelId(pub(crate) u32);

/// The level of the rows.
pub(crate) const ROWS: LevelId = LevelId(0);

/// The content of a slab.
#[derive(Debug, Clone)]
pub(crate) struct SlabSpec {
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
    Ends(LevelId),
    /// `i32` positions in the level of the branch in the same slot of the slab `ids`.
    Offsets { ids: SlabId, branches: Vec<LevelId> },
}

/// All slabs and levels of a program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) slabs: Vec<SlabSpec>,
    /// The slabs of each level.
    pub(crate) levels: Vec<Vec<SlabId>>,
}

/// How slabs become one array.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Name, Arrow type, nullability and metadata.
    pub(crate) field: FieldRef,
    pub(crate) level: LevelId,
    /// A byte for each slot, 1 for values that are not null.
    pub(crate) valid: Option<SlabId>,
    pub(crate) content: Content,
}

/// The slabs of a column by its kind.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// No slab: every value is null.
    Null,
    /// A byte each, 0 or 1.
    Boolean(SlabId),
    /// Arrow's own representation of a primitive type.
    Primitive(SlabId),
    /// The bytes of a `FixedSizeBinary`.
    Fixed(SlabId),
    /// Arrow's views of strings or bytes, whose buffers are the blocks.
    Views(SlabId),
    /// Indexes of symbols.
    Enum(SlabId, Arc<StringArray>),
    /// Ends of text in a level of bytes.
    Text { ends: SlabId, bytes: SlabId, level: LevelId },
    /// Ends of lists in the level of the items.
    List { ends: SlabId, items: Box<Column> },
    /// Ends of maps in the level of the entries.
    Map { ends: SlabId, entries: Box<Column> },
    /// Children of the same level.
    Struct(Vec<Column>),
    /// The branch of each value, its position in the branch's level, and a column for each branch.
    Union { ids: SlabId, offsets: SlabId, branches: Vec<Column> },
}

impl Content {
    /// The slab of a column that has only one.
    pub(crate) fn values(&self) -> Option<SlabId> {
        match self {
            Content::Boolean(values)
            | Content::Primitive(values)
            | Content::Fixed(values)
            | Content::Views(values)
            | Content::Enum(values, _) => Some(*values),
            _ => None,
        }
    }
}

impl Layout {
    pub(crate) fn add_level(&mut self) -> LevelId {
        self.levels.push(Vec::new());
        LevelId(self.levels.len() as u32 - 1)
    }

    pub(crate) fn add_slab(&mut self, spec: SlabSpec) -> SlabId {
        let id = SlabId(self.slabs.len() as u32);
        if let Some(level) = self.levels.get_mut(spec.level.0 as usize) {
            level.push(id);
        }
        self.slabs.push(spec);
        id
    }

    /// Bytes of one slot of all slabs of a level.
    pub(crate) fn slot_bytes(&self, level: LevelId) -> usize {
        let slabs = self.levels.get(level.index()).into_iter().flatten();
        let widths = slabs.filter_map(|slab| self.slabs.get(slab.index())).map(|spec| spec.width);
        widths.fold(0, usize::saturating_add)
    }
}

impl SlabId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl LevelId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
