//! Plans and reports in which something of everything happens.

use deployctl_checks::{CheckResult, CheckStatus};
use deployctl_core::name::{HostName, SysctlKey};
use deployctl_core::plan::{Drift, Plan};
use deployctl_core::rendered::{Entry, FollowUp, OnChange, PathState};
use deployctl_report::{HostReport, Outcome, Problem, Report};

use super::fixture::{concern, ownership, path, planned};

/// One of everything.
pub(super) fn eventful() -> Plan {
    planned(|case| {
        case.edit("/etc/app/app.conf", "level = 2\n");
        case.edit("/etc/app/key", "hunter3\n");
        case.found(
            "/etc/systemd/system/app.service",
            "[Service]\nExecStart=/usr/bin/app\n",
            0o600,
        );
        let long: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        case.declare(
            "/etc/app/long",
            "app",
            Entry::File {
                content: long.replace("line", "row"),
                ownership: ownership(0o644),
            },
            &[],
        );
        case.found("/etc/app/long", &long, 0o644);
        case.declare(
            "/etc/app/new.conf",
            "app",
            Entry::File {
                content: "a\nb\n".to_owned(),
                ownership: ownership(0o644),
            },
            &[],
        );
        case.declare(
            "/etc/app/secret",
            "app",
            Entry::File {
                content: "s".to_owned(),
                ownership: ownership(0o600),
            },
            &[],
        );
        case.declare(
            "/etc/app/dir",
            "app",
            Entry::Directory {
                ownership: ownership(0o750),
            },
            &[],
        );
        case.declare(
            "/etc/app/link",
            "app",
            Entry::Symlink {
                target: "app.conf".to_owned(),
            },
            &[],
        );
        case.observed.paths.insert(
            path("/etc/app/link"),
            PathState::Symlink {
                target: "other".to_owned(),
            },
        );
        case.declare("/etc/app/old", "app", Entry::Absent, &[]);
        case.found("/etc/app/old", "x\n", 0o644);
        case.declare(
            "/etc/default/grub.d/90-deployctl.cfg",
            "kernel",
            Entry::File {
                content:
                    "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT preempt=full\"\n"
                        .to_owned(),
                ownership: ownership(0o644),
            },
            &[FollowUp::Bootloader, FollowUp::Reboot],
        );
        case.package("lib", "app", Some("2.0-1"), true);
        case.observed.packages.remove("lib");
        case.observed.packages.get_mut("app").unwrap().version = "1.2-1".to_owned();
        case.unit(
            "vllm.service",
            "app",
            OnChange::Restart,
            &["/etc/app/new.conf"],
        );
        case.rendered
            .units
            .get_mut(&super::fixture::unit("vllm.service"))
            .unwrap()
            .start_timeout_seconds = 900;
        case.unit("idle.service", "app", OnChange::Nothing, &[]);
        case.state("idle.service", "loaded", "inactive", "disabled");
        case.sysctl("net.core.rmem_max", "16777216");
        case.observed.sysctls.insert(
            SysctlKey::new("net.core.rmem_max").unwrap(),
            "212992".to_owned(),
        );
        case.module("tcp_bbr");
        case.target.machine_id_sha256 = None;
    })
}

pub(super) fn refused() -> Plan {
    planned(|case| {
        case.declare(
            "/etc/ssh/sshd_config.d/00-deployctl.conf",
            "ssh",
            Entry::File {
                content: "AllowUsers root\n".to_owned(),
                ownership: ownership(0o644),
            },
            &[],
        );
        case.observed.free_kib.insert("/".to_owned(), 1024);
        case.observed.reboot_required = true;
    })
}

/// What a host that means harm could put into every text.
pub(super) fn hostile() -> Plan {
    let evil = "\x1b[2J\x1b]0;owned\x07\u{202e}x\r\nrefused: nothing";
    let mut plan = planned(|case| {
        case.edit("/etc/app/app.conf", "level = 2\n");
        case.observed
            .contents
            .insert(path("/etc/app/app.conf"), format!("{evil}\x1b[31m\n"));
        case.observed.packages.get_mut("app").unwrap().version = "1.2-1".to_owned();
        case.observed
            .sysctls
            .insert(SysctlKey::new("vm.swappiness").unwrap(), evil.to_owned());
    });
    plan.packages[0].before = Some(evil.to_owned());
    plan.units[0].reason = evil.to_owned();
    plan.reboot.push(evil.to_owned().into());
    plan.drift.push(Drift {
        subject: evil.to_owned(),
        committed: evil.to_owned(),
        found: evil.to_owned(),
    });
    plan.findings.push(deployctl_core::plan::Finding {
        overridable_by: None,
        severity: deployctl_core::plan::Severity::Warn,
        code: "x".to_owned(),
        message: evil.to_owned(),
        hint: Some(evil.to_owned()),
    });
    plan
}

pub(super) fn problem(message: &str, hint: Option<&str>) -> Problem {
    Problem {
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
    }
}

pub(super) fn host(name: &str, outcome: Outcome, plan: Option<Plan>) -> HostReport {
    HostReport {
        plan,
        ..HostReport::ended(HostName::new(name).unwrap(), outcome)
    }
}

pub(super) fn report(command: &str, hosts: Vec<HostReport>) -> Report {
    Report::new(command, hosts)
}

pub(super) fn check(name: &str, gate: bool, status: CheckStatus, evidence: &str) -> CheckResult {
    CheckResult {
        check: format!("hugepages/{name}"),
        concern: concern("hugepages"),
        gate,
        status,
        expected: "HugePages_Total is 2048".to_owned(),
        evidence: evidence.to_owned(),
        attempts: 1,
        measurements: Vec::new(),
    }
}

pub(super) fn judged() -> Vec<CheckResult> {
    vec![
        check(
            "pool",
            true,
            CheckStatus::Fail {
                hint: Some("compact memory, or reboot".to_owned()),
            },
            "HugePages_Total: 1024",
        ),
        check("mount", false, CheckStatus::Pass, "/mnt/huge is hugetlbfs"),
        check(
            "command-line",
            false,
            CheckStatus::Stale {
                reason: "waits for a reboot".to_owned(),
            },
            "hugepages=1024",
        ),
        check(
            "surplus",
            false,
            CheckStatus::Error {
                reason: "no answer in time".to_owned(),
            },
            "",
        ),
        check(
            "group",
            false,
            CheckStatus::Skip {
                reason: "sandbox".to_owned(),
            },
            "",
        ),
        check(
            "limit",
            false,
            CheckStatus::Skip {
                reason: "sandbox".to_owned(),
            },
            "",
        ),
    ]
}
