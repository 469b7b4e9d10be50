//! Small phrases that several texts share.

use deployctl_core::plan::{Plan, UnitAction};

use super::{Style, shown};
use crate::report::Problem;

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// `12 changes: 9 files, 2 packages, 1 unit`, or that there are no changes.
pub(super) fn changes(plan: &Plan) -> String {
    let parts: Vec<_> = plan
        .counts()
        .into_iter()
        .map(|(word, number)| count(number, word))
        .collect();
    match parts.as_slice() {
        [] => "nothing to change".to_owned(),
        _ => format!(
            "{}: {}",
            count(plan.change_count(), "change"),
            parts.join(", ")
        ),
    }
}

/// `90 s`, `15 min`, `1 h 5 min`.
pub fn lasting(seconds: u32) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, _, _) if seconds < 120 => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `07:14:03`, in UTC.
pub fn time_of_day(seconds: u64) -> String {
    let rest = seconds % 86400;
    format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// `4.4 GiB`, `820 KiB`.
pub fn size(bytes: u64) -> String {
    let mut unit = 0;
    // Tenths, so that no float is needed.
    let mut tenths = u128::from(bytes) * 10;
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    if unit == 0 || tenths >= 1000 {
        format!("{} {}", tenths / 10, units[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
    }
}

/// What happens to a unit, in a word.
pub(super) fn action(action: UnitAction) -> &'static str {
    match action {
        UnitAction::Enable => "enable",
        UnitAction::Disable => "disable",
        UnitAction::Stop => "stop",
        UnitAction::Start => "start",
        UnitAction::Restart => "restart",
        UnitAction::Reload => "reload",
        UnitAction::Original => "as before deployctl",
    }
}

/// A message, and its next step on the line below.
pub(super) fn problem(problem: &Problem, indent: &str, style: Style) -> String {
    let message = shown(&problem.message);
    match &problem.hint {
        None => message,
        Some(hint) => format!("{message}\n{indent}{} {}", style.dim("hint:"), shown(hint)),
    }
}
