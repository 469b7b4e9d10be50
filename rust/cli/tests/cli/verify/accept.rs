//! What was accepted: written, compared, reviewed.

use std::fmt::Write as _;
use std::fs;

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
