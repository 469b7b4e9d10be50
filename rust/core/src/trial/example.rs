//! Hosts on which a concern is tried: as much as a host has to say, and one of the concern's `examples`.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::concern::{Concern, Concerns};
use crate::inventory::{InventoryErrors, Platform, Reader, facts_schema};
use crate::name::HostName;

/// `cluster`, a host of every platform, and facts of our own concerns whose schema has no examples.
static DATA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("example.json")).expect("a test reads it"));

/// The example host's name.
const NAME: &str = "example";

/// One host with facts of one concern.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its platform.
    pub platform: Platform,
    /// The concern's facts.
    pub facts: Value,
    /// Everything it says, the concern's facts included.
    pub(super) host: Map<String, Value>,
    concern: String,
}

impl Example {
    /// A host of `platform` for every example of `concern`; none where the schema has no examples.
    pub(super) fn of(concern: &Concern, platform: Platform) -> Vec<Self> {
        let name = concern.name.as_str();
        let mut host = object(&DATA["base"][platform.as_str()]);
        let own = facts_schema(concern)["examples"].as_array();
        let examples = own.cloned().unwrap_or_else(|| {
            // The facts of our own concerns fit one another, and not each has a meaning alone.
            let family = if platform.is_linux() {
                "linux"
            } else {
                "darwin"
            };
            let all = object(&DATA["facts"][family]);
            let facts = all.get(name).or_else(|| host.get(name)).cloned();
            if facts.is_some() {
                host.extend(all);
            }
            facts.into_iter().collect()
        });
        for (fact, value) in &concern.manifest.example_host {
            merge(host.entry(fact).or_insert(Value::Null), value);
        }
        let example = |facts: Value| Self {
            platform,
            facts,
            host: host.clone(),
            concern: name.to_owned(),
        };
        examples.into_iter().map(example).collect()
    }

    /// The host's name.
    pub(super) fn name() -> HostName {
        HostName::new(NAME).expect("a constant")
    }

    /// The inventory that has this host alone.
    pub fn inventory(&self) -> Value {
        self.inventory_with(Some(&self.facts))
    }

    /// The same with other facts of the concern, or none.
    pub fn inventory_with(&self, facts: Option<&Value>) -> Value {
        let mut host = self.host.clone();
        match facts {
            Some(facts) => {
                host.insert(self.concern.clone(), facts.clone());
            }
            None => {
                host.shift_remove(&self.concern);
            }
        }
        json!({
            "version": 1,
            "cluster": DATA["cluster"],
            "hosts": { NAME: host },
            "positions": {},
        })
    }
}

/// Says whether a host can declare certain facts of one concern.
pub(super) struct Judge<'a> {
    reader: Reader<'a>,
    /// Alone, since most facts that are tried fail at it, and a whole inventory takes a hundred times longer.
    schema: Validator,
}

impl<'a> Judge<'a> {
    pub(super) fn new(concerns: &'a Concerns, concern: &Concern) -> Self {
        let schema = jsonschema::validator_for(facts_schema(concern));
        Self {
            reader: Reader::new(concerns),
            schema: schema.expect("it was read as a schema"),
        }
    }

    /// What is wrong with the example's host.
    pub(super) fn errors(&self, example: &Example) -> Option<InventoryErrors> {
        self.reader.read(example.inventory()).err()
    }

    /// Whether the example's host can have these facts.
    pub(super) fn takes(&self, example: &Example, facts: &Value) -> bool {
        let host = || self.reader.read(example.inventory_with(Some(facts)));
        self.schema.is_valid(facts) && host().is_ok()
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Puts `over` onto `under`, attribute set by attribute set.
fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}
