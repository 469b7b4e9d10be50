//! `deployctl verify` against a host that answers.

use std::fmt::Write as _;

use serde_json::Value;

use crate::environment::TestEnv;
use crate::host::Answering;

mod accept;
mod watch;

#[test]
fn what_is_right_and_what_is_not() {
    let Some(lab) = Answering::new() else { return };
    let good = lab.run(&["verify"]);
    assert_eq!(good.code, 0, "{}", good.all());
    insta::assert_snapshot!(good.all(), @"
    exit code: 0
    --- stdout
    box   3 passed
      pass   extra/check/disk  disk 300 GiB
      pass   extra/check/door  the door is closed
      pass   extra/check/heat  54.5
    desk  3 passed
      pass   extra/check/disk  disk 300 GiB
      pass   extra/check/door  the door is closed
      pass   extra/check/heat  54.5
    nothing accepted yet of box, desk: `--accept` takes this as right

    box: 3 passed · desk: 3 passed
    --- stderr
    ");

    lab.says("box", "door", "the door is open\n");
    lab.babbles("desk", "disk");
    let bad = lab.run(&["verify"]);
    assert_eq!(bad.code, 4);
    insta::assert_snapshot!(bad.all(), @"
    exit code: 4
    --- stdout
    box   2 passed, 1 failed
      pass   extra/check/disk  disk 300 GiB
      pass   extra/check/heat  54.5
    desk  2 passed, 1 unreadable
      pass   extra/check/door  the door is closed
      pass   extra/check/heat  54.5
    nothing accepted yet of box, desk: `--accept` takes this as right

    box
      fail   extra/check/door  the door is open  [gate]
             expected  contains `closed`
             hint      `closed` is not in its answer
    desk
      error  extra/check/disk  not UTF-8 after 0 bytes
             expected  matches `^disk [0-9]+ GiB$`
             found     ��

    box: 2 passed, 1 failed · desk: 2 passed, 1 unreadable
    --- stderr
    ");
}

#[test]
fn every_format_sets_the_exit_code() {
    let Some(lab) = Answering::new() else { return };
    lab.says("box", "heat", "90\n");
    let (junit, html) = (lab.env.path("junit.xml"), lab.env.path("page.html"));
    let (junit, html) = (junit.to_str().unwrap(), html.to_str().unwrap());
    for more in [
        &[][..],
        &["--json"],
        &["--junit", junit],
        &["--html", html],
        &["--exit-code"],
        &["--accept"],
        &[
            "--gate", "--json", "box", "--only", "heat", "--skip", "disk",
        ],
    ] {
        let mut all = vec!["verify"];
        all.extend(more);
        let said = lab.run(&all);
        let code = if more.contains(&"--gate") { 2 } else { 4 };
        assert_eq!(said.code, code, "{more:?}: {}", said.all());
        if more.contains(&"--json") {
            let value: Value = serde_json::from_str(&said.out).unwrap();
            let fails = value["hosts"][0]["checks"]
                .to_string()
                .contains(r#""fail""#);
            assert_eq!(fails, code == 4, "{}", said.out);
        }
    }
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("<failure"), "{xml}");
    let page = std::fs::read_to_string(html).unwrap();
    assert!(page.contains("70 °C or less"), "{page}");
}

#[test]
fn selections_are_told_and_slips_are_found() {
    let Some(lab) = Answering::new() else { return };
    let mut all = String::new();
    for words in [
        &["--only", "extra/check/door"][..],
        &["box", "--skip", "extra/*ea*", "--skip", "disk"],
        &["box", "--skip", "extra/check/heat,extra/check/disk"],
        &["--gate"],
        &["--quick", "box"],
        &["--only", "extar"],
        &["--only", "extra/check/dor"],
        &["--skip", "nvidia"],
        &["--only", ""],
        &["--only", "a["],
        &["--only", "extra", "--skip", "extra"],
    ] {
        let mut arguments = vec!["verify"];
        arguments.extend(words);
        let said = lab.run(&arguments);
        let _ = write!(
            all,
            "$ deployctl verify {}\n{}\n",
            words.join(" "),
            said.all()
        );
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_host_that_is_away_is_one_line_and_decides() {
    let Some(lab) = Answering::new() else { return };
    lab.is_gone("desk");
    lab.says("box", "heat", "90\n");
    let said = lab.run(&["verify", "--accept"]);
    assert_eq!(said.code, 8);
    insta::assert_snapshot!(said.all(), @"
    exit code: 8
    --- stdout
    box  2 passed, 1 failed
      pass   extra/check/disk  disk 300 GiB
      pass   extra/check/door  the door is closed
    nothing accepted yet of box: `--accept` takes this as right

    box
      fail   extra/check/heat  90
             expected  70 °C or less
             hint      the number is out of bounds
    desk  unreachable: no connection to `root@localhost:1`: connect to host localhost port 1: Connection refused
      hint: the machine is up, but nothing listens there: check `connection.port` and sshd

    box: 2 passed, 1 failed · desk: unreachable
    --- stderr
    box: 3 checks accepted into hosts/box/accepted.snap
    desk: nothing accepted, since it was not asked
    ");
    assert!(lab.accepted("box").is_file());
    assert!(!lab.accepted("desk").exists());
}

#[test]
fn files_that_cannot_be_written_are_told_before_anybody_is_asked() {
    let Some(lab) = Answering::new() else { return };
    let mut all = String::new();
    let folder = lab.env.path("home");
    let nowhere = lab.env.path("no/such/folder/x");
    let same = lab.env.path("same");
    for words in [
        [
            "--junit",
            folder.to_str().unwrap(),
            "--html",
            same.to_str().unwrap(),
        ],
        [
            "--junit",
            same.to_str().unwrap(),
            "--html",
            nowhere.to_str().unwrap(),
        ],
        [
            "--junit",
            same.to_str().unwrap(),
            "--html",
            same.to_str().unwrap(),
        ],
    ] {
        let said = lab.run(&[&["verify"][..], &words].concat());
        assert_eq!(said.code, 2);
        assert_eq!(said.out, "");
        all.push_str(&said.err);
    }
    insta::assert_snapshot!(all, @"
    error: `--junit`: cannot write `DIR/home`
      cause: it is there and no regular file
    error: `--html`: cannot write `DIR/no/such/folder/x`
      cause: No such file or directory (os error 2)
    error: `--junit` and `--html` name the same file
    ");
    assert!(!lab.runs().exists());
    assert!(!same.exists());
}

#[test]
fn runs_are_kept_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let Some(lab) = Answering::new() else { return };
    let kept = || std::fs::read_dir(lab.runs()).map_or(0, std::iter::Iterator::count);
    for (words, number) in [
        (&["verify"][..], 1),
        (&["verify", "--only", "extra/check/door"], 1),
        (&["verify", "box", "--json"], 2),
    ] {
        assert_eq!(lab.run(words).code, 0);
        assert_eq!(kept(), number, "{words:?}");
    }
    let file = std::fs::read_dir(lab.runs())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // What cannot be kept or read is no reason to fail.
    std::fs::write(lab.runs().join("20000101T000000Z.json"), "{").unwrap();
    let page = lab.env.path("page.html");
    let said = lab.run(&["verify", "box", "--html", page.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}", said.all());
    insta::assert_snapshot!(said.err, @"
    warning: 1 of the earlier runs in `DIR/home/.local/state/deployctl/lab/verify` cannot be read; the first is `20000101T000000Z.json`: EOF while parsing an object at line 1 column 1
    ");
    std::fs::remove_dir_all(lab.runs()).unwrap();
    std::fs::write(lab.runs(), "").unwrap();
    let said = lab.run(&["verify", "box"]);
    assert_eq!(said.code, 0);
    assert!(
        said.err
            .contains("warning: cannot keep this run in `DIR/home/"),
        "{}",
        said.err
    );
}

#[test]
fn a_sandbox_proves_nothing_and_nothing_is_accepted_of_it() {
    let env = TestEnv::new();
    assert_eq!(env.run(&["apply", "linode", "--yes"]).code, 0);
    let said = env.run(&["verify", "linode", "mac-mini"]);
    assert_eq!(said.code, 0);
    let told = said.all();
    let told: Vec<String> = told
        .lines()
        .map(|line| line.replace(|c: char| c.is_ascii_digit(), "N"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    exit code: N
    --- stdout
    linode       NNN skipped
      NNN checks skipped: sandbox
    link lanNNg  NN skipped
      NN checks skipped: sandbox

    mac-mini  skip: a sandbox has files only

    linode: NNN skipped · mac-mini: skip: a sandbox has files only · link lanNNg: NN skipped
    --- stderr
    ");
    let said = env.run(&["verify", "linode", "--gate"]);
    assert_eq!(said.code, 4);
    assert_eq!(
        said.err,
        "linode: every gate was skipped, which proves nothing and is no success\n"
    );
    for option in ["--accept", "--review"] {
        let said = env.run(&["verify", "linode", option]);
        assert_eq!(said.code, 2);
        assert_eq!(
            said.err,
            format!(
                "error: `{option}`: a sandbox answers no check\n  hint: accept what real hosts answer\n"
            )
        );
    }
    assert!(!env.path("home/.local/state").exists());
}
