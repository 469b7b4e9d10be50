//! CPUs: no fewer threads than cores.

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
}
