//! From one module's items to entries, packages and units of one host.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::artifact;
use super::draft::{Draft, Origin};
use super::error::{Fault, RenderError};
use super::module_file::{
    AbsentItem, ArtifactItem, DirectoryItem, FileItem, ModuleFile, PackageItem, ReleaseItem,
    SymlinkItem, Text, UnitItem,
};
use super::place::{self, implied};
use super::scope::{Occurrence, Scope};
use super::template_set::Module;
use crate::artifact::Artifact;
use crate::name::{AccountName, ManagedPath, PackageName, UnitName};
use crate::rendered::{
    Entry, FollowUp, ManagedEntry, Mode, OnChange, Ownership, PackageFile, PackageWant, Sha256Hex,
    UnitWant,
};

/// Seconds a unit's start may take when its module says nothing: systemd's own default.
const DEFAULT_START_TIMEOUT_SECONDS: u32 = 90;

/// Puts everything that `module` declares for the scope's host into `draft`.
pub(super) fn expand(scope: &Scope, module: &Module, draft: &mut Draft) {
    let ModuleFile {
        applies: _,
        facts_choose_paths: _,
        file,
        directory,
        symlink,
        absent,
        release,
        artifact,
        package,
        unit,
    } = &module.file;
    let expand = Expand { scope, module };
    for item in file {
        expand.every(draft, item.occurs(), |at, draft| {
            expand.file(item, at, draft)
        });
    }
    for item in directory {
        expand.every(draft, item.occurs(), |at, draft| {
            expand.directory(item, at, draft)
        });
    }
    for item in symlink {
        expand.every(draft, item.occurs(), |at, draft| {
            expand.symlink(item, at, draft)
        });
    }
    for item in absent {
        expand.every(draft, item.occurs(), |at, draft| {
            expand.absent(item, at, draft)
        });
    }
    for item in release {
        expand.every(draft, item.occurs(), |at, draft| {
            expand.release(item, at, draft)
        });
    }
    expand.artifacts(artifact, draft);
    for item in package {
        expand.every(draft, item.occurs(), |at, draft| {
            expand.package(item, at, draft)
        });
    }
    for item in unit {
        expand.every(draft, item.occurs(), |at, draft| {
            expand.unit(item, at, draft)
        });
    }
}

/// Puts the artifacts alone into `draft`: all that a module brings to a host whose system Nix builds.
pub(super) fn artifacts(scope: &Scope, module: &Module, draft: &mut Draft) {
    let expand = Expand { scope, module };
    expand.artifacts(&module.file.artifact, draft);
}

struct Expand<'a> {
    scope: &'a Scope<'a>,
    module: &'a Module,
}

type Outcome = Result<(), RenderError>;

impl Expand<'_> {
    /// Runs `one` for every occurrence; an error is noted and the next one goes on.
    fn every(
        &self,
        draft: &mut Draft,
        occurs: super::module_file::Occurs,
        one: impl Fn(&Occurrence, &mut Draft) -> Outcome,
    ) {
        match self.scope.occurrences(occurs) {
            Err(error) => draft.errors.push(error),
            Ok(occurrences) => {
                for at in &occurrences {
                    self.scope.begin();
                    if let Err(error) = one(at, draft) {
                        draft.errors.push(error);
                    }
                }
            }
        }
    }

    fn origin(&self, text: &Text) -> Origin {
        Origin {
            file: self.module.manifest(),
            line: self.module.line(text.span()),
        }
    }

    fn path(&self, text: &Text, at: &Occurrence) -> Result<ManagedPath, RenderError> {
        let path = self.scope.name("path", text, at, ManagedPath::new)?;
        let anywhere = self.module.file.facts_choose_paths.is_some();
        // What is reserved is told by that.
        if anywhere
            || place::is_permitted(path.as_str())
            || place::reserved(path.as_str()).is_some()
        {
            return Ok(path);
        }
        let fault = place::outside(path.as_str());
        let error = self.scope.error_at(text.span(), fault);
        Err(RenderError {
            hint: Some(place::HINT.to_owned()),
            ..error
        })
    }

    fn file(&self, item: &FileItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let path = self.path(&item.path, at)?;
        let ownership = self.ownership([&item.mode, &item.owner, &item.group], 0o644, at)?;
        let template = self
            .module
            .template_of(item)?
            .map(|(below, _)| self.module.template_name(&below));
        let content = match (&template, &item.content) {
            (Some(name), _) => self.scope.template(name, at)?,
            (None, Some(expression)) => self.literal(expression, at)?,
            (None, None) => String::new(),
        };
        let validator = match &item.validate {
            None => None,
            Some(argv) => Some(
                argv.iter()
                    .map(|word| self.scope.text(word, at))
                    .collect::<Result<_, _>>()?,
            ),
        };
        let package = item.validate_with.as_ref();
        let package =
            package.map(|text| self.scope.name("validate_with", text, at, PackageName::new));
        let entry = ManagedEntry {
            template,
            validator,
            validator_package: package.transpose()?,
            ..self.entry(
                &path,
                Entry::File { content, ownership },
                &item.follow_ups,
                at,
            )
        };
        draft.add_path(path, entry, self.origin(&item.path));
        Ok(())
    }

    fn directory(&self, item: &DirectoryItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let path = self.path(&item.path, at)?;
        let ownership = self.ownership([&item.mode, &item.owner, &item.group], 0o755, at)?;
        let entry = self.entry(&path, Entry::Directory { ownership }, &[], at);
        draft.add_path(path, entry, self.origin(&item.path));
        Ok(())
    }

    fn symlink(&self, item: &SymlinkItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let path = self.path(&item.path, at)?;
        let target = self.scope.text(&item.target, at)?;
        if target.is_empty() || target.chars().any(char::is_control) {
            let reason = "a link's target is neither empty nor holds control characters".to_owned();
            return Err(self.scope.field_error(&item.target, "target", reason));
        }
        let entry = self.entry(&path, Entry::Symlink { target }, &item.follow_ups, at);
        draft.add_path(path, entry, self.origin(&item.path));
        Ok(())
    }

    fn absent(&self, item: &AbsentItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let path = self.path(&item.path, at)?;
        let entry = self.entry(&path, Entry::Absent, &item.follow_ups, at);
        draft.add_path(path, entry, self.origin(&item.path));
        Ok(())
    }

    /// A release is its files in a directory named by their hash, and the link that names it: the
    /// switch from one to the next is one rename.
    fn release(&self, item: &ReleaseItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let base = self.path(&item.base, at)?;
        let ownership = self.ownership([&item.mode, &item.owner, &item.group], 0o644, at)?;
        let mut files = Vec::new();
        let mut hashed = format!(
            "{} {} {}\n",
            ownership.mode, ownership.owner, ownership.group
        );
        for (below, name) in self.module.folder_templates(item.folder.get_ref()) {
            let content = self.scope.template(&name, at)?;
            let _ = writeln!(hashed, "{below} {}", Sha256Hex::of(content.as_bytes()));
            files.push((below, name, content));
        }
        let hash = Sha256Hex::of(hashed.as_bytes());
        let facts = self.scope.facts(at);
        let target = format!("releases/{}", hash.short());
        let managed = |below: &str| {
            ManagedPath::new(format!("{base}/{below}")).map_err(|error| {
                self.scope
                    .field_error(&item.base, "base", error.to_string())
            })
        };
        for (below, name, content) in files {
            let path = managed(&format!("{target}/{below}"))?;
            let entry = Entry::File {
                content,
                ownership: ownership.clone(),
            };
            let entry = ManagedEntry {
                template: Some(name),
                facts: facts.clone(),
                ..self.entry(&path, entry, &[], at)
            };
            draft.add_path(path, entry, self.origin(&item.base));
        }
        let path = managed("current")?;
        let entry = ManagedEntry {
            facts,
            ..self.entry(&path, Entry::Symlink { target }, &[], at)
        };
        draft.add_path(path, entry, self.origin(&item.base));
        Ok(())
    }

    fn artifacts(&self, items: &[ArtifactItem], draft: &mut Draft) {
        for item in items {
            self.every(draft, item.occurs(), |at, draft| {
                self.artifact(item, at, draft)
            });
        }
    }

    /// An artifact is the link to its release, and what the host needs to fetch that.
    fn artifact(&self, item: &ArtifactItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let base = self.path(&item.base, at)?;
        let (artifact, facts) = artifact::read(self.scope, self.module, item, at)?;
        let path = Artifact::link(&base).map_err(|error| {
            self.scope
                .field_error(&item.base, "base", error.to_string())
        })?;
        let target = artifact.target();
        let entry = ManagedEntry {
            facts,
            ..self.entry(&path, Entry::Symlink { target }, &[], at)
        };
        draft.add_path(path, entry, self.origin(&item.base));
        draft.add_artifact(base, artifact, self.origin(&item.base));
        Ok(())
    }

    fn package(&self, item: &PackageItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let name = self.scope.name("name", &item.name, at, PackageName::new)?;
        let version = match &item.version {
            None => None,
            Some(text) => Some(self.scope.text(text, at)?).filter(|version| !version.is_empty()),
        };
        if let (Some(version), Some(text)) = (&version, &item.version)
            && !is_version(version)
        {
            let reason = format!("`{}` is no package version", version.escape_debug());
            return Err(self.scope.field_error(text, "version", reason));
        }
        let replaces = item
            .replaces
            .iter()
            .map(|text| self.scope.name("replaces", text, at, PackageName::new))
            .collect::<Result<_, _>>()?;
        let file = self.package_file(item, at)?;
        if let (Some(_), None, Some(text)) = (&file, &version, &item.file) {
            let reason = "is without the `version` of the package in it".to_owned();
            return Err(self.scope.field_error(text, "file", reason));
        }
        let want = PackageWant {
            concern: self.scope.concern.clone(),
            others: BTreeSet::new(),
            version,
            hold: item.hold,
            replaces,
            file,
        };
        draft.add_package(name, want, self.origin(&item.name));
        Ok(())
    }

    /// Its hash is found when all artifacts are known.
    fn package_file(
        &self,
        item: &PackageItem,
        at: &Occurrence,
    ) -> Result<Option<PackageFile>, RenderError> {
        let Some(text) = &item.file else {
            return Ok(None);
        };
        let path = self.scope.text(text, at)?;
        if path.is_empty() {
            return Ok(None);
        }
        let path = ManagedPath::new(path)
            .map_err(|error| self.scope.field_error(text, "file", error.to_string()))?;
        let sha256 = None;
        Ok(Some(PackageFile { path, sha256 }))
    }

    fn unit(&self, item: &UnitItem, at: &Occurrence, draft: &mut Draft) -> Outcome {
        let name = self.scope.name("name", &item.name, at, UnitName::new)?;
        let mut watch = BTreeSet::new();
        for text in &item.watch {
            let path = self.scope.text(text, at)?;
            if !path.is_empty() {
                watch.insert(self.watched(text, path)?);
            }
        }
        if let Some(text) = &item.watch_each {
            for path in self
                .scope
                .expression(text, at)?
                .try_iter()
                .into_iter()
                .flatten()
            {
                watch.insert(self.watched(text, path.to_string())?);
            }
        }
        let on_change = match &item.on_change {
            None => OnChange::Restart,
            Some(text) => match self.scope.text(text, at)?.as_str() {
                "restart" => OnChange::Restart,
                "reload" => OnChange::Reload,
                "nothing" => OnChange::Nothing,
                other => {
                    let reason = format!(
                        "`{}` is not `restart`, `reload` or `nothing`",
                        other.escape_debug()
                    );
                    return Err(self.scope.field_error(text, "on_change", reason));
                }
            },
        };
        let timeout = &item.start_timeout_seconds;
        let timeout = self
            .scope
            .number("start_timeout_seconds", timeout.as_ref(), at)?;
        let want = UnitWant {
            concern: self.scope.concern.clone(),
            enabled: self.scope.flag("enabled", item.enabled.as_ref(), at)?,
            running: self.scope.flag("running", item.running.as_ref(), at)?,
            on_change,
            watch,
            start_timeout_seconds: timeout.unwrap_or(DEFAULT_START_TIMEOUT_SECONDS),
            early: item.early,
        };
        draft.add_unit(name, want, self.origin(&item.name));
        Ok(())
    }

    fn watched(&self, text: &Text, path: String) -> Result<ManagedPath, RenderError> {
        ManagedPath::new(path).map_err(|e| self.scope.field_error(text, "watch", e.to_string()))
    }

    fn literal(&self, text: &Text, at: &Occurrence) -> Result<String, RenderError> {
        let value = self.scope.expression(text, at)?;
        value.as_str().map(str::to_owned).ok_or_else(|| {
            let reason = format!("expected text, found a {}", value.kind());
            self.scope.error_at(
                text.span(),
                Fault::Field {
                    key: "content",
                    reason,
                },
            )
        })
    }

    fn ownership(
        &self,
        [mode, owner, group]: [&Option<Text>; 3],
        default: u16,
        at: &Occurrence,
    ) -> Result<Ownership, RenderError> {
        let mode = match mode {
            None => Mode::new(default).expect("a literal below 0o7777"),
            Some(text) => Mode::try_from(self.scope.text(text, at)?)
                .map_err(|reason| self.scope.field_error(text, "mode", reason))?,
        };
        let account = |key, text: &Option<Text>| match text {
            None => Ok(AccountName::new("root").expect("a literal account name")),
            Some(text) => self.scope.name(key, text, at, AccountName::new),
        };
        Ok(Ownership {
            mode,
            owner: account("owner", owner)?,
            group: account("group", group)?,
        })
    }

    fn entry(
        &self,
        path: &ManagedPath,
        entry: Entry,
        more: &[FollowUp],
        at: &Occurrence,
    ) -> ManagedEntry {
        ManagedEntry {
            concern: self.scope.concern.clone(),
            template: None,
            facts: self.scope.facts(at),
            follow_ups: implied(path)
                .into_iter()
                .chain(more.iter().copied())
                .collect(),
            entry,
            validator: None,
            validator_package: None,
        }
    }
}

/// Debian policy 5.6.12, without the freedom to begin with anything but a digit.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".+-~:".contains(c))
}
