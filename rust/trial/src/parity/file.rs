//! What a file says, by its path.

use super::said::{Said, lines};
use super::unit;
use deployctl_core::rendered::setting;

/// Says what a text says; the second argument is the file's path below its folder.
type Read = fn(&mut Said, &str, &str);

/// Files that are read for what they say: a path, or a folder.
const READERS: [(&str, Read); 18] = [
    ("/etc/sysctl.d/", sysctls),
    ("/etc/modules-load.d/", modules),
    ("/etc/hostname", |said, _, text| said.say("host name", text)),
    ("/etc/timezone", |said, _, text| said.say("time zone", text)),
    ("/etc/hosts", names),
    ("/etc/sysusers.d/", accounts),
    ("/etc/tmpfiles.d/", tmpfiles),
    ("/etc/sudoers.d/", |said, _, text| each(said, "sudo", text)),
    ("/etc/ssh/authorized_keys.d/", keys),
    ("/etc/ssh/sshd_config.d/", sshd),
    ("/etc/security/limits.d/", |said, _, text| {
        each(said, "limit", text);
    }),
    ("/etc/chrony/", |said, _, text| {
        said.directives("chrony", text);
    }),
    ("/etc/nftables.d/", |said, _, text| said.chains(text)),
    ("/etc/systemd/network/", |said, name, text| {
        unit::keys(said, &format!("network file {name}"), text, true);
    }),
    ("/etc/netplan/60-deployctl-", netplan),
    ("/etc/systemd/journald.conf.d/", |said, _, text| {
        unit::keys(said, "journald", text, false);
    }),
    ("/etc/systemd/system.conf.d/", |said, _, text| {
        unit::keys(said, "manager", text, false);
    }),
    ("/etc/systemd/system/", |said, name, text| {
        let name = name.split(".d/").next().unwrap_or(name);
        unit::keys(said, &format!("unit {name}"), text, true);
    }),
];

/// Says what the file at `path` says. One that nothing here understands is a thing by itself.
pub(super) fn file(said: &mut Said, path: &str, text: &str) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let found = READERS.iter().find_map(|(at, read)| {
        let below = path.strip_prefix(at)?;
        let whole = below.is_empty() || at.ends_with(['/', '-']);
        whole.then_some((below, read))
    });
    match found {
        Some((below, read)) => read(said, below, text),
        None if path == "/etc/deployctl/kernel.fragment" => symbols(said, text),
        None if name.split('.').next_back() == Some("env") => each(said, name, text),
        None => said.say(format!("file {path}"), text),
    }
}

/// Every line is a thing.
fn each(said: &mut Said, kind: &str, text: &str) {
    for line in lines(text, "#") {
        said.note(format!("{kind} {line}"));
    }
}

fn sysctls(said: &mut Said, _: &str, text: &str) {
    for line in lines(text, "#") {
        match setting(line.trim_start_matches('-')) {
            Some((key, value)) => said.set(format!("sysctl {key}"), value),
            None => said.note(format!("sysctl {line}")),
        }
    }
}

fn modules(said: &mut Said, _: &str, text: &str) {
    each(said, "module", text);
}

fn names(said: &mut Said, _: &str, text: &str) {
    for line in lines(text, "#") {
        let (address, names) = line.split_once(' ').unwrap_or((line, ""));
        said.say(format!("names of {address}"), names);
    }
}

fn keys(said: &mut Said, user: &str, text: &str) {
    each(said, &format!("key of {user}:"), text);
}

fn sshd(said: &mut Said, _: &str, text: &str) {
    for line in lines(text, "#") {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        said.say(format!("sshd {}", key.to_lowercase()), value);
    }
}

fn accounts(said: &mut Said, _: &str, text: &str) {
    for line in lines(text, "#") {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let word = |at: usize| words.get(at).copied().filter(|it| *it != "-");
        match words[..] {
            ["u" | "u!", name, ..] => said.account(name, word(4), word(5)),
            ["m", name, group] => said.note(format!("member {name} of {group}")),
            ["g", group, ..] => said.group(group),
            _ => said.note(format!("sysusers {line}")),
        }
    }
}

/// The words of a line, where quotes keep several together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (Vec::new(), false);
    let mut word: Option<String> = None;
    for sign in line.chars() {
        if sign == '"' {
            quoted = !quoted;
            word.get_or_insert_default();
        } else if sign.is_whitespace() && !quoted {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(sign);
        }
    }
    words.extend(word);
    words
}

pub(super) fn tmpfiles(said: &mut Said, _: &str, text: &str) {
    for line in lines(text, "#") {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["w", path, .., value] => said.say(format!("written to {path}"), value),
            ["d", path, mode, user, group, ..] => directory(said, path, [mode, user, group]),
            _ => said.note(format!("tmpfiles {line}")),
        }
    }
}

/// A directory with its mode, owner and group, as systemd-tmpfiles makes it where one is left out.
pub(super) fn directory(said: &mut Said, path: &str, rights: [&str; 3]) {
    let or_default = |word: &str, default: &'static str| match word.trim_start_matches([':', '~']) {
        "" | "-" => default.to_owned(),
        word => word.to_owned(),
    };
    let [mode, owner, group] = rights;
    let words = [
        or_default(mode, "0755"),
        or_default(owner, "root"),
        or_default(group, "root"),
    ];
    said.say(format!("directory {path}"), words.join(" "));
}

fn symbols(said: &mut Said, text: &str) {
    for line in text.lines() {
        let off = line
            .strip_prefix("# CONFIG_")
            .and_then(|line| line.strip_suffix(" is not set"));
        let on = line
            .strip_prefix("CONFIG_")
            .and_then(|line| line.split_once('='));
        match (off, on) {
            (Some(symbol), _) => said.say(format!("kernel symbol {symbol}"), "n"),
            (_, Some((symbol, value))) => {
                said.say(format!("kernel symbol {symbol}"), value.trim_matches('"'));
            }
            _ => {}
        }
    }
}

/// As the same interface's `.network` file would say it.
fn netplan(said: &mut Said, interface: &str, text: &str) {
    let interface = interface.trim_end_matches(".yaml");
    let prefix = format!("network file 10-deployctl-{interface}.network");
    let mut key = |section: &str, key: &str, value: &str| {
        said.say(format!("{prefix} [{section}] {key}"), value);
    };
    key("Match", "Name", interface);
    let yes_no = |value: &str| if value == "true" { "yes" } else { "no" };
    for line in lines(text, "#") {
        match line.split_once(": ") {
            Some(("mtu", value)) => key("Link", "MTUBytes", value),
            Some(("optional", "true")) => key("Link", "RequiredForOnline", "no"),
            Some(("optional", _)) => key("Link", "RequiredForOnline", "yes"),
            Some(("dhcp4", "true")) => key("Network", "DHCP", "ipv4"),
            Some(("dhcp4", _)) => key("Network", "DHCP", "no"),
            Some(("accept-ra", value)) => key("Network", "IPv6AcceptRA", yes_no(value)),
            Some(("link-local", "[]")) => key("Network", "LinkLocalAddressing", "no"),
            Some(("link-local", _)) => key("Network", "LinkLocalAddressing", "ipv6"),
            Some(("via", value)) => key("Network", "Gateway", value.trim_matches('"')),
            _ => {
                if let Some(address) = line.strip_prefix("- \"") {
                    key("Network", "Address", address.trim_end_matches('"'));
                }
            }
        }
    }
}
