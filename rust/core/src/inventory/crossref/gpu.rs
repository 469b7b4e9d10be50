//! Driver, toolkit and server: versions that work together.

use super::SoundHost;
use crate::inventory::cuda::Cuda;
use crate::inventory::error::Findings;
use crate::inventory::nvidia::Nvidia;
use crate::inventory::path::FactPath;
use crate::name::HostName;

/// The oldest driver branch on which a toolkit's own features work, by the toolkit's release notes.
const OLDEST_BRANCH: &[(&str, u16)] = &[
    ("12.0", 525),
    ("12.1", 530),
    ("12.2", 535),
    ("12.3", 545),
    ("12.4", 550),
    ("12.5", 555),
    ("12.6", 560),
    ("12.8", 570),
    ("12.9", 575),
    ("13.0", 580),
];

/// The oldest branch with open modules (NVIDIA/open-gpu-kernel-modules, release 515.43.04).
const OLDEST_OPEN_BRANCH: u16 = 515;

pub(super) fn check(name: &HostName, sound: &SoundHost, findings: &mut Findings<'_>) {
    let host = &sound.host;
    let at = FactPath::host(name);
    let Some(nvidia) = &host.nvidia else {
        if !sound.broken.contains("nvidia") {
            for (concern, declared) in
                [("cuda", host.cuda.is_some()), ("vllm", host.vllm.is_some())]
            {
                if declared {
                    findings.add_with_hint(
                        at.clone().key(concern),
                        "needs a GPU, and this host declares no `nvidia`",
                        "declare `nvidia`, or take this concern away",
                    );
                }
            }
        }
        return;
    };
    driver(nvidia, &at, findings);
    if let Some(cuda) = &host.cuda {
        toolkit(cuda, nvidia.branch, &at, findings);
    }
}

/// The GPU, its modules and packages fit the driver's branch.
fn driver(nvidia: &Nvidia, at: &FactPath, findings: &mut Findings<'_>) {
    let branch = nvidia.branch;
    // Turing is 7.5; older GPUs have no GSP, which the open modules need.
    let capability: Option<f64> = nvidia.gpu.compute_capability.as_str().parse().ok();
    if nvidia.open_modules && capability.is_some_and(|c| c < 7.5) {
        findings.add(
            at.clone().keys("nvidia.open_modules"),
            format!(
                "is true; compute capability {} is too old for the open modules",
                nvidia.gpu.compute_capability
            ),
        );
    }
    if nvidia.open_modules && branch < OLDEST_OPEN_BRANCH {
        findings.add(
            at.clone().keys("nvidia.open_modules"),
            format!("is true; branch {branch} has no open modules, the oldest with them is {OLDEST_OPEN_BRANCH}"),
        );
    }
    for package in nvidia.packages.keys() {
        let other = package
            .as_str()
            .split('-')
            .filter_map(|word| word.parse::<u16>().ok())
            .find(|number| (300..1000).contains(number) && *number != branch);
        if let Some(other) = other {
            findings.add(
                at.clone().keys("nvidia.packages").key(package),
                format!("belongs to branch {other}; `nvidia.branch` is {branch}"),
            );
        }
    }
}

/// The driver is new enough for the toolkit, and its packages are of one version.
fn toolkit(cuda: &Cuda, branch: u16, at: &FactPath, findings: &mut Findings<'_>) {
    let version = cuda.version.as_str();
    if let Some((_, oldest)) = OLDEST_BRANCH.iter().find(|(known, _)| *known == version)
        && branch < *oldest
    {
        findings.add(
            at.clone().keys("nvidia.branch"),
            format!("is {branch}; CUDA {version} needs {oldest} or later"),
        );
    }
    let suffix = version.replace('.', "-");
    for package in cuda.packages.keys() {
        let words: Vec<&str> = package.as_str().rsplitn(3, '-').collect();
        let numbered = words.len() == 3
            && words[..2]
                .iter()
                .all(|word| word.bytes().all(|b| b.is_ascii_digit()));
        if numbered && !package.as_str().ends_with(&format!("-{suffix}")) {
            findings.add(
                at.clone().keys("cuda.packages").key(package),
                format!(
                    "belongs to CUDA {}.{}; `cuda.version` is {version}",
                    words[1], words[0]
                ),
            );
        }
    }
}
