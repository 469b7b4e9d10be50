//! Mutations of what the modules put on a host: packages, units, and files that others may overrule.

use super::Mutation;

/// The file of ours is not there.
macro_rules! missing {
    ($concern:literal, $directory:literal, $name:literal) => {
        (
            concat!($concern, "/overruled/", $name),
            concat!("file /etc/", $directory, $name, "\n"),
            "",
            "fail",
        )
    };
}

/// A drop-in of the host sets in `section` of our unit what we set otherwise.
macro_rules! dropped_in {
    ($concern:literal, $unit:literal, $section:literal, $setting:literal) => {
        (
            concat!($concern, "/overruled/", $unit),
            "file /etc/ssh/sshd_config\n",
            concat!(
                "/etc/systemd/system/",
                $unit,
                ".d/override.conf\x002:[",
                $section,
                "]\n/etc/systemd/system/",
                $unit,
                ".d/override.conf\x003:",
                $setting,
                "\n"
            ),
            "fail",
        )
    };
}

/// The unit has failed.
macro_rules! failed {
    ($concern:literal, $unit:literal) => {
        (
            concat!($concern, "/unit/", $unit),
            concat!("Names=", $unit, "\nLoadState=loaded\nActiveState=active"),
            concat!("Names=", $unit, "\nLoadState=loaded\nActiveState=failed"),
            "fail",
        )
    };
}

/// The package is not installed.
macro_rules! removed {
    ($concern:literal, $package:literal) => {
        (
            concat!($concern, "/packages"),
            concat!("\n", $package, " "),
            concat!("\nno-", $package, " "),
            "fail",
        )
    };
}

pub(super) const MUTATIONS: &[Mutation] = &[
    missing!("hugepages", "sysctl.d/", "60-deployctl-hugepages.conf"),
    missing!("kernel", "sysctl.d/", "60-deployctl-kernel.conf"),
    missing!("realtime", "sysctl.d/", "60-deployctl-realtime.conf"),
    missing!("system", "sysctl.d/", "60-deployctl-system.conf"),
    missing!("kernel", "default/grub.d/", "90-deployctl.cfg"),
    missing!("realtime", "systemd/system.conf.d/", "10-deployctl.conf"),
    missing!(
        "system",
        "systemd/system.conf.d/",
        "20-deployctl-watchdog.conf"
    ),
    missing!("system", "systemd/journald.conf.d/", "90-deployctl.conf"),
    missing!("system", "apt/apt.conf.d/", "52deployctl-unattended"),
    missing!(
        "hugepages",
        "security/limits.d/",
        "90-deployctl-hugepages.conf"
    ),
    missing!(
        "realtime",
        "security/limits.d/",
        "90-deployctl-realtime.conf"
    ),
    missing!("hugepages", "tmpfiles.d/", "deployctl-hugepages.conf"),
    missing!("system", "tmpfiles.d/", "deployctl-system.conf"),
    missing!("trading", "tmpfiles.d/", "deployctl-trading.conf"),
    missing!("kernel", "modules-load.d/", "deployctl-kernel.conf"),
    missing!("nvidia", "", "modules-load.d/deployctl-nvidia.conf"),
    missing!("nvidia", "", "modprobe.d/deployctl-nvidia.conf"),
    missing!("network", "systemd/network/", "10-deployctl-cluster0.link"),
    missing!("network", "netplan/", "60-deployctl-cluster0.yaml"),
    missing!(
        "nvidia",
        "systemd/system/",
        "nvidia-persistenced.service.d/10-deployctl.conf"
    ),
    missing!(
        "realtime",
        "systemd/system/",
        "irqbalance.service.d/10-deployctl.conf"
    ),
    missing!(
        "time",
        "systemd/system/",
        "chrony.service.d/10-deployctl.conf"
    ),
    dropped_in!(
        "firewall",
        "nftables-deployctl.service",
        "Service",
        "ExecStart="
    ),
    dropped_in!("kernel", "io-uring-group.service", "Service", "ExecStart="),
    dropped_in!(
        "nvidia",
        "nvidia-power-limit.service",
        "Service",
        "ExecStart="
    ),
    dropped_in!("realtime", "cpu-governor.service", "Service", "ExecStart="),
    dropped_in!(
        "hugepages",
        "mnt-huge.mount",
        "Mount",
        "Options=pagesize=1G"
    ),
    dropped_in!("storage", "srv-models.mount", "Mount", "What=/dev/null"),
    dropped_in!("trading", "trading.slice", "Slice", "MemorySwapMax=1G"),
    failed!("kernel", "io-uring-group.service"),
    failed!("network", "systemd-networkd.service"),
    failed!("nvidia", "nvidia-power-limit.service"),
    failed!("realtime", "cpu-governor.service"),
    failed!("ssh", "ssh.service"),
    failed!("storage", "srv-models.mount"),
    failed!("system", "systemd-journald.service"),
    (
        "time/unit/chrony.service",
        "UnitFileState=enabled",
        "UnitFileState=enabled-runtime",
        "fail",
    ),
    (
        "time/unit/chrony.service",
        "UnitFileState=enabled",
        "UnitFileState=linked",
        "fail",
    ),
    removed!("firewall", "nftables"),
    removed!("network", "iperf3"),
    removed!("ssh", "openssh-server"),
    removed!("system", "sudo"),
    removed!("system", "tzdata"),
    removed!("time", "chrony"),
    removed!("vllm", "curl"),
];

/// Of the other host.
pub(super) const OTHER: &[Mutation] = &[
    missing!("network", "systemd/network/", "10-deployctl-eth0.link"),
    missing!("network", "netplan/", "60-deployctl-eth0.yaml"),
];
