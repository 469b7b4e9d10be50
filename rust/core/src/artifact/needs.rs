//! What must be on a host before an artifact can be staged there.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Artifact, Source};
use crate::inventory::Platform;
use crate::name::ManagedPath;
use crate::query::quote;

/// Certificates of authorities, which curl compares a server's with.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Something that staging needs on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "what", rename_all = "lowercase")]
pub enum Need {
    /// A file that holds a secret.
    Secret(ManagedPath),
    /// A program or file that a package brings: a path, or a name on the search path.
    Installed(String),
    /// Programs as GNU has them, which macOS itself does not: each system of nix-darwin made of our modules brings them.
    Gnu,
    /// A mount point with a file system of its own.
    Mounted(String),
    /// A managed path, as it is declared now.
    Changed(ManagedPath),
}

impl Need {
    /// A shell command that succeeds where the host has it.
    pub(crate) fn test(&self) -> String {
        match self {
            Self::Secret(path) => format!("[ -s {} ]", quote(path.as_str())),
            Self::Installed(path) if path.starts_with('/') => format!("[ -e {} ]", quote(path)),
            Self::Installed(name) => format!("command -v {} >/dev/null", quote(name)),
            Self::Gnu => "{ command -v flock && command -v sha256sum && stat -c %s / && find / -maxdepth 0 -printf x; } >/dev/null 2>&1".to_owned(),
            Self::Mounted(mount) => format!("mountpoint -q {}", quote(mount)),
            // A plan knows it.
            Self::Changed(_) => ":".to_owned(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(path) => write!(f, "`{path}`"),
            Self::Installed(what) => write!(f, "`{what}`"),
            Self::Gnu => write!(f, "GNU's `find` and `stat`, `flock` and `sha256sum`"),
            Self::Mounted(mount) => write!(f, "`{mount}` mounted"),
            Self::Changed(path) => write!(f, "the new `{path}`"),
        }
    }
}

impl Artifact {
    /// What staging it below `base` needs. Each is a word without blanks and quotes.
    pub fn needs(&self, base: &ManagedPath, platform: Platform) -> BTreeSet<Need> {
        let mut needs: BTreeSet<Need> =
            self.programs.iter().cloned().map(Need::Installed).collect();
        if platform == Platform::Darwin {
            needs.insert(Need::Gnu);
        }
        if let Source::Https(_) = self.source {
            needs.extend(["curl", CERTIFICATES].map(|what| Need::Installed(what.to_owned())));
        }
        let secrets = self.build.iter().flat_map(|build| build.secrets.values());
        needs.extend(secrets.chain(&self.credential).cloned().map(Need::Secret));
        if let Some((mount, _)) = self.guard(base)
            && mount != "/"
        {
            needs.insert(Need::Mounted(mount.to_owned()));
        }
        needs
    }

    /// The guard of the file system that is to hold it: that of the longest mount point above it, and GiB that must stay free.
    pub(super) fn guard(&self, base: &ManagedPath) -> Option<(&str, u32)> {
        let above = |mount: &str| {
            let rest = base.as_str().strip_prefix(mount.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let guards = self.min_free_gib.iter();
        guards
            .filter(|(mount, _)| above(mount))
            .max_by_key(|(mount, _)| mount.len())
            .map(|(mount, gib)| (mount.as_str(), *gib))
    }
}
