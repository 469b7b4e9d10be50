//! A host that Nix builds the system of, and what it says of both systems.

use deployctl_core::closure::{Closure, ObservedSystem, StorePath, WantedSystem};
use deployctl_core::inventory::Platform;

use super::fixture::Case;

pub(crate) const OLD: &str = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05.1";
pub(crate) const NEW: &str = "/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05.2";
pub(crate) const OTHER: &str =
    "/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05.0";

pub(crate) fn store(path: &str) -> StorePath {
    StorePath::new(path).unwrap()
}

/// A closure of packages, in MiB.
pub(crate) fn closure_of(packages: &[(&str, u64)]) -> std::collections::BTreeMap<StorePath, u64> {
    packages
        .iter()
        .map(|(name, mib)| {
            let path = format!("/nix/store/3c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-{name}");
            (store(&path), mib << 20)
        })
        .collect()
}

pub(crate) fn boot(kernel: &str, params: &str) -> std::collections::BTreeMap<String, String> {
    let at = |file: &str| format!("/nix/store/4c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-{file}");
    [
        ("kernel", at(&format!("linux-{kernel}/bzImage"))),
        ("initrd", at(&format!("initrd-linux-{kernel}/initrd"))),
        ("kernel-modules", at(&format!("kernel-modules-{kernel}"))),
        ("kernel-params", params.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

impl Case {
    /// A host of platform `nixos` that runs, boots and committed `OLD`.
    pub(crate) fn nixos() -> Self {
        let mut case = Self::settled();
        let wanted = Closure {
            platform: Platform::Nixos,
            toplevel: store(OLD),
        };
        case.target.platform = Platform::Nixos;
        case.target.os.id = "nixos".to_owned();
        case.target.os.version = "26.05".to_owned();
        case.observed.os = case.target.os.clone();
        case.observed.paths.clear();
        case.observed.packages.clear();
        case.observed.units.clear();
        case.observed.sysctls.clear();
        case.rendered = deployctl_core::rendered::Rendered {
            closure: Some(wanted),
            ..deployctl_core::rendered::Rendered::empty(case.target.host.clone())
        };
        case.observed.system = Some(ObservedSystem {
            nix_version: Some("2.31.2".to_owned()),
            current: Some(store(OLD)),
            profile: Some(store(OLD)),
            boot_default: Some(store(OLD)),
            booted: boot("6.12.1", "quiet hugepages=64"),
            store_free_kib: Some(40 << 20),
            closure: std::collections::BTreeMap::new(),
            wanted: Some(WantedSystem {
                boot: boot("6.12.1", "quiet hugepages=64"),
                ..WantedSystem::default()
            }),
        });
        case.commit();
        case
    }

    /// The same, if `NEW` is wanted and in its store.
    pub(crate) fn update() -> Self {
        let mut case = Self::nixos();
        case.rendered.closure.as_mut().unwrap().toplevel = store(NEW);
        case.system().closure = closure_of(&[
            ("openssh-9.9p2", 12),
            ("glibc-2.40-66", 40),
            ("nginx-1.28.0", 8),
            ("unit-nginx.service", 0),
        ]);
        let there = case.there();
        there.closure = closure_of(&[
            ("openssh-10.0p2", 13),
            ("openssh-10.0p2-man", 1),
            ("glibc-2.40-66", 40),
            ("haproxy-3.2.4", 9),
        ]);
        there.dry_activate = Some((
            0,
            "would stop the following units: nginx.service, sshd.service\n\
             would NOT stop the following changed units: trading.service\n\
             would activate the configuration...\n\
             would reload the following units: dbus.service\n\
             would restart the following units: nix-daemon.service\n\
             would start the following units: haproxy.service, sshd.service\n"
                .to_owned(),
        ));
        case
    }

    pub(crate) fn system(&mut self) -> &mut ObservedSystem {
        self.observed.system.as_mut().unwrap()
    }

    pub(crate) fn there(&mut self) -> &mut WantedSystem {
        self.system().wanted.as_mut().unwrap()
    }

    pub(crate) fn rehearse(&mut self, status: i32, said: &str) {
        self.there().dry_activate = Some((status, said.to_owned()));
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> deployctl_core::plan::Plan {
        change(&mut self);
        self.plan()
    }
}
