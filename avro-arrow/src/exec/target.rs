//! Kernel sets as targets: compiles the code of steps for the CPU of each.

#[cfg(target_arch = "x86_64")]
use super::kernels::{Avx2, Avx512};
use super::kernels::{Cpu, Portable};
use super::lane::{Lane, Step, StepCode, StepFn};

/// A kernel set that steps are compiled for.
pub(super) trait StepTarget: Cpu {
    /// The code of a step, compiled for this CPU.
    fn compiled<S: StepCode<Self>>() -> StepFn;
}

impl StepTarget for Portable {
    fn compiled<S: StepCode<Self>>() -> StepFn {
        portable::<S>
    }
}

#[cfg(target_arch = "x86_64")]
impl StepTarget for Avx2 {
    fn compiled<S: StepCode<Self>>() -> StepFn {
        avx2::<S>
    }
}

#[cfg(target_arch = "x86_64")]
impl StepTarget for Avx512 {
    fn compiled<S: StepCode<Self>>() -> StepFn {
        avx512::<S>
    }
}

/// # Safety
/// R1 to R5, for a step of this kind.
unsafe fn portable<S: StepCode<Portable>>(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
    // SAFETY: R1 to R5.
    unsafe {
        if S::HAS_COMMON {
            match S::run_common(step, lane, at) {
                Ok(at) => at,
                Err(at) => portable_whole::<S>(step, lane, at),
            }
        } else {
            S::run(step, lane, at)
        }
    }
}

/// # Safety
/// R1 to R5, for a step of this kind.
#[inline(never)]
unsafe fn portable_whole<S: StepCode<Portable>>(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
    // SAFETY: R1 to R5.
    unsafe { S::run(step, lane, at) }
}

/// # Safety
/// R1 to R5, for a step of this kind.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn avx2<S: StepCode<Avx2>>(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
    // SAFETY: R1 to R5.
    unsafe {
        if S::HAS_COMMON {
            match S::run_common(step, lane, at) {
                Ok(at) => at,
                Err(at) => avx2_whole::<S>(step, lane, at),
            }
        } else {
            S::run(step, lane, at)
        }
    }
}

/// # Safety
/// R1 to R5, for a step of this kind.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline(never)]
unsafe fn avx2_whole<S: StepCode<Avx2>>(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
    // SAFETY: R1 to R5.
    unsafe { S::run(step, lane, at) }
}

/// # Safety
/// R1 to R5, for a step of this kind.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn avx512<S: StepCode<Avx512>>(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
    // SAFETY: R1 to R5.
    unsafe {
        if S::HAS_COMMON {
            match S::run_common(step, lane, at) {
                Ok(at) => at,
                Err(at) => avx512_whole::<S>(step, lane, at),
            }
        } else {
            S::run(step, lane, at)
        }
    }
}

/// # Safety
/// R1 to R5, for a step of this kind.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline(never)]
unsafe fn avx512_whole<S: StepCode<Avx512>>(step: &Step, lane: &mut Lane<'_>, at: *const u8) -> *const u8 {
    // SAFETY: R1 to R5.
    unsafe { S::run(step, lane, at) }
}
