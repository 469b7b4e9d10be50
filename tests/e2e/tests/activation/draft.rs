//! A plan made by hand, and what the host does with it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use deployctl_core::activation::{
    ApplyId, ApplyMeta, Phase, bundle, command,
    status::{self, ApplyStatus},
};
use deployctl_core::name::{
    AccountName, ConcernName, HostName, ManagedPath, PackageName, SysctlKey, UnitName,
};
use deployctl_core::observed::{Identity, OsRelease};
use deployctl_core::plan::{
    PackageAction, PackageChange, PathChange, PathTarget, Plan, SysctlChange, UnitAction,
    UnitChange,
};
use deployctl_core::rendered::{
    Entry, FollowUp, ManagedEntry, Mode, Ownership, PathState, Rendered, Sha256Hex,
};
use deployctl_e2e::Machine;

pub(crate) const NONCE: &str = "it's a nonce";

/// A plan in the making.
pub(crate) struct Draft<'a> {
    machine: &'a Machine,
    plan: Plan,
    rendered: Rendered,
    window: u32,
    /// Seconds for which apt's locks are waited for, where they are not the usual ones.
    patience: Option<&'static str>,
    /// Last line of the activation, and the seconds until the first timer elapses.
    last: Option<(&'static str, u32)>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(machine: &'a Machine) -> Result<Self> {
        let host = HostName::new(machine.name())?;
        let generation = machine.ok("cat /var/lib/deployctl/generation 2>/dev/null || echo 0")?;
        let failed = machine
            .ok("systemctl list-units --state=failed --plain --no-legend | cut -d ' ' -f 1")?;
        Ok(Self {
            machine,
            rendered: Rendered::empty(host.clone()),
            window: 60,
            patience: None,
            last: None,
            plan: Plan {
                id: "0123456789abcdef".to_owned(),
                host,
                identity: Identity {
                    machine_id_sha256: String::new(),
                    hostname: machine.name().to_owned(),
                },
                os: OsRelease {
                    id: "debian".to_owned(),
                    version: "12".to_owned(),
                },
                boot_id: machine
                    .read("/proc/sys/kernel/random/boot_id")?
                    .trim()
                    .to_owned(),
                base_generation: generation.trim().parse()?,
                failed_units: failed
                    .lines()
                    .map(UnitName::new)
                    .collect::<Result<_, _>>()?,
                paths: Vec::new(),
                packages: Vec::new(),
                units: Vec::new(),
                sysctls: Vec::new(),
                modules: Vec::new(),
                live: Vec::new(),
                artifacts: Vec::new(),
                follow_ups: BTreeSet::new(),
                reboot: Vec::new(),
                drift: Vec::new(),
                findings: Vec::new(),
                closure: None,
            },
        })
    }

    pub(crate) fn file(self, path: &str, content: &str, follow_ups: &[FollowUp]) -> Result<Self> {
        self.checked_file(path, content, follow_ups, &[])
    }

    pub(crate) fn checked_file(
        mut self,
        path: &str,
        content: &str,
        follow_ups: &[FollowUp],
        validator: &[&str],
    ) -> Result<Self> {
        let entry = Entry::File {
            content: content.to_owned(),
            ownership: owned("644", "root", "root")?,
        };
        let name = ManagedPath::new(path)?;
        self.plan.paths.push(PathChange {
            path: name.clone(),
            concern: None,
            before: observe(self.machine, path)?,
            after: PathTarget::entry(&entry),
            diff: None,
            gone: false,
        });
        self.plan.follow_ups.extend(follow_ups);
        let managed = ManagedEntry {
            concern: ConcernName::new("extra")?,
            template: None,
            facts: BTreeSet::new(),
            entry,
            follow_ups: follow_ups.iter().copied().collect(),
            validator: (!validator.is_empty())
                .then(|| validator.iter().map(ToString::to_string).collect()),
            validator_package: None,
        };
        self.rendered.entries.insert(name, managed);
        Ok(self)
    }

    pub(crate) fn original(mut self, path: &str, follow_ups: &[FollowUp]) -> Result<Self> {
        self.plan.paths.push(PathChange {
            path: ManagedPath::new(path)?,
            concern: None,
            before: observe(self.machine, path)?,
            after: PathTarget::Original,
            diff: None,
            gone: false,
        });
        self.plan.follow_ups.extend(follow_ups);
        Ok(self)
    }

    pub(crate) fn unit(mut self, unit: &str, actions: &[UnitAction]) -> Result<Self> {
        self.plan.units.push(UnitChange {
            unit: UnitName::new(unit)?,
            concern: None,
            actions: actions.to_vec(),
            reason: String::new(),
            start_timeout_seconds: 20,
        });
        Ok(self)
    }

    /// The last unit has `seconds` to start.
    pub(crate) fn within(mut self, seconds: u32) -> Self {
        if let Some(unit) = self.plan.units.last_mut() {
            unit.start_timeout_seconds = seconds;
        }
        self
    }

    pub(crate) fn directory(mut self, path: &str) -> Result<Self> {
        let entry = Entry::Directory {
            ownership: owned("755", "root", "root")?,
        };
        let name = ManagedPath::new(path)?;
        self.plan.paths.push(PathChange {
            path: name.clone(),
            concern: None,
            before: PathState::Absent,
            after: PathTarget::entry(&entry),
            diff: None,
            gone: false,
        });
        let managed = ManagedEntry {
            concern: ConcernName::new("extra")?,
            template: None,
            facts: BTreeSet::new(),
            entry,
            follow_ups: BTreeSet::new(),
            validator: None,
            validator_package: None,
        };
        self.rendered.entries.insert(name, managed);
        Ok(self)
    }

    pub(crate) fn sysctl(mut self, key: &str, after: Option<&str>) -> Result<Self> {
        self.plan.sysctls.push(SysctlChange {
            key: SysctlKey::new(key)?,
            before: None,
            after: after.map(str::to_owned),
        });
        Ok(self)
    }

    pub(crate) fn package(mut self, name: &str, version: Option<&str>) -> Result<Self> {
        for action in [PackageAction::Install, PackageAction::Hold] {
            self.plan.packages.push(PackageChange {
                name: PackageName::new(name)?,
                concern: None,
                others: std::collections::BTreeSet::new(),
                before: None,
                after: version.map(str::to_owned),
                action,
                replaces: std::collections::BTreeSet::new(),
                file: None,
            });
        }
        Ok(self)
    }

    pub(crate) fn unhold(mut self, name: &str) -> Result<Self> {
        self.plan.packages.push(PackageChange {
            name: PackageName::new(name)?,
            concern: None,
            others: std::collections::BTreeSet::new(),
            before: None,
            after: None,
            action: PackageAction::Unhold,
            replaces: std::collections::BTreeSet::new(),
            file: None,
        });
        Ok(self)
    }

    pub(crate) fn window(mut self, seconds: u32) -> Self {
        self.window = seconds;
        self
    }

    /// Waits for apt's locks for so many seconds only.
    pub(crate) fn waiting(mut self, seconds: &'static str) -> Self {
        self.patience = Some(seconds);
        self
    }

    /// Ends the activation with `line`, with a first timer of `allow` seconds.
    pub(crate) fn last(mut self, line: &'static str, allow: u32) -> Self {
        self.last = Some((line, allow));
        self
    }

    /// Stages and starts it, and follows it until the host waits or is done.
    pub(crate) fn apply(self, id: &str) -> Result<ApplyStatus> {
        let machine = self.machine;
        let apply = self.stage(id)?;
        follow(
            machine,
            &apply,
            ask(machine, &command::start(&apply, false))?,
        )
    }

    /// Puts it on the machine, to be started.
    pub(crate) fn stage(self, id: &str) -> Result<ApplyId> {
        let apply = apply_id(id);
        let meta = ApplyMeta {
            apply_id: apply.clone(),
            holder: "test@controller".to_owned(),
            nonce: NONCE.to_owned(),
            deadline_seconds: self.window,
            started_at: 0,
        };
        for mut file in bundle(&self.plan, &self.rendered, &meta).files {
            if let Some((line, allow)) = self.last {
                let text = match file.name.as_str() {
                    "apply.sh" => format!("\n{line}\n"),
                    // The last of a key counts.
                    "meta" => format!("step_seconds {allow}\n"),
                    _ => String::new(),
                };
                file.bytes.extend(text.into_bytes());
            }
            if let (Some(seconds), "host.sh") = (self.patience, file.name.as_str()) {
                let text = String::from_utf8(file.bytes)?;
                let usual = "\nlock_seconds=300\n";
                assert!(text.contains(usual));
                file.bytes = text
                    .replace(usual, &format!("\nlock_seconds={seconds}\n"))
                    .into_bytes();
            }
            let path = format!("{}/{}", apply.directory(), file.name);
            self.machine.write(&path, file.bytes)?;
        }
        Ok(apply)
    }
}

/// Asks until the host waits for confirm or is done.
pub(crate) fn follow(
    machine: &Machine,
    apply: &ApplyId,
    mut status: ApplyStatus,
) -> Result<ApplyStatus> {
    let patience = Instant::now();
    while !status.phase.is_final() && status.phase != Phase::Activated {
        assert!(patience.elapsed() < Duration::from_secs(60), "{status:?}");
        std::thread::sleep(Duration::from_millis(100));
        status = ask(machine, &command::status(apply, 0, None))?;
    }
    Ok(status)
}

pub(crate) fn apply_id(id: &str) -> ApplyId {
    ApplyId::new(id).expect("tests use good ids")
}

pub(crate) fn owned(mode: &str, owner: &str, group: &str) -> Result<Ownership> {
    Ok(Ownership {
        mode: Mode::try_from(mode.to_owned()).map_err(anyhow::Error::msg)?,
        owner: AccountName::new(owner)?,
        group: AccountName::new(group)?,
    })
}

pub(crate) fn observe(machine: &Machine, path: &str) -> Result<PathState> {
    if !machine.exists(path)? {
        return Ok(PathState::Absent);
    }
    let text = machine.ok(&format!(
        "stat -c '%a %U %G' {path}; sha256sum {path} | cut -d ' ' -f 1"
    ))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(PathState::File {
        sha256: Sha256Hex::from_hex(words[3]).context("a hash")?,
        ownership: owned(words[0], words[1], words[2])?,
    })
}

pub(crate) fn ask(machine: &Machine, script: &str) -> Result<ApplyStatus> {
    let output = machine.exec(script)?;
    let status = status::parse(output.stdout.as_bytes()).with_context(|| format!("{output:?}"))?;
    assert_eq!(output.stderr, "", "{script}");
    status.apply.context("an apply")
}

pub(crate) fn confirm(machine: &Machine, id: &str) -> Result<Phase> {
    Ok(ask(machine, &command::confirm(&apply_id(id), NONCE))?.phase)
}

pub(crate) fn log(status: &ApplyStatus) -> String {
    String::from_utf8_lossy(&status.log.bytes).into_owned()
}

pub(crate) fn failure(status: &ApplyStatus) -> String {
    match &status.failure {
        Some(failure) => format!("{:?} {}", failure.code, failure.text),
        None => String::new(),
    }
}
