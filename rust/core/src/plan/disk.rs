//! Whether there is room for what an apply writes.

use super::{Finding, PathTarget, Plan, PlanOptions};
use crate::observed::Observed;
use crate::rendered::{Entry, FollowUp, Rendered};

/// Left free besides everything that is written, in KiB.
const MARGIN_KIB: u64 = 64 * 1024;
/// A new initramfs is written beside the old one, in KiB.
const INITRAMFS_KIB: u64 = 160 * 1024;
/// The boot loader's configuration and environment, in KiB.
const BOOTLOADER_KIB: u64 = 8 * 1024;

/// Refuses where an apply could run out of room half-way.
pub(super) fn findings(
    rendered: &Rendered,
    observed: &Observed,
    plan: &Plan,
    options: PlanOptions,
) -> Vec<Finding> {
    let declared: u64 = rendered
        .entries
        .values()
        .map(|managed| match &managed.entry {
            Entry::File { content, .. } => content.len() as u64,
            _ => 0,
        })
        .sum();
    let changed: u64 = plan
        .paths
        .iter()
        .filter(|change| matches!(change.after, PathTarget::Entry { .. }))
        .filter_map(|change| rendered.entries.get(&change.path))
        .map(|managed| match &managed.entry {
            Entry::File { content, .. } => content.len() as u64,
            _ => 0,
        })
        .sum();
    // Staged, on the merged tree, and in `rendered.json` (escaped); plus the checkpoint's copies.
    let state = (2 * changed + 2 * declared + observed.managed_bytes).div_ceil(1024) + MARGIN_KIB;
    let root = changed.div_ceil(1024) + MARGIN_KIB;
    let mut needs = vec![("/", root), ("/var/lib/deployctl", state)];
    if !options.sandbox {
        if plan.follow_ups.contains(&FollowUp::Initramfs) {
            needs.push(("/boot", INITRAMFS_KIB));
        } else if plan.follow_ups.contains(&FollowUp::Bootloader) {
            needs.push(("/boot", BOOTLOADER_KIB));
        }
    }
    needs
        .into_iter()
        .filter_map(|(place, needed)| match observed.free_kib.get(place) {
            Some(free) if *free >= needed => None,
            Some(free) => Some(Finding::refuse(
                "disk",
                format!(
                    "`{place}` has {} MiB free; {} MiB are needed",
                    free / 1024,
                    needed.div_ceil(1024)
                ),
                format!("make room: `du -xh --max-depth=2 {place} | sort -h | tail`"),
            )),
            None => Some(Finding::refuse(
                "observe",
                format!("the host did not say how much room `{place}` has"),
                "nothing is planned on a guess: try `df` on the host",
            )),
        })
        .collect()
}
