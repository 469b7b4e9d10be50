//! `checks.toml`: what a host is asked about a concern, and what its answers must be.
//!
//! This is the file as it was written, with every expression compiled; the checks that it makes of a host are made
//! by the crate of checks.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::ConcernError;
use super::expression::{Compiler, Expression, Text};
use super::folder::Folder;
use super::names::Names;
use crate::name::SysctlKey;

mod check;
mod file;
mod query;
mod question;

pub use question::{Failure, Field, FieldKind, Question, Reader};

/// The file.
pub(super) const CHECKS: &str = "checks.toml";

/// What an expression about a host can read.
const HOST: &[&str] = &["host", "platform"];
/// What it can read for each of several things.
const EACH: &[&str] = &["key", "value"];
/// What a check can read that is made once for each of several things of one answer.
const ITEM: &[&str] = &["item_key", "item"];
/// What it can read of an answer.
const ANSWER: &[&str] = &["answer", "status", "said", "errors", "boot"];

/// The file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChecksFile {
    /// Names for values that follow from facts.
    pub names: Names,
    /// What is asked, by name.
    pub questions: BTreeMap<String, Question>,
    /// What must hold, in the order of the file.
    pub checks: Vec<DeclaredCheck>,
    /// Kernel settings that follow from facts, beside those that `ubuntu/` writes.
    pub sysctl: BTreeMap<SysctlKey, Setting>,
    /// The kernel modules that must be loaded, as an expression.
    pub modules: Option<Expression>,
}

/// One check, or one for each of several things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredCheck {
    /// Its name below the concern's: `pool`, `library/{{ key }}`.
    pub name: Text,
    /// The question whose answer it reads.
    pub question: String,
    /// A list or an attribute set: there is one such check for each of its entries, as `item_key` and `item`.
    pub each: Option<Expression>,
    /// Whether there is such a check; left out: there is.
    pub when: Option<Expression>,
    /// Names for values of the answer, beside those of the question.
    pub names: Names,
    /// When the answer is no answer, and why.
    pub unreadable: Vec<Case>,
    /// When it is neither right nor wrong, and why.
    pub skip: Vec<Case>,
    /// What must be true.
    pub expect: Expression,
    /// What is expected, for people.
    pub expected: Text,
    /// What was found, for people.
    pub found: Text,
    /// What to do: the first that fits.
    pub hints: Vec<Case>,
    /// When the next boot makes it right, and what waits for it.
    pub pending_reboot: Option<Case>,
    /// The numbers behind it.
    pub measures: Vec<Measure>,
    /// Whether it decides if an apply is confirmed.
    pub gate: bool,
    /// Whether it loads what it measures.
    pub loads: bool,
    /// The id of the check without which it would only repeat a failure.
    pub needs: Option<Text>,
    /// When it is asked again.
    pub retries: Retries,
}

/// A text for when something is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// When; left out: always.
    pub when: Option<Expression>,
    /// The text.
    pub text: Text,
}

/// A number of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// What it is: `charge of the battery`.
    pub what: Text,
    /// In what it is counted: `%`; empty for plain numbers.
    pub unit: String,
    /// The number.
    pub value: Expression,
    /// What it must reach.
    pub at_least: Option<Expression>,
    /// What it must not exceed.
    pub at_most: Option<Expression>,
}

/// How often a check is asked again before a failure counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// How often at most.
    pub times: u8,
    /// How long to wait before each, in seconds.
    pub pause_seconds: u8,
    /// Words of which the evidence must hold one; none: it is asked again after every failure.
    #[serde(default, rename = "while")]
    pub only: Vec<String>,
}

/// A kernel setting that follows from facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Whether it is one; left out: it is.
    pub when: Option<Expression>,
    /// Its value.
    pub value: Expression,
    /// Whether it decides if an apply is confirmed.
    pub gate: bool,
}

/// The file of `folder`; `None` where there is none.
pub(super) fn read(folder: &Folder) -> Result<Option<ChecksFile>, Vec<ConcernError>> {
    let Some(source) = folder.files.get(CHECKS) else {
        return Ok(None);
    };
    let mut compiler = Compiler::new(&format!("{}/{CHECKS}", folder.place), source);
    let parsed: file::File = match toml::from_str(source) {
        Ok(parsed) => parsed,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            compiler.fail(offset, error.message().replace('\n', " "));
            return Err(compiler.errors);
        }
    };
    let read = parsed.compile(&mut compiler);
    if compiler.errors.is_empty() {
        Ok(Some(read))
    } else {
        Err(compiler.errors)
    }
}
