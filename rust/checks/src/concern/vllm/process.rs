//! The server's process: off the CPUs that are the trading engine's, and free to lock memory.

use std::collections::BTreeSet;

use deployctl_core::cpus;
use deployctl_core::query::{Query, quote};

use super::CONCERN;
use crate::answer::{Found, Unreadable, value};
use crate::{Check, Declared};

/// Asks the process itself, which may have been started before its unit was changed.
pub(super) fn check(unit: &str, declared: &Declared<'_>) -> Check {
    let query = Query::new(
        "vllm/process",
        format!(
            "pid=$(systemctl show -P MainPID -- {})\nif [ \"${{pid:-0}}\" -eq 0 ]; then echo state=absent; exit 0; fi\necho state=runs\nsed -n 's/^Cpus_allowed_list:[[:space:]]*/cpus=/p' \"/proc/$pid/status\"\nsed -n 's/^Max locked memory  *\\([^ ]*\\).*/memlock=\\1/p' \"/proc/$pid/limits\"",
            quote(unit)
        ),
    );
    let isolated: BTreeSet<u32> = declared
        .host
        .fact("realtime.isolated_cpus")
        .and_then(|cpus| cpus.as_array())
        .into_iter()
        .flatten()
        .filter_map(|cpu| u32::try_from(cpu.as_u64()?).ok())
        .collect();
    let expected = if isolated.is_empty() {
        "it may lock memory without limit".to_owned()
    } else {
        format!(
            "it runs on none of CPUs {}, and may lock memory without limit",
            cpus::show(&isolated)
        )
    };
    Check::new(CONCERN, "process", &query, expected, move |answer| {
        let pairs = answer.pairs('=')?;
        if value(&pairs, "state")? == "absent" {
            return Ok(Found::when(false, "it does not run").or_hint("journalctl -u vllm.service"));
        }
        let (found, memlock) = (
            cpus::parse(value(&pairs, "cpus")?)?,
            value(&pairs, "memlock")?,
        );
        if found.is_empty() {
            return Err(Unreadable::new("it runs on no CPU"));
        }
        let evidence = format!("on CPUs {}, locked memory {memlock}", cpus::show(&found));
        Ok(Found::when(
            found.is_disjoint(&isolated) && memlock == "unlimited",
            evidence,
        )
        .or_hint("systemd passes both on at its start: restart the unit, or the host"))
    })
}
