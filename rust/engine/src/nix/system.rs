//! Evaluates what a host should run to a derivation, without building it.

use std::path::PathBuf;

use deployctl_core::closure::StorePath;
use deployctl_core::inventory::host::{Architecture, Platform};
use deployctl_core::name::HostName;
use deployctl_core::query::printable_line;
use serde::{Deserialize, Serialize};

use super::cache::EvaluationCache;
use super::words::{plain, shorten};
use super::{Nix, SystemError};
use crate::event::EventKind;
use crate::interrupt::Interrupt;

/// Lines of complaint that are kept.
const LINES: usize = 4000;

/// Something that the flake says how to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installable {
    /// The folder that holds `flake.nix`.
    pub top: PathBuf,
    /// `nixosConfigurations."linode".config.system.build.toplevel`.
    pub attribute: String,
    /// The kind of computer that it is for: `x86_64-linux`.
    pub system: &'static str,
}

/// What a host is installed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// What its disk will hold.
    Disk,
    /// A system that boots from a stick and installs it.
    Installer,
}

impl Image {
    /// As the flake names it, behind the host's name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Disk => "image",
            Self::Installer => "installer",
        }
    }
}

/// How something is built, and where it will lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    /// The derivation itself.
    pub drv: StorePath,
    /// Its output.
    pub out: StorePath,
}

impl Installable {
    /// The system of a host; `None` for platforms that are given files.
    pub fn of_host(
        top: PathBuf,
        host: &HostName,
        platform: Platform,
        architecture: Architecture,
    ) -> Option<Self> {
        let attribute = match platform {
            Platform::Ubuntu => return None,
            Platform::Nixos => {
                format!("nixosConfigurations.\"{host}\".config.system.build.toplevel")
            }
            Platform::Darwin => format!("darwinConfigurations.\"{host}\".system"),
        };
        Some(Self {
            top,
            attribute,
            system: system_word(platform, architecture),
        })
    }

    /// What a host is installed from.
    pub fn image(top: PathBuf, host: &HostName, architecture: Architecture, image: Image) -> Self {
        let system = system_word(Platform::Nixos, architecture);
        Self {
            top,
            attribute: format!("packages.{system}.\"{host}-{}\"", image.word()),
            system,
        }
    }
}

/// How Nix calls that kind of computer. Ubuntu's is that of any Linux.
pub fn system_word(platform: Platform, architecture: Architecture) -> &'static str {
    match (platform.is_linux(), architecture) {
        (true, Architecture::X86_64) => "x86_64-linux",
        (true, Architecture::Aarch64) => "aarch64-linux",
        (false, Architecture::X86_64) => "x86_64-darwin",
        (false, Architecture::Aarch64) => "aarch64-darwin",
    }
}

impl Nix {
    /// Evaluates `what`, or takes what `cache` knows of it.
    pub async fn derivation(
        &self,
        what: &Installable,
        cache: &EvaluationCache,
        interrupt: &Interrupt,
        tell: &(dyn Fn(EventKind) + Send + Sync),
    ) -> Result<Derivation, SystemError> {
        if let Some(known) = cache.get(what) {
            return Ok(known);
        }
        tell(EventKind::Evaluating);
        let fresh = self.evaluate_derivation(what, interrupt, tell).await?;
        cache.put(what, &fresh).await;
        Ok(fresh)
    }

    async fn evaluate_derivation(
        &self,
        what: &Installable,
        interrupt: &Interrupt,
        tell: &(dyn Fn(EventKind) + Send + Sync),
    ) -> Result<Derivation, SystemError> {
        let flake = what.top.join("flake.nix");
        if !flake.is_file() {
            return Err(SystemError::NoFlake { path: flake });
        }
        let mut complaint = Vec::new();
        let finished = self
            .nix()
            .arguments([
                "eval",
                "--json",
                "--no-write-lock-file",
                "--no-update-lock-file",
            ])
            // Nix's own cache remembers errors without their words; ours is in front of it anyway.
            .arguments([
                "--option",
                "eval-cache",
                "false",
                "--option",
                "warn-dirty",
                "false",
            ])
            .arguments(["--apply", "d: { drv = d.drvPath; out = d.outPath; }"])
            .arguments([format!(".#{}", what.attribute)])
            .folder(&what.top)
            .cap(1 << 20)
            .watch(interrupt, &mut |line| {
                if let Some(warning) = warning(line) {
                    tell(EventKind::Warned(warning));
                }
                if complaint.len() < LINES {
                    complaint.push(line.to_owned());
                }
            })
            .await
            .map_err(SystemError::process)?;
        if !finished.status.success() {
            return Err(self.evaluation_error(what, &complaint.join("\n")).await);
        }
        let unreadable = |cause: String| SystemError::Unreadable {
            attribute: what.attribute.clone(),
            cause,
        };
        let derivation: Derivation = serde_json::from_slice(&finished.stdout)
            .map_err(|error| unreadable(error.to_string()))?;
        if derivation.drv.name().strip_suffix(".drv").is_none() {
            return Err(unreadable(format!("`{}` is no derivation", derivation.drv)));
        }
        Ok(derivation)
    }

    /// What the words of a failed evaluation mean.
    async fn evaluation_error(&self, what: &Installable, words: &str) -> SystemError {
        let attribute = what.attribute.clone();
        let words = plain(words);
        if let Some(found) = self.outdated().await {
            let (major, minor) = super::OLDEST;
            return SystemError::TooOld {
                found,
                needs: format!("{major}.{minor}"),
                attribute,
            };
        }
        if let Some(failed) = assertions(&words) {
            return SystemError::Assertions { attribute, failed };
        }
        if words.contains("experimental") && words.contains("is disabled") {
            return SystemError::FlakesDisabled;
        }
        if words.contains("does not provide attribute") {
            return SystemError::NoAttribute { attribute };
        }
        // lib/minver.nix of nixpkgs: "This version of Nixpkgs requires Nix >= 2.18, please upgrade".
        if let Some((_, rest)) = words.split_once("requires Nix >= ") {
            let needs: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '.')
                .collect();
            return SystemError::TooOld {
                found: self.version().await.unwrap_or_default(),
                needs: needs.trim_end_matches('.').to_owned(),
                attribute,
            };
        }
        let real_top = what.top.canonicalize().unwrap_or_else(|_| what.top.clone());
        SystemError::Evaluation {
            attribute,
            message: shorten(&words, &real_top),
        }
    }
}

/// What a module warns of: `trace: warning: …` by nixpkgs' `lib.warn`, `evaluation warning: …` by Nix's own.
fn warning(line: &str) -> Option<String> {
    let line = plain(line);
    let words = line
        .strip_prefix("trace: warning: ")
        .or_else(|| line.strip_prefix("trace: evaluation warning: "))
        .or_else(|| line.strip_prefix("evaluation warning: "))?;
    Some(printable_line(words.as_bytes(), 500))
}

/// What the module system of nixpkgs lists below `Failed assertions:`, one text each.
fn assertions(words: &str) -> Option<Vec<String>> {
    let (_, rest) = words.rsplit_once("Failed assertions:")?;
    let mut failed: Vec<String> = Vec::new();
    for line in rest.lines().map(str::trim).skip(1) {
        if let Some(first) = line.strip_prefix("- ") {
            failed.push(first.to_owned());
        } else if let Some(last) = failed.last_mut()
            && !line.is_empty()
            && !line.starts_with("(use '--show-trace'")
        {
            last.push(' ');
            last.push_str(line);
        }
    }
    (!failed.is_empty()).then_some(failed)
}
