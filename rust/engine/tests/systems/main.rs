//! Systems of Nix hosts, from the flake to the host's store: with programs that stand in for Nix, and with Nix
//! itself where there is one.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and prepares its repository"
)]

#[path = "../../../../tests/lib/demand.rs"]
mod demand;
mod played;
mod real;
mod world;
