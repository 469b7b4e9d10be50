//! Remote Login of a Mac: sshd's settings in effect, launchd's socket, and the operators' keys.

use std::collections::BTreeSet;

use deployctl_core::inventory::ssh::Ssh;
use deployctl_core::query::{Query, quote};

use crate::concern::ssh::{self, CONCERN};
use crate::reader::socket;
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
                let locals = socket::netstat(answer)?;
                Ok(socket::on_ports(&locals, '.', &BTreeSet::from([port]))?
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
    checks.extend(ssh::other_keys(facts, declared, keys));
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
             [ -r \"$f\" ] && printf 'file %s\\n' \"$f\" && cat \"$f\" && echo\ndone\n:"
        ),
    )
}
