//! Files of one assignment a line, of which the last counts: sysctl.d(5), limits.conf(5), apt.conf(5).

use super::files::PLACES;
use super::{ConfigFiles, Setting, has_ending};
use crate::name::dotted;

/// What `systemd-sysctl` sets at boot: every assignment in the order in which it is read. `/etc/sysctl.conf` is not among
/// them: at boot it is read only where a link in a directory leads to it. An assignment to a pattern
/// (`net.ipv4.conf.*.rp_filter`) never overrules one to a name, so it is left out.
pub(super) fn sysctl(files: &ConfigFiles) -> Vec<Setting> {
    let mut settings = Vec::new();
    for path in files.drop_ins(&PLACES, &["sysctl.d"]) {
        for (line, text) in files.lines(path) {
            let text = text.trim().trim_start_matches('-');
            let Some((key, value)) = text.split_once('=') else {
                continue;
            };
            let key = key.trim();
            if key.contains(['*', '?', '[']) {
                continue;
            }
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            settings.push(Setting::new(dotted(key), value, path, line));
        }
    }
    settings
}

/// The assignment that counts for `key` at boot, where there is one.
pub(super) fn last_sysctl(files: &ConfigFiles, key: &str) -> Option<Setting> {
    let key = dotted(key);
    sysctl(files)
        .into_iter()
        .rfind(|setting| setting.key == key)
}

/// Every limit in the order in which `pam_limits` reads it: `limits.conf`, then the directory by name. The last line about
/// a domain, a type and an item counts.
pub(super) fn limits(files: &ConfigFiles) -> Vec<Setting> {
    let main = "/etc/security/limits.conf";
    let drop_ins = files.drop_ins(&["/etc/security"], &["limits.d"]);
    let mut settings = Vec::new();
    for file in std::iter::once(main).chain(drop_ins) {
        for (line, text) in files.lines(file) {
            let text = text.split('#').next().unwrap_or_default();
            let words: Vec<&str> = text.split_whitespace().collect();
            let [domain, kind, item, value] = words[..] else {
                continue;
            };
            let kinds = match kind {
                "-" => &["soft", "hard"][..],
                "soft" => &["soft"],
                _ => &["hard"],
            };
            settings.extend(
                kinds
                    .iter()
                    .map(|kind| Setting::new(format!("{domain} {kind} {item}"), value, file, line)),
            );
        }
    }
    settings
}

/// Returns every assignment that fills a line, in the order in which apt reads it: the directory by name, then
/// `/etc/apt/apt.conf`. Lists (`Name::`) add up. Blocks in braces are not looked into.
pub(super) fn apt(files: &ConfigFiles) -> Vec<Setting> {
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
