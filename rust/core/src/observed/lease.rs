//! Whether an apply is open on a host, for whoever plans nothing there.

use std::collections::BTreeMap;

use super::PendingApply;
use crate::activation::Phase;
use crate::query::{Query, Section, printable_line};

/// The id of the query.
const ID: &str = "lease";

/// Asks for the apply that has the lease, and its phase.
pub fn ask_lease() -> Query {
    let script = r#"S="${DEPLOYCTL_ROOT-}/var/lib/deployctl"
if [ -r "$S/lease" ]; then
  a=
  while read -r k v; do
    case $k in apply | holder) printf '%s %s\n' "$k" "$v" ;; esac
    if [ "$k" = apply ]; then a=$v; fi
  done <"$S/lease"
  if [ -r "$S/applies/$a/phase" ] && IFS= read -r v <"$S/applies/$a/phase"; then printf 'phase %s\n' "$v"; fi
fi
"#;
    Query::inline(ID, script.to_owned())
}

/// The apply that has changed the host and is neither confirmed nor put back.
pub fn read_lease(answer: Option<&Section>) -> Option<PendingApply> {
    let text = String::from_utf8_lossy(&answer?.stdout).into_owned();
    let words: BTreeMap<&str, String> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key, printable_line(value.as_bytes(), 200)))
        .collect();
    let phase = Phase::from_word(words.get("phase")?)?;
    phase.is_open().then(|| PendingApply {
        apply: words.get("apply").cloned().unwrap_or_default(),
        phase: phase.word().to_owned(),
        holder: words.get("holder").cloned().unwrap_or_default(),
        overdue: false,
        left_seconds: None,
    })
}
