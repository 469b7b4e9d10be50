//! Which facts of `image` its kind needs.

use crate::inventory::error::Findings;
use crate::inventory::host::Host;
use crate::inventory::image::ImageKind;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(name: &HostName, host: &Host, findings: &mut Findings<'_>) {
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
