//! What a kernel's configuration must say, from the facts.

use std::fmt::Write as _;

use super::config::Value;
use crate::inventory::kernel::{Kernel, SymbolValue};

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
