//! A host's answer as a judge reads it, and the judge's verdict.

use std::collections::BTreeMap;

use deployctl_core::cpus::NoCpuList;
use deployctl_core::query::Section;
use serde::de::DeserializeOwned;

use super::Measurement;

/// The answer to one query, complete and in time.
///
/// Whether the command succeeded has been looked at already, unless the check reads failures too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    /// Exit status.
    pub(super) status: i32,
    stdout: &'a [u8],
    stderr: &'a [u8],
}

/// Why an answer is unreadable: a lower-case fragment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(pub(super) String);

impl Unreadable {
    /// The fragment as given.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl From<NoCpuList> for Unreadable {
    fn from(error: NoCpuList) -> Self {
        Self(error.to_string())
    }
}

/// What a judge made of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// What was found, for people. Need not be clean: [`super::evaluate`] strips it.
    pub(super) evidence: String,
    /// Whether it is as expected.
    pub(super) holds: Holds,
    /// The numbers behind it.
    pub(super) measured: Vec<Measurement>,
}

/// Whether what was found is as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holds {
    /// It is.
    Yes,
    /// It is not; what to do about it.
    No(Option<String>),
    /// It will be after a reboot; what waits for it.
    AfterReboot(String),
    /// Not applicable; carries the declared reason.
    PassedOver(String),
}

impl Found {
    /// As expected when `holds`, and without a hint otherwise.
    pub(super) fn when(holds: bool, evidence: impl Into<String>) -> Self {
        Self {
            evidence: evidence.into(),
            holds: if holds { Holds::Yes } else { Holds::No(None) },
            measured: Vec::new(),
        }
    }

    /// As expected where `others` is empty, which `none` says; otherwise they are the evidence.
    pub(super) fn none_of(others: &[String], none: &str) -> Self {
        if others.is_empty() {
            Self::when(true, none)
        } else {
            Self::when(false, others.join(", "))
        }
    }

    /// The numbers behind it.
    #[must_use]
    pub(super) fn measuring(mut self, measured: impl IntoIterator<Item = Measurement>) -> Self {
        self.measured.extend(measured);
        self
    }

    /// The hint, if it is not as expected.
    #[must_use]
    pub(super) fn or_hint(mut self, hint: impl Into<String>) -> Self {
        if matches!(self.holds, Holds::No(_)) {
            self.holds = Holds::No(Some(hint.into()));
        }
        self
    }

    /// A pending reboot instead of a failure, if `pending` and not as expected.
    #[must_use]
    pub(super) fn or_after_reboot(mut self, pending: bool, reason: impl Into<String>) -> Self {
        if pending && matches!(self.holds, Holds::No(_)) {
            self.holds = Holds::AfterReboot(reason.into());
        }
        self
    }
}

impl<'a> Answer<'a> {
    /// The answer in `section`, given that it ended with `status`.
    pub(super) fn new(status: i32, section: &'a Section) -> Self {
        Self {
            status,
            stdout: &section.stdout,
            stderr: &section.stderr,
        }
    }

    /// Standard output; an error where it is empty or not UTF-8.
    pub(super) fn text(&self) -> Result<&'a str, Unreadable> {
        let text = str::from_utf8(self.stdout)
            .map_err(|e| Unreadable(format!("not UTF-8 after {} bytes", e.valid_up_to())))?;
        if text.trim().is_empty() {
            return Err(Unreadable::new("empty answer"));
        }
        Ok(text)
    }

    /// Standard output and error, both possibly empty: for programs that print their errors on either.
    pub(super) fn everything(&self) -> String {
        format!(
            "{}{}",
            String::from_utf8_lossy(self.stdout),
            String::from_utf8_lossy(self.stderr)
        )
    }

    /// Standard error, with any content.
    pub(super) fn errors(&self) -> String {
        String::from_utf8_lossy(self.stderr).into_owned()
    }

    /// Lines of standard output that hold more than blanks, trimmed.
    pub(super) fn lines(&self) -> Result<impl Iterator<Item = &'a str>, Unreadable> {
        Ok(self
            .text()?
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty()))
    }

    /// `key<separator>value` lines, both trimmed; other lines are left out. The first of equal keys wins.
    /// An error when there is no such line.
    pub(super) fn pairs(&self, separator: char) -> Result<BTreeMap<&'a str, &'a str>, Unreadable> {
        let mut pairs = BTreeMap::new();
        for line in self.lines()? {
            if let Some((key, value)) = line.split_once(separator) {
                pairs.entry(key.trim()).or_insert(value.trim());
            }
        }
        if pairs.is_empty() {
            return Err(Unreadable(format!(
                "no line of the form `key{separator}value`"
            )));
        }
        Ok(pairs)
    }

    /// Standard output as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        serde_json::from_str(self.text()?)
            .map_err(|e| Unreadable(format!("not the expected JSON: {e}")))
    }
}

/// The value of `key`, or that it is missing.
pub(super) fn value<'a>(pairs: &BTreeMap<&str, &'a str>, key: &str) -> Result<&'a str, Unreadable> {
    pairs
        .get(key)
        .copied()
        .ok_or_else(|| Unreadable(format!("no `{key}` in the answer")))
}

/// Returns `text` as a number, or an error if it is not one.
pub(super) fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Unreadable> {
    text.trim()
        .parse()
        .map_err(|_| Unreadable(format!("`{what}` is `{}`, not a number", text.trim())))
}
