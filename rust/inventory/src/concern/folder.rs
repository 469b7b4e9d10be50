//! The folders of concerns: those that the program contains, those of a repository, and what can be wrong with one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use crate::errors::{Errors, Hinted};

/// The file that makes a folder a concern.
pub(super) const MANIFEST: &str = "concern.toml";

/// What errors and `why` call the folder that the program contains; no repository has it.
const CARRIED: &str = "deployctl:modules";

/// Every file that the program contains, by its path below `modules/`.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

static BUILT_IN: LazyLock<Folders> = LazyLock::new(|| {
    let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    let mut folders = Folders::default();
    folders.add(CARRIED, Origin::BuiltIn, FILES.iter().map(own).collect());
    folders
});

/// Where a concern comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The program contains it.
    BuiltIn,
    /// The repository adds it.
    Repository,
    /// The repository has its own in place of the one that the program contains.
    Replaced,
}

/// One concern's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// What messages call it: `modules/web`, `deployctl:modules/ssh`.
    pub place: String,
    /// Who brings it.
    pub origin: Origin,
    /// The text of every file, by its path below the folder.
    pub files: BTreeMap<String, String>,
}

/// The folders, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders(BTreeMap<String, Folder>);

impl Folders {
    /// Those that the program contains.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// These, and those of `files` (their keys are paths such as `web/concern.toml` below `root`, which is what
    /// messages name). A folder of a name that is known already replaces that one as a whole.
    #[must_use]
    pub fn with(mut self, root: &str, files: BTreeMap<String, String>) -> Self {
        self.add(root, Origin::Repository, files);
        self
    }

    fn add(&mut self, root: &str, origin: Origin, files: BTreeMap<String, String>) {
        let mut added: BTreeMap<String, Folder> = BTreeMap::new();
        for (path, text) in files {
            let (name, below) = path.split_once('/').unwrap_or((&path, ""));
            let folder = added.entry(name.to_owned()).or_insert_with(|| Folder {
                place: format!("{root}/{name}"),
                origin: if self.0.contains_key(name) {
                    Origin::Replaced
                } else {
                    origin
                },
                files: BTreeMap::new(),
            });
            folder.files.insert(below.to_owned(), text);
        }
        self.0.extend(added);
    }

    /// These, and `folder` under that name.
    #[must_use]
    pub fn with_folder(mut self, name: &str, folder: Folder) -> Self {
        self.0.insert(name.to_owned(), folder);
        self
    }

    /// Those whose name fits.
    #[must_use]
    pub fn only(&self, fits: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, _)| fits(name));
        Self(kept.map(|(name, it)| (name.clone(), it.clone())).collect())
    }

    /// Those of the repository whose files below `part` are not the program's own.
    #[must_use]
    pub fn with_other(&self, part: &str) -> Self {
        let is_other = |name: &str, folder: &Folder| {
            let carried = Self::built_in().0.get(name);
            folder.origin != Origin::BuiltIn
                && carried.is_none_or(|it| it.below(part) != folder.below(part))
        };
        let kept = self.iter().filter(|(name, folder)| is_other(name, folder));
        Self(
            kept.map(|(name, it)| (name.to_owned(), it.clone()))
                .collect(),
        )
    }

    /// Name and folder, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Folder)> {
        self.0.iter().map(|(name, folder)| (name.as_str(), folder))
    }
}

impl Folder {
    /// The files below `part` of the folder, by their path below that.
    pub fn below(&self, part: &str) -> BTreeMap<String, String> {
        let files = self.files.iter().filter_map(|(path, text)| {
            let below = path.strip_prefix(part)?.strip_prefix('/')?;
            Some((below.to_owned(), text.clone()))
        });
        files.collect()
    }
}

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConcernError {
    /// The file, relative to the repository: `modules/web/concern.toml`.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// What is wrong, a lower-case fragment.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for ConcernError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

impl std::error::Error for ConcernError {}

impl Hinted for ConcernError {
    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Everything that is wrong with folders.
pub type ConcernErrors = Errors<ConcernError>;
