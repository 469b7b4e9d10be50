//! Reads Nix's progress from the lines of `--log-format internal-json`.
//!
//! The numbers are those of Nix's `src/libutil/logging.hh`; they are the same from 2.8 on.

use std::collections::{BTreeMap, VecDeque};

use deployctl_core::query::printable_line;
use serde_json::Value;

use super::error::plain;
use crate::event::EventKind;

/// Lines of a derivation's log that are kept.
const LOG_LINES: usize = 20;
/// Errors that are kept.
const COMPLAINTS: usize = 200;

/// Kinds of activities and of results.
const COPY_PATH: u64 = 100;
const BUILD: u64 = 105;
const SUBSTITUTE: u64 = 108;
const BUILD_LOG_LINE: u64 = 101;

/// Reads the lines one by one.
pub(super) struct Listener<'a> {
    tell: &'a (dyn Fn(EventKind) + Send + Sync),
    /// Running builds: activity and derivation.
    builds: BTreeMap<u64, String>,
    /// The last lines of every derivation's log.
    logs: BTreeMap<String, VecDeque<String>>,
    /// Errors in Nix's words, without colours; the first is the cause of the others.
    pub(super) errors: Vec<String>,
    /// Lines of other programs, mostly ssh.
    pub(super) strangers: Vec<String>,
    /// Paths that were copied.
    pub(super) copied: usize,
}

impl<'a> Listener<'a> {
    pub(super) fn new(tell: &'a (dyn Fn(EventKind) + Send + Sync)) -> Self {
        Self {
            tell,
            builds: BTreeMap::new(),
            logs: BTreeMap::new(),
            errors: Vec::new(),
            strangers: Vec::new(),
            copied: 0,
        }
    }

    /// One line of standard error.
    pub(super) fn line(&mut self, line: &str) {
        let heard = line
            .strip_prefix("@nix ")
            .and_then(|json| serde_json::from_str::<Value>(json).ok());
        let Some(heard) = heard else {
            let text = printable_line(plain(line).as_bytes(), 500);
            if !text.trim().is_empty() && self.strangers.len() < COMPLAINTS {
                self.strangers.push(text);
            }
            return;
        };
        let id = heard["id"].as_u64().unwrap_or_default();
        let kind = heard["type"].as_u64().unwrap_or_default();
        match heard["action"].as_str() {
            Some("start") => self.started(id, kind, &heard["fields"]),
            Some("result") if kind == BUILD_LOG_LINE => {
                self.logged(id, heard["fields"][0].as_str().unwrap_or_default());
            }
            Some("msg") if heard["level"].as_u64() == Some(0) => {
                let text = plain(heard["msg"].as_str().unwrap_or_default());
                if self.errors.len() < COMPLAINTS {
                    self.errors.push(text.trim().to_owned());
                }
            }
            _ => {}
        }
    }

    fn started(&mut self, id: u64, kind: u64, fields: &Value) {
        let subject = fields[0].as_str().unwrap_or_default();
        let name = name_of(subject);
        match kind {
            BUILD => {
                self.builds.insert(id, subject.to_owned());
                (self.tell)(EventKind::Building(name));
            }
            COPY_PATH => {
                self.copied += 1;
                (self.tell)(EventKind::Copying(name));
            }
            SUBSTITUTE => (self.tell)(EventKind::Fetching(name)),
            _ => {}
        }
    }

    fn logged(&mut self, id: u64, line: &str) {
        let Some(derivation) = self.builds.get(&id) else {
            return;
        };
        let line = printable_line(plain(line).as_bytes(), 500);
        let log = self.logs.entry(derivation.clone()).or_default();
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line.clone());
        (self.tell)(EventKind::Logged(line));
    }

    /// The last log lines of a derivation.
    pub(super) fn log(&self, derivation: &str) -> Vec<String> {
        let log = self.logs.get(derivation);
        log.into_iter().flatten().cloned().collect()
    }
}

/// `openssh-10.0p2` of a store path, safe for a terminal.
pub(super) fn name_of(path: &str) -> String {
    let name = path
        .strip_prefix("/nix/store/")
        .and_then(|rest| rest.split_once('-'))
        .map_or(path, |(_, name)| name);
    printable_line(name.trim_end_matches(".drv").as_bytes(), 200)
}
