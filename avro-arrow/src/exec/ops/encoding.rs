//! The kernel of each encoding, and how it is made.

use crate::exec::kernels::*;
use crate::program::{Constants, ScalarEncoding, View};

/// A kind of kernel that is made of an encoding's operand.
pub(in crate::exec) trait KernelOf {
    type Kernel<'a>: Kernel;

    /// `None` if the constants lack the operand, which a verified program excludes (R1).
    fn new(operand: u32, constants: &Constants) -> Option<Self::Kernel<'_>>;
}

/// Says of which operand and constants a kernel is made.
macro_rules! kernel_of {
    ($($kind:ty, $kernel:ty, |$operand:pat_param, $constants:pat_param| $made:expr;)*) => {
        $(
            impl KernelOf for $kind {
                type Kernel<'a> = $kernel;

                #[inline(always)]
                fn new($operand: u32, $constants: &Constants) -> Option<Self::Kernel<'_>> {
                    $made
                }
            }
        )*
    };
}

kernel_of! {
    Boolean, Self, |_, _| Some(Boolean);
    Int, Self, |_, _| Some(Int);
    Long, Self, |_, _| Some(Long);
    Raw<4>, Self, |_, _| Some(Raw);
    Raw<8>, Self, |_, _| Some(Raw);
    Raw<16>, Self, |_, _| Some(Raw);
    Index, Self, |n, _| Some(Index(n));
    Bytes, Self, |_, _| Some(Bytes);
    Utf8, Self, |_, _| Some(Utf8);
    Decimal128, Self, |_, _| Some(Decimal128);
    Decimal256, Self, |_, _| Some(Decimal256);
    FixedDecimal128, Self, |size, _| Some(FixedDecimal128(size));
    FixedDecimal256, Self, |size, _| Some(FixedDecimal256(size));
    Duration, Self, |_, _| Some(Duration);
    IntTo<i64>, Self, |_, _| Some(Self::INT);
    IntTo<f32>, Self, |_, _| Some(Self::INT);
    IntTo<f64>, Self, |_, _| Some(Self::INT);
    LongTo<f32>, Self, |_, _| Some(Self::LONG);
    LongTo<f64>, Self, |_, _| Some(Self::LONG);
    FloatTo<f64>, Self, |_, _| Some(Self::FLOAT);
    Found<'static, Option<u32>>, Found<'a, Option<u32>>, |table, constants| constants.table_of(table).map(Found);
    Found<'static, View>, Found<'a, View>, |texts, constants| constants.texts_of(texts).map(Found);
    Times, Self, |rescale, constants| constants.rescale_of(rescale).map(Times);
    Scaled128, Self, |rescale, constants| constants.rescale_of(rescale).map(Scaled128);
    Scaled256, Self, |rescale, constants| constants.rescale_of(rescale).map(Scaled256);
}

/// The operand of an encoding; 0 if it has none.
pub(in crate::exec) fn operand(encoding: ScalarEncoding) -> u32 {
    match encoding {
        ScalarEncoding::Enum(operand)
        | ScalarEncoding::Fixed(operand)
        | ScalarEncoding::FixedDecimal128(operand)
        | ScalarEncoding::FixedDecimal256(operand)
        | ScalarEncoding::Symbol(operand)
        | ScalarEncoding::SymbolText(operand)
        | ScalarEncoding::Times(operand)
        | ScalarEncoding::Scaled128(operand)
        | ScalarEncoding::Scaled256(operand) => operand,
        _ => 0,
    }
}

/// Evaluates an expression in which `$kind` is the [`KernelOf`] of an encoding; another one for the bytes of a fixed.
///
/// The slot of a kernel is as wide as [`ScalarEncoding::width`] says (R1), which those who write it assert.
macro_rules! with_kernel {
    ($encoding:expr, $kind:ident => $run:expr, fixed => $fixed:expr) => {
        match $encoding {
            ScalarEncoding::Boolean => with_kernel!(@ $kind = kernels::Boolean, $run),
            ScalarEncoding::Int => with_kernel!(@ $kind = kernels::Int, $run),
            ScalarEncoding::Long => with_kernel!(@ $kind = kernels::Long, $run),
            ScalarEncoding::Float => with_kernel!(@ $kind = kernels::Raw<4>, $run),
            ScalarEncoding::Double => with_kernel!(@ $kind = kernels::Raw<8>, $run),
            ScalarEncoding::Enum(_) => with_kernel!(@ $kind = kernels::Index, $run),
            ScalarEncoding::Bytes => with_kernel!(@ $kind = kernels::Bytes, $run),
            ScalarEncoding::String => with_kernel!(@ $kind = kernels::Utf8, $run),
            ScalarEncoding::Decimal128 => with_kernel!(@ $kind = kernels::Decimal128, $run),
            ScalarEncoding::Decimal256 => with_kernel!(@ $kind = kernels::Decimal256, $run),
            ScalarEncoding::FixedDecimal128(_) => with_kernel!(@ $kind = kernels::FixedDecimal128, $run),
            ScalarEncoding::FixedDecimal256(_) => with_kernel!(@ $kind = kernels::FixedDecimal256, $run),
            ScalarEncoding::Duration => with_kernel!(@ $kind = kernels::Duration, $run),
            ScalarEncoding::Fixed(16) => with_kernel!(@ $kind = kernels::Raw<16>, $run),
            ScalarEncoding::Fixed(_) => $fixed,
            ScalarEncoding::IntToLong => with_kernel!(@ $kind = kernels::IntTo<i64>, $run),
            ScalarEncoding::IntToFloat => with_kernel!(@ $kind = kernels::IntTo<f32>, $run),
            ScalarEncoding::IntToDouble => with_kernel!(@ $kind = kernels::IntTo<f64>, $run),
            ScalarEncoding::LongToFloat => with_kernel!(@ $kind = kernels::LongTo<f32>, $run),
            ScalarEncoding::LongToDouble => with_kernel!(@ $kind = kernels::LongTo<f64>, $run),
            ScalarEncoding::FloatToDouble => with_kernel!(@ $kind = kernels::FloatTo<f64>, $run),
            ScalarEncoding::Symbol(_) => with_kernel!(@ $kind = kernels::Found<'static, Option<u32>>, $run),
            ScalarEncoding::SymbolText(_) => with_kernel!(@ $kind = kernels::Found<'static, View>, $run),
            ScalarEncoding::Times(_) => with_kernel!(@ $kind = kernels::Times, $run),
            ScalarEncoding::Scaled128(_) => with_kernel!(@ $kind = kernels::Scaled128, $run),
            ScalarEncoding::Scaled256(_) => with_kernel!(@ $kind = kernels::Scaled256, $run),
        }
    };
    (@ $kind:ident = $kernel:ty, $run:expr) => {{
        type $kind = $kernel;
        $run
    }};
}
pub(in crate::exec) use with_kernel;
