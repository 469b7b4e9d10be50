//! The installed CUDA toolkit, and that upgrades leave it alone.

use std::collections::BTreeSet;
use std::time::Duration;

use deployctl_core::inventory::cuda::Cuda;
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable};
use crate::{Check, Declared};

mod library;

pub(super) const CONCERN: &str = "cuda";

pub(super) fn checks(facts: &Cuda, declared: &Declared<'_>) -> Vec<Check> {
    let nvidia = declared
        .host
        .nvidia
        .iter()
        .flat_map(|nvidia| nvidia.packages.keys());
    let packages: BTreeSet<String> = facts
        .packages
        .keys()
        .chain(nvidia)
        .map(ToString::to_string)
        .collect();
    let version = facts.version.as_str();
    // On the search path where it is part of the system; no upgrade comes beside it there.
    let folder = if declared.is_nixos() {
        String::new()
    } else {
        format!("/usr/local/cuda-{version}/bin/")
    };
    let mut checks = vec![nvcc(version, &format!("{folder}nvcc"))];
    if !declared.is_nixos() {
        checks.push(settled(packages));
    }
    checks.extend(library::checks(facts, declared));
    for name in facts.programs.iter().flatten() {
        checks.push(program(name.as_str(), &folder));
    }
    checks
}

/// Profilers are in separate folders below /opt; what the toolkit's folder holds chooses among them, and
/// finds none where its package is there without theirs.
fn program(name: &str, folder: &str) -> Check {
    let path = format!("{folder}{name}");
    let query = Query::new(
        format!("cuda/program/{name}"),
        format!("{} --version", quote(&path)),
    )
    // Their first start unpacks things.
    .with_deadline(Duration::from_secs(20));
    let expected = format!("{path} tells its version");
    Check::new(
        CONCERN,
        &format!("program/{name}"),
        &query,
        expected,
        |answer| {
            let words = answer.everything();
            if answer.status != 0 {
                let found = Found::when(false, format!("status {}: {words}", answer.status));
                // The shell's message for a missing program.
                return Ok(if answer.status == 127 {
                    found.or_hint("it is not there: an apply installs its package")
                } else {
                    found
                });
            }
            let line = answer
                .lines()?
                .find(|line| line.split_whitespace().any(is_version))
                .ok_or_else(|| Unreadable::new("no version in the answer"))?;
            Ok(Found::when(true, line))
        },
    )
    .reading_failures()
}

/// `2024.3.2.0`, `12.6`.
fn is_version(word: &str) -> bool {
    let word = word
        .trim_start_matches('V')
        .split('-')
        .next()
        .unwrap_or_default();
    word.contains('.')
        && word
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// By `program`, absolute where it is on no search path: a session over ssh has no profile, and
/// `nvidia-smi` shows the most that the driver can do, not the toolkit.
fn nvcc(version: &str, program: &str) -> Check {
    let query = Query::new("cuda/nvcc", format!("{program} --version"));
    let expected = format!("nvcc is release {version}");
    let wanted = version.to_owned();
    Check::new(CONCERN, "nvcc", &query, expected, move |answer| {
        let (release, full) = parse_nvcc(answer)?;
        let holds = release == wanted && full.starts_with(&format!("{wanted}."));
        Ok(Found::when(holds, format!("release {release}, V{full}")))
    })
}

/// `Cuda compilation tools, release 12.6, V12.6.85`.
fn parse_nvcc<'a>(answer: &Answer<'a>) -> Result<(&'a str, &'a str), Unreadable> {
    answer
        .lines()?
        .find_map(|line| line.split_once(", release ")?.1.split_once(", V"))
        .ok_or_else(|| Unreadable::new("no release in the answer of nvcc"))
}

/// What the next upgrade would do: nothing to any of ours.
fn settled(packages: BTreeSet<String>) -> Check {
    let mut query = Query::new(
        "cuda/upgrade",
        "apt-get -s -o Debug::NoLocking=1 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= dist-upgrade | awk '/^(Inst|Remv) / || /^[0-9]+ upgraded, /'",
    );
    // It reads all lists for that, and must not write its cache: the round caps the size of files.
    query.deadline = Duration::from_secs(30);
    query.cap = 256 * 1024;
    let expected = "an upgrade of everything would leave the pinned packages alone";
    Check::new(CONCERN, "settled", &query, expected, move |answer| {
        let moves = parse_upgrade(answer)?;
        let ours: Vec<&str> = moves
            .into_iter()
            .filter(|name| moves_us(name, &packages))
            .collect();
        let evidence = if ours.is_empty() {
            "it would".to_owned()
        } else {
            format!("it would change {}", ours.join(", "))
        };
        Ok(Found::when(ours.is_empty(), evidence)
            .or_hint("a pin or a hold is missing: apt-cache policy, apt-mark showhold"))
    })
}

/// Pinned ones by name, and the families they depend on.
fn moves_us(name: &str, packages: &BTreeSet<String>) -> bool {
    const FAMILIES: &[&str] = &[
        "nvidia-",
        "libnvidia-",
        "cuda-",
        "libcudnn",
        "libnvinfer",
        "libnvonnx",
    ];
    packages.contains(name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Names of packages that a simulated upgrade would install or remove. Its last line, with the counts,
/// tells an answer of nothing from no answer.
fn parse_upgrade<'a>(answer: &Answer<'a>) -> Result<Vec<&'a str>, Unreadable> {
    let mut moves = Vec::new();
    let mut counted = false;
    for line in answer.lines()? {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["Inst" | "Remv", name, ..] => moves.push(name),
            [_, "upgraded,", ..] => counted = true,
            _ => return Err(Unreadable(format!("`{line}` is no line of apt-get"))),
        }
    }
    if counted {
        Ok(moves)
    } else {
        Err(Unreadable::new("apt-get did not come to its end"))
    }
}
