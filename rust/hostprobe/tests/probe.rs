//! The program itself, on the machine that runs the tests.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

fn hostprobe(arguments: &[&str]) -> Output {
    Command::new(cargo_bin!("hostprobe"))
        .args(arguments)
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Status and message of an item.
fn item<'a>(report: &'a Value, name: &str) -> &'a Value {
    let items = report["items"].as_array().unwrap();
    items.iter().find(|item| item["item"] == name).unwrap()
}

#[test]
fn what_was_not_asked_for_is_skipped_and_told() {
    let output = hostprobe(&["--only", "hugepages,inference"]);
    let report = report(&output);
    for name in ["hugepages", "inference"] {
        assert_eq!(item(&report, name)["status"], "skip", "{report}");
    }
    assert_eq!(report["items"].as_array().unwrap().len(), 2);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_ring_echoes_or_says_why_not() {
    let output = hostprobe(&["--only", "io-uring", "--echoes", "200"]);
    let report = report(&output);
    let item = item(&report, "io-uring");
    match item["status"].as_str() {
        Some("pass") => {
            let at = |key: &str| item["values"][key].as_f64().unwrap();
            assert!(at("echo_p50_us") > 0.0 && at("echo_p50_us") <= at("echo_max_us"));
        }
        Some("fail") => assert!(item["hint"].is_string(), "{item}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn wake_ups_are_measured_with_and_without_the_right_to_fifo() {
    let output = hostprobe(&["--only", "jitter", "--cycles", "50", "--interval-us", "200"]);
    let report = report(&output);
    let values = &item(&report, "jitter")["values"];
    assert!(values["late_p50_us"].as_f64() <= values["late_max_us"].as_f64());
    assert!(values["fifo"].is_boolean(), "{report}");
}

#[test]
fn a_threshold_that_nothing_meets_fails() {
    let output = hostprobe(&[
        "--only",
        "jitter",
        "--cycles",
        "50",
        "--interval-us",
        "200",
        "--max-jitter-us",
        "0",
    ]);
    let report = report(&output);
    assert_eq!(item(&report, "jitter")["status"], "fail");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn more_huge_pages_than_there_are_fail_with_how_many_there_were() {
    // A terabyte of them.
    let output = hostprobe(&["--only", "hugepages", "--hugepages", "524288"]);
    let report = report(&output);
    let item = item(&report, "hugepages");
    assert_eq!(item["status"], "fail", "{item}");
    assert!(
        item["hint"]
            .as_str()
            .unwrap()
            .starts_with("the pool holds "),
        "{item}"
    );
    assert!(item["values"]["pool_pages"].is_u64());
}

#[test]
fn a_cpu_that_is_not_there_is_named() {
    let output = hostprobe(&["--only", "fifo", "--cpus", "1023"]);
    let report = report(&output);
    let item = item(&report, "fifo");
    assert_eq!(item["status"], "fail");
    let told = format!("{} {}", item["message"], item["hint"]);
    assert!(
        told.contains("1023") || told.contains("SCHED_FIFO"),
        "{told}"
    );
}

/// With neither rights nor limits: what a service without `LimitRTPRIO` and `LimitMEMLOCK` sees.
#[test]
fn a_user_without_rights_is_told_which_limit_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("hostprobe");
    std::fs::copy(cargo_bin!("hostprobe"), &program).unwrap();
    open_to_all(folder.path());
    // Only root can, and has to, become another user.
    let root = report(&hostprobe(&["--only", "hugepages"]))["user"] == 0;
    let mut command = Command::new(if root { "setpriv" } else { "env" });
    if root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    let output = command
        .args(["prlimit", "--rtprio=0:0", "--memlock=65536:65536"])
        .arg(&program)
        .args(["--only", "fifo,memlock"])
        .output()
        .unwrap();
    let report = report(&output);
    let hint = |name| {
        item(&report, name)["hint"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        hint("fifo"),
        "EPERM: RLIMIT_RTPRIO is 0, and 50 is asked for; a unit needs `LimitRTPRIO=50`"
    );
    assert_eq!(
        hint("memlock"),
        "RLIMIT_MEMLOCK is 64 KiB; a unit needs `LimitMEMLOCK=infinity`"
    );
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
