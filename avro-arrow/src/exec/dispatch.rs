//! Selects the fastest kernel set that the CPU supports, and runs bodies with it. Tests select each supported one.

use super::kernels::{self, Cpu};
use super::lane::Lane;
use super::run_body;
use crate::program::{Body, Program};
use std::array::from_mut;
use std::cell::Cell;

/// A kernel set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuKind {
    /// Runs on every CPU.
    Portable,
    /// Needs AVX2, BMI1 and BMI2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Needs AVX-512 as well.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl CpuKind {
    /// The kernel set to run on.
    #[inline]
    fn current() -> CpuKind {
        FORCED.get().unwrap_or_else(Self::best)
    }

    /// The fastest kernel set this CPU supports.
    fn best() -> CpuKind {
        #[cfg(target_arch = "x86_64")]
        {
            let has_bits = is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            if has_bits && is_x86_feature_detected!("avx2") {
                let has_512 = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("avx512vbmi2");
                return if has_512 { CpuKind::Avx512 } else { CpuKind::Avx2 };
            }
        }
        CpuKind::Portable
    }

    /// All kernel sets this CPU supports, the fastest first.
    pub fn all() -> Vec<CpuKind> {
        let mut all = vec![CpuKind::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            all.insert(0, CpuKind::Avx2);
            all.insert(0, CpuKind::Avx512);
        }
        let first = all.iter().position(|kind| *kind == Self::best()).unwrap_or(0);
        all.split_off(first)
    }

    /// Runs code with this kernel set on this thread, for tests and fuzz targets. It must be one of [`CpuKind::all`].
    pub fn force<T>(self, run: impl FnOnce() -> T) -> T {
        FORCED.set(Some(self));
        let result = run();
        FORCED.set(None);
        result
    }
}

// Read once for each run of rows, like the features of the CPU.
thread_local! {
    static FORCED: Cell<Option<CpuKind>> = const { Cell::new(None) };
}

/// Runs rows with the code for the current CPU.
///
/// # Safety
/// R1 to R4, as for [`run_body`].
pub(super) unsafe fn run_rows<const K: usize>(
    program: &Program,
    body: Body,
    lanes: &mut [Lane<'_>; K],
    first: [usize; K],
    n: usize,
) {
    match CpuKind::current() {
        // SAFETY: R1 to R4; R5: `best` detected the features.
        #[cfg(target_arch = "x86_64")]
        CpuKind::Avx512 => unsafe { run_body_avx512::<K>(program, body, lanes, first, n) },
        // SAFETY: R1 to R4; R5: `best` detected the features.
        #[cfg(target_arch = "x86_64")]
        CpuKind::Avx2 => unsafe { run_body_avx2::<K>(program, body, lanes, first, n) },
        // SAFETY: R1 to R4; R5: every CPU has what `Portable` needs.
        CpuKind::Portable => unsafe { run_body::<kernels::Portable, K>(program, body, lanes, first, n) },
    }
}

/// # Safety
/// R1 to R5, as for [`run_body`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_body_avx512<const K: usize>(
    program: &Program,
    body: Body,
    lanes: &mut [Lane<'_>; K],
    first: [usize; K],
    n: usize,
) {
    // SAFETY: R1 to R5; this function's features are those of `Avx512`.
    unsafe { run_body::<kernels::Avx512, K>(program, body, lanes, first, n) }
}

/// # Safety
/// R1 to R5, as for [`run_body`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_body_avx2<const K: usize>(
    program: &Program,
    body: Body,
    lanes: &mut [Lane<'_>; K],
    first: [usize; K],
    n: usize,
) {
    // SAFETY: R1 to R5; this function's features are those of `Avx2`.
    unsafe { run_body::<kernels::Avx2, K>(program, body, lanes, first, n) }
}

/// Runs a body on one lane, for [`run_body`] to call recursively.
pub(super) trait Nested: Cpu {
    /// # Safety
    /// R1 to R5, as for [`run_body`].
    unsafe fn run_nested(program: &Program, body: Body, lane: &mut Lane<'_>, first: usize, n: usize);
}

impl Nested for kernels::Portable {
    #[inline(never)]
    unsafe fn run_nested(program: &Program, body: Body, lane: &mut Lane<'_>, first: usize, n: usize) {
        // SAFETY: R1 to R5.
        unsafe { run_body::<Self, 1>(program, body, from_mut(lane), [first], n) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Nested for kernels::Avx2 {
    #[inline(never)]
    unsafe fn run_nested(program: &Program, body: Body, lane: &mut Lane<'_>, first: usize, n: usize) {
        // SAFETY: R1 to R5.
        unsafe { run_body_avx2::<1>(program, body, from_mut(lane), [first], n) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Nested for kernels::Avx512 {
    #[inline(never)]
    unsafe fn run_nested(program: &Program, body: Body, lane: &mut Lane<'_>, first: usize, n: usize) {
        // SAFETY: R1 to R5.
        unsafe { run_body_avx512::<1>(program, body, from_mut(lane), [first], n) }
    }
}
