//! The status that a host reports.

use std::fmt::Write as _;

use deployctl_core::activation::machine::Phase;
use deployctl_core::activation::status::Status;

use super::words::lasting;
use super::{Style, shown};

/// Generation, and the open or last apply with what becomes of it; further lines are indented.
/// In a `sandbox` nothing rolls back by itself.
pub fn status(status: &Status, sandbox: bool, style: Style) -> String {
    let mut text = match status.generation {
        0 => "nothing applied yet".to_owned(),
        number => format!("generation {number}"),
    };
    let Some(apply) = &status.apply else {
        return text;
    };
    let word = apply.phase.word();
    let painted = match apply.phase {
        Phase::Committed => style.good(word),
        Phase::RollbackFailed => style.bad(word),
        _ => style.warn(word),
    };
    let _ = write!(
        text,
        "; apply {} by {}: {painted}",
        shown(&apply.apply),
        shown(&apply.holder)
    );
    if let Some(seconds) = apply.deadline_seconds
        && apply.phase != Phase::RollbackFailed
    {
        let left = lasting(seconds);
        let _ = match (seconds, sandbox) {
            (0, _) => write!(
                text,
                ", overdue: its dead-man timer has not run; `deployctl apply --steal` rolls it back"
            ),
            (_, true) => write!(text, ", {left} left to confirm it"),
            (_, false) => write!(text, ", rolls back by itself in {left} unless confirmed"),
        };
    }
    if apply.rebooted && apply.phase.is_open() {
        text.push_str(", booted since");
    }
    if let Some(failure) = &apply.failure {
        let _ = write!(text, "\n  because {}", shown(&failure.text));
    }
    if apply.phase == Phase::RollbackFailed {
        let _ = write!(
            text,
            "\n  {} mend what is named, then run `sh /var/lib/deployctl/host.sh rollback` there as root; \
             where it is right as it is: `deployctl rollback HOST --abandon`",
            style.bad("do this now:")
        );
    }
    for reason in &apply.reboot {
        let _ = write!(
            text,
            "\n  {} {}",
            style.warn("reboot needed:"),
            shown(reason)
        );
    }
    text
}
