//! Makes the columns of targets: their buffers, how these become arrays, and the ops that fill them for absent values.

use super::Compiler;
use crate::column::{BufferId, BufferSpec, Column, ColumnBuffers, Holds, LevelId, ROWS};
use crate::plan::{ColumnShape, Target};
use crate::program::{Branch, Op};
use arrow_schema::{DataType, Field};
use std::sync::Arc;

const OFFSET_WIDTH: usize = size_of::<i32>();

/// Bytes of a view of a string.
const VIEW_WIDTH: usize = size_of::<u128>();

impl Compiler<'_> {
    fn buffer(&mut self, level: LevelId, width: usize) -> BufferId {
        self.layout.add_buffer(BufferSpec { level, width, holds: Holds::Values })
    }

    fn offsets(&mut self, level: LevelId, of: LevelId) -> BufferId {
        self.layout.add_buffer(BufferSpec { level, width: OFFSET_WIDTH, holds: Holds::ListOffsets(of) })
    }

    /// Inserts an op before a row that records its start.
    pub(super) fn starts(&mut self, row: &mut Vec<Op>) -> Column {
        let to = self.buffer(ROWS, size_of::<u32>());
        row.insert(0, Op::RecordRowStart { to });
        let field = Arc::new(Field::new("start", DataType::UInt32, false));
        Column { field, level: ROWS, valid: None, content: ColumnBuffers::Primitive(to) }
    }

    /// The column of a target, written in `level`.
    pub(super) fn column(&mut self, target: &Target, level: LevelId) -> Column {
        let data_type = target.field.data_type();
        let mut valid = None;
        let content = match &target.form {
            ColumnShape::Null => ColumnBuffers::Null,
            ColumnShape::Boolean => ColumnBuffers::Boolean(self.buffer(level, 1)),
            ColumnShape::Primitive => {
                ColumnBuffers::Primitive(self.buffer(level, data_type.primitive_width().unwrap_or(0)))
            }
            ColumnShape::Views => ColumnBuffers::Views(self.buffer(level, VIEW_WIDTH)),
            ColumnShape::Fixed(size) => ColumnBuffers::Fixed(self.buffer(level, *size)),
            ColumnShape::Enum(symbols) => {
                ColumnBuffers::Enum(self.buffer(level, size_of::<i32>()), Arc::clone(symbols))
            }
            ColumnShape::Text => {
                let text = self.layout.add_level();
                ColumnBuffers::Text { bytes: self.buffer(text, 1), offsets: self.offsets(level, text), level: text }
            }
            ColumnShape::List(item) => {
                let items_level = self.layout.add_level();
                let items = Box::new(self.column(item, items_level));
                ColumnBuffers::List { offsets: self.offsets(level, items_level), items }
            }
            ColumnShape::Map(entry) => {
                let entries_level = self.layout.add_level();
                let entries = Box::new(self.column(entry, entries_level));
                ColumnBuffers::Map { offsets: self.offsets(level, entries_level), entries }
            }
            ColumnShape::Record(record) => {
                ColumnBuffers::Struct(record.columns.iter().map(|target| self.column(target, level)).collect())
            }
            ColumnShape::Union(branches) if matches!(data_type, DataType::Struct(_)) => {
                valid = target.field.is_nullable().then(|| self.buffer(level, 1));
                let not_null = branches.iter().filter(|branch| !matches!(branch.form, ColumnShape::Null));
                let children = not_null.map(|branch| {
                    let mut child = self.column(branch, level);
                    child.valid = Some(self.buffer(level, 1));
                    child
                });
                ColumnBuffers::Struct(children.collect())
            }
            // Each branch has a level of its own.
            ColumnShape::Union(branches) => {
                let ids = self.buffer(level, 1);
                let levels: Vec<LevelId> = branches.iter().map(|_| self.layout.add_level()).collect();
                let holds = Holds::UnionOffsets { ids, branches: levels.clone() };
                let offsets = self.layout.add_buffer(BufferSpec { level, width: OFFSET_WIDTH, holds });
                let branches = branches.iter().zip(levels).map(|(branch, level)| self.column(branch, level)).collect();
                ColumnBuffers::Union { ids, offsets, branches }
            }
        };
        if target.nullable {
            valid = Some(self.buffer(level, 1));
        }
        Column { field: target.field.clone(), level, valid, content }
    }

    /// The ops that fill the slots of an absent value.
    pub(super) fn absent(&mut self, column: &Column) -> Vec<Op> {
        let mut ops = match &column.content {
            ColumnBuffers::Null => vec![],
            ColumnBuffers::Boolean(to)
            | ColumnBuffers::Primitive(to)
            | ColumnBuffers::Views(to)
            | ColumnBuffers::Fixed(to)
            | ColumnBuffers::Enum(to, _) => {
                let width = self.layout.buffers.get(to.index()).map_or(0, |spec| spec.width);
                vec![Op::WriteZeros { to: *to, width: width as u32 }]
            }
            ColumnBuffers::Text { offsets, level, .. } => vec![Op::WriteOffset { offsets: *offsets, level: *level }],
            ColumnBuffers::List { offsets, items } | ColumnBuffers::Map { offsets, entries: items } => {
                vec![Op::WriteOffset { offsets: *offsets, level: items.level }]
            }
            ColumnBuffers::Struct(children) => children.iter().flat_map(|child| self.absent(child)).collect(),
            // One of its first branch.
            ColumnBuffers::Union { ids, offsets, branches } => match branches.first() {
                Some(first) => {
                    let body = self.absent(first);
                    let branch = Branch { body: self.code.body(body), level: first.level, id: 0 };
                    vec![Op::WriteUnionBranch { ids: *ids, offsets: *offsets, branch }]
                }
                None => vec![],
            },
        };
        ops.extend(column.valid.map(|to| Op::WriteZeros { to, width: 1 }));
        ops
    }
}
