//! A host that an earlier program left is taken over, whatever state that left it in. `earlier_program/` holds that
//! program and what it staged for two applies, as commit 3c79423 made them.

use std::fs;

use deployctl_core::activation::status::{Failure, FailureCode};
use deployctl_core::activation::{Bundle, BundleFile, Phase, bundle, command};
use deployctl_core::plan::Plan;
use deployctl_core::rendered::{PathState, Rendered};

use crate::sandbox::{SHELLS, Sandbox, Want, apply_id, empty_plan, file, meta};

const PROGRAM: &str = include_str!("earlier_program/host.sh");
const FIRST: (&str, &str) = (
    "old-first-apply",
    include_str!("earlier_program/first-apply.txt"),
);
const SECOND: (&str, &str) = (
    "old-second-apply",
    include_str!("earlier_program/second-apply.txt"),
);

/// The earlier program's bundle: `--- NAME` lines, each before the content of a file.
fn staged(text: &str) -> Bundle {
    let mut files = vec![BundleFile {
        name: "host.sh".to_owned(),
        bytes: PROGRAM.as_bytes().to_vec(),
        mode: 0o600,
    }];
    for part in format!("\n{text}").split("\n--- ").skip(1) {
        let (name, content) = part.split_once('\n').unwrap_or((part, ""));
        let ends = if content.is_empty() { "" } else { "\n" };
        files.push(BundleFile {
            name: name.to_owned(),
            bytes: format!("{}{ends}", content.trim_end_matches('\n')).into_bytes(),
            mode: 0o600,
        });
    }
    Bundle { files }
}

fn start(host: &Sandbox, (id, text): (&str, &str)) {
    host.put(id, &staged(text));
    let started = host.run(&command::start(&apply_id(id), false));
    assert_eq!(started.phase(), Phase::Activated, "{started:?}");
}

/// A host at generation 1, and what it was before that.
fn at_generation_one(shell: &'static str) -> (Sandbox, String) {
    let host = Sandbox::new(shell);
    host.write("/etc/kept", "before deployctl\n", 0o640);
    host.write("/etc/gone", "precious\n", 0o444);
    let before = host.tree();
    start(&host, FIRST);
    assert_eq!(host.confirm(FIRST.0).phase(), Phase::Committed);
    assert_eq!(host.generation(), 1);
    assert!(installed(&host) == PROGRAM);
    (host, before)
}

fn installed(host: &Sandbox) -> String {
    fs::read_to_string(host.state("host.sh")).unwrap()
}

fn new_file() -> Vec<(&'static str, Want)> {
    vec![("/etc/kept", file("by the program of now\n", 0o600))]
}

#[test]
fn the_next_apply_goes_on_from_an_earlier_generation() {
    for shell in SHELLS {
        let (host, before) = at_generation_one(shell);
        let generation_one = host.tree();
        let answer = host.apply("new-apply", &new_file());
        assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
        assert_eq!(host.confirm("new-apply").phase(), Phase::Committed);
        assert_eq!(host.generation(), 2);
        assert!(installed(&host) != PROGRAM);

        // Back to what the earlier program recorded of its generation.
        let record = fs::read(host.state("generations/1/rendered.json")).unwrap();
        let rendered: Rendered = serde_json::from_slice(&record).unwrap();
        let plan = back_to(&host, &rendered);
        host.put(
            "back-apply",
            &bundle(&plan, &rendered, &meta("back-apply", 600)),
        );
        let answer = host.run(&command::start(&apply_id("back-apply"), false));
        assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
        assert_eq!(host.tree(), generation_one);
        assert_eq!(host.confirm("back-apply").phase(), Phase::Committed);

        // Each path to what it was before the earlier program first managed it.
        let originals: Vec<_> = rendered
            .entries
            .keys()
            .map(|path| (path.as_str(), Want::Original))
            .collect();
        let answer = host.apply("last-apply", &originals);
        assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
        let made = [
            "/etc/made 0755 directory\n",
            "/etc/made/by 0755 directory\n",
        ];
        let now = made
            .iter()
            .fold(host.tree(), |now, line| now.replace(line, ""));
        assert_eq!(now, before);
        assert_eq!(host.confirm("last-apply").phase(), Phase::Committed);
        // The earlier applies are still told.
        let told = host.run(&command::status(&apply_id(FIRST.0), 0, None));
        assert_eq!((told.phase(), told.apply().base), (Phase::Committed, 0));
        assert_eq!(told.apply().holder, "old-first-apply@controller");
    }
}

/// A plan to `rendered` of what is not so already.
fn back_to(host: &Sandbox, rendered: &Rendered) -> Plan {
    let wanted: Vec<_> = rendered
        .entries
        .iter()
        .map(|(path, managed)| (path.as_str(), Want::Entry(managed.entry.clone())))
        .filter(|(path, want)| match want {
            Want::Entry(entry) => host.observe(path) != PathState::of(entry),
            Want::Original => false,
        })
        .collect();
    assert!(!wanted.is_empty());
    Plan {
        paths: host.plan(&wanted).0.paths,
        ..empty_plan(host.generation())
    }
}

#[test]
fn an_open_apply_of_an_earlier_program_is_named_and_can_be_stolen_from() {
    for shell in SHELLS {
        let (host, _) = at_generation_one(shell);
        let generation_one = host.tree();
        start(&host, SECOND);
        let refused = host.apply("new-apply", &[("/etc/other", file("x\n", 0o644))]);
        assert_eq!(refused.phase(), Phase::Refused, "{refused:?}");
        let named = "Lock apply `old-second-apply` of `old-second-apply@controller` holds this host: activated, ";
        assert!(
            refused.failure().starts_with(named),
            "{}",
            refused.failure()
        );
        assert!(installed(&host) == PROGRAM);

        // The thief's plan was made for what the host is once the other is rolled back.
        assert_ne!(host.tree(), generation_one);
        let other = [("/etc/other", file("x\n", 0o644))];
        host.put("thief-apply", &host.bundle("thief-apply", 600, &other));
        let thief = host.run(&command::start(&apply_id("thief-apply"), true));
        assert_eq!(thief.phase(), Phase::Activated, "{thief:?}");
        let robbed = host.run(&command::status(&apply_id(SECOND.0), 0, None));
        assert_eq!(
            (robbed.phase(), robbed.apply().base),
            (Phase::RolledBack, 1)
        );
        assert!(
            robbed.failure().starts_with("Stolen"),
            "{}",
            robbed.failure()
        );
        assert_eq!(host.confirm(SECOND.0).exit, Some(5));
        assert_eq!(
            host.run(&command::rollback(None, None)).phase(),
            Phase::RolledBack
        );
        assert_eq!(host.tree(), generation_one);
    }
}

#[test]
fn what_an_earlier_program_left_undone_is_ended_first() {
    for shell in SHELLS {
        for (script, cut) in [
            ("apply.sh", "kill -9 0\n"),
            (
                "rollback.sh",
                "[ -e \"$D/cut\" ] || { : >\"$D/cut\"; kill -9 0; }\n",
            ),
        ] {
            let (host, _) = at_generation_one(shell);
            let generation_one = host.tree();
            let mut bundle = staged(SECOND.1);
            let cut_off = bundle.files.iter_mut().find(|f| f.name == script).unwrap();
            cut_off.bytes.extend(cut.as_bytes());
            host.put(SECOND.0, &bundle);
            let started = host.run(&command::start(&apply_id(SECOND.0), false));
            if script == "rollback.sh" {
                assert_eq!(started.phase(), Phase::Activated);
                assert_eq!(host.run(&command::rollback(None, None)).exit, None);
            } else {
                assert_eq!(started.exit, None);
            }
            let next = host.apply("new-apply", &[("/etc/other", file("x\n", 0o644))]);
            assert_eq!(next.phase(), Phase::Activated, "{script} {next:?}");
            assert_eq!(
                host.run(&command::rollback(None, None)).phase(),
                Phase::RolledBack
            );
            assert_eq!(host.tree(), generation_one, "{script}");
        }
    }
}

#[test]
fn the_controller_speaks_with_an_earlier_program() {
    for shell in SHELLS {
        let (host, _) = at_generation_one(shell);
        let status = host.run(&command::status_of_host());
        assert_eq!((status.exit, status.phase()), (Some(0), Phase::Committed));
        start(&host, SECOND);
        let status = host.run(&command::status_of_host());
        assert_eq!(status.apply().apply, SECOND.0);
        assert!(status.apply().deadline_seconds.is_some());
        let part = host.run(&command::status(&apply_id(SECOND.0), 5, Some(700)));
        assert_eq!(part.apply().log.offset, 5);
        assert!(part.apply().deadline_seconds > Some(650), "{part:?}");
        let reason = Failure {
            code: FailureCode::Gate,
            text: "a gate failed".to_owned(),
        };
        let answer = host.run(&command::rollback(None, Some(&reason)));
        assert_eq!((answer.exit, answer.phase()), (Some(5), Phase::RolledBack));
        assert_eq!(answer.failure(), "Gate a gate failed");
    }
}

#[test]
fn an_earlier_program_can_come_back() {
    for shell in SHELLS {
        let (host, _) = at_generation_one(shell);
        let generation_one = host.tree();
        host.apply("new-apply", &new_file());
        host.put(SECOND.0, &staged(SECOND.1));
        let refused = host.run(&command::start(&apply_id(SECOND.0), false));
        assert!(
            refused
                .failure()
                .starts_with("Lock apply `new-apply` of `new-apply@controller`"),
            "{}",
            refused.failure()
        );
        let id = "old-third-apply";
        host.put(id, &staged(SECOND.1));
        let thief = host.run(&command::start(&apply_id(id), true));
        assert_eq!(thief.phase(), Phase::Activated, "{thief:?}");
        let robbed = host.run(&command::status(&apply_id("new-apply"), 0, None));
        assert!(robbed.failure().starts_with("Stolen"), "{robbed:?}");
        assert_eq!(
            host.run(&command::rollback(None, None)).phase(),
            Phase::RolledBack
        );
        assert_eq!(host.tree(), generation_one);
    }
}
