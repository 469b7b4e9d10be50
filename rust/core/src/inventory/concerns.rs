//! The registry of concerns: what is to be known of each beside its facts, said once.

use super::host::{Host, Platform};

/// One word of a [`Host`] that is a concern.
#[derive(Debug, Clone, Copy)]
pub struct Concern {
    /// The word in the inventory.
    pub name: &'static str,
    /// Where a host can declare it.
    pub runs_on: RunsOn,
    /// The units that it brings on `NixOS`; on Ubuntu its `module.toml` says them.
    pub nixos_units: &'static [NixosUnit],
    declared: fn(&Host) -> bool,
}

/// The platforms of a concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsOn {
    /// All.
    Every,
    /// Linux alone; why a Mac has none.
    Linux(&'static str),
    /// Macs alone; why Linux has none.
    Mac(&'static str),
}

/// A unit of `NixOS` that runs where its concern is declared.
#[derive(Debug, Clone, Copy)]
pub struct NixosUnit {
    /// Its name there.
    pub name: &'static str,
    /// Whether the facts want it to run.
    pub runs: fn(&Host) -> bool,
}

impl Concern {
    /// Whether `host` declares it.
    pub fn is_declared(&self, host: &Host) -> bool {
        (self.declared)(host)
    }
}

impl RunsOn {
    /// Whether hosts of `platform` can declare it.
    pub fn includes(self, platform: Platform) -> bool {
        match self {
            Self::Every => true,
            Self::Linux(_) => platform.is_linux(),
            Self::Mac(_) => platform == Platform::Darwin,
        }
    }
}

/// The concern of that name.
pub fn concern(name: &str) -> Option<&'static Concern> {
    CONCERNS.iter().find(|concern| concern.name == name)
}

/// `name: platforms;`, then the units of `NixOS`, each with what makes it run where not the declaration alone does.
macro_rules! concerns {
    ($($name:ident: $runs_on:expr $(, $unit:literal $(if $runs:expr)?)*;)*) => {
        /// Every concern, in the order of the design.
        pub const CONCERNS: &[Concern] = &[$(Concern {
            name: stringify!($name),
            runs_on: $runs_on,
            nixos_units: &[$(NixosUnit { name: $unit, runs: concerns!(@runs $($runs)?) },)*],
            declared: |host| host.$name.is_some(),
        },)*];
    };
    (@runs) => { |_| true };
    (@runs $runs:expr) => { $runs };
}

use RunsOn::{Every, Linux, Mac};

concerns! {
    system: Every;
    ssh: Every, "sshd.service";
    time: Linux("macOS keeps the time by itself"), "chronyd.service";
    network: Every;
    firewall: Linux("macOS filters programs, not ports; what listens binds to an address");
    storage: Linux("macOS mounts what is plugged in");
    kernel: Linux("Apple's own, without parameters");
    hugepages: Linux("macOS has no pool of them");
    realtime: Linux("macOS isolates no CPUs");
    nvidia: Linux("macOS has no driver for it");
    cuda: Linux("needs an NVIDIA GPU");
    python: Every;
    vllm: Linux("needs an NVIDIA GPU; `mlx` serves models there"), "vllm.service";
    mlx: Mac("runs on Apple's GPUs alone");
    gateway: Every;
    trading: Linux("the engine is a Linux program"), "trading.service" if starts_trading;
    power: Every;
    monitoring: Every;
    image: Linux("Macs come with their system");
    nix: Every;
    extra: Every;
}

/// The engine may be declared and started by hand.
fn starts_trading(host: &Host) -> bool {
    let trading = host.trading.as_ref();
    trading.is_some_and(|trading| trading.start_at_boot)
}
