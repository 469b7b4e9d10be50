//! One check.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use deployctl_core::name::ConcernName;
use deployctl_core::query::Query;

use super::answer::{Answer, Found, Unreadable};

pub(super) type Judge = Box<dyn Fn(&Answer<'_>) -> Result<Found, Unreadable> + Send + Sync>;

/// A question to a host and how to tell whether the answer is as declared.
pub struct Check {
    /// `concern/what`, unique on its host.
    pub id: String,
    /// The concern it belongs to.
    pub concern: ConcernName,
    /// Whether it decides confirm: fast, and about reaching or running what was applied.
    pub gate: bool,
    /// The question. Checks that ask the same share it by its id.
    pub query: Query,
    /// What is expected, for people.
    pub expected: String,
    /// Whether it loads what it measures (a GPU, a link, the CPUs of the trading engine): made alone, after
    /// the others, and neither by `verify --quick` nor while the exchange is open.
    pub load: bool,
    /// How often and after what pause it is asked again before a failure counts.
    pub retry: Retry,
    /// The id of a check without which this one would only repeat a failure: it is skipped unless that passed.
    pub needs: Option<String>,
    /// A file that the query runs or reads, which the engine uploads first.
    pub ships: Option<Shipment>,
    /// Whether the judge also reads the answers of commands that failed.
    pub(super) reads_failures: bool,
    /// The hint if the command is not installed.
    pub(super) where_missing: String,
    pub(super) judge: Judge,
}

/// When to ask again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often at most; zero for never.
    pub times: u8,
    /// How long to wait before each.
    pub pause: Duration,
    /// If there are some, it is asked again only while its evidence contains one of these words, which name temporary
    /// states.
    pub only: Vec<String>,
}

impl Retry {
    /// Whether to ask again after `asked` answers, the last with that evidence.
    pub fn again(&self, asked: u8, evidence: &str) -> bool {
        asked <= self.times
            && (self.only.is_empty() || self.only.iter().any(|word| evidence.contains(word)))
    }
}

/// A file that comes from the machine that runs deployctl. The query finds its path in `$shipped`, and what
/// is known of it in the other variables that its variant names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shipment {
    /// The probe, for the host's architecture.
    Hostprobe,
    /// A program of the repository, at this path below it. `$shipped_sha256` (lower-case hex),
    /// `$shipped_machine` (`x86_64`, `aarch64`), `$shipped_interpreter` (empty where it is static),
    /// `$shipped_glibc` (the newest version of a symbol that it wants, such as `2.34`; empty for none).
    Program {
        /// Its path.
        artifact: String,
        /// What builds it first, word by word; empty for nothing.
        build: Vec<String>,
    },
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("id", &self.id)
            .field("gate", &self.gate)
            .field("query", &self.query)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl Check {
    /// The check `concern/what`: `judge` reads the answer to `query`.
    pub(super) fn new(
        concern: &str,
        what: &str,
        query: &Query,
        expected: impl Into<String>,
        judge: impl Fn(&Answer<'_>) -> Result<Found, Unreadable> + Send + Sync + 'static,
    ) -> Self {
        Self {
            id: format!("{concern}/{what}"),
            concern: ConcernName::new(concern).expect("concerns are named by this crate"),
            gate: false,
            query: query.clone(),
            expected: expected.into(),
            load: false,
            retry: Retry::default(),
            needs: None,
            ships: None,
            reads_failures: false,
            where_missing: "a command that it takes is not installed on the host".to_owned(),
            judge: Box::new(judge),
        }
    }

    /// Lets this check decide confirm when `gate`.
    #[must_use]
    pub(super) fn gate_if(mut self, gate: bool) -> Self {
        self.gate = gate;
        self
    }

    /// Makes it one that loads what it measures.
    #[must_use]
    pub(super) fn loading(mut self) -> Self {
        self.load = true;
        self
    }

    /// Asks again up to `times` times, `pause` later each.
    #[must_use]
    pub(super) fn retried(mut self, times: u8, pause: Duration) -> Self {
        self.retry = Retry {
            times,
            pause,
            only: Vec::new(),
        };
        self
    }

    /// The same, only while the evidence holds one of `words`.
    #[must_use]
    pub(super) fn retried_while(mut self, words: &[&str], times: u8, pause: Duration) -> Self {
        self.retry = Retry {
            times,
            pause,
            only: words.iter().map(ToString::to_string).collect(),
        };
        self
    }

    /// Skips it unless the check `id` passed.
    #[must_use]
    pub(super) fn needing(mut self, id: impl Into<String>) -> Self {
        self.needs = Some(id.into());
        self
    }

    /// Sets the hint for a command that is not installed.
    #[must_use]
    pub(super) fn where_missing(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.where_missing);
        self
    }

    /// Lets the judge read answers of commands that failed.
    #[must_use]
    pub(super) fn reading_failures(mut self) -> Self {
        self.reads_failures = true;
        self
    }
}

/// The distinct queries of `checks`, in order of first use. Checks that name the same query ask the same.
pub fn queries(checks: &[Check]) -> Vec<Query> {
    let mut seen: BTreeMap<&str, &Query> = BTreeMap::new();
    let mut distinct = Vec::new();
    for check in checks {
        if let Some(first) = seen.get(check.query.id.as_str()) {
            debug_assert_eq!(
                *first, &check.query,
                "one id, two questions: `{}`",
                check.id
            );
            continue;
        }
        seen.insert(&check.query.id, &check.query);
        distinct.push(check.query.clone());
    }
    distinct
}
