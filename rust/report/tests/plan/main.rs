//! Plans of every kind as people read them.
#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]
#![expect(
    clippy::unwrap_used,
    clippy::assigning_clones,
    clippy::format_collect,
    reason = "a test: cases read best as one line each"
)]

mod artifacts;
mod closure;
#[expect(dead_code, reason = "core's tests of plans need more of it")]
#[path = "../../../core/tests/plan/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "core's tests of plans need more of it")]
#[path = "../../../core/tests/plan/nix_host.rs"]
mod nix_host;
mod stories;
mod text;
