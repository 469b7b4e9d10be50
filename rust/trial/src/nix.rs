//! What a concern's modules for NixOS and nix-darwin set on the example hosts. The engine asks Nix.

use std::collections::BTreeSet;

use serde_json::Value;

use super::example::Example;
use super::folders::TrialFolders;
use super::{Outcome, Trial};
use deployctl_core::concern::{Concern, Origin};
use deployctl_core::inventory::Platform;

/// What Nix said of a module.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// What it sets, by inventory that was asked for.
    Sets(Vec<Value>),
    /// The folder has no module for the platform.
    NoModule,
    /// It does not evaluate.
    Failed(String),
    /// It could not be tried, and why.
    NotTried(String),
}

impl TrialFolders {
    /// The inventories that the module of `platform` is to be evaluated with: one for each example, then one whose
    /// host does not declare the concern. None where there is nothing to ask.
    pub fn nix_inventories(&self, concern: &Concern, platform: Platform) -> Vec<Value> {
        let declared = self.examples(concern, platform).map(Example::inventory);
        let first = self.examples(concern, platform).next();
        let undeclared = first.map(|it| it.inventory_with(None));
        declared.chain(undeclared).collect()
    }
}

/// Judges what Nix said of the module of `platform`, for the inventories of [`TrialFolders::nix_inventories`].
pub fn nix_trials(concern: &Concern, platform: Platform, evaluated: &Evaluated) -> Vec<Trial> {
    let (what, undeclared_what) = match platform {
        Platform::Darwin => ("darwin/module", "darwin/undeclared"),
        _ => ("nixos/module", "nixos/undeclared"),
    };
    let expected = format!("{platform}.nix evaluates with every example, and sets something");
    let one = |outcome| vec![Trial::new(what, expected.clone(), outcome)];
    if let Some(reason) = concern.manifest.unavailable(platform) {
        return one(Outcome::NotTried(format!("not for {platform}: {reason}")));
    }
    let sets = match evaluated {
        Evaluated::NotTried(reason) => return one(Outcome::NotTried(reason.clone())),
        Evaluated::Failed(found) => {
            let found = found.clone();
            return one(Outcome::Refuted { found, hint: None });
        }
        Evaluated::NoModule => return one(without_module(concern, platform)),
        Evaluated::Sets(sets) => sets,
    };
    let Some((undeclared, declared)) = sets.split_last() else {
        return one(Outcome::NotTried("there was no example".to_owned()));
    };
    let mut trials = one(of_declared(declared));
    let expected = "a host that does not declare the concern is left alone";
    trials.push(Trial::new(
        undeclared_what,
        expected,
        of_undeclared(undeclared),
    ));
    trials
}

/// Why there need not be a module, or that there must be one.
fn without_module(concern: &Concern, platform: Platform) -> Outcome {
    match concern.manifest.checked_only.get(&platform) {
        Some(reason) => Outcome::NotTried(format!("sets nothing: {reason}")),
        None if concern.origin == Origin::BuiltIn => {
            Outcome::NotTried("the program does not contain the module; the flake does".to_owned())
        }
        None => Outcome::refuted(
            format!("there is no {platform}.nix, and `platforms` names {platform}"),
            "write it, or say in `[checked_only]` or `[without]` of concern.toml why there is none",
        ),
    }
}

/// What the module sets on hosts that declare the concern.
fn of_declared(sets: &[Value]) -> Outcome {
    if let Some(message) = sets.iter().find_map(failed_assertion) {
        Outcome::refuted(
            format!("its own assertion fails: {message}"),
            "change the example, or the assertion",
        )
    } else if sets.iter().any(is_empty) {
        Outcome::refuted(
            "it sets nothing on the example's host",
            "look at the condition of its `lib.mkIf`",
        )
    } else {
        Outcome::Proven(format!("sets {}", options(sets).join(", ")))
    }
}

/// The same on a host that does not.
fn of_undeclared(set: &Value) -> Outcome {
    if is_empty(set) {
        return Outcome::Proven("sets nothing there".to_owned());
    }
    let set = options(std::slice::from_ref(set)).join(", ");
    Outcome::refuted(
        format!("sets {set} there"),
        "put it into `lib.mkIf (host ? NAME)`",
    )
}

/// What a module demands rather than sets.
const DEMANDS: [&str; 2] = ["assertions", "warnings"];

/// Whether nothing is set; a module may demand something of hosts that it leaves alone.
fn is_empty(set: &Value) -> bool {
    let mut keys = set.as_object().into_iter().flat_map(|set| set.keys());
    keys.all(|key| DEMANDS.contains(&key.as_str()))
}

/// The message of the first assertion that is false.
fn failed_assertion(set: &Value) -> Option<String> {
    let all = set["assertions"].as_array()?;
    let failed = all.iter().find(|it| it["assertion"] == false)?;
    Some(
        failed["message"]
            .as_str()
            .unwrap_or("without a message")
            .to_owned(),
    )
}

/// `environment.etc`, `systemd.services`: the first two words of every option.
fn options(sets: &[Value]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let all = sets.iter().filter_map(Value::as_object).flatten();
    for (area, inner) in all.filter(|(area, _)| !DEMANDS.contains(&area.as_str())) {
        match inner.as_object() {
            Some(inner) => found.extend(inner.keys().map(|word| format!("{area}.{word}"))),
            None => {
                found.insert(area.clone());
            }
        }
    }
    found.into_iter().collect()
}
