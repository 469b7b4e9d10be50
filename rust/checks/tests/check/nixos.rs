//! The same facts where Nix builds the system: what is asked there, and what is not.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use deployctl_checks::{
    Check, CheckStatus, Declared, checks, checks_of_rendered, evaluate_all, gates, queries,
};
use deployctl_core::closure::{Closure, StorePath};
use deployctl_core::inventory::host::{Host, Platform};
use deployctl_core::name::HostName;
use deployctl_core::query::Answers;
use deployctl_core::rendered::Rendered;

use crate::host::{inventory, section};
use crate::shell::{SHIPPED, evaluated};
use crate::shellcheck;

const SYSTEM: &str = "/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05";
const OTHER: &str = "/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05";

/// A host of the inventory as `platform` would have it, with a system.
pub(crate) fn made(
    host: &str,
    platform: Platform,
    make: fn(&Declared<'_>) -> Vec<Check>,
) -> Vec<Check> {
    let name = HostName::new(host).unwrap();
    let flipped = Host {
        platform,
        ..inventory().host(&name).unwrap().clone()
    };
    make(&Declared {
        host: &flipped,
        concerns: inventory().concerns(),
        cluster: inventory().cluster(),
        rendered: &Rendered {
            closure: Some(Closure {
                platform,
                toplevel: StorePath::new(SYSTEM).unwrap(),
            }),
            ..Rendered::empty(name)
        },
        failed_before: &BTreeSet::new(),
    })
}

#[test]
fn what_is_checked_on_nixos_and_not_on_ubuntu_or_the_other_way_round() {
    let mut text = String::new();
    for host in ["cuda", "linode"] {
        let ids = |checks: Vec<Check>| -> BTreeSet<String> {
            checks.into_iter().map(|check| check.id).collect()
        };
        let ubuntu = ids(crate::host::checks_of(host));
        let nixos = ids(made(host, Platform::Nixos, checks));
        let _ = writeln!(
            text,
            "## {host}, {} in common",
            ubuntu.intersection(&nixos).count()
        );
        for id in ubuntu.symmetric_difference(&nixos) {
            let side = if nixos.contains(id) {
                "nixos "
            } else {
                "ubuntu"
            };
            let _ = writeln!(text, "{side}  {id}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn nothing_of_ubuntu_is_asked_there_and_every_question_is_clean() {
    let all = made("cuda", Platform::Nixos, checks);
    for query in queries(&all) {
        for word in ["dpkg", "apt-", "/usr/local/cuda"] {
            assert!(!query.command.contains(word), "{}: {word}", query.id);
        }
        let script = format!("{SHIPPED}{}\n", evaluated(&query.command));
        shellcheck::clean(&query.id, &script, "");
    }
}

#[test]
fn the_system_that_runs_decides_and_the_next_boot_is_told() {
    let answer = |current: &str, profile: &str| -> Answers {
        let text = format!("current={current}\nprofile={profile}\n");
        [("system/current".to_owned(), section(0, text))].into()
    };
    let all = made("linode", Platform::Nixos, checks_of_rendered);
    let mut text = String::new();
    for (current, profile) in [(SYSTEM, SYSTEM), (SYSTEM, OTHER), (OTHER, SYSTEM), ("", "")] {
        for result in evaluate_all(&all, &answer(current, profile)) {
            let _ = writeln!(
                text,
                "{:<5} {} {}: {}",
                result.status.word(),
                result.check,
                if result.gate { "(gate)" } else { "" },
                result.evidence
            );
        }
    }
    insta::assert_snapshot!(text, @"
    pass  system/current (gate): /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05
    pass  system/next-boot : /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05
    pass  system/current (gate): /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05
    fail  system/next-boot : /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05
    fail  system/current (gate): /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05
    pass  system/next-boot : /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05
    fail  system/current (gate): nothing
    fail  system/next-boot : nothing
    ");
}

#[test]
fn a_mac_is_checked_for_its_system() {
    let all = made("mac-mini", Platform::Darwin, checks);
    let ids: Vec<_> = all.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids[..2], ["system/current", "system/next-boot"]);
    let gates: BTreeSet<_> = gates(&all).map(|check| check.concern.as_str()).collect();
    assert_eq!(gates, BTreeSet::from(["ssh", "system"]));
    let silent = evaluate_all(&all, &Answers::new());
    assert!(
        silent
            .iter()
            .all(|result| matches!(result.status, CheckStatus::Error { .. }))
    );
}

#[test]
fn a_shell_is_the_same_by_its_name() {
    let all = made("linode", Platform::Nixos, checks);
    let wanted = all
        .iter()
        .find(|check| check.id.starts_with("system/user/"))
        .unwrap();
    assert!(!wanted.expected.contains("shell /"), "{}", wanted.expected);
}
