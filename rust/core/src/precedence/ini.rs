//! `/etc/systemd/NAME.conf` and its drop-ins, where the last assignment counts.

use super::{ConfigFiles, Setting};

pub(super) const PLACES: [&str; 4] = [
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
    let drop_ins = files.drop_ins(&PLACES, &[&format!("{family}.d")]);
    let mut settings = Vec::new();
    for file in std::iter::once(main.as_str()).chain(drop_ins) {
        settings.extend(assignments(file, files));
    }
    settings
}

/// The assignments of one file in the syntax of systemd.syntax(7), each with its section in its key. A
/// continuation of the line before is not an assignment.
pub(super) fn assignments(file: &str, files: &ConfigFiles) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut section = String::new();
    let mut goes_on = None;
    for (line, text) in files.lines(file) {
        let text = text.trim();
        let is_rest = goes_on == Some(line);
        goes_on = text.ends_with('\\').then_some(line + 1);
        if is_rest {
            continue;
        }
        if text.starts_with('[') {
            text.clone_into(&mut section);
        } else if let Some((key, value)) = text.split_once('=') {
            let key = format!("{section} {}", key.trim());
            settings.push(Setting::new(key, value.trim(), file, line));
        }
    }
    settings
}
