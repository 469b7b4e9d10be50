//! Hours in which a concern's units are left alone: they end after they begin, on the same day.

use crate::concern::Concerns;
use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(
    name: &HostName,
    host: &Host,
    concerns: &Concerns,
    findings: &mut Findings<'_>,
) {
    for concern in concerns {
        let hours = host.blackouts.get(concern.name.as_str());
        if let (Some(path), Some(hours)) = (concern.blackout(), hours)
            && hours.open >= hours.close
        {
            findings.add(
                FactPath::host(name).keys(&path).key("close"),
                format!("is `{}`, not after `{}`", hours.close, hours.open),
            );
        }
    }
}
