//! A program that systemd was to start with the rights of a unit, and did not.

use crate::answer::Found;

/// What it means that systemd did not start it, by the status that it then ends with; `None` for a status of the
/// program's own.
pub(super) fn refused(status: i32) -> Option<Found> {
    let why = refusal(status)?;
    let hint = "the unit has the same rights, and could not be started either";
    Some(Found::when(false, why).or_hint(hint))
}

/// That systemd knows no such unit.
pub(super) fn no_unit() -> Found {
    Found::when(false, "the unit is not there").or_hint(crate::MADE_BY_APPLY)
}

/// Why systemd did not start a unit with these rights, by the status that it then ends with
/// (`systemd.exec(5)`, "Process exit codes"); `None` for a status of the program's own.
fn refusal(status: i32) -> Option<&'static str> {
    Some(match status {
        203 => "status 203/EXEC: the program cannot be executed",
        204 | 205 => "status 205/LIMITS: the unit's limits cannot be set",
        216 => "status 216/GROUP: its group is not there",
        217 => "status 217/USER: its user is not there",
        218 => "status 218/CAPABILITIES: its capabilities cannot be had here",
        226 => {
            "status 226/NAMESPACE: a path that it names is not there, or mounts are not allowed here"
        }
        228 => "status 228/SECCOMP: its filter of system calls cannot be set",
        200..=243 => "systemd could not start the unit",
        _ => return None,
    })
}
