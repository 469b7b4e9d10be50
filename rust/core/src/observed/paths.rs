//! Reads what `find` and `sha256sum` said of the managed paths.

use std::collections::BTreeMap;

use crate::name::{AccountName, ManagedPath};
use crate::rendered::{Mode, Ownership, PathState, Sha256Hex};

/// What the section says.
#[derive(Debug, Default)]
pub(super) struct PathsSection {
    pub(super) states: BTreeMap<ManagedPath, PathState>,
    pub(super) contents: BTreeMap<ManagedPath, String>,
    pub(super) bytes: u64,
}

/// Reads the section that the `paths` query prints; an error says what is wrong with it.
pub(super) fn parse(section: &[u8]) -> Result<PathsSection, String> {
    let mut found = PathsSection::default();
    if section.is_empty() {
        return Ok(found);
    }
    let mut reader = Fields { rest: section };
    let mut files = entries(&mut reader, &mut found)?;
    for line in reader.text("the hashes")?.lines() {
        let Some((sha256, path)) = line.split_once("  ") else {
            return Err("a line of hashes without a path".to_owned());
        };
        let sha256 = Sha256Hex::from_hex(sha256).ok_or("a hash that is none")?;
        if let Some((path, ownership)) = managed(path).and_then(|path| files.remove_entry(&path)) {
            found
                .states
                .insert(path, PathState::File { sha256, ownership });
        }
    }
    if let Some(path) = files.keys().next() {
        return Err(format!("`{path}` could not be hashed"));
    }
    found.contents = contents(&mut reader);
    Ok(found)
}

/// What `find` printed. Returns the files, which have no hash yet.
fn entries(
    reader: &mut Fields<'_>,
    found: &mut PathsSection,
) -> Result<BTreeMap<ManagedPath, Ownership>, String> {
    let mut files = BTreeMap::new();
    loop {
        let kind = reader.text("a type")?;
        if kind.is_empty() {
            return Ok(files);
        }
        let mode = reader.text("a mode")?;
        let owner = account(
            &reader.text("an owner")?,
            &reader.text("an owner's number")?,
        );
        let group = account(&reader.text("a group")?, &reader.text("a group's number")?);
        let size = reader.text("a size")?;
        let target = reader.text("a link's target")?;
        let Some(path) = managed(&reader.text("a path")?) else {
            continue;
        };
        let ownership = Ownership {
            mode: u16::from_str_radix(&mode, 8)
                .ok()
                .and_then(Mode::new)
                .ok_or_else(|| format!("`{path}` has no readable mode"))?,
            owner,
            group,
        };
        let state = match kind.as_str() {
            "f" => {
                found.bytes = found.bytes.saturating_add(size.parse().unwrap_or(0));
                files.insert(path, ownership);
                continue;
            }
            "d" => PathState::Directory { ownership },
            "l" => PathState::Symlink { target },
            other => PathState::Other {
                letter: other.chars().next().unwrap_or('U'),
            },
        };
        found.states.insert(path, state);
    }
}

/// Texts for diffs. A diff is a courtesy: one that was cut, or changed while it was read, ends the list.
fn contents(reader: &mut Fields<'_>) -> BTreeMap<ManagedPath, String> {
    let mut contents = BTreeMap::new();
    while let Ok(size) = reader.text("a size") {
        let (Ok(size), Ok(path)) = (size.parse::<usize>(), reader.text("a path")) else {
            break;
        };
        let Some((bytes, rest)) = reader.rest.split_at_checked(size) else {
            break;
        };
        reader.rest = rest;
        if let (Some(path), Ok(text)) = (managed(&path), std::str::from_utf8(bytes))
            && !text.contains('\0')
        {
            contents.insert(path, text.to_owned());
        }
    }
    contents
}

/// The managed path for `./etc/x`.
fn managed(relative: &str) -> Option<ManagedPath> {
    ManagedPath::new(relative.strip_prefix('.')?).ok()
}

/// Returns the name of an owner or a group, or `_` with the number if it has no name or one that a plan cannot hold
/// (`first.last`). A name that looks like such a number counts as no name, so no declared owner is taken for
/// another. `account` in host.sh does the same.
fn account(name: &str, number: &str) -> AccountName {
    let numeric = name
        .strip_prefix('_')
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    AccountName::new(name)
        .ok()
        .filter(|_| !numeric)
        .or_else(|| AccountName::new(format!("_{number}")).ok())
        .unwrap_or_else(|| AccountName::new("_unknown").expect("a valid name"))
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    /// Everything up to the next NUL.
    fn text(&mut self, what: &str) -> Result<String, String> {
        let end = self
            .rest
            .iter()
            .position(|&byte| byte == 0)
            .ok_or_else(|| format!("it ends where {what} should stand"))?;
        let text = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const NAMES: [&str; 14] = [
        "root",
        "www-data",
        "_chrony",
        "4711",
        "UNKNOWN",
        "first.last",
        "CORP\\user",
        "domain users",
        "Operator",
        "_4711",
        "_",
        "",
        "a23456789012345678901234567890",
        "a2345678901234567890123456789012",
    ];

    #[test]
    fn an_owner_is_spelt_as_the_host_spells_it() {
        let program = include_str!("../activation/host/state.sh");
        let start = program.find("\naccount() {").unwrap();
        let end = start + program[start..].find("\n}\n").unwrap();
        let function = &program[start..end];
        for shell in ["dash", "bash"] {
            let script = format!(
                "{function}\n}}\nfor name in \"$@\"; do account \"$name\" 1007; echo \"$account\"; done"
            );
            #[expect(clippy::disallowed_methods, reason = "a test of a shell function")]
            let output = Command::new(shell)
                .args(["-c", &script, "sh"])
                .args(NAMES)
                .env("LC_ALL", "C")
                .output()
                .unwrap();
            let here: Vec<_> = NAMES
                .iter()
                .map(|name| account(name, "1007").to_string())
                .collect();
            let there = String::from_utf8(output.stdout).unwrap();
            assert_eq!(there.lines().collect::<Vec<_>>(), here, "{shell}");
        }
    }

    #[test]
    fn no_account_without_a_name_passes_for_a_declared_one() {
        let told: Vec<_> = NAMES
            .iter()
            .map(|name| format!("{name:?} {}", account(name, "1007")))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        "root" root
        "www-data" www-data
        "_chrony" _chrony
        "4711" _1007
        "UNKNOWN" _1007
        "first.last" _1007
        "CORP\\user" _1007
        "domain users" _1007
        "Operator" _1007
        "_4711" _1007
        "_" _1007
        "" _1007
        "a23456789012345678901234567890" a23456789012345678901234567890
        "a2345678901234567890123456789012" _1007
        "#);
    }
}
