//! Everything that is wrong with an inventory, each with its place.

use std::collections::BTreeMap;
use std::fmt;

use super::path::{FactPath, Segment};
use crate::errors::{Errors, Hinted};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InventoryError {
    /// The path of the value in the inventory.
    pub path: FactPath,
    /// `hosts/cuda/default.nix:31`: of the value, or of what holds it. `None` where Nix gave no place.
    pub position: Option<String>,
    /// What is wrong: ``is 99999; expected 1280–9216``.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl InventoryError {
    /// The path as a reader of that file would say it: without `hosts.NAME.` in the host's own file.
    fn local_path(&self) -> String {
        let own_file = self
            .path
            .key_at(1)
            .filter(|_| self.path.key_at(0) == Some("hosts"))
            .map(|host| format!("hosts/{host}/"));
        match (own_file, &self.position) {
            (Some(own), Some(position))
                if position.starts_with(&own) && self.path.segments().len() > 2 =>
            {
                self.path.skip(2).to_string()
            }
            _ if self.path.segments().is_empty() => "inventory".to_owned(),
            _ => self.path.to_string(),
        }
    }
}

impl fmt::Display for InventoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        write!(f, "`{}` {}", self.local_path(), self.problem)
    }
}

impl std::error::Error for InventoryError {}

impl Hinted for InventoryError {
    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Everything that is wrong with an inventory.
pub type InventoryErrors = Errors<InventoryError>;

/// Values' paths and where they stand.
pub(super) type Positions = BTreeMap<String, String>;

/// Where the value at `path` stands, or else the nearest thing that holds it.
pub(super) fn position<'a>(positions: &'a Positions, path: &FactPath) -> Option<&'a str> {
    let mut at = Some(path.clone());
    while let Some(path) = at {
        if let Some(found) = positions.get(&path.to_string()) {
            return Some(found);
        }
        at = path.parent();
    }
    None
}

/// Collects what is wrong while checks run.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    positions: &'a Positions,
    errors: Vec<InventoryError>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(positions: &'a Positions) -> Self {
        Self {
            positions,
            errors: Vec::new(),
        }
    }

    /// Something is wrong at `path`.
    pub(super) fn add(&mut self, path: FactPath, problem: impl Into<String>) {
        self.push(path, problem.into(), None);
    }

    /// Something is wrong at `path`, and this is what to do.
    pub(super) fn add_with_hint(
        &mut self,
        path: FactPath,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(path, problem.into(), Some(hint.into()));
    }

    /// [`Self::add_with_hint`] where there may be none.
    pub(super) fn push(&mut self, path: FactPath, problem: String, hint: Option<String>) {
        let position = position(self.positions, &path).map(ToOwned::to_owned);
        self.errors.push(InventoryError {
            path,
            position,
            problem,
            hint,
        });
    }

    /// Whether something was found at `path`, above or below it.
    pub(super) fn touches(&self, path: &FactPath) -> bool {
        let asked = path.segments();
        self.errors.iter().any(|error| {
            let found = error.path.segments();
            let shared = asked.len().min(found.len());
            asked[..shared] == found[..shared]
        })
    }

    /// `Ok` when nothing was found.
    pub(super) fn finish(self) -> Result<(), InventoryErrors> {
        InventoryErrors::check(self.errors, |error| {
            let (file, line) = error
                .position
                .as_deref()
                .and_then(|position| position.rsplit_once(':'))
                .unwrap_or_default();
            let line: u32 = line.parse().unwrap_or_default();
            (file.to_owned(), line, error.clone())
        })
    }
}

/// The steps of a JSON pointer's path into `document`: what is a number is an index only in a list.
pub(super) fn path_of(document: &serde_json::Value, pointer: &[String]) -> FactPath {
    let mut value = Some(document);
    pointer.iter().fold(FactPath::default(), |path, step| {
        let index = step.parse::<usize>().ok();
        if let (Some(serde_json::Value::Array(list)), Some(index)) = (value, index) {
            value = list.get(index);
            path.index(index)
        } else {
            value = value.and_then(|v| v.get(step));
            path.key(step)
        }
    })
}

/// The value at `path`.
pub(super) fn value_at<'a>(
    document: &'a serde_json::Value,
    path: &FactPath,
) -> Option<&'a serde_json::Value> {
    path.segments()
        .iter()
        .try_fold(document, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        })
}
