//! Interfaces, names and the firewall.

use serde_json::Value;

use super::{Options, entries, text};
use crate::parity::said::Said;

pub(super) fn say(said: &mut Said, options: &mut Options) {
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
