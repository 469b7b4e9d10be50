//! sysctl.d(5): what `systemd-sysctl` sets at boot, where the last assignment counts.

use super::files::PLACES;
use super::{ConfigFiles, Setting};

/// Every assignment in the order in which it is read. `/etc/sysctl.conf` is not among them: at boot it is
/// read only where a link in a directory leads to it. An assignment to a pattern (`net.ipv4.conf.*.rp_filter`)
/// never overrules one to a name, so it is left out.
pub(super) fn settings(files: &ConfigFiles) -> Vec<Setting> {
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
            settings.push(Setting::new(by_dots(key), value, path, line));
        }
    }
    settings
}

/// The assignment that counts for `key` at boot, where there is one.
pub(super) fn last(files: &ConfigFiles, key: &str) -> Option<Setting> {
    let key = by_dots(key);
    settings(files)
        .into_iter()
        .rfind(|setting| setting.key == key)
}

/// A key with dots between its parts: whichever of `.` and `/` comes first is what separates them.
fn by_dots(key: &str) -> String {
    if key
        .find(['.', '/'])
        .is_none_or(|at| key.as_bytes()[at] == b'.')
    {
        return key.to_owned();
    }
    key.chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}
