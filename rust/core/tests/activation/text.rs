//! What is written: the table, the scripts, quoting.

mod packages;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use deployctl_core::activation::bundle::HOST_PROGRAM;
use deployctl_core::activation::{Action, Bundle, Event, Phase, bundle, next};
use deployctl_core::closure::{Closure, StorePath};
use deployctl_core::inventory::Platform;
use deployctl_core::name::{ManagedPath, ModuleName, PackageName, SysctlKey, UnitName};
use deployctl_core::plan::{
    ClosureChange, PackageAction, PackageChange, PathChange, PathTarget, Plan, SysctlChange,
    SystemAction, UnitAction, UnitChange,
};
use deployctl_core::query::{quote, word};
use deployctl_core::rendered::{Entry, FollowUp, PathState, Rendered};
use proptest::prelude::*;

use crate::sandbox::{
    SHELLS, Want, absent, directory, empty_plan, file, link, managed, meta, owned,
};
use crate::shellcheck;

#[test]
fn every_pair_of_phase_and_event_has_its_row() {
    let mut table = String::new();
    for phase in Phase::ALL {
        for event in Event::ALL {
            let step = next(phase, event);
            let _ = writeln!(
                table,
                "{:<16}{:<18}{:<11}{:<16}{}",
                phase.word(),
                format!("{event:?}"),
                format!("{:?}", step.actor),
                format!("{:?}", step.action),
                step.phase
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_table_keeps_its_promises() {
    for phase in Phase::ALL {
        assert_eq!(Phase::from_word(phase.word()), Some(phase));
        for event in Event::ALL {
            let step = next(phase, event);
            let row = format!("{phase} {event:?}");
            let changed = step.phase != phase;
            match step.action {
                // Nothing is put back before something may have been changed, nor after a commit.
                Action::RollBack => {
                    assert!(phase.is_open() && step.phase == Phase::RollingBack, "{row}");
                }
                // Only a right confirm in time commits, or what completes that.
                Action::Commit => assert!(
                    matches!(
                        (phase, event),
                        (Phase::Activated, Event::Confirmed)
                            | (Phase::Committed, Event::Interrupted)
                    ),
                    "{row}"
                ),
                Action::Deny | Action::Nothing | Action::Reconnect => assert!(!changed, "{row}"),
                _ => {}
            }
            if phase.is_final() && phase != Phase::RollbackFailed {
                assert!(!changed, "{row}");
            }
            if matches!(event, Event::LinkLost) {
                assert!(!changed, "the host does not notice: {row}");
            }
        }
        // Whatever the host does by itself comes to an end.
        if !phase.is_final() {
            let step = next(phase, Event::Interrupted);
            assert!(
                matches!(step.action, Action::RollBack | Action::Release),
                "{phase}"
            );
        }
    }
}

/// A plan with all that a plan can hold.
struct Draft {
    plan: Plan,
    rendered: Rendered,
}

impl Draft {
    fn new() -> Self {
        let plan = empty_plan(4);
        Self {
            rendered: Rendered::empty(plan.host.clone()),
            plan,
        }
    }

    fn path(mut self, path: &str, want: Want, follow_ups: &[FollowUp], validator: &[&str]) -> Self {
        let name = ManagedPath::new(path).unwrap();
        let after = match &want {
            Want::Entry(entry) => PathTarget::entry(entry),
            Want::Original => PathTarget::Original,
        };
        // Half of them are there already.
        let before = if self.plan.paths.len().is_multiple_of(2) {
            PathState::Absent
        } else {
            PathState::of(&Entry::File {
                content: "old".to_owned(),
                ownership: owned(0o644),
            })
        };
        self.plan.paths.push(PathChange {
            path: name.clone(),
            concern: None,
            before,
            after,
            diff: None,
            gone: false,
        });
        self.plan.follow_ups.extend(follow_ups);
        if let Want::Entry(entry) = want {
            let mut entry = managed(entry);
            entry.follow_ups = follow_ups.iter().copied().collect();
            if !validator.is_empty() {
                entry.validator = Some(validator.iter().map(ToString::to_string).collect());
            }
            self.rendered.entries.insert(name, entry);
        }
        self
    }

    fn unit(mut self, unit: &str, actions: &[UnitAction]) -> Self {
        self.plan.units.push(UnitChange {
            unit: UnitName::new(unit).unwrap(),
            concern: None,
            actions: actions.to_vec(),
            reason: String::new(),
            start_timeout_seconds: 90,
        });
        self
    }

    fn package(mut self, name: &str, after: Option<&str>, action: PackageAction) -> Self {
        self.plan.packages.push(PackageChange {
            name: PackageName::new(name).unwrap(),
            concern: None,
            others: std::collections::BTreeSet::new(),
            before: None,
            after: after.map(str::to_owned),
            action,
            replaces: std::collections::BTreeSet::new(),
            file: None,
        });
        self
    }

    fn sysctl(mut self, key: &str, after: Option<&str>) -> Self {
        self.plan.sysctls.push(SysctlChange {
            key: SysctlKey::new(key).unwrap(),
            before: None,
            after: after.map(str::to_owned),
        });
        self
    }

    /// What people read: all scripts and the small files; the program and the JSON are left out.
    fn text(&self) -> String {
        let mut text = String::new();
        for file in bundle(&self.plan, &self.rendered, &meta("text-apply", 60)).files {
            let json = std::path::Path::new(&file.name).extension() == Some("json".as_ref());
            if file.name != "host.sh" && !json && !file.bytes.is_empty() {
                let _ = write!(
                    text,
                    "--- {}\n{}",
                    file.name,
                    String::from_utf8_lossy(&file.bytes)
                );
            }
        }
        text
    }
}

fn files() -> Draft {
    use FollowUp::{Sysusers, Tmpfiles};
    Draft::new()
        .path(
            "/etc/apt/preferences.d/90-deployctl",
            file("pin\n", 0o644),
            &[],
            &[],
        )
        .path(
            "/etc/ssh/sshd_config.d/00-deployctl.conf",
            file("X no\n", 0o600),
            &[],
            &["sshd", "-t"],
        )
        .path(
            "/etc/ssh/sshd_config.d/01-other.conf",
            file("Y no\n", 0o600),
            &[],
            &["sshd", "-t"],
        )
        .path(
            "/etc/sudoers.d/ops",
            file("it's\n", 0o440),
            &[],
            &["visudo", "-c", "-f", "/etc/sudoers.d/ops; reboot"],
        )
        .path(
            "/etc/sysusers.d/deployctl.conf",
            file("u x\n", 0o644),
            &[Sysusers],
            &[],
        )
        .path(
            "/etc/tmpfiles.d/deployctl.conf",
            file("d /x\n", 0o644),
            &[Tmpfiles],
            &[],
        )
        .path("/opt/app", directory(0o750), &[], &[])
        .path("/opt/app/current", link("releases/it's $(here)"), &[], &[])
        .path("/opt/app/gone", absent(), &[], &[])
        .path("/opt/app/was", Want::Original, &[], &[])
}

fn everything_live() -> Draft {
    use FollowUp as F;
    use UnitAction as U;
    let mut draft = Draft::new()
        .path(
            "/etc/modprobe.d/x.conf",
            file("x\n", 0o644),
            &[F::Initramfs],
            &[],
        )
        .path(
            "/etc/default/grub.d/x.cfg",
            file("x\n", 0o644),
            &[F::Bootloader, F::Reboot],
            &[],
        )
        .path(
            "/etc/netplan/60-x.yaml",
            file("x\n", 0o600),
            &[F::Network],
            &["netplan", "generate"],
        )
        .path(
            "/etc/nftables.d/deployctl.nft",
            file("x\n", 0o644),
            &[F::Firewall],
            &[],
        )
        .path(
            "/etc/systemd/system/mnt-huge.mount",
            file("x\n", 0o644),
            &[F::DaemonReload, F::Mounts],
            &[],
        )
        .path(
            "/etc/udev/rules.d/x.rules",
            file("x\n", 0o644),
            &[F::Udev],
            &[],
        )
        .path(
            "/etc/sysctl.d/x.conf",
            file("x\n", 0o644),
            &[F::Sysctl, F::Modules],
            &[],
        )
        .unit("vllm.service", &[U::Enable, U::Start])
        .unit("mnt-huge.mount", &[U::Restart])
        .unit("chrony.service", &[U::Reload])
        .unit("old.service", &[U::Stop, U::Disable])
        .sysctl("net.ipv4.conf.eth0/1.rp_filter", Some("1"))
        .sysctl("net/ipv4/tcp_rmem.x", Some("4096 131072 16777216"))
        .sysctl("vm.swappiness", None);
    draft
        .plan
        .modules
        .push(ModuleName::new("nvidia-uvm").unwrap());
    draft
        .plan
        .reboot
        .push("kernel\ncommand line".to_owned().into());
    draft
        .plan
        .failed_units
        .insert(UnitName::new("bad.service").unwrap());
    draft
}

/// Packages, some of an archive that comes with its key.
fn packages() -> Draft {
    use PackageAction::{Hold, Install, Unhold};
    let signed = "URIs: https://a.example\nSigned-By: /etc/apt/keyrings/a.asc\n";
    Draft::new()
        .path("/etc/apt/keyrings/a.asc", file("key\n", 0o644), &[], &[])
        .path(
            "/etc/apt/sources.list.d/a.sources",
            file(signed, 0o644),
            &[],
            &[],
        )
        .package("cuda-toolkit-12-6", Some("12.6.3-1"), Install)
        .package("chrony", None, Install)
        .package("cuda-toolkit-12-6", Some("12.6.3-1"), Hold)
        .package("libold", None, Unhold)
}

/// A concern goes: its unit and files as they were.
fn removal() -> Draft {
    use UnitAction::{Disable, Original, Stop};
    Draft::new()
        .path(
            "/etc/nftables.d/deployctl.nft",
            Want::Original,
            &[FollowUp::Firewall],
            &[],
        )
        .path(
            "/etc/systemd/system/app.service",
            Want::Original,
            &[FollowUp::DaemonReload],
            &[],
        )
        .path(
            "/etc/systemd/system/two.service",
            Want::Original,
            &[FollowUp::DaemonReload],
            &[],
        )
        .unit("app.service", &[Original])
        .unit("two.service", &[Stop, Disable])
}

/// A system of Nix, with a unit that had failed before and is started anew.
fn system(platform: Platform) -> Draft {
    let mut draft = Draft::new();
    let path = |text: &str| StorePath::new(text).unwrap();
    for unit in ["bad.service", "worse.service"] {
        draft.plan.failed_units.insert(UnitName::new(unit).unwrap());
    }
    let units = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    draft.plan.closure = Some(ClosureChange {
        before: Some(path(crate::stand_in::OLD)),
        after: Closure {
            platform,
            toplevel: path(crate::stand_in::NEW),
        },
        packages: Vec::new(),
        bytes: None,
        units: [
            (SystemAction::Stop, units(&["bad.service"])),
            (
                SystemAction::Restart,
                units(&["app.service", "worse.service"]),
            ),
        ]
        .into(),
    });
    draft.plan.reboot.push("kernel".to_owned().into());
    // One artifact comes, and another is not declared any more.
    let release = format!("releases/{}", "5a".repeat(32));
    draft
        .path("/srv/models/new/current", link(&release), &[], &[])
        .path("/srv/models/old/current", Want::Original, &[], &[])
}

/// Those of plans that need all that there is.
pub(crate) fn bundles() -> Vec<Bundle> {
    let system = system(Platform::Nixos);
    [files(), everything_live(), packages(), removal(), system]
        .iter()
        .map(|draft| bundle(&draft.plan, &draft.rendered, &meta("text-apply", 60)))
        .collect()
}

#[test]
fn scripts_are_straight_lines() {
    let told = [
        ("a system of NixOS", system(Platform::Nixos)),
        ("a system of nix-darwin", system(Platform::Darwin)),
        ("files", files()),
        ("live", everything_live()),
        ("packages", packages()),
        ("removal", removal()),
        ("nothing", Draft::new()),
    ]
    .map(|(name, draft)| format!("## {name}\n{}", draft.text()));
    insta::assert_snapshot!(told.join("\n"));
}

/// What a validator needs of a package to come is there before anything is changed; what it needs of others is theirs.
#[test]
fn the_nonce_is_nowhere_but_in_its_file() {
    let draft = files();
    for file in bundle(&draft.plan, &draft.rendered, &meta("text-apply", 60)).files {
        let found = String::from_utf8_lossy(&file.bytes).contains(crate::sandbox::NONCE);
        assert_eq!(found, file.name == "nonce", "{}", file.name);
        assert_eq!(file.mode, 0o600);
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    // SC1090: a file that is only there on the host.
    shellcheck::clean("host.sh", HOST_PROGRAM, "SC1090");
    for bundle in bundles() {
        for file in bundle.files {
            if file.name != "host.sh"
                && std::path::Path::new(&file.name).extension() == Some("sh".as_ref())
            {
                // SC2016: a `$` that means itself.
                shellcheck::clean(
                    &file.name,
                    &String::from_utf8(file.bytes).unwrap(),
                    "SC2016",
                );
            }
        }
    }
}

#[test]
fn both_shells_read_the_program() {
    for shell in SHELLS {
        let output = fed(Command::new(shell).args(["-n", "-s"]), HOST_PROGRAM);
        assert!(output.status.success(), "{shell}");
    }
}

/// What `command` makes of a program on its standard input: one argument cannot hold it.
pub(crate) fn fed(command: &mut Command, program: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(program.as_bytes()).unwrap();
    drop(pipe);
    child.wait_with_output().unwrap()
}

/// What `shell` makes of `words` as it reads them.
fn read_back(shell: &str, words: &[String]) -> Vec<String> {
    let output = Command::new(shell)
        .args(["-c", &format!("printf '%s\\0' {}", words.join(" "))])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.strip_suffix('\0')
        .unwrap()
        .split('\0')
        .map(str::to_owned)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_quoted_word_is_the_same_word(words in prop::collection::vec("[^\\x00]{0,12}|[-~ '\"$`\\\\!#*?\n\t;&|<>(){}\\[\\]=a0]{0,12}", 1..20)) {
        for shell in SHELLS {
            for quote in [quote, word] {
                let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
                prop_assert_eq!(&read_back(shell, &quoted), &words);
            }
        }
    }
}
