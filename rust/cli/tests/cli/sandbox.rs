//! The main job on directories: plan, apply, again, drift, back; and a cluster of one's own, from the template's files.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::environment::TestEnv;

#[test]
fn from_nothing_to_unchanged() {
    let env = TestEnv::new();
    assert_eq!(env.run(&["plan", "--exit-code"]).code, 3);
    let first = env.run(&["apply", "--yes"]);
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(
        first.out.contains("committed as generation 1"),
        "{}",
        first.out
    );
    assert!(env.on_host("linode", "/etc/hostname").is_file());

    let again = env.run(&["apply", "--yes", "--exit-code"]);
    insta::assert_snapshot!(again.all(), @"
    exit code: 0
    --- stdout
    cuda      nothing to change
    linode    nothing to change
    mac-mini  skip: a sandbox has files only
    macbook   skip: a sandbox has files only

    cuda: unchanged · linode: unchanged · mac-mini: skip: a sandbox has files only · macbook: skip: a sandbox has files only
    --- stderr
    ");
    assert_eq!(env.run(&["plan", "--exit-code"]).code, 0);
    let verified = env.run(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.out);
    assert!(
        verified.out.contains("skipped: sandbox"),
        "{}",
        verified.out
    );
}

#[test]
fn what_was_changed_by_hand_is_shown_and_put_right() {
    let env = TestEnv::new();
    assert_eq!(env.run(&["apply", "linode", "--yes"]).code, 0);
    assert_eq!(env.run(&["diff", "linode", "--exit-code"]).code, 0);
    let hosts = env.on_host("linode", "/etc/hostname");
    let good = std::fs::read_to_string(&hosts).unwrap();
    std::fs::write(&hosts, format!("{good}6.6.6.6 evil\n")).unwrap();
    let drift = env.run(&["diff", "linode", "--exit-code"]);
    assert_eq!(drift.code, 3, "{}", drift.err);
    assert!(drift.out.contains("/etc/hostname"), "{}", drift.out);
    let plan = env.run(&["plan", "linode"]);
    assert!(plan.out.contains("-6.6.6.6 evil"), "{}", plan.out);
    assert_eq!(env.run(&["apply", "linode", "--yes"]).code, 0);
    assert_eq!(std::fs::read_to_string(&hosts).unwrap(), good);
}

#[test]
fn an_earlier_generation_comes_back_as_a_new_one() {
    let env = TestEnv::new();
    let timezone = env.on_host("linode", "/etc/timezone");
    assert_eq!(env.run(&["apply", "linode", "--yes"]).code, 0);
    let before = std::fs::read_to_string(&timezone).unwrap();
    env.edit("/hosts/linode/system/timezone", json!("Europe/Rome"));
    let second = env.run(&["apply", "linode", "--yes"]);
    assert_eq!(second.code, 0, "{}", second.err);
    assert_eq!(std::fs::read_to_string(&timezone).unwrap(), "Europe/Rome\n");

    let back = env.run(&["rollback", "linode", "--yes"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert!(
        back.out.contains("committed as generation 3"),
        "{}",
        back.out
    );
    assert_eq!(std::fs::read_to_string(&timezone).unwrap(), before);
    let history: Value =
        serde_json::from_str(&env.run(&["history", "linode", "--json"]).out).unwrap();
    let numbers: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|g| &g["generation"])
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(history[2]["current"], true);
    assert!(
        history[2]["holder"]
            .as_str()
            .unwrap()
            .starts_with("tester@")
    );
    let told = env.run(&["history", "linode"]).out;
    let lines: Vec<&str> = told.lines().collect();
    assert!(!lines[1].contains("as generation"), "{told}");
    assert!(lines[2].contains(", as generation 1  "), "{told}");
    let missing = env.run(&["rollback", "linode", "--to", "9", "--yes"]);
    assert_eq!(missing.code, 2, "{}", missing.err);
}

/// From the first phase on nobody reads the terminal any more, and the pipe is full: the apply is confirmed all the same.
#[test]
fn a_stalled_reader_stands_in_nobodys_way() {
    let env = TestEnv::new();
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let (inventory, sandbox) = (env.path("inventory.json"), env.path("sandbox"));
    let (inventory, sandbox) = (inventory.to_str().unwrap(), sandbox.to_str().unwrap());
    let all = [
        "--inventory",
        inventory,
        "--sandbox",
        sandbox,
        "--verbose",
        "apply",
        "linode",
        "--yes",
    ];
    let mut child = env
        .command(&all)
        .stdout(Stdio::null())
        .stderr(writer.try_clone().unwrap())
        .spawn()
        .unwrap();
    let (mut told, mut some) = (String::new(), [0; 4096]);
    while !told.contains("activat") {
        let read = reader.read(&mut some).unwrap();
        assert_ne!(read, 0, "{told}");
        told.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    // More than a pipe of Linux holds.
    std::thread::spawn(move || writer.write_all(&vec![b'x'; 2 * 65536]));
    let generation = env.on_host("linode", "/var/lib/deployctl/generation");
    let start = Instant::now();
    while std::fs::read_to_string(&generation).unwrap_or_default() != "1\n" {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "it waits for its reader"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn who_applied_is_known_where_the_environment_does_not_say_it() {
    let env = TestEnv::new();
    let (inventory, sandbox) = (env.path("inventory.json"), env.path("sandbox"));
    let (inventory, sandbox) = (inventory.to_str().unwrap(), sandbox.to_str().unwrap());
    let all = [
        "--inventory",
        inventory,
        "--sandbox",
        sandbox,
        "apply",
        "linode",
        "--yes",
    ];
    let applied = env.command(&all).env_remove("USER").output().unwrap();
    let applied = env.said(applied);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let history: Value =
        serde_json::from_str(&env.run(&["history", "linode", "--json"]).out).unwrap();
    let (user, controller) = history[0]["holder"]
        .as_str()
        .unwrap()
        .split_once('@')
        .unwrap();
    // As `id -un` has it.
    assert!(
        !user.is_empty() && user != "unknown" && user != "tester",
        "{user}"
    );
    assert!(!controller.is_empty());
}

#[test]
fn a_saved_plan_is_applied_as_it_was_or_not_at_all() {
    let env = TestEnv::new();
    let file = env.path("plan.json");
    let file = file.to_str().unwrap();
    assert_eq!(env.run(&["plan", "linode", "--out", file]).code, 0);
    env.edit("/hosts/linode/system/timezone", json!("Europe/Rome"));
    let stale = env.run(&["apply", "--plan", file, "--yes"]);
    assert_eq!(stale.code, 9, "{}", stale.err);
    insta::assert_snapshot!(stale.out, @"
    linode  refused, nothing was touched
      `linode`: the saved plan is stale: the host or the declaration has changed since
        hint: plan again: `deployctl plan --out FILE`
    ");
    assert!(!env.on_host("linode", "/etc/hostname").exists());

    assert_eq!(env.run(&["plan", "linode", "--out", file]).code, 0);
    let applied = env.run(&["apply", "--plan", file, "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    // What it changed makes it stale.
    assert_eq!(env.run(&["apply", "--plan", file, "--yes"]).code, 9);
}

#[test]
fn reports_for_programs_are_json_on_standard_output_alone() {
    let env = TestEnv::new();
    let said = env.run(&["apply", "--yes", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["version"], 1);
    let outcomes: Vec<_> = report["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| format!("{}: {}", host["host"], host["outcome"]["outcome"]))
        .collect();
    insta::assert_snapshot!(outcomes.join("\n"), @r#"
    "cuda": "committed"
    "linode": "committed"
    "mac-mini": "skipped"
    "macbook": "skipped"
    "#);
    let status: Value = serde_json::from_str(&env.run(&["status", "--json"]).out).unwrap();
    assert_eq!(status[0]["apply"]["phase"], "committed");
}

#[test]
fn why_a_file_is_as_it_is() {
    let env = TestEnv::new();
    let said = env.run(&["why", "/etc/timezone", "linode"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("modules/system/ubuntu/etc/timezone"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("hosts.linode.system.timezone"),
        "{}",
        said.out
    );
    assert_eq!(env.run(&["why", "/etc/nothing"]).code, 2);
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    let env = TestEnv::new();
    let (one, two) = (env.path("one"), env.path("two"));
    for out in [&one, &two] {
        let said = env.run(&["render", "--out", out.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(
            said.err
                .contains("mac-mini: no files: `deployctl build mac-mini` builds its system")
        );
    }
    let hosts = |root: &std::path::Path| std::fs::read(root.join("cuda/etc/hosts")).unwrap();
    assert_eq!(hosts(&one), hosts(&two));
    let list = env.run(&["render", "--json"]);
    assert_eq!(list.out, env.run(&["render", "--json"]).out);
}

/// What a host whose system Nix builds holds beside it is rendered as well.
#[test]
fn links_beside_a_system_are_rendered() {
    let env = TestEnv::new();
    let sha256 = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356";
    let tiny = serde_json::json!({ "snapshots": { "tiny": {
        "manifest": {
            "repository": "lab/tiny",
            "revision": "1".repeat(40),
            "files": [{ "path": "config.json", "size": 3, "sha256": sha256 }],
        },
        "folder": "/opt/models/tiny",
        "directory": "/opt/incoming",
    }}});
    let inventory = env.path("inventory.json");
    let mut facts: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&inventory).unwrap()).unwrap();
    facts["hosts"]["mac-mini"]["models"] = tiny;
    std::fs::write(&inventory, facts.to_string()).unwrap();
    let out = env.path("out");
    let said = env.run(&["render", "mac-mini", "--out", out.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains(
            "mac-mini: links of artifacts alone: `deployctl build mac-mini` builds its system"
        ),
        "{}",
        said.err
    );
    let target = std::fs::read_link(out.join("mac-mini/opt/models/tiny/current")).unwrap();
    assert!(target.starts_with("releases"), "{}", target.display());
    let said = env.run(&["render", "mac-mini"]);
    assert_eq!(
        said.out,
        format!(
            "mac-mini\n  /opt/models/tiny/current  (models, link to {})\n",
            target.display()
        )
    );
}

#[test]
fn a_sudo_password_leaves_no_trace() {
    let env = TestEnv::new();
    let file = env.path("password");
    std::fs::write(&file, "poisonous-secret\n").unwrap();
    let file = file.to_str().unwrap();
    let said = env.run(&[
        "apply",
        "--yes",
        "-v",
        "--json",
        "--sudo-password-file",
        file,
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.all().contains("poisonous-secret"));
    let grep = std::process::Command::new("grep")
        .args(["-r", "poisonous-secret"])
        .arg(env.path("sandbox"))
        .output()
        .unwrap();
    assert_eq!(grep.status.code(), Some(1), "{grep:?}");
}

#[test]
fn an_overdue_apply_is_rolled_back_by_the_next() {
    let env = TestEnv::new();
    assert_eq!(env.run(&["apply", "linode", "--yes"]).code, 0);
    let state = env.on_host("linode", "/var/lib/deployctl");
    // As if it had not been confirmed, and its deadline had passed long ago.
    let id = std::fs::read_to_string(state.join("generations/1/id")).unwrap();
    let open = state.join("applies").join(id.trim());
    std::fs::rename(state.join("generations/1"), &open).unwrap();
    std::fs::remove_file(state.join("generation")).unwrap();
    std::fs::remove_dir_all(state.join("original")).unwrap();
    std::fs::write(open.join("phase"), "activated\n").unwrap();
    std::fs::write(open.join("deadline"), "1\n").unwrap();
    let lease = format!("apply {}\nholder ann@laptop\n", id.trim());
    std::fs::write(state.join("lease"), lease).unwrap();

    let status = env.run(&["status", "linode"]);
    assert!(
        status
            .out
            .contains("overdue: its dead-man timer has not run"),
        "{}",
        status.out
    );
    let plan = env.run(&["plan", "linode"]);
    assert_eq!(plan.code, 0, "{}", plan.out);
    assert!(
        plan.out.contains("an apply rolls it back first"),
        "{}",
        plan.out
    );
    // What is planned is planned against what is there after that: all of it is to be applied anew.
    let apply = env.run(&["apply", "linode", "--yes"]);
    assert_eq!(apply.code, 0, "{}", apply.all());
    assert_eq!(
        std::fs::read_to_string(open.join("phase")).unwrap(),
        "rolled-back\n"
    );
    assert!(
        apply.out.contains("committed as generation 1"),
        "{}",
        apply.all()
    );
}

#[test]
fn a_cluster_from_the_template_plans_and_renders() {
    let env = TestEnv::from_template();
    let planned = env.run(&["plan", "--exit-code"]);
    assert_eq!(planned.code, 3, "{}", planned.err);
    let out = env.path("rendered");
    let rendered = env.run(&["render", "--out", out.to_str().unwrap()]);
    assert_eq!(rendered.code, 0, "{}", rendered.err);
    assert!(out.join("web/etc/nftables.d/deployctl.nft").is_file());
    let applied = env.run(&["apply", "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert_eq!(env.run(&["plan", "--exit-code"]).code, 0);
}

#[test]
fn what_the_program_carries_is_named_as_its_own() {
    let env = TestEnv::from_template();
    insta::assert_snapshot!(env.run(&["why", "/etc/timezone"]).out, @"
    web: /etc/timezone
      concern   system
      template  deployctl:modules/system/ubuntu/etc/timezone
      fact      hosts.web.system.timezone  (hosts/cluster.nix:28)
    ");
}

#[test]
fn a_module_of_the_repository_replaces_that_of_the_program() {
    let env = TestEnv::from_template();
    let concern = env.repo().join("modules/time");
    let module = concern.join("ubuntu");
    std::fs::create_dir_all(&module).unwrap();
    let manifest =
        "summary = \"Our own.\"\nplatforms = [\"ubuntu\", \"nixos\"]\n[without]\ndarwin = \"no\"\n";
    std::fs::write(concern.join("concern.toml"), manifest).unwrap();
    let facts = include_str!("../../../../modules/time/facts.schema.json");
    std::fs::write(concern.join("facts.schema.json"), facts).unwrap();
    // It writes nothing, where the program's writes chrony's configuration.
    std::fs::write(module.join("module.toml"), "").unwrap();
    assert_eq!(env.run(&["why", "/etc/chrony/chrony.conf"]).code, 2);
    assert_eq!(env.run(&["why", "/etc/timezone"]).code, 0);
    std::fs::write(module.join("unused"), "").unwrap();
    let said = env.run(&["plan"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.starts_with("error: modules/time/ubuntu/unused:1:"),
        "{}",
        said.err
    );
}
