//! A query to a host, and how its answer is read.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::query::Request;
use crate::concern::expression::Expression;
use crate::concern::names::Names;
use crate::inventory::Platform;

/// One query, or one for each of several things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredQuery {
    /// The request that it is, on every platform, instead of a command.
    pub request: Option<Request>,
    /// POSIX sh, by platform. Facts reach it in its variables and arguments only.
    pub commands: BTreeMap<Platform, String>,
    /// How long it may take.
    pub deadline: Deadline,
    /// Most of the answer that is read, in KiB.
    pub cap_kib: u16,
    /// A list or an attribute set: it is asked once for each of its entries, as `key` and `value`.
    pub each: Option<Expression>,
    /// The command's variables.
    pub variables: BTreeMap<String, Expression>,
    /// Its positional parameters: a list.
    pub arguments: Option<Expression>,
    /// The text of a file of the folder, a program in another language than sh: the command's variable `script`.
    pub script: Option<String>,
    /// The file that is uploaded first, with its path in the command's variable `shipped`.
    pub ships: Option<Ships>,
    /// How the answer is read; `None` where only named judges read it.
    pub reader: Option<Reader>,
    /// Whether the running and the next boot's command lines are asked with it, as `boot.running` and `boot.next`.
    pub asks_boot: bool,
    /// Whether the answer of a command that failed is read, too: `answer` is none where the reader does not take it,
    /// `said` is what it printed on both streams, and `status` how it ended.
    pub any_status: bool,
    /// Names for values of the answer, for every check that reads it.
    pub names: Names,
    /// What to do where its command is not installed.
    pub where_missing: Option<String>,
    /// How it looks when the command says itself what is wrong.
    pub failure: Option<Failure>,
}

impl DeclaredQuery {
    /// Whether hosts of `platform` are asked.
    pub fn is_for(&self, platform: Platform) -> bool {
        self.request.is_some() || self.commands.contains_key(&platform)
    }

    /// Whether `command`, one of its own, reads the variable `name`, or its script does.
    pub fn reads(&self, command: &str, name: &str) -> bool {
        Self::reads_itself(command, name) || self.script_reads(command, name)
    }

    fn script_reads(&self, command: &str, name: &str) -> bool {
        let script = self.script.iter();
        let mut script = script.filter(|_| Self::reads_itself(command, "script"));
        script.any(|script| Self::reads_itself(script, name))
    }

    fn reads_itself(command: &str, name: &str) -> bool {
        ["$", "${"].iter().any(|sign| {
            let variable = format!("{sign}{name}");
            let mut found = command.match_indices(&variable);
            found.any(|(at, found)| {
                let next = command[at + found.len()..].chars().next();
                next.is_none_or(|c| !(c.is_ascii_alphanumeric() || c == '_'))
            })
        })
    }
}

/// How long a command may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deadline {
    /// In seconds; zero for what cannot hang (builtins over /proc and local files).
    Seconds(u16),
    /// The same, as facts say it.
    Expression(Expression),
}

/// A file from the machine that runs deployctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ships {
    /// The probe, for the host's architecture.
    Hostprobe,
    /// A program that the repository builds.
    Artifact {
        /// Its path below the repository.
        artifact: Expression,
        /// The command that builds it first: a list of words; empty or left out for none.
        build: Option<Expression>,
    },
}

/// How an answer is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// As one text.
    Text,
    /// As a list of lines that hold more than blanks, trimmed.
    Lines {
        /// The first line, which tells an answer of nothing from no answer; it is no part of what is read.
        begins_with: Option<String>,
    },
    /// As an attribute set of `key<separator>value` lines; other lines are left out, and the first of equal keys wins.
    Pairs {
        /// Between key and value.
        separator: String,
        /// The keys that must be there, and what their values are; other values are texts.
        fields: BTreeMap<String, Field>,
    },
    /// As a list of attribute sets, one for each line.
    Columns {
        /// The first line, as of `lines`.
        begins_with: Option<String>,
        /// Between columns; left out: blanks.
        separator: Option<String>,
        /// The names of the columns.
        columns: Vec<String>,
        /// What the values are that are no texts.
        fields: BTreeMap<String, Field>,
    },
    /// As JSON.
    Json,
    /// As a list of what each line says as JSON.
    JsonLines,
    /// As the answer to a request: an attribute set of `code`, `body`, `seconds`, `outcome` and `has_key`.
    Http,
    /// As a list of samples (`name`, `labels`, `value`) in Prometheus' text format; other lines are left out.
    Prometheus,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its kind.
    pub kind: FieldKind,
    /// Whether it may be missing (`none` then).
    pub optional: bool,
}

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A whole number from zero on.
    Count,
    /// A finite number.
    Number,
    /// A size in kB, as /proc/meminfo writes it: `2048 kB`.
    Kb,
    /// A list of CPUs.
    Cpus,
    /// Words with blanks between them.
    Words,
}

/// How it looks when a command says itself what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A regular expression: the line of either stream that says it, which becomes the evidence.
    pub line: String,
    /// Whether a command that succeeded can say it, too.
    pub also_on_success: bool,
    /// Parts of that line, and what to do about each.
    pub hints: Vec<(String, String)>,
    /// What to do about another one.
    pub hint: Option<String>,
    /// Parts of that line that a reboot cures, and what waits for it.
    pub pending_reboot: Vec<(String, String)>,
}
