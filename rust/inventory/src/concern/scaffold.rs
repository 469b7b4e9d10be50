//! A new concern: a folder that is sound before anything in it is changed.

use std::collections::BTreeMap;

use super::folder::Folders;
use crate::inventory::has_type;
use crate::name::ConcernName;

/// What the files call the concern; itself a concern's name, so that each file is what it will be.
const PLACEHOLDER: &str = "newconcern";

macro_rules! files {
    ($($path:literal),* $(,)?) => { [$(($path, include_str!(concat!("scaffold/", $path)))),*] };
}

/// Its files, by their path below the folder.
const FILES: [(&str, &str); 10] = files![
    "concern.toml",
    "facts.schema.json",
    "rules.toml",
    "checks.toml",
    "cases/journal.txt",
    "ubuntu/module.toml",
    "ubuntu/etc/newconcern.conf",
    "ubuntu/etc/systemd/system/newconcern.service",
    "nixos.nix",
    "darwin.nix",
];

/// Words that Nix reads as its own: `host.with` is a syntax error.
const NIX_WORDS: [&str; 10] = [
    "assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with",
];

/// Why no new concern can have a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct NameTaken {
    problem: String,
    /// What to do.
    pub hint: String,
}

/// Why no folder of a repository can have this name; `None` where it can.
pub(super) fn reserved(word: &str) -> Option<String> {
    if NIX_WORDS.contains(&word) {
        let problem = "is a word of the Nix language, where";
        return Some(format!("`{word}` {problem} `host.{word}` is an error"));
    }
    let mut built_in = Folders::built_in().iter();
    let of_every_host = (has_type(word) || word == "name") && !built_in.any(|(it, _)| it == word);
    of_every_host.then(|| format!("`{word}` is a fact of every host"))
}

/// The files of a new concern, by their path below its folder.
///
/// # Errors
/// When the name is taken: by a concern that the program contains, by a fact of hosts, or by Nix.
pub fn scaffold(name: &ConcernName) -> Result<BTreeMap<String, String>, NameTaken> {
    let word = name.as_str();
    let taken = |problem: String, hint: &str| NameTaken {
        problem,
        hint: hint.to_owned(),
    };
    if Folders::built_in()
        .iter()
        .any(|(built_in, _)| built_in == word)
    {
        let hint = "take another name, or write the folder by hand: it replaces the built-in concern as a whole";
        return Err(taken(
            format!("the program contains a concern `{word}`"),
            hint,
        ));
    }
    if let Some(problem) = reserved(word) {
        return Err(taken(problem, "take another name"));
    }
    let named = |text: &str| text.replace(PLACEHOLDER, word);
    let files = FILES.iter().map(|(path, text)| (named(path), named(text)));
    Ok(files.collect())
}
