//! What checks need of each other, and what a gate may not be.

use std::collections::{BTreeMap, BTreeSet};

use deployctl_checks::link;

use crate::host::{HOSTS, checks_of, inventory};

#[test]
fn ids_are_unique_and_needs_end() {
    for host in HOSTS {
        let checks = checks_of(host);
        let ids: BTreeSet<&str> = checks.iter().map(|check| check.id.as_str()).collect();
        assert_eq!(ids.len(), checks.len(), "{host}: two checks with one id");
        let needs: BTreeMap<&str, &str> = checks
            .iter()
            .filter_map(|check| Some((check.id.as_str(), check.needs.as_deref()?)))
            .collect();
        for start in needs.keys() {
            let mut at = *start;
            for _ in 0..=needs.len() {
                let Some(next) = needs.get(at) else { break };
                assert!(ids.contains(next), "{host}: `{at}` needs `{next}`");
                at = next;
            }
            assert!(!needs.contains_key(at), "{host}: `{start}` needs itself");
        }
    }
}

#[test]
fn a_gate_neither_loads_nor_ships_and_needs_gates_alone() {
    for host in HOSTS {
        let checks = checks_of(host);
        for gate in checks.iter().filter(|check| check.gate) {
            assert!(!gate.load, "{host}: `{}` loads", gate.id);
            assert!(gate.ships.is_none(), "{host}: `{}` ships", gate.id);
            let needed = checks
                .iter()
                .find(|check| Some(&check.id) == gate.needs.as_ref());
            let gates = needed.is_none_or(|needed| needed.gate);
            assert!(gates, "{host}: `{}` needs what is no gate", gate.id);
        }
    }
}

#[test]
fn links_need_links_before_them_and_ship_nothing() {
    let mut before = BTreeSet::new();
    for link in link::checks(inventory()) {
        let check = link.check;
        if let Some(needed) = &check.needs {
            assert!(before.contains(needed), "`{}` needs `{needed}`", check.id);
        }
        assert!(check.ships.is_none(), "`{}` ships", check.id);
        assert!(!check.gate, "`{}` is a gate", check.id);
        assert!(before.insert(check.id.clone()), "`{}` twice", check.id);
    }
}

#[test]
fn a_unit_is_asked_again_only_while_its_state_passes_by_itself() {
    let checks = checks_of("linode");
    let unit = checks
        .iter()
        .find(|check| check.id == "time/unit/chrony.service")
        .unwrap();
    for (asked, evidence, again) in [
        (1, "loaded, activating (start), enabled", true),
        (10, "loaded, activating (start), enabled", true),
        (11, "loaded, activating (start), enabled", false),
        (
            1,
            "loaded, inactive (dead), enabled; the host is still booting",
            true,
        ),
        (1, "loaded, failed (failed), enabled", false),
        (1, "loaded, inactive (dead), enabled", false),
    ] {
        assert_eq!(unit.retry.again(asked, evidence), again, "{evidence}");
    }
}
