//! What our files say and files of others overrule, now or at the next boot.

mod access;

use super::target::Target;
use super::words::list;
use super::{Finding, Plan, lockout};
use crate::observed::Observed;
use crate::precedence::sshd::DROP_INS;
use crate::precedence::{self, ConfigFiles, How, Overruled};
use crate::rendered::Rendered;

/// One warning per file of ours and line that overrules it.
pub(super) fn findings(
    plan: &Plan,
    target: &Target,
    rendered: &Rendered,
    observed: &Observed,
) -> Vec<Finding> {
    let files = after(plan, rendered, observed);
    let mut findings = access::of_sshd(target, &files, rendered, observed);
    findings.extend(access::of_sudo(plan, rendered, observed));
    for path in rendered
        .entries
        .keys()
        .map(crate::name::ManagedPath::as_str)
    {
        if !precedence::is_shared(path) {
            continue;
        }
        findings.extend(findings_of(path, overruled(path, &files, rendered)));
    }
    findings
}

/// One warning per line of others among what overrules the file at `path`.
fn findings_of(path: &str, mut rest: Vec<Overruled>) -> Vec<Finding> {
    let mut findings = Vec::new();
    while let Some(first) = rest.first().map(|first| first.theirs.place.clone()) {
        let (by_it, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|found| found.theirs.place == first);
        rest = others;
        findings.push(Finding::warn(
            "overruled",
            told(path, &by_it),
            Some(format!(
                "take it out of `{}`, or the setting out of the facts",
                first.file
            )),
        ));
    }
    findings
}

/// What one line of another file does to that at `path`.
fn told(path: &str, by_it: &[Overruled]) -> String {
    let theirs = &by_it[0].theirs;
    let line = &theirs.place;
    let keys: Vec<String> = by_it.iter().map(|found| found.ours.key.clone()).collect();
    let order = match by_it[0].how {
        How::Later => "is read after",
        How::Earlier => "is read before",
        How::InBlock => "stands in a block that wins over",
        How::Matches => {
            return format!(
                "`{line}` is read before `{path}` and is for its interface too (`{}={}`): it wins as a whole",
                theirs.key, theirs.value
            );
        }
        How::Blocks => {
            return format!(
                "`{line}` says `{}`, so that `{}` of `{path}` is not loaded at the next boot",
                theirs.value, keys[0]
            );
        }
    };
    // GRUB's variable is set whole, without what was in it.
    let does = if theirs.key.starts_with("GRUB_") {
        format!("sets `{}` without {}", theirs.key, list(&keys))
    } else if keys.len() > 1 {
        format!("sets {} anew", list(&keys))
    } else if theirs.value.is_empty() {
        format!("empties {}", list(&keys))
    } else {
        format!("sets {} to `{}`", list(&keys), theirs.value)
    };
    let at = if path.starts_with(DROP_INS) {
        "as soon as sshd loads it"
    } else {
        "at the next boot"
    };
    format!("`{line}` {order} `{path}` and {does}: it wins {at}")
}

/// The files that are read together, once the plan is applied.
pub(super) fn after(plan: &Plan, rendered: &Rendered, observed: &Observed) -> ConfigFiles {
    observed.config.with(rendered, lockout::gone(plan))
}

/// What of the file at `path` others overrule.
pub(super) fn overruled(path: &str, files: &ConfigFiles, rendered: &Rendered) -> Vec<Overruled> {
    precedence::overruled(path, files, |other| is_ours(other, rendered))
}

/// Whether a file that is declared stands at `path`.
fn is_ours(path: &str, rendered: &Rendered) -> bool {
    rendered.entries.keys().any(|ours| ours.as_str() == path)
}
