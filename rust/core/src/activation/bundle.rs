//! What is staged on a host for one apply.

use std::collections::BTreeSet;

use serde::Serialize;

use super::command::ApplyMeta;
use super::script::{Scripts, printable};
use crate::closure::StorePath;
use crate::name::ManagedPath;
use crate::observed::generation_lists;
use crate::plan::{PathChange, PathTarget, Plan};
use crate::rendered::{Entry, PathState, Rendered};

/// Files to put into [`super::ApplyId::directory`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// In the order of the archive.
    pub files: Vec<BundleFile>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Relative to the bundle's directory.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Permission bits; owner is root.
    pub mode: u32,
}

impl Bundle {
    /// The bytes of the file called `name`.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.bytes.as_slice())
    }

    /// How far the host puts off its deadline altogether, from arming on, in seconds.
    pub fn max_seconds(&self) -> Option<u32> {
        let meta = std::str::from_utf8(self.file("meta")?).ok()?;
        meta.lines()
            .find_map(|line| line.strip_prefix("max_seconds ")?.parse().ok())
    }
}

/// The record of an apply that stays in its generation: `record.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Record<'a> {
    version: u32,
    apply: &'a str,
    plan: &'a str,
    holder: &'a str,
    started_at: u64,
    base_generation: u32,
    files: usize,
    packages: usize,
    units: usize,
    sysctls: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a StorePath>,
}

/// The fixed program, in the order in which its parts need each other.
pub const HOST_PROGRAM: &str = concat!(
    include_str!("host/base.sh"),
    include_str!("host/state.sh"),
    include_str!("host/files.sh"),
    include_str!("host/system.sh"),
    include_str!("host/reboot.sh"),
    include_str!("host/units.sh"),
    include_str!("host/sshd.sh"),
    include_str!("host/network.sh"),
    include_str!("host/packages.sh"),
    include_str!("host/archives.sh"),
    include_str!("host/validate.sh"),
    include_str!("../observed/way.sh"),
    include_str!("host/way_in.sh"),
    include_str!("host/boot.sh"),
    include_str!("host/closure.sh"),
    include_str!("host/deadman.sh"),
    include_str!("host/systemd.sh"),
    include_str!("host/launchd.sh"),
    include_str!("host/start.sh"),
    include_str!("host/activate.sh"),
    include_str!("host/commit.sh"),
    include_str!("host/rollback.sh"),
    include_str!("host/recover.sh"),
    include_str!("host/status.sh"),
    include_str!("host/main.sh"),
    // The last one: it says what a sandbox does not do, and begins.
    include_str!("host/sandbox.sh"),
);

/// Makes the bundle of one apply: the fixed program, the plan's scripts, the staged bytes and the
/// records that stay with the generation.
///
/// # Panics
///
/// If `plan` was not made from `rendered`: an entry that it installs is missing.
pub fn bundle(plan: &Plan, rendered: &Rendered, meta: &ApplyMeta) -> Bundle {
    let scripts = Scripts::new(plan, rendered, meta);
    let mut files = Vec::new();
    let mut file = |name: &str, bytes: Vec<u8>| {
        files.push(BundleFile {
            name: name.to_owned(),
            bytes,
            mode: 0o600,
        });
    };
    file("host.sh", HOST_PROGRAM.as_bytes().to_vec());
    file("validate.sh", scripts.validate().into_bytes());
    file("checkpoint.sh", scripts.checkpoint().into_bytes());
    file("apply.sh", scripts.apply().into_bytes());
    file("rollback.sh", scripts.rollback().into_bytes());
    file("commit.sh", scripts.commit().into_bytes());
    file("nonce", format!("{}\n", meta.nonce).into_bytes());
    let manifest = rendered.manifest();
    file("manifest.json", json(&manifest));
    // What the host reads in shell when it is observed.
    for (name, text) in generation_lists(&manifest) {
        file(name, text.into_bytes());
    }
    file("rendered.json", json(rendered));
    file("record.json", record(plan, rendered, meta));
    let mut staged_bytes = 0;
    for change in &plan.paths {
        let entry = scripts.entry(change).map(|managed| &managed.entry);
        assert!(
            entry.is_some() || change.after == PathTarget::Original,
            "the plan puts `{}` in place, which is not rendered",
            change.path
        );
        if let Some(Entry::File { content, .. }) = entry {
            staged_bytes += content.len();
            // Under its own name, so that files of one directory can be installed together.
            file(
                &format!("tree{}", change.path),
                content.clone().into_bytes(),
            );
        }
    }
    for (name, text) in path_lists(plan, &scripts) {
        file(name, text);
    }
    let baseline = plan.failed_units.iter().map(ToString::to_string);
    file("baseline", lines(baseline));
    file("meta", facts(plan, meta, &scripts, staged_bytes));
    Bundle { files }
}

/// What stays of this apply in its generation.
fn record(plan: &Plan, rendered: &Rendered, meta: &ApplyMeta) -> Vec<u8> {
    json(&Record {
        version: 1,
        apply: meta.apply_id.as_str(),
        plan: &plan.id,
        holder: &printable(&meta.holder),
        started_at: meta.started_at,
        base_generation: plan.base_generation,
        files: plan.paths.len(),
        packages: plan.packages.len(),
        units: plan.units.len(),
        sysctls: plan.sysctls.len(),
        system: rendered.closure.as_ref().map(|closure| &closure.toplevel),
    })
}

/// Lists of paths that `host.sh` reads: those that change, their states before, and the directories above them,
/// those that only paths that leave need first.
fn path_lists(plan: &Plan, scripts: &Scripts<'_>) -> [(&'static str, Vec<u8>); 4] {
    let leaves = |change: &&PathChange| {
        scripts
            .entry(change)
            .is_none_or(|managed| managed.entry == Entry::Absent)
    };
    let all = parents(plan.paths.iter());
    let needed = parents(plan.paths.iter().filter(|change| !leaves(change)));
    let touched = plan.paths.iter().map(|change| change.path.to_string());
    let before = plan.paths.iter();
    let before = before.map(|change| state_line(&change.path, &change.before));
    let leaving = all.difference(&needed).map(|path| (*path).to_owned());
    [
        ("touched", lines(touched)),
        ("before", lines(before)),
        ("leaving", lines(leaving)),
        ("parents", lines(all.iter().map(|path| (*path).to_owned()))),
    ]
}

/// `meta`: what `host.sh` must know of this apply, a key and its value a line.
fn facts(plan: &Plan, meta: &ApplyMeta, scripts: &Scripts<'_>, staged_bytes: usize) -> Vec<u8> {
    // Three copies of each staged byte (staged, placed, checkpointed), plus 8 MiB of headroom.
    let required_kib = 3 * staged_bytes / 1024 + 8192;
    let mut facts = vec![
        format!("holder {}", printable(&meta.holder)),
        format!("host {}", plan.host),
        format!("base {}", plan.base_generation),
        format!("boot {}", printable(&plan.boot_id)),
        format!("confirm_seconds {}", meta.deadline_seconds),
        format!("step_seconds {}", scripts.step_seconds()),
        format!("max_seconds {}", scripts.max_seconds()),
        format!("required_kib {required_kib}"),
    ];
    if let Some(change) = &plan.closure {
        facts.push(format!("kind {}", change.after.platform));
        facts.extend(change.before.iter().map(|path| format!("system {path}")));
    }
    lines(facts.into_iter())
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("maps with text keys serialise")
}

fn lines(lines: impl Iterator<Item = String>) -> Vec<u8> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text.into_bytes()
}

/// A state as `host.sh` writes it: `KIND SHA256 MODE OWNER GROUP PATH [TARGET]`.
fn state_line(path: &ManagedPath, state: &PathState) -> String {
    match state {
        PathState::File { sha256, ownership } => format!(
            "f {sha256} {:o} {} {} {path}",
            ownership.mode.bits(),
            ownership.owner,
            ownership.group
        ),
        PathState::Directory { ownership } => format!(
            "d - {:o} {} {} {path}",
            ownership.mode.bits(),
            ownership.owner,
            ownership.group
        ),
        PathState::Symlink { target } => format!("l - - - - {path} {}", printable(target)),
        PathState::Absent => format!("a - - - - {path}"),
        PathState::Other { .. } => format!("o - - - - {path}"),
    }
}

/// Every directory above a path of `changes`, `/` left out.
fn parents<'a>(changes: impl Iterator<Item = &'a PathChange>) -> BTreeSet<&'a str> {
    let mut parents = BTreeSet::new();
    for change in changes {
        let mut path = change.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/')
            && !parent.is_empty()
        {
            parents.insert(parent);
            path = parent;
        }
    }
    parents
}
