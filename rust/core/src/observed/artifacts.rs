//! What a host holds of the artifacts that it is to hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::ObserveScope;
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

/// One line for every artifact: `whole BASE` or `part BASE BYTES`.
pub(super) fn query(scope: &ObserveScope<'_>) -> Query {
    let mut command = String::from(
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
        let _ = writeln!(command, "held {} {}", quote(base.as_str()), quote(digest));
    }
    Query::new("artifacts", command)
}

/// Reads the lines; `Err` names the one that cannot be read.
pub(super) fn parse(section: &[u8]) -> Result<BTreeMap<ManagedPath, HeldRelease>, String> {
    let text = String::from_utf8_lossy(section);
    let mut held = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let read = match words[..] {
            ["whole", base] => Some((base, HeldRelease::Whole)),
            ["part", base, bytes] => {
                let bytes = bytes.parse().ok();
                bytes.map(|bytes| (base, HeldRelease::Part(bytes)))
            }
            _ => None,
        };
        let read = read.and_then(|(base, held)| Some((ManagedPath::new(base).ok()?, held)));
        let (base, release) = read.ok_or_else(|| "a line cannot be read".to_owned())?;
        held.insert(base, release);
    }
    Ok(held)
}
