//! What a person reads first in a script.

use std::fmt::Write as _;

use chrono::DateTime;

use super::{Scripts, printable};
use crate::activation::STATE_DIR;
use crate::observed::FIREWALL_TABLE;
use crate::rendered::FollowUp;

/// What a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Validate,
    Checkpoint,
    Apply,
    RollBack,
    Commit,
}

/// Longest name of the person who applies, in characters.
const HOLDER_CHARS: usize = 100;

impl Scripts<'_> {
    /// Comment lines: what the script does, the apply it belongs to, what that apply touches, and how to run it.
    pub(super) fn header(&self, purpose: Purpose) -> String {
        let (plan, meta) = (self.plan, self.meta);
        let (id, host) = (&meta.apply_id, plan.host.as_str());
        let (from, to) = (plan.base_generation, plan.base_generation.saturating_add(1));
        let holder: String = printable(&meta.holder).chars().take(HOLDER_CHARS).collect();
        let mut text = String::new();
        let mut say = |line: &str| {
            let _ = writeln!(text, "# {line}");
        };
        say(&match purpose {
            Purpose::Validate => format!(
                "Tests what apply {id} would bring to {host} (generation {from} -> {to}), before anything is changed."
            ),
            Purpose::Checkpoint => {
                format!("Saves what apply {id} will change on {host} (generation {from} -> {to}).")
            }
            Purpose::Apply => {
                format!("Makes the changes of apply {id} on {host} (generation {from} -> {to}).")
            }
            Purpose::RollBack => format!(
                "Undoes apply {id} on {host} (generation {to} -> {from}): puts back what its checkpoint holds."
            ),
            Purpose::Commit => format!(
                "Makes apply {id} on {host} (generation {from} -> {to}) final, once it is confirmed."
            ),
        });
        say(&format!("Started by {holder}, {}.", utc(meta.started_at)));
        say(&format!("Touches {}.", self.touched()));
        let undo = format!("sh {STATE_DIR}/host.sh rollback");
        say(&match purpose {
            Purpose::RollBack => format!("Run it with:  {undo}   (safe to repeat)"),
            _ => format!(
                "host.sh runs it. To undo the apply until it is confirmed:  {undo}   (safe to repeat)"
            ),
        });
        say(&format!(
            "Log: {}/log; once confirmed: {STATE_DIR}/generations/{to}/log",
            meta.apply_id.directory()
        ));
        text
    }

    /// What the apply touches, with numbers, in words.
    fn touched(&self) -> String {
        let plan = self.plan;
        let mut parts: Vec<String> = [
            (plan.paths.len(), "path"),
            (plan.packages.len(), "package"),
            (plan.sysctls.len(), "sysctl"),
            (plan.modules.len(), "module"),
            (plan.units.len(), "unit"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
        .collect();
        if self.needs(FollowUp::Firewall) {
            let (family, table) = FIREWALL_TABLE;
            parts.push(format!("table {family} {table}"));
        }
        for (follow_up, what) in [
            (FollowUp::Network, "the network"),
            (FollowUp::Initramfs, "the initramfs"),
            (FollowUp::Bootloader, "the boot loader"),
        ] {
            if self.needs(follow_up) {
                parts.push(what.to_owned());
            }
        }
        if plan.closure.is_some() {
            parts.push("the system that runs".to_owned());
        }
        if parts.is_empty() {
            return "nothing".to_owned();
        }
        parts.join(", ")
    }
}

/// `2026-11-23 07:14:05 UTC`.
fn utc(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .map_or_else(
            || format!("{seconds} seconds after 1970"),
            |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
}
