//! Mounted file systems and the space left on them.

use deployctl_core::inventory::storage::{Mount, Storage};
use deployctl_core::query::{Query, quote};
use serde::Deserialize;

use crate::answer::{Answer, Found, Unreadable, number};
use crate::{Check, Declared};

pub(super) const CONCERN: &str = "storage";

pub(super) fn checks(facts: &Storage, _: &Declared<'_>) -> Vec<Check> {
    let mounts = Query::new(
        "storage/mounts",
        "findmnt -J -l -o TARGET,SOURCE,FSTYPE,OPTIONS,LABEL,UUID,PARTLABEL,PARTUUID",
    );
    let mut checks = Vec::new();
    for (target, mount) in &facts.mounts {
        checks.push(mount_check(target.as_str(), mount, &mounts));
    }
    let paths: Vec<String> = facts
        .min_free_gib
        .keys()
        .map(|path| quote(path.as_str()))
        .collect();
    let free = Query::new(
        "storage/free",
        format!(
            "set -- {}\nfor p do\n  # shellcheck disable=SC2046 # fields of df\n  set -- $(df -Pk -- \"$p\" 2>/dev/null | tail -n 1)\n  printf 'free %s %s %s\\n' \"$p\" \"${{4:-absent}}\" \"${{6:--}}\"\ndone",
            paths.join(" ")
        ),
    );
    for (path, gib) in &facts.min_free_gib {
        // What should be a mount and is not would show its parent's space.
        let mounted = facts
            .mounts
            .keys()
            .any(|target| target.as_str() == path.as_str());
        checks.push(free_check(path.as_str(), u64::from(*gib), mounted, &free));
    }
    checks
}

fn mount_check(target: &str, mount: &Mount, query: &Query) -> Check {
    let source = mount.source.to_string();
    let fs_type = mount.fs_type.to_string();
    // What only mount(8) and systemd read never shows in the kernel's options.
    let options: Vec<String> = mount
        .options
        .iter()
        .map(ToString::to_string)
        .filter(|option| !option.starts_with("x-") && !FOR_MOUNT.contains(&option.as_str()))
        .collect();
    let mut expected = format!("{source} ({fs_type}) is mounted on {target}");
    if !options.is_empty() {
        expected = format!("{expected} with {}", options.join(","));
    }
    let target = target.to_owned();
    Check::new(
        CONCERN,
        &format!("mount{target}"),
        query,
        expected,
        move |answer| {
            let mounts = parse_mounts(answer)?;
            // The last mount of a place is the one on top.
            let Some(found) = mounts.iter().rev().find(|mount| mount.target == target) else {
                return Ok(
                    Found::when(false, "nothing is mounted there").or_hint(format!(
                        "is the disk there? on the host: lsblk -f; mount {target}"
                    )),
                );
            };
            let has: Vec<&str> = found.options.split(',').collect();
            let missing: Vec<&str> = options
                .iter()
                .map(String::as_str)
                .filter(|option| !has.contains(option))
                .collect();
            let right = found.is_from(&source);
            let evidence = format!("{} ({}) with {}", found.source, found.fstype, found.options);
            Ok(Found::when(
                right && found.fstype == fs_type && missing.is_empty(),
                evidence,
            ))
        },
    )
}

/// Options that say when and how to mount, not what the mount is like.
const FOR_MOUNT: &[&str] = &[
    "defaults", "auto", "noauto", "nofail", "_netdev", "user", "users", "nouser", "owner", "group",
];

fn free_check(path: &str, gib: u64, mounted: bool, query: &Query) -> Check {
    let what = if path == "/" {
        "free/".to_owned()
    } else {
        format!("free{path}")
    };
    let expected = format!("at least {gib} GiB free on {path}");
    let path = path.to_owned();
    Check::new(CONCERN, &what, query, expected, move |answer| {
        let Some((kib, target)) = parse_free(answer, &path)? else {
            let hint = if mounted {
                format!("its mount makes it: on the host, `systemctl status {path}`")
            } else {
                format!("on the host: `mkdir -p {path}`, or take it out of the facts")
            };
            return Ok(Found::when(false, format!("there is no {path}")).or_hint(hint));
        };
        if mounted && target != path {
            return Ok(Found::when(false, format!("nothing is mounted on {path}")));
        }
        let free = kib / (1024 * 1024);
        Ok(Found::when(free >= gib, format!("{free} GiB free")))
    })
}

#[derive(Deserialize)]
struct Mounts {
    filesystems: Vec<Mounted>,
}

#[derive(Deserialize)]
struct Mounted {
    target: String,
    source: String,
    fstype: String,
    options: String,
    label: Option<String>,
    uuid: Option<String>,
    partlabel: Option<String>,
    partuuid: Option<String>,
}

impl Mounted {
    fn is_from(&self, source: &str) -> bool {
        match source.split_once('=') {
            Some(("LABEL", name)) => self.label.as_deref() == Some(name),
            Some(("UUID", name)) => self.uuid.as_deref() == Some(name),
            Some(("PARTLABEL", name)) => self.partlabel.as_deref() == Some(name),
            Some(("PARTUUID", name)) => self.partuuid.as_deref() == Some(name),
            _ => self.source == source,
        }
    }
}

fn parse_mounts(answer: &Answer<'_>) -> Result<Vec<Mounted>, Unreadable> {
    let mounts: Mounts = answer.json()?;
    if mounts.filesystems.is_empty() {
        return Err(Unreadable::new("no mount at all"));
    }
    Ok(mounts.filesystems)
}

/// Free KiB of `path` and where its file system is mounted; `None` where there is no such path.
fn parse_free<'a>(answer: &Answer<'a>, path: &str) -> Result<Option<(u64, &'a str)>, Unreadable> {
    for line in answer.lines()? {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["free", found, "absent", _] if found == path => return Ok(None),
            ["free", found, kib, target] if found == path => {
                return Ok(Some((number("free", kib)?, target)));
            }
            _ => {}
        }
    }
    Err(Unreadable(format!("no line for `{path}`")))
}
