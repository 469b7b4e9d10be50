//! Why symbols did not come out as wanted.

use std::fmt;

use super::config::{Config, Missed, Value, Wanted};
use super::expression::Expression;
use super::kconfig::{Definition, Kconfig};
use crate::inventory::suggest;

/// How many of those that select a symbol are named.
const SHOWN: usize = 3;

/// What became of the wanted symbols.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Those that are not as wanted, each with what is known about why.
    pub missed: Vec<(Missed, Vec<Reason>)>,
    /// Those that are to be off, and that this source does not even have: older or newer than it, or
    /// slips, with the closest known name.
    pub absent: Vec<(String, Option<String>)>,
}

/// Why a symbol is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The source has no such symbol.
    Unknown {
        /// The nearest one that it has.
        near: Option<String>,
    },
    /// What it depends on does not hold.
    Depends {
        /// The condition as Kconfig has it.
        on: String,
        /// The symbols in it with their values.
        values: Vec<(String, Value)>,
        /// File and line that define the symbol.
        at: String,
    },
    /// Another of the same choice has it.
    Choice {
        /// Which one.
        taken: String,
        /// File and line.
        at: String,
    },
    /// Other symbols force it on.
    Selected {
        /// Which ones.
        by: Vec<String>,
    },
    /// People are asked for it only when something holds that does not.
    Unasked {
        /// What would have to.
        when: String,
        /// File and line.
        at: String,
    },
    /// It has no prompt.
    Hidden {
        /// File and line.
        at: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { near: None } => f.write_str("this source has no such symbol"),
            Self::Unknown { near: Some(near) } => {
                write!(f, "this source has no such symbol; did you mean `{near}`?")
            }
            Self::Depends { on, values, at } => {
                if let [(name, value)] = values.as_slice()
                    && name == on
                {
                    return write!(f, "depends on `{on}`, which is {value} ({at})");
                }
                let values: Vec<String> = values
                    .iter()
                    .map(|(name, value)| format!("{name} is {value}"))
                    .collect();
                write!(f, "depends on `{on}`; {} ({at})", values.join(", "))
            }
            Self::Choice { taken, at } => {
                write!(f, "`{taken}` was chosen in its place ({at})")
            }
            Self::Selected { by } => {
                let shown: Vec<String> = by.iter().take(SHOWN).map(|s| format!("`{s}`")).collect();
                let verb = if by.len() == 1 { "selects" } else { "select" };
                match by.len() - shown.len() {
                    0 => write!(f, "{} {verb} it", shown.join(", ")),
                    more => write!(f, "{} and {more} more {verb} it", shown.join(", ")),
                }
            }
            Self::Unasked { when, at } => {
                write!(f, "it can be set only where `{when}` holds ({at})")
            }
            Self::Hidden { at } => write!(
                f,
                "it has no prompt, so only defaults and other symbols set it ({at})"
            ),
        }
    }
}

/// Compares what is wanted with what came out, and looks in the source for reasons.
pub fn judge(wanted: &[Wanted], config: &Config, kconfig: &Kconfig) -> Verdict {
    let missed = config
        .missed(wanted)
        .into_iter()
        .map(|missed| {
            let reasons = reasons(&missed, config, kconfig);
            (missed, reasons)
        })
        .collect();
    let absent = wanted
        .iter()
        .filter(|wanted| wanted.declared && wanted.value == Value::N)
        .filter(|wanted| kconfig.definitions(&wanted.symbol).is_empty())
        .map(|wanted| (wanted.symbol.clone(), nearest(&wanted.symbol, kconfig)))
        .collect();
    Verdict { missed, absent }
}

fn nearest(symbol: &str, kconfig: &Kconfig) -> Option<String> {
    suggest::nearest(symbol, kconfig.names()).map(str::to_owned)
}

fn reasons(missed: &Missed, config: &Config, kconfig: &Kconfig) -> Vec<Reason> {
    let symbol = missed.wanted.symbol.as_str();
    let definitions = kconfig.definitions(symbol);
    if definitions.is_empty() {
        let near = nearest(symbol, kconfig);
        return vec![Reason::Unknown { near }];
    }
    if let Some(selected) = selected(missed, config, kconfig) {
        return vec![selected];
    }
    let unmet = unmet(&missed.wanted.value, definitions, config);
    if !unmet.is_empty() {
        return unmet;
    }
    let otherwise = || unasked(definitions, config);
    let reason = choice(symbol, definitions, config, kconfig).or_else(otherwise);
    reason.into_iter().collect()
}

/// Others that are on and select it.
fn selected(missed: &Missed, config: &Config, kconfig: &Kconfig) -> Option<Reason> {
    if missed.got.strength() <= missed.wanted.value.strength() {
        return None;
    }
    let on = |when: Option<&Expression>| when.is_none_or(|when| when.value(config) > 0);
    let mut by: Vec<String> = kconfig
        .selecting(&missed.wanted.symbol)
        .filter(|(by, when)| config.value(by).strength() >= missed.got.strength() && on(*when))
        .map(|(by, _)| by.to_owned())
        .collect();
    by.dedup();
    (!by.is_empty()).then_some(Reason::Selected { by })
}

/// What it depends on and does not have.
fn unmet(wanted: &Value, definitions: &[Definition], config: &Config) -> Vec<Reason> {
    let mut unmet: Vec<Reason> = definitions
        .iter()
        .flat_map(|definition| {
            let needed = if definition.switch {
                wanted.strength().min(1)
            } else {
                wanted.strength()
            };
            definition
                .depends
                .iter()
                .flat_map(Expression::conditions)
                .filter(move |condition| condition.value(config) < needed)
                .map(|condition| Reason::Depends {
                    on: condition.words(),
                    values: condition
                        .symbols()
                        .into_iter()
                        .map(|name| (name.to_owned(), config.value(name)))
                        .collect(),
                    at: definition.at.clone(),
                })
        })
        .collect();
    // A symbol may say again what the menu around it says.
    unmet.dedup();
    unmet
}

/// Another member of its choice that is taken.
fn choice(
    symbol: &str,
    definitions: &[Definition],
    config: &Config,
    kconfig: &Kconfig,
) -> Option<Reason> {
    definitions.iter().find_map(|definition| {
        let taken = kconfig
            .members(definition.choice?)
            .find(|name| *name != symbol && config.value(name) == Value::Y)?;
        Some(Reason::Choice {
            taken: taken.to_owned(),
            at: definition.at.clone(),
        })
    })
}

/// That no prompt sets it: it has none, or none under this configuration.
fn unasked(definitions: &[Definition], config: &Config) -> Option<Reason> {
    let unasked = |prompt_if: &Option<Expression>| {
        let when = prompt_if.as_ref()?;
        (when.value(config) == 0).then(|| when.words())
    };
    let closed = definitions
        .iter()
        .all(|d| !d.prompt || unasked(&d.prompt_if).is_some());
    if !closed {
        return None;
    }
    let asked_sometimes = definitions.iter().find_map(|definition| {
        let when = unasked(&definition.prompt_if)?;
        let at = definition.at.clone();
        Some(Reason::Unasked { when, at })
    });
    let hidden = || Reason::Hidden {
        at: definitions[0].at.clone(),
    };
    Some(asked_sometimes.unwrap_or_else(hidden))
}
