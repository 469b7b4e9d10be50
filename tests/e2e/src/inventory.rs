//! Inventories whose hosts are machines of a world, and the program under test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::machine::Machine;
use crate::world::World;

impl World {
    /// Returns an inventory: each machine as a host of its own name, reached as `operator`, whose
    /// key is the world's. `facts` are the concerns of a host, and may replace any of its other
    /// attributes, too (`{"connection": …}` wholly).
    pub fn inventory(&self, hosts: &[(&Machine, Value)]) -> Result<Value> {
        let key = fs::read_to_string(self.key().with_extension("pub"))?;
        let mut all = Map::new();
        for (machine, facts) in hosts {
            let ssh = machine.ssh_access();
            let mut host = json!({
                "description": "a machine of the tests",
                "platform": "ubuntu",
                "architecture": std::env::consts::ARCH,
                "tags": [],
                "connection": {
                    "address": ssh.address,
                    "port": ssh.port,
                    "user": "operator",
                    "become": "sudo",
                    "jump": null,
                },
                "os": { "id": "debian", "version": "12" },
            });
            let Value::Object(facts) = facts else {
                bail!("the facts of `{}` are not an object", machine.name());
            };
            for (concern, value) in facts {
                host[concern] = value.clone();
            }
            all.insert(machine.name().to_owned(), host);
        }
        Ok(json!({
            "version": 1,
            "cluster": {
                "name": "tests",
                "operators": { "operator": { "keys": [key.trim_end()] } },
                "links": {},
                "findings": [],
            },
            "hosts": all,
            "positions": {},
        }))
    }

    /// Writes an inventory into the world's scratch directory and returns its path.
    pub fn write_inventory(&self, inventory: &Value) -> Result<PathBuf> {
        let path = self.scratch().join("inventory.json");
        fs::write(&path, serde_json::to_vec_pretty(inventory)?)
            .with_context(|| format!("failed to write `{}`", path.display()))?;
        Ok(path)
    }

    /// Returns a command that runs deployctl as the controller, see [`World::controller`]: the
    /// program that `DEPLOYCTL_BIN` names, or the one built beside the tests.
    pub fn deployctl(&self) -> Result<Command> {
        let program = if let Some(program) = std::env::var_os("DEPLOYCTL_BIN") {
            PathBuf::from(program)
        } else {
            // target/debug/deps/story-0123 → target/debug/deployctl
            let test = std::env::current_exe()?;
            let deps = test.parent().context("a program is in a directory")?;
            deps.parent().unwrap_or(deps).join("deployctl")
        };
        if !program.is_file() {
            bail!(
                "there is no `{}`; cargo build --package deployctl",
                program.display()
            );
        }
        Ok(self.controller(program))
    }
}
