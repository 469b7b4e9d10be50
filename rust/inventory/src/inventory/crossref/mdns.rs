//! A name below `.local` is answered by the host itself, by multicast DNS (RFC 6762): its firewall lets the question in.

use crate::inventory::error::Findings;
use crate::inventory::firewall::{Firewall, Protocol, Verdict};
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

const PORT: u16 = 5353;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let address = host.connection.address.as_str();
    let domain = address.trim_end_matches('.').rsplit('.').next();
    if !domain.is_some_and(|domain| domain.eq_ignore_ascii_case("local")) {
        return;
    }
    let Some(firewall) = &host.firewall else {
        return;
    };
    if admits(firewall) {
        return;
    }
    findings.add_with_hint(
        FactPath::host(name).keys("firewall.services"),
        format!(
            "does not let UDP port {PORT} in: `connection.address` is `{address}`, a name that only the host itself answers for"
        ),
        format!(
            "a service of protocol `udp` with `ports = [ {PORT} ]`, or an address that does not end in `.local`"
        ),
    );
}

fn admits(firewall: &Firewall) -> bool {
    firewall.input == Verdict::Accept
        || firewall.services.iter().any(|service| {
            service.protocol == Protocol::Udp
                && service.ports.iter().any(|ports| ports.contains(PORT))
        })
}
