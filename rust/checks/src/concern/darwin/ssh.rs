//! Remote Login of a Mac: sshd's settings in effect, launchd's socket, and the operators' keys.

use std::collections::BTreeSet;

use deployctl_core::inventory::ssh::Ssh;
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, number};
use crate::concern::ssh::{self, CONCERN};
use crate::{Check, Declared};

pub(in crate::concern) fn checks(facts: &Ssh, declared: &Declared<'_>) -> Vec<Check> {
    let effective = Query::new("ssh/mac-effective", "/usr/sbin/sshd -T");
    let mut checks = ssh::effective(facts, declared, &effective);
    let listening = Query::new("ssh/mac-listening", "/usr/sbin/netstat -an -p tcp");
    let port = facts.port.number();
    checks.push(
        Check::new(
            CONCERN,
            "listening",
            &listening,
            format!("something listens on TCP port {port}"),
            move |answer| {
                let ports = parse_listening(answer)?;
                let shown: Vec<String> = ports.iter().map(u16::to_string).collect();
                Ok(Found::when(ports.contains(&port), format!("TCP ports {}", shown.join(", ")))
                    .or_hint("on the Mac: `systemsetup -setremotelogin on`, and full disk access for what runs it"))
            },
        )
        .gate_if(true),
    );
    for (name, operator) in &declared.cluster.operators {
        checks.push(ssh::keys(
            name.as_str(),
            operator.keys.iter(),
            &keys(name.as_str()),
        ));
    }
    checks
}

/// A user's keys: those that nix-darwin lets sshd ask for, and the user's own.
fn keys(user: &str) -> Query {
    let name = quote(user);
    Query::new(
        format!("ssh/mac-keys/{user}"),
        format!(
            "home=$(/usr/bin/dscl . -read /Users/{name} NFSHomeDirectory 2>/dev/null | /usr/bin/sed -n 's/^NFSHomeDirectory: //p')\n\
             [ -n \"$home\" ] || {{ echo no such user; exit 0; }}\n\
             printf 'home %s\\n' \"$home\"\n\
             for f in /etc/ssh/nix_authorized_keys.d/{name} \"$home/.ssh/authorized_keys\"; do\n  \
             [ -r \"$f\" ] && cat \"$f\"\ndone\n:"
        ),
    )
}

/// The local ports in `netstat -an -p tcp`: `tcp4  0  0  *.22  *.*  LISTEN`.
fn parse_listening(answer: &Answer<'_>) -> Result<BTreeSet<u16>, Unreadable> {
    let mut lines = answer.lines()?.peekable();
    if !lines
        .peek()
        .is_some_and(|line| line.starts_with("Active Internet connections"))
    {
        return Err(Unreadable::new(
            "no table of connections as netstat prints it",
        ));
    }
    lines
        .filter(|line| line.ends_with("LISTEN"))
        .map(|line| {
            let local = line
                .split_whitespace()
                .nth(3)
                .and_then(|word| word.rsplit_once('.'));
            let (_, port) =
                local.ok_or_else(|| Unreadable(format!("`{line}` is no line of netstat")))?;
            number("port", port)
        })
        .collect()
}
