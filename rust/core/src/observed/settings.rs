//! Reads live kernel settings, loaded modules and clocks: lines of words.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::{ModuleName, SysctlKey};
use crate::query::printable_line;

/// `path:value` lines, as keys; values keep single blanks between their words. Of several lines the
/// first counts.
pub(super) fn parse_sysctls(section: &[u8]) -> BTreeMap<SysctlKey, String> {
    let mut settings = BTreeMap::new();
    for (path, value) in lines(section, ':') {
        if let Ok(key) = SysctlKey::from_below_proc_sys(&path) {
            settings.entry(key).or_insert_with(|| normalise(&value));
        }
    }
    settings
}

/// A sysctl's value with single blanks: the kernel separates words by tabs, people by blanks.
pub(crate) fn normalise(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Module names among `wanted`; the kernel says `_` where a name has `-`.
pub(super) fn parse_modules<'a>(
    section: &[u8],
    wanted: impl IntoIterator<Item = &'a ModuleName>,
) -> BTreeSet<ModuleName> {
    let loaded: BTreeSet<_> = lines(section, ' ').map(|(name, _)| name).collect();
    wanted
        .into_iter()
        .filter(|name| loaded.contains(&name.as_str().replace('-', "_")))
        .cloned()
        .collect()
}

/// What time it is on a host, and what time it was here when the host said so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Weekday (Monday is 1) and time of day by time zone asked for: `3:14:05`.
    pub local: BTreeMap<String, String>,
    /// Seconds since 1970 by the host's clock.
    pub host: Option<u64>,
    /// The same by the controller's clock, when the answer came.
    pub controller: Option<u64>,
}

impl Clocks {
    /// By how many seconds the host's clock is behind the controller's; less than zero where it is ahead.
    pub(crate) fn behind(&self) -> Option<i64> {
        let (here, there) = (self.controller?, self.host?);
        i64::try_from(here).ok()?.checked_sub_unsigned(there)
    }
}

/// A `now SECONDS` line and `zone weekday:hour:minute` lines.
pub(crate) fn parse_clocks(section: &[u8]) -> Clocks {
    let mut local: BTreeMap<String, String> = lines(section, ' ').collect();
    let host = local.remove("now").and_then(|now| now.parse().ok());
    Clocks {
        local,
        host,
        controller: None,
    }
}

fn lines(section: &[u8], separator: char) -> impl Iterator<Item = (String, String)> {
    let text = String::from_utf8_lossy(section).into_owned();
    text.lines()
        .map(|line| {
            let (key, value) = line.split_once(separator).unwrap_or((line, ""));
            (
                key.to_owned(),
                printable_line(value.replace('\t', " ").as_bytes(), 4096),
            )
        })
        .collect::<Vec<_>>()
        .into_iter()
}
