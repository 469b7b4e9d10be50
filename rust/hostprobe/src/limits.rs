//! Reads the limits of the kernel, to explain a refusal.

use std::fs;

/// `uname -r`.
pub(crate) fn kernel_release() -> String {
    word("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// First line of a file below /proc or /sys.
pub(crate) fn word(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Soft limit of this process, as /proc/self/limits names it (`Max locked memory`); `None` is unlimited or unknown.
pub(crate) fn soft_limit(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    soft_limit_in(&text, name)
}

fn soft_limit_in(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Locked memory of this process in KiB (`VmLck`, `proc_pid_status(5)`).
pub(crate) fn locked_kib() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmLck:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// A number of a huge page pool: `nr_hugepages`, `free_hugepages`, `resv_hugepages`
/// (Documentation/admin-guide/mm/hugetlbpage.rst).
pub(crate) fn hugepages(size_kib: u64, what: &str) -> Option<u64> {
    let path = format!("/sys/kernel/mm/hugepages/hugepages-{size_kib}kB/{what}");
    word(&path)?.parse().ok()
}

/// A kernel option, where the distribution keeps its configuration in /boot.
pub(crate) fn kernel_option(name: &str) -> Option<bool> {
    let path = format!("/boot/config-{}", kernel_release());
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().any(|line| line == format!("{name}=y")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_by_its_name() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max locked memory         8388608              unlimited            bytes     \n\
                    Max realtime priority     unlimited            99                             \n";
        assert_eq!(soft_limit_in(text, "Max locked memory"), Some(8_388_608));
        assert_eq!(soft_limit_in(text, "Max realtime priority"), None);
        assert_eq!(soft_limit_in(text, "Max nonsense"), None);
        assert_eq!(soft_limit_in("", "Max locked memory"), None);
    }
}
