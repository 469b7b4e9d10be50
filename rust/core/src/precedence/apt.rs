//! apt.conf(5): of two assignments to one name the last counts; lists (`Name::`) add up.

use super::{ConfigFiles, Setting, has_ending};

/// Returns every assignment that fills a line, in the order in which apt reads it: the directory by
/// name, then `/etc/apt/apt.conf`. Blocks in braces are not looked into.
pub(super) fn settings(files: &ConfigFiles) -> Vec<Setting> {
    let directory = "/etc/apt/apt.conf.d/";
    let in_directory = files.paths().filter(|path| {
        path.strip_prefix(directory).is_some_and(|name| {
            // apt passes over names with another ending than `.conf`.
            !name.contains('/') && (!name.contains('.') || has_ending(path, "conf"))
        })
    });
    let mut settings = Vec::new();
    for path in in_directory.chain(["/etc/apt/apt.conf"]) {
        let mut depth = 0_usize;
        for (line, text) in files.lines(path) {
            let text = text.trim();
            if depth == 0
                && let Some((key, rest)) = text.split_once(char::is_whitespace)
                && let Some(value) = rest.trim().strip_prefix('"')
                && let Some((value, _)) = value.split_once("\";")
                && !key.ends_with("::")
            {
                settings.push(Setting::new(key.to_lowercase(), value, path, line));
            }
            depth += text.matches('{').count();
            depth = depth.saturating_sub(text.matches('}').count());
        }
    }
    settings
}
