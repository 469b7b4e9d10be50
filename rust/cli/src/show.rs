//! Reports as text for people. Always coloured: the writer strips that where colours are off.

use deployctl_checks::accepted::Change;
use deployctl_core::plan::Plan;
use deployctl_report::Report;
use deployctl_report::text::{self, Beside, Style};

/// How every host of an apply or a rollback ended.
pub(crate) fn report(report: &Report) -> String {
    text::report(report, Style::Ansi)
}

/// The plans of all hosts, and how the others ended.
pub(crate) fn plans(report: &Report, full: bool) -> String {
    text::plans(report, full, Style::Ansi)
}

/// One host's plan.
pub(crate) fn plan(plan: &Plan, full: bool) -> String {
    text::plan(plan, full, Style::Ansi)
}

/// One host's plan in a line.
pub(crate) fn headline(plan: &Plan) -> String {
    text::headline(plan, Style::Ansi)
}

/// What was changed behind our back.
pub(crate) fn drift(report: &Report) -> String {
    text::drift(report, Style::Ansi)
}

/// Every host with its checks.
pub(crate) fn checks(report: &Report, beside: &Beside<'_>) -> String {
    text::checks(report, beside, Style::Ansi)
}

/// One check that is not as it was accepted.
pub(crate) fn accepted_change(change: &Change) -> String {
    text::accepted_change(change, Style::Ansi)
}

/// What became different since the run before.
pub(crate) fn became(before: &Report, after: &Report, at: &str) -> String {
    text::became(before, after, at, Style::Ansi)
}
