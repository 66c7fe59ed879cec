//! Selects the fastest kernel set that the CPU supports, and links and runs programs with it. Tests select each
//! supported one.

use super::kernels;
use super::lane::{Lane, LinkedProgram};
use super::link::link;
use super::lockstep::run_rows;
use crate::program::Program;
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
    pub(super) fn current() -> CpuKind {
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

    /// Links a program for this kernel set.
    pub(super) fn link(self, program: &Program) -> LinkedProgram {
        match self {
            #[cfg(target_arch = "x86_64")]
            CpuKind::Avx512 => link::<kernels::Avx512>(program),
            #[cfg(target_arch = "x86_64")]
            CpuKind::Avx2 => link::<kernels::Avx2>(program),
            CpuKind::Portable => link::<kernels::Portable>(program),
        }
    }

    /// Runs rows on lanes of a program that is linked for this kernel set.
    ///
    /// # Safety
    /// R1 to R4, as for [`run_rows`]; R5: the kernel set is one of [`CpuKind::all`].
    pub(super) unsafe fn run_rows<const K: usize>(self, lanes: &mut [Lane<'_>; K], n: usize) {
        // SAFETY: R1 to R5.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                CpuKind::Avx512 => run_rows_avx512::<K>(lanes, n),
                #[cfg(target_arch = "x86_64")]
                CpuKind::Avx2 => run_rows_avx2::<K>(lanes, n),
                CpuKind::Portable => run_rows::<kernels::Portable, K>(lanes, n),
            }
        }
    }
}

// Read once for each run of rows, like the features of the CPU.
thread_local! {
    static FORCED: Cell<Option<CpuKind>> = const { Cell::new(None) };
}

/// # Safety
/// R1 to R5, as for [`run_rows`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_rows_avx512<const K: usize>(lanes: &mut [Lane<'_>; K], n: usize) {
    // SAFETY: R1 to R5; this function's features are those of `Avx512`.
    unsafe { run_rows::<kernels::Avx512, K>(lanes, n) }
}

/// # Safety
/// R1 to R5, as for [`run_rows`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_rows_avx2<const K: usize>(lanes: &mut [Lane<'_>; K], n: usize) {
    // SAFETY: R1 to R5; this function's features are those of `Avx2`.
    unsafe { run_rows::<kernels::Avx2, K>(lanes, n) }
}
