//! Newtypes for the words that end up in paths, scripts and unit files.
//!
//! Each is checked once, when it is parsed; whoever holds one may put it between
//! single quotes in a script or into a path without looking at it again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and wraps it.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(NameError { kind: $kind, rule: $rule, text: text.escape_debug().to_string() })
                }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn all(text: &str, max: usize, allowed: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= max && text.bytes().all(allowed)
}

name!(
    /// A host's name in the inventory: a DNS label.
    HostName,
    "host name",
    "lower-case letters, digits and inner hyphens, at most 63",
    |t| all(t, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !t.starts_with('-')
        && !t.ends_with('-')
);

name!(
    /// A concern's name: one word, the same in facts, schema, modules and checks.
    ConcernName,
    "concern name",
    "lower-case letters and digits, starting with a letter, at most 32",
    |t| all(t, 32, |b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && t.starts_with(|c: char| c.is_ascii_lowercase())
);

name!(
    /// An absolute path that deployctl manages on a host.
    ManagedPath,
    "managed path",
    "absolute, normalised (no `.`, `..`, `//` or trailing `/`), of letters, digits and `/._-@+:%=,`, at most 1024, no name above 200 or beginning with `.deployctl`",
    |t| all(t, 1024, |b| b.is_ascii_alphanumeric() || b"/._-@+:%=,".contains(&b))
        && t.len() > 1
        && t.starts_with('/')
        && t[1..].split('/').all(|part| !part.is_empty() && part != "." && part != ".."
            // Temporary names beside a path are a few characters longer, and ours.
            && part.len() <= 200 && !part.starts_with(".deployctl"))
);

name!(
    /// The kind or name of an artifact: part of folders and unit names.
    ArtifactName,
    "artifact name",
    "lower-case letters, digits and inner `._-`, at most 64",
    |t| all(t, 64, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        && t.starts_with(|c: char| c.is_ascii_alphanumeric())
        && t.ends_with(|c: char| c.is_ascii_alphanumeric())
);

name!(
    /// The path of a file below an artifact's release, the same below its source.
    ArtifactPath,
    "path below a release",
    "relative, normalised (no `.`, `..` or `//`), of letters, digits and `/._-+=@,`, at most 512, no name beginning with `.deployctl`",
    |t| all(t, 512, |b| b.is_ascii_alphanumeric() || b"/._-+=@,".contains(&b))
        && t.split('/').all(|part| !part.is_empty() && part != "." && part != ".."
            && part.len() <= 200 && !part.starts_with(".deployctl"))
);

name!(
    /// A systemd unit's full name, suffix included.
    UnitName,
    "unit name",
    "letters, digits and `:-_.@\\`, with a unit suffix such as `.service`, at most 255",
    |t| all(t, 255, |b| b.is_ascii_alphanumeric() || b":-_.@\\".contains(&b))
        && [
            ".service", ".socket", ".timer", ".mount", ".slice", ".target", ".path", ".swap",
            ".automount", ".device", ".scope",
        ]
        .iter()
        .any(|suffix| t.len() > suffix.len() && t.ends_with(suffix))
);

impl UnitName {
    /// Whether it is a template (`getty@.service`): only its instances run.
    pub fn is_template(&self) -> bool {
        self.0.contains("@.")
    }
}

name!(
    /// A Debian package's name (Debian policy 5.6.1), optionally `:architecture`.
    PackageName,
    "package name",
    "lower-case letters, digits and `+-.`, starting with a letter or digit, not ending in `-`, at most 128",
    |t| all(t, 128, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.:".contains(&b))
        && t.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        // apt reads `name-` as: remove it.
        && !t.ends_with('-')
);

name!(
    /// A sysctl key in dotted form.
    SysctlKey,
    "sysctl key",
    "dot-separated words of letters, digits and `-_/`, at most 255",
    |t| all(t, 255, |b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
        && t.contains('.')
        && t.split('.').all(|part| !part.is_empty() && !part.split('/').any(|p| p == ".."))
);

impl SysctlKey {
    /// Its path below `/proc/sys`.
    pub fn below_proc_sys(&self) -> String {
        below_proc_sys(&self.0)
    }

    /// The network interface whose setting it is: the kernel has it as long as the interface is there.
    pub fn interface(&self) -> Option<String> {
        let path = self.below_proc_sys();
        match path.split('/').collect::<Vec<_>>()[..] {
            ["net", "ipv4" | "ipv6" | "mpls", "conf" | "neigh", name, _] => {
                Some(name.to_owned()).filter(|name| name != "all" && name != "default")
            }
            _ => None,
        }
    }

    /// The key of a path below `/proc/sys`, in dotted form.
    pub fn from_below_proc_sys(path: &str) -> Result<Self, NameError> {
        Self::new(swap_separators(path))
    }
}

/// Address and port as they are written in a URL and in the answers of ss(8): `[::1]:80`.
pub fn authority(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

/// The path of sysctl `key` below `/proc/sys`: dots and slashes change places, unless the first of them is a
/// slash already (sysctl.d(5)).
pub fn below_proc_sys(key: &str) -> String {
    if slashes_separate(key) {
        key.to_owned()
    } else {
        swap_separators(key)
    }
}

/// Sysctl `key` with dots between its parts, as one of the two forms that sysctl.d(5) allows.
pub fn dotted(key: &str) -> String {
    if slashes_separate(key) {
        swap_separators(key)
    } else {
        key.to_owned()
    }
}

/// Whichever of `.` and `/` comes first separates the parts of a key.
fn slashes_separate(key: &str) -> bool {
    key.find(['.', '/'])
        .is_some_and(|at| key[at..].starts_with('/'))
}

fn swap_separators(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        })
        .collect()
}

name!(
    /// A kernel module's name.
    ModuleName,
    "kernel module name",
    "letters, digits, `-` and `_`, at most 64",
    |t| all(t, 64, |b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
);

name!(
    /// A user's or group's name on a host.
    AccountName,
    "account name",
    "lower-case letters, digits, `-` and `_`, starting with a letter or `_`, at most 31",
    |t| all(t, 31, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        && t.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
);

name!(
    /// Whoever logs in by ssh: accounts of a directory as well, such as `first.last` or `DOMAIN\\user`.
    LoginName,
    "login",
    "letters, digits and `_.@+\\-`, beginning with none of `.@+\\-` and not ending in `\\`, at most 255",
    |t| all(t, 255, |b| b.is_ascii_alphanumeric() || b"_.@+\\-".contains(&b))
        && !t.starts_with(['-', '.', '@', '+', '\\'])
        && !t.ends_with('\\')
        && !t.contains("\\\\")
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_path_cannot_leave_its_place() {
        for bad in [
            "etc/x",
            "/",
            "/etc/../x",
            "/etc/./x",
            "/etc//x",
            "/etc/x/",
            "/etc/a b",
            "/etc/a\nb",
            "/etc/a'b",
        ] {
            assert!(ManagedPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(ManagedPath::new("/etc/systemd/system/mnt-huge.mount").is_ok());
    }

    #[test]
    fn a_sysctl_of_an_interface_names_it() {
        let interface = |key: &str| SysctlKey::new(key).unwrap().interface();
        for (key, name) in [
            ("net.ipv4.conf.cluster0.rp_filter", Some("cluster0")),
            ("net.ipv6.conf.eth0/100.accept_ra", Some("eth0.100")),
            ("net.ipv4.neigh.lan0.gc_stale_time", Some("lan0")),
            ("net.ipv4.conf.all.rp_filter", None),
            ("net.ipv4.conf.default.rp_filter", None),
            ("net.ipv4.tcp_rmem", None),
            ("vm.swappiness", None),
        ] {
            assert_eq!(interface(key).as_deref(), name, "{key}");
        }
    }

    #[test]
    fn a_sysctl_lies_where_sysctl_d_says() {
        for (key, path) in [
            ("vm.swappiness", "vm/swappiness"),
            (
                "net.ipv4.conf.eth0/1.rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
            (
                "net/ipv4/conf/eth0.1/rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
        ] {
            assert_eq!(SysctlKey::new(key).unwrap().below_proc_sys(), path);
        }
        let key = SysctlKey::from_below_proc_sys("net/ipv4/conf/eth0.1/rp_filter").unwrap();
        assert_eq!(key.as_str(), "net.ipv4.conf.eth0/1.rp_filter");
    }

    #[test]
    fn names_refuse_what_a_shell_or_a_path_would_read_differently() {
        assert!(HostName::new("mac-mini").is_ok());
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "a'b"] {
            assert!(HostName::new(bad).is_err(), "{bad:?}");
        }
        assert!(UnitName::new("vllm.service").is_ok());
        assert!(UnitName::new(".service").is_err());
        assert!(UnitName::new("vllm").is_err());
        assert!(SysctlKey::new("net.ipv4.conf.eth0/1.rp_filter").is_ok());
        assert!(SysctlKey::new("net.ipv4.x/../../etc").is_err());
        assert!(PackageName::new("libnvinfer10").is_ok());
        assert!(PackageName::new("-x").is_err());
        assert!(PackageName::new("openssh-server-").is_err());
        assert!(PackageName::new("g++").is_ok());
        assert!(ManagedPath::new(format!("/etc/{}", "x".repeat(201))).is_err());
        assert!(ManagedPath::new("/etc/.deployctl.new").is_err());
        for good in [
            "first.last",
            "ann@corp.example",
            "DOMAIN\\ann",
            "Operator",
            "_x-1",
        ] {
            assert!(LoginName::new(good).is_ok(), "{good:?}");
        }
        for bad in [
            "", "-x", "a b", "a\\", "a\\\\b", "a%b", "a'b", "a\nb", "\\a",
        ] {
            assert!(LoginName::new(bad).is_err(), "{bad:?}");
        }
    }
}
