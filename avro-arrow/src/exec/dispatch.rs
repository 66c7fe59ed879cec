//! Selects the fastest kernel set that the CPU supports. Tests select each supported one.

use std::cell::Cell;

/// A kernel set: one of the [`Cpu`](super::kernels::Cpu)s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CpuKind {
    /// [`kernels::Portable`](super::kernels::Portable).
    Portable,
    /// [`kernels::Avx2`](super::kernels::Avx2).
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// [`kernels::Avx512`](super::kernels::Avx512).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl CpuKind {
    /// The kernel set to run on.
    #[inline]
    pub(super) fn at_hand() -> CpuKind {
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
    pub(crate) fn all() -> Vec<CpuKind> {
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
    pub(crate) fn force<T>(self, run: impl FnOnce() -> T) -> T {
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
