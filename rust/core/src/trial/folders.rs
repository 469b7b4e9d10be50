//! Where a folder is tried: among all folders that can be read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::example::{Example, Judge};
use super::{Outcome, Trial, counted, hostile, slips, ubuntu};
use crate::concern::{Concern, Concerns, Folders, JudgeForm};
use crate::errors::{Errors, Hinted};
use crate::inventory::{Inventory, InventoryErrors, Platform, Reader};
use crate::render::TemplateSet;

/// The folders, read.
pub struct TrialFolders {
    sound: Concerns,
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
        Self {
            sound: Concerns::read(&sound, judges).expect("each was read by itself"),
            templates: TemplateSet::of(&sound).expect("each was read by itself"),
            broken,
        }
    }

    /// The concern of that name, where its folder can be read.
    pub fn concern(&self, name: &str) -> Option<&Concern> {
        self.sound.get(name)
    }

    /// The hosts of `platform` on which the concern is tried; none where it is not for that platform.
    pub fn examples(&self, concern: &Concern, platform: Platform) -> Vec<Example> {
        if !concern.is_for(platform) {
            return Vec::new();
        }
        Example::of(concern, platform)
    }

    /// Reads an inventory whose hosts may declare all concerns that can be read.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn inventory(&self, raw: Value) -> Result<Inventory, InventoryErrors> {
        Reader::new(&self.sound).read(raw)
    }

    /// Tries the folder of that name. What needs Nix is not among it.
    pub fn trials(&self, name: &str) -> Vec<Trial> {
        const READ: &str = "every file of the folder can be read";
        let Some(concern) = self.sound.get(name) else {
            let errors = self.broken.get(name).into_iter().flatten();
            let refuted = errors.map(|(found, hint)| {
                let (found, hint) = (found.clone(), hint.clone());
                Trial::new("folder", READ, Outcome::Refuted { found, hint })
            });
            return refuted.collect();
        };
        let paths = self.templates.paths(&concern.name).count();
        let found = format!(
            "{}, {} on Ubuntu",
            counted(concern.rules.len(), "rule"),
            counted(paths, "path")
        );
        let mut trials = vec![Trial::new("folder", READ, Outcome::Proven(found))];
        let judge = Judge::new(&self.sound, concern);
        let examples: Vec<Example> = Platform::ALL
            .into_iter()
            .flat_map(|platform| self.examples(concern, platform))
            .collect();
        let (examples_trial, sound) = read_examples(concern, &examples, &judge);
        trials.push(examples_trial);
        if !sound {
            return trials;
        }
        trials.push(slips::trial(concern, &examples, &judge));
        let on_ubuntu = examples.iter().filter(|it| it.platform == Platform::Ubuntu);
        let on_ubuntu: Vec<&Example> = on_ubuntu.collect();
        trials.extend(ubuntu::trials(concern, &on_ubuntu, &self.templates));
        trials.push(hostile::trial(concern, &on_ubuntu, &judge, &self.templates));
        trials
    }
}

/// Whether hosts can say what `examples` say, rules included.
fn read_examples(concern: &Concern, examples: &[Example], judge: &Judge<'_>) -> (Trial, bool) {
    let expected = "each of `examples` fits the schema, the rules and a host of every platform";
    let outcome = if examples.is_empty() {
        Outcome::refuted(
            "the schema has no `examples`",
            "put facts as a host says them into `examples`, beside `properties`",
        )
    } else {
        let wrong = examples.iter().find_map(|example| {
            let errors = judge.errors(example)?;
            Some((example.platform, first(&errors)))
        });
        if let Some((platform, (found, hint))) = wrong {
            let hint = hint.unwrap_or_else(|| NEEDS.to_owned());
            Outcome::refuted(format!("on {platform}: {found}"), &hint)
        } else {
            let platforms: Vec<&str> = Platform::ALL
                .into_iter()
                .filter(|platform| concern.is_for(*platform))
                .map(Platform::as_str)
                .collect();
            let count = examples.len() / platforms.len().max(1);
            let platforms = platforms.join(", ");
            Outcome::Proven(format!("{} on {platforms}", counted(count, "example")))
        }
    };
    let sound = matches!(outcome, Outcome::Proven(_));
    (Trial::new("examples", expected, outcome), sound)
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
