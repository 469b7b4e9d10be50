//! The rules that concerns bring along: expressions over facts.

use minijinja::Value;
use minijinja::value::Serde;

use crate::concern::Scope;
use crate::inventory::error::Findings;
use crate::inventory::path::FactPath;

use super::Facts;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let with_rules = facts
        .concerns
        .iter()
        .filter(|concern| !concern.rules.is_empty());
    let with_rules: Vec<_> = with_rules.collect();
    if with_rules.is_empty() {
        return;
    }
    let hosts = Value::from(Serde(&facts.raw["hosts"]));
    let cluster = Value::from(Serde(&facts.raw["cluster"]));
    for (name, sound) in facts.hosts {
        let declared = with_rules
            .iter()
            .filter(|concern| concern.is_declared(&sound.host));
        let scope = Scope::from(
            [
                ("host", Value::from(Serde(&sound.host.facts))),
                ("hosts", hosts.clone()),
                ("cluster", cluster.clone()),
                ("name", name.as_str().into()),
            ]
            .map(|(root, value)| (root.to_owned(), value)),
        );
        for rule in declared.flat_map(|concern| &concern.rules) {
            if sound.broken.iter().any(|broken| rule.reads(broken)) {
                continue;
            }
            for objection in rule.judge(&scope) {
                let blamed = FactPath::host(name).below(&objection.blamed);
                findings.push(blamed, objection.problem, objection.hint);
            }
        }
    }
}
