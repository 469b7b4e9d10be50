//! Builds a derivation in the store of this computer, and finds the files of an image that was built.

use std::io;
use std::path::{Path, PathBuf};

use super::derivation::Derivation;
use super::progress::{Listener, name_of};
use super::{Nix, SystemError};
use crate::event::EventKind;
use crate::interrupt::Interrupt;
use crate::process::Program;

impl Nix {
    /// Builds, or fetches what substituters have. `root` becomes a link to the result and protects it from
    /// garbage collection.
    pub(super) async fn build(
        &self,
        derivation: &Derivation,
        root: &Path,
        interrupt: &Interrupt,
        tell: &(dyn Fn(EventKind) + Send + Sync),
    ) -> Result<(), SystemError> {
        let program = self
            .nix_store()
            .arguments(["--log-format", "internal-json", "--realise"])
            .arguments([derivation.drv.as_str(), "--add-root"])
            .arguments([root]);
        realise(program, derivation, interrupt, tell).await
    }

    /// Whether the store of this computer holds `path`, complete.
    pub(super) async fn has(&self, path: &str) -> bool {
        let asked = self.nix_store().arguments(["--check-validity", path]);
        asked
            .run()
            .await
            .is_ok_and(|finished| finished.status.success())
    }
}

/// Runs a command that builds `derivation`.
pub(super) async fn realise(
    program: Program,
    derivation: &Derivation,
    interrupt: &Interrupt,
    tell: &(dyn Fn(EventKind) + Send + Sync),
) -> Result<(), SystemError> {
    let mut listener = Listener::new(tell);
    let finished = program
        .watch(interrupt, &mut |line| listener.line(line))
        .await
        .map_err(SystemError::process)?;
    if finished.status.success() {
        return Ok(());
    }
    Err(why(&listener, derivation))
}

/// Reads the errors of a failed build. The first one that names a derivation is the cause.
pub(super) fn why(listener: &Listener<'_>, derivation: &Derivation) -> SystemError {
    for error in &listener.errors {
        if let Some(system) = missing_builder(error) {
            let derivation = quoted_derivation(error).unwrap_or(derivation.drv.as_str());
            return SystemError::NoBuilder {
                system,
                derivation: name_of(derivation),
            };
        }
        if error.contains("No space left on device") {
            return SystemError::Full;
        }
        if let Some(path) = quoted_derivation(error)
            && !error.contains("dependencies of derivation")
        {
            return SystemError::Failed {
                derivation: path.to_owned(),
                how: how(error),
                log: log(listener, path, error),
            };
        }
    }
    let last = listener.errors.first().or(listener.strangers.last());
    SystemError::Failed {
        derivation: derivation.out.name().to_owned(),
        how: last.map_or_else(
            || "failed without a word".to_owned(),
            |words| {
                let line = words.strip_prefix("error:").unwrap_or(words).trim();
                format!("cannot be built: {}", line.replace('\n', " "))
            },
        ),
        log: Vec::new(),
    }
}

/// The system that is missing: `a 'x86_64-linux' with features {} is required to build …` up to 2.30, then
/// `Required system: 'x86_64-linux' with features {}`.
fn missing_builder(error: &str) -> Option<String> {
    let before = if error.contains("is required to build") {
        "a '"
    } else {
        "Required system: '"
    };
    let (_, rest) = error.split_once(before)?;
    let (system, rest) = rest.split_once('\'')?;
    rest.trim_start()
        .starts_with("with features")
        .then(|| system.to_owned())
}

/// The first derivation that an error names in quotation marks.
fn quoted_derivation(error: &str) -> Option<&str> {
    error
        .split('\'')
        .find(|word| word.starts_with("/nix/store/") && word.strip_suffix(".drv").is_some())
}

/// `failed with exit code 2`, in any version.
fn how(error: &str) -> String {
    if error.contains("hash mismatch") {
        let got = error
            .lines()
            .find_map(|line| line.trim().strip_prefix("got:"));
        let got = got.map_or_else(String::new, |hash| format!(": it is `{}`", hash.trim()));
        return format!("has another hash than its files say{got}");
    }
    let line = error
        .lines()
        .map(str::trim)
        .find_map(|line| {
            line.strip_prefix("Reason: builder ")
                .or_else(|| line.strip_prefix("Reason: "))
                .or_else(|| {
                    let (_, rest) = line.split_once("builder for '")?;
                    rest.split_once("' ").map(|(_, how)| how)
                })
        })
        .unwrap_or_else(|| {
            let line = error.strip_prefix("error:").unwrap_or(error).trim();
            line.lines().next().unwrap_or(line)
        });
    line.trim_end_matches([';', '.', ':']).to_owned()
}

/// The builder's last lines from the log, or else as the error quotes them.
fn log(listener: &Listener<'_>, derivation: &str, error: &str) -> Vec<String> {
    let heard = listener.log(derivation);
    if !heard.is_empty() {
        return heard;
    }
    let quoted = error.lines().map(str::trim);
    quoted
        .filter_map(|line| line.strip_prefix("> ").map(str::to_owned))
        .collect()
}

/// Every file below `path` to install from, or `path` itself. Nix's own files beside them (`nix-support`) are
/// left out.
pub fn image_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if !path.ends_with("nix-support") {
                    folders.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies `files` into `folder`, and returns their new paths.
pub fn copy_image(files: &[PathBuf], folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    files
        .iter()
        .map(|file| {
            let name = file.file_name().unwrap_or(file.as_os_str());
            let place = folder.join(name);
            // Files of the store are read-only, and so would be their copies: they are written under a
            // temporary name, then renamed.
            let whole = tempfile::NamedTempFile::new_in(folder)?;
            io::copy(&mut std::fs::File::open(file)?, &mut whole.as_file())?;
            whole.persist(&place)?;
            Ok(place)
        })
        .collect()
}
