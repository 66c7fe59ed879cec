//! Makes the columns of targets: their slabs, how these become arrays, and the ops that fill them for absent values.

use super::Compiler;
use crate::column::{Column, Content, Holds, LevelId, ROWS, SlabId, SlabSpec};
use crate::plan::{Form, Target};
use crate::program::{Branch, Op};
use arrow_schema::{DataType, Field};
use std::sync::Arc;

const ENDS_WIDTH: usize = size_of::<i32>();

/// Bytes of a view of a string.
const VIEW_WIDTH: usize = size_of::<u128>();

impl Compiler<'_> {
    fn slab(&mut self, level: LevelId, width: usize) -> SlabId {
        self.layout.add_slab(SlabSpec { level, width, holds: Holds::Values })
    }

    fn ends(&mut self, level: LevelId, of: LevelId) -> SlabId {
        self.layout.add_slab(SlabSpec { level, width: ENDS_WIDTH, holds: Holds::Ends(of) })
    }

    /// Inserts an op before a row that records its start.
    pub(super) fn starts(&mut self, row: &mut Vec<Op>) -> Column {
        let to = self.slab(ROWS, size_of::<u32>());
        row.insert(0, Op::Start { to });
        let field = Arc::new(Field::new("start", DataType::UInt32, false));
        Column { field, level: ROWS, valid: None, content: Content::Primitive(to) }
    }

    /// The column of a target, written in `level`.
    pub(super) fn column(&mut self, target: &Target, level: LevelId) -> Column {
        let data_type = target.field.data_type();
        let mut valid = None;
        let content = match &target.form {
            Form::Null => Content::Null,
            Form::Boolean => Content::Boolean(self.slab(level, 1)),
            Form::Primitive => Content::Primitive(self.slab(level, data_type.primitive_width().unwrap_or(0))),
            Form::Views => Content::Views(self.slab(level, VIEW_WIDTH)),
            Form::Fixed(size) => Content::Fixed(self.slab(level, *size)),
            Form::Enum(symbols) => Content::Enum(self.slab(level, size_of::<i32>()), Arc::clone(symbols)),
            Form::Text => {
                let text = self.layout.add_level();
                Content::Text { bytes: self.slab(text, 1), ends: self.ends(level, text), level: text }
            }
            Form::List(item) => {
                let items_level = self.layout.add_level();
                let items = Box::new(self.column(item, items_level));
                Content::List { ends: self.ends(level, items_level), items }
            }
            Form::Map(entry) => {
                let entries_level = self.layout.add_level();
                let entries = Box::new(self.column(entry, entries_level));
                Content::Map { ends: self.ends(level, entries_level), entries }
            }
            Form::Record(record) => {
                Content::Struct(record.columns.iter().map(|target| self.column(target, level)).collect())
            }
            Form::Union(branches) if matches!(data_type, DataType::Struct(_)) => {
                valid = target.field.is_nullable().then(|| self.slab(level, 1));
                let not_null = branches.iter().filter(|branch| !matches!(branch.form, Form::Null));
                let children = not_null.map(|branch| {
                    let mut child = self.column(branch, level);
                    child.valid = Some(self.slab(level, 1));
                    child
                });
                Content::Struct(children.collect())
            }
            // Each branch has a level of its own.
            Form::Union(branches) => {
                let ids = self.slab(level, 1);
                let levels: Vec<LevelId> = branches.iter().map(|_| self.layout.add_level()).collect();
                let holds = Holds::Offsets { ids, branches: levels.clone() };
                let offsets = self.layout.add_slab(SlabSpec { level, width: ENDS_WIDTH, holds });
                let branches = branches.iter().zip(levels).map(|(branch, level)| self.column(branch, level)).collect();
                Content::Union { ids, offsets, branches }
            }
        };
        if target.nullable {
            valid = Some(self.slab(level, 1));
        }
        Column { field: target.field.clone(), level, valid, content }
    }

    /// The ops that fill the slots of an absent value.
    pub(super) fn absent(&mut self, column: &Column) -> Vec<Op> {
        let mut ops = match &column.content {
            Content::Null => vec![],
            Content::Boolean(to)
            | Content::Primitive(to)
            | Content::Views(to)
            | Content::Fixed(to)
            | Content::Enum(to, _) => {
                let width = self.layout.slabs.get(to.index()).map_or(0, |spec| spec.width);
                vec![Op::Zero { to: *to, width: width as u32 }]
            }
            Content::Text { ends, level, .. } => vec![Op::End { ends: *ends, level: *level }],
            Content::List { ends, items } | Content::Map { ends, entries: items } => {
                vec![Op::End { ends: *ends, level: items.level }]
            }
            Content::Struct(children) => children.iter().flat_map(|child| self.absent(child)).collect(),
            // One of its first branch.
            Content::Union { ids, offsets, branches } => match branches.first() {
                Some(first) => {
                    let body = self.absent(first);
                    let branch = Branch { body: self.code.body(body), level: first.level, id: 0 };
                    vec![Op::Branch { ids: *ids, offsets: *offsets, branch }]
                }
                None => vec![],
            },
        };
        ops.extend(column.valid.map(|to| Op::Zero { to, width: 1 }));
        ops
    }
}
