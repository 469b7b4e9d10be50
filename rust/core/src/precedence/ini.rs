//! `/etc/systemd/NAME.conf` and its drop-ins, where the last assignment counts.

use super::{ConfigFiles, Place, Setting};

const PLACES: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// `journald.conf` for `/etc/systemd/journald.conf.d/x.conf`; `None` for other paths.
pub(super) fn family(path: &str) -> Option<&str> {
    let (family, name) = path.strip_prefix("/etc/systemd/")?.split_once(".d/")?;
    (family
        .split_once('.')
        .is_some_and(|(_, ending)| ending == "conf")
        && !family.contains('/')
        && !name.contains('/'))
    .then_some(family)
}

/// Every assignment that is read together with the one drop-in `path`, in order.
pub(super) fn settings(path: &str, files: &ConfigFiles) -> Vec<Setting> {
    let Some(family) = family(path) else {
        return Vec::new();
    };
    let main = format!("/etc/systemd/{family}");
    let drop_ins = files.drop_ins(&PLACES, &format!("{family}.d"));
    let mut settings = Vec::new();
    for file in std::iter::once(main.as_str()).chain(drop_ins) {
        let mut section = String::new();
        for (line, text) in files.lines(file) {
            let text = text.trim();
            if text.starts_with('[') {
                text.clone_into(&mut section);
            } else if let Some((key, value)) = text.split_once('=') {
                settings.push(Setting {
                    key: format!("{section} {}", key.trim()),
                    value: value.trim().to_owned(),
                    place: Place {
                        file: file.to_owned(),
                        line,
                    },
                });
            }
        }
    }
    settings
}
