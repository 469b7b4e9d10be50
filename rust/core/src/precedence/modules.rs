//! modprobe.d(5): parameters of modules, and what keeps them from being loaded.

use super::files::PLACES;
use super::{ConfigFiles, How, Overruled, Setting};

/// Every parameter of a module in the order in which modprobe passes it on; the kernel takes the last.
pub(super) fn options(files: &ConfigFiles) -> Vec<Setting> {
    let mut settings = Vec::new();
    for file in files.drop_ins(&PLACES, &["modprobe.d"]) {
        for (line, text) in files.lines(file) {
            let mut words = text.split_whitespace();
            if words.next() != Some("options") {
                continue;
            }
            let Some(module) = words.next().map(by_underscores) else {
                continue;
            };
            for word in words {
                let (parameter, value) = word.split_once('=').unwrap_or((word, ""));
                let key = format!("{module}.{}", by_underscores(parameter));
                settings.push(Setting::new(key, value, file, line));
            }
        }
    }
    settings
}

/// The modules that the file at `path` loads at boot and a file of modprobe.d does not let be loaded.
/// `systemd-modules-load` honours `blacklist`, which `modprobe NAME` itself does not.
pub(super) fn blocked(path: &str, files: &ConfigFiles) -> Vec<Overruled> {
    let modules = files.lines(path).map(|(line, text)| {
        let module = by_underscores(text.trim());
        Setting::new(module.clone(), module, path, line)
    });
    let blocks = blocks(files);
    modules
        .filter_map(|ours| {
            let theirs = blocks.iter().find(|block| block.key == ours.key)?;
            Some(Overruled {
                how: How::Blocks,
                theirs: theirs.clone(),
                ours,
            })
        })
        .collect()
}

/// The modules that are not loaded by name at boot, each with the line that says so.
fn blocks(files: &ConfigFiles) -> Vec<Setting> {
    let mut settings = Vec::new();
    for file in files.drop_ins(&PLACES, &["modprobe.d"]) {
        for (line, text) in files.lines(file) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let module = match words[..] {
                ["blacklist", module, ..] => module,
                ["install", module, command, ..] if does_nothing(command) => module,
                _ => continue,
            };
            settings.push(Setting::new(
                by_underscores(module),
                words.join(" "),
                file,
                line,
            ));
        }
    }
    settings
}

/// `/bin/true` and `/bin/false` are the usual ways to say that a module is not wanted.
fn does_nothing(command: &str) -> bool {
    matches!(
        command.rsplit('/').next(),
        Some("true" | "false" | ":" | "nologin")
    )
}

/// To the kernel `-` and `_` are the same in the name of a module.
fn by_underscores(name: &str) -> String {
    name.replace('-', "_")
}
