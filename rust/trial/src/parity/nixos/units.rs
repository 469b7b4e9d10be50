//! Units, as their files would say them.

use deployctl_core::render::mount_unit;
use serde_json::Value;

use super::{Options, entries, text};
use crate::parity::said::Said;
use crate::parity::unit;

/// The options with units of a kind, and the section of these.
const KINDS: [(&str, &str); 6] = [
    ("services", "Service"),
    ("slices", "Slice"),
    ("timers", "Timer"),
    ("sockets", "Socket"),
    ("paths", "Path"),
    ("targets", "Target"),
];

/// Words of a unit's set that are keys of `[Unit]`.
const OF_UNIT: [&str; 13] = [
    "after",
    "before",
    "bindsTo",
    "conflicts",
    "description",
    "documentation",
    "onFailure",
    "onSuccess",
    "partOf",
    "requires",
    "requisite",
    "upholds",
    "wants",
];

pub(super) fn say(said: &mut Said, options: &mut Options) {
    for (kind, section) in KINDS {
        for (name, set) in options.take_set(&format!("systemd.{kind}")) {
            let name = format!("{name}.{}", kind.trim_end_matches('s'));
            Unit::new(said, &name, section).set(&set);
        }
    }
    for mount in options.take_list("systemd.mounts") {
        let name = mount_unit_at(&text(&mount["where"]));
        Unit::new(said, &name, "Mount").set(&mount);
    }
    for (path, mount) in options.take_set("fileSystems") {
        file_system(said, &path, &mount);
    }
    for (name, set) in options.take_set("systemd.units") {
        unit::keys(said, &format!("unit {name}"), &text(&set["text"]), true);
    }
}

/// The unit that mounts something at `path`; where Ubuntu cannot have one, the path says which.
fn mount_unit_at(path: &str) -> String {
    mount_unit(path).unwrap_or_else(|_| format!("mount of {path}"))
}

fn file_system(said: &mut Said, path: &str, mount: &Value) {
    let prefix = format!("unit {}", mount_unit_at(path));
    let device = text(&mount["device"]);
    let device = device
        .strip_prefix("LABEL=")
        .map(|label| format!("/dev/disk/by-label/{label}"))
        .unwrap_or(device);
    said.say(format!("{prefix} [Mount] What"), device);
    said.say(format!("{prefix} [Mount] Where"), path);
    said.say(format!("{prefix} [Mount] Type"), text(&mount["fsType"]));
    let options = text(&mount["options"]).replace(' ', ",");
    said.say(format!("{prefix} [Mount] Options"), options);
    said.note(format!("{prefix} starts at boot"));
}

struct Unit<'a> {
    said: &'a mut Said,
    name: &'a str,
    /// The section of its kind.
    section: &'static str,
}

impl<'a> Unit<'a> {
    fn new(said: &'a mut Said, name: &'a str, section: &'static str) -> Self {
        Self {
            said,
            name,
            section,
        }
    }

    fn prefix(&self) -> String {
        format!("unit {}", self.name)
    }

    fn key(&mut self, section: &str, key: &str, value: &str) {
        let (prefix, section) = (self.prefix(), format!("[{section}]"));
        unit::key_of(self.said, &prefix, Some(&section), key, value);
    }

    fn set(mut self, set: &Value) {
        for (key, value) in entries(set) {
            self.option(key, value);
        }
        // One that only others start has nothing to restart.
        let on_demand =
            set["serviceConfig"]["Type"] == "oneshot" && text(&set["wantedBy"]).is_empty();
        let on_change = format!("{} on change", self.prefix());
        if self.name.ends_with(".service") && !on_demand && self.said.get(&on_change).is_none() {
            self.said.set(on_change, "restart");
        }
    }

    fn option(&mut self, key: &str, value: &Value) {
        let (value_text, prefix) = (text(value), self.prefix());
        match key {
            key if OF_UNIT.contains(&key) => self.key("Unit", &capital(key), &value_text),
            "startLimitBurst" => self.key("Unit", "StartLimitBurst", &value_text),
            "startLimitIntervalSec" => self.key("Unit", "StartLimitIntervalSec", &value_text),
            "what" | "where" | "type" | "options" => {
                self.key(self.section, &capital(key), &value_text);
            }
            "unitConfig" => self.keys("Unit", value),
            "environment" => {
                for (name, value) in entries(value) {
                    self.said
                        .say(format!("{prefix} environment {name}"), text(value));
                }
            }
            "wantedBy" | "startAt" if value_text.is_empty() => {}
            "wantedBy" => self.said.note(format!("{prefix} starts at boot")),
            "startAt" => {
                let timer = format!("unit {}.timer", self.name.trim_end_matches(".service"));
                self.said
                    .say(format!("{timer} [Timer] OnCalendar"), value_text);
                self.said.note(format!("{timer} starts at boot"));
            }
            "preStart" => self.key(self.section, "ExecStartPre", &value_text),
            "script" => {
                let script = value_text.replace("\\\n", " ");
                self.key(self.section, "ExecStart", &script);
            }
            "postStart" => self.key(self.section, "ExecStartPost", &value_text),
            "listenStreams" => self.key(self.section, "ListenStream", &value_text),
            "restartIfChanged" | "reloadIfChanged" | "reloadTriggers" => self.on_change(key, value),
            // Its own closure, and what else restarts it.
            "path" | "restartTriggers" => {}
            key if key.ends_with("Config") => self.keys(self.section, value),
            _ => self.said.say(format!("{prefix} {key}"), value_text),
        }
    }

    fn keys(&mut self, section: &str, set: &Value) {
        for (key, value) in entries(set) {
            self.key(section, key, &text(value));
        }
    }

    fn on_change(&mut self, key: &str, value: &Value) {
        let happens = match (key, value) {
            ("restartIfChanged", Value::Bool(true)) => "restart",
            ("restartIfChanged", _) => "nothing",
            ("reloadIfChanged", Value::Bool(true)) => "reload",
            ("reloadTriggers", Value::Array(files)) if !files.is_empty() => "reload",
            _ => return,
        };
        self.said
            .set(format!("{} on change", self.prefix()), happens);
    }
}

/// `bindsTo` → `BindsTo`.
fn capital(key: &str) -> String {
    let mut letters = key.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
