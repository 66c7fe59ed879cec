//! The verifier: what the `unsafe` code of `run` and `column` may rely on, checked for every program before it can run.
//!
//! - Every body, branch and sub-program is a range of ops that exist, and ops only run bodies emitted before them, so no
//!   body contains itself.
//! - An op writes slabs that exist, at the level whose body it stands in, with their width.
//! - Each way through a level's body writes every slab of that level exactly once.
//! - Records that are entered are left in the same body, and are not nested too deep.
//! - What is run together are two to four ops that read an int or a long.
//! - Levels are numbered from the outside in, so none is opened inside itself.
//! - The slab of a column of strings or bytes is one that only those are read into.
//! - Constants, tables and texts exist; a constant is as wide as its slab.

use super::{Body, ENTERED_MAX, Leaf, Op, Program, TOGETHER_MAX};
use crate::column::{Column, Content, LevelId, ROWS, SlabId};
use crate::error::Result;
use arrow_schema::{ArrowError, DataType};

/// Checks a program. An error is a bug in the compiler.
pub(super) fn verify(program: &Program) -> Result<()> {
    let check = Check { program };
    let broken = |what: &str| ArrowError::InvalidArgumentError(format!("broken program: {what}\n{program}"));
    if check.level(program.row, ROWS).is_none() {
        return Err(broken("rows").into());
    }
    for &sub in &program.subs {
        if check.writes(sub, ROWS).is_none_or(|written| !written.is_empty()) {
            return Err(broken("a sub-program").into());
        }
    }
    let mut writes = vec![Writes::Text; program.layout.slabs.len()];
    for op in &program.ops {
        let (to, written) = match *op {
            Op::Read { leaf, to }
            | Op::ReadInside { leaf, to }
            | Op::ReadNullable { leaf, to, .. }
            | Op::ReadNullableInside { leaf, to, .. } => (to, Writes::of(leaf)),
            Op::View { to, view } => {
                let is_utf8 = program.constants.is_utf8(view);
                (to, is_utf8.map_or(Writes::Other, |utf8| if utf8 { Writes::Text } else { Writes::Bytes }))
            }
            Op::Constant { to, .. } => (to, Writes::Other),
            _ => continue,
        };
        if let Some(writes) = writes.get_mut(to.index()) {
            *writes = written.max(*writes);
        }
    }
    if !program.columns.iter().all(|column| has_only_views(&writes, column)) {
        return Err(broken("a column of strings").into());
    }
    Ok(())
}

/// The content of a slab, apart from zeros, which are empty views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Writes {
    /// Views of checked text.
    Text,
    /// Views.
    Bytes,
    Other,
}

impl Writes {
    fn of(leaf: Leaf) -> Writes {
        match leaf {
            Leaf::String | Leaf::SymbolText(_) => Writes::Text,
            Leaf::Bytes => Writes::Bytes,
            _ => Writes::Other,
        }
    }
}

/// Whether the views of a column, and of those inside it, are as its type requires.
fn has_only_views(writes: &[Writes], column: &Column) -> bool {
    match &column.content {
        Content::Views(slab) => {
            let allowed = match column.field.data_type() {
                DataType::Utf8View | DataType::Utf8 => Writes::Text,
                _ => Writes::Bytes,
            };
            writes.get(slab.index()).is_some_and(|writes| *writes <= allowed)
        }
        Content::List { items: inner, .. } | Content::Map { entries: inner, .. } => has_only_views(writes, inner),
        Content::Struct(inner) | Content::Union { branches: inner, .. } => {
            inner.iter().all(|column| has_only_views(writes, column))
        }
        _ => true,
    }
}

struct Check<'a> {
    program: &'a Program,
}

impl Check<'_> {
    /// Checks that the body writes each slab of its level once.
    fn level(&self, body: Body, level: LevelId) -> Option<()> {
        let written = self.writes(body, level)?;
        let slabs = self.program.layout.levels.get(level.index())?;
        (written == *slabs).then_some(())
    }

    /// The slabs of `level` that a body writes, in order of their ids; `None` if something is wrong.
    fn writes(&self, body: Body, level: LevelId) -> Option<Vec<SlabId>> {
        let program = self.program;
        let ops = program.body(body)?;
        let before = |inner: Body| (inner.end <= body.start).then_some(());
        let mut written = Vec::new();
        let mut entered = 0usize;
        for (at, op) in ops.iter().enumerate() {
            match *op {
                Op::Together { n } => {
                    let together = ops.get(at + 1..at + 1 + usize::from(n))?;
                    let all = together.iter().all(|op| matches!(op, Op::Read { leaf: Leaf::Int | Leaf::Long, .. }));
                    (all && (2..=TOGETHER_MAX).contains(&together.len())).then_some(())?;
                }
                Op::Enter { nulls } => {
                    written.push(self.slab(nulls.valid, level, 1)?);
                    (nulls.null_branch <= 1 && entered < ENTERED_MAX).then_some(())?;
                    entered += 1;
                }
                Op::Leave => entered = entered.checked_sub(1)?,
                Op::Start { to } => written.push(self.slab(to, level, size_of::<u32>())?),
                Op::Read { leaf, to } | Op::ReadInside { leaf, to } => {
                    self.leaf(leaf)?;
                    written.push(self.slab(to, level, leaf.width())?);
                }
                Op::ReadNullable { leaf, to, nulls } | Op::ReadNullableInside { leaf, to, nulls } => {
                    self.leaf(leaf)?;
                    written.push(self.slab(to, level, leaf.width())?);
                    written.push(self.slab(nulls.valid, level, 1)?);
                    (nulls.null_branch <= 1).then_some(())?;
                }
                Op::Choose { branches } => {
                    let mut same: Option<Vec<SlabId>> = None;
                    for branch in program.branches(branches)? {
                        before(branch.body)?;
                        let slabs = self.writes(branch.body, level)?;
                        (*same.get_or_insert_with(|| slabs.clone()) == slabs).then_some(())?;
                    }
                    written.extend(same.unwrap_or_default());
                }
                Op::Union { ids, offsets, branches } => {
                    written.push(self.slab(ids, level, 1)?);
                    written.push(self.slab(offsets, level, size_of::<i32>())?);
                    for branch in program.branches(branches)? {
                        (branch.id < 128).then_some(())?;
                        before(branch.body)?;
                        self.below(branch.level, level)?;
                        self.level(branch.body, branch.level)?;
                    }
                }
                Op::Branch { ids, offsets, branch } => {
                    written.push(self.slab(ids, level, 1)?);
                    written.push(self.slab(offsets, level, size_of::<i32>())?);
                    (branch.id < 128).then_some(())?;
                    before(branch.body)?;
                    self.below(branch.level, level)?;
                    self.level(branch.body, branch.level)?;
                }
                Op::Constant { to, slot } => {
                    let bytes = self.program.constants.slot_bytes(slot)?;
                    written.push(self.slab(to, level, bytes.len())?);
                }
                Op::View { to, view } => {
                    self.program.constants.view_of(view)?;
                    written.push(self.slab(to, level, size_of::<u128>())?);
                }
                Op::Given { ends, level: items, items: bodies } => {
                    written.push(self.slab(ends, level, size_of::<i32>())?);
                    self.below(items, level)?;
                    for item in program.branches(bodies)? {
                        before(item.body)?;
                        self.level(item.body, items)?;
                    }
                }
                Op::Text { ends, level: text, bytes, text: constant } => {
                    written.push(self.slab(ends, level, size_of::<i32>())?);
                    self.below(text, level)?;
                    self.slab(bytes, text, 1)?;
                    self.program.constants.slot_bytes(constant)?;
                    (self.program.layout.levels.get(text.index())?.as_slice() == [bytes]).then_some(())?;
                }
                Op::Items { ends, level: items, body, .. } => {
                    written.push(self.slab(ends, level, size_of::<i32>())?);
                    before(body)?;
                    self.below(items, level)?;
                    self.level(body, items)?;
                }
                Op::Json { ends, level: text, bytes, .. } => {
                    written.push(self.slab(ends, level, size_of::<i32>())?);
                    self.below(text, level)?;
                    self.slab(bytes, text, 1)?;
                    (self.program.layout.levels.get(text.index())?.as_slice() == [bytes]).then_some(())?;
                }
                Op::Zero { to, width } => written.push(self.slab(to, level, width as usize)?),
                Op::One { to } => written.push(self.slab(to, level, 1)?),
                Op::End { ends, level: items } => {
                    written.push(self.slab(ends, level, size_of::<i32>())?);
                    self.below(items, level)?;
                }
                Op::SkipItems { body } => {
                    before(body)?;
                    self.writes(body, level)?.is_empty().then_some(())?;
                }
                Op::Call { sub } => before(*program.subs.get(sub as usize)?)?,
                Op::Single
                | Op::Fail
                | Op::SkipFixed { .. }
                | Op::SkipVarints { .. }
                | Op::SkipBytes { .. }
                | Op::SkipNullable { .. }
                | Op::SkipValue { .. } => {}
            }
        }
        (entered == 0).then_some(())?;
        written.sort();
        written.is_sorted_by(|a, b| a < b).then_some(written)
    }

    /// Checks that the constants of a leaf exist.
    fn leaf(&self, leaf: Leaf) -> Option<()> {
        let constants = &self.program.constants;
        match leaf {
            Leaf::Symbol(table) => constants.table_of(table).map(|_| ()),
            Leaf::SymbolText(texts) => constants.texts_of(texts).map(|_| ()),
            _ => Some(()),
        }
    }

    /// The slab, if it exists in this level with this width.
    fn slab(&self, id: SlabId, level: LevelId, width: usize) -> Option<SlabId> {
        let spec = self.program.layout.slabs.get(id.index())?;
        (spec.level == level && spec.width == width).then_some(id)
    }

    /// Levels are numbered from the outside in.
    fn below(&self, inner: LevelId, outer: LevelId) -> Option<()> {
        (inner > outer && inner.index() < self.program.layout.levels.len()).then_some(())
    }
}
