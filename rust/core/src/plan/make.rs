//! Puts a plan together.

use super::target::Target;
use super::{
    ArtifactChange, Drift, Finding, LiveChange, PathTarget, Plan, PlanOptions, RebootReason,
    accounts, apt, archives, artifacts, blackout, closure, disk, drift, firewall, first_step, host,
    live, lockout, overruled, packages, paths, places, reboot, sshd, units,
};
use crate::observed::Observed;
use crate::rendered::{FollowUp, Rendered, Sha256Hex};
use crate::secret::{EXPOSED_HINT, exposed_lines};
use std::collections::BTreeSet;

/// Plans what makes `observed` into `rendered`. Pure: the same arguments give the same plan and id.
/// [`Plan::overridden`] then applies what the user overrides.
///
/// `observed` must have been read with a scope of the same `rendered`.
pub fn plan(
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
    options: PlanOptions,
) -> Plan {
    let mut findings = host::findings(target, rendered, observed, options);
    let (paths, found) = paths::changes(rendered, observed);
    findings.extend(found);
    let system = closure::made(&target.drivers, rendered, observed, options);
    findings.extend(system.findings);
    let mut plan = Plan {
        id: String::new(),
        host: rendered.host.clone(),
        identity: observed.identity.clone(),
        os: observed.os.clone(),
        boot_id: observed.boot_id.clone(),
        base_generation: observed.generation,
        failed_units: observed.failed_units.clone(),
        paths,
        packages: Vec::new(),
        units: Vec::new(),
        sysctls: Vec::new(),
        modules: Vec::new(),
        live: Vec::new(),
        artifacts: Vec::new(),
        closure: system.change,
        follow_ups: BTreeSet::new(),
        reboot: system.reboot.into_iter().map(RebootReason::from).collect(),
        drift: Vec::new(),
        findings: Vec::new(),
    };
    if options.sandbox {
        plan.drift = drift::drift(&files_alone(observed));
    } else {
        findings.extend(live_changes(&mut plan, target, rendered, observed));
        plan.drift = drift::drift(observed);
        plan.drift.extend(live_drift(&plan, observed));
        plan.live
            .extend(drift::change_of_record(rendered, observed, &plan));
        findings.extend(blackout::findings(target, &plan, observed));
    }
    findings.extend(exposed(rendered));
    if !plan.is_empty() {
        findings.extend(disk::findings(rendered, observed, &plan, options));
    }
    if plan.closure.is_some() {
        findings.push(lockout::unread(target));
    }
    let touches = !plan.paths.is_empty() || !plan.units.is_empty() || !plan.live.is_empty();
    // Paths beside a system of Nix are links of artifacts, which have no part in a login.
    if touches && rendered.closure.is_none() {
        findings.extend(lockout::findings(
            target, rendered, observed, &plan, options,
        ));
    }
    plan.findings = findings;
    seal(&mut plan);
    plan
}

/// Lines of files that look like a secret.
fn exposed(rendered: &Rendered) -> Vec<Finding> {
    let found = exposed_lines(rendered).into_iter();
    found
        .map(|(path, line, looks_like)| {
            Finding::warn(
                "secret",
                format!("line {line} of `{path}` looks like {looks_like}; plans and generations hold what files contain"),
                Some(EXPOSED_HINT.to_owned()),
            )
        })
        .collect()
}

/// Nothing but files is looked at in a sandbox, so nothing else can be said to have changed.
fn files_alone(observed: &Observed) -> Observed {
    Observed {
        manifest: observed.manifest.clone().map(|mut manifest| {
            manifest.packages.clear();
            manifest.units.clear();
            manifest.sysctls.clear();
            manifest.closure = None;
            manifest
        }),
        ..observed.clone()
    }
}

/// Puts the findings in order and gives the plan the id of what it says.
pub(super) fn seal(plan: &mut Plan) {
    plan.findings.sort_by(order);
    plan.findings.dedup();
    plan.id = id(plan);
}

/// Fills in all that a directory does not have.
fn live_changes(
    plan: &mut Plan,
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
) -> Vec<Finding> {
    debug_assert_eq!(target.host, rendered.host);
    let mut findings = Vec::new();
    let (changes, found) = packages::changes(rendered, observed);
    plan.packages = changes;
    findings.extend(found);
    let (changes, found) = artifacts::changes(rendered, observed);
    plan.artifacts = changes;
    findings.extend(found);
    plan.modules = live::modules(rendered, observed);
    let may_appear = !plan.modules.is_empty() || !plan.packages.is_empty();
    let (changes, found) = live::sysctls(rendered, observed, may_appear);
    plan.sysctls = changes;
    findings.extend(found);
    let (changes, found) = units::changes(plan, &target.drivers, rendered, observed);
    plan.units = changes;
    findings.extend(found);
    findings.extend(first_step::awaited(plan, rendered, observed));
    artifacts::start_readers(plan, rendered);
    findings.extend(artifacts::readers_that_stay(plan, rendered));
    findings.extend(sshd::settle(plan, target, rendered, observed));
    findings.extend(overruled::findings(plan, target, rendered, observed));
    findings.extend(overruled::refused_files(plan, rendered, observed));
    plan.follow_ups = follow_ups(plan, rendered, observed);
    findings.extend(apt::findings(observed, plan));
    findings.extend(archives::findings(rendered, plan));
    findings.extend(accounts::findings(rendered, observed, plan));
    findings.extend(places::findings(rendered, observed, plan));
    findings.extend(unserved(plan, observed));
    let (table, found) = firewall::changes(rendered, observed, plan);
    findings.extend(found);
    let users = accounts::changes(rendered, observed, plan);
    again(plan, rendered, users.into_iter().chain(table).collect());
    findings.extend(reboot::renamed_interfaces(
        plan,
        rendered,
        observed,
        &target.interface_addresses,
    ));
    let reasons = reboot::reasons(plan, &target.drivers, rendered, observed);
    plan.reboot.extend(reasons);
    findings.extend(reboot::waiting(plan, rendered, observed));
    findings
}

/// What the changed paths entail, by what is declared or, for those taken back, by what was.
fn follow_ups(plan: &Plan, rendered: &Rendered, observed: &Observed) -> BTreeSet<FollowUp> {
    let committed = |path| observed.manifest.as_ref()?.follow_ups.get(path);
    // Else systemd would start a unit by the files that it has.
    let outdated = plan.units.iter().any(|change| {
        let ssh = observed.way_in.units.get(change.unit.as_str());
        let unit = observed.units.get(&change.unit);
        ssh.is_some_and(|unit| unit.needs_reload) || unit.is_some_and(|unit| unit.needs_reload)
    });
    let outdated = outdated.then_some(FollowUp::DaemonReload);
    plan.paths
        .iter()
        .filter_map(|change| match change.after {
            PathTarget::Entry { .. } => rendered.entries.get(&change.path).map(|e| &e.follow_ups),
            PathTarget::Original => committed(&change.path),
        })
        .flatten()
        .copied()
        .chain(outdated)
        .collect()
}

/// Puts what runs otherwise than its files say among what changes. Homes and the like come after their users.
fn again(plan: &mut Plan, rendered: &Rendered, changes: Vec<LiveChange>) {
    plan.follow_ups
        .extend(changes.iter().filter_map(|change| change.follow_up));
    let has = |follow_up| {
        rendered
            .entries
            .values()
            .any(|managed| managed.follow_ups.contains(&follow_up))
    };
    let users = changes
        .iter()
        .any(|change| change.follow_up == Some(FollowUp::Sysusers));
    if users && has(FollowUp::Tmpfiles) {
        plan.follow_ups.insert(FollowUp::Tmpfiles);
    }
    plan.live = changes;
}

/// What the committed generation put into effect and is no longer in effect.
fn live_drift(plan: &Plan, observed: &Observed) -> Vec<Drift> {
    let committed = |follow_up| {
        let manifest = observed.manifest.iter();
        manifest
            .flat_map(|manifest| manifest.follow_ups.values())
            .any(|follow_ups| follow_ups.contains(&follow_up))
    };
    plan.live
        .iter()
        .filter(|change| change.follow_up.is_some_and(committed))
        .map(|change| Drift {
            subject: change.subject.clone(),
            committed: "as declared".to_owned(),
            found: match change.found.strip_prefix("is ") {
                Some(found) => found.to_owned(),
                None => change.found.clone(),
            },
        })
        .collect()
}

/// Files for udev where it does not run: nothing reads them.
fn unserved(plan: &Plan, observed: &Observed) -> Option<Finding> {
    (plan.follow_ups.contains(&FollowUp::Udev) && !observed.udev).then(|| {
        Finding::warn(
            "udev",
            format!(
                "udev does not run on `{}`: its rules and link files are not read there",
                plan.host
            ),
            Some(
                "in a container, the machine that runs it names and sets up the devices".to_owned(),
            ),
        )
    })
}

/// The gravest first, then by word and text.
fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    (b.severity, &a.code, &a.message).cmp(&(a.severity, &b.code, &b.message))
}

/// The first 16 digits of a hash over everything but the id and how far artifacts are staged.
pub(super) fn id(plan: &Plan) -> String {
    let unstaged = |change: &ArtifactChange| ArtifactChange {
        held: 0,
        staged: false,
        ..change.clone()
    };
    let plan = Plan {
        id: String::new(),
        artifacts: plan.artifacts.iter().map(unstaged).collect(),
        ..plan.clone()
    };
    let bytes = serde_json::to_vec(&plan).expect("maps with text keys serialise");
    Sha256Hex::of(&bytes).as_str()[..16].to_owned()
}
