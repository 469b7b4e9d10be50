//! The inventory: what each host should be, as data.
//!
//! Nix says it (`hosts/default.nix`), this module understands it: one schema without defaults, from
//! which the JSON Schema and a reference page are generated. [`parse`] reports everything that is
//! wrong at once, each with the file and line where it stands.

pub mod cluster;
mod control;
mod crossref;
mod error;
pub mod extra;
pub mod firewall;
mod forms;
pub mod host;
pub mod image;
pub mod kernel;
pub mod network;
pub mod nix;
mod path;
mod reference;
mod schema;
pub mod ssh;
pub mod storage;
mod structure;
pub mod suggest;
pub mod system;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::cluster::Cluster;
use self::error::{Findings, Positions};
pub use self::error::{InventoryError, InventoryErrors};
pub use self::host::{Host, Platform};
pub use self::path::{FactPath, Segment};
pub use self::reference::{reference, reference_of};
use self::schema::Schema;
pub use self::schema::schema;
pub use self::schema::{facts_schema, validator};
pub(crate) use self::schema::{has_type, kinds};
use crate::concern::Concerns;
use crate::name::HostName;
use host::BlackoutHours;

/// The inventory's JSON, version 1. Only its schema is used: [`parse`] takes it apart by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "deployctl inventory, version 1")]
#[expect(
    dead_code,
    reason = "the type is the schema's source; its parts are deserialised one by one"
)]
struct Document {
    /// Version of this format.
    #[schemars(extend("const" = 1))]
    version: u32,
    /// What is true of every host.
    cluster: Cluster,
    /// The hosts, by name.
    hosts: BTreeMap<HostName, Host>,
    /// Where each value stands: its path → `file:line`.
    positions: BTreeMap<String, String>,
}

/// A valid inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    cluster: Cluster,
    hosts: BTreeMap<HostName, Host>,
    positions: Positions,
    concerns: Concerns,
    raw: Value,
}

impl Inventory {
    /// What is true of every host.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The hosts, by name.
    pub fn hosts(&self) -> &BTreeMap<HostName, Host> {
        &self.hosts
    }

    /// One host.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// What its hosts can declare.
    pub fn concerns(&self) -> &Concerns {
        &self.concerns
    }

    /// Everything as it was written, positions included.
    pub fn value(&self) -> &Value {
        &self.raw
    }

    /// Where each value stands: its path → `file:line`.
    pub fn positions(&self) -> &BTreeMap<String, String> {
        &self.positions
    }

    /// The place of the value at `path` (`hosts/cuda/default.nix:31`), or of what contains it.
    pub fn position(&self, path: &FactPath) -> Option<&str> {
        error::position(&self.positions, path)
    }
}

/// Reads an inventory of the concerns that the program carries; see [`parse_with`].
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Inventory, InventoryErrors> {
    parse_with(bytes, Concerns::built_in())
}

/// Reads an inventory from what `nix eval --json --file hosts` prints; its hosts may declare `concerns`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_with(bytes: &[u8], concerns: &Concerns) -> Result<Inventory, InventoryErrors> {
    checked(document(bytes)?, concerns, &Schema::of(concerns))
}

/// Reads any number of inventories whose hosts may declare the same concerns.
pub struct Reader {
    concerns: Concerns,
    schema: Arc<Schema>,
}

impl Reader {
    /// Of hosts that may declare `concerns`.
    pub fn new(concerns: &Concerns) -> Self {
        Self {
            concerns: concerns.clone(),
            schema: Schema::of(concerns),
        }
    }

    /// Reads one of version 1 from its JSON; see [`parse_with`].
    pub fn read(&self, mut raw: Value) -> Result<Inventory, InventoryErrors> {
        whole_numbers(&mut raw);
        checked(raw, &self.concerns, &self.schema)
    }
}

/// The inventory of a document, if nothing is wrong with it.
fn checked(raw: Value, concerns: &Concerns, schema: &Schema) -> Result<Inventory, InventoryErrors> {
    let entries = raw.get("positions").and_then(Value::as_object);
    let positions: Positions = entries
        .into_iter()
        .flatten()
        .filter_map(|(path, at)| Some((path.clone(), at.as_str()?.to_owned())))
        .collect();

    let mut findings = Findings::new(&positions);
    control::check(&FactPath::default(), &raw, concerns, &mut findings);
    structure::check(&raw, schema, &mut findings);

    let cluster = sound_cluster(&raw, &findings);
    let hosts = sound_hosts(&raw, concerns, &findings);
    let names: BTreeSet<String> = raw["hosts"]
        .as_object()
        .map(|hosts| hosts.keys().cloned().collect())
        .unwrap_or_default();
    crossref::check(
        &crossref::Facts {
            cluster: cluster.as_ref(),
            hosts: &hosts,
            names: &names,
            raw: &raw,
            concerns,
        },
        &mut findings,
    );
    findings.finish()?;

    let whole = hosts.len() == names.len() && hosts.values().all(|h| h.broken.is_empty());
    let (Some(cluster), true) = (cluster, whole) else {
        return Err(only(
            "fits the schema, but not the types made from it".to_owned(),
        ));
    };
    Ok(Inventory {
        cluster,
        hosts: hosts
            .into_iter()
            .map(|(name, sound)| (name, sound.host))
            .collect(),
        positions,
        concerns: concerns.clone(),
        raw,
    })
}

/// The JSON of a version that this program reads.
fn document(bytes: &[u8]) -> Result<Value, InventoryErrors> {
    let mut raw: Value =
        serde_json::from_slice(bytes).map_err(|error| only(format!("is not JSON: {error}")))?;
    match raw.get("version") {
        Some(version) if *version == 1 => {}
        Some(other) => {
            return Err(only(format!(
                "has version {}; this deployctl reads version 1",
                structure::show(other)
            )));
        }
        None => return Err(only("is not an inventory: it has no `version`".to_owned())),
    }
    whole_numbers(&mut raw);
    Ok(raw)
}

fn only(problem: String) -> InventoryErrors {
    let nowhere = Positions::new();
    let mut findings = Findings::new(&nowhere);
    findings.add(FactPath::default(), problem);
    findings.finish().expect_err("one was just added")
}

/// The cluster, when nothing is wrong with it.
fn sound_cluster(raw: &Value, findings: &Findings<'_>) -> Option<Cluster> {
    if findings.touches(&FactPath::default().key("cluster")) {
        return None;
    }
    read(&raw["cluster"])
}

/// The hosts that can be read, each without the concerns that something is wrong with, so that the
/// rest is still held against each other.
fn sound_hosts(
    raw: &Value,
    concerns: &Concerns,
    findings: &Findings<'_>,
) -> BTreeMap<HostName, crossref::SoundHost> {
    let mut sound = BTreeMap::new();
    for (name, facts) in raw["hosts"].as_object().into_iter().flatten() {
        let (Ok(name), Some(facts)) = (HostName::new(name), facts.as_object()) else {
            continue;
        };
        let path = FactPath::host(&name);
        let mut broken = BTreeSet::new();
        let mut kept = facts.clone();
        for concern in facts.keys() {
            if findings.touches(&path.clone().key(concern)) {
                broken.insert(concern.clone());
                kept.shift_remove(concern);
            }
        }
        let mut facts = kept.clone();
        facts.retain(|_, fact| !fact.is_null());
        kept.retain(|word, _| has_type(word));
        if let Some(host) = read::<Host>(&Value::Object(kept)) {
            let host = Host { facts, ..host };
            if let Some(blackouts) = blackouts(&host, concerns) {
                let host = Host { blackouts, ..host };
                sound.insert(name, crossref::SoundHost { host, broken });
            }
        }
    }
    sound
}

/// Hours in which concerns of `host` are left alone; `None` where some do not fit the type, which their schema is made
/// of.
fn blackouts(host: &Host, concerns: &Concerns) -> Option<BTreeMap<String, BlackoutHours>> {
    let mut blackouts = BTreeMap::new();
    for concern in concerns {
        let fact = concern.blackout().and_then(|path| host.fact(&path));
        if let Some(hours) = fact {
            blackouts.insert(concern.name.to_string(), read(hours)?);
        }
    }
    Some(blackouts)
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

/// Some versions of Nix print `1.0` as `1`, others as `1.0`: both become `1`, so that what templates
/// print does not depend on it.
fn whole_numbers(value: &mut Value) {
    /// Up to here a float is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() <= EXACT
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and within EXACT")]
                let whole = float as i64;
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(entries) => entries.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
