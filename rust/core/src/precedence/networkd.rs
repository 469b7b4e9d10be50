//! `.link` and `.network` files: of those that match an interface the first counts as a whole, by the name of its
//! file; its drop-ins add to it.

use super::units::{CONF_PLACES, assignments};
use super::{ConfigFiles, How, Overruled, Setting, by_the_last, has_ending};
use crate::glob::glob;

/// Settings that add up.
const LISTS: [&str; 8] = [
    "Address", "DNS", "Domains", "Gateway", "NTP", "Property", "VLAN", "Tunnel",
];

/// `link` or `network`, for such a file of `/etc` or a drop-in of one.
pub(super) fn ending(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/etc/systemd/network/")?;
    let file = match rest.split_once(".d/") {
        Some((file, name)) if has_ending(name, "conf") => file,
        Some(_) => return None,
        None => rest,
    };
    let (_, ending) = file.rsplit_once('.')?;
    (matches!(ending, "link" | "network") && !file.contains('/')).then_some(ending)
}

/// The file that has the word on the interface of ours at `path`, or else the drop-ins that change it.
pub(super) fn overruled(
    path: &str,
    files: &ConfigFiles,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<Overruled> {
    let Some(ending) = ending(path) else {
        return Vec::new();
    };
    let file = path.split_once(".d/").map_or(path, |(file, _)| file);
    if file == path {
        let interface = Interface::of(path, files);
        let earlier = files.drop_ins(&CONF_PLACES, &["network"]);
        let earlier = earlier.into_iter().take_while(|other| *other != path);
        for other in earlier.filter(|other| has_ending(other, ending) && !is_ours(other)) {
            if let Some(theirs) = interface.matched_by(other, files) {
                return interface.found.first().map_or_else(Vec::new, |ours| {
                    vec![Overruled {
                        how: How::Matches,
                        ours: ours.clone(),
                        theirs,
                    }]
                });
            }
        }
    }
    let name = file.rsplit('/').next().unwrap_or_default();
    let drop_ins = files.drop_ins(&CONF_PLACES, &[&format!("network/{name}.d")]);
    let all: Vec<Setting> = std::iter::once(file)
        .chain(drop_ins)
        .flat_map(|file| assignments(file, files))
        .filter(|setting| {
            let name = setting.key.rsplit(' ').next().unwrap_or_default();
            !LISTS.contains(&name)
        })
        .collect();
    by_the_last(path, &all, is_ours)
}

/// What is known of the interface that a file of ours is for.
struct Interface {
    /// The lines by which the file matches it.
    found: Vec<Setting>,
    names: Vec<String>,
    addresses: Vec<String>,
    drivers: Vec<String>,
}

impl Interface {
    fn of(path: &str, files: &ConfigFiles) -> Self {
        let found = matches(path, files);
        let words = |keys: &[&str]| -> Vec<String> {
            let lines = found
                .iter()
                .filter(|line| keys.contains(&line.key.as_str()));
            let words = lines.flat_map(|line| line.value.split_whitespace());
            words.map(str::to_lowercase).collect()
        };
        let (names, drivers) = (words(&["Name"]), words(&["Driver"]));
        let mut addresses = words(&["MACAddress", "PermanentMACAddress"]);
        // The link file of ours that gives the interface its name knows its address.
        for link in files.paths().filter(|other| ending(other) == Some("link")) {
            let renames = assignments(link, files).iter().any(|line| {
                line.key == "[Link] Name" && names.contains(&line.value.to_lowercase())
            });
            if renames {
                let of_link = matches(link, files);
                let of_link = of_link
                    .iter()
                    .filter(|line| line.key.ends_with("MACAddress"));
                addresses.extend(of_link.map(|line| line.value.to_lowercase()));
            }
        }
        Self {
            found,
            names,
            addresses,
            drivers,
        }
    }

    /// The first line by which the file at `other` matches this interface for sure.
    fn matched_by(&self, other: &str, files: &ConfigFiles) -> Option<Setting> {
        let lines = matches(other, files);
        let all = lines.iter().all(|line| self.fits(&line.key, &line.value));
        lines.into_iter().next().filter(|_| all)
    }

    /// Whether the interface is one of those that `key` and `value` mean; what cannot be told counts as no.
    fn fits(&self, key: &str, value: &str) -> bool {
        let of = match key {
            "Name" => &self.names,
            "OriginalName" => return value == "*",
            "MACAddress" | "PermanentMACAddress" => &self.addresses,
            "Driver" => &self.drivers,
            "Type" => return value.split_whitespace().any(|word| word == "ether"),
            _ => return false,
        };
        let (value, inverted) = match value.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (value, false),
        };
        let value = value.to_lowercase();
        let fits = value
            .split_whitespace()
            .any(|pattern| of.iter().any(|known| glob(pattern, known)));
        !of.is_empty() && fits != inverted
    }
}

/// The lines of the `[Match]` section, by their keys alone.
fn matches(path: &str, files: &ConfigFiles) -> Vec<Setting> {
    let lines = assignments(path, files).into_iter();
    let lines = lines.filter_map(|mut line| {
        let key = line.key.strip_prefix("[Match] ")?.to_owned();
        line.key = key;
        Some(line)
    });
    lines.collect()
}
