//! The verifier: what the `unsafe` code of `run` and `column` may rely on, checked for every program before it can run.
//!
//! - Every body, branch and sub-program is a range of ops that exist, and ops only run bodies emitted before them, so
//!   no
//!   body contains itself.
//! - An op writes buffers that exist, at the level whose body it stands in, with their width.
//! - Each way through a level's body writes every buffer of that level exactly once.
//! - Records that are entered are left in the same body, and are not nested too deep.
//! - What is run together are two to four ops that read an int or a long.
//! - Levels are numbered from the outside in, so none is opened inside itself.
//! - The buffer of a column of strings or bytes is one that only those are read into.
//! - Constants, tables and texts exist; a constant is as wide as its buffer.

use super::{Body, FUSED_VARINTS_MAX, MASK_DEPTH_MAX, Op, Program, ScalarEncoding};
use crate::column::{BufferId, Column, ColumnBuffers, LevelId, ROWS};
use crate::error::{Error, Result};
use arrow_schema::DataType;

/// Checks a program. An error is a bug in the compiler.
pub(super) fn verify(program: &Program) -> Result<()> {
    let check = Check { program };
    let broken = |what: &str| Error::internal(format!("broken program: {what}\n{program}"));
    if check.level(program.row, ROWS).is_none() {
        return Err(broken("rows"));
    }
    for &sub in &program.subs {
        if check.writes(sub, ROWS).is_none_or(|written| !written.is_empty()) {
            return Err(broken("a sub-program"));
        }
    }
    let mut writes = vec![Writes::Text; program.layout.buffers.len()];
    for op in &program.ops {
        let (to, written) = match *op {
            Op::Read { encoding, to }
            | Op::ReadMasked { encoding, to }
            | Op::ReadNullable { encoding, to, .. }
            | Op::ReadNullableMasked { encoding, to, .. } => (to, Writes::of(encoding)),
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
        return Err(broken("a column of strings"));
    }
    Ok(())
}

/// The content of a buffer, apart from zeros, which are empty views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Writes {
    /// Views of checked text.
    Text,
    /// Views.
    Bytes,
    Other,
}

impl Writes {
    fn of(encoding: ScalarEncoding) -> Writes {
        match encoding {
            ScalarEncoding::String | ScalarEncoding::SymbolText(_) => Writes::Text,
            ScalarEncoding::Bytes => Writes::Bytes,
            _ => Writes::Other,
        }
    }
}

/// Whether the views of a column, and of those inside it, are as its type requires.
fn has_only_views(writes: &[Writes], column: &Column) -> bool {
    match &column.content {
        ColumnBuffers::Views(buffer) => {
            let allowed = match column.field.data_type() {
                DataType::Utf8View | DataType::Utf8 => Writes::Text,
                _ => Writes::Bytes,
            };
            writes.get(buffer.index()).is_some_and(|writes| *writes <= allowed)
        }
        ColumnBuffers::List { items: inner, .. } | ColumnBuffers::Map { entries: inner, .. } => {
            has_only_views(writes, inner)
        }
        ColumnBuffers::Struct(inner) | ColumnBuffers::Union { branches: inner, .. } => {
            inner.iter().all(|column| has_only_views(writes, column))
        }
        _ => true,
    }
}

struct Check<'a> {
    program: &'a Program,
}

impl Check<'_> {
    /// Checks that the body writes each buffer of its level once.
    fn level(&self, body: Body, level: LevelId) -> Option<()> {
        let written = self.writes(body, level)?;
        let buffers = self.program.layout.levels.get(level.index())?;
        (written == *buffers).then_some(())
    }

    /// The buffers of `level` that a body writes, in order of their ids; `None` if something is wrong.
    fn writes(&self, body: Body, level: LevelId) -> Option<Vec<BufferId>> {
        let program = self.program;
        let ops = program.body(body)?;
        let before = |inner: Body| (inner.end <= body.start).then_some(());
        let mut written = Vec::new();
        let mut entered = 0usize;
        for (at, op) in ops.iter().enumerate() {
            match *op {
                Op::FusedVarints { n } => {
                    let together = ops.get(at + 1..at + 1 + usize::from(n))?;
                    let all = together
                        .iter()
                        .all(|op| matches!(op, Op::Read { encoding: ScalarEncoding::Int | ScalarEncoding::Long, .. }));
                    (all && (2..=FUSED_VARINTS_MAX).contains(&together.len())).then_some(())?;
                }
                Op::PushMask { nulls } => {
                    written.push(self.buffer(nulls.valid, level, 1)?);
                    (nulls.null_branch <= 1 && entered < MASK_DEPTH_MAX).then_some(())?;
                    entered += 1;
                }
                Op::PopMask => entered = entered.checked_sub(1)?,
                Op::RecordRowStart { to } => written.push(self.buffer(to, level, size_of::<u32>())?),
                Op::Read { encoding, to } | Op::ReadMasked { encoding, to } => {
                    self.encoding(encoding)?;
                    written.push(self.buffer(to, level, encoding.width())?);
                }
                Op::ReadNullable { encoding, to, nulls } | Op::ReadNullableMasked { encoding, to, nulls } => {
                    self.encoding(encoding)?;
                    written.push(self.buffer(to, level, encoding.width())?);
                    written.push(self.buffer(nulls.valid, level, 1)?);
                    (nulls.null_branch <= 1).then_some(())?;
                }
                Op::SwitchBranch { branches } => {
                    let mut same: Option<Vec<BufferId>> = None;
                    for branch in program.branches(branches)? {
                        before(branch.body)?;
                        let buffers = self.writes(branch.body, level)?;
                        (*same.get_or_insert_with(|| buffers.clone()) == buffers).then_some(())?;
                    }
                    written.extend(same.unwrap_or_default());
                }
                Op::Union { ids, offsets, branches } => {
                    written.push(self.buffer(ids, level, 1)?);
                    written.push(self.buffer(offsets, level, size_of::<i32>())?);
                    for branch in program.branches(branches)? {
                        (branch.id < 128).then_some(())?;
                        before(branch.body)?;
                        self.below(branch.level, level)?;
                        self.level(branch.body, branch.level)?;
                    }
                }
                Op::WriteUnionBranch { ids, offsets, branch } => {
                    written.push(self.buffer(ids, level, 1)?);
                    written.push(self.buffer(offsets, level, size_of::<i32>())?);
                    (branch.id < 128).then_some(())?;
                    before(branch.body)?;
                    self.below(branch.level, level)?;
                    self.level(branch.body, branch.level)?;
                }
                Op::Constant { to, slot } => {
                    let bytes = self.program.constants.slot_bytes(slot)?;
                    written.push(self.buffer(to, level, bytes.len())?);
                }
                Op::View { to, view } => {
                    self.program.constants.view_of(view)?;
                    written.push(self.buffer(to, level, size_of::<u128>())?);
                }
                Op::DefaultItems { offsets, level: items, items: bodies } => {
                    written.push(self.buffer(offsets, level, size_of::<i32>())?);
                    self.below(items, level)?;
                    for item in program.branches(bodies)? {
                        before(item.body)?;
                        self.level(item.body, items)?;
                    }
                }
                Op::Text { offsets, level: text, bytes, text: constant } => {
                    written.push(self.buffer(offsets, level, size_of::<i32>())?);
                    self.below(text, level)?;
                    self.buffer(bytes, text, 1)?;
                    self.program.constants.slot_bytes(constant)?;
                    (self.program.layout.levels.get(text.index())?.as_slice() == [bytes]).then_some(())?;
                }
                Op::Items { offsets, level: items, body, .. } => {
                    written.push(self.buffer(offsets, level, size_of::<i32>())?);
                    before(body)?;
                    self.below(items, level)?;
                    self.level(body, items)?;
                }
                Op::Json { offsets, level: text, bytes, .. } => {
                    written.push(self.buffer(offsets, level, size_of::<i32>())?);
                    self.below(text, level)?;
                    self.buffer(bytes, text, 1)?;
                    (self.program.layout.levels.get(text.index())?.as_slice() == [bytes]).then_some(())?;
                }
                Op::WriteZeros { to, width } => written.push(self.buffer(to, level, width as usize)?),
                Op::WriteValid { to } => written.push(self.buffer(to, level, 1)?),
                Op::WriteOffset { offsets, level: items } => {
                    written.push(self.buffer(offsets, level, size_of::<i32>())?);
                    self.below(items, level)?;
                }
                Op::SkipItems { body } => {
                    before(body)?;
                    self.writes(body, level)?.is_empty().then_some(())?;
                }
                Op::Call { sub } => before(*program.subs.get(sub as usize)?)?,
                Op::ExpectBranch0
                | Op::Unresolvable
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

    /// Checks that the constants of a encoding exist.
    fn encoding(&self, encoding: ScalarEncoding) -> Option<()> {
        let constants = &self.program.constants;
        match encoding {
            ScalarEncoding::Symbol(table) => constants.table_of(table).map(|_| ()),
            ScalarEncoding::SymbolText(texts) => constants.texts_of(texts).map(|_| ()),
            _ => Some(()),
        }
    }

    /// The buffer, if it exists in this level with this width.
    fn buffer(&self, id: BufferId, level: LevelId, width: usize) -> Option<BufferId> {
        let spec = self.program.layout.buffers.get(id.index())?;
        (spec.level == level && spec.width == width).then_some(id)
    }

    /// Levels are numbered from the outside in.
    fn below(&self, inner: LevelId, outer: LevelId) -> Option<()> {
        (inner > outer && inner.index() < self.program.layout.levels.len()).then_some(())
    }
}
