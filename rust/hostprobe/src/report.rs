//! What is printed: one JSON document.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::distribution::Measured;
use crate::limits;

/// Everything that was probed.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    version: u32,
    kernel: String,
    machine: &'static str,
    user: u32,
    items: Vec<Value>,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    #[serde(rename = "item")]
    pub(crate) name: &'static str,
    pub(crate) status: Status,
    /// What was seen, in words.
    pub(crate) message: String,
    /// Why it may be so, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// What was measured; each key ends in its unit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) values: BTreeMap<&'static str, Value>,
    /// What took how long.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) measured: Vec<Measured>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Pass,
    Fail,
    /// Not asked for.
    Skip,
}

/// What went wrong with an item, and why it may be so.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Trouble {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Item {
    pub(crate) fn new(name: &'static str, status: Status, message: impl Into<String>) -> Self {
        Self {
            name,
            status,
            message: message.into(),
            hint: None,
            values: BTreeMap::new(),
            measured: Vec::new(),
        }
    }

    pub(crate) fn pass(item: &'static str, message: impl Into<String>) -> Self {
        Self::new(item, Status::Pass, message)
    }

    pub(crate) fn skip(item: &'static str, reason: impl Into<String>) -> Self {
        Self::new(item, Status::Skip, reason)
    }

    pub(crate) fn fail(item: &'static str, trouble: Trouble) -> Self {
        Self {
            hint: trouble.hint,
            ..Self::new(item, Status::Fail, trouble.message)
        }
    }

    pub(crate) fn print(&self) {
        print(self);
    }

    pub(crate) fn value(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.values.insert(key, value.into());
        self
    }

    pub(crate) fn measured(mut self, measured: impl IntoIterator<Item = Measured>) -> Self {
        self.measured.extend(measured);
        self
    }
}

impl Report {
    /// Each of `items` is an [`Item`].
    pub(crate) fn of(items: Vec<Value>) -> Self {
        Self {
            version: 1,
            kernel: limits::kernel_release(),
            machine: std::env::consts::ARCH,
            user: crate::sys::process::effective_user(),
            items,
        }
    }

    pub(crate) fn print(&self) {
        print(self);
    }
}

fn print(what: &impl Serialize) {
    let text = serde_json::to_string_pretty(what).expect("maps with text keys serialise");
    // The reader closed the pipe and does not want the rest.
    let _ = writeln!(std::io::stdout(), "{text}");
}
