//! A host `box` where everything is as declared; cases change one thing each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use deployctl_core::artifact::{Artifact, ArtifactFile, Source};
use deployctl_core::inventory::Platform;
use deployctl_core::name::{
    AccountName, ArtifactName, ArtifactPath, ConcernName, HostName, ManagedPath, UnitName,
};
use deployctl_core::observed::{
    Clocks, HeldRelease, Identity, Observed, ObservedPackage, ObservedUnit, OsRelease, WayIn,
};
use deployctl_core::plan::{
    KernelDrivers, Overrides, PathTarget, Plan, PlanOptions, Severity, Target, plan,
};
use deployctl_core::precedence::ConfigFiles;
use deployctl_core::rendered::{
    Entry, FollowUp, ManagedEntry, Mode, OnChange, Ownership, PackageWant, PathState, Rendered,
    Sha256Hex, SysctlWant, UnitWant,
};

pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkS6uGBo5FVxjcBcmTzEDBLNVCPqcNJD operator@macbook";

pub(crate) fn path(text: &str) -> ManagedPath {
    ManagedPath::new(text).unwrap()
}

pub(crate) fn unit(text: &str) -> UnitName {
    UnitName::new(text).unwrap()
}

pub(crate) fn concern(text: &str) -> ConcernName {
    ConcernName::new(text).unwrap()
}

pub(crate) fn ownership(mode: u16) -> Ownership {
    Ownership {
        mode: Mode::new(mode).unwrap(),
        owner: AccountName::new("root").unwrap(),
        group: AccountName::new("root").unwrap(),
    }
}

/// What is declared, what was committed, and what is there.
pub(crate) struct Case {
    pub(crate) target: Target,
    pub(crate) rendered: Rendered,
    pub(crate) observed: Observed,
    pub(crate) options: PlanOptions,
    pub(crate) overrides: Overrides,
}

impl Case {
    /// Declared, committed and there: the same.
    pub(crate) fn settled() -> Self {
        let host = HostName::new("box").unwrap();
        let mut case = Self {
            target: Target {
                host: host.clone(),
                platform: Platform::Ubuntu,
                os: OsRelease {
                    id: "ubuntu".to_owned(),
                    version: "24.04".to_owned(),
                },
                machine_id_sha256: Some("5a1e".to_owned()),
                address: "192.0.2.7".to_owned(),
                port: 22,
                ssh_port: None,
                user: "operator".to_owned(),
                sudo: true,
                keys: vec![KEY.to_owned()],
                interface_addresses: Vec::new(),
                blackouts: Vec::new(),
                drivers: KernelDrivers {
                    concerns: ["nvidia"].map(concern).into(),
                    nixos: ["nvidia-open", "nvidia-x11"].map(str::to_owned).into(),
                },
            },
            rendered: Rendered::empty(host),
            observed: Observed {
                identity: Identity {
                    machine_id_sha256: "5a1e".to_owned(),
                    hostname: "box".to_owned(),
                },
                os: OsRelease {
                    id: "ubuntu".to_owned(),
                    version: "24.04".to_owned(),
                },
                boot_id: "b007".to_owned(),
                kernel: "6.8.0-45-generic".to_owned(),
                command_line: "BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet".to_owned(),
                systemd: true,
                udev: true,
                interfaces: BTreeSet::new(),
                root: true,
                read_only: BTreeSet::new(),
                free_kib: ["/", "/boot", "/var/lib/deployctl"]
                    .into_iter()
                    .map(|place| (place.to_owned(), 4 << 20))
                    .collect(),
                managed_bytes: 0,
                generation: 0,
                manifest: None,
                pending: None,
                paths: BTreeMap::new(),
                contents: BTreeMap::new(),
                packages: BTreeMap::new(),
                units: BTreeMap::new(),
                failed_units: BTreeSet::new(),
                sysctls: BTreeMap::new(),
                modules: BTreeSet::new(),
                reboot_required: false,
                at_boot: BTreeMap::new(),
                clocks: Clocks::default(),
                firewall: None,
                accounts: None,
                places: None,
                apt: None,
                artifacts: BTreeMap::new(),
                lacking: BTreeMap::new(),
                system: None,
                way_in: WayIn::default(),
                config: ConfigFiles::default(),
                complaints: Vec::new(),
                next_command_line: String::new(),
                unanswered: BTreeMap::new(),
            },
            options: PlanOptions::default(),
            overrides: Overrides::default(),
        };
        case.file("/etc/app/app.conf", "level = 1\n", 0o644, &[]);
        case.file(
            "/etc/systemd/system/app.service",
            "[Service]\nExecStart=/usr/bin/app\n",
            0o644,
            &[FollowUp::DaemonReload],
        );
        case.file("/etc/app/key", "hunter2\n", 0o600, &[]);
        case.unit(
            "app.service",
            "app",
            OnChange::Restart,
            &["/etc/app/app.conf", "/etc/app/key"],
        );
        case.package("app", "app", Some("1.2-3"), true);
        case.sysctl("vm.swappiness", "1");
        case.commit();
        case
    }

    /// A file, declared and there.
    pub(crate) fn file(&mut self, at: &str, content: &str, mode: u16, follow_ups: &[FollowUp]) {
        let entry = Entry::File {
            content: content.to_owned(),
            ownership: ownership(mode),
        };
        self.observed.paths.insert(path(at), PathState::of(&entry));
        self.declare(at, "app", entry, follow_ups);
    }

    /// Declared, whatever is there.
    pub(crate) fn declare(&mut self, at: &str, by: &str, entry: Entry, follow_ups: &[FollowUp]) {
        self.observed
            .paths
            .entry(path(at))
            .or_insert(PathState::Absent);
        self.rendered.entries.insert(
            path(at),
            ManagedEntry {
                concern: concern(by),
                template: None,
                facts: BTreeSet::new(),
                entry,
                follow_ups: follow_ups.iter().copied().collect(),
                validator: None,
                validator_package: None,
            },
        );
    }

    /// Declares other bytes for a file; what is there stays, and is readable.
    pub(crate) fn edit(&mut self, at: &str, content: &str) {
        let managed = self.rendered.entries.get_mut(&path(at)).unwrap();
        let Entry::File { content: old, .. } = &mut managed.entry else {
            panic!("{at} is no file");
        };
        let old = std::mem::replace(old, content.to_owned());
        self.observed.contents.insert(path(at), old);
    }

    /// What is there in the place of a file, readable.
    pub(crate) fn found(&mut self, at: &str, content: &str, mode: u16) {
        let entry = Entry::File {
            content: content.to_owned(),
            ownership: ownership(mode),
        };
        self.observed.paths.insert(path(at), PathState::of(&entry));
        self.observed.contents.insert(path(at), content.to_owned());
    }

    /// A unit, declared to run and running.
    pub(crate) fn unit(&mut self, name: &str, by: &str, on_change: OnChange, watch: &[&str]) {
        self.rendered.units.insert(
            unit(name),
            UnitWant {
                concern: concern(by),
                enabled: Some(true),
                running: Some(true),
                on_change,
                watch: watch.iter().map(|text| path(text)).collect(),
                start_timeout_seconds: 90,
                early: false,
            },
        );
        self.state(name, "loaded", "active", "enabled");
    }

    /// The state of a unit on the host.
    pub(crate) fn state(&mut self, name: &str, load: &str, active: &str, file: &str) {
        self.observed.units.insert(
            unit(name),
            ObservedUnit {
                load: load.to_owned(),
                active: active.to_owned(),
                sub: String::new(),
                file: file.to_owned(),
                passed_over: false,
                needs_reload: false,
                alias_of: None,
            },
        );
    }

    /// A unit whose start condition is not met.
    pub(crate) fn passed_over(&mut self, name: &str) {
        let state = self.observed.units.get_mut(&unit(name));
        state.expect("the case declares it").passed_over = true;
    }

    /// A package, declared and installed.
    pub(crate) fn package(&mut self, name: &str, by: &str, version: Option<&str>, hold: bool) {
        let name: deployctl_core::name::PackageName = name.to_owned().try_into().unwrap();
        self.rendered.packages.insert(
            name.clone(),
            PackageWant {
                concern: concern(by),
                others: std::collections::BTreeSet::new(),
                version: version.map(str::to_owned),
                hold,
                replaces: std::collections::BTreeSet::new(),
                file: None,
            },
        );
        self.observed.packages.insert(
            name,
            ObservedPackage {
                version: version.unwrap_or("1").to_owned(),
                installed: true,
                held: hold,
            },
        );
    }

    /// A live setting, declared and in effect.
    pub(crate) fn sysctl(&mut self, key: &str, value: &str) {
        let key: deployctl_core::name::SysctlKey = key.to_owned().try_into().unwrap();
        let want = SysctlWant {
            value: value.to_owned(),
            concerns: BTreeSet::from([concern("app")]),
        };
        self.rendered.sysctls.insert(key.clone(), want);
        self.observed.sysctls.insert(key, value.to_owned());
    }

    /// A kernel module, declared and not loaded.
    pub(crate) fn module(&mut self, name: &str) {
        let name = name.to_owned().try_into().unwrap();
        let concerns = BTreeSet::from([concern("app")]);
        self.rendered.modules.insert(name, concerns);
    }

    /// Makes what is declared generation 4.
    pub(crate) fn commit(&mut self) {
        self.observed.generation = 4;
        self.observed.manifest = Some(self.rendered.manifest());
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.target, &self.rendered, &self.observed, self.options).overridden(self.overrides)
    }
}

/// A settled host with one thing changed, planned.
pub(crate) fn planned(change: impl FnOnce(&mut Case)) -> Plan {
    let mut case = Case::settled();
    change(&mut case);
    case.plan()
}

/// Cases in short, one paragraph each.
pub(crate) fn table(cases: Vec<(&str, Plan)>) -> String {
    let mut text = String::new();
    for (name, plan) in cases {
        let _ = write!(text, "## {name}\n{}\n", brief(&plan));
    }
    text
}

/// What a plan says, without what every case has in common.
pub(crate) fn brief(plan: &Plan) -> String {
    let mut text = String::new();
    for change in &plan.paths {
        let after = match &change.after {
            PathTarget::Entry { state } => state.to_string(),
            PathTarget::Original => "original".to_owned(),
        };
        let _ = writeln!(text, "path {}: {} -> {after}", change.path, change.before);
        for line in change.diff.iter().flat_map(|diff| diff.lines()) {
            let _ = writeln!(text, "    {line}");
        }
    }
    for change in &plan.packages {
        let _ = writeln!(
            text,
            "package {} {:?}: {:?} -> {:?}",
            change.name, change.action, change.before, change.after
        );
    }
    for change in &plan.units {
        let _ = writeln!(
            text,
            "unit {} {:?}: {}",
            change.unit, change.actions, change.reason
        );
    }
    for change in &plan.sysctls {
        let _ = writeln!(
            text,
            "sysctl {}: {:?} -> {:?}",
            change.key, change.before, change.after
        );
    }
    for module in &plan.modules {
        let _ = writeln!(text, "module {module}");
    }
    if let Some(change) = &plan.closure {
        let before = change.before.as_ref().map_or("nothing", |p| p.name());
        let after = change.after.toplevel.name();
        let _ = writeln!(text, "system {before} -> {after}");
    }
    if !plan.follow_ups.is_empty() {
        let _ = writeln!(text, "follow-ups {:?}", plan.follow_ups);
    }
    for reason in &plan.reboot {
        let _ = writeln!(text, "reboot: {}", reason.words);
    }
    for drift in &plan.drift {
        let _ = writeln!(
            text,
            "drift {}: {} -> {}",
            drift.subject, drift.committed, drift.found
        );
    }
    for finding in &plan.findings {
        let severity = match finding.severity {
            Severity::Refuse => "refuse",
            Severity::Warn => "warn",
            Severity::Note => "note",
        };
        let _ = writeln!(text, "{severity} [{}] {}", finding.code, finding.message);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "    {hint}");
        }
    }
    if text.is_empty() {
        text.push_str("nothing\n");
    }
    text
}

pub(crate) const BASE: &str = "/srv/models/tiny";
pub(crate) const LINK: &str = "/srv/models/tiny/current";

/// Declares a model, and what of it the host holds; `link` is where `current` leads.
pub(crate) fn model(case: &mut Case, held: HeldRelease, link: Option<&str>) {
    let files = [("config.json", 700), ("model.safetensors", 4_000_000_000)];
    let files = files.map(|(at, size)| {
        let sha256 = Sha256Hex::of(at.as_bytes());
        (
            ArtifactPath::new(at).unwrap(),
            ArtifactFile { size, sha256 },
        )
    });
    let files = files.into_iter().collect();
    let artifact = Artifact {
        concern: concern("models"),
        kind: ArtifactName::new("model").unwrap(),
        name: ArtifactName::new("tiny").unwrap(),
        digest: Artifact::digest_of(&files, None),
        source: Source::try_from("https://hub.example/lab/tiny/resolve/0123".to_owned()).unwrap(),
        credential: None,
        programs: BTreeSet::new(),
        after: BTreeSet::new(),
        min_free_gib: BTreeMap::new(),
        keep: 2,
        files,
        made: false,
        build: None,
    };
    let target = artifact.target();
    let link = link.map(|link| {
        if link == "declared" {
            target.clone()
        } else {
            link.to_owned()
        }
    });
    case.declare(LINK, "models", Entry::Symlink { target }, &[]);
    if let Some(target) = link {
        case.observed
            .paths
            .insert(path(LINK), PathState::Symlink { target });
    }
    case.rendered.artifacts.insert(path(BASE), artifact);
    case.observed.artifacts.insert(path(BASE), held);
    case.unit("reader.service", "app", OnChange::Restart, &[LINK]);
}
