//! What our files say and files of others overrule, now or at the next boot.

use super::words::list;
use super::{Finding, Plan, lockout};
use crate::observed::Observed;
use crate::precedence::{self, ConfigFiles, Overruled};
use crate::rendered::Rendered;

/// One warning per file of ours and line that overrules it.
pub(super) fn findings(plan: &Plan, rendered: &Rendered, observed: &Observed) -> Vec<Finding> {
    let files = after(plan, rendered, observed);
    let mut findings = Vec::new();
    for path in rendered
        .entries
        .keys()
        .map(crate::name::ManagedPath::as_str)
    {
        if !precedence::is_shared(path) {
            continue;
        }
        let mut rest = overruled(path, &files, rendered);
        while let Some(first) = rest.first().map(|first| first.theirs.place.clone()) {
            let (by_it, others): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|found| found.theirs.place == first);
            rest = others;
            let keys: Vec<String> = by_it.iter().map(|found| found.ours.key.clone()).collect();
            // GRUB's variable is set whole, without what was in it.
            let does = if by_it[0].theirs.key.starts_with("GRUB_") {
                format!("sets `{}` without {}", by_it[0].theirs.key, list(&keys))
            } else if keys.len() == 1 {
                format!("sets {} to `{}`", list(&keys), by_it[0].theirs.value)
            } else {
                format!("sets {} anew", list(&keys))
            };
            findings.push(Finding::warn(
                "overruled",
                format!("`{first}` is read after `{path}` and {does}: it wins at the next boot"),
                Some(format!(
                    "take it out of `{}`, or the setting out of the facts",
                    first.file
                )),
            ));
        }
    }
    findings
}

/// The files that are read together, once the plan is applied.
pub(super) fn after(plan: &Plan, rendered: &Rendered, observed: &Observed) -> ConfigFiles {
    observed.config.with(rendered, lockout::gone(plan))
}

/// What of the file at `path` others overrule.
pub(super) fn overruled(path: &str, files: &ConfigFiles, rendered: &Rendered) -> Vec<Overruled> {
    precedence::overruled(path, files, |other| {
        rendered.entries.keys().any(|ours| ours.as_str() == other)
    })
}
