//! The program that runs on hosts, driven in sandboxes, against the table in `activation::machine`.
#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at what the host program did, on real directories"
)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod closure;
mod closure_cut;
#[path = "../../../../tests/lib/demand.rs"]
mod demand;
mod earlier;
mod full;
mod headers;
mod launchd;
mod life;
mod recovery;
mod sandbox;
#[path = "../shellcheck/mod.rs"]
mod shellcheck;
mod stand_in;
mod table;
mod text;
mod words;
