//! Stories of deployctl on real machines: each boots its own, tells one thing that happens to
//! operators, and leaves nothing behind.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

mod access;
mod archives;
mod artifacts;
mod artifacts_darwin;
mod artifacts_nixos;
mod artifacts_sent;
mod bad_hosts;
mod bare;
mod closures;
mod closures_darwin;
mod closures_everyday;
mod closures_refused;
mod closures_rollback;
mod cluster;
mod debs;
#[path = "../../../lib/demand.rs"]
mod demand;
mod demo;
mod effect;
mod environments;
mod environments_nix;
mod everyday;
mod first;
mod gates;
mod hub;
mod in_effect;
mod inference;
mod links;
mod next_boot;
mod outcomes;
mod packages;
mod probe;
mod projects;
mod ray;
mod releases;
mod rollback;
mod secrets;
mod served;
mod strangers;
mod sudo;
mod verify;
mod ways_in;
