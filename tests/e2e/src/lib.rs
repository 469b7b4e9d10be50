//! Real machines for tests: systemd, sshd, sudo and apt in containers, on a network of their own.
//!
//! A [`World`] is a network namespace with a bridge; every [`Machine`] in it is a Debian root
//! (an overlay on a cached base, so it is new each time and costs nothing) booted by
//! `systemd-nspawn`. The controller, i.e. the program under test, runs in the same namespace by
//! [`World::controller`] and reaches the machines over ssh. The computer's own network is never
//! touched, and everything is removed when the world is dropped; what a killed test leaves behind
//! is removed by `tests/e2e/sweep`.
//!
//! ```no_run
//! use deployctl_e2e::{MachineSpec, World};
//!
//! # fn main() -> anyhow::Result<()> {
//! let world = World::new()?;
//! let cuda = world.boot(&MachineSpec::new("cuda"))?;
//! cuda.write("/etc/motd", "hello\n")?;
//! assert_eq!(cuda.ok("cat /etc/motd")?, "hello\n");
//! cuda.cut_link()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is real, and what is not
//!
//! Real: PID 1 is systemd, units, timers (`systemd-run --on-active`), journal, logind, networkd,
//! sshd with PAM, sudo, nftables and `net.*` sysctls (each machine has its own network namespace),
//! apt and dpkg, reboot with a new boot id, a power cut; on [`Base::Nix`] the Nix store and daemon.
//!
//! Shared with the computer, and so read-only inside: every sysctl that is not `net.*`, `/sys`,
//! kernel modules, the clock (chronyd is installed, and skipped for want of `CAP_SYS_TIME`), huge
//! pages. There is no boot loader. Such things are for the tests on an emulated machine.

mod apt;
mod machine;
mod output;
mod spec;
mod world;

pub use apt::{AptRepo, Deb, SigningKey, real_packages};
pub use machine::{Machine, SshAccess, User};
pub use output::Output;
pub use spec::{Base, MachineSpec, Sudo};
pub use world::World;
