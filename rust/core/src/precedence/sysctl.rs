//! sysctl.d(5): what `systemd-sysctl` sets at boot, where the last assignment counts.

use super::files::PLACES;
use super::{ConfigFiles, Setting};
use crate::name::dotted;

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
            settings.push(Setting::new(dotted(key), value, path, line));
        }
    }
    settings
}

/// The assignment that counts for `key` at boot, where there is one.
pub(super) fn last(files: &ConfigFiles, key: &str) -> Option<Setting> {
    let key = dotted(key);
    settings(files)
        .into_iter()
        .rfind(|setting| setting.key == key)
}
