//! What one concern puts on a host that is given files.

use std::collections::BTreeSet;

use deployctl_core::artifact::Artifact;
use deployctl_core::concern::{Concern, Concerns};
use deployctl_core::name::ManagedPath;
use deployctl_core::rendered::{Entry, OnChange, Rendered};

use super::said::{Said, lines};
use super::{file, unit};

/// Where the kernel's command line is made of parts.
const COMMAND_LINE: &str = "/etc/default/grub.d/";

/// What `concern` puts there. Its parameters of the kernel's command line may be in another concern's file, since the
/// boot loader reads one command line: its manifest names them.
pub(super) fn said(concern: &Concern, concerns: &Concerns, rendered: &Rendered) -> Said {
    let mut said = Said::default();
    // Every platform has the same artifacts: Nix has no part in them.
    let artifacts = rendered
        .artifacts
        .keys()
        .filter_map(|base| Artifact::link(base).ok());
    let artifacts: BTreeSet<ManagedPath> = artifacts.collect();
    let entries = rendered.entries.iter();
    for (path, managed) in entries.filter(|(path, _)| !artifacts.contains(*path)) {
        let (path, own) = (path.as_str(), managed.concern == concern.name);
        match &managed.entry {
            Entry::File { content, .. } if path.starts_with(COMMAND_LINE) => {
                for word in command_line(content) {
                    let claimed =
                        |by: &Concern| by.manifest.kernel_parameters.contains_key(name(word));
                    let elsewhere = concerns
                        .iter()
                        .any(|it| it.name != concern.name && claimed(it));
                    if claimed(concern) || (own && !elsewhere) {
                        said.note(format!("kernel parameter {word}"));
                    }
                }
            }
            _ if !own => {}
            Entry::File { content, .. } => file::file(&mut said, path, content),
            Entry::Directory { ownership: o } => {
                let owned = [&o.mode.to_string(), o.owner.as_str(), o.group.as_str()];
                file::directory(&mut said, path, owned);
            }
            Entry::Symlink { target } => said.say(format!("symlink {path}"), target),
            Entry::Absent => said.note(format!("nothing at {path}")),
        }
    }
    units(&mut said, concern, rendered);
    inline_programs(&mut said, concern, rendered);
    said
}

/// The words that a part of the command line adds.
fn command_line(content: &str) -> impl Iterator<Item = &str> {
    let added = lines(content, "#").filter_map(|line| {
        let (_, words) = line.split_once("$GRUB_CMDLINE_LINUX_DEFAULT")?;
        Some(words.trim_end_matches('"'))
    });
    added.flat_map(str::split_whitespace)
}

/// The parameter that a word of the command line sets.
fn name(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

fn units(said: &mut Said, concern: &Concern, rendered: &Rendered) {
    for (name, want) in &rendered.units {
        if want.concern != concern.name {
            continue;
        }
        if want.enabled == Some(true) {
            said.note(format!("unit {name} starts at boot"));
        }
        if !want.watch.is_empty() && name.as_str().ends_with(".service") {
            let on_change = match want.on_change {
                OnChange::Restart => "restart",
                OnChange::Reload => "reload",
                OnChange::Nothing => "nothing",
            };
            said.say(format!("unit {name} on change"), on_change);
        }
    }
}

/// Puts the program that a unit starts in the place of its path, as `NixOS` has it in the unit.
fn inline_programs(said: &mut Said, concern: &Concern, rendered: &Rendered) {
    let own = rendered
        .entries
        .iter()
        .filter(|(_, it)| it.concern == concern.name);
    let programs: Vec<(&str, &str)> = own
        .filter_map(|(path, managed)| match &managed.entry {
            Entry::File { content, .. } => Some((path.as_str(), content.as_str())),
            _ => None,
        })
        .collect();
    let mut started = BTreeSet::new();
    let commands: Vec<(String, String)> = said
        .things()
        .filter(|thing| thing.contains(" Exec"))
        .filter_map(|thing| {
            Some((
                thing.to_owned(),
                said.get(thing)?.trim_start_matches('-').to_owned(),
            ))
        })
        .collect();
    for (thing, command) in commands {
        let (program, arguments) = command.split_once(' ').unwrap_or((&command, ""));
        let found = programs.iter().find(|(path, _)| *path == program);
        let Some((path, content)) = found else {
            said.set(thing, command);
            continue;
        };
        // Its first line and `set -eu` are the shell's own business.
        let body = lines(content, "#").filter(|line| *line != "set -eu");
        let body = body.collect::<Vec<_>>().join(" ");
        let body = body
            .replace("\"$@\"", arguments)
            .replace("\"$1\"", arguments);
        let words = unit::bare_programs(&body);
        said.set(
            thing,
            words.split_whitespace().collect::<Vec<_>>().join(" "),
        );
        started.insert(format!("file {path}"));
    }
    for thing in started {
        said.remove(&thing);
    }
}
