//! What a host holds of the artifacts that it is to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::ObserveScope;
use crate::artifact::Need;
use crate::inventory::Platform;
use crate::name::ManagedPath;
use crate::query::{Query, quote};

/// How much of a declared release is on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldRelease {
    /// All of it, verified when it was staged.
    Whole,
    /// That many bytes, not yet verified.
    Part(u64),
}

/// What a host said of the declared artifacts, by the folder that holds their releases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeldArtifacts {
    /// How much of each is there.
    pub(super) held: BTreeMap<ManagedPath, HeldRelease>,
    /// What staging needs and the host lacks.
    pub(super) lacking: BTreeMap<ManagedPath, BTreeSet<Need>>,
}

/// One line for every artifact: `whole BASE` or `part BASE BYTES`. One for each thing that staging needs and that is not there:
/// `lacks BASE NUMBER`, with its place among the needs.
pub(super) fn query(scope: &ObserveScope<'_>) -> Query {
    // The `find` of macOS knows no sizes.
    let platform = scope.rendered.platform();
    let mut command = match platform {
        Platform::Darwin => "PATH=/run/current-system/sw/bin:$PATH\n".to_owned(),
        Platform::Ubuntu | Platform::Nixos => String::new(),
    };
    command.push_str(
        r#"held() { # BASE DIGEST
  if [ -d "$1/releases/$2" ]; then
    echo "whole $1"
    return
  fi
  bytes=0
  sizes=$(find "$1/releases/$2.part" -type f -printf '%s ' 2>/dev/null) || :
  for size in $sizes; do bytes=$((bytes + size)); done
  echo "part $1 $bytes"
}
"#,
    );
    for (base, artifact) in &scope.rendered.artifacts {
        let digest = artifact.digest.as_str();
        let base_word = quote(base.as_str());
        let _ = writeln!(command, "held {base_word} {}", quote(digest));
        for (number, need) in artifact.needs(base, platform).iter().enumerate() {
            let test = need.test();
            let _ = writeln!(command, "{test} || echo lacks {base_word} {number}");
        }
    }
    Query::new("artifacts", command)
}

/// Reads the lines; `Err` says why they cannot be used.
pub(super) fn parse(section: &[u8], scope: &ObserveScope<'_>) -> Result<HeldArtifacts, String> {
    let text = String::from_utf8_lossy(section);
    let mut found = HeldArtifacts::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let read = match words[..] {
            ["whole", base] => found.holds(base, Some(HeldRelease::Whole)),
            ["part", base, bytes] => found.holds(base, bytes.parse().ok().map(HeldRelease::Part)),
            ["lacks", base, number] => found.lacks(base, number.parse().ok(), scope),
            _ => None,
        };
        read.ok_or_else(|| "a line cannot be read".to_owned())?;
    }
    Ok(found)
}

impl HeldArtifacts {
    fn holds(&mut self, base: &str, held: Option<HeldRelease>) -> Option<()> {
        self.held.insert(ManagedPath::new(base).ok()?, held?);
        Some(())
    }

    fn lacks(&mut self, base: &str, number: Option<usize>, scope: &ObserveScope<'_>) -> Option<()> {
        let base = ManagedPath::new(base).ok()?;
        let artifact = scope.rendered.artifacts.get(&base)?;
        let need = artifact
            .needs(&base, scope.rendered.platform())
            .into_iter()
            .nth(number?)?;
        self.lacking.entry(base).or_default().insert(need);
        Some(())
    }
}
