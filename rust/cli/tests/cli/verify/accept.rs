//! What was accepted: written, compared, and reviewed, also with a person at a terminal, which `script` of util-linux plays.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::demand::demand;
use crate::host::Answering;

#[test]
fn what_is_accepted_is_compared_from_then_on() {
    let Some(lab) = Answering::new() else { return };
    let mut all = String::new();
    let mut tell = |what: &str, words: &[&str], code: i32| {
        let said = lab.run(&[&["verify", "box"], words].concat());
        assert_eq!(said.code, code, "{what}: {}", said.all());
        let _ = write!(
            all,
            "# {what}: verify box {}\n{}\n",
            words.join(" "),
            said.all()
        );
    };
    tell("nothing accepted yet", &["--exit-code"], 3);
    tell("accepted", &["--accept"], 0);
    lab.says("box", "heat", "61.25\n");
    tell("a number that moves", &["--exit-code"], 0);
    lab.says("box", "door", "the door is closed by 2 guards\n");
    tell("passes, and is another", &["--exit-code"], 3);
    tell("only a warning otherwise", &[], 0);
    lab.says("box", "disk", "disk is gone\n");
    tell("fails, and is another", &["--exit-code"], 4);
    tell(
        "a known failure may be accepted",
        &["--accept", "--exit-code"],
        4,
    );
    lab.babbles("box", "heat");
    tell("what cannot be read is not", &["--accept"], 4);
    lab.env
        .edit("/hosts/box/extra/checks", serde_json::json!({}));
    tell("gone", &[], 0);
    insta::assert_snapshot!(all);
}

#[test]
fn the_file_is_for_people() {
    let Some(lab) = Answering::new() else { return };
    assert_eq!(lab.run(&["verify", "--accept"]).code, 0);
    insta::assert_snapshot!(fs::read_to_string(lab.accepted("box")).unwrap(), @"
    # What `deployctl verify --accept` took as right. A number that may move by itself is `#`.
    # Change it by accepting again, not by hand.
    version 1

    extra/check/disk: pass
      expected: matches `^disk [0-9]+ GiB$`
      found: disk #

    extra/check/door: pass
      expected: contains `closed`
      found: the door is closed

    extra/check/heat: pass
      expected: 70 °C or less
      found: #
    ");
    assert!(lab.accepted("desk").is_file());
    // Some checks alone leave the others as they were.
    lab.says("box", "door", "closed, and sealed\n");
    lab.says("box", "disk", "disk 9 GiB\n");
    let said = lab.run(&["verify", "box", "--only", "extra/check/door", "--accept"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.err.contains("box: 1 check accepted"), "{}", said.err);
    let text = fs::read_to_string(lab.accepted("box")).unwrap();
    assert!(
        text.contains("sealed") && text.contains("extra/check/heat: pass"),
        "{text}"
    );
}

#[test]
fn a_damaged_file_is_never_written_over() {
    let Some(lab) = Answering::new() else { return };
    assert_eq!(lab.run(&["verify", "box", "--accept"]).code, 0);
    let file = lab.accepted("box");
    let good = fs::read_to_string(&file).unwrap();
    let mut all = String::new();
    for bad in [
        good.replace(
            "extra/check/heat: pass",
            "<<<<<<< HEAD\nextra/check/heat: pass",
        ),
        good.replace("version 1", "version 2"),
        good.replace("extra/check/heat: pass", "extra/check/heat: perhaps"),
        good.replace("  expected: ", "  wished: "),
        good.lines().take(2).collect::<Vec<_>>().join("\n"),
        String::new(),
        "\u{1b}[2J".to_owned(),
    ] {
        fs::write(&file, &bad).unwrap();
        for words in [&[][..], &["--exit-code"], &["--accept"]] {
            let said = lab.run(&[&["verify", "box"], words].concat());
            assert_eq!(
                said.code,
                if words.is_empty() { 0 } else { 2 },
                "{}",
                said.all()
            );
            all.push_str(&said.err);
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), bad);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_review_needs_a_terminal() {
    let Some(lab) = Answering::new() else { return };
    let said = lab.run(&["verify", "--review"]);
    assert_eq!(said.code, 2);
    assert_eq!(
        said.err,
        "error: `--review`: there is no terminal to answer\n  hint: without a terminal, pass `--accept`, then look at `git diff`\n"
    );
}

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
