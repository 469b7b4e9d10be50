//! Interfaces that a reboot gives the name by which their addresses are declared.

use super::words::list;
use super::{Finding, PathTarget, Plan};
use crate::observed::Observed;
use crate::rendered::{Entry, Rendered};

/// One note for each name that a changed `.link` file gives and no interface has yet: what is declared for that
/// name is in effect on none until the reboot, also where it was in effect under another name before.
pub(super) fn findings(
    plan: &Plan,
    rendered: &Rendered,
    observed: &Observed,
    addresses: &[String],
) -> Vec<Finding> {
    // A host without an answer was not asked.
    if observed.interfaces.is_empty() {
        return Vec::new();
    }
    let changed = plan.paths.iter().filter(|change| {
        let ending = change.path.as_str().rsplit_once('.');
        matches!(change.after, PathTarget::Entry { .. })
            && ending.is_some_and(|(_, ending)| ending == "link")
    });
    let names = changed.filter_map(|change| {
        let text = text(&rendered.entries.get(&change.path)?.entry)?;
        text.lines().find_map(|line| line.strip_prefix("Name="))
    });
    names
        .filter(|name| !observed.interfaces.contains(*name))
        .filter_map(|name| {
            let of_it = declared(rendered, name, addresses);
            if of_it.is_empty() {
                return None;
            }
            let (is, they) = if of_it.len() == 1 {
                ("is", "it")
            } else {
                ("are", "they")
            };
            Some(Finding::warn(
                "network",
                format!(
                    "no interface is called `{name}` before the reboot: {} {is} away until then",
                    list(&of_it)
                ),
                Some(format!(
                    "where {they} must not be, reboot right after the apply"
                )),
            ))
        })
        .collect()
}

/// Those of `addresses` that a file puts on the interface `name`.
fn declared(rendered: &Rendered, name: &str, addresses: &[String]) -> Vec<String> {
    let (networkd, netplan) = (format!("Name={name}"), format!("set-name: \"{name}\""));
    let texts: Vec<&str> = rendered
        .entries
        .values()
        .filter_map(|managed| text(&managed.entry))
        .filter(|text| {
            let mut lines = text.lines().map(str::trim);
            lines.any(|line| line == networkd || line == netplan)
        })
        .collect();
    let mut found = addresses.to_vec();
    found.retain(|address| {
        let words = texts.iter().flat_map(|text| text.split(['=', '"', '\n']));
        words.into_iter().any(|word| word == address)
    });
    found
}

fn text(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::File { content, .. } => Some(content),
        _ => None,
    }
}
