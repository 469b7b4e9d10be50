//! The kernel that the boot loader starts next: whether a driver that is built per kernel is there for it, too.

use deployctl_core::query::{Query, printable_line};

use super::answer::{Answer, Found, Holds, Unreadable, value};
use crate::{Check, Declared};

/// Prints `next=VERSION` of the first entry's kernel, and `module=VERSION` of its nvidia driver; empty for none.
const ASK: &str = r#"v=$(awk '$1 == "linux" { print $2; exit }' /boot/grub/grub.cfg 2>/dev/null)
case $v in *vmlinuz-*) v=${v##*vmlinuz-} ;; *) v= ;; esac
printf 'next=%s\n' "$v"
printf 'module=%s\n' "$([ -z "$v" ] || modinfo -k "$v" -F version nvidia 2>/dev/null)""#;

/// On a host with a GPU of NVIDIA's, whose module comes with a package per kernel or is built by DKMS.
pub(super) fn checks(declared: &Declared<'_>) -> Vec<Check> {
    if declared.host.nvidia.is_none() || declared.is_nixos() {
        return Vec::new();
    }
    let query = Query::new("nvidia/next-kernel", ASK);
    vec![Check::new(
        crate::concern::nvidia::CONCERN,
        "next-kernel",
        &query,
        "the kernel of the next boot has the driver",
        judge,
    )]
}

fn judge(answer: &Answer<'_>) -> Result<Found, Unreadable> {
    let pairs = answer.pairs('=')?;
    let (next, module) = (value(&pairs, "next")?, value(&pairs, "module")?);
    let next = printable_line(next.as_bytes(), 128);
    if next.is_empty() {
        return Ok(Found {
            evidence: "no kernel in /boot/grub/grub.cfg".to_owned(),
            holds: Holds::PassedOver("another boot loader chooses the next kernel".to_owned()),
            measured: Vec::new(),
        });
    }
    if module.is_empty() {
        return Ok(Found::when(false, format!("{next} has none")).or_hint(format!(
            "on the host: `dkms autoinstall -k {next}`, or install the driver's modules for that kernel"
        )));
    }
    Ok(Found::when(true, format!("{next} has {module}")))
}
