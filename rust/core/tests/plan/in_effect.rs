//! What runs otherwise than unchanged files say: the firewall's table, users and groups, and the record itself.

use std::collections::BTreeSet;

use deployctl_core::name::AccountName;
use deployctl_core::observed::{Accounts, Group, ObservedFirewall, OtherFilter};
use deployctl_core::rendered::{Entry, FollowUp, PathState};

use super::fixture::{Case, ownership, path, planned, table};

const NFT: &str = "/etc/nftables.d/deployctl.nft";
const TABLE: &str = "table inet deployctl {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\ttcp dport 22 accept comment \"ssh\"\n\t}\n}\n";

fn firewall(case: &mut Case, live: Option<&str>) {
    case.file(
        NFT,
        "table inet deployctl { }\n",
        0o644,
        &[FollowUp::Firewall],
    );
    case.commit();
    case.observed.firewall = Some(ObservedFirewall {
        live: live.map(str::to_owned),
        declared: Ok(TABLE.to_owned()),
        others: BTreeSet::new(),
    });
}

fn beside(table: &str, chain: &str, hook: &str, owner: Option<&str>) -> OtherFilter {
    OtherFilter {
        table: table.to_owned(),
        chain: chain.to_owned(),
        hook: hook.to_owned(),
        owner: owner.map(str::to_owned),
    }
}

#[test]
fn the_table_that_is_loaded() {
    let opened = TABLE.replace("\t\ttcp", "\t\ttcp dport 8443 accept\n\t\ttcp");
    let told = table(vec![
        (
            "as its files say",
            planned(|case| firewall(case, Some(TABLE))),
        ),
        ("flushed", planned(|case| firewall(case, None))),
        (
            "a rule added by hand",
            planned(|case| firewall(case, Some(&opened))),
        ),
        (
            "flushed, and what the files say is not known either",
            planned(|case| {
                firewall(case, None);
                case.observed.firewall.as_mut().unwrap().declared = Err("unshare: no".to_owned());
            }),
        ),
        (
            "loaded, and what the files say is not known",
            planned(|case| {
                firewall(case, Some(TABLE));
                case.observed.firewall.as_mut().unwrap().declared = Err("unshare: no".to_owned());
            }),
        ),
        (
            "flushed, and its file changes anyway",
            planned(|case| {
                firewall(case, None);
                case.edit(NFT, "table inet deployctl { chain x { } }\n");
            }),
        ),
        (
            "not asked",
            planned(|case| {
                firewall(case, None);
                case.observed.firewall = None;
                let cause = "no answer in time".to_owned();
                case.observed
                    .unanswered
                    .insert("firewall".to_owned(), cause);
            }),
        ),
        (
            "no nft, and nothing brings it",
            planned(|case| {
                firewall(case, None);
                case.observed.firewall = None;
            }),
        ),
        (
            "no nft, and packages come",
            planned(|case| {
                firewall(case, None);
                case.observed.firewall = None;
                case.observed.packages.clear();
            }),
        ),
        (
            "rules for interfaces, one of them not there",
            planned(|case| {
                firewall(case, Some(TABLE));
                let text = "iifname { \"lan0\", \"lan1\", \"veth*\" } tcp dport 22 accept\n";
                case.found(NFT, text, 0o644);
                case.edit(NFT, text);
                case.observed.interfaces.insert("lan1".to_owned());
                case.commit();
            }),
        ),
        (
            "others beside ours",
            planned(|case| {
                firewall(case, Some(TABLE));
                let others = &mut case.observed.firewall.as_mut().unwrap().others;
                others.insert(beside("ip filter", "INPUT", "input", Some("ufw")));
                others.insert(beside("inet mine", "out", "output", None));
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn group(gid: u32, members: &[&str]) -> Group {
    Group {
        gid,
        members: members.iter().map(|member| name(member)).collect(),
    }
}

fn users(case: &mut Case) {
    let text = "u bob - - /home/bob /bin/sh\nm bob docker\ng trading -\n";
    case.file(
        "/etc/sysusers.d/deployctl-system.conf",
        text,
        0o644,
        &[FollowUp::Sysusers],
    );
    case.file(
        "/etc/tmpfiles.d/deployctl-system.conf",
        "d /home/bob 0700 bob bob\n",
        0o644,
        &[FollowUp::Tmpfiles],
    );
    case.commit();
    let mut accounts = Accounts::default();
    accounts
        .users
        .extend([(name("root"), 0), (name("bob"), 1001)]);
    accounts.groups.extend([
        (name("root"), group(0, &[])),
        (name("bob"), group(1001, &[])),
        (name("docker"), group(998, &["ann", "bob"])),
        (name("trading"), group(997, &[])),
    ]);
    case.observed.accounts = Some(accounts);
}

fn accounts(case: &mut Case) -> &mut Accounts {
    case.observed.accounts.as_mut().unwrap()
}

fn owned(case: &mut Case, owner: &str, group: &str) {
    let mut ownership = ownership(0o640);
    ownership.owner = name(owner);
    ownership.group = name(group);
    let content = "x\n".to_owned();
    case.declare(
        "/etc/app/new",
        "extra",
        Entry::File { content, ownership },
        &[],
    );
}

#[test]
fn users_and_groups() {
    let told = table(vec![
        ("all there", planned(users)),
        (
            "a user deleted by hand",
            planned(|case| {
                users(case);
                accounts(case).users.remove("bob");
                accounts(case).groups.remove("bob");
                accounts(case)
                    .groups
                    .get_mut("docker")
                    .unwrap()
                    .members
                    .clear();
            }),
        ),
        (
            "a user taken out of a group",
            planned(|case| {
                users(case);
                accounts(case)
                    .groups
                    .get_mut("docker")
                    .unwrap()
                    .members
                    .clear();
            }),
        ),
        (
            "a group deleted by hand",
            planned(|case| {
                users(case);
                accounts(case).groups.remove("trading");
            }),
        ),
        (
            "not known",
            planned(|case| {
                users(case);
                case.observed.accounts = None;
                let cause = "no answer in time".to_owned();
                case.observed.unanswered.insert("places".to_owned(), cause);
            }),
        ),
        (
            "a file of a group that nothing creates",
            planned(|case| {
                users(case);
                owned(case, "root", "nosuchgrp");
            }),
        ),
        (
            "a file of a user that nothing creates",
            planned(|case| {
                users(case);
                owned(case, "nosuch", "trading");
            }),
        ),
        (
            "a file of a user that this plan makes",
            planned(|case| {
                users(case);
                accounts(case).users.remove("bob");
                accounts(case).groups.remove("bob");
                owned(case, "bob", "bob");
            }),
        ),
        (
            "a file of a user that a package may bring",
            planned(|case| {
                users(case);
                case.observed.packages.clear();
                owned(case, "chrony", "chrony");
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_record_that_is_behind_is_updated() {
    let told = table(vec![
        (
            "put by hand to the bytes that are declared now",
            planned(|case| {
                case.found("/etc/app/app.conf", "level = 9\n", 0o644);
                case.edit("/etc/app/app.conf", "level = 9\n");
            }),
        ),
        (
            "a package that is declared no more, and gone",
            planned(|case| {
                case.package("extra", "app", None, false);
                case.commit();
                case.rendered.packages.remove("extra");
                case.observed.packages.remove("extra");
            }),
        ),
        (
            "changed on the host, and not as declared",
            planned(|case| {
                case.observed
                    .paths
                    .insert(path("/etc/app/app.conf"), PathState::Absent);
            }),
        ),
    ]);
    insta::assert_snapshot!(told, @"
    ## put by hand to the bytes that are declared now
    drift /etc/app/app.conf: content 9259f773c285 -> content 9a30ff6be4b5

    ## a package that is declared no more, and gone
    drift extra: installed -> not installed

    ## changed on the host, and not as declared
    path /etc/app/app.conf: absent -> file 0644 root:root 9259f773c285
        @@ -0,0 +1 @@
        +level = 1
    unit app.service [Restart]: `/etc/app/app.conf` changed
    drift /etc/app/app.conf: file 0644 root:root 9259f773c285 -> absent
    ");
}
