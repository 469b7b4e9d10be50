//! `--watch`: a process that goes on until it is stopped.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::host::Answering;

struct Watching {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watching {
    fn start(lab: &Answering, own: &[&str]) -> Self {
        let mut child = lab
            .start(own)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for a line of standard output that holds `words`.
    fn until(&mut self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no `{words}` in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Ctrl-C; the exit code and standard error.
    fn stop(mut self) -> (i32, String) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
        let code = self.child.wait().unwrap().code().unwrap();
        let mut err = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut err).unwrap();
        (code, err)
    }
}

#[test]
fn only_changes_are_told_and_the_last_round_decides() {
    let Some(lab) = Answering::new() else { return };
    let mut watching = Watching::start(&lab, &["verify", "box", "--watch=1"]);
    watching.until("box: 3 passed");
    lab.says("box", "heat", "90\n");
    watching.until("became fail");
    lab.says("box", "heat", "40\n");
    watching.until("became pass");
    lab.babbles("box", "disk");
    watching.until("became error");
    let told = lab.plain(&watching.seen.join("\n"));
    let (code, err) = watching.stop();
    assert_eq!(code, 4);
    insta::with_settings!({filters => [(r"\d\d:\d\d:\d\d", "TIME"), (r"/tmp/\.tmp\w+", "DIR")]}, {
        insta::assert_snapshot!(format!("{told}\n--- stderr\n{err}"), @"
        box  3 passed
          pass   extra/check/disk  disk 300 GiB
          pass   extra/check/door  the door is closed
          pass   extra/check/heat  54.5
        nothing accepted yet of box: `--accept` takes this as right

        box: 3 passed
        TIME  box  extra/check/heat  pass became fail  90
        TIME  box  extra/check/heat  fail became pass  40
        TIME  box  extra/check/disk  pass became error  not UTF-8 after 0 bytes
        --- stderr
        asked at TIME UTC, again every 1 s; Ctrl-C ends it
        interrupted: coming to an end; once more to leave at once
        ");
    });
    // One connection for all rounds, and nothing kept but what differs.
    assert_eq!(lab.logins(), 1);
    assert_eq!(std::fs::read_dir(lab.runs()).unwrap().count(), 4);
}

#[test]
fn for_programs_every_round_is_a_line() {
    let Some(lab) = Answering::new() else { return };
    let mut watching = Watching::start(&lab, &["verify", "box", "--json", "--watch=1"]);
    let first: Value = serde_json::from_str(&watching.until("")).unwrap();
    let second: Value = serde_json::from_str(&watching.until("")).unwrap();
    assert_eq!(first["command"], "verify");
    assert_eq!(first["hosts"], second["hosts"]);
    assert_ne!(first["at"], second["at"]);
    assert_eq!(watching.stop().0, 0);
}

#[test]
fn stopped_before_the_first_round_it_has_no_verdict() {
    let Some(lab) = Answering::new() else { return };
    let slow = serde_json::json!({
        "command": "echo begun >&2; sleep 5; echo closed", "status": 0, "contains": ["closed"],
        "deadline_seconds": 10, "retries": 0, "gate": false
    });
    lab.env.edit("/hosts/box/extra/checks/door", slow);
    let watching = Watching::start(&lab, &["verify", "box", "--watch"]);
    for _ in 0..200 {
        if lab.logins() > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, err) = watching.stop();
    assert_eq!(code, 130, "{err}");
    assert!(
        err.contains("error: interrupted before everything was asked once"),
        "{err}"
    );
}
