//! What a `.config` says.

use std::collections::BTreeMap;

use super::fragment::Wanted;
use super::value::Value;

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
