//! What people read.

use deployctl_checks::CheckStatus;
use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::{ApplyStatus, Failure, FailureCode, LogPart, Status};
use deployctl_core::name::SysctlKey;
use deployctl_report::text::{self, Style};
use deployctl_report::{HostReport, Outcome, Report};

use super::fixture::{Case, path, planned};
use super::stories::{eventful, host, hostile, judged, problem, refused, report};

#[test]
fn a_plan_with_one_of_everything() {
    let brief = text::plan(&eventful(), false, Style::Plain);
    insta::assert_snapshot!("a_plan_in_short", brief);
    let full = text::plan(&eventful(), true, Style::Plain);
    insta::assert_snapshot!("a_plan_in_full", full);
    let coloured = text::plan(&refused(), false, Style::Ansi).replace('\x1b', "␛");
    insta::assert_snapshot!(coloured, @"
    ␛[1mbox␛[0m  1 change: 1 file  ␛[2m(plan 0f9e0a255c38f4db, from generation 4)␛[0m
      files
        ␛[32m+␛[0m /etc/ssh/sshd_config.d/00-deployctl.conf  new, 0644 root:root, 1 line  ␛[2m[ssh]␛[0m
      ␛[2mnote␛[0m: the host itself asks for a reboot (`/run/reboot-required`)
      ␛[1;31mrefused␛[0m: sshd would no longer let `operator` in: `AllowUsers` names `root` in `/etc/ssh/sshd_config.d/00-deployctl.conf:1`
        ␛[2mhint:␛[0m add `operator` to `ssh.allow_users`
      ␛[1;31mrefused␛[0m: `/` has 1 MiB free; 65 MiB are needed
        ␛[2mhint:␛[0m make room: `du -xh --max-depth=2 / | sort -h | tail`
      nothing of this is applied while something refuses it
    ");
}

#[test]
fn plans_of_several_hosts() {
    let mut removed = Case::settled();
    removed.rendered.entries.remove(&path("/etc/app/key"));
    removed.rendered.sysctls.clear();
    removed.rendered.packages.clear();
    let told = text::plans(
        &report(
            "plan",
            vec![
                host(
                    "cuda",
                    Outcome::Planned { changes: true },
                    Some(removed.plan()),
                ),
                host(
                    "linode",
                    Outcome::Planned { changes: false },
                    Some(planned(|_| {})),
                ),
                host(
                    "locked",
                    Outcome::Planned { changes: true },
                    Some(refused()),
                ),
                host(
                    "mac-mini",
                    Outcome::Skipped {
                        reason: "darwin needs a closure".to_owned(),
                    },
                    None,
                ),
                host(
                    "gone",
                    Outcome::Unreachable {
                        reason: problem(
                            "no connection to `operator@gone:22`: connection timed out",
                            Some("is it on?"),
                        ),
                    },
                    None,
                ),
            ],
        ),
        false,
        Style::Plain,
    );
    insta::assert_snapshot!(told, @"
    box  4 changes: 1 file, 1 package, 1 unit, 1 sysctl  (plan dccca8452502db1a, from generation 4)
      files
        < /etc/app/key  back to what it was before deployctl  [no longer declared]
      packages (a rollback keeps them)
        app  no longer held; it stays installed
      kernel settings
        vm.swappiness  1, back to what it was before deployctl
      units
        restart  app.service  `/etc/app/key` changed; up to 90 s

    box  nothing to change  (plan 9fe3ee27f35bb44d, from generation 4)

    box  1 change: 1 file  (plan 0f9e0a255c38f4db, from generation 4)
      files
        + /etc/ssh/sshd_config.d/00-deployctl.conf  new, 0644 root:root, 1 line  [ssh]
      note: the host itself asks for a reboot (`/run/reboot-required`)
      refused: sshd would no longer let `operator` in: `AllowUsers` names `root` in `/etc/ssh/sshd_config.d/00-deployctl.conf:1`
        hint: add `operator` to `ssh.allow_users`
      refused: `/` has 1 MiB free; 65 MiB are needed
        hint: make room: `du -xh --max-depth=2 / | sort -h | tail`
      nothing of this is applied while something refuses it

    mac-mini  skip: darwin needs a closure

    gone  unreachable: no connection to `operator@gone:22`: connection timed out
      hint: is it on?

    cuda: 4 changes · linode: unchanged · locked: would be refused · mac-mini: skip: darwin needs a closure · gone: unreachable
    ");
}

#[test]
fn an_apply_however_it_ends() {
    let mut committed = host(
        "cuda",
        Outcome::Committed { generation: 5 },
        Some(eventful()),
    );
    committed.checks = judged()
        .into_iter()
        .filter(|c| matches!(c.status, CheckStatus::Pass | CheckStatus::Skip { .. }))
        .collect();
    let mut back = host(
        "linode",
        Outcome::RolledBack {
            reason: "the gate `hugepages/pool` failed".to_owned(),
            login: true,
        },
        None,
    );
    back.checks = judged().into_iter().take(2).collect();
    back.log = (1..=25).map(|n| format!("step {n}")).collect();
    let mut failed = host(
        "nas",
        Outcome::RollbackFailed {
            reason: "`/etc/app/app.conf` could not be put back: no space left".to_owned(),
            hint: "`sh /var/lib/deployctl/host.sh rollback` on its console".to_owned(),
        },
        None,
    );
    failed.log = vec![
        "restore /etc/app/app.conf".to_owned(),
        "\x1b[31mcp: no space left\x1b[0m".to_owned(),
    ];
    let all = report(
        "apply",
        vec![
            committed,
            back,
            failed,
            host("a", Outcome::Unchanged, None),
            host(
                "b",
                Outcome::Refused {
                    reasons: vec![
                        problem(
                            "apply `a-17` of `ann@laptop` is still open",
                            Some("wait for it"),
                        ),
                        problem("`/` has 1 MiB free; 65 MiB are needed", None),
                    ],
                },
                None,
            ),
            host(
                "c",
                Outcome::Unreachable {
                    reason: problem("no route to host", None),
                },
                None,
            ),
            host(
                "d",
                Outcome::Open {
                    reason: problem(
                        "`d`: lost; last heard of: `activated`",
                        Some("`deployctl status d`"),
                    ),
                    until: Some(1_795_395_661),
                },
                None,
            ),
            host(
                "d2",
                Outcome::Open {
                    reason: problem("`d2`: lost; last heard of: `rolling-back`", None),
                    until: None,
                },
                None,
            ),
            host(
                "d3",
                Outcome::RolledBack {
                    reason: "a directory logs nobody in".to_owned(),
                    login: false,
                },
                None,
            ),
            host(
                "e",
                Outcome::Failed {
                    reason: problem("cannot pack the bundle", None),
                },
                None,
            ),
            host("f", Outcome::Interrupted, None),
            HostReport {
                took_over: Some("apply `1-a` of `ann@box` was rolled back first".to_owned()),
                ..host(
                    "g",
                    Outcome::Refused {
                        reasons: vec![problem("`/etc/x` is a mount point", None)],
                    },
                    None,
                )
            },
            HostReport {
                took_over: Some("apply `1-a` of `ann@box` was rolled back first".to_owned()),
                ..host("h", Outcome::Unchanged, None)
            },
            host(
                "mac-mini",
                Outcome::Skipped {
                    reason: "darwin needs a closure".to_owned(),
                },
                None,
            ),
        ],
    );
    insta::assert_snapshot!(text::report(&all, Style::Plain));
}

#[test]
fn checks() {
    let mut bad = host("cuda", Outcome::Verified, None);
    bad.checks = judged();
    let mut good = host("linode", Outcome::Verified, None);
    good.checks = judged().into_iter().skip(1).take(1).collect();
    let mut unproven = host("box", Outcome::Verified, None);
    unproven.checks = judged().into_iter().skip(4).collect();
    let all = report(
        "verify",
        vec![
            bad,
            good,
            unproven,
            host(
                "mac-mini",
                Outcome::Skipped {
                    reason: "darwin needs a closure".to_owned(),
                },
                None,
            ),
        ],
    );
    let told = text::checks(&all, &text::Beside::default(), Style::Plain);
    insta::assert_snapshot!(told, @"
    cuda    1 passed, 1 failed, 1 unreadable, 1 waiting for a reboot, 2 skipped
      pass   hugepages/mount  /mnt/huge is hugetlbfs
      2 checks skipped: sandbox
    linode  1 passed
      pass   hugepages/mount  /mnt/huge is hugetlbfs
    box     2 skipped
      2 checks skipped: sandbox

    cuda
      fail   hugepages/pool          HugePages_Total: 1024  [gate]
             expected  HugePages_Total is 2048
             hint      compact memory, or reboot
      stale  hugepages/command-line  waits for a reboot
             expected  HugePages_Total is 2048
             found     hugepages=1024
      error  hugepages/surplus       no answer in time
             expected  HugePages_Total is 2048
    mac-mini  skip: darwin needs a closure

    cuda: 1 passed, 1 failed, 1 unreadable, 1 waiting for a reboot, 2 skipped · linode: 1 passed · box: 2 skipped · mac-mini: skip: darwin needs a closure
    ");
}

#[test]
fn drift_of_several_hosts() {
    let told = text::drift(
        &report(
            "diff",
            vec![
                host(
                    "cuda",
                    Outcome::Planned { changes: true },
                    Some(planned(|case| {
                        case.found("/etc/app/app.conf", "level = 9\n", 0o600);
                        case.observed
                            .sysctls
                            .insert(SysctlKey::new("vm.swappiness").unwrap(), "60".to_owned());
                    })),
                ),
                host(
                    "linode",
                    Outcome::Planned { changes: false },
                    Some(planned(|_| {})),
                ),
                host(
                    "new",
                    Outcome::Planned { changes: true },
                    Some(planned(|case| {
                        case.observed.generation = 0;
                        case.observed.manifest = None;
                    })),
                ),
            ],
        ),
        Style::Plain,
    );
    insta::assert_snapshot!(told, @"
    cuda    2 changes behind our back
        /etc/app/app.conf  content 9259f773c285, mode 0644 became content 9a30ff6be4b5, mode 0600
        vm.swappiness      1 became 60
    linode  as committed
    new     nothing applied yet
    ");
}

#[test]
fn what_a_host_says_of_itself() {
    let apply = |phase: Phase, failure: Option<&str>| Status {
        generation: 4,
        apply: Some(ApplyStatus {
            apply: "20261123-1f3a9c".to_owned(),
            holder: "ann@laptop".to_owned(),
            phase,
            base: 4,
            deadline_seconds: phase.is_open().then_some(57),
            rebooted: failure.is_some(),
            skipped: 0,
            failure: failure.map(|text| Failure {
                code: FailureCode::Step,
                text: text.to_owned(),
            }),
            reboot: Vec::new(),
            log: LogPart {
                offset: 0,
                size: 0,
                bytes: Vec::new(),
            },
        }),
    };
    let told: Vec<_> = [
        Status {
            generation: 0,
            apply: None,
        },
        Status {
            generation: 7,
            apply: None,
        },
        apply(Phase::Committed, None),
        apply(Phase::Activated, None),
        apply(Phase::RolledBack, Some("`x.service` failed\x1b[2J")),
        apply(Phase::RollbackFailed, Some("no space left")),
    ]
    .iter()
    .map(|status| text::status(status, false, Style::Plain))
    .collect();
    let mut late = apply(Phase::Activated, None);
    let in_sandbox = text::status(&late, true, Style::Plain);
    if let Some(apply) = &mut late.apply {
        apply.deadline_seconds = Some(0);
    }
    let overdue = text::status(&late, true, Style::Plain);
    insta::assert_snapshot!(format!(
        "{}\n\n{in_sandbox}\n\n{overdue}",
        told.join("\n\n")
    ), @"
    nothing applied yet

    generation 7

    generation 4; apply 20261123-1f3a9c by ann@laptop: committed

    generation 4; apply 20261123-1f3a9c by ann@laptop: activated, rolls back by itself in 57 s unless confirmed

    generation 4; apply 20261123-1f3a9c by ann@laptop: rolled-back
      because `x.service` failed

    generation 4; apply 20261123-1f3a9c by ann@laptop: rollback-failed, booted since
      because no space left
      do this now: mend what is named, then run `sh /var/lib/deployctl/host.sh rollback` there as root; where it is right as it is: `deployctl rollback HOST --abandon`

    generation 4; apply 20261123-1f3a9c by ann@laptop: activated, 57 s left to confirm it

    generation 4; apply 20261123-1f3a9c by ann@laptop: activated, overdue: its dead-man timer has not run; `deployctl apply --steal` rolls it back
    ");
}

#[test]
fn nothing_that_a_host_sent_steers_the_terminal() {
    let plan = hostile();
    let mut report = report(
        "plan",
        vec![host("box", Outcome::Planned { changes: true }, Some(plan))],
    );
    report.hosts[0].log = vec!["\x1b[2J\u{202e}".to_owned()];
    let told = [
        text::plans(&report, true, Style::Plain),
        text::drift(&report, Style::Plain),
        text::report(&report, Style::Plain),
    ]
    .concat();
    assert!(!told.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'));
    insta::assert_snapshot!(told, @r"
    box  4 changes: 1 file, 1 package, 1 unit, 1 sysctl  (plan 356433ae6b1b12d9, from generation 4)
      changed on the host since generation 4
        vm.swappiness                  1 became \u{202e}x refused: nothing
        app                            1.2-3 became 1.2-1
        \u{202e}x\r\nrefused: nothing  \u{202e}x\r\nrefused: nothing became \u{202e}x\r\nrefused: nothing
      files
        ~ /etc/app/app.conf  edited  [app]
            @@ -1,2 +1 @@
            -\u{202e}x
            -refused: nothing
            +level = 2
      packages (a rollback keeps them)
        app  upgrade \u{202e}x\r\nrefused: nothing to 1.2-3
      kernel settings
        vm.swappiness  \u{202e}x\r\nrefused: nothing to 1
      units
        restart  app.service  \u{202e}x\r\nrefused: nothing; up to 90 s
      a reboot is needed before all of it is in effect (deployctl does not reboot)
        \u{202e}x\r\nrefused: nothing
      warning: \u{202e}x\r\nrefused: nothing
        hint: \u{202e}x\r\nrefused: nothing
    box  3 changes behind our back
        vm.swappiness                  1 became \u{202e}x refused: nothing
        app                            1.2-3 became 1.2-1
        \u{202e}x\r\nrefused: nothing  \u{202e}x\r\nrefused: nothing became \u{202e}x\r\nrefused: nothing
    box  has changes
      its log:
      | \u{202e}
    ");
}

#[test]
fn the_wire_format_stays_as_it_is() {
    let mut bad = host(
        "cuda",
        Outcome::RolledBack {
            reason: "no".to_owned(),
            login: true,
        },
        Some(refused()),
    );
    bad.checks = judged();
    bad.log = vec!["one".to_owned()];
    let all = report(
        "apply",
        vec![
            bad,
            host(
                "b",
                Outcome::Refused {
                    reasons: vec![problem("no", Some("yes"))],
                },
                None,
            ),
            host("c", Outcome::Committed { generation: 2 }, None),
        ],
    );
    let value = serde_json::to_value(&all).unwrap();
    assert_eq!(serde_json::from_value::<Report>(value).unwrap(), all);
    insta::assert_json_snapshot!(all);
}
