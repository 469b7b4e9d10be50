//! A first step: what an artifact waits for, and what it is no reason to wait for.

use std::collections::BTreeSet;

use deployctl_core::artifact::Need;
use deployctl_core::name::ManagedPath;
use deployctl_core::observed::HeldRelease;
use deployctl_core::plan::{FirstStep, Later, Plan, first_step, not_shown};
use deployctl_core::rendered::{Entry, OnChange, PackageFile, PathState, Sha256Hex};

use super::fixture::{BASE, Case, LINK, brief, model, path};
use super::nix_host::{NEW, store};

const TOKEN: &str = "/etc/deployctl/secrets/hub";
const SEALED: &str = "/etc/deployctl/sealed/hub.age";

/// A host that lacks `needs`, with the rest changed by `change`.
fn lacking(needs: &[Need], change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case::settled();
    model(&mut case, HeldRelease::Part(0), None);
    for artifact in case.rendered.artifacts.values_mut() {
        artifact.after.insert(path(SEALED));
    }
    let needs: BTreeSet<Need> = needs.iter().cloned().collect();
    case.observed.lacking.insert(path(BASE), needs);
    change(&mut case);
    case
}

/// A declared path that the host does not have.
fn comes(case: &mut Case, at: &str) {
    let target = "elsewhere".to_owned();
    case.declare(at, "secrets", Entry::Symlink { target }, &[]);
    case.observed.paths.insert(path(at), PathState::Absent);
}

fn release(word: &str) -> String {
    format!("releases/{}", Sha256Hex::of(word.as_bytes()))
}

/// The host has a release, as it was committed.
fn has(case: &mut Case, word: &str) {
    let target = release(word);
    let declared = case.rendered.entries[&path(LINK)].clone();
    let there = Entry::Symlink {
        target: target.clone(),
    };
    case.declare(LINK, "models", there, &[]);
    case.commit();
    case.rendered.entries.insert(path(LINK), declared);
    let state = PathState::Symlink { target };
    case.observed.paths.insert(path(LINK), state);
}

fn first(case: &Case, whole: &Plan) -> Option<FirstStep> {
    first_step(
        &case.target,
        &case.rendered,
        &case.observed,
        case.options,
        whole,
    )
}

/// What the artifact waits for, and the plan of the first step.
fn steps(case: &Case) -> String {
    let whole = case.plan();
    let needs = whole.artifacts.iter().flat_map(|change| &change.awaits);
    let needs: Vec<String> = needs.map(ToString::to_string).collect();
    let Some(first) = first(case, &whole) else {
        assert_eq!(needs, Vec::<String>::new());
        let refusals = whole.refusals();
        let refusals = refusals.map(|finding| format!("  {}\n", finding.message));
        return format!("one step\n{}", refusals.collect::<String>());
    };
    assert_eq!(first.rendered.artifacts.len(), 0);
    let later = match &first.later {
        Later::Of(concerns) => concerns.iter().map(AsRef::as_ref).collect(),
        Later::Any => vec!["any"],
    };
    format!(
        "needs {}; later: {}\n{}",
        needs.join(", "),
        later.join(", "),
        brief(&first.plan)
    )
}

#[test]
fn a_package_of_an_artifact_comes_with_it() {
    const OWN: &str = "linux-image-9-own";
    let with = |packages: &[&str]| {
        lacking(&[Need::Installed("curl".to_owned())], |case| {
            case.rendered.packages.clear();
            for name in packages {
                case.package(name, "models", Some("9"), false);
            }
            case.observed.packages.clear();
            for (name, want) in &mut case.rendered.packages {
                let path = path(&format!("{LINK}/config.json"));
                let file = PackageFile { path, sha256: None };
                want.file = (name.as_str() == OWN).then_some(file);
            }
        })
    };
    let packages = |plan: &Plan| -> Vec<String> {
        let words = plan.packages.iter().map(|it| match &it.file {
            None => it.name.to_string(),
            Some(file) => format!("{} from {file}", it.name),
        });
        words.collect()
    };
    let case = with(&[OWN, "curl"]);
    let whole = case.plan();
    insta::assert_snapshot!(packages(&whole).join("\n"), @"
    curl
    linux-image-9-own from /srv/models/tiny/releases/883fa96e1100b8eaede3741aa522d51da6f4801243f03b357516d3618074d033/config.json
    ");
    let step = first(&case, &whole).expect("curl comes first");
    assert_eq!(packages(&step.plan), ["curl"]);
    // It brings no program that its own artifact needs.
    let alone = with(&[OWN]);
    assert!(first(&alone, &alone.plan()).is_none());
}

#[test]
fn an_artifact_waits_for_what_the_same_apply_brings() {
    let secret = || Need::Secret(path(TOKEN));
    let installed = || Need::Installed("curl".to_owned());
    let mounted = || Need::Mounted("/srv/models".to_owned());
    let package = |case: &mut Case| {
        case.package("curl", "models", None, false);
        case.observed.packages.clear();
    };
    let cases = vec![
        (
            "a token that is declared",
            lacking(&[secret()], |case| comes(case, TOKEN)),
        ),
        (
            "a token that nothing declares",
            lacking(&[secret()], package),
        ),
        ("a program, by a package", lacking(&[installed()], package)),
        ("a program, by nothing", lacking(&[installed()], |_| {})),
        (
            "a disk",
            lacking(&[mounted()], |case| {
                case.unit("srv-models.mount", "storage", OnChange::Nothing, &[]);
                case.state("srv-models.mount", "loaded", "inactive", "enabled");
            }),
        ),
        ("a disk that nothing mounts", lacking(&[mounted()], package)),
        (
            "one of two that nothing brings",
            lacking(&[secret(), installed()], |case| comes(case, TOKEN)),
        ),
        (
            "a token that changes",
            lacking(&[], |case| comes(case, SEALED)),
        ),
        (
            "a token that changes, beside a release",
            lacking(&[], |case| {
                has(case, "former");
                comes(case, SEALED);
            }),
        ),
        (
            "the same, and another configuration of what reads it",
            lacking(&[], |case| {
                has(case, "former");
                comes(case, SEALED);
                comes(case, "/etc/reader.conf");
                case.unit(
                    "reader.service",
                    "app",
                    OnChange::Restart,
                    &[LINK, "/etc/reader.conf"],
                );
            }),
        ),
        (
            "the same, where the link was changed by hand",
            lacking(&[], |case| {
                has(case, "former");
                comes(case, SEALED);
                let target = release("another");
                case.observed
                    .paths
                    .insert(path(LINK), PathState::Symlink { target });
            }),
        ),
        (
            "a token that is not declared any more, beside a release",
            lacking(&[], |case| {
                comes(case, SEALED);
                has(case, "former");
                case.rendered.entries.remove(&path(SEALED));
                let target = "elsewhere".to_owned();
                let there = PathState::Symlink { target };
                case.observed.paths.insert(path(SEALED), there);
            }),
        ),
        (
            "another unit file of what reads it, beside a release",
            lacking(&[], |case| {
                has(case, "former");
                comes(case, SEALED);
                comes(case, "/etc/systemd/system/reader.service");
            }),
        ),
        (
            "another unit file of what runs without a release",
            lacking(&[secret()], |case| {
                comes(case, TOKEN);
                comes(case, "/etc/systemd/system/reader.service");
            }),
        ),
        (
            "the same, and it does not run",
            lacking(&[secret()], |case| {
                comes(case, TOKEN);
                comes(case, "/etc/systemd/system/reader.service");
                case.state("reader.service", "loaded", "inactive", "disabled");
            }),
        ),
        (
            "the link was replaced by hand",
            lacking(&[secret()], |case| {
                has(case, "former");
                comes(case, TOKEN);
                let target = "/data/mine".to_owned();
                case.observed
                    .paths
                    .insert(path(LINK), PathState::Symlink { target });
            }),
        ),
        (
            "the link is gone, with its disk",
            lacking(&[mounted()], |case| {
                has(case, "former");
                case.observed.paths.insert(path(LINK), PathState::Absent);
                case.unit("srv-models.mount", "storage", OnChange::Nothing, &[]);
                case.state("srv-models.mount", "loaded", "inactive", "enabled");
            }),
        ),
        (
            "a disk that nothing guards",
            lacking(&[], |case| {
                case.unit("srv-models.mount", "storage", OnChange::Nothing, &[]);
                case.state("srv-models.mount", "loaded", "inactive", "enabled");
            }),
        ),
        (
            "all of it is staged",
            lacking(&[secret()], |case| {
                comes(case, TOKEN);
                case.observed
                    .artifacts
                    .insert(path(BASE), HeldRelease::Whole);
            }),
        ),
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|(name, case)| format!("== {name}\n{}", steps(case)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// A unit without its artifact is not started, now or at boot; one that runs, or has a former one, is left alone.
#[test]
fn a_first_step_leaves_readers_alone() {
    let reader = |case: &Case| {
        let first = first(case, &case.plan()).expect("a first step");
        let link: ManagedPath = path(LINK);
        let entry = first.rendered.entries.get(&link);
        let entry = entry.map(|managed| PathState::of(&managed.entry));
        let unit = &first.rendered.units[&super::fixture::unit("reader.service")];
        (unit.running, unit.enabled, entry)
    };
    let new = |state| {
        lacking(&[Need::Secret(path(TOKEN))], |case| {
            comes(case, TOKEN);
            case.state("reader.service", "loaded", state, "disabled");
        })
    };
    let absent = Some(PathState::Absent);
    assert_eq!(reader(&new("active")), (None, None, absent.clone()));
    assert_eq!(reader(&new("inactive")), (Some(false), None, absent));
    let former = lacking(&[], |case| {
        has(case, "former");
        comes(case, SEALED);
    });
    let target = release("former");
    let there = Some(PathState::Symlink { target });
    assert_eq!(reader(&former), (Some(true), Some(true), there));
}

#[test]
fn a_second_step_changes_nothing_that_was_not_shown() {
    let waiting = || lacking(&[Need::Secret(path(TOKEN))], |case| comes(case, TOKEN));
    let shown = waiting().plan();
    let after = |change: fn(&mut Case)| {
        let mut case = waiting();
        let target = "elsewhere".to_owned();
        case.observed
            .paths
            .insert(path(TOKEN), PathState::Symlink { target });
        case.observed.lacking.clear();
        change(&mut case);
        not_shown(&shown, &case.plan())
    };
    let nothing: [String; 0] = [];
    assert_eq!(after(|_| {}), nothing);
    let changed = after(|case| {
        comes(case, "/etc/other.conf");
        case.package("curl", "models", None, false);
        case.observed.packages.clear();
    });
    assert_eq!(
        changed,
        ["`/etc/other.conf`", "package `app`", "package `curl`"]
    );
}

/// A host of `NixOS` that lacks `needs`, and gets another system.
fn on_nixos(needs: &[Need], change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case::update();
    model(&mut case, HeldRelease::Part(0), None);
    case.rendered.units.clear();
    case.observed.units.clear();
    case.observed.paths.insert(path(LINK), PathState::Absent);
    let needs: BTreeSet<Need> = needs.iter().cloned().collect();
    case.observed.lacking.insert(path(BASE), needs);
    change(&mut case);
    case
}

/// The system comes first, and what waited for the artifact is started with it.
#[test]
fn a_system_of_nix_comes_before_what_staging_needs_of_it() {
    let needs = [
        Need::Secret(path(TOKEN)),
        Need::Installed("curl".to_owned()),
    ];
    let runs = |case: &mut Case| {
        let system = case.system();
        let new = Some(store(NEW));
        system.current.clone_from(&new);
        system.profile.clone_from(&new);
        system.boot_default = new;
        case.commit();
    };
    let mut told = Vec::new();
    for (name, case) in [
        ("a system that may bring it", on_nixos(&needs, |_| {})),
        ("nothing is lacking", on_nixos(&[], |_| {})),
        (
            "a release is in use",
            on_nixos(&needs, |case| has(case, "former")),
        ),
        (
            "the system runs, and did not bring it",
            on_nixos(&needs, runs),
        ),
        ("the system runs", on_nixos(&[], runs)),
        (
            "another release beside the same system",
            on_nixos(&[], |case| {
                runs(case);
                has(case, "former");
            }),
        ),
    ] {
        told.push(format!(
            "== {name}\n{}{}",
            steps(&case),
            brief(&case.plan())
        ));
    }
    insta::assert_snapshot!(told.join("\n"));
    let shown = on_nixos(&needs, |_| {}).plan();
    let second = on_nixos(&[], runs).plan();
    assert_eq!(not_shown(&shown, &second), Vec::<String>::new());
}
