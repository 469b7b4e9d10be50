//! The inventory's values as templates see them, with a note of every value that is read.
//!
//! A separate tree, not the parsed types: a template may read any value, and each read is noted by its path. The types
//! would have to be turned back into such a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Serde};
use minijinja::{Error, ErrorKind, Value};

use crate::inventory::Platform;
use crate::name::HostName;
use crate::secret::{Header, tag};

/// The inventory's `cluster` and `hosts`, turned once into a tree that any number of hosts are
/// rendered from. The schema is checked elsewhere; any value in the JSON can be read.
#[derive(Debug, Clone)]
pub struct Facts {
    cluster: Arc<Node>,
    hosts: Arc<Node>,
    sealed: Arc<BTreeMap<String, String>>,
}

impl Facts {
    /// Takes the version 1 inventory, `{version, cluster, hosts, positions}`. A host's own name is
    /// added to its facts as `name`.
    pub fn from_inventory(inventory: &serde_json::Value) -> Self {
        let mut shared = Shared::default();
        let empty = serde_json::Value::Object(serde_json::Map::new());
        let cluster = Node::of(inventory.get("cluster").unwrap_or(&empty), &mut shared);
        let mut hosts = BTreeMap::new();
        let declared = inventory
            .get("hosts")
            .and_then(serde_json::Value::as_object);
        for (name, host) in declared.into_iter().flatten() {
            let node = match host {
                serde_json::Value::Object(facts) => {
                    let mut map = Node::map(facts, &mut shared);
                    let leaf = || Arc::new(Node::Leaf(Value::from(name.as_str())));
                    map.entry(shared.key("name")).or_insert_with(leaf);
                    Arc::new(Node::Map(map))
                }
                other => Node::of(other, &mut shared),
            };
            hosts.insert(shared.key(name), node);
        }
        Self {
            cluster,
            hosts: Arc::new(Node::Map(hosts)),
            sealed: Arc::default(),
        }
    }

    /// With the encrypted files of secrets, as armored text, by the secret's name.
    #[must_use]
    pub fn with_sealed(self, files: BTreeMap<String, String>) -> Self {
        Self {
            sealed: Arc::new(files),
            ..self
        }
    }

    /// `sealed(name)`: the encrypted file of a secret, which `host` can open as far as its header tells.
    fn sealed(&self, host: &HostName) -> Value {
        let files = Arc::clone(&self.sealed);
        let tags = self.tags(host);
        Value::from_function(move |name: &str| match openable(&files, name, &tags) {
            Ok(file) => Ok(Value::from(file)),
            Err(what) => Err(Error::new(ErrorKind::InvalidOperation, what)),
        })
    }

    /// Why the files of the host's secrets cannot be put there: what templates are told by `sealed`, of all of them. A
    /// system of Nix is built with any file.
    pub fn closed_secrets(&self, host: &HostName) -> Vec<String> {
        let secrets = self.hosts.child(host.as_str());
        let secrets = secrets.and_then(|facts| facts.child("secrets")?.child("files"));
        let Some(Node::Map(secrets)) = secrets else {
            return Vec::new();
        };
        let tags = self.tags(host);
        let wrong = |name: &Arc<str>| openable(&self.sealed, name, &tags).err();
        secrets.keys().filter_map(wrong).collect()
    }

    /// How headers name the keys that are pinned for `host`.
    fn tags(&self, host: &HostName) -> Vec<String> {
        let keys = self.hosts.child(host.as_str());
        let keys = keys.and_then(|facts| facts.child("identity")?.child("host_keys"));
        match keys {
            Some(Node::List(keys)) => keys
                .iter()
                .filter_map(|key| key.text())
                .filter_map(tag)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The names of all hosts.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        match &*self.hosts {
            Node::Map(map) => Some(map.keys().map(AsRef::as_ref)),
            Node::List(_) | Node::Leaf(_) => None,
        }
        .into_iter()
        .flatten()
    }

    /// The host's `platform`, or `None` when there is no such host or it names none that is known.
    pub fn platform(&self, host: &HostName) -> Option<Platform> {
        match self.hosts.child(host.as_str())?.child("platform")? {
            Node::Leaf(value) => Platform::from_word(value.as_str()?),
            Node::List(_) | Node::Map(_) => None,
        }
    }

    /// Whether the host declares `concern` with something other than null.
    pub fn declares(&self, host: &HostName, concern: &str) -> bool {
        let node = self
            .hosts
            .child(host.as_str())
            .and_then(|h| h.child(concern));
        node.is_some_and(|node| !matches!(node, Node::Leaf(value) if value.is_none()))
    }

    /// What templates call `host`, `hosts`, `cluster` and `sealed`, noting what they read into `reads`.
    pub(super) fn roots(&self, host: &HostName, reads: &Reads) -> [(&'static str, Value); 4] {
        let tracked = |node: &Arc<Node>, path: String| Node::value(node, path, reads);
        let own = match &*self.hosts {
            Node::Map(map) => map.get(host.as_str()),
            Node::List(_) | Node::Leaf(_) => None,
        };
        [
            (
                "host",
                own.map_or(Value::UNDEFINED, |n| tracked(n, format!("hosts.{host}"))),
            ),
            ("hosts", tracked(&self.hosts, "hosts".to_owned())),
            ("cluster", tracked(&self.cluster, "cluster".to_owned())),
            ("sealed", self.sealed(host)),
        ]
    }
}

/// The file of the secret `name`, unless its header tells that no key with one of `tags` opens it. A host that is not
/// adopted has no tag: its file is put there once its key is known.
fn openable<'a>(
    files: &'a BTreeMap<String, String>,
    name: &str,
    tags: &[String],
) -> Result<&'a str, String> {
    let Some(file) = files.get(name) else {
        return Err(format!(
            "there is no `secrets/{name}.age`: `deployctl secret check` tells how to make it"
        ));
    };
    match Header::parse(file.as_bytes()) {
        Err(error) => Err(format!("`secrets/{name}.age`: {error}")),
        Ok(header) if !tags.is_empty() && !tags.iter().any(|tag| header.tags.contains(tag)) => {
            Err(format!(
                "`secrets/{name}.age` is not encrypted to this host's pinned key: `deployctl secret rekey {name}`"
            ))
        }
        Ok(_) => Ok(file),
    }
}

/// Hosts of one inventory say much the same: each key and plain value is kept once.
#[derive(Default)]
struct Shared {
    keys: BTreeSet<Arc<str>>,
    leaves: BTreeMap<String, Arc<Node>>,
}

impl Shared {
    fn key(&mut self, key: &str) -> Arc<str> {
        if let Some(known) = self.keys.get(key) {
            return Arc::clone(known);
        }
        let key: Arc<str> = key.into();
        self.keys.insert(Arc::clone(&key));
        key
    }

    fn leaf(&mut self, json: &serde_json::Value) -> Arc<Node> {
        let new = || Arc::new(Node::Leaf(Value::from(Serde(json))));
        Arc::clone(self.leaves.entry(json.to_string()).or_insert_with(new))
    }
}

/// One value of the inventory. Maps are sorted, so that a loop over one gives the same bytes
/// whatever order it was written in.
#[derive(Debug)]
enum Node {
    Leaf(Value),
    List(Vec<Arc<Self>>),
    Map(BTreeMap<Arc<str>, Arc<Self>>),
}

impl Node {
    fn of(json: &serde_json::Value, shared: &mut Shared) -> Arc<Self> {
        match json {
            serde_json::Value::Array(items) => Arc::new(Self::List(
                items.iter().map(|item| Self::of(item, shared)).collect(),
            )),
            serde_json::Value::Object(map) => Arc::new(Self::Map(Self::map(map, shared))),
            leaf => shared.leaf(leaf),
        }
    }

    fn map(
        map: &serde_json::Map<String, serde_json::Value>,
        shared: &mut Shared,
    ) -> BTreeMap<Arc<str>, Arc<Self>> {
        map.iter()
            .map(|(key, item)| (shared.key(key), Self::of(item, shared)))
            .collect()
    }

    fn child(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key).map(AsRef::as_ref),
            Self::List(_) | Self::Leaf(_) => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Leaf(value) => value.as_str(),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value handed to a template; a leaf counts as read from here on.
    fn value(node: &Arc<Self>, path: String, reads: &Reads) -> Value {
        match &**node {
            Self::Leaf(value) => {
                reads.note(path);
                value.clone()
            }
            Self::List(_) | Self::Map(_) => Value::from_object(Tracked {
                node: Arc::clone(node),
                path,
                reads: reads.clone(),
            }),
        }
    }
}

/// A list or map of the inventory, in the hands of a template.
#[derive(Debug)]
struct Tracked {
    node: Arc<Node>,
    path: String,
    reads: Reads,
}

impl Object for Tracked {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match *self.node {
            Node::List(_) => ObjectRepr::Seq,
            Node::Map(_) | Node::Leaf(_) => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match &*self.node {
            Node::List(items) => {
                let index = key.as_usize()?;
                let node = items.get(index)?;
                // A list of plain values is one fact; a list of maps holds a fact for each key.
                let path = match **node {
                    Node::Leaf(_) => self.path.clone(),
                    Node::List(_) | Node::Map(_) => format!("{}.{index}", self.path),
                };
                Some(Node::value(node, path, &self.reads))
            }
            Node::Map(map) => {
                let key = key.as_str()?;
                let path = format!("{}.{key}", self.path);
                if let Some(node) = map.get(key) {
                    Some(Node::value(node, path, &self.reads))
                } else {
                    self.reads.note_missing(path, map.keys());
                    None
                }
            }
            Node::Leaf(_) => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.reads.note(self.path.clone());
        match &*self.node {
            Node::List(items) => Enumerator::Seq(items.len()),
            Node::Map(map) => {
                Enumerator::Values(map.keys().map(|k| Value::from(k.as_ref())).collect())
            }
            Node::Leaf(_) => Enumerator::Empty,
        }
    }
}

/// What templates have read, and what they looked for in vain.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    read: BTreeSet<String>,
    missing: Option<Missing>,
}

/// A fact that a template asked for and the inventory does not have.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    /// Its path, such as `hosts.cuda.hugepages.cout`.
    pub(super) path: String,
    /// What is there instead.
    pub(super) siblings: Vec<String>,
}

impl Reads {
    fn with<T>(&self, f: impl FnOnce(&mut Notes) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, path: String) {
        self.with(|notes| notes.read.insert(path));
    }

    fn note_missing<'a>(&self, path: String, siblings: impl Iterator<Item = &'a Arc<str>>) {
        let siblings = siblings.map(ToString::to_string).collect();
        self.with(|notes| notes.missing = Some(Missing { path, siblings }));
    }

    /// The facts read since the last call.
    pub(super) fn take(&self) -> BTreeSet<String> {
        self.with(|notes| {
            notes.missing = None;
            std::mem::take(&mut notes.read)
        })
    }

    /// The last fact that was looked for in vain.
    pub(super) fn missing(&self) -> Option<Missing> {
        self.with(|notes| notes.missing.clone())
    }
}
