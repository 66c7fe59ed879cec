//! Which code runs: the best that the CPU at hand can, or, in tests, each that it can.

/// Which of the [`Cpu`](super::kernels::Cpu)s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program) enum CpuKind {
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
    /// What to run on.
    #[inline]
    pub(super) fn at_hand() -> CpuKind {
        #[cfg(test)]
        if let Some(forced) = FORCED.get() {
            return forced;
        }
        Self::best()
    }

    /// The best that this CPU is.
    fn best() -> CpuKind {
        #[cfg(target_arch = "x86_64")]
        {
            let has_bits = is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            if has_bits && is_x86_feature_detected!("avx2") {
                let has_512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
                return if has_512 { CpuKind::Avx512 } else { CpuKind::Avx2 };
            }
        }
        CpuKind::Portable
    }

    /// All that this CPU is, the best first.
    #[cfg(test)]
    pub(in crate::program) fn all() -> Vec<CpuKind> {
        let mut all = vec![CpuKind::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            all.insert(0, CpuKind::Avx2);
            all.insert(0, CpuKind::Avx512);
        }
        let first = all.iter().position(|kind| *kind == Self::best()).unwrap_or(0);
        all.split_off(first)
    }

    /// Runs something on this kind, on this thread.
    #[cfg(test)]
    pub(in crate::program) fn force<T>(self, run: impl FnOnce() -> T) -> T {
        FORCED.set(Some(self));
        let result = run();
        FORCED.set(None);
        result
    }
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<CpuKind>> = const { std::cell::Cell::new(None) };
}
