//! Reads `systemctl show` blocks and `systemctl list-units` lines.

use std::collections::{BTreeMap, BTreeSet};

use super::ObservedUnit;
use crate::name::UnitName;
use crate::query::printable_line;

/// By every name that a unit goes by: who asks for an alias finds it.
pub(super) fn parse(section: &[u8]) -> BTreeMap<UnitName, ObservedUnit> {
    let mut units = BTreeMap::new();
    for block in String::from_utf8_lossy(section).split("\n\n") {
        let fields: BTreeMap<_, _> = block
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let word =
            |key: &str| printable_line(fields.get(key).copied().unwrap_or_default().as_bytes(), 64);
        let unit = ObservedUnit {
            load: word("LoadState"),
            active: word("ActiveState"),
            sub: word("SubState"),
            file: word("UnitFileState"),
        };
        if unit.load.is_empty() {
            continue;
        }
        let names = fields.get("Names").copied().unwrap_or_default();
        let id = fields.get("Id").copied().unwrap_or_default();
        for name in names.split(' ').chain([id]) {
            if let Ok(name) = UnitName::new(name) {
                units.insert(name, unit.clone());
            }
        }
    }
    units
}

/// The first word of each line; a bullet may stand before it.
pub(super) fn parse_failed(section: &[u8]) -> BTreeSet<UnitName> {
    String::from_utf8_lossy(section)
        .lines()
        .filter_map(|line| {
            line.split_whitespace()
                .find_map(|word| UnitName::new(word).ok())
        })
        .collect()
}
