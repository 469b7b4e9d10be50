//! Where a folder is tried: among all folders that can be read.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::example::{Example, Judge};
use super::{Outcome, Trial, counted, hostile, slips, ubuntu};
use deployctl_core::concern::{Concern, Concerns, Folders, JudgeForm};
use deployctl_core::errors::{Errors, Hinted};
use deployctl_core::inventory::{Inventory, InventoryErrors, Platform, Reader};
use deployctl_core::name::ConcernName;
use deployctl_core::render::{RenderErrors, TemplateSet};
use deployctl_core::rendered::Rendered;

/// The hosts on which a concern is tried.
#[derive(Default)]
struct Hosts {
    /// Those that can be.
    sound: Vec<Example>,
    /// What is wrong with the others.
    wrong: Vec<(Example, InventoryErrors)>,
}

/// The folders, read.
pub struct TrialFolders {
    sound: Concerns,
    reader: Reader,
    /// The hosts on which each concern is tried.
    hosts: BTreeMap<ConcernName, OnceLock<Hosts>>,
    templates: TemplateSet,
    /// What is wrong with the others, each with its hint, by name.
    broken: BTreeMap<String, Vec<(String, Option<String>)>>,
}

impl TrialFolders {
    /// Reads every folder by itself, so that one that is wrong keeps none of the others from being tried; their checks
    /// may name `judges`.
    #[expect(
        clippy::missing_panics_doc,
        reason = "folders that were read one by one are read together"
    )]
    pub fn new(folders: &Folders, judges: &[JudgeForm]) -> Self {
        let mut broken = BTreeMap::new();
        for (name, folder) in folders.iter() {
            let alone = Folders::default().with_folder(name, folder.clone());
            let errors = match Concerns::read(&alone, judges) {
                Err(errors) => told(&errors),
                Ok(_) => match TemplateSet::of(&alone) {
                    Err(errors) => told(&errors),
                    Ok(_) => continue,
                },
            };
            broken.insert(name.to_owned(), errors);
        }
        let sound = folders.only(|name| !broken.contains_key(name));
        let templates = TemplateSet::of(&sound).expect("each was read by itself");
        let sound = Concerns::read(&sound, judges).expect("each was read by itself");
        let hosts = sound
            .iter()
            .map(|it| (it.name.clone(), OnceLock::new()))
            .collect();
        Self {
            reader: Reader::new(&sound),
            hosts,
            sound,
            templates,
            broken,
        }
    }

    /// The concern of that name, where its folder can be read.
    pub fn concern(&self, name: &str) -> Option<&Concern> {
        self.sound.get(name)
    }

    /// All concerns whose folders can be read.
    pub(super) fn concerns(&self) -> &Concerns {
        &self.sound
    }

    /// What all modules put on the host of `example`.
    pub(super) fn rendered(&self, example: &Example) -> Result<Rendered, RenderErrors> {
        ubuntu::whole_tree(&example.inventory(), &self.templates)
    }

    /// The hosts of `platform` on which the concern is tried; none where it is not for that platform.
    pub fn examples(
        &self,
        concern: &Concern,
        platform: Platform,
    ) -> impl Iterator<Item = &Example> {
        let sound = self.hosts(concern).map(|it| it.sound.iter());
        let sound = sound.into_iter().flatten();
        sound.filter(move |it| it.platform == platform)
    }

    /// The hosts on which the concern is tried; none where its folder is not one of these.
    fn hosts(&self, concern: &Concern) -> Option<&Hosts> {
        let made = self.hosts.get(&concern.name)?;
        Some(made.get_or_init(|| {
            let mut hosts = Hosts::default();
            let platforms = Platform::ALL.into_iter().filter(|it| concern.is_for(*it));
            for example in platforms.flat_map(|it| Example::of(&self.sound, concern, it)) {
                match self.reader.read(example.inventory()) {
                    Ok(_) => hosts.sound.push(example),
                    Err(errors) => hosts.wrong.push((example, errors)),
                }
            }
            hosts
        }))
    }

    /// Reads an inventory whose hosts may declare all concerns that can be read.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn inventory(&self, raw: Value) -> Result<Inventory, InventoryErrors> {
        self.reader.read(raw)
    }

    /// Tries the folder of that name. What needs Nix is not among it.
    pub fn trials(&self, name: &str) -> Vec<Trial> {
        const READ: &str = "every file of the folder can be read";
        let Some(concern) = self.sound.get(name) else {
            let errors = self.broken.get(name).into_iter().flatten();
            let invalid = errors.map(|(found, hint)| {
                let (found, hint) = (found.clone(), hint.clone());
                Trial::new("folder", READ, Outcome::Invalid { found, hint })
            });
            return invalid.collect();
        };
        let paths = self.templates.paths(&concern.name).count();
        let found = format!(
            "{}, {} on Ubuntu",
            counted(concern.rule_count(), "rule"),
            counted(paths, "path")
        );
        let mut trials = vec![Trial::new("folder", READ, Outcome::Proven(found))];
        let nothing = Hosts::default();
        let hosts = self.hosts(concern).unwrap_or(&nothing);
        let examples_trial = hosts.trial();
        let sound = matches!(examples_trial.outcome, Outcome::Proven(_));
        trials.push(examples_trial);
        if !sound {
            return trials;
        }
        let judge = Judge::new(&self.reader, concern);
        trials.push(slips::trial(concern, &hosts.sound, &judge));
        let on_ubuntu: Vec<&Example> = self.examples(concern, Platform::Ubuntu).collect();
        trials.extend(ubuntu::trials(concern, &on_ubuntu, &self.templates));
        trials.push(hostile::trial(concern, &on_ubuntu, &judge, &self.templates));
        trials
    }
}

impl Hosts {
    /// Whether hosts can say what `examples` say, rules included.
    fn trial(&self) -> Trial {
        let expected =
            "each of `examples` fits the schema and the rules, and every platform has one";
        let outcome = match self.unfit() {
            Some((example, errors)) => {
                let (found, hint) = first(errors);
                let hint = hint.unwrap_or_else(|| NEEDS.to_owned());
                Outcome::refuted(format!("on {}: {found}", example.platform), &hint)
            }
            None if self.sound.is_empty() => Outcome::refuted(
                "the schema has no `examples`",
                "put facts as a host says them into `examples`, beside `properties`",
            ),
            None => Outcome::Proven(self.told()),
        };
        Trial::new("examples", expected, outcome)
    }

    /// An example that fits no platform, or the first of a platform that none fits.
    fn unfit(&self) -> Option<&(Example, InventoryErrors)> {
        self.wrong.iter().find(|(wrong, _)| {
            let mut sound = self.sound.iter();
            let facts = |it: &Example| it.facts == wrong.facts;
            !sound.clone().any(facts) || !sound.any(|it| it.platform == wrong.platform)
        })
    }

    /// `1 example on ubuntu, nixos`, or how many each platform has.
    fn told(&self) -> String {
        let mut counts: Vec<(usize, Vec<&str>)> = Vec::new();
        for platform in Platform::ALL {
            let own = self.sound.iter().filter(|it| it.platform == platform);
            match (own.count(), counts.last_mut()) {
                (0, _) => {}
                (count, Some((same, names))) if count == *same => names.push(platform.as_str()),
                (count, _) => counts.push((count, vec![platform.as_str()])),
            }
        }
        let told = counts.iter().map(|(count, names)| {
            let names = names.join(", ");
            format!("{} on {names}", counted(*count, "example"))
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

/// What an example may lack.
const NEEDS: &str =
    "change the example; other facts that it needs go into `[example_host]` of concern.toml";

/// Errors with their hints.
fn told<E: Hinted>(errors: &Errors<E>) -> Vec<(String, Option<String>)> {
    let each = errors.iter();
    each.map(|it| (it.to_string(), it.hint().map(str::to_owned)))
        .collect()
}

/// The first of several errors, and its hint.
pub(super) fn first<E: Hinted>(errors: &Errors<E>) -> (String, Option<String>) {
    told(errors).swap_remove(0)
}
