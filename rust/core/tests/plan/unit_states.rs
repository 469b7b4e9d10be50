//! Units as hosts have them: under other names, masked, broken, gone.

use deployctl_core::rendered::{Entry, FollowUp, OnChange};

use super::fixture::{Case, ownership, planned, table, unit};

/// Declares that a unit neither runs nor starts at boot.
fn off(case: &mut Case, name: &str) {
    case.unit(name, "app", OnChange::Restart, &[]);
    let want = case.rendered.units.get_mut(&unit(name)).unwrap();
    want.enabled = Some(false);
    want.running = Some(false);
}

/// A unit that was committed and is declared no more.
fn undeclared(case: &mut Case, name: &str) {
    case.unit(name, "app", OnChange::Restart, &[]);
    case.commit();
    case.rendered.units.remove(&unit(name));
}

fn alias(case: &mut Case, name: &str, of: &str) {
    let state = case.observed.units.get_mut(&unit(name)).unwrap();
    state.alias_of = Some(unit(of));
}

#[test]
fn names() {
    let told = table(vec![
        (
            "an alias",
            planned(|case| {
                case.unit("sshd.service", "app", OnChange::Restart, &[]);
                alias(case, "sshd.service", "ssh.service");
            }),
        ),
        (
            "an alias, and the unit as well",
            planned(|case| {
                case.unit("sshd.service", "app", OnChange::Restart, &[]);
                alias(case, "sshd.service", "ssh.service");
                case.unit("ssh.service", "app", OnChange::Restart, &[]);
            }),
        ),
        (
            "an alias that is declared no more",
            planned(|case| {
                undeclared(case, "sshd.service");
                alias(case, "sshd.service", "ssh.service");
            }),
        ),
        (
            "an alias in whose place the unit is declared",
            planned(|case| {
                undeclared(case, "sshd.service");
                alias(case, "sshd.service", "ssh.service");
                case.unit("ssh.service", "app", OnChange::Restart, &[]);
            }),
        ),
        (
            "a template",
            planned(|case| {
                case.unit("x@.service", "app", OnChange::Restart, &[]);
                case.observed.units.remove(&unit("x@.service"));
            }),
        ),
        (
            "an instance",
            planned(|case| case.unit("x@1.service", "app", OnChange::Restart, &[])),
        ),
    ]);
    insta::assert_snapshot!(told, @"
    ## an alias
    note [unit] `sshd.service` is another name of `ssh.service`

    ## an alias, and the unit as well
    refuse [unit] `sshd.service` and `ssh.service` are one unit, and both are declared
        declare `ssh.service` alone

    ## an alias that is declared no more
    unit sshd.service [Original]: no longer declared

    ## an alias in whose place the unit is declared
    nothing

    ## a template
    refuse [unit] `x@.service` is a template, and only instances of a template run
        declare an instance of it: `x@NAME.service`

    ## an instance
    nothing
    ");
}

#[test]
fn states() {
    let told = table(vec![
        (
            "masked, and declared to run",
            planned(|case| {
                case.unit("x.service", "app", OnChange::Restart, &[]);
                case.state("x.service", "masked", "inactive", "masked");
            }),
        ),
        (
            "its files changed, and systemd was not told",
            planned(|case| {
                case.unit("x.service", "app", OnChange::Restart, &[]);
                case.observed
                    .units
                    .get_mut(&unit("x.service"))
                    .unwrap()
                    .needs_reload = true;
            }),
        ),
        (
            "the same, and it has failed",
            planned(|case| {
                case.unit("x.service", "app", OnChange::Restart, &[]);
                case.state("x.service", "loaded", "failed", "enabled");
                case.observed
                    .units
                    .get_mut(&unit("x.service"))
                    .unwrap()
                    .needs_reload = true;
            }),
        ),
        (
            "the same of one that is declared off",
            planned(|case| {
                off(case, "x.timer");
                case.state("x.timer", "loaded", "inactive", "disabled");
                case.observed
                    .units
                    .get_mut(&unit("x.timer"))
                    .unwrap()
                    .needs_reload = true;
            }),
        ),
        (
            "masked, and declared off",
            planned(|case| {
                off(case, "x.timer");
                case.state("x.timer", "masked", "inactive", "masked");
            }),
        ),
        (
            "masked while it runs, and declared off",
            planned(|case| {
                off(case, "x.timer");
                case.state("x.timer", "masked", "active", "masked-runtime");
            }),
        ),
        (
            "gone, and declared off",
            planned(|case| {
                off(case, "x.service");
                case.state("x.service", "not-found", "inactive", "");
            }),
        ),
        (
            "gone, and declared no more",
            planned(|case| {
                undeclared(case, "x.service");
                case.state("x.service", "not-found", "inactive", "");
            }),
        ),
        (
            "a bad file of the host's",
            planned(|case| {
                case.unit("x.service", "app", OnChange::Restart, &[]);
                case.state("x.service", "bad-setting", "inactive", "bad");
            }),
        ),
        (
            "a bad file that this plan replaces",
            planned(|case| {
                case.unit("x.service", "app", OnChange::Restart, &[]);
                case.state("x.service", "bad-setting", "inactive", "bad");
                case.declare(
                    "/etc/systemd/system/x.service",
                    "app",
                    Entry::File {
                        content: "[Service]\nExecStart=/bin/true\n".to_owned(),
                        ownership: ownership(0o644),
                    },
                    &[FollowUp::DaemonReload],
                );
            }),
        ),
    ]);
    insta::assert_snapshot!(told, @"
    ## masked, and declared to run
    refuse [unit] `x.service` is masked on the host, and declared to run
        `systemctl unmask x.service` on the host, or declare it neither enabled nor running

    ## its files changed, and systemd was not told
    warn [unit] the files of `x.service` changed since systemd loaded them: it runs by the former ones
        `systemctl daemon-reload` on the host, then `systemctl restart x.service` when that suits

    ## the same, and it has failed
    unit x.service [Start]: has failed
    follow-ups {DaemonReload}

    ## the same of one that is declared off
    warn [unit] the files of `x.timer` changed since systemd loaded them: a start goes by the former ones
        `systemctl daemon-reload` on the host

    ## masked, and declared off
    nothing

    ## masked while it runs, and declared off
    unit x.timer [Stop]: is running

    ## gone, and declared off
    nothing

    ## gone, and declared no more
    unit x.service [Original]: no longer declared, and not on the host any more
    drift x.service: running -> inactive

    ## a bad file of the host's
    refuse [unit] systemd cannot load `x.service` (bad-setting)
        `systemd-analyze verify x.service` on the host says what is wrong with its file

    ## a bad file that this plan replaces
    path /etc/systemd/system/x.service: absent -> file 0644 root:root d4fded2cad02
        @@ -0,0 +1,2 @@
        +[Service]
        +ExecStart=/bin/true
    unit x.service [Start]: is inactive
    follow-ups {DaemonReload}
    ");
}
