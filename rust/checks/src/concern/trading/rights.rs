//! Running a program on a host with the rights of the engine's unit, as systemd would give them.

use std::time::Duration;

use deployctl_core::inventory::trading::Trading;
use deployctl_core::query::quote;

/// What of a unit decides whether the engine may lock memory, run in real time, or have a ring: its user,
/// limits, capabilities and filters, and what of the file system it sees.
const RIGHTS: &[&str] = &[
    "User",
    "Group",
    "SupplementaryGroups",
    "LimitRTPRIOSoft",
    "LimitMEMLOCKSoft",
    "LimitNOFILESoft",
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "NoNewPrivileges",
    "RestrictRealtime",
    "SystemCallFilter",
    "RestrictAddressFamilies",
    "MemoryDenyWriteExecute",
    "PrivateUsers",
    "PrivateDevices",
    "ProtectSystem",
    "ProtectHome",
    "ReadWritePaths",
];

/// Shell that ends with the line `engine=absent` where systemd knows no such unit, and otherwise prints
/// `engine=running` or `engine=idle` and defines the functions
///
/// - `running`: does the engine run?
/// - `as_engine SLICE COMMAND...`: runs it as a transient unit with the rights of `unit`, for `deadline` at most. Its
///   standard output is the unit's; a refusal to start ends by systemd's own statuses (200 to 243). In the
///   engine's slice it has the engine's CPUs; an empty SLICE keeps it off them.
///
/// A unit, not `runuser`: sessions get their limits by PAM, services by their unit.
pub(super) fn preamble(unit: &str, deadline: Duration) -> String {
    let shown: Vec<String> = RIGHTS.iter().map(|name| format!("-p {name}")).collect();
    format!(
        r#"unit={unit}
if [ "$(systemctl show -P LoadState -- "$unit")" != loaded ]; then
  echo engine=absent
  exit 0
fi
pid=$(systemctl show -P MainPID -- "$unit") || exit
running() {{
  [ "${{pid:-0}}" -ne 0 ]
}}
if running; then echo engine=running; else echo engine=idle; fi
rights=$(systemctl show {shown} -- "$unit" | sed 's/^\(Limit[A-Z]*\)Soft=/\1=/') || exit
as_engine() {{
  slice=$1
  shift
  count=$#
  while IFS= read -r right; do
    set -- "$@" -p "$right"
  done <<END
$rights
END
  # What came first goes last: the command, behind all options.
  set -- "$@" --
  while [ "$count" -gt 0 ]; do
    set -- "$@" "$1"
    shift
    count=$((count - 1))
  done
  systemd-run --quiet --pipe --wait --collect --unit="deployctl-engine-$$" \
    -p RuntimeMaxSec={seconds} ${{slice:+"--slice=$slice"}} "$@"
}}
"#,
        unit = quote(unit),
        shown = shown.join(" "),
        seconds = deadline.as_secs(),
    )
}

/// How the engine is named in what is expected.
pub(super) fn who(facts: &Trading) -> String {
    facts.user.to_string()
}

/// Why systemd did not start a unit with these rights, by the status that it then ends with
/// (`systemd.exec(5)`, "Process exit codes"); `None` for a status of the program's own.
pub(super) fn refusal(status: i32) -> Option<&'static str> {
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
