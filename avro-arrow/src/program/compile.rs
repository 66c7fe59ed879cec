//! The compiler: a plan in, a program out. The only place that knows both sides.
//!
//! Bodies are emitted before the ops that run them, so that each body is one range.

use super::skip::Skips;
use super::{Body, Branch, Branches, ENTERED_MAX, Leaf, Nulls, Op, Program, Starts, TOGETHER_MAX};
use crate::column::{Column, Content, Holds, Layout, LevelId, ROWS, SlabId, SlabSpec};
use crate::error::{ErrorKind, Result};
use crate::json;
use crate::options::Options;
use crate::plan::{Plan, Read, Shape, Step, Wrap};
use crate::schema::Sizes;
use arrow_array::Array;
use arrow_schema::{DataType, Field, FieldRef};
use std::sync::Arc;

const ENDS_WIDTH: usize = size_of::<i32>();

/// Each branch of a union as a struct has an op for every field of the others: a few thousand fields could take gigabytes.
const OPS_MAX: usize = 4 << 20;

pub(super) fn compile(plan: Plan, options: &Options, starts: Starts) -> Result<Program> {
    let sizes = Sizes::of(&plan.schema);
    let mut layout = Layout::default();
    layout.add_level();
    let mut compiler = Compiler { layout, code: Code::default(), skips: Skips::new(&plan.schema, &sizes), plan: &plan };
    let (mut row, columns) = compiler.record(&plan.steps, plan.arrow.fields().len(), ROWS);
    let starts = (starts == Starts::Written).then(|| compiler.starts(&mut row));
    let row = compiler.code.body(row);
    let Compiler { layout, code, skips: Skips { bodies: subs, .. }, .. } = compiler;
    if code.too_large {
        let what = format!("a schema of more than {OPS_MAX} ops; unions as structs take the most");
        return Err(ErrorKind::Unsupported { what }.into());
    }
    let min_row_bytes = sizes.min(plan.schema.root());
    Ok(Program {
        plan,
        ops: code.ops,
        branches: code.branches,
        subs,
        row,
        layout,
        columns,
        starts,
        min_row_bytes,
        options: options.clone(),
    })
}

/// What is emitted so far.
#[derive(Default)]
pub(super) struct Code {
    pub(super) ops: Vec<Op>,
    pub(super) branches: Vec<Branch>,
    /// There were more ops than [`OPS_MAX`]; those are not here.
    pub(super) too_large: bool,
}

impl Code {
    /// The ops as a body.
    pub(super) fn body(&mut self, ops: Vec<Op>) -> Body {
        let ops = together(ops);
        let start = self.ops.len() as u32;
        self.too_large |= self.ops.len() + ops.len() > OPS_MAX;
        if !self.too_large {
            self.ops.extend(ops);
        }
        Body { start, end: self.ops.len() as u32 }
    }

    pub(super) fn branches(&mut self, branches: impl IntoIterator<Item = Branch>) -> Branches {
        let first = self.branches.len() as u32;
        self.branches.extend(branches);
        Branches { first, n: self.branches.len() as u32 - first }
    }
}

struct Compiler<'a> {
    layout: Layout,
    code: Code,
    skips: Skips<'a>,
    plan: &'a Plan,
}

/// How a value is read, how its slots are filled where it is absent, and the column that the slots become.
struct Compiled {
    read: Vec<Op>,
    absent: Vec<Op>,
    column: Column,
}

impl Compiler<'_> {
    fn slab(&mut self, level: LevelId, width: usize) -> SlabId {
        self.layout.add_slab(SlabSpec { level, width, holds: Holds::Values })
    }

    fn ends(&mut self, level: LevelId, of: LevelId) -> SlabId {
        self.layout.add_slab(SlabSpec { level, width: ENDS_WIDTH, holds: Holds::Ends(of) })
    }

    /// Puts before a row what writes where it starts.
    fn starts(&mut self, row: &mut Vec<Op>) -> Column {
        let to = self.slab(ROWS, size_of::<u32>());
        row.insert(0, Op::Start { to });
        column(&Arc::new(Field::new("start", DataType::UInt32, false)), ROWS, Content::Primitive(to))
    }

    /// The ops and columns of a record whose values are written in `level`.
    fn record(&mut self, steps: &[Step], n_columns: usize, level: LevelId) -> (Vec<Op>, Vec<Column>) {
        let (ops, _, columns) = self.record_or_absent(steps, n_columns, level);
        (ops, columns)
    }

    fn record_or_absent(
        &mut self,
        steps: &[Step],
        n_columns: usize,
        level: LevelId,
    ) -> (Vec<Op>, Vec<Op>, Vec<Column>) {
        let (mut ops, mut absent) = (Vec::new(), Vec::new());
        let mut columns = Vec::with_capacity(n_columns);
        for step in steps {
            match step {
                Step::Skip(node) => self.skips.skip(*node, &mut self.code, &mut ops),
                Step::Read { column, read } => {
                    let compiled = self.read(read, level);
                    ops.extend(compiled.read);
                    absent.extend(compiled.absent);
                    columns.push((*column, compiled.column));
                }
            }
        }
        columns.sort_by_key(|(column, _)| *column);
        (ops, absent, columns.into_iter().map(|(_, column)| column).collect())
    }

    fn read(&mut self, read: &Read, level: LevelId) -> Compiled {
        let mut compiled = self.shape(read, level);
        match read.wrap {
            Wrap::None => {}
            Wrap::Single => compiled.read.insert(0, Op::Single),
            Wrap::Nullable { null_branch } => self.nullable(&mut compiled, null_branch, level),
        }
        compiled
    }

    /// Puts the union of null and a type around the type.
    fn nullable(&mut self, compiled: &mut Compiled, null_branch: u8, level: LevelId) {
        let valid = self.slab(level, 1);
        compiled.column.valid = Some(valid);
        // Of no symbols, not even a null's zero is one.
        if let [Op::Read { leaf, to }] = *compiled.read.as_slice()
            && leaf != Leaf::Enum(0)
        {
            compiled.read = vec![Op::ReadNullable { leaf, to, nulls: Nulls { valid, null_branch } }];
        } else if let Some(inside) = inside(&compiled.read) {
            let enter = Op::Enter { nulls: Nulls { valid, null_branch } };
            compiled.read = [vec![enter], inside, vec![Op::Leave]].concat();
        } else {
            let mut present = vec![Op::One { to: valid }];
            present.append(&mut compiled.read);
            let mut absent = vec![Op::Zero { to: valid, width: 1 }];
            absent.extend(&compiled.absent);
            let mut bodies = [self.code.body(absent), self.code.body(present)];
            if null_branch == 1 {
                bodies.reverse();
            }
            let branches = self.code.branches(bodies.map(|body| Branch { body, level }));
            compiled.read = vec![Op::Choose { branches }];
        }
        compiled.absent.push(Op::Zero { to: valid, width: 1 });
    }

    fn shape(&mut self, read: &Read, level: LevelId) -> Compiled {
        let field = &read.field;
        let wide = matches!(field.data_type(), DataType::Decimal256(..));
        match &read.shape {
            Shape::Null => Compiled { read: vec![], absent: vec![], column: column(field, level, Content::Null) },
            Shape::Boolean => self.leaf(Leaf::Boolean, field, level, Content::Boolean),
            Shape::Int => self.leaf(Leaf::Int, field, level, Content::Primitive),
            Shape::Long => self.leaf(Leaf::Long, field, level, Content::Primitive),
            Shape::Float => self.leaf(Leaf::Float, field, level, Content::Primitive),
            Shape::Double => self.leaf(Leaf::Double, field, level, Content::Primitive),
            Shape::Bytes => self.leaf(Leaf::Bytes, field, level, Content::Views),
            Shape::String => self.leaf(Leaf::String, field, level, Content::Views),
            Shape::Fixed(size) => self.leaf(Leaf::Fixed(*size as u32), field, level, Content::Fixed),
            Shape::Enum(symbols) => {
                let enums = |keys| Content::Enum(keys, Arc::clone(symbols));
                self.leaf(Leaf::Enum(symbols.len() as u32), field, level, enums)
            }
            Shape::DecimalBytes => {
                let leaf = if wide { Leaf::Decimal256 } else { Leaf::Decimal128 };
                self.leaf(leaf, field, level, Content::Primitive)
            }
            Shape::DecimalFixed(size) => {
                let size = *size as u32;
                let leaf = if wide { Leaf::FixedDecimal256(size) } else { Leaf::FixedDecimal128(size) };
                self.leaf(leaf, field, level, Content::Primitive)
            }
            Shape::Duration => self.leaf(Leaf::Duration, field, level, Content::Primitive),
            Shape::List(item) => {
                let zero_width = self.is_zero_width(item);
                let items_level = self.layout.add_level();
                let item = self.read(item, items_level);
                let items = Box::new(item.column);
                self.items(item.read, field, level, items_level, zero_width, |ends| Content::List { ends, items })
            }
            Shape::Pairs(entry) => {
                let zero_width = self.is_zero_width(entry);
                let items_level = self.layout.add_level();
                let entry = self.read(entry, items_level);
                let entries = Box::new(entry.column);
                self.items(entry.read, field, level, items_level, zero_width, |ends| Content::Map { ends, entries })
            }
            Shape::Map { keys, values } => {
                let items_level = self.layout.add_level();
                let keys = self.read(keys, items_level);
                let values = self.read(values, items_level);
                let DataType::Map(entries_field, _) = field.data_type() else {
                    return Compiled { read: vec![], absent: vec![], column: column(field, level, Content::Null) };
                };
                let content = Content::Struct(vec![keys.column, values.column]);
                let entries = Box::new(column(entries_field, items_level, content));
                let ops = [keys.read, values.read].concat();
                self.items(ops, field, level, items_level, false, |ends| Content::Map { ends, entries })
            }
            Shape::Record { steps, n_columns, .. } => {
                let (read, absent, children) = self.record_or_absent(steps, *n_columns, level);
                Compiled { read, absent, column: column(field, level, Content::Struct(children)) }
            }
            Shape::Union { branches } => match field.data_type() {
                DataType::Struct(_) => self.union_as_struct(branches, field, level),
                _ => self.dense_union(branches, field, level),
            },
            Shape::Json(node) => {
                let text = self.layout.add_level();
                let (bytes, ends) = (self.slab(text, 1), self.ends(level, text));
                Compiled {
                    read: vec![Op::Json { ends, level: text, bytes, node: *node }],
                    absent: vec![Op::End { ends, level: text }],
                    column: column(field, level, Content::Text { ends, bytes }),
                }
            }
        }
    }

    fn leaf(
        &mut self,
        leaf: Leaf,
        field: &FieldRef,
        level: LevelId,
        content: impl FnOnce(SlabId) -> Content,
    ) -> Compiled {
        let to = self.slab(level, leaf.width());
        Compiled {
            read: vec![Op::Read { leaf, to }],
            absent: vec![Op::Zero { to, width: leaf.width() as u32 }],
            column: column(field, level, content(to)),
        }
    }

    fn items(
        &mut self,
        item: Vec<Op>,
        field: &FieldRef,
        level: LevelId,
        items_level: LevelId,
        zero_width: bool,
        content: impl FnOnce(SlabId) -> Content,
    ) -> Compiled {
        let ends = self.ends(level, items_level);
        let body = self.code.body(item);
        Compiled {
            read: vec![Op::Items { ends, level: items_level, body, zero_width }],
            absent: vec![Op::End { ends, level: items_level }],
            column: column(field, level, content(ends)),
        }
    }

    /// Each branch in a level of its own.
    fn dense_union(&mut self, branches: &[Read], field: &FieldRef, level: LevelId) -> Compiled {
        let ids = self.slab(level, 1);
        let levels: Vec<LevelId> = branches.iter().map(|_| self.layout.add_level()).collect();
        let holds = Holds::Offsets { ids, branches: levels.clone() };
        let offsets = self.layout.add_slab(SlabSpec { level, width: ENDS_WIDTH, holds });
        let (mut bodies, mut columns) = (Vec::new(), Vec::new());
        let mut absent = Vec::new();
        for (branch, branch_level) in branches.iter().zip(levels) {
            let compiled = self.read(branch, branch_level);
            if bodies.is_empty() {
                let body = self.code.body(compiled.absent);
                absent.push(Op::AbsentUnion { ids, offsets, level: branch_level, body });
            }
            bodies.push(Branch { body: self.code.body(compiled.read), level: branch_level });
            columns.push(compiled.column);
        }
        let branches = self.code.branches(bodies);
        Compiled {
            read: vec![Op::Union { ids, offsets, branches }],
            absent,
            column: column(field, level, Content::Union { ids, offsets, branches: columns }),
        }
    }

    /// All branches at one position: the one that is there, and the others absent.
    fn union_as_struct(&mut self, branches: &[Read], field: &FieldRef, level: LevelId) -> Compiled {
        let has_null = field.is_nullable();
        let valid = has_null.then(|| self.slab(level, 1));
        let mut compiled: Vec<Option<Compiled>> = Vec::new();
        for branch in branches {
            if matches!(branch.shape, Shape::Null) {
                compiled.push(None);
                continue;
            }
            let mut branch = self.read(branch, level);
            let valid = self.slab(level, 1);
            branch.column.valid = Some(valid);
            branch.read.insert(0, Op::One { to: valid });
            branch.absent.push(Op::Zero { to: valid, width: 1 });
            compiled.push(Some(branch));
        }
        let mut bodies = Vec::with_capacity(branches.len());
        for (chosen, branch) in compiled.iter().enumerate() {
            let mut ops = Vec::new();
            ops.extend(valid.map(|to| if branch.is_some() { Op::One { to } } else { Op::Zero { to, width: 1 } }));
            for (at, other) in compiled.iter().enumerate() {
                let Some(other) = other else { continue };
                ops.extend(if at == chosen { &other.read } else { &other.absent });
            }
            bodies.push(Branch { body: self.code.body(ops), level });
        }
        let mut absent: Vec<Op> = compiled.iter().flatten().flat_map(|branch| branch.absent.clone()).collect();
        absent.extend(valid.map(|to| Op::Zero { to, width: 1 }));
        let branches = self.code.branches(bodies);
        let children = compiled.into_iter().flatten().map(|branch| branch.column).collect();
        let mut column = column(field, level, Content::Struct(children));
        column.valid = valid;
        Compiled { read: vec![Op::Choose { branches }], absent, column }
    }

    /// Do items take no bytes at all?
    fn is_zero_width(&self, item: &Read) -> bool {
        // A union has an index, so only what is not wrapped can be empty.
        item.wrap == Wrap::None
            && match &item.shape {
                Shape::Null | Shape::Fixed(0) | Shape::DecimalFixed(0) => true,
                Shape::Record { steps, .. } => steps.iter().all(|step| match step {
                    Step::Skip(node) => json::is_zero_width(&self.plan.schema, *node),
                    Step::Read { read, .. } => self.is_zero_width(read),
                }),
                Shape::Json(node) => json::is_zero_width(&self.plan.schema, *node),
                _ => false,
            }
    }
}

/// Marks ints and longs that follow each other. (Lineitem, all columns: 1 % faster in blocks of 512 rows, 7 % in 64 KiB.)
fn together(ops: Vec<Op>) -> Vec<Op> {
    let is_varint = |op: &Op| matches!(op, Op::Read { leaf: Leaf::Int | Leaf::Long, .. });
    let mut marked = Vec::with_capacity(ops.len());
    let mut rest = ops.as_slice();
    while let Some(op) = rest.first() {
        let n = rest.iter().take(TOGETHER_MAX).take_while(|op| is_varint(op)).count().max(1);
        if n > 1 {
            marked.push(Op::Together { n: n as u8 });
        }
        let (taken, left) = rest.split_at_checked(n).unwrap_or((std::slice::from_ref(op), &[]));
        marked.extend_from_slice(taken);
        rest = left;
    }
    marked
}

/// Values of a record of more are passed over by a branch where the record is absent; those of smaller ones by reading all of
/// them without a branch, as if each could be null. (Three records of three values each, of which one is there: 49 ms with a
/// branch, 27 without. The limit is chosen, not measured.)
const INSIDE_MAX: usize = 16;

/// The ops of a record as they are where the record may be absent, if they are few and simple.
fn inside(ops: &[Op]) -> Option<Vec<Op>> {
    let depth = ops.iter().fold((0, 0), |(depth, most), op| match op {
        Op::Enter { .. } => (depth + 1, most.max(depth + 1)),
        Op::Leave => (depth - 1, most),
        _ => (depth, most),
    });
    if ops.len() > INSIDE_MAX || depth.1 + 1 > ENTERED_MAX {
        return None;
    }
    let inside = ops.iter().map(|op| match *op {
        // Of no symbols, not even an absent record's zero is one.
        Op::Read { leaf: Leaf::Enum(0), .. } => None,
        Op::Read { leaf, to } => Some(Op::ReadInside { leaf, to }),
        Op::ReadNullable { leaf, to, nulls } => Some(Op::ReadNullableInside { leaf, to, nulls }),
        Op::ReadInside { .. } | Op::ReadNullableInside { .. } | Op::Enter { .. } | Op::Leave => Some(*op),
        _ => None,
    });
    inside.collect()
}

fn column(field: &FieldRef, level: LevelId, content: Content) -> Column {
    Column { field: field.clone(), level, valid: None, content }
}
