//! Hosts that Nix builds the system of.

use deployctl_core::inventory::Platform;
use deployctl_core::name::ManagedPath;
use deployctl_core::plan::{BlackoutWindow, SavedPlans};
use deployctl_core::rendered::PathState;

use super::fixture::{Case, table};
use super::nix_host::{NEW, OTHER, boot, closure_of, store};

#[test]
fn a_host_that_runs_what_is_wanted_is_settled() {
    let plan = Case::nixos().plan();
    assert!(plan.is_empty());
    assert_eq!(table(vec![("settled", plan)]), "## settled\nnothing\n\n");
}

#[test]
fn drift_and_half_done_switches() {
    insta::assert_snapshot!(table(vec![
        (
            "something else runs",
            Case::nixos().with(|case| {
                case.system().current = Some(store(OTHER));
                case.there().dry_activate = Some((0, String::new()));
            })
        ),
        (
            "something else would boot",
            Case::nixos().with(|case| case.system().profile = Some(store(OTHER)))
        ),
        (
            "the boot loader was not installed anew",
            Case::nixos().with(|case| case.system().boot_default = Some(store(OTHER)))
        ),
        (
            "what the boot loader starts is not known",
            Case::nixos().with(|case| case.system().boot_default = None)
        ),
        (
            "what is wanted was switched to by hand",
            Case::nixos().with(|case| {
                case.rendered.closure.as_mut().unwrap().toplevel = store(NEW);
                case.system().current = Some(store(NEW));
                case.system().profile = Some(store(NEW));
                case.system().boot_default = Some(store(NEW));
            })
        ),
        (
            "not a system at all",
            Case::nixos().with(|case| {
                case.system().current = None;
                case.system().profile = None;
                case.there().dry_activate = Some((0, String::new()));
            })
        ),
        (
            "first apply",
            Case::nixos().with(|case| {
                case.observed.generation = 0;
                case.observed.manifest = None;
            })
        ),
    ]));
}

#[test]
fn reboots() {
    insta::assert_snapshot!(table(vec![
        (
            "another kernel",
            Case::update().with(|case| case.there().boot = boot("6.12.2", "quiet hugepages=64"))
        ),
        (
            "the same kernel, built anew",
            Case::update().with(|case| {
                let kernel = "/nix/store/5c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-linux-6.12.1/bzImage";
                case.there()
                    .boot
                    .insert("kernel".to_owned(), kernel.to_owned());
            })
        ),
        (
            "other modules and another initrd",
            Case::update().with(|case| {
                for what in ["initrd", "kernel-modules"] {
                    case.there().boot.insert(what.to_owned(), "/x".to_owned());
                }
            })
        ),
        (
            "another command line",
            Case::update().with(
                |case| case.there().boot = boot("6.12.1", "quiet hugepages=2048 isolcpus=2-7")
            )
        ),
        (
            "another driver",
            Case::update().with(|case| {
                case.system().closure = closure_of(&[("nvidia-open-6.12.1-575.64", 100)]);
                case.there().closure = closure_of(&[("nvidia-open-6.12.1-580.95", 101)]);
            })
        ),
        (
            "committed and not booted yet",
            Case::nixos().with(|case| case.system().booted = boot("6.12.0", "quiet"))
        ),
        (
            "another kernel, and little room beside the boot loader",
            Case::update().with(|case| {
                case.there().boot = boot("6.12.2", "quiet hugepages=64");
                case.observed.free_kib.insert("/boot".to_owned(), 70 << 10);
            })
        ),
    ]));
}

#[test]
fn what_stands_in_the_way() {
    insta::assert_snapshot!(table(vec![
        (
            "not there yet",
            Case::update().with(|case| case.system().wanted = None)
        ),
        (
            "a generation that was collected",
            Case::update().with(|case| {
                case.system().wanted = None;
                case.options.present = true;
            })
        ),
        (
            "an inhibitor",
            Case::update().with(|case| {
                let pair = |value: &str| [("dbus-implementation".to_owned(), value.to_owned())];
                case.there().inhibitors_now = pair("dbus").into();
                case.there().inhibitors = pair("broker").into();
            })
        ),
        (
            "another init",
            Case::update().with(
                |case| case.rehearse(100, "Warning: the new NixOS configuration has an init\n")
            )
        ),
        (
            "its own check fails",
            Case::update().with(|case| {
                case.rehearse(
                    1,
                    "Pre-switch check 'diskSpace' failed\nPre-switch checks failed\n",
                );
            })
        ),
        (
            "sshd would go",
            Case::update()
                .with(|case| case.rehearse(0, "would stop the following units: sshd.service\n"))
        ),
        (
            "no Nix",
            Case::nixos().with(|case| case.system().nix_version = None)
        ),
        (
            "an old Nix",
            Case::nixos().with(|case| case.system().nix_version = Some("2.3.16".to_owned()))
        ),
        (
            "a Nix that says something else",
            Case::nixos().with(|case| case.system().nix_version = Some("unstable".to_owned()))
        ),
        (
            "a full store",
            Case::update().with(|case| case.system().store_free_kib = Some(1000))
        ),
        (
            "files where a system is declared",
            Case::nixos().with(|case| case.rendered.closure = None)
        ),
        (
            "another platform",
            Case::update().with(|case| case.target.platform = Platform::Ubuntu)
        ),
        (
            "it remembers files of Ubuntu",
            Case::update().with(|case| {
                let mut manifest = case.rendered.manifest();
                manifest.closure = None;
                let path = ManagedPath::new("/etc/nftables.conf").unwrap();
                manifest.paths.insert(path, PathState::Absent);
                case.observed.manifest = Some(manifest);
            })
        ),
        (
            "another OS",
            Case::update().with(|case| case.observed.os.id = "debian".to_owned())
        ),
        (
            "another release of the same",
            Case::update().with(|case| case.observed.os.version = "25.11".to_owned())
        ),
    ]));
}

#[test]
fn what_was_not_answered() {
    let late = |ids: &[&str]| {
        Case::update().with(|case| {
            for id in ids {
                let why = "no answer in time".to_owned();
                case.observed.unanswered.insert((*id).to_owned(), why);
            }
            case.there().dry_activate = None;
            if ids.contains(&"system") {
                case.observed.system = None;
            }
        })
    };
    insta::assert_snapshot!(table(vec![
        ("the system", late(&["system"])),
        ("the rehearsal", late(&["dry-activate"])),
        ("sizes and inhibitors", late(&["closures", "inhibitors"])),
    ]), @"
    ## the system
    refuse [observe] the host did not answer `system`: no answer in time
        nothing is planned on a guess: try again, or look at the host

    ## the rehearsal
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    refuse [observe] the host did not answer `dry-activate`: no answer in time
        nothing is planned on a guess: try again, or look at the host
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back

    ## sizes and inhibitors
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    warn [closure] which packages change is not known: no answer in time
    warn [inhibitor] what forbids to switch while it runs is not known: no answer in time
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back
    ");
}

#[test]
fn a_session_guards_units_of_a_system_too() {
    let guarded = |said: &str, clock: &str, force: bool| {
        Case::update().with(|case| {
            case.target.blackouts.push(BlackoutWindow {
                concern: "trading".to_owned(),
                timezone: "Australia/Sydney".to_owned(),
                days: "Mon-Fri".to_owned(),
                open: "10:00".to_owned(),
                close: "16:12".to_owned(),
            });
            case.overrides.force = force;
            case.observed
                .clocks
                .local
                .insert("Australia/Sydney".to_owned(), clock.to_owned());
            case.rehearse(0, said);
        })
    };
    let restart = "would restart the following units: trading-gateway.service\n";
    insta::assert_snapshot!(table(vec![
        ("restarted in hours", guarded(restart, "1:11:00", false)),
        ("restarted after hours", guarded(restart, "1:17:00", false)),
        ("restarted by force", guarded(restart, "1:11:00", true)),
        (
            "kept",
            guarded(
                "would NOT stop the following changed units: trading.service\n",
                "1:11:00",
                false
            )
        ),
        (
            "another's name",
            guarded(
                "would stop the following units: tradingview.service\n",
                "1:11:00",
                false
            )
        ),
    ]), @"
    ## restarted in hours
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    refuse [guard] `trading-gateway.service` would be touched while the trading session is open (Mon-Fri 10:00 to 16:12 Australia/Sydney)
        wait until 16:12, or `--force`
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back

    ## restarted after hours
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back

    ## restarted by force
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    warn [guard] `trading-gateway.service` would be touched while the trading session is open (Mon-Fri 10:00 to 16:12 Australia/Sydney)
        done all the same (`--force`)
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back

    ## kept
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back
    note [restart] `trading.service` keeps running as it is, though it changed
        restart it when that suits: `systemctl restart trading.service`

    ## another's name
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back
    ");
}

#[test]
fn a_mac_has_neither_systemd_nor_a_rehearsal() {
    let mac = |version: &str| {
        Case::update().with(|case| {
            case.target.platform = Platform::Darwin;
            case.target.os.id = "macos".to_owned();
            case.target.os.version = "26".to_owned();
            case.observed.os.id = "macos".to_owned();
            case.observed.os.version = version.to_owned();
            case.observed.systemd = false;
            case.rendered.closure.as_mut().unwrap().platform = Platform::Darwin;
            let manifest = case.observed.manifest.as_mut().unwrap();
            manifest.closure.as_mut().unwrap().platform = Platform::Darwin;
            case.system().booted.clear();
            case.there().boot.clear();
            case.there().dry_activate = None;
        })
    };
    insta::assert_snapshot!(table(vec![
        ("as declared", mac("26.1")),
        ("an older release", mac("15.7")),
        ("one that begins alike", mac("261")),
    ]), @"
    ## as declared
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back

    ## an older release
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    refuse [os] `box` runs `macos 15.7`; `macos 26` is declared
        set the `os` fact to what is there, or upgrade the host first
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back

    ## one that begins alike
    system nixos-system-box-26.05.1 -> nixos-system-box-26.05.2
    refuse [os] `box` runs `macos 261`; `macos 26` is declared
        set the `os` fact to what is there, or upgrade the host first
    note [lockout] whether `operator` can log in to the new system is not read beforehand
        it is committed only once a new connection came in; else it goes back
    ");
}

#[test]
fn a_sandbox_has_no_system() {
    let plan = Case::update().with(|case| {
        case.options.sandbox = true;
        case.observed.system = None;
    });
    assert!(plan.is_empty());
    insta::assert_snapshot!(table(vec![("sandbox", plan)]), @"
    ## sandbox
    note [sandbox] `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-nixos-system-box-26.05.2` is not looked at: a sandbox has files only
    ");
}

#[test]
fn its_plan_is_saved_and_its_id_tells_systems_apart() {
    let plan = Case::update().plan();
    let other = Case::update().with(|case| {
        case.rendered.closure.as_mut().unwrap().toplevel = store(OTHER);
    });
    assert_ne!(plan.id, other.id);
    let saved = SavedPlans::new("1234abc".to_owned(), vec![plan]);
    let text = saved.to_json();
    assert_eq!(SavedPlans::from_json(&text).unwrap(), saved);
    let altered = text.replace("10.0p2", "10.0p3");
    assert!(SavedPlans::from_json(&altered).is_err());
    insta::assert_snapshot!(text);
}
