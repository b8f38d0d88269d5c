//! How full the disk of a database is.

use std::path::Path;

/// Percentage of the file system of a path that is in use, counted for who has no special rights; `None` when it cannot be told.
pub(crate) fn usage(path: &Path) -> Option<f64> {
    let system = rustix::fs::statvfs(path).ok()?;
    let used = system.f_blocks.saturating_sub(system.f_bfree);
    let usable = used + system.f_bavail;
    (usable > 0).then(|| used as f64 * 100.0 / usable as f64)
}

/// The bytes of the file system of a path that may still be written by who has no special rights, and all of them.
pub(crate) fn space(path: &Path) -> Option<(u64, u64)> {
    let system = rustix::fs::statvfs(path).ok()?;
    Some((system.f_bavail.saturating_mul(system.f_frsize), system.f_blocks.saturating_mul(system.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_a_usage_and_a_missing_one_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let used = usage(folder.path()).unwrap();
        assert!((0.0..=100.0).contains(&used), "{used}");
        assert_eq!(usage(&folder.path().join("missing")), None);
        let (free, total) = space(folder.path()).unwrap();
        assert!(free <= total && total > 0, "{free} of {total}");
    }
}
