//! A system that replaces another: its packages with versions and sizes, and the units it touches.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use deployctl_core::plan::{ClosureChange, ClosurePackage, SystemAction};

use super::words::{count, size};
use super::{Style, pad, shown, widest};

/// Packages, and units of one kind, that are shown unless all are asked for.
const ROWS: usize = 20;

/// Both paths, what differs between them, and what the switch does to units.
pub(super) fn closure(text: &mut String, change: &ClosureChange, full: bool, style: Style) {
    let after = change.after.toplevel.as_str();
    match &change.before {
        Some(before) if before == &change.after.toplevel => {
            let _ = writeln!(text, "  system {}", style.dim("(runs already)"));
            let _ = writeln!(text, "    = {after}");
        }
        before => {
            let before = before.as_ref().map_or("none that is known", |p| p.as_str());
            let _ = writeln!(text, "  system");
            let _ = writeln!(text, "    {} {before}", style.bad("-"));
            let _ = writeln!(text, "    {} {after}", style.good("+"));
        }
    }
    if let Some((before, after)) = change.bytes {
        let _ = writeln!(
            text,
            "    {}, {} ({})",
            match change.packages.len() {
                0 => "no package changes its version".to_owned(),
                number => format!("{} differ", count(number, "package")),
            },
            size(after),
            delta(i128::from(after) - i128::from(before)),
        );
    }
    packages(text, &change.packages, full, style);
    units(text, change, full, style);
}

fn packages(text: &mut String, packages: &[ClosurePackage], full: bool, style: Style) {
    let plain = |package: &&ClosurePackage| {
        let mut versions = package.before.iter().chain(&package.after);
        versions.all(String::is_empty)
    };
    let mut rows: Vec<_> = packages.iter().filter(|p| !plain(p)).collect();
    let nameless: Vec<_> = packages.iter().filter(plain).collect();
    let mut left = 0;
    if full {
        rows.extend(&nameless);
    } else {
        left = rows.len().saturating_sub(ROWS) + nameless.len();
        rows.truncate(ROWS);
    }
    let names: Vec<_> = rows.iter().map(|row| shown(&row.name)).collect();
    let versions: Vec<_> = rows.iter().map(|row| versions(row)).collect();
    let width = widest(names.iter().map(String::as_str));
    let wide = widest(versions.iter().map(String::as_str));
    for ((row, name), versions) in rows.iter().zip(&names).zip(&versions) {
        let mark = match (row.before.is_empty(), row.after.is_empty()) {
            (true, _) => style.good("+"),
            (_, true) => style.bad("-"),
            _ => style.warn("~"),
        };
        let _ = writeln!(
            text,
            "      {mark} {}  {}  {}",
            pad(name, width),
            pad(versions, wide),
            style.dim(&delta(i128::from(row.bytes)))
        );
    }
    if left > 0 {
        let _ = writeln!(
            text,
            "      {}",
            style.dim(&format!("… {left} more: `--full`"))
        );
    }
}

fn versions(package: &ClosurePackage) -> String {
    let list = |versions: &BTreeSet<String>| {
        let words: Vec<_> = versions
            .iter()
            .map(|version| match version.as_str() {
                "" => "no version".to_owned(),
                version => shown(version),
            })
            .collect();
        words.join(", ")
    };
    match (package.before.is_empty(), package.after.is_empty()) {
        (true, _) => list(&package.after),
        (_, true) => list(&package.before),
        _ => format!("{} to {}", list(&package.before), list(&package.after)),
    }
}

/// What is stopped and started again is restarted, for people.
fn units(text: &mut String, change: &ClosureChange, full: bool, style: Style) {
    let none = BTreeSet::new();
    let of = |action| change.units.get(&action).unwrap_or(&none);
    let (stop, start) = (of(SystemAction::Stop), of(SystemAction::Start));
    let again: BTreeSet<_> = stop.intersection(start).collect();
    let restart: Vec<_> = of(SystemAction::Restart)
        .iter()
        .chain(again.iter().copied())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let rows = [
        (
            "stop",
            stop.iter().filter(|u| !again.contains(u)).collect(),
            true,
        ),
        ("restart", restart, true),
        (
            "reload",
            of(SystemAction::Reload).iter().collect::<Vec<_>>(),
            false,
        ),
        (
            "start",
            start.iter().filter(|u| !again.contains(u)).collect(),
            false,
        ),
        ("keep", of(SystemAction::Keep).iter().collect(), false),
    ];
    if rows.iter().all(|(_, units, _)| units.is_empty()) {
        return;
    }
    let _ = writeln!(text, "  units {}", style.dim("(by dry-activate)"));
    for (word, units, interrupts) in rows {
        let limit = if full { units.len() } else { ROWS };
        let padded = pad(word, "restart".len());
        for (n, unit) in units.iter().take(limit).enumerate() {
            let word = match n {
                0 if interrupts => style.warn(&padded),
                0 => padded.clone(),
                _ => " ".repeat(padded.len()),
            };
            let _ = writeln!(text, "    {word}  {}", shown(unit));
        }
        if units.len() > limit {
            let more = format!("… {} more: `--full`", units.len() - limit);
            let _ = writeln!(text, "    {}  {}", pad("", padded.len()), style.dim(&more));
        }
    }
}

fn delta(bytes: i128) -> String {
    let magnitude = u64::try_from(bytes.unsigned_abs()).unwrap_or(u64::MAX);
    match bytes {
        0 => "same size".to_owned(),
        1.. => format!("+{}", size(magnitude)),
        _ => format!("-{}", size(magnitude)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_words() {
        let read: Vec<_> = [
            0,
            1,
            -1023,
            1024,
            1536,
            -104_857_600,
            4_724_464_025,
            i64::MIN,
        ]
        .into_iter()
        .map(|bytes| delta(i128::from(bytes)))
        .collect();
        insta::assert_snapshot!(read.join("\n"), @"
        same size
        +1 B
        -1023 B
        +1.0 KiB
        +1.5 KiB
        -100 MiB
        +4.3 GiB
        -8388608 TiB
        ");
        assert_eq!(size(u64::MAX), "16777215 TiB");
    }
}
