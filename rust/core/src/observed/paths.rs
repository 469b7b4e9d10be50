//! Reads what `find` and `sha256sum` said of the managed paths.

use std::collections::BTreeMap;

use crate::name::{AccountName, ManagedPath};
use crate::rendered::{Mode, Ownership, PathState, Sha256Hex};

/// What the section says.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) states: BTreeMap<ManagedPath, PathState>,
    pub(super) contents: BTreeMap<ManagedPath, String>,
    pub(super) bytes: u64,
}

/// Reads the section that the `paths` query prints; an error says what is wrong with it.
pub(super) fn parse(section: &[u8]) -> Result<Found, String> {
    let mut found = Found::default();
    if section.is_empty() {
        return Ok(found);
    }
    let mut reader = Fields { rest: section };
    let mut files = BTreeMap::new();
    loop {
        let kind = reader.text("a type")?;
        if kind.is_empty() {
            break;
        }
        let mode = reader.text("a mode")?;
        let owner = account(&reader.text("an owner")?);
        let group = account(&reader.text("a group")?);
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
        match kind.as_str() {
            "f" => {
                found.bytes = found.bytes.saturating_add(size.parse().unwrap_or(0));
                files.insert(path, ownership);
            }
            "d" => {
                found
                    .states
                    .insert(path, PathState::Directory { ownership });
            }
            "l" => {
                found.states.insert(path, PathState::Symlink { target });
            }
            other => {
                let letter = other.chars().next().unwrap_or('U');
                found.states.insert(path, PathState::Other { letter });
            }
        }
    }
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

/// `./etc/x` as the path it stands for.
fn managed(relative: &str) -> Option<ManagedPath> {
    ManagedPath::new(relative.strip_prefix('.')?).ok()
}

/// An owner's name. Numbers of unknown accounts and names that are none of ours get a `_` before
/// them or become `_unknown`: never equal to a declared one.
fn account(name: &str) -> AccountName {
    AccountName::new(name)
        .or_else(|_| AccountName::new(format!("_{name}")))
        .unwrap_or_else(|_| AccountName::new("_unknown").expect("a valid name"))
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
