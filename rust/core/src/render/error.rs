//! What can be wrong with modules, or with a host's facts as modules use them.

use std::fmt;

use crate::errors::{Errors, Hinted};
use crate::name::{HostName, ManagedPath, PackageName, UnitName};

/// Everything that is wrong with modules and facts.
pub type RenderErrors = Errors<RenderError>;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// The template or `module.toml`, relative to the repository.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// The host it is wrong for; `None` when it is wrong for every host.
    pub host: Option<HostName>,
    /// What is wrong.
    pub fault: Box<Fault>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(host) = &self.host {
            write!(f, "host `{host}`: ")?;
        }
        write!(f, "{}", self.fault)
    }
}

impl Hinted for RenderError {
    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl RenderError {
    /// Where it is, to order errors by.
    pub(super) fn place(&self) -> (String, usize, Option<HostName>) {
        (self.file.clone(), self.line, self.host.clone())
    }
}

impl std::error::Error for RenderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.fault)
    }
}

/// What is wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// `module.toml` does not read as one.
    #[error("{0}")]
    Manifest(String),
    /// A folder under `modules` whose name is no concern's.
    #[error("{0}")]
    Concern(String),
    /// A template that is named but not there.
    #[error("there is no template `{0}`")]
    NoTemplate(String),
    /// A file in a module's folder that nothing uses.
    #[error("no entry of `module.toml` uses this file")]
    UnusedTemplate,
    /// A template or expression that does not parse.
    #[error("{0}")]
    Syntax(String),
    /// A fact that the inventory does not have.
    #[error("`{expression}` is undefined: the inventory has no `{fact}`")]
    MissingFact {
        /// What the template says.
        expression: String,
        /// The fact's whole path.
        fact: String,
    },
    /// A name that is no fact at all.
    #[error("`{expression}` is undefined")]
    Undefined {
        /// What the template says.
        expression: String,
    },
    /// A value that cannot be written into the target file.
    #[error("`{expression}`: {reason}")]
    Value {
        /// What the template says.
        expression: String,
        /// Why not.
        reason: String,
    },
    /// A rendered text that is no path, mode, account, package or unit name, boolean or number.
    #[error("`{key}`: {reason}")]
    Field {
        /// The key in `module.toml`.
        key: &'static str,
        /// Why not.
        reason: String,
    },
    /// Two declarations of one path.
    #[error("`{path}` is written by {first} already")]
    PathTaken {
        /// Which.
        path: ManagedPath,
        /// Where the other one is declared, `file:line`.
        first: String,
    },
    /// A path below something that cannot hold it.
    #[error("`{path}` is below `{above}`, which {first} declares to be {kind}")]
    PathBelow {
        /// Which.
        path: ManagedPath,
        /// The path above it.
        above: ManagedPath,
        /// Where that one is declared, `file:line`.
        first: String,
        /// What it is declared to be.
        kind: &'static str,
    },
    /// A path that belongs to the kernel or to deployctl's own state.
    #[error("`{path}` is below `{reserved}`, where nothing can be managed")]
    PathReserved {
        /// Which.
        path: ManagedPath,
        /// Below what.
        reserved: &'static str,
    },
    /// A path that is in no folder of the host's administrator.
    #[error("`{path}` is in none of {folders}")]
    PathOutside {
        /// Which, as it is written or rendered.
        path: String,
        /// The folders that it can be in.
        folders: String,
    },
    /// Two declarations of one package or unit.
    #[error("{kind} `{name}` is declared by {first} already")]
    NameTaken {
        /// `package` or `unit`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where the other one is declared, `file:line`.
        first: String,
    },
    /// A package's file that no artifact holds.
    #[error("`{file}`, which package `{package}` is installed from, is no file of an artifact")]
    PackageFile {
        /// Which package.
        package: PackageName,
        /// Where the file should be.
        file: ManagedPath,
    },
    /// A unit that watches a path that nothing writes.
    #[error("unit `{unit}` watches `{path}`, which no concern writes")]
    WatchesNothing {
        /// Which unit.
        unit: UnitName,
        /// Which path.
        path: ManagedPath,
    },
    /// A line of a rendered file that its reader would not understand.
    #[error("line {line} of `{path}` is no {expected}: `{text}`")]
    Unreadable {
        /// The rendered file.
        path: ManagedPath,
        /// Line in it, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        text: String,
    },
    /// One kernel setting with two values.
    #[error("`{key}` is set to `{value}` here and to `{other}` by `{path}`")]
    SettingTaken {
        /// The sysctl key.
        key: String,
        /// The value here.
        value: String,
        /// The other value.
        other: String,
        /// The file that sets it.
        path: ManagedPath,
    },
    /// A host that is not in the inventory.
    #[error("the inventory has no such host")]
    NoHost,
}

impl Fault {
    /// Names the whole expression, where the template language names only a part.
    pub(super) fn set_expression(&mut self, text: &str) {
        if let Self::MissingFact { expression, .. }
        | Self::Undefined { expression }
        | Self::Value { expression, .. } = self
        {
            text.clone_into(expression);
        }
    }
}
