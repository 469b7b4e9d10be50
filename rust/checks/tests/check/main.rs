//! Checks against a good host, broken hosts, recorded answers and hostile ones.

#![expect(clippy::too_many_lines, reason = "a test is one story or one table")]

#[cfg(test)]
mod cases;
#[cfg(test)]
mod documented;
#[cfg(test)]
#[path = "../../../core/tests/expected/mod.rs"]
mod expected;
#[cfg(test)]
mod good;
#[cfg(test)]
mod host;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod links;
#[cfg(test)]
mod mutation;
#[cfg(test)]
mod needs;
#[cfg(test)]
mod nixos;
#[cfg(test)]
mod own;
#[cfg(test)]
mod platforms;
#[cfg(test)]
mod python;
#[cfg(test)]
mod shell;
#[cfg(test)]
#[path = "../../../core/tests/shellcheck/mod.rs"]
mod shellcheck;
#[cfg(test)]
mod troubles;
