//! Every check notices when the one thing it is about is not so.
//!
//! A good host's answer is changed as a hand on that host would change it, and the check must say so.

mod login;
mod mac;
mod machine;
mod rendered;
mod served;
mod work;

use std::collections::BTreeSet;

use deployctl_checks::evaluate;

use crate::host::{HOSTS, checks_of, good_answers, section};

/// Check, text to find in the good answer, its replacement, and how the check must end.
/// An empty text replaces the whole answer.
type Mutation = (&'static str, &'static str, &'static str, &'static str);

/// Of the checks that the inventory itself declares.
const OWN: &[Mutation] = &[
    ("extra/check/gpu-temperature", "41", "84", "fail"),
    ("extra/check/gpu-temperature", "41", "9.5", "fail"),
    ("extra/check/gpu-temperature", "41", "83.5", "fail"),
    ("extra/check/gpu-temperature", "41", "nan", "error"),
    ("extra/check/gpu-temperature", "41", "inf", "error"),
    ("extra/check/gpu-temperature", "41", "41 °C", "error"),
    ("extra/check/gpu-temperature", "41", "[N/A]", "error"),
    (
        "extra/check/report-ready",
        "SubState=running",
        "SubState=auto-restart",
        "fail",
    ),
    (
        "extra/check/report-ready",
        "ActiveState=active",
        "ActiveState=inactive",
        "fail",
    ),
    (
        "extra/check/no-legacy-rules",
        "No such file or directory",
        "Operation not permitted",
        "fail",
    ),
];

/// Of the other host: what only it declares.
const OTHER: &[Mutation] = &[
    (
        "network/address/eth0/172.105.183.244/24",
        "172.105.183.244",
        "172.105.183.245",
        "fail",
    ),
    ("network/mtu/eth0", "\"mtu\":1500", "\"mtu\":1280", "fail"),
    (
        "network/up/eth0",
        "\"UP\",\"group",
        "\"LOWERLAYERDOWN\",\"group",
        "fail",
    ),
    (
        "network/sysctl/net.core.default_qdisc",
        ":fq\n",
        ":fq_codel\n",
        "fail",
    ),
    (
        "network/sysctl/net.ipv4.tcp_congestion_control",
        ":bbr",
        ":cubic",
        "fail",
    ),
    (
        "firewall/output",
        "\"policy\": \"drop\"",
        "\"policy\": \"accept\"",
        "fail",
    ),
    (
        "firewall/egress/dns-udp",
        "\"udp\", \"field\": \"dport\"}}, \"right\": 53",
        "\"udp\", \"field\": \"dport\"}}, \"right\": 54",
        "fail",
    ),
    (
        "firewall/egress/dns-tcp",
        "\"tcp\", \"field\": \"dport\"}}, \"right\": 53",
        "\"tcp\", \"field\": \"dport\"}}, \"right\": 54",
        "fail",
    ),
    ("firewall/egress/ntp", "123", "124", "fail"),
    (
        "firewall/egress/dhcp",
        "\"right\": 67",
        "\"right\": 68",
        "fail",
    ),
    ("firewall/egress/web", "[80, 443]", "[80]", "fail"),
    (
        "firewall/egress/ib-gateway",
        "[4000, 4001]",
        "[4000, 4000]",
        "fail",
    ),
    (
        "ssh/key-files",
        "authorizedkeysfile /etc/ssh/authorized_keys.d/%u",
        "authorizedkeysfile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u",
        "fail",
    ),
    ("trading/process", "SCHED_FIFO", "SCHED_OTHER", "fail"),
    ("trading/process", "priority: 50", "priority: 1", "fail"),
    (
        "trading/process",
        "affinity list: 4-7",
        "affinity list: 0-7",
        "fail",
    ),
    ("trading/process", "", "absent\n", "fail"),
    (
        "trading/engine",
        "host sha256=9f86",
        "host sha256=0f86",
        "fail",
    ),
    (
        "trading/engine",
        "host machine=x86_64",
        "host machine=aarch64",
        "fail",
    ),
    (
        "trading/engine",
        "host glibc=glibc 2.39",
        "host glibc=glibc 2.9",
        "fail",
    ),
    (
        "trading/engine",
        "host glibc=glibc 2.39",
        "host glibc=",
        "fail",
    ),
    (
        "trading/engine",
        "host interpreter=yes",
        "host interpreter=no",
        "fail",
    ),
    ("trading/engine", "status=0", "status=132", "fail"),
    ("trading/engine", "\nstatus=0", "", "fail"),
    ("trading/engine", "", "unit=absent\n", "fail"),
    ("trading/engine", "host machine=x86_64", "", "error"),
    ("trading/current", "status=0", "status=139", "fail"),
    ("trading/current", "", "unit=idle\nrelease=none\n", "skip"),
];

/// All of them, with the host that each is tried on.
const ALL: &[(&str, &[Mutation])] = &[
    ("cuda", login::MUTATIONS),
    ("cuda", machine::MUTATIONS),
    ("cuda", work::MUTATIONS),
    ("cuda", served::MUTATIONS),
    ("cuda", OWN),
    ("cuda", rendered::MUTATIONS),
    ("linode", OTHER),
    ("linode", rendered::OTHER),
    ("mac-mini", mac::MUTATIONS),
];

#[test]
fn a_broken_value_is_noticed() {
    let mut wrong = Vec::new();
    for (host, mutations) in ALL {
        let good = good_answers(host);
        let checks = checks_of(host);
        for (id, old, new, expected) in *mutations {
            let check = checks.iter().find(|check| check.id == *id);
            let check = check.unwrap_or_else(|| panic!("no check `{id}`"));
            let good = &good[&check.query.id];
            let answer = String::from_utf8(good.stdout.clone()).unwrap();
            let broken = if old.is_empty() {
                (*new).to_owned()
            } else {
                assert!(
                    answer.contains(old),
                    "{id}: `{old}` is not in the good answer"
                );
                answer.replace(old, new)
            };
            let result = evaluate(check, Some(&section(good.status.unwrap(), broken)));
            if result.status.word() != *expected {
                wrong.push(format!("{id} with `{new}` is no {expected}: {result:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_check_is_without_a_mutation() {
    let mutated: BTreeSet<_> = ALL.iter().flat_map(|(_, all)| *all).map(|m| m.0).collect();
    let forgotten: BTreeSet<_> = HOSTS
        .iter()
        .flat_map(|host| checks_of(host))
        .map(|check| check.id)
        .filter(|id| !mutated.contains(id.as_str()))
        .collect();
    assert!(forgotten.is_empty(), "nothing breaks {forgotten:#?}");
}
