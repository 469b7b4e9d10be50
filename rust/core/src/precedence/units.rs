//! Files of systemd: `/etc/systemd/NAME.conf`, units of ours, and the drop-ins of both (systemd.unit(5)). The last
//! assignment counts; in units, lists add up until an empty assignment.

use super::{ConfigFiles, How, Overruled, Setting, by_the_last, has_ending};

pub(super) const CONF_PLACES: [&str; 4] = [
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
pub(super) fn conf_settings(path: &str, files: &ConfigFiles) -> Vec<Setting> {
    let Some(family) = family(path) else {
        return Vec::new();
    };
    let main = format!("/etc/systemd/{family}");
    let drop_ins = files.drop_ins(&CONF_PLACES, &[&format!("{family}.d")]);
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

const PLACES: [&str; 6] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// What `/usr/lib/systemd/system` is called where `/lib` stands beside `/usr` or leads there.
const OLD_PLACE: &str = "/lib/systemd/system";

/// The types of units that have files.
const TYPES: [&str; 9] = [
    "automount",
    "mount",
    "path",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// How the names of settings begin that add up.
const LISTS: &str = "After Alias Also Ambient Assert Before BindPaths BindReadOnlyPaths BindsTo Capability \
    Condition Conflicts Device Documentation Exec Extension IPAddress IO Import Inaccessible Joins Listen Load \
    LogExtra LogFilter MountImages NoExec OnActive OnBoot OnCalendar OnStartup OnUnit OpenFile PartOf Pass Path \
    Propagates ReadOnly ReadWrite Require Requisite RestrictAddress RestrictFile RestrictNamespaces \
    RestrictNetwork SetCredential Sockets StopPropagated Supplementary SystemCall Temporary Unset Upholds Want \
    ConfigurationDirectory= LogsDirectory= RuntimeDirectory= StateDirectory= CacheDirectory=";

/// The unit that the file at `path` is, or is a drop-in of.
pub(super) fn unit(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/etc/systemd/system/")?;
    let (unit, name) = rest.split_once(".d/").unwrap_or((rest, ".conf"));
    let (_, kind) = unit.rsplit_once('.')?;
    (TYPES.contains(&kind)
        && !unit.contains('/')
        && !name.contains('/')
        && has_ending(name, "conf"))
    .then_some(unit)
}

/// Whether systemd reads the file at `path` for the unit with this name: as its own file or its template's, or as one
/// of its drop-ins, wherever they stand.
pub(crate) fn is_read_for(path: &str, unit: &str) -> bool {
    let below = PLACES.iter().chain(&[OLD_PLACE]).find_map(|place| {
        let rest = path.strip_prefix(place)?;
        rest.strip_prefix('/')
    });
    match below.map(|below| below.split_once('/').ok_or(below)) {
        Some(Ok((directory, name))) => {
            !name.contains('/') && directories(unit).iter().any(|own| own == directory)
        }
        Some(Err(file)) => file == unit || template(unit).is_some_and(|own| own == file),
        None => false,
    }
}

/// `getty@.service` for `getty@tty1.service`.
pub(crate) fn template(unit: &str) -> Option<String> {
    let (prefix, rest) = unit.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{kind}"))
}

/// What the file at `path` sets and drop-ins of others set otherwise.
pub(super) fn overruled(
    path: &str,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    let Some(unit) = unit(path) else {
        return Vec::new();
    };
    let main = format!("/etc/systemd/system/{unit}");
    let directories = directories(unit);
    let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
    let drop_ins = files.drop_ins(&PLACES, &directories);
    let all: Vec<Setting> = std::iter::once(main.as_str())
        .chain(drop_ins)
        .flat_map(|file| assignments(file, files))
        .collect();
    let (lists, single): (Vec<_>, Vec<_>) = all.into_iter().partition(adds_up);
    let single: Vec<Setting> = single.into_iter().map(by_variable).collect();
    let mut found = by_the_last(path, &single, &is_ours);
    for setting in &mut found {
        // The value of a variable is not looked at: it may be a secret.
        if setting.ours.key.contains("Environment") {
            "another value".clone_into(&mut setting.theirs.value);
        }
    }
    let emptied = lists.iter().enumerate().filter_map(|(n, ours)| {
        if ours.place.file != path || ours.value.is_empty() {
            return None;
        }
        let theirs = lists[n + 1..]
            .iter()
            .rfind(|later| later.key == ours.key && later.value.is_empty())?;
        (!is_ours(&theirs.place.file)).then(|| Overruled {
            how: How::Later,
            ours: ours.clone(),
            theirs: theirs.clone(),
        })
    });
    found.extend(emptied);
    found
}

/// The directories with drop-ins of `unit`, the most specific first: its own, its template's, those of the
/// beginnings of its name, and its type's.
fn directories(unit: &str) -> Vec<String> {
    let mut directories = vec![format!("{unit}.d")];
    let Some((name, kind)) = unit.rsplit_once('.') else {
        return directories;
    };
    let mut name = name;
    if let Some((template, instance)) = name.split_once('@') {
        if !instance.is_empty() {
            directories.push(format!("{template}@.{kind}.d"));
        }
        name = template;
    }
    let mut start = name.trim_end_matches('-');
    while let Some((shorter, _)) = start.rsplit_once('-') {
        directories.push(format!("{shorter}-.{kind}.d"));
        start = shorter;
    }
    directories.push(format!("{kind}.d"));
    directories
}

fn adds_up(setting: &Setting) -> bool {
    let Some((_, name)) = setting.key.split_once(' ') else {
        return false;
    };
    let is_list = |list: &str| match list.strip_suffix('=') {
        Some(whole) => name == whole,
        None => name.starts_with(list),
    };
    LISTS.split_whitespace().any(is_list)
}

/// `Environment=NAME=VALUE` is about the variable `NAME`.
fn by_variable(mut setting: Setting) -> Setting {
    if setting.key.ends_with(" Environment") {
        let value = setting.value.trim_start_matches(['"', '\'']);
        let name = value.split('=').next().unwrap_or_default();
        setting.key = format!("{}={name}", setting.key);
    }
    setting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a test is one story or one table")]
    fn a_unit_reads_its_file_and_the_drop_ins_of_its_name_its_template_and_its_type() {
        let cases = [
            ("/etc/systemd/system/ssh.service", "ssh.service", true),
            (
                "/etc/systemd/system/ssh.service.d/x.conf",
                "ssh.service",
                true,
            ),
            (
                "/usr/lib/systemd/system/ssh.service.d/x.conf",
                "ssh.service",
                true,
            ),
            ("/lib/systemd/system/ssh.service", "ssh.service", true),
            (
                "/run/systemd/system.control/ssh.service.d/x.conf",
                "ssh.service",
                true,
            ),
            ("/etc/systemd/system/service.d/x.conf", "ssh.service", true),
            ("/etc/systemd/system/socket.d/x.conf", "ssh.service", false),
            ("/etc/systemd/system/socket.d/x.conf", "ssh.socket", true),
            (
                "/etc/systemd/system/sshd.service.d/x.conf",
                "ssh.service",
                false,
            ),
            // The beginning of a name ends in a dash.
            (
                "/etc/systemd/system/ssh-.service.d/x.conf",
                "ssh.service",
                false,
            ),
            (
                "/etc/systemd/system/ssh-.service.d/x.conf",
                "ssh-x.service",
                true,
            ),
            (
                "/etc/systemd/system/a-b-.service.d/x.conf",
                "a-b-c@1.service",
                true,
            ),
            (
                "/etc/systemd/system/a-.service.d/x.conf",
                "a-b-c@1.service",
                true,
            ),
            (
                "/etc/systemd/system/a-b-c@.service.d/x.conf",
                "a-b-c@1.service",
                true,
            ),
            (
                "/etc/systemd/system/a-b-c@.service",
                "a-b-c@1.service",
                true,
            ),
            (
                "/etc/systemd/system/ssh.service.wants/x.conf",
                "ssh.service",
                false,
            ),
            ("/etc/systemd/system.conf.d/x.conf", "ssh.service", false),
            ("/etc/ssh/ssh.service", "ssh.service", false),
        ];
        for (path, unit, reads) in cases {
            assert_eq!(is_read_for(path, unit), reads, "{path} for {unit}");
        }
    }
}
