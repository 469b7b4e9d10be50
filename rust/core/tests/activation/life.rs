//! The way through, and what is refused before anything changes.

use std::fs;

use deployctl_core::activation::{Event, Phase, command, next};

use crate::sandbox::{NONCE, SHELLS, Sandbox, Want, absent, apply_id, directory, file, link};

/// Every kind of change at once.
fn all_kinds() -> Vec<(&'static str, Want)> {
    vec![
        ("/etc/changed", file("new\n", 0o600)),
        ("/etc/created", file("quotes ' \" $x `y`\n", 0o644)),
        ("/etc/deep/er/file", file("", 0o640)),
        ("/etc/dir", directory(0o750)),
        ("/etc/dir/.in", file("in\n", 0o644)),
        ("/etc/dir/in", file("in\n", 0o644)),
        ("/etc/gone", absent()),
        ("/etc/link", link("a target/../with blanks")),
        ("/etc/was-file", link("changed")),
        ("/etc/was-link", file("a file\n", 0o644)),
    ]
}

fn before(host: &Sandbox) {
    host.write("/etc/changed", "old\n", 0o4755);
    host.write("/etc/gone", "precious\n", 0o444);
    host.write("/etc/was-file", "bytes\n", 0o604);
    std::os::unix::fs::symlink("nowhere", host.at("/etc/was-link")).unwrap();
}

#[test]
fn an_apply_is_activated_and_confirmed() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        before(&host);
        let answer = host.apply("first-apply", &all_kinds());
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(0), Phase::Activated),
            "{answer:?}"
        );
        insta::allow_duplicates! { insta::assert_snapshot!(host.tree(), @r#"
        /etc 0755 directory
        /etc/changed 0600 "new\n"
        /etc/created 0644 "quotes ' \" $x `y`\n"
        /etc/deep 0755 directory
        /etc/deep/er 0755 directory
        /etc/deep/er/file 0640 ""
        /etc/dir 0750 directory
        /etc/dir/.in 0644 "in\n"
        /etc/dir/in 0644 "in\n"
        /etc/link -> a target/../with blanks
        /etc/was-file -> changed
        /etc/was-link 0644 "a file\n"
        /var 0755 directory
        /var/lib 0755 directory
        "#) };
        insta::allow_duplicates! { insta::assert_snapshot!(host.log("first-apply"), @"
        ==> checkpoint files
        skip(sandbox): dead-man timer of 600 s
        ==> place /etc/changed
        ==> place /etc/created
        ==> place /etc/deep/er/file
        ==> directory /etc/dir
        ==> place /etc/dir/.in
        ==> place /etc/dir/in
        ==> link /etc/link
        ==> link /etc/was-file
        ==> place /etc/was-link
        ==> remove /etc/gone
        ") };
        let answer = host.confirm("first-apply");
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(0), Phase::Committed),
            "{answer:?}"
        );
        assert_eq!(answer.status.as_ref().unwrap().generation, 1);
        let generation = host.state("generations/1");
        for kept in [
            "manifest.json",
            "rendered.json",
            "record.json",
            "rollback.sh",
            "checkpoint/tree/etc/gone",
        ] {
            assert!(generation.join(kept).exists(), "{kept}");
        }
        assert!(!generation.join("nonce").exists());
        assert!(!host.state("lease").exists());
        // Again is no error.
        let again = host.confirm("first-apply");
        assert_eq!((again.exit, again.phase()), (Some(0), Phase::Committed));
        // The host alone knows it, too.
        let status = host.run(&command::status_of_host());
        assert_eq!(status.phase(), Phase::Committed);
        // It cannot be rolled back any more as an apply.
        let rollback = host.run(&command::rollback(Some(&apply_id("first-apply")), None));
        assert_eq!(
            (rollback.exit, rollback.phase()),
            (Some(1), Phase::Committed)
        );
    }
}

#[test]
fn a_rollback_brings_back_bytes_modes_links_and_absence() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        before(&host);
        let tree = host.tree();
        host.apply("first-apply", &all_kinds());
        assert_ne!(host.tree(), tree);
        let answer = host.run(&command::rollback(None, None));
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(5), Phase::RolledBack),
            "{answer:?}"
        );
        assert_eq!(answer.failure(), "Requested a rollback was requested");
        assert_eq!(host.tree(), tree);
        assert!(!host.state("lease").exists());
        assert_eq!(host.generation(), 0);
        // Again is no error, and confirm comes too late.
        assert_eq!(
            host.run(&command::rollback(Some(&apply_id("first-apply")), None))
                .exit,
            Some(5)
        );
        assert_eq!(host.confirm("first-apply").exit, Some(5));
        assert_eq!(host.tree(), tree);
    }
}

#[test]
fn a_wrong_nonce_changes_nothing() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        host.apply("first-apply", &all_kinds());
        let tree = host.tree();
        for wrong in ["", "x", &NONCE[1..], &format!("{NONCE}x"), "*"] {
            let answer = host.run(&command::confirm(&apply_id("first-apply"), wrong));
            assert_eq!(
                (answer.exit, answer.phase()),
                (Some(1), Phase::Activated),
                "{wrong:?}"
            );
        }
        assert_eq!(
            next(Phase::Activated, Event::ConfirmedWrongly).phase,
            Phase::Activated
        );
        assert_eq!(host.tree(), tree);
        assert_eq!(host.confirm("first-apply").exit, Some(0));
    }
}

#[test]
fn a_second_apply_is_refused_and_told_who_holds_the_host() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        host.apply("first-apply", &[("/etc/a", file("1\n", 0o644))]);
        let tree = host.tree();
        let second = host.apply("second-apply", &[("/etc/b", file("2\n", 0o644))]);
        assert_eq!((second.exit, second.phase()), (Some(9), Phase::Refused));
        let failure = second.failure();
        assert!(
            failure.starts_with(
                "Lock apply `first-apply` of `first-apply@controller` holds this host: activated, "
            ),
            "{failure}"
        );
        assert_eq!(host.tree(), tree);
        assert_eq!(host.confirm("first-apply").phase(), Phase::Committed);
    }
}

#[test]
fn stealing_rolls_the_other_back_first() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        host.apply("first-apply", &[("/etc/a", file("1\n", 0o644))]);
        // The thief's plan was made when the first apply's file was there; so it is stale for that path only.
        host.put(
            "second-apply",
            &host.bundle("second-apply", 600, &[("/etc/b", file("2\n", 0o644))]),
        );
        let thief = host.run(&command::start(&apply_id("second-apply"), true));
        assert_eq!(
            (thief.exit, thief.phase()),
            (Some(0), Phase::Activated),
            "{thief:?}"
        );
        assert!(!host.at("/etc/a").exists());
        let robbed = host.confirm("first-apply");
        assert_eq!((robbed.exit, robbed.phase()), (Some(5), Phase::RolledBack));
        assert!(
            robbed.failure().starts_with("Stolen"),
            "{}",
            robbed.failure()
        );
        assert_eq!(host.confirm("second-apply").phase(), Phase::Committed);
    }
}

#[test]
fn a_stale_plan_is_refused() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        host.write("/etc/a", "old\n", 0o644);
        let bundle = host.bundle(
            "first-apply",
            600,
            &[
                ("/etc/a", file("new\n", 0o644)),
                ("/etc/b", file("b\n", 0o644)),
            ],
        );
        host.put("first-apply", &bundle);
        host.write("/etc/a", "changed behind our back\n", 0o644);
        let answer = host.run(&command::start(&apply_id("first-apply"), false));
        assert_eq!((answer.exit, answer.phase()), (Some(9), Phase::Refused));
        insta::allow_duplicates! { insta::assert_snapshot!(answer.failure(), @"Stale `/etc/a` has changed since the plan was made") };
        assert_eq!(
            fs::read_to_string(host.at("/etc/a")).unwrap(),
            "changed behind our back\n"
        );
        assert!(!host.at("/etc/b").exists());

        let bundle = host.bundle("second-apply", 600, &[("/etc/a", file("new\n", 0o644))]);
        host.apply("third-apply", &[("/etc/c", file("c\n", 0o644))]);
        host.confirm("third-apply");
        host.put("second-apply", &bundle);
        let answer = host.run(&command::start(&apply_id("second-apply"), false));
        insta::allow_duplicates! { insta::assert_snapshot!(answer.failure(), @"Stale the plan starts from generation 0, and the host is at generation 1") };
        assert_eq!(host.generation(), 1);
    }
}

#[test]
fn a_link_out_of_the_sandbox_is_refused() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        fs::create_dir(host.at("/outside")).unwrap();
        std::os::unix::fs::symlink(host.at("/outside"), host.at("/etc/out")).unwrap();
        let answer = host.apply("first-apply", &[("/etc/out/x", file("x", 0o644))]);
        insta::allow_duplicates! { insta::assert_snapshot!(answer.failure(), @"Layout `/etc/out` is a symbolic link, which may lead out of the sandbox") };
        assert_eq!(answer.exit, Some(9));
        assert!(!host.at("/outside/x").exists());
    }
}

#[test]
fn generations_follow_each_other_and_originals_come_back() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        before(&host);
        let tree = host.tree();
        host.apply("apply-one", &all_kinds());
        host.confirm("apply-one");
        // A second value for the same path must not become its original.
        host.apply("apply-two", &[("/etc/changed", file("newer\n", 0o644))]);
        assert_eq!(host.confirm("apply-two").phase(), Phase::Committed);
        assert_eq!(host.generation(), 2);
        let originals: Vec<_> = all_kinds()
            .into_iter()
            .map(|(path, _)| (path, Want::Original))
            .collect();
        let answer = host.apply("apply-three", &originals);
        assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
        // Directories made for files stay once they are committed; nothing else differs.
        let made = [
            "/etc/deep 0755 directory\n",
            "/etc/deep/er 0755 directory\n",
        ];
        let now = made
            .iter()
            .fold(host.tree(), |now, line| now.replace(line, ""));
        assert_eq!(now, tree);
        host.confirm("apply-three");
        assert_eq!(
            fs::read_to_string(host.state("original/index")).unwrap(),
            ""
        );
        // Managed anew, the state of now is the original.
        host.write("/etc/changed", "another old\n", 0o644);
        host.apply("apply-four", &[("/etc/changed", file("new\n", 0o644))]);
        host.confirm("apply-four");
        host.apply("apply-five", &[("/etc/changed", Want::Original)]);
        assert_eq!(
            fs::read_to_string(host.at("/etc/changed")).unwrap(),
            "another old\n"
        );
        assert_eq!(host.confirm("apply-five").status.unwrap().generation, 5);
    }
}

#[test]
fn a_committed_apply_shows_its_log_in_parts() {
    let host = Sandbox::new("dash");
    host.apply("first-apply", &all_kinds());
    let whole = host.log("first-apply");
    let mut parts = String::new();
    let mut offset = 0;
    while offset < whole.len() as u64 {
        let answer = host.run(&command::status(&apply_id("first-apply"), offset, Some(30)));
        let log = &answer.apply().log;
        assert_eq!((log.offset, log.size), (offset, whole.len() as u64));
        parts.push_str(&String::from_utf8_lossy(
            &log.bytes[..log.bytes.len().min(7)],
        ));
        offset = parts.len() as u64;
    }
    assert_eq!(parts, whole);
    let beyond = host.run(&command::status(&apply_id("first-apply"), 1 << 40, None));
    assert_eq!(beyond.apply().log.bytes, b"");
    let unknown = host.run(&command::status(&apply_id("no-such-apply"), 0, None));
    assert_eq!(
        (unknown.exit, unknown.status.unwrap().apply),
        (Some(1), None)
    );
}

#[test]
fn a_host_that_never_saw_an_apply_answers() {
    let host = Sandbox::new("dash");
    let status = host.run(&command::status_of_host()).status.unwrap();
    assert_eq!((status.generation, status.apply), (0, None));
}
