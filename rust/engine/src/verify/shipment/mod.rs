//! Files that checks run on a host: reads, builds and uploads them.

mod program;
mod upload;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use deployctl_checks::elf::Program;
use deployctl_checks::{self as checks, Check, CheckResult, Shipment};
use deployctl_core::inventory::host::Architecture;
use deployctl_core::name::HostName;
use deployctl_core::query::quote;
use deployctl_report::Problem;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::Run;
use super::connection::Connection;

/// Longest file that is shipped, in bytes.
const SIZE_CAP: u64 = 512 << 20;

/// Where the files of one run come from. Each is read, and built where it has to be, once.
#[derive(Debug)]
pub struct Shipments {
    repository: PathBuf,
    hostprobes: BTreeMap<Architecture, Result<PathBuf, Problem>>,
    uploads: Mutex<BTreeMap<(Shipment, Option<Architecture>), Packed>>,
}

type Packed = Result<Arc<Upload>, Refusal>;

/// A file to upload.
#[derive(Debug)]
struct Upload {
    /// `hostprobe`, `engine`: with its hash, its name on hosts.
    name: &'static str,
    bytes: Vec<u8>,
    /// Lower-case hex.
    sha256: String,
    program: Program,
}

/// Why a file is missing: the result of its checks.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// The file is not as declared.
    Fail {
        /// The finding.
        evidence: String,
        /// What to do.
        hint: String,
    },
    /// It could not be read or built.
    Error(String),
}

impl Shipments {
    /// `repository`: where artifacts are and are built. `hostprobes`: the probe's build for each
    /// architecture, or why it is missing and how to build it.
    pub fn new(
        repository: PathBuf,
        hostprobes: BTreeMap<Architecture, Result<PathBuf, Problem>>,
    ) -> Self {
        Self {
            repository,
            hostprobes,
            uploads: Mutex::default(),
        }
    }

    /// The file for hosts of `architecture`.
    async fn upload(
        &self,
        shipment: &Shipment,
        architecture: Architecture,
        run: &Run,
        host: &HostName,
    ) -> Packed {
        let key = match shipment {
            Shipment::Hostprobe => (shipment.clone(), Some(architecture)),
            Shipment::Program { .. } => (shipment.clone(), None),
        };
        // Held during a build, so that no other task starts the same one.
        let mut uploads = self.uploads.lock().await;
        if let Some(packed) = uploads.get(&key) {
            return packed.clone();
        }
        let packed = match shipment {
            Shipment::Hostprobe => self.hostprobe(architecture),
            Shipment::Program { artifact, build } => self.program(artifact, build, run, host).await,
        };
        let packed = packed.map(Arc::new);
        uploads.insert(key, packed.clone());
        packed
    }
}

impl Upload {
    fn new(name: &'static str, bytes: Vec<u8>, program: Program) -> Self {
        let mut sha256 = String::new();
        for byte in Sha256::digest(&bytes) {
            let _ = write!(sha256, "{byte:02x}");
        }
        Self {
            name,
            bytes,
            sha256,
            program,
        }
    }

    /// Its name on hosts.
    fn file(&self) -> String {
        format!("{}-{}", self.name, &self.sha256[..16])
    }
}

impl Refusal {
    /// The result of `check`.
    pub(super) fn result(&self, check: &Check) -> CheckResult {
        match self {
            Self::Fail { evidence, hint } => checks::failed(check, evidence, hint),
            Self::Error(reason) => checks::broken(check, reason),
        }
    }
}

/// Uploads a file to `host` unless it is there; returns the assignments that pass it to a question.
pub(super) async fn bring(
    run: &Run,
    host: &HostName,
    architecture: Architecture,
    shipment: &Shipment,
    connection: &mut Connection,
) -> Result<String, Refusal> {
    let upload = run
        .shipments
        .upload(shipment, architecture, run, host)
        .await?;
    let path = upload::deliver(run, host, &upload, connection)
        .await
        .map_err(Refusal::Error)?;
    let mut variables = vec![("shipped", path.as_str())];
    if let Shipment::Program { .. } = shipment {
        let program = &upload.program;
        variables.extend([
            ("shipped_sha256", upload.sha256.as_str()),
            ("shipped_machine", &program.machine),
            ("shipped_interpreter", &program.interpreter),
            ("shipped_glibc", &program.glibc),
        ]);
    }
    let assignments = variables.iter().map(|(name, value)| {
        let value = quote(value);
        format!("{name}={value}\n")
    });
    Ok(assignments.collect())
}
