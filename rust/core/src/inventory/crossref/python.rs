//! Environments of Python: what they compute takes a GPU, and `PyTorch`.

use std::collections::BTreeMap;

use super::SoundHost;
use crate::inventory::error::Findings;
use crate::inventory::path::FactPath;
use crate::name::HostName;

pub(super) fn check(name: &HostName, sound: &SoundHost, findings: &mut Findings<'_>) {
    let Some(python) = &sound.host.python else {
        return;
    };
    let mut paths: BTreeMap<&str, &str> = BTreeMap::new();
    for (environment_name, environment) in &python.environments {
        let at = FactPath::host(name)
            .keys("python.environments")
            .key(environment_name);
        if let Some(other) = paths.insert(environment.path.as_str(), environment_name.as_str()) {
            findings.add(
                at.clone().key("path"),
                format!("is `{}`, as of environment `{other}`", environment.path),
            );
        }
        if environment.tensor.is_none() {
            continue;
        }
        if !sound.host.declares("nvidia") && !sound.broken.contains("nvidia") {
            findings.add_with_hint(
                at.clone().key("tensor"),
                "needs a GPU, and this host declares no `nvidia`",
                "declare `nvidia`, or set this to null",
            );
        }
        if !environment
            .imports
            .keys()
            .any(|module| module.as_str() == "torch")
        {
            findings.add_with_hint(
                at.key("imports"),
                "is without `torch`, which `tensor` computes with",
                "add `torch = null;` for any version",
            );
        }
    }
}
