//! A concern's module for NixOS or nix-darwin, evaluated on example hosts without nixpkgs.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use deployctl_core::inventory::Platform;
use deployctl_trial::Evaluated;
use regex::Regex;
use serde_json::{Value, json};

use super::error::{plain as without_colour, shorten};
use super::{Nix, plain};
use crate::process::ProcessError;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../modules/evaluate/", $name)))),*]
    };
}

/// The evaluator, by file name.
const EVALUATOR: [(&str, &str); 8] = files![
    "trial.nix",
    "lib.nix",
    "evaluate.nix",
    "types.nix",
    "generators.nix",
    "print.nix",
    "pkgs.nix",
    "stubs.nix",
];

/// Longest file of a folder that is searched for names of packages.
const SIZE_CAP: u64 = 1 << 20;

/// How often a module is evaluated at most, with the names of packages that the time before told of.
const ROUNDS: usize = 4;

/// A name that may be a package's.
static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[A-Za-z_][A-Za-z0-9_'-]*").expect("tested"));

impl Nix {
    /// What the module `platform`.nix of `concern`, a folder of `modules/`, sets on the host of each of `inventories`.
    pub async fn evaluate_module(
        &self,
        concern: &Path,
        platform: Platform,
        inventories: &[Value],
    ) -> Evaluated {
        // As Nix names it in errors.
        let concern = &concern
            .canonicalize()
            .unwrap_or_else(|_| concern.to_owned());
        let module = concern.join(format!("{platform}.nix"));
        if !module.is_file() {
            return Evaluated::NoModule;
        }
        let mut words = match words(concern) {
            Ok(words) => words,
            Err(error) => return Evaluated::NotTried(format!("cannot read its folder: {error}")),
        };
        // Facts name packages, too.
        for inventory in inventories {
            words.extend(words_of(&inventory.to_string()));
        }
        let mut round = 1;
        loop {
            let question = json!({ "words": words, "inventories": inventories });
            let said = match self.ask(&module, platform, &question).await {
                Ok(sets) => return Evaluated::Sets(sets),
                Err(Unanswered::Never(reason)) => return Evaluated::NotTried(reason),
                Err(Unanswered::Said(said)) => said,
            };
            // The name of a package may be computed; then what Nix says has it.
            let before = words.len();
            words.extend(words_of(&said));
            if words.len() == before || round == ROUNDS {
                let top = concern.ancestors().nth(2).unwrap_or(concern);
                return match beyond(&said) {
                    Some(what) => Evaluated::NotTried(what),
                    None => Evaluated::Failed(shorten(&said, top)),
                };
            }
            round += 1;
        }
    }

    /// Evaluates once.
    async fn ask(
        &self,
        module: &Path,
        platform: Platform,
        question: &Value,
    ) -> Result<Vec<Value>, Unanswered> {
        let never = |error: &dyn std::fmt::Display| Unanswered::Never(error.to_string());
        let folder = prepare(module, platform, question).map_err(|error| never(&error))?;
        let finished = plain(&self.program)
            .arguments(["--extra-experimental-features", "nix-command"])
            .arguments(["--store", "dummy://"])
            .arguments(["eval", "--json", "--impure", "--file"])
            .arguments([folder.path().join("ask.nix")])
            .deadline(self.deadline)
            .cap(64 << 20)
            .run()
            .await
            .map_err(|error| match error {
                ProcessError::Timeout { .. } => Unanswered::Said(format!("error: {error}")),
                error => never(&error),
            })?;
        if finished.status.success() {
            return serde_json::from_slice(&finished.stdout).map_err(|error| never(&error));
        }
        if let Some(found) = self.outdated().await {
            return Err(never(&format!("Nix {found} is too old; it takes 2.8")));
        }
        Err(Unanswered::Said(without_colour(&String::from_utf8_lossy(
            &finished.stderr,
        ))))
    }
}

/// Why there are no sets.
enum Unanswered {
    /// It could not be asked, and why.
    Never(String),
    /// What Nix said.
    Said(String),
}

/// What the module needs that only nixpkgs has; `None` where the error is the module's own.
fn beyond(words: &str) -> Option<String> {
    static MISSING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("attribute '([^']+)' missing").expect("tested"));
    static ARGUMENT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("without required argument '([^']+)'").expect("tested"));
    if let Some(argument) = ARGUMENT.captures(words) {
        let name = &argument[1];
        return Some(format!(
            "it takes `{name}`, which only a whole system passes; build the host to try it"
        ));
    }
    let name = regex::escape(&MISSING.captures(words)?[1]);
    let read = Regex::new(&format!(
        r#"\b(?:lib|config|options)\.[A-Za-z0-9_.'"-]*{name}\b"#
    ));
    let read = read.ok()?;
    let found = read.find(words)?.as_str();
    Some(format!(
        "it reads `{found}`, which only nixpkgs has; build the host to try it"
    ))
}

/// A folder with the evaluator and what it is asked.
fn prepare(module: &Path, platform: Platform, question: &Value) -> io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("deployctl-").tempdir()?;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    for (name, text) in EVALUATOR {
        write(name, text)?;
    }
    write("question.json", &question.to_string())?;
    let module = nix_string(module)?;
    let ask = format!(
        "import ./trial.nix {{ module = /. + {module}; platform = \"{platform}\"; question = ./question.json; }}\n"
    );
    write("ask.nix", &ask)?;
    Ok(folder)
}

/// A path as a string of the Nix language.
fn nix_string(path: &Path) -> io::Result<String> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8");
    let text = path.to_str().ok_or_else(invalid)?;
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{}\"", text.replace("${", "\\${")))
}

/// Every name in the Nix files of `concern`: whatever of them is read from `pkgs` is taken for a package.
fn words(concern: &Path) -> io::Result<BTreeSet<String>> {
    let mut words = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![concern.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let found = std::fs::symlink_metadata(&path)?;
            if found.is_dir() {
                folders.push(path);
            } else if found.is_file()
                && found.len() <= SIZE_CAP
                && path.extension().is_some_and(|it| it == "nix")
            {
                let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
                words.extend(words_of(&text));
            }
        }
    }
    Ok(words)
}

fn words_of(text: &str) -> impl Iterator<Item = String> {
    WORD.find_iter(text).map(|word| word.as_str().to_owned())
}
