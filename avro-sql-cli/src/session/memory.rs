//! The default memory limit of queries: a share of the machine's memory, or of the container's if that is less.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// The share in percent. The rest is for decoded blocks, the result and other programs.
const SHARE_PERCENT: u64 = 80;

/// Decoded columns may keep this part of the limit.
const COLUMNS_DIVISOR: usize = 4;

/// Returns the default limit in bytes; `None` if the operating system does not tell its memory.
pub(crate) fn default_limit() -> Option<usize> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory).ok()?;
    let container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
    share(system.total_memory(), container)
}

/// Returns how much of a memory limit decoded columns may keep for later statements.
pub(crate) fn columns(limit: Option<usize>) -> usize {
    limit.or_else(default_limit).unwrap_or_default() / COLUMNS_DIVISOR
}

/// Returns the share of the smaller of two sizes; 0 bytes are an unknown size.
fn share(machine: u64, container: u64) -> Option<usize> {
    let bytes = [machine, container].into_iter().filter(|bytes| *bytes > 0).min()?;
    (bytes < u64::MAX).then(|| usize::try_from(bytes / 100 * SHARE_PERCENT).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_uses_smaller_size() {
        assert_eq!(share(1000, u64::MAX), Some(800));
        assert_eq!(share(1000, 500), Some(400));
        assert_eq!(share(0, 500), Some(400));
        assert_eq!(share(0, u64::MAX), None);
        assert_eq!(share(0, 0), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn default_limit_exists() {
        let limit = default_limit().unwrap_or(0);
        assert!(limit > 100 << 20, "{limit}");
    }
}
