//! Reads `systemctl show` blocks and `systemctl list-units` lines.

use std::collections::{BTreeMap, BTreeSet};

use super::ObservedUnit;
use crate::name::UnitName;
use crate::query::printable_line;

/// By every name that a unit goes by: who asks for an alias finds it.
pub(super) fn parse(section: &[u8]) -> BTreeMap<UnitName, ObservedUnit> {
    let text = String::from_utf8_lossy(section);
    let blocks: Vec<BTreeMap<&str, &str>> = text
        .split("\n\n")
        .map(|block| {
            block
                .lines()
                .filter_map(|line| line.split_once('='))
                .collect()
        })
        .collect();
    let passed_over: BTreeSet<&str> = blocks
        .iter()
        .filter(|fields| fields.get("ConditionNow") == Some(&"no"))
        .filter_map(|fields| fields.get("Id").copied())
        .collect();
    let mut units = BTreeMap::new();
    for fields in &blocks {
        let word =
            |key: &str| printable_line(fields.get(key).copied().unwrap_or_default().as_bytes(), 64);
        let unit = ObservedUnit {
            load: word("LoadState"),
            active: word("ActiveState"),
            sub: word("SubState"),
            file: word("UnitFileState"),
            passed_over: fields.get("Id").is_some_and(|id| passed_over.contains(id)),
            needs_reload: fields.get("NeedDaemonReload") == Some(&"yes"),
            alias_of: None,
        };
        if unit.load.is_empty() {
            continue;
        }
        let names = fields.get("Names").copied().unwrap_or_default();
        let id = fields.get("Id").copied().unwrap_or_default();
        let own = UnitName::new(id).ok();
        for name in names.split(' ').chain([id]) {
            if let Ok(name) = UnitName::new(name) {
                let alias_of = own.clone().filter(|own| *own != name);
                units.insert(
                    name,
                    ObservedUnit {
                        alias_of,
                        ..unit.clone()
                    },
                );
            }
        }
    }
    units
}

/// The first word of each line; a bullet may come before it.
pub(super) fn parse_failed(section: &[u8]) -> BTreeSet<UnitName> {
    String::from_utf8_lossy(section)
        .lines()
        .filter_map(|line| {
            line.split_whitespace()
                .find_map(|word| UnitName::new(word).ok())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_would_be_passed_over_is_told_from_one_that_would_start() {
        let shown = "Id=a.service\nNames=a.service b.service\nLoadState=loaded\nActiveState=inactive\nConditionResult=no\n\n\
                     Id=c.service\nNames=c.service\nLoadState=loaded\nActiveState=inactive\n\n\
                     Id=a.service\nConditionNow=no\n";
        let units = parse(shown.as_bytes());
        let over = |name: &str| units[&UnitName::new(name).unwrap()].passed_over;
        assert_eq!(
            [over("a.service"), over("b.service"), over("c.service")],
            [true, true, false]
        );
    }
}
