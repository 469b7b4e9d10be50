//! Facts in, plan out: one case a kind of change and a kind of finding.
#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]
#![expect(
    clippy::unwrap_used,
    clippy::semicolon_if_nothing_returned,
    clippy::assigning_clones,
    reason = "a test: cases read best as one line each"
)]

mod artifacts;
mod changes;
mod closure;
mod effect;
mod findings;
mod first_step;
mod fixture;
mod foreign;
mod in_effect;
mod live;
mod lockout;
mod next_boot;
mod nix_host;
mod place;
mod saved;
mod unit_states;
