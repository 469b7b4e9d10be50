//! CPUs and memory: no more than there is.

use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let at = FactPath::host(name);
    if let Some(hardware) = &host.hardware
        && hardware.cpu.threads < hardware.cpu.cores
    {
        findings.add(
            at.clone().keys("hardware.cpu.threads"),
            format!(
                "is {}; there are {} cores",
                hardware.cpu.threads, hardware.cpu.cores
            ),
        );
    }
    check_memory(&at, host, findings);
}

fn check_memory(at: &FactPath, host: &Host, findings: &mut Findings<'_>) {
    let Some(hardware) = &host.hardware else {
        return;
    };
    let memory_kib = u64::from(hardware.memory_gib) * 1024 * 1024;
    if let Some(limit) = host.mlx.as_ref().and_then(|mlx| mlx.wired_limit_mib)
        && u64::from(limit) * 1024 >= memory_kib
    {
        findings.add(
            at.clone().keys("mlx.wired_limit_mib"),
            format!("is {limit}; there are {} MiB of memory", memory_kib / 1024),
        );
    }
}
