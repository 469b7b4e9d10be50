//! Hosts on which a concern is tried: as much as a host has to say, and one of the concern's `examples`.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use deployctl_core::concern::{Concern, Concerns};
use deployctl_core::inventory::{Platform, Reader, facts_schema, validator};
use deployctl_core::name::HostName;

/// `cluster`, what a host of each platform has to say, and facts of concerns that have a type in Rust.
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
    /// What its facts name beside the host.
    around: Around,
}

/// What an example is among.
#[derive(Debug, Clone, Default, PartialEq)]
struct Around {
    links: Map<String, Value>,
    hosts: Map<String, Value>,
}

impl Example {
    /// A host of `platform` for every example of `concern`; none where the schema has no examples.
    pub(super) fn of(concerns: &Concerns, concern: &Concern, platform: Platform) -> Vec<Self> {
        let mut host = base(platform);
        let own = examples(concern, &host, platform);
        let mut around = Around::default();
        beside(&mut host, &mut around, concerns, concern);
        let example = |facts: Value| Self {
            platform,
            facts,
            host: host.clone(),
            concern: concern.name.to_string(),
            around: around.clone(),
        };
        own.into_iter().map(example).collect()
    }

    /// The host's name.
    pub(super) fn name() -> HostName {
        HostName::new(NAME).expect("a constant")
    }

    /// The inventory that has this host, and those that its facts name.
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
        let mut cluster = DATA["cluster"].clone();
        cluster["links"] = self.around.links.clone().into();
        let mut hosts = self.around.hosts.clone();
        let secrets = host
            .get("secrets")
            .and_then(|facts| facts["files"].as_object());
        if let Some(files) = secrets {
            // Where a host has its secrets from.
            let declared = files
                .keys()
                .map(|name| (name.clone(), json!({ "for": [NAME] })));
            cluster["secrets"] = declared.collect();
        }
        hosts.insert(NAME.to_owned(), host.into());
        json!({
            "version": 1,
            "cluster": cluster,
            "hosts": hosts,
            "positions": {},
        })
    }
}

/// Says whether a host can declare certain facts of one concern.
pub(super) struct Judge<'a> {
    reader: &'a Reader,
    /// Alone, since most facts that are tried fail at it, and a whole inventory takes a hundred times longer.
    schema: Validator,
}

impl<'a> Judge<'a> {
    pub(super) fn new(reader: &'a Reader, concern: &Concern) -> Self {
        let schema = validator(facts_schema(concern));
        Self {
            reader,
            schema: schema.expect("it was read as a schema"),
        }
    }

    /// Whether the example's host can have these facts.
    pub(super) fn takes(&self, example: &Example, facts: &Value) -> bool {
        let host = || self.reader.read(example.inventory_with(Some(facts)));
        self.schema.is_valid(facts) && host().is_ok()
    }
}

/// What a host of `platform` has to say.
fn base(platform: Platform) -> Map<String, Value> {
    let mut host = object(&DATA["base"]["all"]);
    host.extend(object(&DATA["base"][family(platform)]));
    host.insert("platform".to_owned(), platform.as_str().into());
    host.insert("os".to_owned(), DATA["os"][platform.as_str()].clone());
    host
}

fn family(platform: Platform) -> &'static str {
    if platform.is_linux() {
        "linux"
    } else {
        "darwin"
    }
}

/// The facts of `concern` on a host that says `base`, by its schema's examples, or by ours of a type in Rust.
fn examples(concern: &Concern, base: &Map<String, Value>, platform: Platform) -> Vec<Value> {
    let own = facts_schema(concern)["examples"].as_array();
    let typed = || {
        let name = concern.name.as_str();
        let facts = DATA["facts"][family(platform)].get(name);
        facts.or_else(|| base.get(name)).cloned()
    };
    own.cloned()
        .unwrap_or_else(|| typed().into_iter().collect())
}

/// Adds to `host` what `concern` needs beside its facts: those of concerns with a type in Rust where it is one of
/// them, since these fit one another and not each has a meaning alone; then what its `concern.toml` names.
fn beside(
    host: &mut Map<String, Value>,
    around: &mut Around,
    concerns: &Concerns,
    concern: &Concern,
) {
    let platform = platform_of(host);
    let mut named: Vec<&str> = Vec::new();
    if concern.facts.is_none() {
        host.extend(object(&DATA["facts"][family(platform)]));
        let with = DATA["with"][family(platform)].as_array();
        named.extend(with.into_iter().flatten().filter_map(Value::as_str));
    }
    named.extend(concern.manifest.example_with.iter().map(String::as_str));
    for other in named.into_iter().filter_map(|name| concerns.get(name)) {
        let name = other.name.as_str();
        let known = host.contains_key(name) && other.facts.is_some();
        let facts = examples(other, host, platform).into_iter().next();
        if let Some(facts) = facts.filter(|_| !known && other.is_for(platform)) {
            host.insert(name.to_owned(), facts);
            beside(host, around, concerns, other);
        }
    }
    for (fact, value) in &concern.manifest.example_host {
        merge(host.entry(fact).or_insert(Value::Null), value);
    }
    around.links.extend(concern.manifest.example_links.clone());
    around.hosts.extend(others(concern, platform));
}

/// The platform that `host` says.
fn platform_of(host: &Map<String, Value>) -> Platform {
    let word = host["platform"].as_str();
    word.and_then(Platform::from_word)
        .expect("every example says one")
}

/// The other hosts that examples of `concern` name: on `platform`, as the example's own host.
fn others(concern: &Concern, platform: Platform) -> Map<String, Value> {
    let other = |(name, says): (&String, &Value)| {
        let mut host = Value::Object(base(platform));
        host["system"]["hostname"] = name.as_str().into();
        host["connection"]["address"] = format!("{name}.example").into();
        merge(&mut host, says);
        (name.clone(), host)
    };
    concern.manifest.example_hosts.iter().map(other).collect()
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
