//! What a kernel's configuration must say, from the facts, and what a `.config` says.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::inventory::kernel::{Kernel, SymbolValue};

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

/// What a kernel of our own calls itself after its version.
pub const LOCAL_VERSION: &str = "-deployctl";

/// The path of the fragment on a host with a custom kernel.
pub const ON_HOST: &str = "/etc/deployctl/kernel.fragment";

/// What the build itself needs, independently of the facts.
const OURS: &[(&str, Value)] = &[
    // The running kernel tells its own configuration: a file in /boot may be a later build's.
    ("IKCONFIG", Value::Y),
    ("IKCONFIG_PROC", Value::Y),
    // The name comes from the build alone, so that it ends with [`LOCAL_VERSION`].
    ("LOCALVERSION", Value::Text(String::new())),
    ("LOCALVERSION_AUTO", Value::N),
    // The distribution's certificates are not in the source tree.
    ("SYSTEM_REVOCATION_KEYS", Value::Text(String::new())),
    ("SYSTEM_TRUSTED_KEYS", Value::Text(String::new())),
];

/// One symbol and the value that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// Its value.
    pub value: Value,
    /// Whether the facts ask for it, not the build.
    pub declared: bool,
}

impl Wanted {
    /// As a `.config` says it.
    fn line(&self) -> String {
        let symbol = &self.symbol;
        match &self.value {
            Value::N => format!("# CONFIG_{symbol} is not set"),
            value => format!("CONFIG_{symbol}={value}"),
        }
    }
}

/// The declared symbols by name, then what the build needs and the facts do not say.
pub fn wanted(facts: &Kernel) -> Vec<Wanted> {
    let declared = facts.symbols.iter().map(|(symbol, value)| Wanted {
        symbol: symbol.as_str().to_owned(),
        value: match value {
            SymbolValue::Y => Value::Y,
            SymbolValue::M => Value::M,
            SymbolValue::N => Value::N,
        },
        declared: true,
    });
    let ours = OURS
        .iter()
        .filter(|(symbol, _)| facts.symbols.keys().all(|name| name.as_str() != *symbol))
        .map(|(symbol, value)| Wanted {
            symbol: (*symbol).to_owned(),
            value: value.clone(),
            declared: false,
        });
    declared.chain(ours).collect()
}

/// The fragment that is merged over a base configuration.
pub fn fragment(facts: &Kernel) -> String {
    let mut text = String::from(
        "# Managed by deployctl: change the inventory, not this file.\n\
         # `deployctl kernel build` merges it over a configuration, and says what Kconfig dropped and why.\n",
    );
    let wanted = wanted(facts);
    let (declared, ours): (Vec<_>, Vec<_>) = wanted.iter().partition(|wanted| wanted.declared);
    for line in declared {
        let _ = writeln!(text, "{}", line.line());
    }
    text.push_str(
        "# For the build: the configuration within, its own name alone, no certificates of the distribution.\n",
    );
    for line in ours {
        let _ = writeln!(text, "{}", line.line());
    }
    text
}
