//! Whether Ubuntu and `NixOS` get the same of the same facts, thing by thing: units and their keys, files, kernel
//! settings, parameters and modules, accounts, groups and rights, interfaces. Packages are not compared, nor what
//! follows a change. What differs on purpose is in `[parity]` of the concern's manifest.

mod file;
mod nixos;
mod said;
mod ubuntu;
mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde_json::Value;

pub use self::said::Said;
use super::nix::Evaluated;
use super::{Outcome, Trial, TrialFolders, counted};
use deployctl_core::concern::{Concern, Concerns};
use deployctl_core::glob::glob;
use deployctl_core::inventory::Platform;
use deployctl_core::rendered::Rendered;

/// What one host gets of a concern on either platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sides {
    /// What its `ubuntu/` renders.
    pub ubuntu: Said,
    /// What its nixos.nix sets.
    pub nixos: Said,
}

impl Sides {
    /// Of a host whose rendering with all `concerns` is `rendered`, and where nixos.nix of `concern` sets `set`.
    pub fn new(concern: &Concern, concerns: &Concerns, rendered: &Rendered, set: &Value) -> Self {
        Self {
            ubuntu: ubuntu::said(concern, concerns, rendered),
            nixos: nixos::said(set),
        }
    }
}

/// A thing that one platform says alone, or says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Such as `unit web.service [Service] User`.
    pub thing: String,
    /// Its value on Ubuntu.
    pub ubuntu: Option<String>,
    /// Its value on `NixOS`.
    pub nixos: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thing = &self.thing;
        match (self.ubuntu.as_deref(), self.nixos.as_deref()) {
            (Some(ubuntu), Some(nixos)) => {
                let (ubuntu, nixos) = (brief(ubuntu), brief(nixos));
                write!(
                    f,
                    "`{thing}` is `{ubuntu}` on Ubuntu and `{nixos}` on NixOS"
                )
            }
            (Some(value), None) => write!(f, "`{thing}` is on Ubuntu alone{}", told(value)),
            (None, value) => write!(
                f,
                "`{thing}` is on NixOS alone{}",
                told(value.unwrap_or_default())
            ),
        }
    }
}

/// The value of a thing that one side has, where it says more than that the thing is there.
fn told(value: &str) -> String {
    match value {
        "yes" | "" => String::new(),
        value => format!(": `{}`", brief(value)),
    }
}

/// The beginning of a long value.
fn brief(value: &str) -> String {
    const MOST: usize = 30;
    if value.chars().count() <= MOST {
        return value.to_owned();
    }
    value.chars().take(MOST).chain(['…']).collect()
}

/// Hosts compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// How many things there were.
    pub things: usize,
    /// What differs and is not listed.
    pub unlisted: BTreeSet<Difference>,
    /// What is listed and no difference on any of the hosts.
    pub stale: BTreeSet<String>,
}

/// Compares the sides of several hosts; `listed` are differences with their reasons, each a thing, or several, where `*`
/// is any text.
pub fn compare<'a>(
    listed: &BTreeMap<String, String>,
    hosts: impl IntoIterator<Item = &'a Sides>,
) -> Compared {
    let mut compared = Compared {
        stale: listed.keys().cloned().collect(),
        ..Compared::default()
    };
    for Sides { ubuntu, nixos } in hosts {
        let things: BTreeSet<&str> = ubuntu.things().chain(nixos.things()).collect();
        compared.things = compared.things.max(things.len());
        for thing in things {
            if ubuntu.get(thing) == nixos.get(thing) {
                continue;
            }
            let covers = |listed: &&String| glob(listed, thing);
            // The one that says most of it.
            match listed.keys().filter(covers).max_by_key(|it| it.len()) {
                Some(found) => {
                    compared.stale.remove(found);
                }
                None => {
                    compared.unlisted.insert(Difference {
                        thing: thing.to_owned(),
                        ubuntu: ubuntu.get(thing).map(str::to_owned),
                        nixos: nixos.get(thing).map(str::to_owned),
                    });
                }
            }
        }
    }
    compared
}

impl TrialFolders {
    /// Whether `ubuntu/` and nixos.nix of `concern` put the same on example hosts that say the same; `evaluated` is what
    /// Nix said for the inventories of [`TrialFolders::nix_inventories`]. None where there is nothing to compare.
    pub fn parity_trial(&self, concern: &Concern, evaluated: &Evaluated) -> Option<Trial> {
        let manifest = &concern.manifest;
        if !manifest.has_parity() {
            return None;
        }
        let sets = match evaluated {
            Evaluated::Sets(sets) => sets,
            Evaluated::NotTried(reason) => {
                return Some(trial(Outcome::NotTried(reason.clone())));
            }
            // Another trial tells it.
            Evaluated::NoModule | Evaluated::Failed(_) => return None,
        };
        let mut hosts = Vec::new();
        for (on_nixos, set) in self.examples(concern, Platform::Nixos).zip(sets) {
            let mut on_ubuntu = self.examples(concern, Platform::Ubuntu);
            let Some(same) = on_ubuntu.find(|it| it.facts == on_nixos.facts) else {
                continue;
            };
            // One that does not render is another trial's to tell.
            let rendered = self.rendered(same).ok()?;
            hosts.push(Sides::new(concern, self.concerns(), &rendered, set));
        }
        let mut compared = compare(&manifest.parity, &hosts);
        if concern.facts.is_none() {
            // One example stands for facts of a type in Rust, and no folder can add another.
            compared.stale.clear();
        }
        Some(trial(judge(&compared, hosts.len())))
    }
}

fn trial(outcome: Outcome) -> Trial {
    let expected = "Ubuntu and NixOS get the same of the same facts, or `[parity]` says why not";
    Trial::new("parity", expected, outcome)
}

/// How many differences are told.
const TOLD: usize = 3;

fn judge(compared: &Compared, hosts: usize) -> Outcome {
    if let Some(first) = compared.unlisted.first() {
        let told = compared
            .unlisted
            .iter()
            .take(TOLD)
            .map(Difference::to_string);
        let mut found = told.collect::<Vec<_>>().join("; ");
        if let Some(more @ 1..) = compared.unlisted.len().checked_sub(TOLD) {
            let _ = write!(found, "; and {more} more");
        }
        let hint = format!(
            "make them the same, or give the reason in `[parity]` of concern.toml: `\"{}\" = \"…\"`",
            first.thing
        );
        return Outcome::refuted(found, &hint);
    }
    if !compared.stale.is_empty() {
        let stale: Vec<&str> = compared.stale.iter().map(String::as_str).collect();
        return Outcome::refuted(
            format!(
                "`[parity]` lists `{}`, where no example shows a difference",
                stale.join("`, `")
            ),
            "take it out, or add an example that shows it",
        );
    }
    if hosts == 0 {
        return Outcome::NotTried("no example is one of both platforms".to_owned());
    }
    Outcome::Proven(format!("{} compared", counted(compared.things, "thing")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a file of Ubuntu says, and how `NixOS` says the same.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a test is one story or one table")]
    fn both_platforms_have_words_for_the_same() {
        for (path, text, set) in [
            (
                "/etc/sysctl.d/60-web.conf",
                "# why\n-net.core.somaxconn = 1024\nvm.swappiness=1\n",
                json!({ "boot": { "kernel": { "sysctl": { "net.core.somaxconn": 1024, "vm.swappiness": "1" } } } }),
            ),
            (
                "/etc/modules-load.d/web.conf",
                "tcp_bbr\n",
                json!({ "boot": { "kernelModules": ["tcp_bbr"] } }),
            ),
            (
                "/etc/sysusers.d/web.conf",
                "u web - \"A web server\" /var/lib/web /usr/sbin/nologin\ng web -\ng sites -\nm web sites\n",
                json!({ "users": {
                    "users": { "web": {
                        "isSystemUser": true, "home": "/var/lib/web", "group": "web", "extraGroups": ["sites"],
                    } },
                    "groups": { "web": {}, "sites": {} },
                } }),
            ),
            (
                "/etc/tmpfiles.d/web.conf",
                "d /srv/web 0750 web web -\nd /srv/log - - -\n",
                json!({ "systemd": { "tmpfiles": {
                    "rules": ["d /srv/log - - -"],
                    "settings": { "web": { "/srv/web": { "d": { "mode": "0750", "user": "web", "group": "web" } } } },
                } } }),
            ),
            (
                "/etc/systemd/system/web.timer",
                "[Unit]\nDescription=Web\n[Timer]\nOnCalendar=daily\nPersistent=true\n[Install]\nWantedBy=timers.target\n",
                json!({ "systemd": { "timers": { "web": {
                    "description": "Web", "timerConfig": { "OnCalendar": "daily", "Persistent": true },
                } } } }),
            ),
            (
                "/etc/systemd/system/web.service",
                "[Unit]\nAfter=network.target\n[Service]\nType=oneshot\nExecStart=-/usr/sbin/web --all\nEnvironment=A=1\n",
                json!({ "systemd": { "services": { "web": {
                    "after": ["network.target"],
                    "environment": { "A": "1" },
                    "serviceConfig": { "Type": "oneshot", "ExecStart": "-<pkgs.web>/bin/web --all" },
                } } } }),
            ),
            (
                "/etc/web.env",
                "A=1\n",
                json!({ "systemd": { "tmpfiles": { "settings": { "web": {
                    "/etc": { "L+": { "argument": "<writeTextDir web.env\nA=1\n>" } },
                } } } } }),
            ),
            (
                "/etc/web.conf",
                "port  80\n",
                json!({ "environment": { "etc": { "web.conf": { "text": "port 80" } } } }),
            ),
        ] {
            let mut ubuntu = Said::default();
            file::file(&mut ubuntu, path, text);
            assert_eq!(ubuntu, nixos::said(&set), "{path}");
        }
    }

    /// No module's values make the comparison fail: each is a thing, or nothing.
    #[test]
    fn values_of_any_kind_are_read() {
        let kinds = [
            json!(null),
            json!(true),
            json!(1.5),
            json!("é"),
            json!([[]]),
            json!([{ "": "" }]),
            json!({ "": { "": {} } }),
            json!({ "lines": 1 }),
        ];
        for value in &kinds {
            for path in [
                "users.users",
                "users.users.web",
                "systemd.services.web",
                "systemd.services.web.é",
                "systemd.mounts",
                "systemd.tmpfiles.settings.a.b",
                "systemd.tmpfiles.rules",
                "boot.kernelPatches",
                "boot.kernel.sysctl",
                "environment.etc.web",
                "security.sudo.extraRules",
                "networking.nftables.tables.web",
                "fileSystems./",
            ] {
                let segments = path.split('.').rev();
                let set = segments.fold(value.clone(), |inner, key| json!({ key: inner }));
                nixos::said(&set);
            }
            nixos::said(value);
        }
    }
}
