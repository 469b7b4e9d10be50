//! How ssh itself reads the configurations (`ssh -G`).

use super::*;

fn route(name: &str, address: &str) -> SshRoute {
    SshRoute {
        host: HostName::new(name).unwrap(),
        address: address.to_owned(),
        port: 2222,
        user: "op".to_owned(),
        jump: None,
        host_keys: Vec::new(),
    }
}

fn files(routes: &[SshRoute], own: &str) -> (tempfile::TempDir, SshFiles) {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("config with ${blanks} %h");
    std::fs::write(&config, own).unwrap();
    let files = SshFiles::write(place.path(), routes, config.to_str().unwrap()).unwrap();
    (place, files)
}

/// The settings that ssh reports for `host`.
async fn effect(files: &SshFiles, host: &str, wanted: &[&str]) -> Vec<String> {
    let chain = files.chain(&HostName::new(host).unwrap()).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test may start ssh")]
    let output = tokio::process::Command::new("ssh")
        .arg("-G")
        .args(chain.arguments().unwrap())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let wants = |line: &&str| wanted.contains(&line.split(' ').next().unwrap());
    text.lines().filter(wants).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_the_user_says_of_the_address_counts() {
    for own in [
        "Host 10.9.1.2\n  IdentityFile /k\n",
        "Host 10.9.*\n  IdentityFile /k\nHost *\n  Compression yes\n",
        "Match originalhost 10.9.1.2\n  IdentityFile /k\n",
        "Match host 10.9.1.2\n  IdentityFile /k\n",
        // The inventory's port and login win.
        "Host 10.9.1.2\n  Port 1\n  User x\n  IdentityFile /k\n",
        // A path with `%h` says nothing about this host.
        "Host *\n  ControlPath /x/%h\nHost 10.9.1.2\n  IdentityFile /k\n",
    ] {
        let (_place, files) = files(&[route("h1", "10.9.1.2")], own);
        let told = effect(&files, "h1", &["hostname", "port", "user", "identityfile"]).await;
        assert_eq!(
            told,
            [
                "user op",
                "hostname 10.9.1.2",
                "port 2222",
                "identityfile /k"
            ],
            "{own}"
        );
    }
}

#[tokio::test]
async fn what_the_user_says_of_the_inventorys_name_counts() {
    for own in [
        "Host h1\n  IdentityFile /k\n",
        "Host h*\n  HostName elsewhere\n  IdentityFile /k\n",
        "Match originalhost h1\n  IdentityFile /k\n",
    ] {
        let (_place, files) = files(&[route("h1", "10.9.1.2")], own);
        let told = effect(&files, "h1", &["hostname", "identityfile"]).await;
        assert_eq!(told, ["hostname 10.9.1.2", "identityfile /k"], "{own}");
    }
}

#[tokio::test]
async fn an_address_may_be_an_alias_or_have_a_zone() {
    let own = "Host lab-7\n  HostName 10.9.1.7\nHost *.example.com\n  IdentityFile /k\n";
    let routes = [
        route("a", "lab-7"),
        route("b", "x.example.com"),
        route("c", "fe80::1%eth0"),
        route("d", "fd11::2"),
        route("e", "gpu_node"),
    ];
    let (_place, files) = files(&routes, own);
    let mut told = Vec::new();
    for host in ["a", "b", "c", "d", "e"] {
        told.extend(effect(&files, host, &["hostname"]).await);
    }
    assert_eq!(
        told,
        [
            "hostname 10.9.1.7",
            "hostname x.example.com",
            "hostname fe80::1%eth0",
            "hostname fd11::2",
            "hostname gpu_node"
        ]
    );
    assert_eq!(
        effect(&files, "b", &["identityfile"]).await,
        ["identityfile /k"]
    );
    let named = SshChain::direct(route("c", "fe80::2%eth1"), "c.conf".into(), "c".to_owned());
    let at = named.arguments().unwrap();
    assert!(
        at.contains(&"-oHostName=fe80::2%%eth1".to_owned()),
        "{at:?}"
    );
}

#[tokio::test]
async fn the_users_own_may_not_take_the_session_away() {
    let own = "Host *\n  RemoteCommand tmux\n  SessionType none\n  StdinNull yes\n  ForkAfterAuthentication yes\n  LogLevel QUIET\n  RequestTTY force\n  BatchMode no\n  Tunnel yes\n  VisualHostKey yes\n";
    let (_place, files) = files(&[route("h1", "10.9.1.2")], own);
    let wanted = [
        "remotecommand",
        "sessiontype",
        "stdinnull",
        "forkafterauthentication",
        "loglevel",
        "requesttty",
        "batchmode",
        "tunnel",
        "visualhostkey",
    ];
    let mut told = effect(&files, "h1", &wanted).await;
    told.sort();
    // `remotecommand none` is not printed.
    assert_eq!(
        told,
        [
            "batchmode yes",
            "forkafterauthentication no",
            "loglevel INFO",
            "requesttty false",
            "sessiontype default",
            "stdinnull no",
            "tunnel false",
            "visualhostkey no"
        ]
    );
}

#[tokio::test]
async fn a_jump_is_reached_by_its_own_configuration() {
    let behind = SshRoute {
        jump: Some(HostName::new("gate").unwrap()),
        ..route("inner", "127.0.0.1")
    };
    let (_place, files) = files(&[route("gate", "fe80::1%eth0"), behind], "");
    let told = effect(&files, "inner", &["proxycommand"]).await;
    let here = files.directory().display().to_string();
    assert_eq!(
        told.join("\n").replace(&here, "DIR"),
        "proxycommand ssh -E DIR/gate-to-inner.log -S none -oControlMaster=no -W [%h]:%p '-F' 'DIR/gate.conf' 'fe80::1%%eth0'"
    );
}

#[test]
fn a_directory_that_ssh_cannot_take_is_passed_over() {
    let place = tempfile::tempdir().unwrap();
    for name in ["p%h", "a\"q", "${x}", "a b", "x'y", &"long".repeat(20)] {
        let parent = place.path().join(name);
        std::fs::create_dir(&parent).unwrap();
        let made = private_directory(&parent).unwrap();
        assert_eq!(
            made.path().parent(),
            Some(Path::new(OTHER_PARENT)),
            "{name}"
        );
    }
    let missing = private_directory(&place.path().join("missing")).unwrap();
    assert_eq!(missing.path().parent(), Some(Path::new(OTHER_PARENT)));
    let made = private_directory(place.path()).unwrap();
    assert_eq!(made.path().parent(), Some(place.path()));
}
