//! What one concern's module sets on `NixOS`, in the words of the files that Ubuntu would have.

mod units;

use serde_json::{Map, Value};

use super::said::Said;
use super::{file, unit};

type Set = Map<String, Value>;

/// Options that are not compared: what a module demands, and packages, which are an archive's on one side and
/// nixpkgs' on the other.
const NOT_COMPARED: [&str; 3] = ["assertions", "warnings", "environment.systemPackages"];

/// What a module sets. Options are taken out of it, so that those that nothing here understands are left.
struct Options(Value);

impl Options {
    /// The value at `path`, null where it is not set.
    fn take(&mut self, path: &str) -> Value {
        let mut here = &mut self.0;
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

    fn take_set(&mut self, path: &str) -> Set {
        match self.take(path) {
            Value::Object(inner) => inner,
            _ => Set::new(),
        }
    }

    fn take_list(&mut self, path: &str) -> Vec<Value> {
        match self.take(path) {
            Value::Array(items) => items,
            _ => Vec::new(),
        }
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

/// The entries of a set; none of anything else.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The items of a list; none of anything else.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What the module says. An option that nothing here understands is a thing by itself.
pub(super) fn said(set: &Value) -> Said {
    let mut said = Said::default();
    let mut options = Options(set.clone());
    for path in NOT_COMPARED {
        options.take(path);
    }
    kernel(&mut said, &mut options);
    say_accounts(&mut said, &mut options);
    say_network(&mut said, &mut options);
    units::say(&mut said, &mut options);
    tmpfiles(&mut said, &mut options);
    daemons(&mut said, &mut options);
    for (path, file) in options.take_set("environment.etc") {
        let (path, source) = (format!("/etc/{path}"), text(&file["source"]));
        match text(&file["text"]) {
            text if !text.is_empty() || source.is_empty() => file::file(&mut said, &path, &text),
            _ => linked(&mut said, &path, &source),
        }
    }
    left(&mut said, "option", &options.0);
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
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        _ => said.say(path, text(value)),
    }
}

fn kernel(said: &mut Said, options: &mut Options) {
    for (key, value) in options.take_set("boot.kernel.sysctl") {
        said.say(format!("sysctl {key}"), text(&value));
    }
    for word in options.take_list("boot.kernelParams") {
        said.note(format!("kernel parameter {}", text(&word)));
    }
    for module in options.take_list("boot.kernelModules") {
        said.note(format!("module {}", text(&module)));
    }
    for patch in options.take_list("boot.kernelPatches") {
        for (symbol, item) in entries(&patch["structuredExtraConfig"]) {
            let item = item.get("content").unwrap_or(item);
            let value = item.get("tristate").or_else(|| item.get("freeform"));
            said.say(
                format!("kernel symbol {symbol}"),
                text(value.unwrap_or(&Value::Null)),
            );
        }
    }
}

/// Programs whose settings `NixOS` has options for.
fn daemons(said: &mut Said, options: &mut Options) {
    for (key, value) in options.take_set("services.openssh.settings") {
        said.say(format!("sshd {}", key.to_lowercase()), text(&value));
    }
    for port in options.take_list("services.openssh.ports") {
        said.say("sshd port", text(&port));
    }
    let makestep = options.take("services.chrony.makestep");
    for key in ["threshold", "limit"] {
        if let Some(value) = makestep.get(key) {
            said.say("chrony makestep", text(value));
        }
    }
    let chrony = text(&options.take("services.chrony.extraConfig"));
    said.directives("chrony", &chrony);
    let journald = text(&options.take("services.journald.extraConfig"));
    unit::keys(said, "journald", &journald, false);
    for (key, value) in options.take_set("systemd.settings.Manager") {
        said.say(format!("manager {key}"), text(&value));
    }
    for (thing, path) in [
        ("host name", "networking.hostName"),
        ("time zone", "time.timeZone"),
    ] {
        if let Value::String(value) = options.take(path) {
            said.say(thing, value);
        }
    }
}

fn tmpfiles(said: &mut Said, options: &mut Options) {
    for rule in options.take_list("systemd.tmpfiles.rules") {
        file::tmpfiles(said, "", &text(&rule));
    }
    for (_, paths) in options.take_set("systemd.tmpfiles.settings") {
        for (path, kinds) in entries(&paths) {
            for (kind, item) in entries(kinds) {
                let argument = text(&item["argument"]);
                match kind.as_str() {
                    "w" => said.say(format!("written to {path}"), argument),
                    "d" => {
                        let owned = [&item["mode"], &item["user"], &item["group"]].map(text);
                        file::directory(said, path, owned.each_ref().map(String::as_str));
                    }
                    "L" | "L+" => linked(said, path, &argument),
                    "r" | "R" => said.note(format!("nothing at {path}")),
                    _ => said.say(format!("tmpfiles {kind} {path}"), argument),
                }
            }
        }
    }
}

/// A path that leads to a file of the Nix store: that file, or, where the module does not write it, the link.
fn linked(said: &mut Said, path: &str, target: &str) {
    let written = |kind: &str| {
        let (name, text) = target.strip_prefix(kind)?.split_once('\n')?;
        Some((name, text.trim_end_matches('>')))
    };
    if let Some((name, text)) = written("<writeTextDir ") {
        file::file(said, &format!("{path}/{name}"), text);
    } else if let Some((_, text)) = written("<writeText ") {
        file::file(said, path, text);
    } else {
        said.say(format!("symlink {path}"), target);
    }
}

/// Users, groups and their rights.
fn say_accounts(said: &mut Said, options: &mut Options) {
    for (name, user) in options.take_set("users.users") {
        account(said, &name, &user);
    }
    for (group, _) in options.take_set("users.groups") {
        said.group(&group);
    }
    for rule in options.take_list("security.sudo.extraRules") {
        for user in items(&rule["users"]) {
            for command in items(&rule["commands"]) {
                let options = items(&command["options"]);
                let options: String = options.map(|option| text(option) + ": ").collect();
                let (user, command) = (text(user), text(&command["command"]));
                said.note(format!("sudo {user} ALL=(ALL:ALL) {options}{command}"));
            }
        }
    }
    for limit in options.take_list("security.pam.loginLimits") {
        let words = ["domain", "type", "item", "value"].map(|key| text(&limit[key]));
        said.note(format!("limit {}", words.join(" ")));
    }
}

fn account(said: &mut Said, name: &str, user: &Value) {
    for key in items(&user["openssh"]["authorizedKeys"]["keys"]) {
        said.note(format!("key of {name}: {}", text(key)));
    }
    let normal = user["isNormalUser"] == true;
    if normal || user["isSystemUser"] == true {
        let or_normal = |value: &Value, normally: &str| match value {
            Value::Null => normal.then(|| normally.to_owned()),
            value => Some(text(value)),
        };
        let home = or_normal(&user["home"], &format!("/home/{name}"));
        let shell = or_normal(&user["shell"], "/bin/bash");
        said.account(name, home.as_deref(), shell.as_deref());
    }
    for group in items(&user["extraGroups"])
        .chain([&user["group"]])
        .map(text)
    {
        if !group.is_empty() && group != name {
            said.note(format!("member {name} of {group}"));
        }
    }
}

/// Interfaces, names and the firewall.
fn say_network(said: &mut Said, options: &mut Options) {
    for (address, names) in options.take_set("networking.hosts") {
        said.say(format!("names of {address}"), text(&names));
    }
    for (_, table) in options.take_set("networking.nftables.tables") {
        said.chains(&text(&table["content"]));
    }
    for (kind, ending) in [("links", "link"), ("networks", "network")] {
        for (name, file) in options.take_set(&format!("systemd.network.{kind}")) {
            interface(said, &format!("network file {name}.{ending}"), &file);
        }
    }
}

fn interface(said: &mut Said, prefix: &str, file: &Value) {
    let mut key = |section: &str, key: &str, value: &Value| {
        let value = text(value);
        if !value.is_empty() {
            said.say(format!("{prefix} [{section}] {key}"), value);
        }
    };
    for (part, section) in [
        ("matchConfig", "Match"),
        ("linkConfig", "Link"),
        ("networkConfig", "Network"),
    ] {
        for (name, value) in entries(&file[part]) {
            key(section, name, value);
        }
    }
    key("Network", "Address", &file["address"]);
    key("Network", "Gateway", &file["gateway"]);
}
