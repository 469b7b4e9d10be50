//! Which of several files has the last word on a setting, by name and line.
//!
//! A program that reads many files takes one value of each setting: the last that it reads (sysctl.d,
//! GRUB, systemd, apt) or the first (sshd). What our file says is in effect at the next boot only where
//! no file of somebody else has that word. Planning asks this of what will be there, checks of what is.

mod apt;
mod files;
pub mod grub;
mod ini;
pub mod sshd;
pub(crate) mod sudoers;
mod sysctl;

pub use files::{ASK, ASK_GRUB, ASK_SSHD, ASK_SYSCTL, ConfigFiles, parse};

/// One assignment in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What is set, in the form by which equal ones are told.
    pub key: String,
    /// To what.
    pub value: String,
    /// Where.
    pub place: Place,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// A setting of ours that a file of somebody else overrules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overruled {
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
}

/// The syntax of the file at `path`, where it is one of several that are read together.
fn syntax(path: &str) -> Option<Syntax> {
    let ends = |ending: &str| path.ends_with(ending);
    if path.starts_with("/etc/sysctl.d/") && ends(".conf") {
        Some(Syntax::Sysctl)
    } else if path.starts_with("/etc/default/grub.d/") && ends(".cfg") {
        Some(Syntax::Grub)
    } else if path.starts_with("/etc/apt/apt.conf.d/") {
        Some(Syntax::Apt)
    } else if ini::family(path).is_some() {
        Some(Syntax::Ini)
    } else {
        None
    }
}

/// Whether `path` is read together with files that may overrule it.
pub fn is_shared(path: &str) -> bool {
    syntax(path).is_some()
}

/// What the file at `path` sets and others of `files` overrule, in the order of its lines. Files for
/// which `is_ours` overrule one another as they like.
pub fn overruled(
    path: &str,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    let settings = match syntax(path) {
        Some(Syntax::Sysctl) => sysctl::settings(files),
        Some(Syntax::Apt) => apt::settings(files),
        Some(Syntax::Ini) => ini::settings(path, files),
        Some(Syntax::Grub) => return grub::overruled(path, files, is_ours),
        None => return Vec::new(),
    };
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
                ours: ours.clone(),
                theirs: theirs.clone(),
            });
        }
    }
    found
}

/// The line that sets the kernel's `key` at boot, and to what.
pub fn sysctl_at_boot(files: &ConfigFiles, key: &str) -> Option<Setting> {
    sysctl::last(files, key)
}

#[cfg(test)]
mod tests;
