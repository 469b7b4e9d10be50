//! The checks of each concern: one file turns its facts into checks.

mod darwin;
mod extra;
mod firewall;
pub(crate) mod kernel;
mod network;
mod ssh;
mod storage;
pub(crate) mod system;

use deployctl_core::concern::{self, Concerns};

use crate::{Check, Declared};

/// The checks of one concern; none where the host does not declare it.
pub(crate) type Concern = fn(&Declared<'_>) -> Vec<Check>;

/// `name: [functions on Linux], [functions on macOS];`
macro_rules! concerns {
    ($($name:ident: [$($linux:path),*], [$($macos:path),*];)*) => {
        /// Every concern that has checks, in the order of the report: its name, its checks on Linux and on macOS.
        pub(crate) const CONCERNS: &[(&str, Concern, Concern)] = &[$((
            $name::CONCERN,
            concerns!(@all $name [$($linux),*]),
            concerns!(@all $name [$($macos),*]),
        ),)*];
    };
    (@all $name:ident []) => { |_| Vec::new() };
    (@all $name:ident [$($make:path),*]) => {
        |declared| {
            let facts = declared.host.$name.as_ref();
            [$(of(declared, facts, $make)),*].into_iter().flatten().collect()
        }
    };
}

concerns! {
    system: [system::checks], [darwin::system];
    ssh: [ssh::checks], [darwin::ssh];
    network: [network::checks], [darwin::network];
    firewall: [firewall::checks], [];
    storage: [storage::checks], [];
    kernel: [kernel::checks], [];
    extra: [extra::checks], [extra::checks];
}

fn of<T>(
    declared: &Declared<'_>,
    facts: Option<&T>,
    make: fn(&T, &Declared<'_>) -> Vec<Check>,
) -> Vec<Check> {
    facts.map(|facts| make(facts, declared)).unwrap_or_default()
}

/// The concerns of ours that have checks, by a folder's `checks.toml` or in Rust.
pub fn concerns() -> impl Iterator<Item = &'static str> {
    let checked = |concern: &&concern::Concern| {
        concern.checks.is_some()
            || CONCERNS
                .iter()
                .any(|(name, ..)| *name == concern.name.as_str())
    };
    let concerns = Concerns::built_in().iter().filter(checked);
    concerns.map(|concern| concern.name.as_str())
}
