//! What people read of a system that Nix builds.

use deployctl_core::plan::Plan;
use deployctl_report::text::{self, Style};

use super::fixture::Case;
use super::nix_host::closure_of;

fn shown(plan: &Plan, full: bool) -> String {
    text::plan(plan, full, Style::Plain)
}

#[test]
fn a_system_that_changes() {
    let plan = Case::update().plan();
    assert_eq!(plan.change_count(), 1);
    insta::assert_snapshot!(shown(&plan, false), @"
    box  1 change: 1 system  (plan e40796a006271340, from generation 4)
      system
        - /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05.1
        + /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05.2
        4 packages differ, 63.0 MiB (+3.0 MiB)
          + haproxy  3.2.4            +9.0 MiB
          - nginx    1.28.0           -8.0 MiB
          ~ openssh  9.9p2 to 10.0p2  +2.0 MiB
          … 1 more: `--full`
      units (by dry-activate)
        stop     nginx.service
        restart  nix-daemon.service
                 sshd.service
        reload   dbus.service
        start    haproxy.service
        keep     trading.service
      note: `trading.service` keeps running as it is, though it changed
        hint: restart it when that suits: `systemctl restart trading.service`
      note: whether `operator` can log in to the new system is not read beforehand
        hint: it is committed only once a new connection came in; else it goes back
    ");
}

#[test]
fn long_lists_are_cut_unless_asked_for() {
    let plan = Case::update().with(|case| {
        let many = |from: u64| -> Vec<String> {
            (0..30)
                .map(|n| format!("library{n:02}-{from}.{n}"))
                .collect()
        };
        let of = |names: &[String]| {
            closure_of(
                &names
                    .iter()
                    .map(|name| (name.as_str(), 1))
                    .collect::<Vec<_>>(),
            )
        };
        case.system().closure = of(&many(1));
        case.there().closure = of(&many(2));
        let units: Vec<_> = (0..30).map(|n| format!("job{n:02}.service")).collect();
        case.rehearse(
            0,
            &format!("would restart the following units: {}\n", units.join(", ")),
        );
    });
    let (short, full) = (shown(&plan, false), shown(&plan, true));
    assert!(full.contains("library29") && full.contains("job29.service"));
    assert!(!short.contains("library20"));
    insta::assert_snapshot!(short);
}

#[test]
fn nothing_that_it_says_steers_the_terminal() {
    let plan = Case::update().with(|case| {
        let hostile = "\u{1b}]0;x\u{7}\u{1b}[2J".to_owned();
        case.system().nix_version = Some(hostile.clone());
        case.there()
            .inhibitors
            .insert("dbus".to_owned(), hostile.clone());
        case.there()
            .inhibitors_now
            .insert("dbus".to_owned(), "x".to_owned());
        case.there()
            .boot
            .insert("kernel".to_owned(), hostile.clone());
        case.there()
            .boot
            .insert("kernel-params".to_owned(), hostile.clone());
        case.rehearse(
            1,
            &format!("would stop the following units: {hostile}, a.service\n{hostile}\n"),
        );
    });
    let text = shown(&plan, true);
    assert!(text.contains("a.service") && text.contains("dbus"));
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
}
