//! The checks of each concern: one file turns its facts into checks.

mod cuda;
mod darwin;
mod extra;
mod firewall;
mod gateway;
mod hugepages;
mod kernel;
mod mlx;
mod monitoring;
mod network;
pub(crate) mod nvidia;
mod power;
mod python;
mod realtime;
mod ssh;
mod storage;
pub(crate) mod system;
mod time;
mod trading;
mod vllm;

use crate::{Check, Declared};

/// The checks of one concern; none where the host does not declare it.
pub(crate) type Concern = fn(&Declared<'_>) -> Vec<Check>;

/// Where a platform has nothing of the concern to ask about.
const NONE: Concern = |_| Vec::new();

/// Every concern that has checks, in the order of the report: its name, its checks on Linux and on macOS.
pub(crate) const CONCERNS: &[(&str, Concern, Concern)] = &[
    (
        system::CONCERN,
        |d| of(d, d.host.system.as_ref(), system::checks),
        |d| of(d, d.host.system.as_ref(), darwin::system::checks),
    ),
    (
        ssh::CONCERN,
        |d| of(d, d.host.ssh.as_ref(), ssh::checks),
        |d| of(d, d.host.ssh.as_ref(), darwin::ssh::checks),
    ),
    (
        time::CONCERN,
        |d| of(d, d.host.time.as_ref(), time::checks),
        NONE,
    ),
    (
        network::CONCERN,
        |d| of(d, d.host.network.as_ref(), network::checks),
        |d| of(d, d.host.network.as_ref(), darwin::network::checks),
    ),
    (
        firewall::CONCERN,
        |d| of(d, d.host.firewall.as_ref(), firewall::checks),
        NONE,
    ),
    (
        storage::CONCERN,
        |d| of(d, d.host.storage.as_ref(), storage::checks),
        NONE,
    ),
    (
        kernel::CONCERN,
        |d| of(d, d.host.kernel.as_ref(), kernel::checks),
        NONE,
    ),
    (
        hugepages::CONCERN,
        |d| of(d, d.host.hugepages.as_ref(), hugepages::checks),
        NONE,
    ),
    (
        realtime::CONCERN,
        |d| of(d, d.host.realtime.as_ref(), realtime::checks),
        NONE,
    ),
    (
        nvidia::CONCERN,
        |d| of(d, d.host.nvidia.as_ref(), nvidia::checks),
        NONE,
    ),
    (
        cuda::CONCERN,
        |d| of(d, d.host.cuda.as_ref(), cuda::checks),
        NONE,
    ),
    (
        python::CONCERN,
        |d| of(d, d.host.python.as_ref(), python::checks),
        NONE,
    ),
    (
        vllm::CONCERN,
        |d| of(d, d.host.vllm.as_ref(), vllm::checks),
        NONE,
    ),
    (mlx::CONCERN, NONE, |d| {
        of(d, d.host.mlx.as_ref(), mlx::checks)
    }),
    (
        gateway::CONCERN,
        |d| of(d, d.host.gateway.as_ref(), gateway::checks),
        NONE,
    ),
    (
        trading::CONCERN,
        |d| of(d, d.host.trading.as_ref(), trading::checks),
        NONE,
    ),
    (
        power::CONCERN,
        |d| of(d, d.host.power.as_ref(), power::checks),
        |d| {
            let mut checks = of(d, d.host.power.as_ref(), darwin::power::checks);
            checks.extend(of(d, d.host.power.as_ref(), power::checks));
            checks
        },
    ),
    (
        monitoring::CONCERN,
        |d| of(d, d.host.monitoring.as_ref(), monitoring::checks),
        |d| of(d, d.host.monitoring.as_ref(), monitoring::checks),
    ),
    (
        extra::CONCERN,
        |d| of(d, d.host.extra.as_ref(), extra::checks),
        |d| of(d, d.host.extra.as_ref(), extra::checks),
    ),
];

fn of<T>(
    declared: &Declared<'_>,
    facts: Option<&T>,
    make: fn(&T, &Declared<'_>) -> Vec<Check>,
) -> Vec<Check> {
    facts.map(|facts| make(facts, declared)).unwrap_or_default()
}

/// The concerns that have a file of checks.
pub fn concerns() -> impl Iterator<Item = &'static str> {
    CONCERNS.iter().map(|(name, ..)| *name)
}
