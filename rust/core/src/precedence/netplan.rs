//! netplan(5): files are merged in the order of their names; a later value replaces an earlier one, and lists add up. Of
//! two definitions for one interface networkd takes the first, by the name of the definition.

use super::{ConfigFiles, How, Overruled, Setting, by_the_last, has_ending};

/// Where the files stand, the foremost first. On Debian and Ubuntu, `/lib` is `/usr/lib`.
const PLACES: [&str; 3] = ["/run", "/etc", "/lib"];

/// Values that name an interface by its address.
const ADDRESS: &str = "match.macaddress";

/// Whether the file at `path` is one of netplan's in `/etc`.
pub(super) fn is_one(path: &str) -> bool {
    let name = path.strip_prefix("/etc/netplan/");
    name.is_some_and(|name| !name.contains('/') && has_ending(name, "yaml"))
}

/// What of the file at `path` others overrule: value by value, or the definition of an interface as a whole. A file of
/// `/run` hides the one of the same name.
pub(super) fn overruled(
    path: &str,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    let hidden_by = path.replacen("/etc", "/run", 1);
    if files.has(&hidden_by) && !is_ours(&hidden_by) {
        let first = |file| settings(file, files).into_iter().next();
        let both = first(path).zip(first(&hidden_by));
        return both
            .map(|(ours, theirs)| whole(ours, theirs))
            .into_iter()
            .collect();
    }
    let all: Vec<Setting> = files
        .drop_ins(&PLACES, &["netplan"])
        .into_iter()
        .filter(|file| has_ending(file, "yaml"))
        .flat_map(|file| settings(file, files))
        .collect();
    let mut found = by_the_last(path, &all, &is_ours);
    let own = all.iter().filter(|it| it.place.file == path);
    for ours in own.filter(|it| it.key.ends_with(ADDRESS)) {
        let earlier = all.iter().find(|it| {
            it.key.ends_with(ADDRESS)
                && it.key < ours.key
                && it.value.eq_ignore_ascii_case(&ours.value)
                && !is_ours(&it.place.file)
        });
        found.extend(earlier.map(|theirs| whole(ours.clone(), theirs.clone())));
    }
    found
}

fn whole(ours: Setting, theirs: Setting) -> Overruled {
    let how = How::Matches;
    Overruled { how, ours, theirs }
}

/// The values of one file, each by its path below `network`: `ethernets.lan0.mtu`. Lists and values in braces are left
/// out.
fn settings(file: &str, files: &ConfigFiles) -> Vec<Setting> {
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for (number, line) in files.lines(file) {
        let text = line.trim_start_matches(' ');
        let depth = line.len() - text.len();
        let Some((key, value)) = text.split_once(':') else {
            continue;
        };
        if key.starts_with(['-', '{', '[', '\t']) {
            continue;
        }
        let (key, value) = (unquoted(key), value.split(" #").next().unwrap_or_default());
        above.retain(|(indent, _)| *indent < depth);
        if value.trim().is_empty() {
            above.push((depth, key));
        } else if !value
            .trim_start()
            .starts_with(['{', '[', '|', '>', '&', '*'])
        {
            let path = above
                .iter()
                .map(|(_, key)| *key)
                .filter(|key| *key != "network");
            let path: Vec<&str> = path.chain([key]).collect();
            found.push(Setting::new(path.join("."), spelled(value), file, number));
        }
    }
    found
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// A value in the spelling in which equal ones are equal.
fn spelled(value: &str) -> String {
    let value = unquoted(value);
    match value.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "true" => "true".to_owned(),
        "no" | "off" | "n" | "false" => "false".to_owned(),
        _ => value.to_owned(),
    }
}
