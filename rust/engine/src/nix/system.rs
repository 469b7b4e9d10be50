//! Evaluates what a host should run to a derivation, without building it.

use deployctl_core::query::printable_line;

use super::cache::EvaluationCache;
use super::derivation::{Derivation, Installable};
use super::error::{plain, shorten};
use super::{Nix, SystemError};
use crate::event::EventKind;
use crate::interrupt::Interrupt;

/// Lines of errors that are kept.
const LINES: usize = 4000;

impl Nix {
    /// Evaluates `what`, or returns its entry of `cache`.
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
            // Nix's own cache stores errors without their text; our cache replaces it.
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

    /// Reads the messages of a failed evaluation.
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

/// Warnings of modules: `trace: warning: …` by nixpkgs' `lib.warn`, `evaluation warning: …` by Nix's own.
fn warning(line: &str) -> Option<String> {
    let line = plain(line);
    let words = line
        .strip_prefix("trace: warning: ")
        .or_else(|| line.strip_prefix("trace: evaluation warning: "))
        .or_else(|| line.strip_prefix("evaluation warning: "))?;
    Some(printable_line(words.as_bytes(), 500))
}

/// The texts that nixpkgs' module system lists below `Failed assertions:`.
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
