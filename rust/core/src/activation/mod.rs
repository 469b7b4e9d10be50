//! Activation: how a plan becomes a running, confirmed state of a host, or is put back.
//!
//! ```text
//! stage → lock → validate → checkpoint → arm → activate → check → confirm → commit
//!                                         └── anything wrong → roll back → verify the rollback
//! ```
//!
//! [`machine`] is the specification: every `(phase, event)` pair has one [`Step`], taken by the
//! controller or by the host itself. [`bundle`] makes what is staged on the host; `host.sh` is the
//! fixed program that runs it there and is tested against the same table; [`status`] reads what
//! that program says.
//!
//! # Verbs of `host.sh`
//!
//! [`command`] makes the scripts for `Transport::run`. Every verb prints one status frame (see
//! [`status`]) on stdout, whatever happened, and sentences instead where stdout is a terminal; the exit status says it
//! in short:
//!
//! | exit | meaning |
//! | ---: | --- |
//! | 0 | done as asked |
//! | 1 | not possible now (wrong nonce, unknown apply, wrong phase); nothing was changed by this call |
//! | 2 | usage |
//! | 5 | the apply is rolled back and that was verified, or abandoned after a failed rollback |
//! | 6 | the rollback failed or could not be verified |
//! | 9 | refused before anything was changed |
//!
//! - `start ID [--steal]`: lease, stale checks, validation, checkpoint, dead-man timer, detached `run`. In a
//!   sandbox it runs the activation itself, so it returns with phase `activated`.
//! - `run ID`: what the detached unit does. Never called by the controller.
//! - `status [ID [OFFSET]] [--frame] [--extend SECONDS]`: the truth from the host alone. Without an id: the open
//!   apply, else the last one. It tells people in sentences what is going on, what happens next by itself and which
//!   command ends it; programs ask for the frame by `--frame` or by an offset. `--extend` moves the deadline to at least
//!   that far from now, up to the bundle's `max_seconds`.
//! - `confirm ID`: nonce on stdin. Commits; again on a committed apply: 0. Too late, or no room to write the
//!   commit down: rolls back, 5 or 6.
//! - `rollback [ID] [--reason CODE TEXT]`: puts back what the (open) apply changed, and keeps the reason. Works by hand
//!   from a console.
//! - `rollback [ID] --abandon`: only where a rollback failed: the host is taken as it is, the apply is over.
//! - `recover ID | --boot`: what the dead-man timer and the boot unit call; does nothing while the deadline
//!   is ahead.
//!
//! # Programs of other versions
//!
//! Each apply brings its own `host.sh`, scripts and `meta`, and only that program starts, confirms, rolls back or recovers
//! it. The one in [`STATE_DIR`] is that of the last apply that got the lease. What a program reads of another's applies:
//! `id`, `phase`, `failure`, `deadline`, `boot`, `skips`, `reboot`, `log`, and of `meta` the keys `holder`, `base` and `kind`; of their
//! generations `original/` and the lists and records of JSON. These keep their form.
//!
//! The journal of an apply holds what the activation began: one line `VERB ARGUMENTS` each, which the rollback reads. The
//! log is for people.
//!
//! # Systems that Nix built
//!
//! `apply.sh` lets a system run (`switch-to-configuration test`, or `activate` of nix-darwin), `commit.sh` makes it
//! what the host boots: profile, then `switch-to-configuration boot`. That happens before the phase says
//! `committed`, while it can be rolled back: a commit that fails or is cut off leaves phase `activated`, and the
//! next process that finds it unattended restores profile, boot default and running system. Exit codes of
//! `switch-to-configuration`: 0 done, 1 refused (a lock, a check before the switch), 2 the activation script failed,
//! 4 units failed (those that had failed before are no failure), 100 the init is incompatible and nothing was
//! switched. A reboot before the commit is a rollback already; `status` and `recover` look at it and say so.
//!
//! What must outlive a call is started by systemd or by launchd (`host/systemd.sh`, `host/launchd.sh`). On macOS one
//! daemon in `/Library/LaunchDaemons` is both dead-man timer and boot recovery.

pub mod bundle;
pub mod command;
pub mod machine;
mod script;
pub mod status;

pub use bundle::{Bundle, BundleFile, bundle};
pub use command::{ApplyId, ApplyMeta};
pub use machine::{Action, Actor, Event, Phase, Step, next};
pub use status::Status;

/// State directory of every host; a sandbox has it below its root.
pub const STATE_DIR: &str = "/var/lib/deployctl";
