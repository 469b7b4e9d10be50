//! limits.conf(5), where the last line about a domain, a type and an item counts.

use super::{ConfigFiles, Setting};

/// Every limit in the order in which `pam_limits` reads it: `limits.conf`, then the directory by name.
pub(super) fn settings(files: &ConfigFiles) -> Vec<Setting> {
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
