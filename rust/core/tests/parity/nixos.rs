//! The `NixOS` goldens of a host, all concerns together.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::said::{Said, chains, directives, lines, note, say};
use crate::{repository, unit};

type Set = Map<String, Value>;

/// How a machine comes to have a system is no part of what Ubuntu's modules say.
const NOT_COMPARED: &str = "image";

/// What the modules set, as one set: sets merge, lists follow one another.
fn set(host: &str) -> Value {
    let path = repository().join(format!("tests/snapshots/nix/nixos/{host}.json"));
    let concerns: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut all = Value::Object(Set::new());
    for (concern, set) in concerns {
        if concern != NOT_COMPARED {
            merge(&mut all, set);
        }
    }
    all
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(there) => merge(there, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

/// Removes the value at `path` from the set, so that the test can name at the end what was not compared.
fn take(set: &mut Value, path: &str) -> Value {
    let mut here = set;
    let (folder, last) = path.rsplit_once('.').unwrap_or(("", path));
    for key in folder.split('.').filter(|key| !key.is_empty()) {
        match here.get_mut(key) {
            Some(inner) => here = inner,
            None => return Value::Null,
        }
    }
    here.as_object_mut()
        .and_then(|here| here.remove(last))
        .unwrap_or_default()
}

fn take_set(set: &mut Value, path: &str) -> Set {
    match take(set, path) {
        Value::Object(inner) => inner,
        _ => Set::new(),
    }
}

fn take_list(set: &mut Value, path: &str) -> Vec<Value> {
    match take(set, path) {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// As a file would have it: `{ lines }` is a text, a list is its items in turn.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Object(set) => match set.get("lines") {
            Some(Value::Array(lines)) => lines.iter().map(text).collect::<Vec<_>>().join("\n"),
            _ => value.to_string(),
        },
        Value::Number(number) => number.to_string(),
    }
}

/// What the goldens say. An option that nothing here understands is a thing by itself, so that the
/// list of differences has to say why.
pub(crate) fn said(host: &str) -> Said {
    let mut said = Said::new();
    let mut set = set(host);
    kernel(&mut said, &mut set);
    accounts(&mut said, &mut set);
    network(&mut said, &mut set);
    units(&mut said, &mut set);
    tmpfiles(&mut said, &mut set);

    for (thing, path) in [
        ("host name", "networking.hostName"),
        ("time zone", "time.timeZone"),
    ] {
        if let Value::String(value) = take(&mut set, path) {
            say(&mut said, thing, value);
        }
    }
    for (key, value) in take_set(&mut set, "services.openssh.settings") {
        say(
            &mut said,
            format!("sshd {}", key.to_lowercase()),
            text(&value),
        );
    }
    for port in take_list(&mut set, "services.openssh.ports") {
        say(&mut said, "sshd port", text(&port));
    }
    let makestep = take(&mut set, "services.chrony.makestep");
    for key in ["threshold", "limit"] {
        if let Some(value) = makestep.get(key) {
            say(&mut said, "chrony makestep", text(value));
        }
    }
    directives(
        &mut said,
        "chrony",
        &text(&take(&mut set, "services.chrony.extraConfig")),
    );
    unit::keys(
        &mut said,
        "journald",
        &text(&take(&mut set, "services.journald.extraConfig")),
        false,
    );
    for (key, value) in take_set(&mut set, "systemd.settings.Manager") {
        say(&mut said, format!("manager {key}"), text(&value));
    }
    for limit in take_list(&mut set, "security.pam.loginLimits") {
        let word = |key| text(&limit[key]);
        note(
            &mut said,
            format!(
                "limit {} {} {} {}",
                word("domain"),
                word("type"),
                word("item"),
                word("value")
            ),
        );
    }
    if let Some(libexec) = take(&mut set, "environment.etc").as_object() {
        for (path, file) in libexec {
            say(&mut said, format!("file /etc/{path}"), text(&file["text"]));
        }
    }
    left(&mut said, "option", &set);
    said
}

/// Every value that is still there.
fn left(said: &mut Said, path: &str, value: &Value) {
    match value {
        Value::Object(set) if !set.contains_key("lines") => {
            for (key, value) in set {
                let joint = if path == "option" { " " } else { "." };
                left(said, &format!("{path}{joint}{key}"), value);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        _ => say(said, path, text(value)),
    }
}

fn kernel(said: &mut Said, set: &mut Value) {
    for (key, value) in take_set(set, "boot.kernel.sysctl") {
        say(said, format!("sysctl {key}"), text(&value));
    }
    for word in take_list(set, "boot.kernelParams") {
        note(said, format!("kernel parameter {}", text(&word)));
    }
    for module in take_list(set, "boot.kernelModules") {
        note(said, format!("module {}", text(&module)));
    }
    for patch in take_list(set, "boot.kernelPatches") {
        for (symbol, item) in patch["structuredExtraConfig"].as_object().unwrap() {
            let item = item.get("content").unwrap_or(item);
            let value = item
                .get("tristate")
                .or_else(|| item.get("freeform"))
                .unwrap();
            say(said, format!("kernel symbol {symbol}"), text(value));
        }
    }
}

fn accounts(said: &mut Said, set: &mut Value) {
    for (name, user) in take_set(set, "users.users") {
        for key in user["openssh"]["authorizedKeys"]["keys"]
            .as_array()
            .into_iter()
            .flatten()
        {
            note(said, format!("key of {name}: {}", text(key)));
        }
        let normal = user["isNormalUser"] == true;
        match &user["home"] {
            Value::Null if normal => say(
                said,
                format!("account {name} home"),
                format!("/home/{name}"),
            ),
            home => say(said, format!("account {name} home"), text(home)),
        }
        match &user["shell"] {
            Value::Null if normal => say(said, format!("account {name} shell"), "/bin/bash"),
            // System users have a program that refuses.
            Value::Null => {}
            shell => say(said, format!("account {name} shell"), text(shell)),
        }
        let groups = user["extraGroups"].as_array().into_iter().flatten();
        for group in groups.chain(Some(&user["group"])).map(text) {
            if !group.is_empty() && group != name {
                note(said, format!("member {name} of {group}"));
            }
        }
    }
    for (group, _) in take_set(set, "users.groups") {
        note(said, format!("group {group}"));
    }
    for rule in take_list(set, "security.sudo.extraRules") {
        for user in rule["users"].as_array().unwrap() {
            for command in rule["commands"].as_array().unwrap() {
                let options = command["options"].as_array().unwrap().iter();
                let options: String = options.map(|option| text(option) + ": ").collect();
                let (user, command) = (text(user), text(&command["command"]));
                note(
                    said,
                    format!("sudo {user} ALL=(ALL:ALL) {options}{command}"),
                );
            }
        }
    }
}

fn network(said: &mut Said, set: &mut Value) {
    for (address, names) in take_set(set, "networking.hosts") {
        say(said, format!("names of {address}"), text(&names));
    }
    for (name, table) in take_set(set, "networking.nftables.tables") {
        assert_eq!(
            (name.as_str(), &table["family"]),
            ("deployctl", &Value::from("inet"))
        );
        chains(said, &text(&table["content"]));
    }
    for (kind, ending) in [("links", "link"), ("networks", "network")] {
        for (name, file) in take_set(set, &format!("systemd.network.{kind}")) {
            let prefix = format!("network file {name}.{ending}");
            let mut keys = |section: &str, key: &str, value: &Value| {
                let value = text(value);
                if !value.is_empty() {
                    say(said, format!("{prefix} [{section}] {key}"), value);
                }
            };
            for (part, section) in [
                ("matchConfig", "Match"),
                ("linkConfig", "Link"),
                ("networkConfig", "Network"),
            ] {
                for (key, value) in file[part].as_object().into_iter().flatten() {
                    keys(section, key, value);
                }
            }
            keys("Network", "Address", &file["address"]);
            keys("Network", "Gateway", &file["gateway"]);
        }
    }
}

fn tmpfiles(said: &mut Said, set: &mut Value) {
    for (_, paths) in take_set(set, "systemd.tmpfiles.settings") {
        for (path, kinds) in paths.as_object().unwrap() {
            for (kind, item) in kinds.as_object().unwrap() {
                let argument = text(&item["argument"]);
                match kind.as_str() {
                    "w" => say(said, format!("written to {path}"), argument),
                    "d" => {
                        let owner = [&item["mode"], &item["user"], &item["group"]].map(text);
                        say(said, format!("directory {path}"), owner.join(" "));
                    }
                    "L+" => match argument.strip_prefix("<writeTextDir engine.env\n") {
                        Some(content) => {
                            for line in lines(content, ">") {
                                note(said, format!("engine.env {line}"));
                            }
                        }
                        None => say(said, format!("symlink {path}"), argument),
                    },
                    _ => say(said, format!("tmpfiles {kind} {path}"), argument),
                }
            }
        }
    }
}

fn units(said: &mut Said, set: &mut Value) {
    for (kind, section) in [("services", "Service"), ("slices", "Slice")] {
        for (name, unit) in take_set(set, &format!("systemd.{kind}")) {
            let ending = kind.trim_end_matches('s');
            unit_of(said, &format!("{name}.{ending}"), section, unit);
        }
    }
    for mount in take_list(set, "systemd.mounts") {
        let name = text(&mount["where"])
            .trim_start_matches('/')
            .replace('/', "-");
        unit_of(said, &format!("{name}.mount"), "Mount", mount);
    }
    for (path, mount) in take_set(set, "fileSystems") {
        let name = path.trim_start_matches('/').replace('/', "-");
        let prefix = format!("unit {name}.mount");
        let device = text(&mount["device"]);
        let device = device
            .strip_prefix("LABEL=")
            .map(|label| format!("/dev/disk/by-label/{label}"))
            .unwrap_or(device);
        say(said, format!("{prefix} [Mount] What"), device);
        say(said, format!("{prefix} [Mount] Where"), path);
        say(
            said,
            format!("{prefix} [Mount] Type"),
            text(&mount["fsType"]),
        );
        say(
            said,
            format!("{prefix} [Mount] Options"),
            text(&mount["options"]).replace(' ', ","),
        );
        note(said, format!("{prefix} starts at boot"));
    }
    for (name, unit) in take_set(set, "systemd.units") {
        unit::keys(said, &format!("unit {name}"), &text(&unit["text"]), true);
    }
}

fn unit_of(said: &mut Said, name: &str, section: &str, unit: Value) {
    let prefix = format!("unit {name}");
    let Value::Object(unit) = unit else {
        unreachable!("a unit is a set")
    };
    for (key, value) in unit {
        let value_text = text(&value);
        let mut set = |section: &str, key: &str, value: &str| {
            unit::key_of(said, &prefix, Some(&format!("[{section}]")), key, value);
        };
        let capital = key[..1].to_uppercase() + &key[1..];
        match key.as_str() {
            "description" | "documentation" | "after" | "before" | "wants" | "conflicts" => {
                set("Unit", &capital, &value_text);
            }
            "what" | "where" | "type" | "options" => set(section, &capital, &value_text),
            "unitConfig" | "serviceConfig" | "sliceConfig" => {
                let section = if key == "unitConfig" { "Unit" } else { section };
                for (key, value) in value.as_object().unwrap() {
                    set(section, key, &text(value));
                }
            }
            "environment" => {
                for (name, value) in value.as_object().unwrap() {
                    say(said, format!("{prefix} environment {name}"), text(value));
                }
            }
            "wantedBy" => {
                if !value_text.is_empty() {
                    note(said, format!("{prefix} starts at boot"));
                }
            }
            "preStart" => set(section, "ExecStartPre", &value_text),
            "script" => set(section, "ExecStart", &value_text.replace("\\\n", " ")),
            "postStart" => set(section, "ExecStartPost", &value_text),
            "restartIfChanged" => say(
                said,
                format!("{prefix} on change"),
                if value == true { "restart" } else { "nothing" },
            ),
            // Its own closure, and what else restarts it.
            "path" | "restartTriggers" => {}
            _ => say(said, format!("{prefix} {key}"), value_text),
        }
    }
    if name.ends_with(".service") {
        said.entry(format!("{prefix} on change"))
            .or_insert_with(|| "restart".to_owned());
    }
}
