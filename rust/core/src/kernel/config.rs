//! What a `.config` says: symbols and their values.

use std::collections::BTreeMap;
use std::fmt;

use super::fragment::Wanted;

/// The values that a `.config` gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(BTreeMap<String, Value>);

impl Config {
    /// Reads the lines `CONFIG_X=…` and `# CONFIG_X is not set`; the last one of a symbol counts.
    pub fn parse(text: &str) -> Self {
        let mut values = BTreeMap::new();
        for line in text.lines().map(str::trim_end) {
            if let Some(rest) = line.strip_prefix("# CONFIG_") {
                if let Some(name) = rest.strip_suffix(" is not set") {
                    values.insert(name.to_owned(), Value::N);
                }
            } else if let Some((name, value)) = line
                .strip_prefix("CONFIG_")
                .and_then(|rest| rest.split_once('='))
            {
                let value = match value {
                    "y" => Value::Y,
                    "m" => Value::M,
                    "n" => Value::N,
                    text => Value::Text(text.trim_matches('"').to_owned()),
                };
                values.insert(name.to_owned(), value);
            }
        }
        Self(values)
    }

    /// A symbol's value. What is left out is off: a symbol whose dependencies are not met has no line.
    pub fn value(&self, symbol: &str) -> Value {
        self.0.get(symbol).cloned().unwrap_or(Value::N)
    }

    /// Whether nothing at all is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where this differs from what is wanted. What may be a module may be built in as well, and an
    /// empty text is as good as none.
    pub fn missed(&self, wanted: &[Wanted]) -> Vec<Missed> {
        wanted
            .iter()
            .filter_map(|wanted| {
                let got = self.value(&wanted.symbol);
                let fine = got == wanted.value
                    || (wanted.value == Value::M && got == Value::Y)
                    || (wanted.value == Value::Text(String::new()) && got == Value::N);
                (!fine).then(|| Missed {
                    wanted: wanted.clone(),
                    got,
                })
            })
            .collect()
    }
}

/// A symbol that did not come out as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// What was asked for.
    pub wanted: Wanted,
    /// What the configuration says instead.
    pub got: Value,
}

/// A symbol's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Built in.
    Y,
    /// A module.
    M,
    /// Not set, said so or left out.
    N,
    /// A text, without its quotes, or a number.
    Text(String),
}

impl Value {
    /// On a scale on which a dependency caps what depends on it: off, module, built in.
    pub(super) fn strength(&self) -> u8 {
        match self {
            Self::Y => 2,
            Self::M => 1,
            Self::N | Self::Text(_) => 0,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Y => f.write_str("y"),
            Self::M => f.write_str("m"),
            Self::N => f.write_str("n"),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}
