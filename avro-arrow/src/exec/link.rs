//! Links programs: finds the code of each op, for one CPU.

use super::kernels;
use super::lane::{LinkedProgram, Step, StepFn};
use super::ops::column::has_bulk;
use super::ops::encoding::{operand, with_kernel};
use super::ops::nullable::{Always, Masked, Nullable, NullableMasked, Presence};
use super::ops::scalar::{Read, ReadFixed};
use super::ops::{flat, nested};
use super::target::StepTarget;
use crate::column::BufferId;
use crate::program::{Body, Branch, Nulls, Op, Program, ScalarEncoding, View};

/// Links a program for a CPU.
pub(super) fn link<C: StepTarget>(program: &Program) -> LinkedProgram {
    let mut linker = Linker { starts: Vec::with_capacity(program.ops.len() + 1) };
    let mut n_steps = 0;
    let mut fused = 0;
    for op in &program.ops {
        linker.starts.push(n_steps);
        // The ops that are read together are one step.
        match *op {
            _ if fused > 0 => fused -= 1,
            Op::FusedVarints { n } => (fused, n_steps) = (n, n_steps + 1),
            _ => n_steps += 1,
        }
    }
    linker.starts.push(n_steps);
    let mut steps: Vec<Step> = Vec::with_capacity(n_steps as usize);
    let mut ops = program.ops.iter().enumerate();
    while let Some((at, op)) = ops.next() {
        steps.push(linker.step::<C>(at, op, &steps));
        if let Op::FusedVarints { n: n @ 1.. } = *op {
            ops.nth(usize::from(n) - 1);
        }
    }
    let branches = program.branches.iter().map(|&branch| linker.branch(branch)).collect();
    let subs = program.subs.iter().map(|&body| linker.body(body)).collect();
    LinkedProgram { steps, branches, subs, row: linker.body(program.row) }
}

struct Linker {
    /// The index of the step of each op, and the number of all.
    starts: Vec<u32>,
}

impl Linker {
    /// The steps of the ops of a body.
    fn body(&self, body: Body) -> Body {
        let step = |op: u32| self.starts.get(op as usize).copied().unwrap_or_default();
        Body { start: step(body.start), end: step(body.end) }
    }

    fn branch(&self, branch: Branch) -> Branch {
        Branch { body: self.body(branch.body), ..branch }
    }

    /// The step of the op at an index. `before` are the steps of all ops before it, of which its bodies are (R1).
    fn step<C: StepTarget>(&self, at: usize, op: &Op, before: &[Step]) -> Step {
        let none = (BufferId(0), 0, Nulls { valid: BufferId(0), null_branch: 0 });
        let mut linked = *op;
        let (run, (to, operand, nulls)) = match &mut linked {
            &mut Op::Read { encoding, to } => (read::<C, Always>(encoding), (to, operand(encoding), none.2)),
            &mut Op::ReadMasked { encoding, to } => (read::<C, Masked>(encoding), (to, operand(encoding), none.2)),
            &mut Op::ReadNullable { encoding, to, nulls } => {
                (read::<C, Nullable>(encoding), (to, operand(encoding), nulls))
            }
            &mut Op::ReadNullableMasked { encoding, to, nulls } => {
                (read::<C, NullableMasked>(encoding), (to, operand(encoding), nulls))
            }
            Op::FusedVarints { .. } => (C::compiled::<flat::FusedVarints>(), (none.0, at as u32 + 1, none.2)),
            Op::Items { body, .. } => {
                *body = self.body(*body);
                let items = before.get(body.start as usize..body.end as usize).unwrap_or_default();
                (items_of::<C>(items), none)
            }
            Op::SkipItems { body } => {
                *body = self.body(*body);
                (C::compiled::<nested::SkipItems>(), none)
            }
            Op::WriteUnionBranch { branch, .. } => {
                *branch = self.branch(*branch);
                (C::compiled::<nested::WriteUnionBranch>(), none)
            }
            Op::RecordRowStart { .. } => (C::compiled::<flat::RecordRowStart>(), none),
            Op::PushMask { .. } => (C::compiled::<flat::PushMask>(), none),
            Op::PopMask => (C::compiled::<flat::PopMask>(), none),
            Op::ExpectBranch0 => (C::compiled::<flat::ExpectBranch0>(), none),
            Op::SwitchBranch { .. } => (C::compiled::<nested::SwitchBranch>(), none),
            Op::Union { .. } => (C::compiled::<nested::Union>(), none),
            Op::Json { .. } => (C::compiled::<nested::JsonText>(), none),
            Op::WriteZeros { .. } => (C::compiled::<flat::WriteZeros>(), none),
            Op::WriteValid { .. } => (C::compiled::<flat::WriteValid>(), none),
            Op::WriteOffset { .. } => (C::compiled::<nested::WriteOffset>(), none),
            Op::Constant { .. } => (C::compiled::<flat::Constant>(), none),
            Op::View { .. } => (C::compiled::<flat::View>(), none),
            Op::DefaultItems { .. } => (C::compiled::<nested::DefaultItems>(), none),
            Op::Text { .. } => (C::compiled::<nested::Text>(), none),
            Op::Unresolvable => (C::compiled::<flat::Unresolvable>(), none),
            Op::SkipFixed { .. } => (C::compiled::<flat::SkipFixed>(), none),
            Op::SkipVarints { .. } => (C::compiled::<flat::SkipVarints>(), none),
            Op::SkipBytes { .. } => (C::compiled::<flat::SkipBytes>(), none),
            Op::SkipNullable { .. } => (C::compiled::<flat::SkipNullable>(), none),
            Op::Call { .. } => (C::compiled::<nested::CallSub>(), none),
            Op::SkipValue { .. } => (C::compiled::<nested::SkipValue>(), none),
        };
        Step { run, op: linked, to, operand, nulls }
    }
}

/// The code that reads a value of an encoding.
fn read<C: StepTarget, P: Presence>(encoding: ScalarEncoding) -> StepFn {
    with_kernel!(encoding, Kind => C::compiled::<Read<P, Kind>>(), fixed => C::compiled::<ReadFixed<P>>())
}

/// The code that reads items of a body.
fn items_of<C: StepTarget>(body: &[Step]) -> StepFn {
    use kernels::Utf8;
    use nested::{BulkItems, EachItem, Items, KernelEntries, KernelItems, NoItems};
    let text = ScalarEncoding::String;
    match *body {
        [] => C::compiled::<Items<NoItems>>(),
        [Step { op: Op::Read { encoding, .. }, .. }] if has_bulk(encoding) => C::compiled::<Items<BulkItems>>(),
        [Step { op: Op::Read { encoding, .. }, .. }] if encoding == text => C::compiled::<Items<KernelItems<Utf8>>>(),
        [Step { op: Op::Read { encoding: key, .. }, .. }, Step { op: Op::Read { encoding: value, .. }, .. }]
            if key == text && value == text =>
        {
            C::compiled::<Items<KernelEntries<Utf8, Utf8>>>()
        }
        _ => C::compiled::<Items<EachItem>>(),
    }
}
