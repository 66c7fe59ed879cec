//! Steps of one lane for the flat ops that are not reads: the code of [`skip`](super::skip),
//! [`nullable`](super::nullable) and others, for one cursor.

use super::fused_varints::{read_fused_varints, read_short_varints};
use super::{nullable, scalar, skip};
use crate::exec::kernels::Cpu;
use crate::exec::lane::{Lane, LaneCursor, Step, StepCode};
use crate::program::{Body, Op, Program};

/// The lane's cursor, for the time of a step.
#[inline(always)]
fn cursor(lane: &Lane<'_>, at: *const u8) -> [LaneCursor; 1] {
    [LaneCursor { at, source: lane.source, slot: lane.slot, mask: lane.mask }]
}

/// Declares steps of an op each, by the code that runs it, and by what returns the next cursor where the data are as
/// usual.
macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $pattern:pat => |$step:pat_param, $lane:ident, $cursors:ident| $code:expr
        $(, common |$at:ident| $common:expr)?;)*) => {
        $(
            $(#[$doc])*
            pub(in crate::exec) struct $name;

            impl<C: Cpu> StepCode<C> for $name {
                #[inline(always)]
                unsafe fn run(step: &Step, $lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
                    let ($pattern, $step) = (step.op, step) else {
                        $lane.fault = true;
                        return at;
                    };
                    let mut cursors = cursor($lane, at);
                    let $cursors = &mut cursors;
                    // SAFETY: R1 to R5.
                    unsafe { $code };
                    let [LaneCursor { at, .. }] = cursors;
                    at
                }

                $(
                    const HAS_COMMON: bool = true;

                    #[inline(always)]
                    unsafe fn run_common(
                        step: &Step,
                        $lane: &mut Lane<'_>,
                        $at: *const u8,
                    ) -> Result<*const u8, *const u8> {
                        let ($pattern, $step) = (step.op, step) else { return Err($at) };
                        // SAFETY: R1 to R5.
                        unsafe { $common.ok_or($at) }
                    }
                )?
            }
        )*
    };
}

steps! {
    /// See [`skip::skip_varints`].
    SkipVarints = Op::SkipVarints { n } => |_, lane, cursors| skip::skip_varints::<C, 1>(n, cursors, &mut lane.fault),
        common |at| skip::after_varints::<C>(at, n, &lane.source);
    /// See [`skip::skip_bytes`].
    SkipBytes = Op::SkipBytes { n } => |_, lane, cursors| skip::skip_bytes::<C, 1>(n, cursors, &mut lane.fault),
        common |at| skip::after_bytes(at, n as usize, &lane.source);
    /// See [`skip::skip_fixed`].
    SkipFixed = Op::SkipFixed { bytes } => |_, lane, cursors| skip::skip_fixed(bytes, cursors, &mut lane.fault);
    /// See [`skip::skip_nullable`].
    SkipNullable = Op::SkipNullable { skip, null_branch, n } => |_, lane, cursors| {
        skip::skip_nullable::<C, 1>(skip, null_branch, n, cursors, &mut lane.fault)
    }, common |at| skip::after_nullable(skip, null_branch, n, at, &lane.source);
    /// See [`skip::expect_branch_0`].
    ExpectBranch0 = Op::ExpectBranch0 => |_, lane, cursors| skip::expect_branch_0::<C, 1>(cursors, &mut lane.fault);
    /// See [`nullable::push_mask`].
    PushMask = Op::PushMask { nulls } => |_, lane, cursors| {
        nullable::push_mask::<C, 1>(nulls, cursors, lane.slots(), &mut lane.fault);
        lane.mask = cursors[0].mask
    };
    /// See [`scalar::write_start`].
    RecordRowStart = Op::RecordRowStart { to } => |_, lane, cursors| scalar::write_start(to, cursors, lane.slots());
    /// See [`scalar::write_zeros`].
    WriteZeros = Op::WriteZeros { to, width } => |_, lane, cursors| {
        scalar::write_zeros(to, width, cursors, lane.slots())
    };
    /// Writes that a value is present.
    WriteValid = Op::WriteValid { to } => |_, lane, cursors| scalar::write_each(to, 1u8, cursors, lane.slots());
    /// See [`scalar::write_constant`].
    Constant = Op::Constant { to, slot } => |_, lane, cursors| {
        scalar::write_constant(to, slot, &lane.program.constants, cursors, lane.slots(), &mut lane.fault)
    };
    /// See [`scalar::write_view`].
    View = Op::View { to, view } => |_, lane, cursors| {
        scalar::write_view(to, view, &lane.program.constants, cursors, lane.slots(), &mut lane.fault)
    };
    /// See [`read_fused_varints`].
    FusedVarints = Op::FusedVarints { n } => |step, lane, cursors| {
        let ops = fused_ops(lane.program, step.operand, n);
        read_fused_varints::<C, 1>(ops, cursors, lane.slots(), &mut lane.fault)
    }, common |at| {
        let ops = fused_ops(lane.program, step.operand, n);
        read_short_varints::<C>(ops, at, &lane.source, lane.slot, lane.slots())
    };
}

/// Ends the record that was entered last.
pub(in crate::exec) struct PopMask;

impl<C: Cpu> StepCode<C> for PopMask {
    #[inline(always)]
    unsafe fn run(_: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        lane.mask >>= 1;
        at
    }
}

/// A fault.
pub(in crate::exec) struct Unresolvable;

impl<C: Cpu> StepCode<C> for Unresolvable {
    #[inline(always)]
    unsafe fn run(_: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
        lane.fault = true;
        at
    }
}

/// The `n` ops from `first` on, which are read together.
#[inline(always)]
pub(in crate::exec) fn fused_ops(program: &Program, first: u32, n: u8) -> &[Op] {
    program.body(Body { start: first, end: first + u32::from(n) }).unwrap_or_default()
}
