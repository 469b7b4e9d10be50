use super::sshd::{Login, evaluate};
use super::sudoers::{Rule, last};
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
    overruled(ours, &files(of), |path| path.contains("deployctl"))
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
fn sshd_takes_the_first_value_and_that_of_a_matching_block_before_it() {
    let login = Login {
        user: "operator".to_owned(),
        groups: Some(vec!["operator".to_owned(), "sudo".to_owned()]),
        from: "192.0.2.9".parse().ok(),
        to: "192.0.2.1".parse().ok(),
        port: 22,
    };
    let found = |main: &str, drop_in: &str| {
        let files = files(&[
            ("/etc/ssh/sshd_config", main),
            (
                "/etc/ssh/sshd_config.d/00-deployctl.conf",
                "PubkeyAuthentication yes\n",
            ),
            ("/etc/ssh/sshd_config.d/10-x.conf", drop_in),
        ]);
        let effective = evaluate(&files, &login);
        let value = effective.get("pubkeyauthentication");
        let value = value.map_or_else(
            || "nothing".to_owned(),
            |v| format!("{} by {v}", v.words.join(" ")),
        );
        if effective.unsure {
            format!("{value}, unsure")
        } else {
            value
        }
    };
    let include = "Include /etc/ssh/sshd_config.d/*.conf\n";
    let ours = "yes by `/etc/ssh/sshd_config.d/00-deployctl.conf:1`";
    let by_block = |block: &str| format!("no by `/etc/ssh/sshd_config.d/10-x.conf:2` (`{block}`)");
    for (main, drop_in, expected) in [
        (include, "PubkeyAuthentication no\n", ours.to_owned()),
        ("Include sshd_config.d/*.conf\n", "", ours.to_owned()),
        (
            "PubkeyAuthentication no # first\n",
            "",
            "no by `/etc/ssh/sshd_config:1`".to_owned(),
        ),
        ("UsePAM yes\n", "", "nothing".to_owned()),
        (
            include,
            "Match User operator\nPubkeyAuthentication no\n",
            by_block("Match User operator"),
        ),
        (
            include,
            "Match all\n  PubkeyAuthentication=no\n",
            by_block("Match all"),
        ),
        (
            include,
            "Match User bob,!operator\nPubkeyAuthentication no\n",
            ours.to_owned(),
        ),
        (
            include,
            "Match User=oper*\nPubkeyAuthentication \"no\"\n",
            by_block("Match User=oper*"),
        ),
        (
            include,
            "Match Address 192.0.2.0/24 Group sudo\nPubkeyAuthentication no\n",
            by_block("Match Address 192.0.2.0/24 Group sudo"),
        ),
        (
            include,
            "Match Address 198.51.100.*\nPubkeyAuthentication no\n",
            ours.to_owned(),
        ),
        (
            include,
            "Match LocalPort 2222\nPubkeyAuthentication no\n",
            ours.to_owned(),
        ),
        (
            include,
            "Match Host *.example.com\nPubkeyAuthentication no\n",
            format!("{ours}, unsure"),
        ),
    ] {
        assert_eq!(found(main, drop_in), expected, "{main}{drop_in}");
    }
    // A block ends with the file that it begins in.
    let main = format!("{include}AllowUsers root\n");
    let files = files(&[
        ("/etc/ssh/sshd_config", main.as_str()),
        (
            "/etc/ssh/sshd_config.d/10-x.conf",
            "Match User bob\nAllowUsers bob\n",
        ),
    ]);
    let effective = evaluate(&files, &login);
    assert_eq!(effective.get("allowusers").unwrap().words, ["root"]);
}

#[test]
fn the_last_rule_of_sudoers_that_matches_counts() {
    let place = |of: &[(&str, &str)], groups: &[&str]| {
        let rules: Vec<Rule> = of
            .iter()
            .flat_map(|(file, text)| Rule::of_file(file, text))
            .collect();
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        last(&rules, "operator", &groups)
            .map(|rule| (rule.place().to_string(), rule.asks_nothing()))
    };
    let main = (
        "/etc/sudoers",
        "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
    );
    let installer = (
        "/etc/sudoers.d/10-installer",
        "operator ALL=(ALL) NOPASSWD: ALL\n",
    );
    let ours = (
        "/etc/sudoers.d/90-deployctl",
        "# ours\noperator ALL=(ALL:ALL) ALL\n",
    );
    let at = |place: &str, asks_nothing| Some((place.to_owned(), asks_nothing));
    assert_eq!(place(&[main], &["sudo"]), at("/etc/sudoers:3", false));
    assert_eq!(place(&[main], &[]), None);
    assert_eq!(
        place(&[installer, main], &["sudo"]),
        at("/etc/sudoers.d/10-installer:1", true)
    );
    assert_eq!(
        place(&[ours, installer, main], &["sudo"]),
        at("/etc/sudoers.d/90-deployctl:2", false)
    );
    let service = (
        "/etc/sudoers.d/99-x",
        "operator ALL=(root) NOPASSWD: /usr/bin/true\n",
    );
    assert_eq!(
        place(&[service, ours, main], &[]),
        at("/etc/sudoers.d/90-deployctl:2", false)
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
