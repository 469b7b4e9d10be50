//! `accepted.snap` as text: made to be read, merged and reviewed by people.
//!
//! ```text
//! # what this file is
//! version 1
//!
//! hugepages/pool: pass
//!   expected: HugePages_Total is 2048
//!   found: HugePages_Total: #
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Accepted, Entry, Status};

/// Version of the format.
const VERSION: &str = "version 1";
const HEAD: &str = "\
# What `deployctl verify --accept` took as right. A number that may move by itself is `#`.
# Change it by accepting again, not by hand.
";

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct ParseError {
    /// Its path, as the caller names it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// A lower-case fragment.
    pub problem: String,
}

impl Accepted {
    /// The file's text: the same for the same entries.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEAD}{VERSION}\n");
        for (check, entry) in &self.entries {
            let _ = write!(text, "\n{check}: {}\n", entry.status.word());
            for (name, value) in [("expected", &entry.expected), ("found", &entry.found)] {
                if !value.is_empty() {
                    let _ = writeln!(text, "  {name}: {value}");
                }
            }
        }
        text
    }

    /// Reads what [`Self::to_text`] wrote. `file` is for errors.
    ///
    /// # Errors
    /// The first line that cannot be read. No line is skipped: its content would be lost.
    pub fn parse(file: &str, text: &str) -> Result<Self, ParseError> {
        let mut reader = Reader {
            entries: BTreeMap::new(),
            open: None,
            versioned: false,
        };
        for (number, line) in text.lines().enumerate() {
            reader.line(line.trim_end()).map_err(|problem| ParseError {
                file: file.to_owned(),
                line: number + 1,
                problem,
            })?;
        }
        if !reader.versioned {
            return Err(ParseError {
                file: file.to_owned(),
                line: text.lines().count().max(1),
                problem: format!(
                    "there is no line `{VERSION}`: this is no file of accepted checks"
                ),
            });
        }
        Ok(Self {
            entries: reader.entries,
        })
    }
}

struct Reader {
    entries: BTreeMap<String, Entry>,
    /// The check whose lines are being read.
    open: Option<String>,
    versioned: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
            .iter()
            .any(|mark| line.starts_with(mark))
        {
            return Err("an unresolved merge conflict".to_owned());
        }
        if !self.versioned {
            return match line.strip_prefix("version ") {
                Some("1") => {
                    self.versioned = true;
                    Ok(())
                }
                Some(other) => Err(format!(
                    "this deployctl reads version 1 of the format, not `{other}`"
                )),
                None => Err(format!("expected `{VERSION}` here")),
            };
        }
        match line.strip_prefix("  ") {
            Some(field) => self.field(field),
            None => self.check(line),
        }
    }

    fn check(&mut self, line: &str) -> Result<(), String> {
        let (check, status) = line
            .rsplit_once(": ")
            .filter(|(check, _)| check.contains('/') && !check.starts_with(' '))
            .ok_or("expected `CONCERN/WHAT: STATUS`")?;
        let status = match status {
            "pass" => Status::Pass,
            "fail" => Status::Fail,
            "skip" => Status::Skip,
            "stale" => Status::Stale,
            other => return Err(format!("`{other}` is not pass, fail, skip or stale")),
        };
        let entry = Entry {
            status,
            expected: String::new(),
            found: String::new(),
        };
        if self.entries.insert(check.to_owned(), entry).is_some() {
            return Err(format!("`{check}` stands here twice"));
        }
        self.open = Some(check.to_owned());
        Ok(())
    }

    fn field(&mut self, field: &str) -> Result<(), String> {
        let entry = self
            .open
            .as_ref()
            .and_then(|check| self.entries.get_mut(check))
            .ok_or("a line of no check")?;
        let (name, value) = field
            .split_once(": ")
            .ok_or("expected `expected: …` or `found: …`")?;
        let place = match name {
            "expected" => &mut entry.expected,
            "found" => &mut entry.found,
            other => return Err(format!("`{other}` is neither `expected` nor `found`")),
        };
        if !place.is_empty() {
            return Err(format!("`{name}` stands here twice"));
        }
        value.clone_into(place);
        Ok(())
    }
}
