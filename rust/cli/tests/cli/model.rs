//! `deployctl model pin`, against a hub that answers as the real one does.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::demand::demand;
use crate::environment::{Said, TestEnv};

/// The hub's process and address.
struct Hub {
    env: TestEnv,
    server: Child,
    port: String,
}

impl Hub {
    /// `None` where the machine lacks what it takes.
    fn start() -> Option<Self> {
        let env = TestEnv::new();
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.current_dir(env.path("."));
            command.args(arguments).stderr(Stdio::null()).output().ok()
        };
        demand(run("curl", &["--version"]), "curl (package curl)")?;
        let certificate = [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=hub",
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ];
        demand(run("openssl", &certificate), "openssl (package openssl)")?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/model/hub.py");
        let server = Command::new("python3")
            .arg(program)
            .args(["cert.pem", "key.pem"])
            .current_dir(env.path("."))
            .stdout(Stdio::piped())
            .spawn();
        let mut server = demand(server.ok(), "python3 (package python3)")?;
        let mut port = String::new();
        let stdout = server.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut port).unwrap();
        let port = port.trim().to_owned();
        Some(Self { env, server, port })
    }

    fn pin(&self, arguments: &[&str]) -> Said {
        let address = format!("https://127.0.0.1:{}", self.port);
        let mut all = vec!["model", "pin", "--hub", &address];
        all.extend(arguments);
        let certificate = self.env.path("cert.pem");
        let mut said = self
            .env
            .with_variables(&[("CURL_CA_BUNDLE", &certificate)], &all);
        for text in [&mut said.out, &mut said.err] {
            *text = text.replace(&self.port, "PORT");
        }
        said
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

#[test]
fn a_model_is_pinned_file_by_file() {
    let Some(hub) = Hub::start() else { return };
    let all = hub.pin(&["lab/tiny"]);
    insta::assert_snapshot!(all.all());
    let other = hub.pin(&["lab/tiny", "--revision", "refs/pr/1"]);
    assert_eq!(other.out, all.out);
    let some = hub.pin(&[
        "lab/tiny",
        "--include",
        "*.json",
        "--include",
        "model*",
        "--exclude",
        "model*",
    ]);
    let some: Value = serde_json::from_str(&some.out).unwrap();
    let paths: Vec<_> = some["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["path"])
        .collect();
    assert_eq!(paths, ["config.json"]);
}

/// What is written is what the facts of a host take.
#[test]
fn what_is_pinned_can_be_declared() {
    let Some(hub) = Hub::start() else { return };
    let file = hub.env.path("tiny.json");
    let said = hub.pin(&["lab/tiny", "--out", file.to_str().unwrap()]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    let manifest: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let inventory = hub.env.path("inventory.json");
    let mut facts: Value = serde_json::from_slice(&std::fs::read(&inventory).unwrap()).unwrap();
    facts["hosts"]["cuda"]["models"] = json!({ "snapshots": { "tiny": {
        "manifest": manifest, "folder": "/srv/models/tiny", "hub": "https://hub.example",
    }}});
    std::fs::write(&inventory, facts.to_string()).unwrap();
    let checked = hub.env.run(&["inventory", "--check", "cuda"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
}

#[test]
fn a_token_opens_what_is_gated() {
    let Some(hub) = Hub::start() else { return };
    let with = |token: &str| {
        let file = hub.env.path("token");
        std::fs::write(&file, token).unwrap();
        hub.pin(&["lab/gated", "--token-file", file.to_str().unwrap()])
    };
    assert_eq!(with("hf_good\n").code, 0);
    let said = [
        with("hf_wrong\n"),
        with("two words\n"),
        with("\n"),
        hub.pin(&["lab/gated"]),
        hub.pin(&["lab/gated", "--token-file", "nowhere"]),
    ];
    let folder = hub.env.path("").to_string_lossy().into_owned();
    let said: Vec<String> = said
        .iter()
        .map(|it| it.all().replace(&folder, ""))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    exit code: 7
    --- stdout
    --- stderr
    warning: others can read the token file `DIR/token` (mode 0644)
      hint: chmod 600 DIR/token
    error: `https://127.0.0.1:PORT/api/models/lab/gated/revision/main` answered 403: Access to model lab/gated is restricted. Log in.
      hint: see whether the token is valid and may read this; a model may have a licence that its page asks you to accept

    exit code: 2
    --- stdout
    --- stderr
    error: `DIR/token` holds no token in its first line
      hint: a token has letters, digits and `._~+/=-`, and no blanks

    exit code: 2
    --- stdout
    --- stderr
    error: `DIR/token` holds no token in its first line
      hint: a token has letters, digits and `._~+/=-`, and no blanks

    exit code: 7
    --- stdout
    --- stderr
    error: `https://127.0.0.1:PORT/api/models/lab/gated/revision/main` answered 401: Access to model lab/gated is restricted. Log in.
      hint: give a token with `--token-file`, or see whether there is such a repository; a model may have a licence that its page asks you to accept

    exit code: 2
    --- stdout
    --- stderr
    error: cannot read `nowhere`
      cause: No such file or directory (os error 2)
      hint: name a file with a token of the hub in its first line as `--token-file`
    ");
}

#[test]
fn what_cannot_be_pinned_is_said_with_place_cause_and_next_step() {
    let Some(hub) = Hub::start() else { return };
    let mut told = Vec::new();
    for name in [
        "none",
        "busy",
        "broken",
        "page",
        "short",
        "odd",
        "many",
        "elsewhere",
    ] {
        let repository = format!("lab/{name}");
        told.push(format!("== {name}\n{}", hub.pin(&[&repository]).all()));
    }
    let wrong: [&[&str]; 5] = [
        &["lab/tiny", "--revision", "gone"],
        &["lab/tiny", "--exclude", "*"],
        &["lab/tiny/more"],
        &["lab/tiny", "--revision", "a b"],
        &["lab/tiny", "--out", "nowhere/list.json"],
    ];
    for arguments in wrong {
        told.push(format!(
            "== {}\n{}",
            arguments.join(" "),
            hub.pin(arguments).all()
        ));
    }
    let http = hub
        .env
        .run(&["model", "pin", "lab/tiny", "--hub", "http://127.0.0.1"]);
    told.push(format!("== http\n{}", http.all()));
    let untrusted = format!("https://127.0.0.1:{}", hub.port);
    let untrusted = hub
        .env
        .run(&["model", "pin", "lab/tiny", "--hub", &untrusted]);
    assert_eq!(untrusted.code, 8, "{}", untrusted.err);
    assert!(
        untrusted.err.contains("cannot be reached: curl: (60)"),
        "{}",
        untrusted.err
    );
    insta::assert_snapshot!(told.join("\n"));
}
