//! A Mac: the same program, with launchd as its service manager. `launchctl` and `sysctl` are stand-ins.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use deployctl_core::activation::{Phase, command};
use deployctl_core::inventory::Platform::Darwin;

use crate::sandbox::{Answer, NONCE, SHELLS, Sandbox, apply_id, file};
use crate::stand_in::{APPLY, NixHost, OLD};

/// `bootstrap` and `bootout` in `system`, and `print`. A job with an interval runs once, in the call; another one runs on
/// its own, in a process group that dies with it.
const LAUNCHCTL: &str = r#"#!/bin/sh
# A stand-in for tests.
jobs=$DEPLOYCTL_ROOT/../jobs
mkdir -p "$jobs"
label=${2#system/}
alive() { [ -s "$jobs/$label" ] && grep -qs '^State:.[^ZX]' "/proc/$(cat "$jobs/$label")/status"; }
case $1 in
  bootstrap)
    plist=$3
    label=$(sed -n 's|.*<key>Label</key><string>\(.*\)</string>|\1|p' "$plist")
    [ ! -e "$jobs/$label" ] || { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
    : >"$jobs/$label"
    set --
    while IFS= read -r word; do set -- "$@" "$word"; done <<END
$(sed -n '/<array>/,/<\/array>/s|^<string>\(.*\)</string>$|\1|p' "$plist")
END
    shift
    export XPC_SERVICE_NAME="$label"
    if grep -q StartInterval "$plist"; then
      sh "$@" >/dev/null 2>&1 </dev/null || :
    else
      setsid sh "$@" >/dev/null 2>&1 </dev/null &
      echo $! >"$jobs/$label"
    fi
    ;;
  bootout)
    [ -e "$jobs/$label" ] || exit 3
    if alive; then kill -9 "-$(cat "$jobs/$label")"; fi
    rm -f "$jobs/$label"
    ;;
  print)
    [ -e "$jobs/$label" ] || exit 113
    if alive; then state=running; else state='not running'; fi
    printf 'system/%s = {\n\tstate = %s\n}\n' "$label" "$state"
    ;;
esac
"#;

const SYSCTL: &str = r#"#!/bin/sh
# A stand-in for tests.
case $* in
  '-n kern.boottime') echo '{ sec = 1700000000, usec = 123 } Tue Nov 14 22:13:20 2023' ;;
  '-n kern.bootsessionuuid') cat "$DEPLOYCTL_ROOT/proc/sys/kernel/random/boot_id" ;;
  *) exit 1 ;;
esac
"#;

fn mac(shell: &'static str) -> NixHost {
    let host = NixHost::new(shell, Darwin);
    for directory in ["/System/Library/LaunchDaemons", "/Library/LaunchDaemons"] {
        fs::create_dir_all(host.sandbox.at(directory)).unwrap();
    }
    host.sandbox.program("launchctl", LAUNCHCTL);
    host.sandbox.program("sysctl", SYSCTL);
    host
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl NixHost {
    fn daemons(&self) -> Vec<String> {
        names(&self.sandbox.at("/Library/LaunchDaemons"))
    }

    fn jobs(&self) -> Vec<String> {
        names(&self.sandbox.beside("jobs"))
    }

    /// Asks until the apply is `phase`.
    fn waits_for(&self, phase: Phase) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.run(&command::status(&apply_id(APPLY), 0, None));
            if answer.phase() == phase {
                return answer;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{phase} {answer:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stages, starts, and waits until it runs.
    fn activates(&self) -> Answer {
        let answer = self.apply();
        assert_eq!(answer.exit, Some(0), "{answer:?}");
        self.waits_for(Phase::Activated)
    }

    /// What launchd does every few seconds.
    fn looks(&self) -> Answer {
        self.run(&format!(
            "export XPC_SERVICE_NAME=org.deployctl.recover.{APPLY}\n{}",
            command::recover(&apply_id(APPLY))
        ))
    }

    /// A Mac that starts: its jobs are gone, and the ones in the folder begin.
    fn starts(&self) {
        let _ = fs::remove_dir_all(self.sandbox.beside("jobs"));
        self.reboot();
        for daemon in self.daemons() {
            self.run_quietly(&format!(
                "launchctl bootstrap system \"$DEPLOYCTL_ROOT/Library/LaunchDaemons/{daemon}\""
            ));
        }
    }

    fn run_quietly(&self, script: &str) {
        let output = self.sandbox.command(script).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn an_apply_is_a_job_and_its_dead_man_timer_a_daemon() {
    for shell in SHELLS {
        let host = mac(shell);
        let before = host.state();
        let answer = host.activates();
        // Its clock counts from the boot that launchd's host tells.
        let left = answer.apply().deadline_seconds.unwrap();
        assert!((590..=600).contains(&left), "{answer:?}");
        assert_eq!(host.state(), before.replace("runs old", "runs new"));
        assert_eq!(host.daemons(), ["org.deployctl.recover.first-apply.plist"]);
        if shell == "dash" {
            let root = host.sandbox.root().display().to_string();
            let read = |path: &Path| fs::read_to_string(path).unwrap().replace(&root, "");
            let daemon = host
                .sandbox
                .at("/Library/LaunchDaemons/org.deployctl.recover.first-apply.plist");
            let job = host.sandbox.state("applies/first-apply/apply.plist");
            insta::assert_snapshot!("jobs", format!("{}{}", read(&daemon), read(&job)));
        }
        // In time it is left alone.
        assert_eq!(host.looks().phase(), Phase::Activated);
        let answer = host.confirm();
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(0), Phase::Committed),
            "{answer:?}"
        );
        assert!(host.daemons().is_empty() && host.jobs().is_empty());
    }
}

#[test]
fn nobody_confirms_so_the_daemon_puts_it_back_and_goes() {
    for shell in SHELLS {
        let host = mac(shell);
        let before = host.state();
        host.activates();
        let deadline = host.sandbox.state("applies/first-apply/deadline");
        fs::write(deadline, "0\n").unwrap();
        let answer = host.looks();
        assert_eq!(answer.phase(), Phase::RolledBack, "{answer:?}");
        assert!(answer.failure().starts_with("Deadline"), "{answer:?}");
        assert_eq!(host.state(), before);
        assert!(host.daemons().is_empty(), "{:?}", host.daemons());
        assert!(host.jobs().is_empty(), "{:?}", host.jobs());
    }
}

#[test]
fn what_an_activation_wrote_down_to_undo_is_undone() {
    for shell in SHELLS {
        for confirmed in [false, true] {
            let host = mac(shell);
            let undo = host.sandbox.state("undo");
            let mtu = host.sandbox.at("/mtu");
            // Of an apply that ended long ago.
            host.sandbox
                .write("/var/lib/deployctl/undo", "exit 1\n", 0o644);
            host.activates();
            assert!(!undo.exists());
            fs::write(&mtu, "9000\n").unwrap();
            fs::write(&undo, "echo 1500 >\"$DEPLOYCTL_ROOT/mtu\"\n").unwrap();
            let answer = if confirmed {
                host.confirm()
            } else {
                host.rollback()
            };
            let (phase, left) = if confirmed {
                (Phase::Committed, "9000\n")
            } else {
                (Phase::RolledBack, "1500\n")
            };
            assert_eq!(answer.phase(), phase, "{answer:?}");
            assert_eq!(fs::read_to_string(&mtu).unwrap(), left);
            assert!(!undo.exists());
        }
        let host = mac(shell);
        host.activates();
        fs::write(host.sandbox.state("undo"), "false\n").unwrap();
        let answer = host.rollback();
        assert_eq!(answer.phase(), Phase::RollbackFailed, "{answer:?}");
    }
}

/// The old system sets what differs, too, and writes down how that was: as the new one had it.
#[test]
fn what_going_back_wrote_down_to_undo_is_not_undone() {
    for shell in SHELLS {
        for cut in [false, true] {
            let host = mac(shell);
            let mtu = host.sandbox.at("/mtu");
            let program = host.sandbox.at(&format!("{OLD}/activate"));
            let old = fs::read_to_string(&program).unwrap();
            let (begin, end) = old.split_once("act old-test\n").unwrap();
            let sets = r#"if [ "$(cat "$DEPLOYCTL_ROOT/mtu")" != 1500 ]; then
  echo "echo 9000 >\"\$DEPLOYCTL_ROOT/mtu\"" >>"$DEPLOYCTL_ROOT/var/lib/deployctl/undo"
  echo 1500 >"$DEPLOYCTL_ROOT/mtu"
fi
"#;
            fs::write(&program, format!("{begin}{sets}act old-test\n{end}")).unwrap();
            host.activates();
            fs::write(&mtu, "9000\n").unwrap();
            let undo = "echo 1500 >\"$DEPLOYCTL_ROOT/mtu\"\n";
            fs::write(host.sandbox.state("undo"), undo).unwrap();
            if cut {
                host.make("old-test", "kill once");
                assert_eq!(host.rollback().exit, None);
            }
            let answer = host.rollback();
            assert_eq!(answer.phase(), Phase::RolledBack, "{answer:?}");
            assert_eq!(fs::read_to_string(&mtu).unwrap(), "1500\n", "cut: {cut}");
            assert!(!host.sandbox.state("undo").exists());
        }
    }
}

#[test]
fn an_activation_that_dies_is_put_back_by_the_next_look() {
    for shell in SHELLS {
        for point in ["new-test", "new-test-after"] {
            let host = mac(shell);
            let before = host.state();
            host.make(point, "hang");
            assert_eq!(host.apply().exit, Some(0));
            let calls = Instant::now();
            while !host.calls().contains("activate") {
                assert!(calls.elapsed() < Duration::from_secs(60));
                std::thread::sleep(Duration::from_millis(50));
            }
            // At work it is left alone.
            assert_eq!(host.looks().phase(), Phase::Activating);
            host.behaves();
            let job = host.sandbox.beside("jobs/org.deployctl.apply.first-apply");
            let pid = fs::read_to_string(job).unwrap();
            host.run_quietly(&format!("kill -9 -{}", pid.trim()));
            let killed = Instant::now();
            while host.looks().phase() != Phase::RolledBack {
                assert!(killed.elapsed() < Duration::from_secs(60));
            }
            let answer = host.run(&command::status(&apply_id(APPLY), 0, None));
            assert!(answer.failure().starts_with("Interrupted"), "{answer:?}");
            assert_eq!(host.state(), before, "{point}");
            assert!(host.daemons().is_empty() && host.jobs().is_empty());
        }
    }
}

#[test]
fn a_rollback_stops_an_activation_that_hangs() {
    for shell in SHELLS {
        let host = mac(shell);
        let before = host.state();
        host.make("new-test-after", "hang once");
        assert_eq!(host.apply().exit, Some(0));
        host.waits_for(Phase::Activating);
        let answer = host.rollback();
        assert_eq!(
            (answer.exit, answer.phase()),
            (Some(5), Phase::RolledBack),
            "{answer:?}"
        );
        assert_eq!(host.state(), before);
        assert!(host.daemons().is_empty() && host.jobs().is_empty());
    }
}

#[test]
fn a_mac_that_starts_in_the_window_puts_it_back() {
    for shell in SHELLS {
        for in_commit in [false, true] {
            let host = mac(shell);
            let before = host.state();
            host.activates();
            if in_commit {
                host.make("profile-after", "kill once");
                assert_eq!(host.confirm().exit, None);
            }
            host.starts();
            let answer = host.run(&command::status(&apply_id(APPLY), 0, None));
            assert_eq!(answer.phase(), Phase::RolledBack, "{answer:?}");
            assert_eq!(host.state(), before);
            // What a system of macOS changed is more than what a boot makes anew.
            assert_eq!(host.calls().matches("activate \n").count(), 2);
            assert!(host.daemons().is_empty() && host.jobs().is_empty());
        }
    }
}

#[test]
fn a_rollback_that_fails_leaves_no_daemon_that_tries_for_ever() {
    let host = mac("dash");
    host.activates();
    host.make("old-test", "fail 1");
    assert_eq!(host.rollback().exit, Some(6));
    assert!(host.daemons().is_empty() && host.jobs().is_empty());
    host.behaves();
    assert_eq!(host.rollback().exit, Some(5));
}

/// A PATH with everything but `flock`, which no Mac has.
fn without_flock(host: &Sandbox) -> String {
    let bin = host.beside("without-flock");
    fs::create_dir(&bin).unwrap();
    for directory in ["/usr/bin", "/bin"] {
        for name in names(Path::new(directory)) {
            if name != "flock" {
                let _ =
                    std::os::unix::fs::symlink(Path::new(directory).join(&name), bin.join(name));
            }
        }
    }
    bin.display().to_string()
}

#[test]
fn perl_locks_where_there_is_no_flock() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        let path = without_flock(&host);
        let run = |script: &str| {
            let mut command = host.command(script);
            command.env("PATH", &path).stdout(Stdio::piped());
            command
        };
        let found = run("command -v flock").output().unwrap();
        assert!(found.stdout.is_empty(), "{found:?}");
        for id in ["first-apply", "second-apply"] {
            let mut bundle = host.bundle(id, 600, &[("/etc/a", file(id, 0o644))]);
            let apply = bundle.files.iter_mut().find(|f| f.name == "apply.sh");
            apply.unwrap().bytes.extend(b"sleep 2\n");
            host.put(id, &bundle);
        }
        let mut slow = run(&command::start(&apply_id("first-apply"), false))
            .spawn()
            .unwrap();
        let phase = host.state("applies/first-apply/phase");
        while fs::read_to_string(&phase).unwrap_or_default() != "activating\n" {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Somebody is at work, and the lock says so.
        let looked = run(&command::recover(&apply_id("first-apply")))
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&looked.stdout).contains("phase activating\n"),
            "{looked:?}"
        );
        let second = run(&command::start(&apply_id("second-apply"), false))
            .output()
            .unwrap();
        assert_eq!(second.status.code(), Some(9), "{second:?}");
        assert_eq!(slow.wait().unwrap().code(), Some(0));
        let confirmed = run(&command::confirm(&apply_id("first-apply"), NONCE)).output();
        assert_eq!(confirmed.unwrap().status.code(), Some(0));
        assert_eq!(host.generation(), 1);
    }
}
