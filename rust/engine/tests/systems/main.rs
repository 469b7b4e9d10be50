//! Systems of Nix hosts, from the flake to the host's store: with programs that stand in for Nix, and with Nix
//! itself where there is one.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test fails by panicking, prepares its repository, and says why it skips"
)]

mod played;
mod real;
mod world;
