//! Kernel settings, words and symbols: each has one owner, and none defeats another concern.

use std::collections::BTreeSet;

use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::kernel::{Kernel, SymbolValue};
use crate::inventory::path::FactPath;
use crate::name::HostName;

/// Words of the command line that another concern writes.
const OWNED_WORDS: &[(&str, &str)] = &[
    ("isolcpus", "realtime.isolated_cpus"),
    ("nohz_full", "realtime.isolated_cpus"),
    ("rcu_nocbs", "realtime.isolated_cpus"),
    ("irqaffinity", "realtime.isolated_cpus"),
    ("hugepages", "hugepages.count"),
    ("hugepagesz", "hugepages.size_kib"),
    ("default_hugepagesz", "hugepages.size_kib"),
    ("transparent_hugepage", "hugepages.transparent"),
];

/// Kernel settings that another concern writes.
const OWNED_SETTINGS: &[(&str, &str)] = &[
    ("vm.nr_hugepages", "hugepages.count"),
    ("vm.hugetlb_shm_group", "hugepages.group"),
    ("kernel.sched_rt_runtime_us", "realtime.rt_runtime_us"),
    ("kernel.io_uring_group", "kernel.io_uring_group"),
];

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let at = FactPath::host(name);
    if let Some(kernel) = &host.kernel {
        check_words(&at, kernel, findings);
        check_settings(&at, kernel, findings);
        check_symbols(&at, host, kernel, findings);
    }
    let settings = host.network.as_ref().and_then(|n| n.sysctl.as_ref());
    for key in settings.into_iter().flat_map(|s| s.keys()) {
        if !key.as_str().starts_with("net.") {
            findings.add_with_hint(
                at.clone().keys("network.sysctl").key(key),
                "is not a network setting",
                "it belongs to `kernel.sysctl`",
            );
        }
    }
}

fn check_words(at: &FactPath, kernel: &Kernel, findings: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for (index, word) in kernel.command_line.iter().enumerate() {
        let path = at.clone().keys("kernel.command_line").index(index);
        let key = word.as_str().split('=').next().unwrap_or_default();
        if let Some((_, owner)) = OWNED_WORDS.iter().find(|(owned, _)| *owned == key) {
            findings.add_with_hint(
                path,
                format!("is `{word}`"),
                format!("`{owner}` writes it; leave it out here"),
            );
        } else if !seen.insert(key) && key != "console" {
            findings.add(path, format!("sets `{key}` a second time"));
        }
    }
}

fn check_settings(at: &FactPath, kernel: &Kernel, findings: &mut Findings<'_>) {
    for key in kernel.sysctl.keys() {
        let path = at.clone().keys("kernel.sysctl").key(key);
        if key.as_str().starts_with("net.") {
            findings.add_with_hint(
                path,
                "is a network setting",
                "it belongs to `network.sysctl`",
            );
        } else if let Some((_, owner)) = OWNED_SETTINGS
            .iter()
            .find(|(owned, _)| *owned == key.as_str())
        {
            findings.add_with_hint(
                path,
                "has another owner",
                format!("`{owner}` writes it; leave it out here"),
            );
        }
    }
}

fn check_symbols(at: &FactPath, host: &Host, kernel: &Kernel, findings: &mut Findings<'_>) {
    for (symbol, value) in &kernel.symbols {
        let path = at.clone().keys("kernel.symbols").key(symbol);
        let on = *value != SymbolValue::N;
        // NVIDIA's conftest refuses it (kernel-open/conftest.sh, unless told to look away).
        if symbol.as_str() == "PREEMPT_RT" && on && host.nvidia.is_some() {
            findings.add(
                path,
                "is on; NVIDIA's kernel modules refuse to be built for it",
            );
        // siderolabs/pkgs#1484, amazonlinux/amazon-linux-2023#315.
        } else if symbol.as_str() == "RT_GROUP_SCHED" && on && host.realtime.is_some() {
            findings.add(
                path,
                "is on; under cgroup v2 every service is then denied `SCHED_FIFO`",
            );
        }
    }
}
