//! Checks of the tests' own.

use std::collections::BTreeSet;
use std::time::Duration;

use deployctl_checks::{self as checks, Check, Declared, Retry, Shipment};
use deployctl_core::name::HostName;
use deployctl_core::rendered::Rendered;
use serde_json::{Value, json};

/// Any valid inventory would do.
const INVENTORY: &str = include_str!("../../../../tests/fixtures/inventory.json");

/// A question of the test's own.
pub(crate) struct Ask(pub(crate) Check);

impl Ask {
    /// Passes where `command` says `good`. It runs in the host's folder.
    pub(crate) fn new(label: &str, command: &str) -> Self {
        let mut inventory: Value = serde_json::from_str(INVENTORY).unwrap();
        inventory["hosts"]["cuda"]["extra"] = json!({ "checks": { label: {
            "command": format!("cd \"$HERE\" || exit\n{command}"),
            "status": 0,
            "contains": ["good"],
            "deadline_seconds": 5,
            "retries": 0,
            "gate": false,
        }}});
        let inventory = inventory.to_string();
        let inventory = deployctl_core::inventory::parse(inventory.as_bytes()).unwrap();
        let cuda = HostName::new("cuda").unwrap();
        let checks = checks::checks(&Declared {
            host: inventory.host(&cuda).unwrap(),
            concerns: inventory.concerns(),
            cluster: inventory.cluster(),
            rendered: &Rendered::empty(cuda.clone()),
            failed_before: &BTreeSet::new(),
        });
        let id = format!("extra/check/{label}");
        let mut check = checks.into_iter().find(|check| check.id == id).unwrap();
        label.clone_into(&mut check.id);
        Self(check)
    }

    pub(crate) fn retried(mut self, times: u8, seconds: u64) -> Self {
        let pause = Duration::from_secs(seconds);
        self.0.retry = Retry {
            times,
            pause,
            only: Vec::new(),
        };
        self
    }

    pub(crate) fn needing(mut self, needed: &str) -> Self {
        self.0.needs = Some(needed.to_owned());
        self
    }

    pub(crate) fn loading(mut self) -> Self {
        self.0.load = true;
        self
    }

    pub(crate) fn shipping(mut self, shipment: Shipment) -> Self {
        self.0.ships = Some(shipment);
        self
    }
}
