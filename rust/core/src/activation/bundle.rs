//! What is staged on a host for one apply.

use serde::Serialize;

use super::command::ApplyId;
use crate::plan::Plan;
use crate::rendered::Rendered;

/// What an apply is, beside its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyMeta {
    /// Its id.
    pub apply_id: ApplyId,
    /// Who starts it: `user@controller`. Control characters are left out.
    pub holder: String,
    /// What confirm has to say; at least 128 random bits as text without line breaks.
    pub nonce: String,
    /// How long the host waits for confirm once it is activated, in seconds.
    pub deadline_seconds: u32,
    /// When it was made, in seconds since 1970; for the record only.
    pub started_at: u64,
}

/// Files to put into [`ApplyId::directory`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// In the order of the archive.
    pub files: Vec<BundleFile>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Relative to the bundle's directory; at most one `/`.
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
}

/// What stays of an apply in its generation: `record.json`.
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
}

/// Makes the bundle of one apply: the fixed program, the plan's scripts, the staged bytes and the
/// records that stay with the generation.
pub fn bundle(plan: &Plan, rendered: &Rendered, meta: &ApplyMeta) -> Bundle {
    let holder: String = meta.holder.chars().filter(|c| !c.is_control()).collect();
    let record = Record {
        version: 1,
        apply: meta.apply_id.as_str(),
        plan: &plan.id,
        holder: &holder,
        started_at: meta.started_at,
        base_generation: plan.base_generation,
        files: plan.paths.len(),
        packages: plan.packages.len(),
        units: plan.units.len(),
        sysctls: plan.sysctls.len(),
    };
    let file = |name: &str, bytes: Vec<u8>| BundleFile {
        name: name.to_owned(),
        bytes,
        mode: 0o600,
    };
    Bundle {
        files: vec![
            file("manifest.json", json(&rendered.manifest())),
            file("rendered.json", json(rendered)),
            file("record.json", json(&record)),
            file("nonce", format!("{}\n", meta.nonce).into_bytes()),
        ],
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("maps with text keys serialise")
}
