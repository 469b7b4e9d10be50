mod access;

use super::*;

fn files(of: &[(&str, &str)]) -> ConfigFiles {
    let mut files = ConfigFiles::default();
    for (path, content) in of {
        files.insert(path, content);
    }
    files
}

/// `KEY at PLACE is VALUE by PLACE`, for each setting of `ours` that is overruled.
fn told(ours: &str, of: &[(&str, &str)]) -> Vec<String> {
    let is_ours = |path: &str| {
        path.rsplit('/')
            .next()
            .is_some_and(|name| name.contains("deployctl"))
    };
    overruled(ours, &files(of), is_ours)
        .into_iter()
        .map(|o| {
            format!(
                "{} of {} is `{}` by {}",
                o.ours.key, o.ours.place, o.theirs.value, o.theirs.place
            )
        })
        .collect()
}

const SYSCTL: &str = "/etc/sysctl.d/60-deployctl-network.conf";

#[test]
fn the_last_sysctl_counts_by_the_name_of_its_file() {
    let ours = (
        SYSCTL,
        "# ours\nnet.ipv4.conf.all.log_martians = 1\nnet.core.somaxconn = 4096\n",
    );
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "/etc/sysctl.d/99-x.conf",
            "net.ipv4.conf.all.log_martians = 0\n",
            &[
                "net.ipv4.conf.all.log_martians of /etc/sysctl.d/60-deployctl-network.conf:2 is `0` by /etc/sysctl.d/99-x.conf:1",
            ],
        ),
        // In whichever directory, and however the key is written.
        (
            "/usr/lib/sysctl.d/zz-vendor.conf",
            "\n-net/core/somaxconn=128\n",
            &[
                "net.core.somaxconn of /etc/sysctl.d/60-deployctl-network.conf:3 is `128` by /usr/lib/sysctl.d/zz-vendor.conf:2",
            ],
        ),
        ("/etc/sysctl.d/10-x.conf", "net.core.somaxconn = 128\n", &[]),
        (
            "/etc/sysctl.d/99-same.conf",
            "net.core.somaxconn=4096\n",
            &[],
        ),
        (
            "/etc/sysctl.d/99-pattern.conf",
            "net.ipv4.conf.*.log_martians = 0\n",
            &[],
        ),
        (
            "/etc/sysctl.d/99-deployctl-more.conf",
            "net.core.somaxconn = 1\n",
            &[],
        ),
    ];
    for (path, content, expected) in cases {
        assert_eq!(told(SYSCTL, &[ours, (path, content)]), *expected, "{path}");
    }
    // A file of /etc hides one of its name, also by a link to nothing.
    let hidden = [
        ours,
        ("/usr/lib/sysctl.d/99-x.conf", "net.core.somaxconn = 1\n"),
        ("/etc/sysctl.d/99-x.conf", ""),
    ];
    assert!(told(SYSCTL, &hidden).is_empty());
}

const GRUB: &str = "/etc/default/grub.d/90-deployctl.cfg";

#[test]
fn grub_sources_its_files_in_order() {
    let main = (
        "/etc/default/grub",
        "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n",
    );
    let ours = (
        GRUB,
        "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT preempt=full skew_tick=1\"\n",
    );
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "/etc/default/grub.d/hetzner.cfg",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"consoleblank=0 nomodeset\"\n",
            &[
                "preempt=full of /etc/default/grub.d/90-deployctl.cfg:1 is `\"consoleblank=0 nomodeset\"` by /etc/default/grub.d/hetzner.cfg:1",
                "skew_tick=1 of /etc/default/grub.d/90-deployctl.cfg:1 is `\"consoleblank=0 nomodeset\"` by /etc/default/grub.d/hetzner.cfg:1",
            ],
        ),
        // Added to, but with the last word.
        (
            "/etc/default/grub.d/99-x.cfg",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT} preempt=none\"\n",
            &[
                "preempt=full of /etc/default/grub.d/90-deployctl.cfg:1 is `preempt=none` by /etc/default/grub.d/99-x.cfg:1",
            ],
        ),
        (
            "/etc/default/grub.d/50-cloudimg.cfg",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"console=ttyS0\"\n",
            &[],
        ),
        // What a shell would have to run is not guessed at.
        (
            "/etc/default/grub.d/99-x.cfg",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"$(cat /x)\"\n",
            &[],
        ),
        (
            "/etc/default/grub.d/99-x.cfg",
            "GRUB_CMDLINE_LINUX_RECOVERY=\"single\"\n",
            &[],
        ),
    ];
    for (path, content, expected) in cases {
        assert_eq!(
            told(GRUB, &[main, ours, (path, content)]),
            *expected,
            "{path}: {content}"
        );
    }
}

#[test]
fn journald_and_apt_take_the_last_assignment() {
    let journald = "/etc/systemd/journald.conf.d/90-deployctl.conf";
    let ours = (journald, "[Journal]\nSystemMaxUse=500M\n");
    let later = (
        "/etc/systemd/journald.conf.d/zz.conf",
        "[Journal]\nSystemMaxUse=4G\n",
    );
    let earlier = ("/etc/systemd/journald.conf", "[Journal]\nSystemMaxUse=4G\n");
    let other = (
        "/etc/systemd/system.conf.d/zz.conf",
        "[Journal]\nSystemMaxUse=4G\n",
    );
    assert_eq!(
        told(journald, &[ours, earlier, later, other]),
        [
            "[Journal] SystemMaxUse of /etc/systemd/journald.conf.d/90-deployctl.conf:2 is `4G` by /etc/systemd/journald.conf.d/zz.conf:2"
        ]
    );
    assert!(told(journald, &[ours, earlier, other]).is_empty());

    let apt = "/etc/apt/apt.conf.d/52deployctl-unattended";
    let ours = (
        apt,
        "// ours\nUnattended-Upgrade::Automatic-Reboot \"false\";\nUnattended-Upgrade::Package-Blacklist:: \"linux-\";\n",
    );
    let later = (
        "/etc/apt/apt.conf.d/99local",
        "Unattended-Upgrade::Automatic-Reboot \"true\";\n",
    );
    let passed_over = (
        "/etc/apt/apt.conf.d/99local.bak",
        "Unattended-Upgrade::Automatic-Reboot \"true\";\n",
    );
    assert_eq!(
        told(apt, &[ours, later]),
        [
            "unattended-upgrade::automatic-reboot of /etc/apt/apt.conf.d/52deployctl-unattended:2 is `true` by /etc/apt/apt.conf.d/99local:1"
        ]
    );
    assert!(told(apt, &[ours, passed_over]).is_empty());
}

#[test]
fn of_two_tmpfiles_about_one_path_the_first_counts() {
    let path = "/etc/tmpfiles.d/deployctl-trading.conf";
    let ours = (
        path,
        "# ours\nd /var/lib/trading 0750 trading trading -\nz /dev/x 0660 root trading\n",
    );
    let by = |theirs: &str, content: &str| told(path, &[ours, (theirs, content)]);
    let directory = |value: &str, place: &str| {
        vec![format!(
            "/var/lib/trading of {path}:2 is `{value}` by {place}"
        )]
    };
    let early = "/usr/lib/tmpfiles.d/00-vendor.conf";
    assert_eq!(
        by(early, "d /var/lib/trading/ 0755 root root 10d\n"),
        directory(
            "d 0755 root root 10d",
            "/usr/lib/tmpfiles.d/00-vendor.conf:1"
        )
    );
    // A later one counts only where it says so.
    let late = "/etc/tmpfiles.d/zz.conf";
    assert!(by(late, "d /var/lib/trading 0755 root root\n").is_empty());
    assert_eq!(
        by(late, "\nL+ /var/lib/trading - - - - /srv/t\n"),
        directory("L /srv/t", "/etc/tmpfiles.d/zz.conf:2")
    );
    assert!(by(early, "d! /var/lib/trading 0750 trading trading\n").is_empty());
    // Of owners and modes the last counts; an ACL is another matter.
    assert_eq!(
        by(late, "m /dev/x 0666\n"),
        [format!("/dev/x of {path}:3 is `m 0666` by {late}:1")]
    );
    assert!(by(late, "a /dev/x - - - - u:bob:r\n").is_empty());
}

#[test]
fn a_module_that_may_not_be_loaded_is_not_loaded_at_boot() {
    let load = "/etc/modules-load.d/deployctl-nvidia.conf";
    let options = "/etc/modprobe.d/deployctl-nvidia.conf";
    let host = |content| {
        [
            (load, "nvidia\nnvidia-uvm\n"),
            (options, "blacklist nouveau\noptions nvidia-drm modeset=1\n"),
            ("/usr/lib/modprobe.d/zz-vendor.conf", content),
        ]
    };
    let theirs = "/usr/lib/modprobe.d/zz-vendor.conf:1";
    for (content, expected) in [
        ("blacklist nvidia_uvm\n", Some("blacklist nvidia_uvm")),
        (
            "install nvidia-uvm /bin/false\n",
            Some("install nvidia-uvm /bin/false"),
        ),
        ("install nvidia-uvm modprobe -i nvidia-uvm && true\n", None),
        ("blacklist nvidiafb\n", None),
    ] {
        let expected: Vec<String> = expected
            .map(|words| format!("nvidia_uvm of {load}:2 is `{words}` by {theirs}"))
            .into_iter()
            .collect();
        assert_eq!(told(load, &host(content)), expected, "{content}");
    }
    assert_eq!(
        told(options, &host("options nvidia_drm fbdev=1 modeset=0\n")),
        [format!(
            "nvidia_drm.modeset of {options}:2 is `0` by {theirs}"
        )]
    );
    assert!(told(options, &host("options nvidia_drm fbdev=1 modeset=1\n")).is_empty());
}

#[test]
fn networkd_takes_the_first_file_that_matches_and_its_drop_ins() {
    let network = "/etc/systemd/network/10-deployctl-lan0.network";
    let link = "/etc/systemd/network/10-deployctl-lan0.link";
    let ours = [
        (
            network,
            "[Match]\nName=lan0\n\n[Link]\nMTUBytes=1500\n\n[Network]\nAddress=192.0.2.7/24\nDHCP=no\n",
        ),
        (
            link,
            "[Match]\nPermanentMACAddress=02:00:00:00:00:01\n\n[Link]\nName=lan0\n",
        ),
    ];
    let by = |about: &str, theirs: &str, content: &str| {
        told(about, &[ours[0], ours[1], (theirs, content)])
    };
    let early = "/run/systemd/network/05-all.network";
    for (content, wins) in [
        ("[Match]\nName=lan*\n", true),
        ("[Match]\nType=ether\nName=!wl*\n", true),
        ("[Match]\nMACAddress=02:00:00:00:00:01\n", true),
        ("[Match]\nName=en* eth*\n", false),
        ("[Match]\nName=lan0\nVirtualization=container\n", false),
    ] {
        assert_eq!(
            by(network, early, content).len(),
            usize::from(wins),
            "{content}"
        );
        assert!(by(network, "/etc/systemd/network/20-x.network", content).is_empty());
        assert!(by(link, early, content).is_empty());
    }
    assert_eq!(
        by(network, early, "[Match]\nName=*\n"),
        [format!("Name of {network}:2 is `*` by {early}:2")]
    );
    assert_eq!(
        by(
            link,
            "/usr/lib/systemd/network/00-x.link",
            "[Match]\nOriginalName=*\n"
        )
        .len(),
        1
    );
    assert_eq!(
        by(
            network,
            "/etc/systemd/network/10-deployctl-lan0.network.d/x.conf",
            "[Network]\nDHCP=yes\nAddress=192.0.2.8/24\n"
        ),
        [format!(
            "[Network] DHCP of {network}:9 is `yes` by {network}.d/x.conf:2"
        )]
    );
}

#[test]
fn netplan_takes_the_last_value_and_networkd_the_first_definition() {
    let ours = "/etc/netplan/60-deployctl-lan0.yaml";
    let content = "network:\n  version: 2\n  ethernets:\n    lan0:\n      match:\n        macaddress: 02:00:00:00:00:01\n      set-name: lan0\n      addresses:\n        - 192.0.2.7/24\n      mtu: 9000\n      dhcp4: false\n      routes:\n        - to: default\n          via: 192.0.2.1\n";
    let by = |theirs: &str, content_of: &str| told(ours, &[(ours, content), (theirs, content_of)]);
    let late = "/etc/netplan/90-x.yaml";
    let lan0 = |lines: &str| format!("network:\n  ethernets:\n    lan0:\n{lines}");
    for (theirs, lines, expected) in [
        (
            late,
            "      mtu: 1500\n",
            vec![format!(
                "ethernets.lan0.mtu of {ours}:10 is `1500` by {late}:4"
            )],
        ),
        (
            late,
            "      \"dhcp4\": yes # for now\n",
            vec![format!(
                "ethernets.lan0.dhcp4 of {ours}:11 is `true` by {late}:4"
            )],
        ),
        (late, "      dhcp4: no\n", vec![]),
        (late, "      addresses: [192.0.2.8/24]\n", vec![]),
        (
            "/etc/netplan/50-cloud-init.yaml",
            "      mtu: 1500\n",
            vec![],
        ),
        ("/etc/netplan/90-x.yaml.bak", "      mtu: 1500\n", vec![]),
    ] {
        assert_eq!(by(theirs, &lan0(lines)), expected, "{theirs} {lines}");
    }
    // By the name alone it would count as ours.
    let hidden_by = "/run/netplan/60-deployctl-lan0.yaml";
    let all = files(&[(ours, content), (hidden_by, &lan0("      mtu: 1500\n"))]);
    let hidden = overruled(ours, &all, |path| path == ours);
    assert_eq!(hidden[0].how, How::Matches);
    assert_eq!(hidden[0].theirs.place.to_string(), format!("{hidden_by}:4"));
    let other = |name: &str, address: &str| {
        by(
            "/etc/netplan/50-cloud-init.yaml",
            &format!(
                "network:\n  ethernets:\n    {name}:\n      dhcp4: true\n      match:\n        macaddress: '{address}'\n"
            ),
        )
    };
    assert_eq!(
        other("eth0", "02:00:00:00:00:01"),
        [format!(
            "ethernets.lan0.match.macaddress of {ours}:6 is `02:00:00:00:00:01` by /etc/netplan/50-cloud-init.yaml:6"
        )]
    );
    assert!(other("zzz", "02:00:00:00:00:01").is_empty());
    assert!(other("eth0", "02:00:00:00:00:02").is_empty());
}

#[test]
fn a_later_drop_in_of_a_unit_counts() {
    let drop_in = "/etc/systemd/system/irqbalance.service.d/10-deployctl.conf";
    let ours = (
        drop_in,
        "[Service]\nExecStart=\nExecStart=/usr/sbin/irqbalance\nNice=5\nEnvironment=\"BANNED=4-7\"\n",
    );
    let by = |theirs: &str, content: &str| told(drop_in, &[ours, (theirs, content)]);
    let late = "/etc/systemd/system/irqbalance.service.d/override.conf";
    let told_of = |key: &str, line: u32, value: &str, place: &str| {
        vec![format!(
            "[Service] {key} of {drop_in}:{line} is `{value}` by {place}"
        )]
    };
    assert_eq!(
        by(late, "[Service]\nNice=0\n"),
        told_of(
            "Nice",
            4,
            "0",
            "/etc/systemd/system/irqbalance.service.d/override.conf:2"
        )
    );
    // Only the name of a variable is shown.
    assert_eq!(
        by(late, "[Service]\nEnvironment=BANNED=secret\n"),
        told_of(
            "Environment=BANNED",
            5,
            "another value",
            &format!("{late}:2")
        )
    );
    assert!(by(late, "[Service]\nEnvironment=OTHER=1\n").is_empty());
    // A list is only added to, until it is emptied.
    assert!(by(late, "[Service]\nExecStart=/bin/true\n").is_empty());
    assert_eq!(
        by(
            late,
            "[Service]\nExecStart=\nExecStart=/bin/true \\\n  Nice=9\n"
        ),
        told_of("ExecStart", 3, "", &format!("{late}:2"))
    );
    // Those of the type, of the beginning of the name, and `systemctl set-property`.
    for directory in [
        "/usr/lib/systemd/system/service.d",
        "/etc/systemd/system.control/irqbalance.service.d",
    ] {
        assert_eq!(
            by(&format!("{directory}/50-x.conf"), "[Service]\nNice=1\n").len(),
            1
        );
        assert!(by(&format!("{directory}/05-x.conf"), "[Service]\nNice=1\n").is_empty());
    }
    let other = "/etc/systemd/system/cron.service.d/zz.conf";
    assert!(by(other, "[Service]\nNice=1\n").is_empty());

    let unit = "/etc/systemd/system/gpu-power-limit.service";
    let files = [
        (unit, "[Service]\nExecStart=/bin/a\nMemoryMax=1G\n"),
        (
            "/run/systemd/system/gpu-.service.d/0.conf",
            "[Service]\nMemoryMax=2G\n",
        ),
    ];
    assert_eq!(told(unit, &files).len(), 1);
}

#[test]
fn the_last_limit_of_a_group_counts() {
    let path = "/etc/security/limits.d/90-deployctl-realtime.conf";
    let ours = (path, "@realtime - rtprio 90\n");
    let late = (
        "/etc/security/limits.d/99-x.conf",
        "@realtime hard rtprio 0 # no\n@audio - rtprio 95\n",
    );
    assert_eq!(
        told(path, &[ours, late]),
        [format!(
            "@realtime hard rtprio of {path}:1 is `0` by /etc/security/limits.d/99-x.conf:1"
        )]
    );
    assert!(
        told(
            path,
            &[
                ours,
                ("/etc/security/limits.conf", "@realtime - rtprio 0\n")
            ]
        )
        .is_empty()
    );
}

#[test]
fn what_a_host_prints_is_read() {
    let printed = "file /etc/sysctl.d/60-deployctl-network.conf\nfile /etc/sysctl.d/99-x.conf\n\
        /etc/sysctl.d/99-x.conf\x003:net.core.somaxconn = 1\nnext=root=/dev/vda ro\n";
    let files = parse(printed.as_bytes());
    assert!(files.has(SYSCTL));
    let lines: Vec<_> = files.lines("/etc/sysctl.d/99-x.conf").collect();
    assert_eq!(lines, [(3, "net.core.somaxconn = 1")]);
}
