//! A disk that is full when it matters. Needs root, for a separate small file system.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use deployctl_core::activation::{Phase, command, status};
use deployctl_core::inventory::Platform;

use crate::demand::demand;
use crate::sandbox::{SHELLS, Sandbox, Want, apply_id, file};
use crate::stand_in::NixHost;

const OLD: usize = 150_000;

/// A file system of 16 MiB as the root of a sandbox.
struct Mounted(PathBuf);

impl Mounted {
    fn over(host: &Sandbox) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs"])
            .arg(host.root())
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        demand(mounted.then(|| Self(host.root())), "the right to mount")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.0).status();
        if !done.is_ok_and(|status| status.success()) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
}

/// A sandbox on one; unmounted before its directory goes.
struct Small {
    _mounted: Mounted,
    host: Sandbox,
}

impl Small {
    fn new(shell: &'static str) -> Option<Self> {
        let host = Sandbox::new(shell);
        let mounted = Mounted::over(&host)?;
        host.write("/etc/a", &"old\n".repeat(OLD / 4), 0o640);
        fs::create_dir_all(host.at("/var/lib")).unwrap();
        Some(Self {
            _mounted: mounted,
            host,
        })
    }

    fn start(&self, id: &str, script: &str, line: &str) {
        let wanted: &[(&str, Want)] = &[
            ("/etc/a", file(&format!("new of {id}\n"), 0o644)),
            ("/etc/b", file("b\n", 0o644)),
        ];
        let mut bundle = self.host.bundle(id, 600, wanted);
        let staged = bundle.files.iter_mut().find(|f| f.name == script).unwrap();
        let text = String::from_utf8(staged.bytes.clone()).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        staged.bytes = format!("{first}\n{line}\n{rest}").into_bytes();
        self.host.put(id, &bundle);
        let answer = self.host.run(&command::start(&apply_id(id), false));
        assert_eq!(answer.phase(), Phase::Activated, "{answer:?}");
    }

    fn fill(&self) {
        fill(&self.host);
    }

    fn empty(&self) {
        fs::remove_file(self.host.at("/fill")).unwrap();
    }

    /// Exit status, phase and failure; what the shell says about the disk on stderr is its own affair.
    fn ask(&self, script: &str) -> (Option<i32>, Phase, String) {
        ask(&self.host, script)
    }
}

fn fill(host: &Sandbox) {
    let output = host.command(FILL).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(fs::write(host.at("/no-room"), "x").is_err());
    let _ = fs::remove_file(host.at("/no-room"));
}

fn ask(host: &Sandbox, script: &str) -> (Option<i32>, Phase, String) {
    let output = host.command(script).output().unwrap();
    let apply = status::parse(&output.stdout)
        .unwrap_or_else(|error| panic!("{error:?} {output:?}"))
        .apply
        .unwrap();
    let failure = apply
        .failure
        .map_or_else(String::new, |f| format!("{:?} {}", f.code, f.text));
    (output.status.code(), apply.phase, failure)
}

/// All of it, to the last page.
const FILL: &str = "head -c 64M /dev/zero >\"$DEPLOYCTL_ROOT/fill\" 2>/dev/null || [ -s \"$DEPLOYCTL_ROOT/fill\" ]";

#[test]
fn a_rollback_has_its_room() {
    for shell in SHELLS {
        let Some(small) = Small::new(shell) else {
            return;
        };
        let tree = small.host.tree();
        small.start("first-apply", "apply.sh", ":");
        small.fill();
        let (exit, phase, failure) = small.ask(&command::rollback(None, None));
        assert_eq!((exit, phase), (Some(5), Phase::RolledBack), "{failure}");
        small.empty();
        assert_eq!(small.host.tree(), tree);
        assert!(!small.host.state("lease").exists());
    }
}

#[test]
fn a_rollback_without_room_does_not_say_that_it_is_done() {
    for shell in SHELLS {
        let Some(small) = Small::new(shell) else {
            return;
        };
        let tree = small.host.tree();
        small.start("first-apply", "rollback.sh", FILL);
        let (exit, phase, failure) = small.ask(&command::rollback(None, None));
        assert_eq!(exit, Some(6), "{phase} {failure}");
        assert_ne!(phase, Phase::RolledBack);
        assert!(small.host.state("lease").exists());
        // Not even the right nonce makes it a commit now.
        assert_ne!(
            small
                .ask(&command::confirm(
                    &apply_id("first-apply"),
                    crate::sandbox::NONCE
                ))
                .0,
            Some(0)
        );
        small.empty();
        fs::write(
            small.host.state("applies/first-apply/rollback.sh"),
            fs::read_to_string(small.host.state("applies/first-apply/rollback.sh"))
                .unwrap()
                .replace(FILL, ":"),
        )
        .unwrap();
        let (exit, phase, failure) = small.ask(&command::rollback(None, None));
        assert_eq!((exit, phase), (Some(5), Phase::RolledBack), "{failure}");
        assert_eq!(small.host.tree(), tree);
    }
}

#[test]
fn a_confirm_without_room_rolls_back_and_keeps_the_originals() {
    for shell in SHELLS {
        let Some(small) = Small::new(shell) else {
            return;
        };
        small.start("first-apply", "apply.sh", ":");
        assert_eq!(small.host.confirm("first-apply").exit, Some(0));
        let (tree, index) = (
            small.host.tree(),
            fs::read(small.host.state("original/index")).unwrap(),
        );
        assert!(!index.is_empty());
        small.start("second-apply", "apply.sh", ":");
        small.fill();
        let (exit, phase, failure) = small.ask(&command::confirm(
            &apply_id("second-apply"),
            crate::sandbox::NONCE,
        ));
        assert_eq!((exit, phase), (Some(5), Phase::RolledBack), "{failure}");
        assert!(failure.starts_with("Space"), "{failure}");
        small.empty();
        assert_eq!(small.host.tree(), tree);
        assert_eq!(small.host.generation(), 1);
        assert_eq!(fs::read(small.host.state("original/index")).unwrap(), index);
        assert!(!small.host.state("original/2").exists());
    }
}

#[test]
fn a_commit_that_meets_a_full_disk_is_completed_later() {
    for shell in SHELLS {
        let Some(small) = Small::new(shell) else {
            return;
        };
        small.start("first-apply", "apply.sh", ":");
        assert_eq!(small.host.confirm("first-apply").exit, Some(0));
        let index = fs::read(small.host.state("original/index")).unwrap();
        let fill = format!(
            "[ \"$phase\" != committed ] || [ -e \"$D/cut\" ] || {{ : >\"$D/cut\"; rm -f \"$S\"/original/*.new; {FILL}; }}"
        );
        small.start("second-apply", "commit.sh", &fill);
        let (exit, phase, failure) = small.ask(&command::confirm(
            &apply_id("second-apply"),
            crate::sandbox::NONCE,
        ));
        assert_eq!((exit, phase), (Some(1), Phase::Committed), "{failure}");
        assert_eq!(fs::read(small.host.state("original/index")).unwrap(), index);
        assert!(small.host.state("lease").exists());
        small.empty();
        assert_eq!(small.host.recover("second-apply").exit, Some(0));
        assert_eq!(small.host.generation(), 2);
        assert_eq!(fs::read(small.host.state("original/index")).unwrap(), index);
        assert!(!small.host.state("generations/2/ballast").exists());
    }
}

#[test]
fn a_system_that_cannot_be_made_the_default_is_taken_back_on_a_full_disk() {
    for shell in SHELLS {
        let sandbox = Sandbox::with_stand_ins(shell);
        let Some(mounted) = Mounted::over(&sandbox) else {
            return;
        };
        let small = (mounted, NixHost::on(sandbox, Platform::Nixos));
        let host = &small.1;
        let before = host.state();
        assert_eq!(host.apply().phase(), Phase::Activated);
        fill(&host.sandbox);
        let confirm = command::confirm(&apply_id("first-apply"), crate::sandbox::NONCE);
        let (exit, phase, failure) = ask(&host.sandbox, &confirm);
        assert_eq!((exit, phase), (Some(5), Phase::RolledBack), "{failure}");
        assert!(failure.starts_with("Space"), "{failure}");
        fs::remove_file(host.sandbox.at("/fill")).unwrap();
        assert_eq!(host.state(), before);
        assert_eq!(host.sandbox.generation(), 0);
    }
}
