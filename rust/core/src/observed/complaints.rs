//! Lines of files that the host's own programs do not take: what reads our files reads those of others, too.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::ObserveScope;
use crate::precedence::Place;
use crate::query::{Query, printable_line};

/// Where netplan's files stand that an administrator writes.
pub(crate) const NETPLAN: &str = "/etc/netplan/";
/// Where sshd's files stand.
pub(crate) const SSHD: &str = "/etc/ssh/";

/// Defines the two questions.
const PARTS: &str = include_str!("complaints.sh");

/// A line that a program does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// `sshd` or `netplan`.
    pub program: String,
    /// Where the line stands.
    pub place: Place,
    /// What the program says of it; netplan's without the values.
    pub says: String,
}

/// Whether files of such a program are declared.
pub(super) fn is_asked(scope: &ObserveScope<'_>) -> bool {
    declares(scope, SSHD) || declares(scope, NETPLAN)
}

fn declares(scope: &ObserveScope<'_>, directory: &str) -> bool {
    let mut paths = scope.rendered.entries.keys();
    paths.any(|path| path.as_str().starts_with(directory))
}

/// Asks the programs of declared files, where they are installed.
pub(super) fn query(scope: &ObserveScope<'_>) -> Query {
    let mut text = PARTS.to_owned();
    for (directory, program) in [(SSHD, "sshd"), (NETPLAN, "netplan")] {
        if declares(scope, directory) {
            let _ = writeln!(
                text,
                "if command -v {program} >/dev/null; then {program}_complaints; fi"
            );
        }
    }
    Query::new("complaints", text + "exit 0\n")
}

/// Reads `PROGRAM FILE:LINE WORDS`. Of sshd, what it only calls deprecated or unsupported is left out.
pub(super) fn parse(section: &[u8]) -> Vec<Complaint> {
    let text = String::from_utf8_lossy(section);
    let complaint = |line: &str| {
        let line = printable_line(line.as_bytes(), 400);
        let (program, rest) = line.split_once(' ')?;
        let (at, says) = rest.split_once(' ')?;
        let (file, line) = at.rsplit_once(':')?;
        let place = Place {
            file: file.to_owned(),
            line: line.parse().ok()?,
        };
        let passed = ["Deprecated option ", "Unsupported option "];
        (!passed.iter().any(|words| says.starts_with(words))).then(|| Complaint {
            program: program.to_owned(),
            place,
            says: says.to_owned(),
        })
    };
    text.lines().filter_map(complaint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_deprecated_is_no_complaint() {
        let told = "sshd /etc/ssh/sshd_config.d/50-x.conf:1 Bad configuration option: Foo\n\
                    sshd /etc/ssh/sshd_config.d/50-x.conf:2 Deprecated option UsePrivilegeSeparation\n\
                    netplan /etc/netplan/00-x.yaml:5 invalid boolean value '…'\nnoise\n";
        let found: Vec<String> = parse(told.as_bytes())
            .iter()
            .map(|it| format!("{} {}: {}", it.program, it.place, it.says))
            .collect();
        assert_eq!(
            found,
            [
                "sshd /etc/ssh/sshd_config.d/50-x.conf:1: Bad configuration option: Foo",
                "netplan /etc/netplan/00-x.yaml:5: invalid boolean value '…'",
            ]
        );
    }
}
