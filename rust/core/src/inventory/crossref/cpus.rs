//! CPUs, priorities and memory: no more than there is, and enough left to run the machine.

use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let at = FactPath::host(name);
    let threads = host.hardware.as_ref().map(|hardware| hardware.cpu.threads);
    if let Some(realtime) = &host.realtime {
        let path = at.clone().keys("realtime.isolated_cpus");
        if let Some(threads) = threads {
            let beyond: Vec<u16> = realtime
                .isolated_cpus
                .iter()
                .copied()
                .filter(|cpu| *cpu >= threads)
                .collect();
            if !beyond.is_empty() {
                findings.add(
                    path.clone(),
                    format!("names {}; the CPUs are 0–{}", list(&beyond), threads - 1),
                );
            } else if realtime.isolated_cpus.len() == usize::from(threads) {
                findings.add(path.clone(), "leaves no CPU for everything else");
            }
        }
        if realtime.isolated_cpus.contains(&0) {
            findings.add_with_hint(
                path,
                "names CPU 0, which has to stay for the kernel's housekeeping",
                "isolate from the other end of the CPU list",
            );
        }
    }
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
    check_trading(&at, host, threads, findings);
    check_memory(&at, host, findings);
}

fn check_trading(at: &FactPath, host: &Host, threads: Option<u16>, findings: &mut Findings<'_>) {
    let Some(trading) = &host.trading else {
        return;
    };
    match (&host.realtime, threads) {
        (Some(realtime), _) => {
            let shared: Vec<u16> = trading
                .cpus
                .difference(&realtime.isolated_cpus)
                .copied()
                .collect();
            if !shared.is_empty() {
                findings.add(
                    at.clone().keys("trading.cpus"),
                    format!(
                        "names {}, which `realtime.isolated_cpus` does not",
                        list(&shared)
                    ),
                );
            }
            if trading.priority > realtime.max_priority {
                findings.add(
                    at.clone().keys("trading.priority"),
                    format!(
                        "is {}; `realtime.max_priority` is {}",
                        trading.priority, realtime.max_priority
                    ),
                );
            }
        }
        (None, Some(threads)) if trading.cpus.iter().any(|cpu| *cpu >= threads) => findings.add(
            at.clone().keys("trading.cpus"),
            format!(
                "names a CPU that is not there; the CPUs are 0–{}",
                threads - 1
            ),
        ),
        (None, _) => {}
    }
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

fn list(cpus: &[u16]) -> String {
    let words: Vec<String> = cpus.iter().map(ToString::to_string).collect();
    format!("CPU {}", words.join(", "))
}
