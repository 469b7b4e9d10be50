//! Whether the file of a secret is what the facts say, without opening it.

use std::fmt;

use chrono::NaiveDate;

use super::{Header, HeaderError, NoKey, Reader, Recipients, tag};
use crate::inventory::cluster::Secret;

/// What is wrong with a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It has no file.
    Missing {
        /// Whether its value may be random.
        random: bool,
    },
    /// Its file is not of age.
    File(HeaderError),
    /// Somebody who may read it has no key.
    NoKey(NoKey),
    /// Somebody who may read it could not open it.
    Closed(Reader),
    /// Keys that the facts do not name can open it.
    Others(usize),
    /// Another number of age's own keys than declared can open it; these hide who they are.
    Hidden {
        /// How many the facts name.
        declared: usize,
        /// How many can open it.
        found: usize,
    },
    /// It is older than declared.
    Due {
        /// Its age in days.
        days: i64,
        /// Declared.
        limit: u16,
    },
    /// When its value was last changed is not recorded.
    Undated,
    /// Nothing declares it.
    Undeclared,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { .. } => f.write_str("there is no such file"),
            Self::File(error) => error.fmt(f),
            Self::NoKey(NoKey {
                reader, because, ..
            }) => write!(f, "{reader} has no key for it: {because}"),
            Self::Closed(reader) => write!(f, "{reader} cannot open it"),
            Self::Others(1) => f.write_str("a key that is not declared can open it"),
            Self::Others(count) => write!(f, "{count} keys that are not declared can open it"),
            Self::Hidden { declared, found } => write!(
                f,
                "{found} of age's own keys can open it, {declared} are declared"
            ),
            Self::Due { days, limit } => {
                write!(f, "its value is {days} days old, {limit} are declared")
            }
            Self::Undated => f.write_str("it is not recorded when its value was changed"),
            Self::Undeclared => f.write_str("no fact declares this secret"),
        }
    }
}

impl Fault {
    /// Whether somebody can open the file who may not, and so may know its value.
    pub fn is_exposure(&self) -> bool {
        match self {
            Self::Others(_) => true,
            Self::Hidden { declared, found } => found > declared,
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self, name: &str) -> String {
        match self {
            Self::Missing { random: true } => {
                format!("`deployctl secret rotate {name}` makes a random value")
            }
            Self::Missing { random: false } | Self::File(_) => {
                format!("`deployctl secret set {name}` writes it, with the value on standard input")
            }
            Self::NoKey(no_key) => no_key.hint.clone(),
            Self::Closed(_) | Self::Hidden { .. } | Self::Others(_) => format!(
                "`deployctl secret rekey {name}` encrypts it to the declared keys; who could open it before knows its value still"
            ),
            Self::Due { .. } | Self::Undated => format!(
                "`deployctl secret rotate {name}` makes a random value, where one may be random; otherwise `deployctl secret set {name}`"
            ),
            Self::Undeclared => {
                format!("declare it in `cluster.secrets.{name}`, or remove the file")
            }
        }
    }
}

/// A secret, and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// Its name.
    pub name: String,
    /// Those who may read it.
    pub readers: Vec<Reader>,
    /// When its value was changed last, where that is recorded.
    pub changed: Option<NaiveDate>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// Reviews the `file` of a declared secret on the day `today`; `changed` is when its value was changed last.
pub fn review(
    secret: &Secret,
    recipients: &Recipients,
    file: Option<&[u8]>,
    changed: Option<NaiveDate>,
    today: NaiveDate,
) -> Vec<Fault> {
    let without = recipients.without.iter().cloned().map(Fault::NoKey);
    let mut faults: Vec<Fault> = without.collect();
    let Some(file) = file else {
        let random = secret.generate_bytes.is_some();
        faults.insert(0, Fault::Missing { random });
        return faults;
    };
    match Header::parse(file) {
        Ok(header) => faults.extend(readers(&header, recipients)),
        Err(error) => faults.push(Fault::File(error)),
    }
    if let Some(limit) = secret.rotate_days {
        faults.extend(match changed.map(|day| (today - day).num_days()) {
            Some(days) if days > i64::from(limit) => Some(Fault::Due { days, limit }),
            Some(_) => None,
            None => Some(Fault::Undated),
        });
    }
    faults
}

/// Where those who can open a file are not those who may.
fn readers(header: &Header, recipients: &Recipients) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut left = header.tags.clone();
    let (mut hidden, mut plugins) = (0, 0);
    for recipient in &recipients.keys {
        let Some(tag) = tag(&recipient.key) else {
            // Keys of plugins have a longer word before the last `1`.
            let own = recipient.key.rfind('1') == Some("age".len());
            *if own { &mut hidden } else { &mut plugins } += 1;
            continue;
        };
        match left.iter().position(|it| *it == tag) {
            Some(index) => drop(left.remove(index)),
            None => faults.push(Fault::Closed(recipient.reader.clone())),
        }
    }
    if hidden != header.hidden {
        let (declared, found) = (hidden, header.hidden);
        faults.push(Fault::Hidden { declared, found });
    }
    let others = left.len() + header.others.len().saturating_sub(plugins);
    if others > 0 {
        faults.push(Fault::Others(others));
    }
    faults
}
