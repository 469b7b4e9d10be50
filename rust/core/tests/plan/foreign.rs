//! Files of others that sshd or netplan does not take.

use deployctl_core::observed::Complaint;
use deployctl_core::precedence::Place;
use deployctl_core::rendered::Entry;

use super::effect::{files, host, put};
use super::fixture::{Case, table};

const OURS: &str = "/etc/ssh/sshd_config.d/00-deployctl.conf";
const THEIRS: &str = "/etc/ssh/sshd_config.d/50-theirs.conf";
const NETPLAN: &str = "/etc/netplan/60-deployctl.yaml";

fn complain(case: &mut Case, program: &str, file: &str, line: u32, says: &str) {
    case.observed.complaints.push(Complaint {
        program: program.to_owned(),
        place: Place {
            file: file.to_owned(),
            line,
        },
        says: says.to_owned(),
    });
}

/// A line of others that sshd does not take.
fn bad_option(case: &mut Case) {
    let main = "Include /etc/ssh/sshd_config.d/*.conf\n";
    case.observed.config = files(&[
        ("/etc/ssh/sshd_config", main),
        (OURS, "Port 22\n"),
        (THEIRS, "\nPermitRotLogin no\n"),
    ]);
    let says = "Bad configuration option: PermitRotLogin";
    complain(case, "sshd", THEIRS, 2, says);
}

fn undefined(case: &mut Case) {
    let says = "vlan9: interface '…' is not defined";
    complain(case, "netplan", "/etc/netplan/00-installer.yaml", 7, says);
}

#[test]
fn files_of_others_that_a_program_does_not_take() {
    let told = table(vec![
        ("nothing of sshd changes", host(bad_option)),
        (
            "a file of sshd changes",
            host(|case| {
                bad_option(case);
                case.edit(OURS, "Port 22\nMaxAuthTries 3\n");
            }),
        ),
        (
            "sshd is reloaded, since the file came after it was loaded",
            host(|case| {
                bad_option(case);
                case.observed.way_in.newest =
                    Some((THEIRS.to_owned(), "2026-11-26 14:52:07.5".to_owned()));
            }),
        ),
        (
            "this plan removes the file",
            host(|case| {
                bad_option(case);
                case.declare(THEIRS, "extra", Entry::Absent, &[]);
            }),
        ),
        (
            "sshd reads it no more",
            host(|case| {
                bad_option(case);
                put(
                    case,
                    "/etc/ssh/sshd_config",
                    "extra",
                    &format!("Include {OURS}\n"),
                );
            }),
        ),
        (
            "netplan, and nothing of it changes",
            host(|case| {
                let says = "invalid boolean value '…'";
                complain(case, "netplan", "/etc/netplan/00-installer.yaml", 5, says);
                undefined(case);
            }),
        ),
        (
            "netplan, and a file of it changes, which may define what another lacks",
            host(|case| {
                let says = "invalid boolean value '…'";
                complain(case, "netplan", "/etc/netplan/00-installer.yaml", 5, says);
                undefined(case);
                put(case, NETPLAN, "network", "network:\n  version: 2\n");
            }),
        ),
        (
            "netplan, of a file that this plan writes anew",
            host(|case| {
                complain(case, "netplan", NETPLAN, 3, "unknown key 'mut'");
                put(case, NETPLAN, "network", "network:\n  version: 2\n");
            }),
        ),
    ]);
    insta::assert_snapshot!(told);
}
