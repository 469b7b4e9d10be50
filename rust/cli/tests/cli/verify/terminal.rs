//! `--review` with a person at a terminal, which `script` of util-linux plays.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::demand::demand;
use crate::host::Answering;

const PROMPT: &str = "[a/r/s/A/q/?] ";

/// Runs it on a terminal, answering each prompt in turn. What it said, and its exit code. `None` where the
/// test is skipped for want of `script`.
fn review(lab: &Answering, own: &[&str], answers: &[&str]) -> Option<(String, i32)> {
    // Other systems' `script` takes other options.
    let script = Path::new("/usr/bin/script");
    let fits = script.exists() && cfg!(target_os = "linux");
    let script = demand(fits.then_some(script), "script (package bsdutils)")?;
    let wanted = lab.start(own);
    let mut words = vec![wanted.get_program()];
    words.extend(wanted.get_args());
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut command = Command::new(script);
    // What is typed is not shown again, whenever it arrives.
    command
        .arg("-qec")
        .arg(format!("stty -echo -onlcr; {}", words.join(" ")))
        .arg("/dev/null")
        .env_clear()
        .env("NO_COLOR", "1")
        .current_dir(wanted.get_current_dir().unwrap());
    for (name, value) in wanted.get_envs() {
        command.env(name, value.unwrap());
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let (mut seen, mut typed) = (Vec::new(), 0);
    let mut bytes = [0; 4096];
    loop {
        let count = screen.read(&mut bytes).unwrap();
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&bytes[..count]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        while typed < text.matches(PROMPT).count() {
            let answer = answers.get(typed).copied().unwrap_or("q");
            keyboard
                .write_all(format!("{answer}\n").as_bytes())
                .unwrap();
            typed += 1;
        }
    }
    let code = child.wait().unwrap().code().unwrap();
    let text = String::from_utf8(seen).unwrap().replace('\r', "");
    let text = text.replace(lab.env.path("").to_str().unwrap(), "DIR/");
    Some((
        lab.plain(&text.replace(PROMPT, &format!("{PROMPT}\n"))),
        code,
    ))
}

#[test]
fn every_difference_is_shown_and_asked_about() {
    let Some(lab) = Answering::new() else { return };
    assert_eq!(lab.run(&["verify", "--accept"]).code, 0);
    lab.says("box", "door", "the door is closed and sealed\n");
    lab.says("box", "heat", "90\n");
    lab.babbles("box", "disk");
    lab.says("desk", "door", "closed, says the desk\n");
    lab.says("desk", "disk", "disk is gone\n");
    lab.says("desk", "heat", "99\n");
    let Some((told, code)) = review(&lab, &["verify", "--review"], &["?", "a", "r", "A"]) else {
        return;
    };
    assert_eq!(code, 4);
    insta::assert_snapshot!(told);
    let text = |host: &str| std::fs::read_to_string(lab.accepted(host)).unwrap();
    assert!(text("box").contains("sealed") && text("box").contains("extra/check/heat: pass"));
    assert!(
        text("desk").contains("says the desk") && text("desk").contains("extra/check/heat: fail")
    );
}

#[test]
fn quitting_keeps_what_was_accepted() {
    let Some(lab) = Answering::new() else { return };
    assert_eq!(lab.run(&["verify", "--accept"]).code, 0);
    for host in ["box", "desk"] {
        lab.says(host, "door", "closed and sealed\n");
        lab.says(host, "disk", "disk 1 GiB\n");
    }
    let words = ["verify", "--review", "--exit-code"];
    let Some((told, code)) = review(&lab, &words, &["a", "q"]) else {
        return;
    };
    assert_eq!(code, 3, "{told}");
    let (told, code) = review(&lab, &["verify", "--review"], &["r"]).unwrap();
    assert_eq!(code, 3, "{told}");
    let (told, code) = review(&lab, &words, &["a"]).unwrap();
    assert_eq!(code, 0, "{told}");
    let (told, code) = review(&lab, &words, &[]).unwrap();
    assert!(
        told.contains("nothing differs from what was accepted"),
        "{told}"
    );
    assert_eq!(code, 0);
}
