//! What the scripts of an apply begin with, and what their lines call.

use std::collections::BTreeSet;
use std::process::Command;

use deployctl_core::activation::bundle::HOST_PROGRAM;
use deployctl_core::activation::{ApplyMeta, Bundle, bundle};

use crate::sandbox::{SHELLS, Sandbox, Want, file, meta};
use crate::text::{self, fed};

const SCRIPTS: [&str; 5] = [
    "validate.sh",
    "checkpoint.sh",
    "apply.sh",
    "rollback.sh",
    "commit.sh",
];

fn script<'a>(bundle: &'a Bundle, name: &str) -> &'a str {
    str::from_utf8(bundle.file(name).unwrap()).unwrap()
}

/// The bundle of one file, started by `holder` at `started_at`.
fn started_by(holder: &str, started_at: u64) -> Bundle {
    let wanted: &[(&str, Want)] = &[("/etc/a", file("a\n", 0o644))];
    let (plan, rendered) = Sandbox::new("dash").plan(wanted);
    let meta = ApplyMeta {
        holder: holder.to_owned(),
        started_at,
        ..meta("first-apply", 60)
    };
    bundle(&plan, &rendered, &meta)
}

#[test]
fn no_name_leaves_the_comment_that_it_stands_in() {
    let plain = started_by("me@here", 0);
    let lines = |bundle: &Bundle, name: &str| -> Vec<String> {
        let lines = script(bundle, name).lines();
        let code = lines.filter(|line| !line.starts_with('#'));
        code.map(str::to_owned).collect()
    };
    let long = "é".repeat(10_000);
    for holder in [
        "me\nreboot",
        "me\r\nreboot\r",
        "me\\\nreboot",
        "me\u{85}reboot\u{2028}reboot\u{b}\u{c}\u{1b}[2J\0",
        "$(reboot) `reboot` ; reboot #",
        "",
        &long,
    ] {
        for started_at in [0, 1_790_000_000, u64::MAX] {
            let hostile = started_by(holder, started_at);
            for name in SCRIPTS {
                let text = script(&hostile, name);
                assert_eq!(lines(&hostile, name), lines(&plain, name), "{holder:?}");
                let comments = text.lines().take_while(|line| line.starts_with("# "));
                assert_eq!(comments.clone().count(), 5, "{text}");
                assert!(
                    comments.clone().all(|line| line.chars().count() < 200),
                    "{text}"
                );
                assert!(
                    !text.chars().any(|c| c.is_control() && c != '\n'),
                    "{text:?}"
                );
            }
        }
    }
}

/// Whatever a script calls is a function of the program.
#[test]
fn every_verb_of_a_script_is_there() {
    let mut verbs = BTreeSet::new();
    for bundle in text::bundles() {
        for name in SCRIPTS {
            let lines = script(&bundle, name).lines();
            let code = lines.filter(|line| !line.starts_with('#'));
            verbs.extend(code.map(|line| line.split(' ').next().unwrap().to_owned()));
        }
    }
    assert!(verbs.len() > 40, "{verbs:?}");
    for sandbox in ["", "1", "stand-ins"] {
        for shell in SHELLS {
            // Without its last lines, which start it.
            let functions = HOST_PROGRAM.strip_suffix("main \"$@\"\nexit\n").unwrap();
            let asked: Vec<&str> = verbs.iter().map(String::as_str).collect();
            let ask = format!(
                "{functions}\nfor verb in {}; do\n\
                 case $(type $verb) in *function*) ;; *) echo \"$verb\" ;; esac\ndone\n",
                asked.join(" ")
            );
            let mut command = Command::new(shell);
            command.arg("-s").env("DEPLOYCTL_SANDBOX", sandbox);
            let output = fed(&mut command, &ask);
            assert!(output.status.success(), "{shell}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{shell}");
        }
    }
}
