//! Reads what a host of a Nix platform says about its system.

use std::collections::BTreeMap;

use super::reading::Reading;
use crate::closure::{Closure, ObservedSystem, StorePath, WantedSystem};
use crate::inventory::Platform;
use crate::query::printable_line;

/// Longest value kept, in characters.
const VALUE_CAP: usize = 4096;
/// Inhibitors kept; nixpkgs 26.05 has one.
const INHIBITORS_CAP: usize = 64;

/// Reads the answers; `None` where the first of them is missing, which is noted.
pub(super) fn read(reading: &mut Reading<'_>, wanted: &Closure) -> Option<ObservedSystem> {
    let (mut system, present, mut there) = parse(&reading.answer("system")?.stdout);
    if let Some(section) = reading.answer("closures") {
        match closures(&section.stdout) {
            Ok((current, wanted)) => {
                system.closure = current;
                there.closure = wanted;
            }
            Err(cause) => {
                let said = printable_line(&section.stderr, 200);
                let separator = if said.is_empty() { "" } else { ": " };
                reading.miss("closures", format!("{cause}{separator}{said}"));
            }
        }
    }
    if wanted.platform == Platform::Nixos {
        if let Some(section) = reading.answer("inhibitors") {
            let (now, then) = halves(&section.stdout);
            match (inhibitors(now), inhibitors(then)) {
                (Some(now), Some(then)) => {
                    there.inhibitors_now = now;
                    there.inhibitors = then;
                }
                _ => reading.miss("inhibitors", "they cannot be read".to_owned()),
            }
        }
        if let Some(section) = reading.answer("dry-activate") {
            there.dry_activate = dry_activate(&section.stdout);
            if there.dry_activate.is_none() && !section.stdout.is_empty() {
                reading.miss("dry-activate", "it does not say how it ended".to_owned());
            }
        }
    }
    system.wanted = present.then_some(there);
    Some(system)
}

/// Reads `key value` lines and ignores unknown keys. The wanted system counts only if it is on the host.
fn parse(section: &[u8]) -> (ObservedSystem, bool, WantedSystem) {
    let mut system = ObservedSystem::default();
    let mut there = WantedSystem::default();
    let mut present = false;
    for line in String::from_utf8_lossy(section).lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = printable_line(value.as_bytes(), VALUE_CAP);
        let pair = value.split_once(' ');
        match (key, pair) {
            // `nix (Nix) 2.31.2`; forks have other words before it.
            ("nix", _) => {
                system.nix_version = value.split_whitespace().last().map(str::to_owned);
            }
            ("current", _) => system.current = StorePath::new(value).ok(),
            ("profile", _) => system.profile = StorePath::new(value).ok(),
            ("boot", _) => system.boot_default = StorePath::new(value).ok(),
            ("free", _) => system.store_free_kib = value.parse().ok(),
            ("valid", _) => present = true,
            ("booted", Some((what, value))) => {
                system.booted.insert(what.to_owned(), value.to_owned());
            }
            ("wanted", Some((what, value))) => {
                there.boot.insert(what.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    (system, present, there)
}

type Sizes = BTreeMap<StorePath, u64>;

/// Paths with sizes, what runs and what is wanted; both empty where nothing was asked.
fn closures(section: &[u8]) -> Result<(Sizes, Sizes), &'static str> {
    let text = String::from_utf8_lossy(section);
    let (mut current, mut wanted) = (Sizes::new(), Sizes::new());
    let mut to = None;
    let mut open = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next_back()) {
            (Some("wanted"), None) => to = Some(&mut wanted),
            (Some("current"), None) => to = Some(&mut current),
            (Some("status"), Some("0")) => {
                open = false;
                continue;
            }
            (Some("status"), Some(_)) => return Err("`nix path-info` failed"),
            (Some(path), Some(size)) => {
                if let (Some(to), Ok(path), Ok(size)) =
                    (to.as_deref_mut(), StorePath::new(path), size.parse())
                {
                    to.insert(path, size);
                }
            }
            _ => {}
        }
        open = true;
    }
    if open {
        return Err("the list ends early");
    }
    Ok((current, wanted))
}

fn halves(section: &[u8]) -> (&[u8], &[u8]) {
    match section.iter().position(|&byte| byte == 0) {
        Some(at) => (&section[..at], &section[at + 1..]),
        None => (section, &[]),
    }
}

/// A JSON object of texts (nixpkgs 26.05), an absent file being an empty one. What is neither gives `None`.
fn inhibitors(text: &[u8]) -> Option<BTreeMap<String, String>> {
    if text.trim_ascii().is_empty() {
        return Some(BTreeMap::new());
    }
    let read: BTreeMap<String, String> = serde_json::from_slice(text).ok()?;
    (read.len() <= INHIBITORS_CAP).then(|| {
        read.iter()
            .map(|(name, value)| {
                (
                    printable_line(name.as_bytes(), 200),
                    printable_line(value.as_bytes(), 400),
                )
            })
            .collect()
    })
}

/// Exit status and output; `None` where nothing ran.
fn dry_activate(section: &[u8]) -> Option<(i32, String)> {
    let text = String::from_utf8_lossy(section);
    let rest = text.strip_prefix("ran\n")?.trim_end_matches('\n');
    let (output, last) = rest.rsplit_once('\n').unwrap_or(("", rest));
    // Output without a line's end leaves its last words before ours.
    let (tail, status) = last.rsplit_once("status ")?;
    let mut output = output.to_owned();
    if !tail.is_empty() {
        output.push('\n');
        output.push_str(tail);
    }
    Some((status.parse().ok()?, output))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05";

    #[test]
    fn sizes_are_read_as_path_info_prints_them() {
        let text = format!(
            "wanted\n{NOW}  \t        1234\n/nix/store/x 5\nstatus 0\ncurrent\n{NOW}\t7\nstatus 0\n"
        );
        let (current, wanted) = closures(text.as_bytes()).unwrap();
        let path = StorePath::new(NOW).unwrap();
        assert_eq!((current[&path], wanted[&path]), (7, 1234));
        assert_eq!((current.len(), wanted.len()), (1, 1));
        assert_eq!(closures(b"").unwrap(), Default::default());
        let cut = closures(&text.as_bytes()[..40]).unwrap_err();
        assert_eq!(cut, "the list ends early");
        assert!(closures(b"wanted\nstatus 1\n").is_err());
    }

    #[test]
    fn a_rehearsal_that_did_not_end_is_none() {
        let cases = [
            ("", None),
            ("ran\n", None),
            ("ran\nwould restart systemd\n", None),
            ("ran\nstatus 0\n", Some((0, ""))),
            (
                "ran\nwould a\nwould b\nstatus 100\n",
                Some((100, "would a\nwould b")),
            ),
            (
                "ran\nno end of linestatus 1\n",
                Some((1, "\nno end of line")),
            ),
        ];
        for (text, wanted) in cases {
            let wanted = wanted.map(|(status, said)| (status, said.to_owned()));
            assert_eq!(dry_activate(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn inhibitors_are_an_object_of_texts_or_nothing() {
        assert_eq!(inhibitors(b" \n"), Some(BTreeMap::new()));
        let read = inhibitors(b"{\"dbus-implementation\": \"broker\\u001b[31m\"}").unwrap();
        assert!(!read["dbus-implementation"].contains('\u{1b}'));
        for other in [b"[]".as_slice(), b"{\"a\": 1}", b"/nix/store/x\n", b"\xff"] {
            assert_eq!(inhibitors(other), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            noise in prop::collection::vec(any::<u8>(), 0..300),
            words in "(wanted|current|status|ran|nix|valid|booted|boot|/nix/store/|[ 0-9a-z\n\x00-]){0,60}",
        ) {
            for bytes in [noise.as_slice(), words.as_bytes()] {
                let _ = parse(bytes);
                let _ = closures(bytes);
                let _ = dry_activate(bytes);
                let (now, then) = halves(bytes);
                let _ = (inhibitors(now), inhibitors(then));
            }
        }
    }
}
