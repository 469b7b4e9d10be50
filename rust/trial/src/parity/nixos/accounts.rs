//! Users, groups and their rights.

use serde_json::Value;

use super::{Options, items, text};
use crate::parity::said::Said;

pub(super) fn say(said: &mut Said, options: &mut Options) {
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
