//! The keys that a secret is encrypted to.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::inventory::Inventory;
use crate::inventory::cluster::Secret;
use crate::inventory::text::{AgeRecipient, PublicKey};
use crate::name::{AccountName, HostName};

/// Whoever may read a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// An operator, with a key of their own.
    Operator(AccountName),
    /// A host, with its SSH host key.
    Host(HostName),
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(name) => write!(f, "operator `{name}`"),
            Self::Host(name) => write!(f, "host `{name}`"),
        }
    }
}

/// A public key, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Whose it is.
    pub reader: Reader,
    /// `ssh-ed25519 AAAA…`, `ssh-rsa AAAA…` or `age1…`, without a comment.
    pub key: String,
}

/// A reader without a key that age can encrypt to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoKey {
    /// Who.
    pub reader: Reader,
    /// Why not.
    pub because: String,
    /// What to do.
    pub hint: String,
}

/// All keys that a secret has to be encrypted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients {
    /// The keys: of operators first.
    pub keys: Vec<Recipient>,
    /// Those who should be able to read it and have no key.
    pub without: Vec<NoKey>,
}

impl Recipients {
    /// The operators, and the hosts that `secret` is for.
    pub fn of(inventory: &Inventory, secret: &Secret) -> Self {
        let mut all = Self {
            keys: Vec::new(),
            without: Vec::new(),
        };
        for (name, operator) in &inventory.cluster().operators {
            let ssh = operator.keys.iter().map(PublicKey::as_str);
            let own = operator.age_keys.iter().flatten().map(AgeRecipient::as_str);
            let usable: Vec<String> = ssh.chain(own).filter_map(operators_key).collect();
            let reader = Reader::Operator(name.clone());
            if usable.is_empty() {
                all.without.push(NoKey {
                    reader: reader.clone(),
                    because: "age encrypts to none of these keys: ed25519 and RSA can be used".to_owned(),
                    hint: format!("add a key of `age-keygen` or of a plugin to `cluster.operators.{name}.age_keys`"),
                });
            }
            all.add(&reader, usable);
        }
        for name in &secret.hosts {
            let reader = Reader::Host(name.clone());
            match hosts_keys(inventory, name) {
                Ok(keys) => all.add(&reader, keys),
                Err((because, hint)) => all.without.push(NoKey {
                    reader,
                    because: because.to_owned(),
                    hint,
                }),
            }
        }
        all
    }

    /// All who may read it, with a key or without.
    pub fn readers(&self) -> BTreeSet<&Reader> {
        let with = self.keys.iter().map(|it| &it.reader);
        with.chain(self.without.iter().map(|it| &it.reader))
            .collect()
    }

    fn add(&mut self, reader: &Reader, keys: Vec<String>) {
        self.keys.extend(keys.into_iter().map(|key| Recipient {
            reader: reader.clone(),
            key,
        }));
    }
}

/// A key of an operator that age can encrypt to, without its comment.
fn operators_key(key: &str) -> Option<String> {
    let usable = ["ssh-ed25519 ", "ssh-rsa ", "age1"];
    usable
        .iter()
        .any(|kind| key.starts_with(kind))
        .then(|| bare(key))
}

/// The pinned ed25519 keys of a host: its own program opens secrets with `/etc/ssh/ssh_host_ed25519_key`.
fn hosts_keys(
    inventory: &Inventory,
    name: &HostName,
) -> Result<Vec<String>, (&'static str, String)> {
    let identity = inventory.host(name).and_then(|host| host.identity.as_ref());
    let Some(identity) = identity else {
        return Err((
            "it is not adopted, so its key is not known",
            format!("`deployctl adopt {name}`, then `deployctl secret rekey`"),
        ));
    };
    let keys = identity.host_keys.iter().map(PublicKey::as_str);
    let keys: Vec<String> = keys
        .filter(|key| key.starts_with("ssh-ed25519 "))
        .map(bare)
        .collect();
    if keys.is_empty() {
        let because = "none of its pinned host keys is an ed25519 key";
        let hint = format!("on the host: `ssh-keygen -A`; then `deployctl adopt --replace {name}`");
        return Err((because, hint));
    }
    Ok(keys)
}

/// A key without its comment.
fn bare(key: &str) -> String {
    let words: Vec<&str> = key.split(' ').take(2).collect();
    words.join(" ")
}
