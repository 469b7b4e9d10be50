//! Packages as the names of store paths tell them.

use std::collections::{BTreeMap, BTreeSet};

use super::StorePath;

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
