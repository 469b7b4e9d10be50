//! Huge pages: the pool, its mount, and transparent ones.

use deployctl_core::inventory::hugepages::{HugePages, Transparent};
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, number, value};
use crate::concern::kernel::NEXT_BOOT;
use crate::{Check, Declared, sysctl};

pub(super) const CONCERN: &str = "hugepages";

pub(super) fn checks(facts: &HugePages, declared: &Declared<'_>) -> Vec<Check> {
    // The next boot's command line tells a pool that waits for a reboot from one that came short.
    let meminfo = Query::inline(
        "hugepages/meminfo",
        format!("grep -i huge /proc/meminfo\nprintf 'running='; cat /proc/cmdline\n{NEXT_BOOT}"),
    );
    let (count, size) = (u64::from(facts.count), u64::from(facts.size_kib));
    let mut checks = vec![
        Check::new(
            CONCERN,
            "pool",
            &meminfo,
            format!("HugePages_Total is {count}"),
            move |answer| {
                let pool = parse(answer)?;
                let boot = format!("hugepages={count}");
                let pending = pool.next_boot.split_whitespace().any(|word| word == boot)
                    && !pool.this_boot.split_whitespace().any(|word| word == boot);
                Ok(Found::when(pool.total == count, format!("HugePages_Total is {}", pool.total))
                    .or_hint("memory is fragmented: drop caches, compact, write vm.nr_hugepages again, or reboot")
                    .or_after_reboot(pending, "the next boot takes the pages before memory is fragmented"))
            },
        ),
        Check::new(
            CONCERN,
            "surplus",
            &meminfo,
            "HugePages_Surp is 0: nothing is taken beyond the pool",
            |answer| {
                let pool = parse(answer)?;
                Ok(Found::when(
                    pool.surplus == 0,
                    format!("HugePages_Surp is {}", pool.surplus),
                ))
            },
        ),
        Check::new(
            CONCERN,
            "size",
            &meminfo,
            format!("Hugepagesize is {size} kB"),
            move |answer| {
                let pool = parse(answer)?;
                Ok(Found::when(
                    pool.size_kib == size,
                    format!("Hugepagesize is {} kB", pool.size_kib),
                )
                .or_hint("the default size is decided at boot: default_hugepagesz="))
            },
        ),
    ];
    checks.push(mount_check(facts));
    checks.push(group_check(facts));
    checks.push(transparent_check(facts.transparent));
    let pages = (size == 2048).then(|| ("vm.nr_hugepages", count.to_string()));
    let sysctls = sysctl::checks(CONCERN, pages, declared);
    // The pool comes short where memory is fragmented: a matter for a reboot, not for a rollback.
    checks.extend(sysctls.into_iter().map(|check| {
        let decides = check.id != "hugepages/sysctl/vm.nr_hugepages";
        check.gate_if(decides)
    }));
    checks
}

fn transparent_check(wanted: Transparent) -> Check {
    let query = Query::inline(
        "hugepages/transparent",
        "cat /sys/kernel/mm/transparent_hugepage/enabled",
    );
    let wanted = match wanted {
        Transparent::Always => "always",
        Transparent::Madvise => "madvise",
        Transparent::Never => "never",
    };
    let expected = format!("transparent huge pages: {wanted}");
    Check::new(CONCERN, "transparent", &query, expected, move |answer| {
        let found = parse_choice(answer)?;
        Ok(Found::when(found == wanted, format!("it is {found}")))
    })
}

struct Pool<'a> {
    total: u64,
    surplus: u64,
    size_kib: u64,
    this_boot: &'a str,
    next_boot: &'a str,
}

fn parse<'a>(answer: &Answer<'a>) -> Result<Pool<'a>, Unreadable> {
    let pairs = answer.pairs(':')?;
    let count = |key| number(key, value(&pairs, key)?);
    let lines: Vec<&str> = answer.lines()?.collect();
    let boot = |key| {
        lines
            .iter()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
    };
    let size = value(&pairs, "Hugepagesize")?;
    let size = size
        .strip_suffix("kB")
        .ok_or_else(|| Unreadable(format!("`Hugepagesize` is `{size}`, not in kB")))?;
    Ok(Pool {
        total: count("HugePages_Total")?,
        surplus: count("HugePages_Surp")?,
        size_kib: number("Hugepagesize", size)?,
        this_boot: boot("running="),
        next_boot: boot("next="),
    })
}

/// The bracketed word of `always [madvise] never`.
fn parse_choice<'a>(answer: &Answer<'a>) -> Result<&'a str, Unreadable> {
    let text = answer.text()?.trim();
    text.split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
        .ok_or_else(|| Unreadable(format!("`{text}` marks no choice")))
}

fn mount_check(facts: &HugePages) -> Check {
    let mount = facts.mount.as_str();
    let query = mount_query(mount);
    let size = u64::from(facts.size_kib);
    let pool = facts.total_kib();
    Check::new(
        CONCERN,
        "mount",
        &query,
        format!("{mount} is a hugetlbfs of {size} KiB pages that reserves the pool"),
        move |answer| {
            let Some(found) = parse_mount(answer)? else {
                return Ok(Found::when(false, "nothing is mounted there").or_hint(
                    "its min_size= makes the mount fail when the pool is too small: look at the pool first",
                ));
            };
            let option = |key: &str| {
                let values = found.options.split(',').filter_map(|o| o.split_once('='));
                values.filter(|(k, _)| *k == key).map(|(_, v)| v).next()
            };
            // No pagesize= in /proc/mounts means the default size, which `size` looks at.
            let pages = option("pagesize").map_or(Some(size), parse_kib);
            let reserved = option("min_size").and_then(parse_kib);
            let holds =
                found.fs_type == "hugetlbfs" && pages == Some(size) && reserved == Some(pool);
            Ok(Found::when(
                holds,
                format!("{} with {}", found.fs_type, found.options),
            ))
        },
    )
}

fn group_check(facts: &HugePages) -> Check {
    let (mount, group) = (facts.mount.as_str(), facts.group.as_str());
    let query = mount_query(mount);
    let wanted = group.to_owned();
    Check::new(
        CONCERN,
        "group",
        &query,
        format!("group {group} may use {mount}"),
        move |answer| {
            let Some(found) = parse_mount(answer)? else {
                return Ok(Found::when(false, "nothing is mounted there"));
            };
            let usable = found.mode & 0o070 == 0o070;
            Ok(Found::when(
                found.group == wanted && usable,
                format!("group {}, mode {:04o}", found.group, found.mode),
            ))
        },
    )
}

fn mount_query(mount: &str) -> Query {
    let mount = quote(mount);
    Query::new(
        "hugepages/mount",
        format!(
            "echo mounts\nawk -v m={mount} '$2 == m {{ print \"mount\", $3, $4 }}' /proc/mounts\nstat -c 'directory %G %a' {mount} 2>/dev/null\n:"
        ),
    )
}

struct Mount<'a> {
    fs_type: &'a str,
    options: &'a str,
    group: &'a str,
    mode: u32,
}

/// The mount as it stands; `None` where nothing is mounted.
fn parse_mount<'a>(answer: &Answer<'a>) -> Result<Option<Mount<'a>>, Unreadable> {
    let mut lines = answer.lines()?;
    if lines.next() != Some("mounts") {
        return Err(Unreadable::new("no list of mounts in the answer"));
    }
    let (mut mount, mut directory) = (None, None);
    for line in lines {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            // The last mount of a place is the one on top.
            ["mount", fs_type, options] => mount = Some((fs_type, options)),
            ["directory", group, mode] => directory = Some((group, mode)),
            _ => return Err(Unreadable(format!("`{line}` is no line of the answer"))),
        }
    }
    let Some((fs_type, options)) = mount else {
        return Ok(None);
    };
    let (group, mode) = directory.ok_or_else(|| Unreadable::new("no mode of the mount point"))?;
    let mode =
        u32::from_str_radix(mode, 8).map_err(|_| Unreadable(format!("`{mode}` is no mode")))?;
    Ok(Some(Mount {
        fs_type,
        options,
        group,
        mode,
    }))
}

/// `2M`, `4G` or `4194304k` in KiB.
fn parse_kib(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    match unit.to_ascii_uppercase() {
        'K' => digits.parse().ok(),
        'M' => digits.parse::<u64>().ok()?.checked_mul(1024),
        'G' => digits.parse::<u64>().ok()?.checked_mul(1024 * 1024),
        _ => text.parse::<u64>().ok().map(|bytes| bytes / 1024),
    }
}
