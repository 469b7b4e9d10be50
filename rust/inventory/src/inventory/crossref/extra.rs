//! Checks of one's own: that they can fail, and that they can pass.

use crate::inventory::error::Findings;
use crate::inventory::extra::{Bounds, ExtraCheck};
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

/// Longest deadline of a gate, in seconds: as long as an apply gives all gates together to come right.
const GATE_SECONDS: u16 = 10;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let checks = host.extra.as_ref().and_then(|extra| extra.checks.as_ref());
    for (label, check) in checks.into_iter().flatten() {
        let at = FactPath::host(name).keys("extra.checks").key(label);
        check_one(&at, check, findings);
    }
}

fn check_one(at: &FactPath, check: &ExtraCheck, findings: &mut Findings<'_>) {
    if check.command.as_str().trim().is_empty() {
        findings.add(at.clone().key("command"), "asks nothing");
    }
    let texts = check.contains.iter().flatten().count();
    if texts == 0 && check.matches.is_none() && check.number.is_none() {
        findings.add_with_hint(
            at.clone(),
            "checks nothing: a command that prints nothing would do",
            "say what it must answer by `contains`, `matches` or `number`",
        );
    }
    for text in check.contains.iter().flatten() {
        if text.as_str().trim().is_empty() {
            findings.add(
                at.clone().key("contains"),
                "holds a blank text, which is in every answer",
            );
        }
    }
    match check.regex() {
        Err(problem) => findings.add(
            at.clone().key("matches"),
            format!("is no regular expression: {problem}"),
        ),
        Ok(Some(regex)) if regex.is_match("") => findings.add_with_hint(
            at.clone().key("matches"),
            "matches an empty answer, so it checks nothing",
            "let it ask for at least one character: `+` instead of `*`",
        ),
        Ok(_) => {}
    }
    if check.gate && check.deadline_seconds > GATE_SECONDS {
        findings.add_with_hint(
            at.clone().key("deadline_seconds"),
            format!(
                "is {}; a gate has {GATE_SECONDS} at most",
                check.deadline_seconds
            ),
            "the host waits for the confirm meanwhile, and rolls back at its own deadline",
        );
    }
    if let Some(bounds) = &check.number {
        check_bounds(&at.clone().key("number"), bounds, findings);
    }
}

fn check_bounds(at: &FactPath, bounds: &Bounds, findings: &mut Findings<'_>) {
    match (bounds.at_least, bounds.at_most) {
        (None, None) => findings.add_with_hint(
            at.clone(),
            "has no bound, so any number would do",
            "set `at_least`, `at_most` or both",
        ),
        (Some(least), Some(most)) if least > most => findings.add(
            at.clone().key("at_least"),
            format!("is {least}, and `at_most` is {most}: no number is both"),
        ),
        _ => {}
    }
}
