//! Ubuntu's golden tree of a host.

use std::collections::{BTreeMap, BTreeSet};

use crate::said::{Said, chains, directives, lines, note, say};
use crate::{repository, unit};

/// path → (what it is and what a change entails, bytes).
type Tree = BTreeMap<String, (String, String)>;

fn tree(host: &str) -> Tree {
    let folder = repository().join("tests/snapshots").join(host);
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap();
            // Behind the header: one line, and a file's content behind a ruler.
            let body = text.splitn(3, "---\n").nth(2).unwrap();
            let (first, rest) = body.split_once('\n').unwrap_or((body, ""));
            let (first, content) = match rest.split_once('\n') {
                Some((ruler, content)) if ruler.starts_with("----") => (first, content),
                _ => (first, rest),
            };
            let whole = if name == "packages-units-settings" {
                body
            } else {
                content
            };
            (
                format!("/{}", name.replace("__", "/")),
                (first.to_owned(), whole.to_owned()),
            )
        })
        .collect()
}

/// What the tree says. A path that nothing here understands is a thing by itself, so that the list
/// of differences has to say why.
pub(crate) fn said(host: &str) -> Said {
    let mut said = Said::new();
    let tree = tree(host);
    for (path, (what, content)) in &tree {
        if let Some(target) = what.strip_prefix("symlink to ") {
            let target = target.split(" · ").next().unwrap_or_default();
            say(&mut said, format!("symlink {path}"), target);
        } else if what.starts_with("directory ") {
            let mode = what.split(' ').nth(1).unwrap_or_default();
            say(&mut said, format!("directory {path}"), mode);
        } else {
            file(&mut said, path, content);
        }
    }
    inline_programs(&mut said, &tree);
    said
}

/// Puts the program that a unit starts in the place of its path, as `NixOS` has it in the unit.
fn inline_programs(said: &mut Said, tree: &Tree) {
    let mut started = BTreeSet::new();
    for (thing, command) in &mut *said {
        if !thing.contains(" Exec") {
            continue;
        }
        let mut words = command.trim_start_matches('-').split(' ');
        let program = words.next().unwrap_or_default().to_owned();
        let arguments = words.collect::<Vec<_>>().join(" ");
        *command = if let Some((_, content)) = tree.get(&program) {
            // Its first line and `set -eu` are the shell's own business.
            let body = lines(content, "#").filter(|line| *line != "set -eu");
            let body = body.collect::<Vec<_>>().join(" ");
            started.insert(format!("file {program}"));
            body.replace("\"$@\"", &arguments)
                .replace("\"$1\"", &arguments)
        } else {
            let whole = command.trim_start_matches('-');
            // On NixOS a service's PATH has it.
            whole.replacen("/usr/bin/rm ", "rm ", 1)
        };
    }
    said.retain(|thing, _| !started.contains(thing));
}

fn file(said: &mut Said, path: &str, content: &str) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let below = |folder: &str| path.strip_prefix(folder);
    if path == "/packages-units-settings" {
        settings(said, content);
    } else if below("/etc/sysctl.d/").is_some() || below("/etc/modules-load.d/").is_some() {
        // Said as settings and modules.
    } else if path == "/etc/hostname" {
        say(said, "host name", content);
    } else if path == "/etc/timezone" {
        say(said, "time zone", content);
    } else if path == "/etc/hosts" {
        for line in lines(content, "#") {
            let (address, names) = line.split_once(' ').unwrap_or((line, ""));
            say(said, format!("names of {address}"), names);
        }
    } else if below("/etc/sysusers.d/").is_some() {
        accounts(said, content);
    } else if below("/etc/tmpfiles.d/").is_some() {
        for line in lines(content, "#") {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                ["w", path, .., value] => say(said, format!("written to {path}"), value),
                ["d", path, mode, user, group, ..] => {
                    say(
                        said,
                        format!("directory {path}"),
                        format!("{mode} {user} {group}"),
                    );
                }
                _ => note(said, format!("tmpfiles {line}")),
            }
        }
    } else if below("/etc/sudoers.d/").is_some() {
        for line in lines(content, "#") {
            note(said, format!("sudo {line}"));
        }
    } else if let Some(user) = below("/etc/ssh/authorized_keys.d/") {
        for line in lines(content, "#") {
            note(said, format!("key of {user}: {line}"));
        }
    } else if below("/etc/ssh/sshd_config.d/").is_some() {
        for line in lines(content, "#") {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            say(said, format!("sshd {}", key.to_lowercase()), value);
        }
    } else if below("/etc/security/limits.d/").is_some() {
        for line in lines(content, "#") {
            note(said, format!("limit {line}"));
        }
    } else if path == "/etc/chrony/deployctl.conf" {
        directives(said, "chrony", content);
    } else if below("/etc/nftables.d/").is_some() {
        chains(said, content);
    } else if path == "/etc/default/grub.d/90-deployctl.cfg" {
        command_line(said, content);
    } else if path == "/etc/deployctl/kernel.fragment" {
        symbols(said, content);
    } else if below("/etc/systemd/network/").is_some() {
        unit::keys(said, &format!("network file {name}"), content, true);
    } else if let Some(interface) = below("/etc/netplan/60-deployctl-") {
        netplan(said, interface.trim_end_matches(".yaml"), content);
    } else if below("/etc/systemd/journald.conf.d/").is_some() {
        unit::keys(said, "journald", content, false);
    } else if below("/etc/systemd/system.conf.d/").is_some() {
        unit::keys(said, "manager", content, false);
    } else if let Some(unit) = below("/etc/systemd/system/") {
        let unit = unit.split(".d/").next().unwrap_or(unit);
        unit::keys(said, &format!("unit {unit}"), content, true);
    } else if name == "engine.env" {
        for line in lines(content, "#") {
            note(said, format!("engine.env {line}"));
        }
    } else {
        say(said, format!("file {path}"), content);
    }
}

/// Units, live settings and modules; packages are not compared.
fn settings(said: &mut Said, content: &str) {
    for line in lines(content, "#") {
        if let Some((key, value)) = line
            .strip_prefix("sysctl ")
            .and_then(|line| line.split_once(" = "))
        {
            say(said, format!("sysctl {key}"), value);
        } else if let Some(module) = line.strip_prefix("module ") {
            note(said, format!("module {module}"));
        } else if let Some(unit) = line.strip_prefix("unit ") {
            let parts: Vec<_> = unit.split(" · ").collect();
            let mut words = parts[0].split(' ');
            let name = words.next().unwrap_or_default();
            if words.any(|word| word == "enabled") {
                note(said, format!("unit {name} starts at boot"));
            }
            let on_change = parts[2].split(' ').next().unwrap_or_default();
            let watches = parts[2].contains(" on change of /");
            if watches && name.ends_with(".service") {
                say(
                    said,
                    format!("unit {name} on change"),
                    on_change.to_lowercase(),
                );
            }
        }
    }
}

fn accounts(said: &mut Said, content: &str) {
    for line in lines(content, "#") {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["u", name, _, _, home, shell] => {
                say(said, format!("account {name} home"), home);
                // Programs have none, whatever its path.
                if !shell.ends_with("/nologin") {
                    say(said, format!("account {name} shell"), shell);
                }
            }
            ["m", name, group] => note(said, format!("member {name} of {group}")),
            ["g", group, _] => note(said, format!("group {group}")),
            _ => note(said, format!("sysusers {line}")),
        }
    }
}

fn command_line(said: &mut Said, content: &str) {
    for line in lines(content, "#") {
        let words = line
            .split_once("$GRUB_CMDLINE_LINUX_DEFAULT")
            .map_or("", |(_, words)| words.trim_end_matches('"'));
        for word in words.split_whitespace() {
            note(said, format!("kernel parameter {word}"));
        }
    }
}

fn symbols(said: &mut Said, content: &str) {
    for line in content.lines() {
        if let Some(symbol) = line
            .strip_prefix("# CONFIG_")
            .and_then(|line| line.strip_suffix(" is not set"))
        {
            say(said, format!("kernel symbol {symbol}"), "n");
        } else if let Some((symbol, value)) = line
            .strip_prefix("CONFIG_")
            .and_then(|line| line.split_once('='))
        {
            say(
                said,
                format!("kernel symbol {symbol}"),
                value.trim_matches('"'),
            );
        }
    }
}

/// As the same interface's `.network` file would say it.
fn netplan(said: &mut Said, interface: &str, content: &str) {
    let prefix = format!("network file 10-deployctl-{interface}.network");
    let mut key = |section: &str, key: &str, value: &str| {
        say(said, format!("{prefix} [{section}] {key}"), value);
    };
    key("Match", "Name", interface);
    let yes_no = |value: &str| if value == "true" { "yes" } else { "no" };
    for line in lines(content, "#") {
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
