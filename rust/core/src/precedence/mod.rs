//! Which of several files decides a setting, by name and line.
//!
//! A program that reads many files takes one value of each setting: the last that it reads (sysctl.d,
//! GRUB, systemd, apt) or the first (sshd, tmpfiles.d, networkd). What our file says is in effect at the next
//! boot only if no file of another owner decides it. Planning asks this of what will be there, checks of what is.

mod assignments;
mod files;
pub mod grub;
mod modules;
mod netplan;
mod networkd;
pub mod sshd;
pub(crate) mod sudoers;
mod tmpfiles;
pub(crate) mod units;

use serde::{Deserialize, Serialize};

/// Defines `sshd_reads`.
pub(crate) const SSHD_READS: &str = include_str!("sshd_reads.sh");

pub use files::{ASK, ASK_GRUB, ASK_SSHD, ASK_SYSCTL, ConfigFiles, parse};

/// One assignment in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What is set, in a form in which equal settings are equal.
    pub key: String,
    /// The value that it is set to.
    pub value: String,
    /// Where.
    pub place: Place,
}

impl Setting {
    fn new(key: impl Into<String>, value: impl Into<String>, file: &str, line: u32) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            place: Place {
                file: file.to_owned(),
                line,
            },
        }
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Its path.
    pub file: String,
    /// Its number, from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How a line of a file that is not ours overrules one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is read later, and the last assignment counts.
    Later,
    /// It is read earlier, and the first line about a thing counts.
    Earlier,
    /// It stands in a block for whom it is asked about, and that wins over lines outside of one.
    InBlock,
    /// Its file is for the same interface, and the first such file counts as a whole.
    Matches,
    /// It keeps a module from being loaded.
    Blocks,
}

/// A setting of ours that another file overrules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overruled {
    /// How the other file wins.
    pub how: How,
    /// What we set, and where.
    pub ours: Setting,
    /// What will be in effect instead, and by which line.
    pub theirs: Setting,
}

/// How a kind of configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// sysctl.d(5).
    Sysctl,
    /// Files that `grub-mkconfig` sources.
    Grub,
    /// apt.conf(5).
    Apt,
    /// Drop-ins of `/etc/systemd/*.conf`.
    Ini,
    /// Units of ours and drop-ins of units.
    Unit,
    /// `.link` and `.network` files.
    Networkd,
    /// netplan(5).
    Netplan,
    /// tmpfiles.d(5).
    Tmpfiles,
    /// modules-load.d(5), which modprobe.d(5) may block.
    ModulesLoad,
    /// modprobe.d(5).
    Modprobe,
    /// limits.conf(5).
    Limits,
}

/// The syntax of the file at `path`, where it is one of several that are read together.
fn syntax(path: &str) -> Option<Syntax> {
    let is_in = |directory: &str, ending: &str| {
        path.strip_prefix(directory)
            .is_some_and(|name| !name.contains('/') && name.ends_with(ending))
    };
    if is_in("/etc/sysctl.d/", ".conf") {
        Some(Syntax::Sysctl)
    } else if is_in("/etc/default/grub.d/", ".cfg") {
        Some(Syntax::Grub)
    } else if is_in("/etc/apt/apt.conf.d/", "") {
        Some(Syntax::Apt)
    } else if units::family(path).is_some() {
        Some(Syntax::Ini)
    } else if units::unit(path).is_some() {
        Some(Syntax::Unit)
    } else if networkd::ending(path).is_some() {
        Some(Syntax::Networkd)
    } else if netplan::is_one(path) {
        Some(Syntax::Netplan)
    } else if is_in("/etc/tmpfiles.d/", ".conf") {
        Some(Syntax::Tmpfiles)
    } else if is_in("/etc/modules-load.d/", ".conf") {
        Some(Syntax::ModulesLoad)
    } else if is_in("/etc/modprobe.d/", ".conf") {
        Some(Syntax::Modprobe)
    } else if is_in("/etc/security/limits.d/", ".conf") {
        Some(Syntax::Limits)
    } else {
        None
    }
}

fn has_ending(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, own)| own == ending)
}

/// Whether `path` is read together with files that may overrule it.
pub fn is_shared(path: &str) -> bool {
    syntax(path).is_some()
}

/// Whether `path` is a unit, not a drop-in of one.
pub fn is_unit(path: &str) -> bool {
    units::unit(path).is_some() && !path.contains(".d/")
}

/// The name of the file at `path`, with the directory that it is a drop-in of where only that tells whose it is.
pub fn name(path: &str) -> &str {
    let of_one = matches!(syntax(path), Some(Syntax::Unit | Syntax::Networkd));
    let from = if of_one && path.contains(".d/") { 2 } else { 1 };
    let at = path.rmatch_indices('/').nth(from - 1);
    at.map_or(path, |(at, _)| &path[at + 1..])
}

/// What the file at `path` sets and others of `files` overrule, in the order of its lines. Files for
/// which `is_ours` overrule one another as they like.
pub fn overruled(
    path: &str,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    let settings = match syntax(path) {
        Some(Syntax::Sysctl) => assignments::sysctl(files),
        Some(Syntax::Apt) => assignments::apt(files),
        Some(Syntax::Ini) => units::conf_settings(path, files),
        Some(Syntax::Modprobe) => modules::options(files),
        Some(Syntax::Limits) => assignments::limits(files),
        Some(Syntax::Grub) => return grub::overruled(path, files, is_ours),
        Some(Syntax::Unit) => return units::overruled(path, files, is_ours),
        Some(Syntax::Networkd) => return networkd::overruled(path, files, is_ours),
        Some(Syntax::Netplan) => return netplan::overruled(path, files, is_ours),
        Some(Syntax::Tmpfiles) => return tmpfiles::overruled(path, files, is_ours),
        Some(Syntax::ModulesLoad) => return modules::blocked(path, files),
        None => return Vec::new(),
    };
    by_the_last(path, &settings, is_ours)
}

/// What the file at `path` sets and a later one of `settings` sets otherwise.
fn by_the_last(path: &str, settings: &[Setting], is_ours: impl Fn(&str) -> bool) -> Vec<Overruled> {
    let mut found = Vec::new();
    for (n, ours) in settings.iter().enumerate() {
        if ours.place.file != path {
            continue;
        }
        let later = settings[n + 1..].iter().rfind(|s| s.key == ours.key);
        if let Some(theirs) = later
            && !is_ours(&theirs.place.file)
            && theirs.value != ours.value
        {
            found.push(Overruled {
                how: How::Later,
                ours: ours.clone(),
                theirs: theirs.clone(),
            });
        }
    }
    found
}

/// The line that sets the kernel's `key` at boot, and to what.
pub fn sysctl_at_boot(files: &ConfigFiles, key: &str) -> Option<Setting> {
    assignments::last_sysctl(files, key)
}

#[cfg(test)]
mod tests;
