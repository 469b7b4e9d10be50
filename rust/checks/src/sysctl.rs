//! Live kernel settings, for every concern that declares some.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use deployctl_core::name::{SysctlKey, below_proc_sys};
use deployctl_core::precedence;
use deployctl_core::query::{Query, quote};

use super::answer::{Answer, Found, Holds, Unreadable};
use crate::{Check, Declared};

/// One check per key: the running kernel has the declared value. All keys of a concern share a query.
/// They decide confirm: they are quick to read, and an apply that did not set them did not work.
pub(super) fn checks<'a>(
    concern: &str,
    wanted: impl IntoIterator<Item = (&'a str, String)>,
    declared: &Declared<'_>,
) -> Vec<Check> {
    let mut settings: BTreeMap<&str, String> = wanted.into_iter().collect();
    // What templates add of their own (group ids are theirs to know) counts as declared too.
    for (key, want) in &declared.rendered.sysctls {
        if want.concerns.iter().any(|by| by.as_str() == concern) {
            let setting = settings.entry(key.as_str());
            setting.or_insert_with(|| want.value.clone());
        }
    }
    if settings.is_empty() {
        return Vec::new();
    }
    let query = query(concern, settings.keys().copied());
    settings
        .into_iter()
        .map(|(key, value)| {
            let (key, file, wanted) = (key.to_owned(), below_proc_sys(key), normal(&value));
            Check::new(
                concern,
                &format!("sysctl/{key}"),
                &query,
                format!("{key} = {wanted}"),
                move |answer| judge(answer, &key, &file, &wanted),
            )
            .gate_if(true)
        })
        .collect()
}

/// One process for all keys. Not the shell's `read`: dash asks byte by byte, and files of `/proc/sys`
/// answer only the first time, so 2048 would become 2. `kernel/ostype`, which every kernel has, tells a
/// setting that is not there from no answer.
fn query<'a>(concern: &str, keys: impl Iterator<Item = &'a str>) -> Query {
    let keys: Vec<&str> = keys.collect();
    let files: Vec<String> = keys.iter().map(|key| quote(&below_proc_sys(key))).collect();
    let files = files.join(" ");
    let mut command = format!("cd /proc/sys && {{ grep -s '' kernel/ostype {files} || :; }}\n");
    let interfaces: BTreeSet<String> = keys.iter().filter_map(|key| interface(key)).collect();
    if !interfaces.is_empty() {
        let names: Vec<String> = interfaces.iter().map(|name| quote(name)).collect();
        let _ = writeln!(
            command,
            "for i in {}; do [ -e \"/sys/class/net/$i\" ] || echo \"absent/$i:interface\"; done",
            names.join(" ")
        );
    }
    command.push_str(precedence::ASK_SYSCTL);
    Query::inline(format!("{concern}/sysctl"), command).with_cap(512 * 1024)
}

/// The interface whose setting it is.
fn interface(key: &str) -> Option<String> {
    SysctlKey::new(key).ok()?.interface()
}

/// Values of several words come back with tabs between them.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn judge(answer: &Answer<'_>, key: &str, file: &str, wanted: &str) -> Result<Found, Unreadable> {
    let Some(found) = parse(answer, file)? else {
        let evidence = "the running kernel has no such setting";
        // It exists only with its interface, which other checks ask about.
        if let Some(interface) = interface(key)
            && parse(answer, &format!("absent/{interface}"))?.is_some()
        {
            return Ok(Found {
                evidence: evidence.to_owned(),
                holds: Holds::PassedOver(format!("there is no interface `{interface}`")),
                measured: Vec::new(),
            });
        }
        return Ok(Found::when(false, evidence)
            .or_hint("load the module that brings it, or boot a kernel that has it"));
    };
    let judged = Found::when(found == wanted, format!("it is {found}"));
    let files = precedence::parse(answer.text()?.as_bytes());
    let at_boot = precedence::sysctl_at_boot(&files, key);
    Ok(
        match at_boot.filter(|at_boot| at_boot.value == found && found != wanted) {
            Some(at_boot) => judged.or_hint(format!("`{}` sets that at boot", at_boot.place)),
            None => judged,
        },
    )
}

/// The value of `file`; `None` where the kernel has no such setting.
fn parse(answer: &Answer<'_>, file: &str) -> Result<Option<String>, Unreadable> {
    let values = answer.pairs(':')?;
    if !values.contains_key("kernel/ostype") {
        return Err(Unreadable::new("not even `kernel/ostype` in the answer"));
    }
    Ok(values.get(file).map(|value| normal(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployctl_core::query::Section;

    #[test]
    fn a_setting_waits_for_its_interface_and_for_nothing_else() {
        let judged = |stdout: &str, key: &str| {
            let section = Section {
                status: Some(0),
                stdout: format!("kernel/ostype:Linux\n{stdout}").into_bytes(),
                stderr: Vec::new(),
                truncated: false,
            };
            judge(&Answer::new(0, &section), key, &below_proc_sys(key), "2")
                .unwrap()
                .holds
        };
        let key = "net.ipv4.conf.cluster0.rp_filter";
        assert_eq!(
            judged("absent/cluster0:interface\n", key),
            Holds::PassedOver("there is no interface `cluster0`".to_owned())
        );
        assert!(matches!(judged("", key), Holds::No(_)));
        assert!(matches!(judged("", "vm.nosuch"), Holds::No(_)));
        assert_eq!(
            judged("net/ipv4/conf/cluster0/rp_filter:2\n", key),
            Holds::Yes
        );
    }
}
