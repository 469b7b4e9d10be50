//! Selectors: which of the hosts a command is about.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};

use crate::inventory::{Inventory, suggest};
use crate::name::HostName;

/// Why a selector selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No word at all in an argument: a variable that is not set, most of the time.
    #[error("an empty selector selects nothing; leave it out to mean all hosts")]
    Empty,
    /// A name that no host has.
    #[error("no host is called `{word}`")]
    UnknownHost {
        /// The name.
        word: String,
        /// The closest known name, or the known names.
        hint: Option<String>,
    },
    /// A tag that no host has.
    #[error("no host has the tag `{tag}`")]
    UnknownTag {
        /// The tag.
        tag: String,
        /// The closest known name, or the known names.
        hint: Option<String>,
    },
    /// A glob that no host's name fits.
    #[error("no host's name fits `{glob}`")]
    NoMatch {
        /// The glob.
        glob: String,
        /// What there is.
        hint: Option<String>,
    },
    /// A glob that cannot be parsed.
    #[error("`{glob}` is not a glob: {cause}")]
    BadGlob {
        /// The glob.
        glob: String,
        /// Why.
        cause: String,
    },
    /// Every word selects something, and together they take all of it away.
    #[error("`{selector}` leaves no host")]
    Nothing {
        /// The words.
        selector: String,
    },
}

impl SelectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::UnknownHost { hint, .. }
            | Self::UnknownTag { hint, .. }
            | Self::NoMatch { hint, .. } => hint.as_deref(),
            Self::Empty | Self::BadGlob { .. } | Self::Nothing { .. } => None,
        }
    }
}

/// Words that select hosts: a name, a glob, `@tag`, each excluded by a leading `!`. No words, or
/// only excluding ones, start from all hosts.
#[derive(Debug, Clone)]
pub struct Selector {
    words: Vec<Word>,
}

#[derive(Debug, Clone)]
struct Word {
    text: String,
    negated: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Name(String),
    Tag(String),
    Glob(GlobMatcher),
}

impl Selector {
    /// Reads the words of a command line. A word may hold several, separated by commas, and holds at
    /// least one: what is empty by mistake must not mean the whole fleet.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, SelectError> {
        let blank = |word: &S| word.as_ref().split(',').all(|part| part.trim().is_empty());
        if words.iter().any(blank) {
            return Err(SelectError::Empty);
        }
        words
            .iter()
            .flat_map(|word| word.as_ref().split(','))
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(Word::parse)
            .collect::<Result<_, _>>()
            .map(|words| Self { words })
    }

    /// The hosts that it selects, in the inventory's order. Never empty, unless the inventory is.
    pub fn select<'a>(&self, inventory: &'a Inventory) -> Result<Vec<&'a HostName>, SelectError> {
        let all = || inventory.hosts().keys();
        let mut chosen: BTreeSet<&HostName> = if self.words.iter().all(|word| word.negated) {
            all().collect()
        } else {
            BTreeSet::new()
        };
        for word in self.words.iter().filter(|word| !word.negated) {
            chosen.extend(word.hosts(inventory)?);
        }
        for word in self.words.iter().filter(|word| word.negated) {
            for name in word.hosts(inventory)? {
                chosen.remove(name);
            }
        }
        if chosen.is_empty() && !self.words.is_empty() {
            let words: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
            return Err(SelectError::Nothing {
                selector: words.join(" "),
            });
        }
        Ok(chosen.into_iter().collect())
    }
}

impl Word {
    fn parse(text: &str) -> Result<Self, SelectError> {
        let (negated, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let kind = if let Some(tag) = rest.strip_prefix('@') {
            Kind::Tag(tag.to_owned())
        } else if rest.contains(['*', '?', '[', '{']) {
            let glob = Glob::new(rest).map_err(|error| SelectError::BadGlob {
                glob: rest.to_owned(),
                cause: error.kind().to_string(),
            })?;
            Kind::Glob(glob.compile_matcher())
        } else {
            Kind::Name(rest.to_owned())
        };
        Ok(Self {
            text: text.to_owned(),
            negated,
            kind,
        })
    }

    fn hosts<'a>(&self, inventory: &'a Inventory) -> Result<Vec<&'a HostName>, SelectError> {
        let hosts = inventory.hosts();
        let fitting = |fits: &dyn Fn(&HostName) -> bool| -> Vec<&'a HostName> {
            hosts.keys().filter(|name| fits(name)).collect()
        };
        let known_hosts = || hosts.keys().map(HostName::as_str);
        match &self.kind {
            Kind::Name(word) => match fitting(&|name| name.as_str() == word) {
                found if found.is_empty() => Err(SelectError::UnknownHost {
                    word: word.clone(),
                    hint: self
                        .written_as_host(inventory, word)
                        .or_else(|| suggest::hint(word, "known hosts", known_hosts())),
                }),
                found => Ok(found),
            },
            Kind::Tag(tag) => {
                let has = |name: &HostName| hosts[name].tags.iter().any(|own| own.as_str() == tag);
                match fitting(&has) {
                    found if found.is_empty() => Err(SelectError::UnknownTag {
                        tag: tag.clone(),
                        hint: tag_hint(inventory, tag),
                    }),
                    found => Ok(found),
                }
            }
            Kind::Glob(glob) => match fitting(&|name| glob.is_match(name.as_str())) {
                found if found.is_empty() => Err(SelectError::NoMatch {
                    glob: glob.glob().to_string(),
                    hint: suggest::hint(glob.glob().glob(), "known hosts", known_hosts()),
                }),
                found => Ok(found),
            },
        }
    }

    /// A tag written like a host.
    fn written_as_host(&self, inventory: &Inventory, word: &str) -> Option<String> {
        tags(inventory).contains(word).then(|| {
            format!(
                "did you mean `{}@{word}`?",
                if self.negated { "!" } else { "" }
            )
        })
    }
}

/// The nearest tag, or all, each with its `@`.
fn tag_hint(inventory: &Inventory, tag: &str) -> Option<String> {
    let known: Vec<String> = tags(inventory)
        .iter()
        .map(|tag| format!("@{tag}"))
        .collect();
    suggest::hint(
        &format!("@{tag}"),
        "known tags",
        known.iter().map(String::as_str),
    )
}

fn tags(inventory: &Inventory) -> BTreeSet<&str> {
    inventory
        .hosts()
        .values()
        .flat_map(|host| &host.tags)
        .map(AsRef::as_ref)
        .collect()
}
