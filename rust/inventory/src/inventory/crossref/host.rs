//! Facts of one host that have to fit each other: CPU, image, hours in which units are left alone.

use crate::concern::Concerns;
use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::image::ImageKind;
use crate::inventory::path::FactPath;
use crate::name::HostName;

/// No fewer threads than cores.
pub(super) fn check_cpu(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let at = FactPath::host(name);
    if let Some(hardware) = &host.hardware
        && hardware.cpu.threads < hardware.cpu.cores
    {
        findings.add(
            at.clone().keys("hardware.cpu.threads"),
            format!(
                "is {}; there are {} cores",
                hardware.cpu.threads, hardware.cpu.cores
            ),
        );
    }
}

/// Which facts of `image` its kind needs.
pub(super) fn check_image(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
    let Some(image) = &host.image else {
        return;
    };
    let facts = [
        ("device", image.device.is_some()),
        ("boot_mib", image.boot_mib.is_some()),
        ("fs_type", image.fs_type.is_some()),
    ];
    for (fact, declared) in facts {
        let path = FactPath::host(name).key("image").key(fact);
        match (image.kind, declared) {
            (ImageKind::Disk, false) => {
                findings.add(path, "is missing; an image of kind `disk` needs it");
            }
            (ImageKind::Linode, true) => findings.add_with_hint(
                path,
                "is not for an image of kind `linode`",
                "Linode's disks have no partitions, and ext4 on them",
            ),
            (ImageKind::Disk, true) | (ImageKind::Linode, false) => {}
        }
    }
}

/// Hours in which a concern's units are left alone end after they begin, on the same day.
pub(super) fn check_blackout(
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
