//! Every concern that a host can declare.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::checks::{self, ChecksFile, JudgeForm};
use super::folder::{ConcernError, ConcernErrors, Folder, Folders, MANIFEST, Origin};
use super::manifest::Manifest;
use super::rules::{self, Rule};
use super::scaffold;
use super::schema;
use crate::inventory::{Host, Platform};
use crate::name::ConcernName;

static BUILT_IN: LazyLock<Concerns> = LazyLock::new(|| {
    Concerns::read_all(Folders::built_in(), None).expect("a test reads what the program contains")
});

/// One concern, as its folder describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// The word in the inventory.
    pub name: ConcernName,
    /// What messages call its folder.
    pub place: String,
    /// Who brings it.
    pub origin: Origin,
    /// What `concern.toml` says.
    pub manifest: Manifest,
    /// The JSON Schema of its facts, without references; `None` where they have a type in Rust.
    pub facts: Option<Value>,
    /// What has to hold of its facts and of others.
    pub(crate) rules: Vec<Rule>,
    /// What a host is asked about it, and what must hold; `None` where the checks are in Rust.
    pub checks: Option<ChecksFile>,
}

/// All of them. A clone shares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concerns(Arc<Vec<Concern>>);

impl Concerns {
    /// Those that the program contains.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Reads every folder; their checks may name `judges`.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn read(folders: &Folders, judges: &[JudgeForm]) -> Result<Self, ConcernErrors> {
        Self::read_all(folders, Some(judges))
    }

    fn read_all(folders: &Folders, judges: Option<&[JudgeForm]>) -> Result<Self, ConcernErrors> {
        let (mut concerns, mut errors) = (Vec::new(), Vec::new());
        for (name, folder) in folders.iter() {
            match Concern::read(name, folder, judges) {
                Ok(concern) => concerns.push(concern),
                Err(found) => errors.extend(found),
            }
        }
        ConcernErrors::check(errors, Clone::clone)?;
        let place = |it: &Concern| (it.manifest.order.unwrap_or(u32::MAX), it.name.clone());
        concerns.sort_by_cached_key(place);
        Ok(Self(Arc::new(concerns)))
    }

    /// In the order of reports.
    pub fn iter(&self) -> std::slice::Iter<'_, Concern> {
        self.0.iter()
    }

    /// The concern of that name.
    pub fn get(&self, name: &str) -> Option<&Concern> {
        self.0.iter().find(|concern| concern.name.as_str() == name)
    }

    /// Its place among the others; the last one where there is no such concern.
    pub fn position(&self, name: &str) -> usize {
        let found = self.0.iter().position(|it| it.name.as_str() == name);
        found.unwrap_or(self.0.len())
    }
}

impl<'a> IntoIterator for &'a Concerns {
    type Item = &'a Concern;
    type IntoIter = std::slice::Iter<'a, Concern>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Concern {
    fn read(
        name: &str,
        folder: &Folder,
        judges: Option<&[JudgeForm]>,
    ) -> Result<Self, Vec<ConcernError>> {
        let file = format!("{}/{MANIFEST}", folder.place);
        let fail = |line, problem: String, hint: Option<&str>| ConcernError {
            file: file.clone(),
            line,
            problem,
            hint: hint.map(str::to_owned),
        };
        let name = ConcernName::new(name).map_err(|e| vec![fail(1, e.to_string(), None)])?;
        if let Some(problem) = scaffold::reserved(name.as_str()) {
            return Err(vec![fail(1, problem, Some("rename the folder"))]);
        }
        let Some(source) = folder.files.get(MANIFEST) else {
            let hint = "it holds `summary` and `platforms`";
            return Err(vec![fail(
                1,
                "the folder has no `concern.toml`".to_owned(),
                Some(hint),
            )]);
        };
        let manifest: Manifest = toml::from_str(source).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(source, span.start));
            vec![fail(line, error.message().replace('\n', " "), None)]
        })?;
        let wrong = manifest.contradictions();
        if !wrong.is_empty() {
            return Err(wrong.into_iter().map(|it| fail(1, it, None)).collect());
        }
        let facts = schema::read(&name, folder)?;
        if let Some(path) = &manifest.blackout
            && !facts
                .as_ref()
                .is_some_and(|it| schema::is_blackout(it, path))
        {
            let problem = format!("`blackout` is `{path}`, which is no fact of that kind");
            let hint = "its schema is `{ \"$ref\": \"deployctl:blackout-hours\" }`, or has `\"type\": [\"object\", \"null\"]` beside it";
            return Err(vec![fail(1, problem, Some(hint))]);
        }
        Ok(Self {
            facts,
            rules: rules::read(folder)?,
            checks: checks::read(folder, judges)?,
            name,
            place: folder.place.clone(),
            origin: folder.origin,
            manifest,
        })
    }

    /// How many rules hold of its facts.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Whether hosts of `platform` can declare it.
    pub fn is_for(&self, platform: Platform) -> bool {
        self.manifest.platforms.contains(&platform)
    }

    /// The path of the fact that says in which hours its units are left alone: `trading.session`.
    pub(crate) fn blackout(&self) -> Option<String> {
        let path = self.manifest.blackout.as_ref()?;
        Some(format!("{}.{path}", self.name))
    }

    /// Whether its fact at `path` may hold line breaks; a list's index is `None`.
    pub(crate) fn is_content(&self, path: &[Option<&str>]) -> bool {
        let schema = self.facts.as_ref();
        schema.is_some_and(|schema| schema::is_content(schema, path))
    }

    /// Whether `host` declares it.
    pub fn is_declared(&self, host: &Host) -> bool {
        host.declares(self.name.as_str())
    }
}

/// The line, from 1, of a byte offset.
pub fn line_at(source: &str, offset: usize) -> usize {
    1 + source.bytes().take(offset).filter(|b| *b == b'\n').count()
}
