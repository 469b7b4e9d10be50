//! Systems that Nix builds: store paths, the packages that their names tell, and which closure a host should run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::inventory::Platform;

/// What to do about a host's full store: what surely makes room, and what it costs.
pub const FREES_ROOM: &str = "on the host, `nix-collect-garbage -d` makes room: it removes older generations, but for those that deployctl keeps";

/// The system that a host should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closure {
    /// How it is activated: `bin/switch-to-configuration` on `NixOS`, `activate` with nix-darwin. Never
    /// [`Platform::Ubuntu`].
    #[serde(rename = "kind", deserialize_with = "platform_of_closure")]
    pub platform: Platform,
    /// Its top-level store path.
    pub toplevel: StorePath,
}

/// Reads the platform of a closure.
///
/// # Errors
/// When it is no platform, or one whose system Nix does not build.
fn platform_of_closure<'de, D: Deserializer<'de>>(from: D) -> Result<Platform, D::Error> {
    let platform = Platform::deserialize(from)?;
    if platform.runs_closure() {
        return Ok(platform);
    }
    let unknown = serde::de::Error::unknown_variant;
    Err(unknown(platform.as_str(), &["nixos", "darwin"]))
}

/// What a host of a Nix platform runs now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedSystem {
    /// What `nix --version` says there (`2.31.2`); `None` where there is no Nix.
    pub nix_version: Option<String>,
    /// Where `/run/current-system` leads.
    pub current: Option<StorePath>,
    /// Where `/nix/var/nix/profiles/system` leads: what the boot loader is installed for.
    pub profile: Option<StorePath>,
    /// What GRUB or systemd-boot start by default; `None` where their files do not tell.
    pub boot_default: Option<StorePath>,
    /// Targets of `kernel`, `initrd` and `kernel-modules` below `/run/booted-system`, and the text of
    /// `kernel-params` (`NixOS`).
    pub booted: BTreeMap<String, String>,
    /// Free KiB of the file system that holds `/nix/store`.
    pub store_free_kib: Option<u64>,
    /// Store paths that `current` needs, with their NAR sizes in bytes; empty where nothing differs.
    pub closure: BTreeMap<StorePath, u64>,
    /// The wanted system as it is on the host; `None` if it has not been copied yet.
    pub wanted: Option<WantedSystem>,
}

impl ObservedSystem {
    /// Whether the next boot starts `toplevel`, as far as the host tells.
    pub fn boots(&self, toplevel: &StorePath) -> bool {
        self.profile.as_ref() == Some(toplevel)
            && self.boot_default.as_ref().is_none_or(|it| it == toplevel)
    }
}

/// What a host says about the wanted system once that is in its store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WantedSystem {
    /// Store paths that it needs, with their NAR sizes in bytes; empty where it runs already.
    pub closure: BTreeMap<StorePath, u64>,
    /// The same of it as [`ObservedSystem::booted`].
    pub boot: BTreeMap<String, String>,
    /// `switch-inhibitors` of it, by name: one that changes forbids to switch (nixpkgs 26.05).
    pub inhibitors: BTreeMap<String, String>,
    /// `switch-inhibitors` of what runs.
    pub inhibitors_now: BTreeMap<String, String>,
    /// Exit status and output of `switch-to-configuration dry-activate` (`NixOS`); `None` where it runs
    /// already.
    pub dry_activate: Option<(i32, String)>,
}

/// Characters of Nix's base 32: no `e`, `o`, `t`, `u`.
const DIGITS: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
const STORE: &str = "/nix/store/";
const HASH_LENGTH: usize = 32;

/// `/nix/store/<32 characters of hash>-<name>`, as Nix's manual defines it ("Store path"). Nothing in
/// it needs quoting in a shell, and nothing below the path is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

/// Why a text is no store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no store path: expected `/nix/store/`, 32 characters of Nix's base 32, `-` and a name"
)]
pub struct StorePathError(String);

impl StorePath {
    /// Checks `text` and wraps it.
    pub fn new(text: impl Into<String>) -> Result<Self, StorePathError> {
        let text = text.into();
        if is_store_path(&text) {
            Ok(Self(text))
        } else {
            Err(StorePathError(text.escape_debug().to_string()))
        }
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash's 32 characters.
    pub fn hash(&self) -> &str {
        &self.0[STORE.len()..STORE.len() + HASH_LENGTH]
    }

    /// What follows the hash: `openssh-10.0p2`.
    pub fn name(&self) -> &str {
        &self.0[STORE.len() + HASH_LENGTH + 1..]
    }
}

fn is_store_path(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(STORE) else {
        return false;
    };
    let bytes = rest.as_bytes();
    let Some((hash, name)) = bytes.split_at_checked(HASH_LENGTH) else {
        return false;
    };
    let Some((b'-', name)) = name.split_first() else {
        return false;
    };
    hash.iter().all(|b| DIGITS.contains(b))
        && (1..=211).contains(&name.len())
        && !name.starts_with(b".")
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(b))
}

impl TryFrom<String> for StorePath {
    type Error = StorePathError;
    fn try_from(text: String) -> Result<Self, StorePathError> {
        Self::new(text)
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What nixpkgs puts behind the version of an output that is not the main one.
const OUTPUTS: [&str; 16] = [
    "bin",
    "data",
    "debug",
    "dev",
    "devdoc",
    "dist",
    "doc",
    "info",
    "lib",
    "man",
    "modules",
    "modules-shrunk",
    "out",
    "python",
    "static",
    "terminfo",
];

/// Everything in a closure that has one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// Its versions; an empty one means paths without a version.
    pub versions: BTreeSet<String>,
    /// Sum of the NAR sizes, in bytes.
    pub bytes: u64,
}

/// Groups a closure by package name.
pub fn packages(closure: &BTreeMap<StorePath, u64>) -> BTreeMap<&str, Package> {
    let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
    for (path, bytes) in closure {
        let (name, version) = split(path.name());
        let package = packages.entry(name).or_default();
        package.versions.insert(version.to_owned());
        package.bytes = package.bytes.saturating_add(*bytes);
    }
    packages
}

/// Name and version, as Nix's manual splits them (`builtins.parseDrvName`): the version begins behind the
/// first dash that a digit follows. The output's name that may end it is dropped.
fn split(name: &str) -> (&str, &str) {
    let dash = name
        .as_bytes()
        .windows(2)
        .position(|pair| pair[0] == b'-' && pair[1].is_ascii_digit());
    let Some((name, version)) = dash.map(|at| (&name[..at], &name[at + 1..])) else {
        return (name, "");
    };
    let output = OUTPUTS
        .iter()
        .filter_map(|output| version.strip_suffix(output)?.strip_suffix('-'))
        .min_by_key(|version| version.len());
    (name, output.unwrap_or(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_path_is_one() {
        let good = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-openssh-10.0p2";
        let path = StorePath::new(good).unwrap();
        assert_eq!(path.hash(), "0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5");
        assert_eq!(path.name(), "openssh-10.0p2");
        for bad in [
            "",
            "/nix/store/",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwe5-x",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-x/bin",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-.x",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-x;y",
            "/gnu/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-x",
            "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-\u{e4}",
        ] {
            assert!(StorePath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_end_where_versions_begin() {
        let read: Vec<_> = [
            "openssh-10.0p2",
            "openssh-10.0p2-man",
            "glibc-2.40-66-bin",
            "linux-6.12.58-modules",
            "linux-6.12.58-modules-shrunk",
            "initrd-linux-6.12.58",
            "nvidia-open-6.12.58-580.95.05",
            "python3.13-numpy-2.3.1",
            "nixos-system-cuda-26.05.20261101.abcdef0",
            "unit-sshd.service",
            "system-path",
            "hook-",
            "-1",
            "x-1-dev-dev",
        ]
        .iter()
        .map(|name| format!("{name}: {:?}", split(name)))
        .collect();
        insta::assert_snapshot!(read.join("\n"), @r#"
        openssh-10.0p2: ("openssh", "10.0p2")
        openssh-10.0p2-man: ("openssh", "10.0p2")
        glibc-2.40-66-bin: ("glibc", "2.40-66")
        linux-6.12.58-modules: ("linux", "6.12.58")
        linux-6.12.58-modules-shrunk: ("linux", "6.12.58")
        initrd-linux-6.12.58: ("initrd-linux", "6.12.58")
        nvidia-open-6.12.58-580.95.05: ("nvidia-open", "6.12.58-580.95.05")
        python3.13-numpy-2.3.1: ("python3.13-numpy", "2.3.1")
        nixos-system-cuda-26.05.20261101.abcdef0: ("nixos-system-cuda", "26.05.20261101.abcdef0")
        unit-sshd.service: ("unit-sshd.service", "")
        system-path: ("system-path", "")
        hook-: ("hook-", "")
        -1: ("", "1")
        x-1-dev-dev: ("x", "1-dev")
        "#);
    }

    #[test]
    fn a_closure_is_grouped_by_name() {
        let path = |name: &str| {
            StorePath::new(format!(
                "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-{name}"
            ))
            .unwrap()
        };
        let closure = [
            (path("openssh-10.0p2"), 5),
            (path("openssh-10.0p2-man"), 2),
            (path("openssh-9.9"), u64::MAX),
        ]
        .into();
        let grouped = packages(&closure);
        assert_eq!(grouped.len(), 1);
        assert_eq!(grouped["openssh"].bytes, u64::MAX);
        assert_eq!(
            grouped["openssh"].versions,
            BTreeSet::from(["10.0p2".to_owned(), "9.9".to_owned()])
        );
    }
}
