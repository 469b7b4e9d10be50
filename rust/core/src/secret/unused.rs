//! Secrets that are declared and that no fact names.

use std::fmt;

use serde_json::{Map, Value};

use crate::inventory::{FactPath, Inventory};

/// A declared secret that nobody uses, as far as facts tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Its name.
    pub name: String,
    /// The `file:line` that declares it, where known.
    pub place: Option<String>,
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret `{}`: no fact names it", self.name)
    }
}

impl Unused {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let name = &self.name;
        format!(
            "let a fact name it where something reads it; if no template or Nix file of yours does, remove `cluster.secrets.{name}` and secrets/{name}.age"
        )
    }
}

/// The declared secrets whose name is in no fact of a host.
pub fn unused(inventory: &Inventory) -> Vec<Unused> {
    let hosts = inventory.value()["hosts"].as_object();
    let facts: Vec<&Value> = hosts
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_object)
        // These are made of the declarations themselves.
        .flat_map(|host| host.iter().filter(|(concern, _)| *concern != "secrets"))
        .map(|(_, facts)| facts)
        .collect();
    let declared = inventory.cluster().secrets.iter().flatten();
    declared
        .filter(|(name, _)| !facts.iter().any(|facts| names(facts, name.as_str())))
        .map(|(name, _)| {
            let path = FactPath::default().key("cluster").key("secrets");
            let place = inventory.position(&path.key(name.as_str()));
            Unused {
                name: name.to_string(),
                place: place.map(ToOwned::to_owned),
            }
        })
        .collect()
}

/// Whether a text within `facts` names the secret `name`.
fn names(facts: &Value, name: &str) -> bool {
    match facts {
        Value::String(text) => is_word_of(text, name),
        Value::Array(items) => items.iter().any(|item| names(item, name)),
        Value::Object(entries) => {
            let mut entries = entries.iter();
            entries.any(|(key, entry)| is_word_of(key, name) || names(entry, name))
        }
        _ => false,
    }
}

/// Whether `name` is in `text`, and not as a part of a longer name.
fn is_word_of(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_stands_alone() {
        for text in ["hub", "/etc/deployctl/sealed/hub.age", "token:/x/hub"] {
            assert!(is_word_of(text, "hub"), "{text}");
        }
        for text in ["", "hubs", "the-hub", "hub_2", "github", "hub-token"] {
            assert!(!is_word_of(text, "hub"), "{text}");
        }
    }
}
