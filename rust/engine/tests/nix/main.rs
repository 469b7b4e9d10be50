//! Evaluation with programs that stand in for Nix, and with Nix itself where there is one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use deployctl_engine::nix::{self, Nix, NixError};

/// A repository whose `nix` is this script.
fn repository(script: &str) -> (tempfile::TempDir, Nix) {
    let top = tempfile::tempdir().expect("a folder");
    fs::create_dir(top.path().join("hosts")).expect("hosts");
    fs::write(top.path().join("hosts/default.nix"), "{ a = 1; }").expect("hosts");
    let program = top.path().join("nix");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("nix");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("nix");
    let nix = Nix {
        program,
        deadline: Duration::from_secs(20),
    };
    (top, nix)
}

#[tokio::test]
async fn it_asks_for_plain_json_without_a_store() {
    let (top, nix) = repository(r#"echo "$PWD: $*""#);
    let said = String::from_utf8(nix.evaluate(top.path()).await.unwrap()).unwrap();
    let real = top.path().canonicalize().unwrap();
    assert_eq!(
        said.replace(&real.display().to_string(), "TOP"),
        "TOP: --extra-experimental-features nix-command --store dummy:// eval --json --file hosts\n"
    );
}

#[tokio::test]
async fn what_can_go_wrong_is_told_apart() {
    let (top, nix) = repository(
        "echo \"error: undefined variable 'x'\" >&2; echo \"at $PWD/hosts/default.nix:1:7:\" >&2; exit 1",
    );
    let error = nix.evaluate(top.path()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "hosts/default.nix:1:7: undefined variable 'x'"
    );
    assert_eq!(error.hint(), None);

    let (top, mut nix) = repository("exec sleep 60");
    nix.deadline = Duration::from_millis(50);
    assert!(matches!(
        nix.evaluate(top.path()).await,
        Err(NixError::Timeout { .. })
    ));

    let nix = Nix {
        program: top.path().join("nowhere/nix"),
        ..Nix::default()
    };
    let error = nix.evaluate(top.path()).await.unwrap_err();
    assert_eq!(error.to_string(), "`nix` is not installed");
    assert!(error.hint().unwrap().contains("--inventory FILE"));

    let error = nix::evaluate(Path::new("/no/such/folder"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/no/such/folder/hosts/default.nix` does not exist"
    );

    let error = nix::read(Path::new("/no/such/inventory.json")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the inventory `/no/such/inventory.json`"
    );
}

#[tokio::test]
async fn an_identity_that_is_no_json_is_named() {
    let (top, nix) = repository("echo 'error: [json.exception.parse_error.101] no' >&2; exit 1");
    for (host, text) in [("a", "{}"), ("b", "{ bad")] {
        fs::create_dir(top.path().join("hosts").join(host)).expect("a host");
        let file = top.path().join("hosts").join(host).join("identity.json");
        fs::write(file, text).expect("an identity");
    }
    let error = nix.evaluate(top.path()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`hosts/b/identity.json` is not JSON: "),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("adopt"));
}

/// The real evaluation; `tests/run` says when there is no Nix to do it.
#[tokio::test]
async fn the_hosts_of_this_repository_evaluate() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match nix::evaluate(&top).await {
        Err(NixError::NotInstalled) => {}
        Err(error) => panic!("{error}"),
        Ok(bytes) => {
            let inventory = deployctl_core::inventory::parse(&bytes).unwrap();
            assert_eq!(inventory.hosts().len(), 4);
        }
    }
}
