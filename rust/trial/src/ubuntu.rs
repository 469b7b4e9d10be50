//! What a concern's `ubuntu/` puts on the example hosts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::example::Example;
use super::folders::first;
use super::{Outcome, Trial, counted};
use deployctl_core::concern::Concern;
use deployctl_core::inventory::Platform;
use deployctl_core::name::{ConcernName, UnitName};
use deployctl_core::render::{
    Facts, RenderErrors, Rendering, Syntax, TemplateSet, is_permitted, render, render_only,
};
use deployctl_core::rendered::{Entry, Rendered};

/// Where systemd looks for units that an administrator writes.
const UNITS: &str = "/etc/systemd/system/";

/// What a path says of the syntax that its reader expects.
const EXPECTED: [(&str, Syntax); 9] = [
    ("/etc/systemd/", Syntax::Unit),
    ("/etc/sysctl.d/", Syntax::Sysctl),
    ("/etc/sudoers.d/", Syntax::Sudoers),
    ("/etc/netplan/", Syntax::Yaml),
    ("/etc/nftables.d/", Syntax::Nft),
    ("/etc/default/grub.d/", Syntax::Grub),
    // Fields of words; what else apt reads has quotes.
    ("/etc/apt/sources.list.d/", Syntax::Words),
    ("/etc/apt/", Syntax::Apt),
    ("/etc/profile.d/", Syntax::Sh),
];

/// A file of age that nobody can open, for the secrets of examples.
const SEALED: &str = "-----BEGIN AGE ENCRYPTED FILE-----\n\
    YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBBQUFBQUFBQUFBQUFBQUFB\n\
    QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBCkFBQUFBQUFBQUFBQUFBQUFBQUFB\n\
    QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUEKLS0tIEFBQUFBQUFBQUFBQUFBQUFBQUFB\n\
    QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUEKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
    AAAAAAAAAAA=\n\
    -----END AGE ENCRYPTED FILE-----\n";

/// What templates see of an example: each of its secrets has a file.
fn facts(inventory: &serde_json::Value) -> Facts {
    let secrets = &inventory["hosts"][Example::name().as_str()]["secrets"]["files"];
    let names = secrets
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    let sealed = names
        .map(|name| (name.clone(), SEALED.to_owned()))
        .collect();
    Facts::from_inventory(inventory).with_sealed(sealed)
}

/// What `concern` puts on the host of `inventory`, rendered without the other concerns; much faster, and the same
/// unless it leans on their files.
pub(super) fn tree_alone(
    concern: &Concern,
    inventory: &serde_json::Value,
    templates: &TemplateSet,
) -> Result<Rendered, RenderErrors> {
    let facts = facts(inventory);
    let own = |name: &ConcernName| *name == concern.name;
    render_only(&facts, &Example::name(), templates, own).map(files)
}

/// The files of a rendering; none for a host that is given a closure.
fn files(rendering: Rendering) -> Rendered {
    match rendering {
        Rendering::Files(rendered) => *rendered,
        Rendering::NeedsClosure { beside, .. } => *beside,
    }
}

/// Renders the host of `inventory` with all modules.
pub(super) fn whole_tree(
    inventory: &serde_json::Value,
    templates: &TemplateSet,
) -> Result<Rendered, RenderErrors> {
    render(&facts(inventory), &Example::name(), templates).map(files)
}

/// The same, with what `concern` declares alone.
pub(super) fn tree(
    concern: &Concern,
    inventory: &serde_json::Value,
    templates: &TemplateSet,
) -> Result<Rendered, RenderErrors> {
    let mut rendered = whole_tree(inventory, templates)?;
    let own = &concern.name;
    rendered.entries.retain(|_, entry| entry.concern == *own);
    rendered
        .packages
        .retain(|_, package| package.concern == *own);
    rendered.units.retain(|_, unit| unit.concern == *own);
    Ok(rendered)
}

/// Tries the module.
pub(super) fn trials(
    concern: &Concern,
    examples: &[&Example],
    templates: &TemplateSet,
) -> Vec<Trial> {
    let expected = "the module renders with every example, twice the same bytes";
    if let Some(reason) = concern.manifest.unavailable(Platform::Ubuntu) {
        let reason = format!("not for ubuntu: {reason}");
        return vec![Trial::new(
            "ubuntu/render",
            expected,
            Outcome::NotTried(reason),
        )];
    }
    let (mut trees, mut wrong) = (Vec::new(), None);
    for example in examples {
        let inventory = example.inventory();
        match (
            tree(concern, &inventory, templates),
            tree(concern, &inventory, templates),
        ) {
            (Ok(first), Ok(second)) if first == second => trees.push(first),
            (Ok(_), Ok(_)) => wrong = Some(("two renders differ".to_owned(), None)),
            (Err(errors), _) | (_, Err(errors)) => wrong = Some(first(&errors)),
        }
    }
    if let Some((found, hint)) = wrong {
        let outcome = Outcome::Refuted { found, hint };
        return vec![Trial::new("ubuntu/render", expected, outcome)];
    }
    let count = |of: fn(&Rendered) -> usize| trees.iter().map(of).max().unwrap_or_default();
    let found = format!(
        "{}, {}, {}",
        counted(count(|it| it.entries.len()), "path"),
        counted(count(|it| it.packages.len()), "package"),
        counted(count(|it| it.units.len()), "unit"),
    );
    let nothing = trees
        .iter()
        .all(|it| it.entries.is_empty() && it.packages.is_empty() && it.units.is_empty());
    let outcome = match (
        nothing,
        concern.manifest.checked_only.get(&Platform::Ubuntu),
    ) {
        (true, Some(reason)) => Outcome::NotTried(format!("puts nothing on Ubuntu: {reason}")),
        (true, None) => Outcome::refuted(
            "it puts nothing on Ubuntu",
            "write ubuntu/module.toml, or say in `[checked_only]` of concern.toml why there is nothing",
        ),
        (false, _) => Outcome::Proven(found),
    };
    let mut trials = vec![Trial::new("ubuntu/render", expected, outcome)];
    if !nothing {
        trials.extend([paths(&trees), syntaxes(&trees, templates), units(&trees)]);
    }
    trials
}

/// Where the paths are; one that is elsewhere is not rendered, unless the module says why facts choose it.
fn paths(trees: &[Rendered]) -> Trial {
    let expected = "paths are where the host's administrator has files, or where facts say";
    let all: BTreeSet<&str> = trees
        .iter()
        .flat_map(|tree| tree.entries.keys())
        .map(AsRef::as_ref)
        .collect();
    let chosen = all.iter().filter(|path| !is_permitted(path)).count();
    let mut found = counted(all.len(), "path");
    if chosen > 0 {
        let _ = write!(found, ", {chosen} of them chosen by facts");
    }
    Trial::new("ubuntu/paths", expected, Outcome::Proven(found))
}

/// Whether templates are written in the syntax of their readers.
fn syntaxes(trees: &[Rendered], templates: &TemplateSet) -> Trial {
    let expected = "`syntax` is that of the program that reads the file";
    let (mut known, mut wrong) = (0, Vec::new());
    for (path, entry) in trees.iter().flat_map(|tree| &tree.entries) {
        let Entry::File { content, .. } = &entry.entry else {
            continue;
        };
        let Some(syntax) = entry
            .template
            .as_deref()
            .and_then(|it| templates.syntax(it))
        else {
            continue;
        };
        let by_path = EXPECTED
            .iter()
            .find(|(folder, _)| path.as_str().starts_with(folder))
            .map(|(_, syntax)| *syntax);
        let script = content.starts_with("#!/bin/sh") || content.starts_with("#!/bin/bash");
        let Some(wanted) = by_path.or(script.then_some(Syntax::Sh)) else {
            continue;
        };
        known += 1;
        if syntax != wanted {
            wrong.push(format!(
                "`{path}` is written as `{}` and read as `{}`",
                syntax.name(),
                wanted.name()
            ));
        }
    }
    wrong.dedup();
    let outcome = match wrong.first() {
        Some(first) => Outcome::refuted(
            first,
            "a value could mean something to the reader: correct `syntax` in module.toml",
        ),
        None if known == 0 => {
            Outcome::NotTried("no file whose reader its path or first line tells".to_owned())
        }
        None => Outcome::Proven(counted(known, "file")),
    };
    Trial::new("ubuntu/syntax", expected, outcome)
}

fn units(trees: &[Rendered]) -> Trial {
    let expected =
        "every unit is a file of the concern, comes with its packages, or is systemd's own";
    let (mut own, mut packaged, mut systemd) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut from_nowhere = Vec::new();
    for tree in trees {
        for unit in tree.units.keys() {
            if is_file(tree, unit) {
                own.insert(unit.as_str());
            } else if unit.as_str().starts_with("systemd-") {
                systemd.insert(unit.as_str());
            } else if !tree.packages.is_empty() {
                packaged.insert(unit.as_str());
            } else {
                from_nowhere.push(unit.as_str());
            }
        }
    }
    let outcome = if let Some(unit) = from_nowhere.first() {
        Outcome::refuted(
            format!("`{unit}` is no file of the concern, which has no packages either"),
            &format!("write {UNITS}{unit} as a file, or declare the package that brings it"),
        )
    } else if own.is_empty() && packaged.is_empty() && systemd.is_empty() {
        Outcome::NotTried("it has no units".to_owned())
    } else {
        let counts = [
            (own.len(), "from its files"),
            (packaged.len(), "from packages"),
            (systemd.len(), "of systemd"),
        ];
        let told = counts.into_iter().filter(|(count, _)| *count > 0);
        let told: Vec<_> = told
            .map(|(count, whence)| format!("{count} {whence}"))
            .collect();
        Outcome::Proven(told.join(", "))
    };
    Trial::new("ubuntu/units", expected, outcome)
}

/// Whether the tree has the unit's file, or that of its template (`name@.service`).
fn is_file(tree: &Rendered, unit: &UnitName) -> bool {
    let has = |name: &str| {
        let path = format!("{UNITS}{name}");
        tree.entries.keys().any(|at| at.as_str() == path)
    };
    let template = unit.as_str().split_once('@').and_then(|(stem, rest)| {
        let (_, ending) = rest.rsplit_once('.')?;
        Some(format!("{stem}@.{ending}"))
    });
    has(unit.as_str()) || template.is_some_and(|it| has(&it))
}
