//! With a script in the place of Nix.

use std::fmt::Write as _;

use deployctl_core::closure::StorePath;
use deployctl_engine::nix::Daemon;
use deployctl_engine::nix::cache::EvaluationCache;
use deployctl_engine::nix::deployer::DeployError;
use serde_json::json;

use crate::world::World;

/// Evaluates to a system that is there, and does everything else well.
const FINE: &str = r#"case $* in
*" eval "*) echo '{"drv":"/nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv","out":"/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system"}' ;;
esac"#;

#[tokio::test]
async fn what_nix_is_told() {
    let mut world = World::played(FINE);
    let source = world.declared().await.unwrap();
    let mut told = format!("evaluate\n{}", world.log());
    for (what, facts, daemon) in [
        ("root on the LAN", json!({}), Daemon::Login),
        (
            "sudo over the WAN",
            json!({ "substitute": true, "compress": true }),
            Daemon::Sudo,
        ),
        ("built there", json!({ "build_on": "host" }), Daemon::Login),
    ] {
        for (name, value) in facts.as_object().unwrap() {
            world.fact(name, value.clone());
        }
        let deployer = world.deployer().await;
        world.deploy(&deployer, &source, daemon).await.unwrap();
        let _ = write!(told, "{what}\n{}", world.log());
    }
    world.fact("build_on", json!("controller"));
    let key = Some(world.path("key"));
    let deployer = world.deployer_with(EvaluationCache::none(), key);
    world
        .deploy(&deployer, &source, Daemon::Sudo)
        .await
        .unwrap();
    let _ = write!(told, "signed\n{}", world.log());
    insta::assert_snapshot!(told, @r#"
    evaluate
    nix --extra-experimental-features nix-command flakes eval --json --no-write-lock-file --no-update-lock-file --option eval-cache false --option warn-dirty false --apply d: { drv = d.drvPath; out = d.outPath; } .#nixosConfigurations."linode".config.system.build.toplevel
    root on the LAN
    nix-store --check-validity /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv
    nix-store --log-format internal-json --realise /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv --add-root DIR/cache/roots/linode-system
    nix --extra-experimental-features nix-command flakes copy --log-format internal-json --no-check-sigs --to ssh-ng://192.0.2.7?remote-program=env%20PATH%3D/run/current-system/sw/bin%3A/nix/var/nix/profiles/default/bin%3A/usr/local/sbin%3A/usr/local/bin%3A/usr/sbin%3A/usr/bin%3A/sbin%3A/bin%20nix-daemon /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system
      NIX_SSHOPTS=-F /run/deployctl/linode.conf -o ControlMaster=no -o ControlPath=none
    sudo over the WAN
    nix-store --check-validity /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv
    nix-store --log-format internal-json --realise /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv --add-root DIR/cache/roots/linode-system
    nix --extra-experimental-features nix-command flakes copy --log-format internal-json --no-check-sigs --to ssh-ng://192.0.2.7?remote-program=sudo%20-n%20env%20PATH%3D/run/current-system/sw/bin%3A/nix/var/nix/profiles/default/bin%3A/usr/local/sbin%3A/usr/local/bin%3A/usr/sbin%3A/usr/bin%3A/sbin%3A/bin%20nix-daemon&compress=true --substitute-on-destination /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system
      NIX_SSHOPTS=-F /run/deployctl/linode.conf -o ControlMaster=no -o ControlPath=none
    built there
    nix-store --check-validity /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv
    nix --extra-experimental-features nix-command flakes copy --log-format internal-json --no-check-sigs --to ssh-ng://192.0.2.7?remote-program=env%20PATH%3D/run/current-system/sw/bin%3A/nix/var/nix/profiles/default/bin%3A/usr/local/sbin%3A/usr/local/bin%3A/usr/sbin%3A/usr/bin%3A/sbin%3A/bin%20nix-daemon&compress=true --derivation /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv
      NIX_SSHOPTS=-F /run/deployctl/linode.conf -o ControlMaster=no -o ControlPath=none
    nix-store --log-format internal-json --store ssh-ng://192.0.2.7?remote-program=env%20PATH%3D/run/current-system/sw/bin%3A/nix/var/nix/profiles/default/bin%3A/usr/local/sbin%3A/usr/local/bin%3A/usr/sbin%3A/usr/bin%3A/sbin%3A/bin%20nix-daemon&compress=true --realise /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv
      NIX_SSHOPTS=-F /run/deployctl/linode.conf -o ControlMaster=no -o ControlPath=none
    signed
    nix-store --check-validity /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv
    nix-store --log-format internal-json --realise /nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv --add-root DIR/cache/roots/linode-system
    nix --extra-experimental-features nix-command flakes store sign --recursive --key-file DIR/key /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system
    nix --extra-experimental-features nix-command flakes copy --log-format internal-json --no-check-sigs --to ssh-ng://192.0.2.7?remote-program=env%20PATH%3D/run/current-system/sw/bin%3A/nix/var/nix/profiles/default/bin%3A/usr/local/sbin%3A/usr/local/bin%3A/usr/sbin%3A/usr/bin%3A/sbin%3A/bin%20nix-daemon&compress=true --substitute-on-destination /nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system
      NIX_SSHOPTS=-F /run/deployctl/linode.conf -o ControlMaster=no -o ControlPath=none
    "#);
}

#[tokio::test]
async fn the_same_files_are_evaluated_once() {
    let world = World::played(FINE);
    let first = world.declared().await.unwrap();
    assert_eq!(world.evaluations(), 1);
    assert_eq!(world.declared().await.unwrap(), first);
    assert_eq!(world.evaluations(), 0, "it is remembered");

    world.write("repo/hosts/new.nix", "1");
    world.declared().await.unwrap();
    assert_eq!(
        world.evaluations(),
        0,
        "a flake does not see what git does not track"
    );
    world.commit();
    world.declared().await.unwrap();
    assert_eq!(world.evaluations(), 1, "now it does");
    world.write("repo/hosts/new.nix", "2");
    world.declared().await.unwrap();
    assert_eq!(
        world.evaluations(),
        1,
        "a change that is not committed counts"
    );
    world.write("repo/hosts/new.nix", "1");
    world.declared().await.unwrap();
    assert_eq!(world.evaluations(), 0, "and so does taking it back");

    for entry in std::fs::read_dir(world.path("cache/evaluations")).unwrap() {
        std::fs::write(entry.unwrap().path(), "{ damaged").unwrap();
    }
    assert_eq!(world.declared().await.unwrap(), first);
    assert_eq!(world.evaluations(), 1, "what is damaged is ignored");
    world.declared().await.unwrap();
    assert_eq!(world.evaluations(), 0, "and replaced");

    let (name, host) = world.host();
    let anew = world.deployer_with(EvaluationCache::none(), None);
    anew.declared(&name, &host, &world.sink()).await.unwrap();
    assert_eq!(world.evaluations(), 1, "nobody asks the cache");
    assert_eq!(anew.remembered(&name, &host), None);
    let deployer = world.deployer().await;
    assert_eq!(deployer.remembered(&name, &host), Some(first));
    assert_eq!(world.evaluations(), 0);
}

#[tokio::test]
async fn files_that_change_while_they_are_evaluated_leave_nothing_behind() {
    let world = World::played(&format!("echo 2 >hosts/a.nix\n{FINE}"));
    world.write("repo/hosts/a.nix", "1\n");
    world.commit();
    world.declared().await.unwrap();
    assert_eq!(world.evaluations(), 1);
    world.write("repo/hosts/a.nix", "1\n");
    world.declared().await.unwrap();
    assert_eq!(world.evaluations(), 1, "of what, nobody knows");
}

#[tokio::test]
async fn a_system_that_is_not_there_is_explained() {
    let mut said = String::new();
    let cases = [
        // nixpkgs, nixos/modules/system/activation/top-level.nix, by 2.8 and by 2.31.
        "error: \n       Failed assertions:\n       - set `nix.state_version`\n         to a release\n       - and that\n(use '--show-trace' to show detailed location information)",
        "error:\n       … while calling the 'throw' builtin\n         at /nix/store/x-source/lib/trivial.nix:1:2:\n       error:\n       Failed assertions:\n       - hosts.linode.storage: no such disk",
        "error: experimental Nix feature 'flakes' is disabled; add '--extra-experimental-features flakes' to enable it",
        "error: flake 'git+file:///r' does not provide attribute 'packages.x86_64-linux.nixosConfigurations.\"linode\"', 'nixosConfigurations.\"linode\"'",
        "error: \n       This version of Nixpkgs requires Nix >= 2.18, please upgrade:\n",
        "error: attribute 'hostname' missing\n\n       at $PWD/modules/system/nixos.nix:3:5:\n",
        "error: unable to download 'https://github.com/x.tar.gz': Couldn't resolve host name (6)",
    ];
    for words in cases {
        let script = format!(
            "case $* in --version) echo 'nix (Nix) 2.31.2'; exit ;; esac\ncat >&2 <<E\n{words}\nE\nexit 1"
        );
        let script = script.replace('`', "\\`");
        let error = World::played(&script).declared().await.unwrap_err();
        let _ = writeln!(said, "{error}");
    }
    let old = "case $* in --version) echo 'nix (Nix) 2.3.16'; exit ;; esac\necho \"error: unrecognised flag '--apply'\" >&2; exit 1";
    said.push_str(&World::played(old).declared().await.unwrap_err());
    let odd = World::played("echo 3").declared().await.unwrap_err();
    let _ = writeln!(said, "\n{odd}");
    let world = World::played(FINE);
    std::fs::remove_file(world.path("repo/flake.nix")).unwrap();
    said.push_str(&world.declared().await.unwrap_err());
    std::fs::remove_file(world.path("bin/nix")).unwrap();
    world.write("repo/flake.nix", "{ }");
    let _ = write!(said, "\n{}", world.declared().await.unwrap_err());
    insta::assert_snapshot!(said, @r#"
    `nixosConfigurations."linode".config.system.build.toplevel` cannot be built: set `nix.state_version` to a release; and that
      hint: correct these facts in `hosts/`, or the host's `configuration.nix`
    `nixosConfigurations."linode".config.system.build.toplevel` cannot be built: hosts.linode.storage: no such disk
      hint: correct these facts in `hosts/`, or the host's `configuration.nix`
    Nix does not let us use flakes
      hint: add `experimental-features = nix-command flakes` to `nix.conf` of this computer
    the flake has no `nixosConfigurations."linode".config.system.build.toplevel`
      hint: a flake sees only what git tracks: `git add` the host's files
    Nix 2.31.2 is too old to build `nixosConfigurations."linode".config.system.build.toplevel`: 2.18 is needed
      hint: install a newer Nix: <https://nixos.org/download>
    `nixosConfigurations."linode".config.system.build.toplevel` cannot be evaluated: modules/system/nixos.nix:3:5: attribute 'hostname' missing
    `nixosConfigurations."linode".config.system.build.toplevel` cannot be evaluated: unable to download 'https://github.com/x.tar.gz': Couldn't resolve host name (6)
      hint: what the flake is made of is fetched once: this computer needs the network for that
    Nix 2.3.16 is too old to build `nixosConfigurations."linode".config.system.build.toplevel`: 2.8 is needed
      hint: install a newer Nix: <https://nixos.org/download>
    `nixosConfigurations."linode".config.system.build.toplevel`: invalid type: integer `3`, expected struct Derivation at line 1 column 1
    `DIR/repo/flake.nix` does not exist
      hint: systems are outputs of a flake: start one with `nix flake init`, see the README
    `DIR/bin/nix` is not installed
      hint: install Nix: <https://nixos.org/download>, or `apt-get install nix-bin` on Debian and Ubuntu
    "#);
}

/// What several versions of Nix, and ssh between them, say of a failed build or copy.
#[tokio::test]
async fn a_system_that_does_not_get_there_is_explained() {
    let mut said = String::new();
    for words in [
        r#"@nix {"action":"start","fields":["/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv","",1,1],"id":1,"level":3,"text":"building","type":105}
@nix {"action":"result","fields":["\u001b[31mhalf\u001b[0m a log"],"id":1,"type":101}
@nix {"action":"msg","level":0,"msg":"error: builder for '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv' failed with exit code 3;\n       last 1 log lines:\n       > half a log"}
@nix {"action":"msg","level":0,"msg":"error: 1 dependencies of derivation '/nix/store/7c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-system.drv' failed to build"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: Cannot build '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv'.\n       Reason: builder failed with exit code 2.\n       Last 2 log lines:\n       > one\n       > two\n"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: a 'aarch64-darwin' with features {} is required to build '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv', but I am a 'x86_64-linux' with features {kvm}"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: Cannot build '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv'.\n       Reason: required system or feature not available\n       Required system: 'x86_64-linux' with features {}\n       Current system: 'aarch64-darwin' with features {}"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: writing to file: No space left on device"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: hash mismatch in fixed-output derivation '/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-src.drv':\n         specified: sha256-a\n            got:    sha256-b"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: opening lock file '/nix/var/nix/db/big-lock': Permission denied"}"#,
        "",
    ] {
        said.push_str(&failing("--realise", words).await);
    }
    for words in [
        r#"@nix {"action":"msg","level":0,"msg":"error: cannot add path '/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-dep' because it lacks a valid signature"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: cannot add path '/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-dep' because it lacks a signature by a trusted key"}"#,
        r#"@nix {"action":"msg","level":0,"msg":"error: writing to file: No space left on device"}"#,
        "env: 'nix-daemon': No such file or directory\n@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"error: cannot open connection to remote store 'ssh-ng://linode': unexpected end-of-file\"}",
        "ssh: connect to host 192.0.2.1 port 22: Connection refused\n@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"error: cannot open connection to remote store 'ssh-ng://linode': error: unexpected end-of-file\"}",
        "sudo: a password is required\n@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"error: cannot open connection to remote store 'ssh-ng://linode': error: unexpected end-of-file\"}",
        r#"@nix {"action":"msg","level":0,"msg":"error: hash mismatch importing path '/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-dep';\n  specified: sha256-a"}"#,
    ] {
        said.push_str(&failing(" copy ", words).await);
    }
    insta::assert_snapshot!(said, @r#"
    `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv` failed with exit code 3
      hint: `nix log /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv` shows all of its log
      log: half a log
    `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv` failed with exit code 2
      hint: `nix log /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-a-1.drv` shows all of its log
      log: one
      log: two
    nothing here can build for aarch64-darwin, which `a-1` needs
      hint: name a remote builder in `nix.conf` (`builders`), or let the host build: `nix.build_on = "host"`
    nothing here can build for x86_64-linux, which `a-1` needs
      hint: name a remote builder in `nix.conf` (`builders`), or let the host build: `nix.build_on = "host"`
    no space is left in the store of this computer
      hint: on this computer, `nix-collect-garbage -d` makes room: it removes older generations
    `/nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-src.drv` has another hash than its files say: it is `sha256-b`
      hint: `nix log /nix/store/1c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-src.drv` shows all of its log
    `system` cannot be built: opening lock file '/nix/var/nix/db/big-lock': Permission denied
    `system` failed without a word
    `linode` takes no unsigned paths from its login, and trusts no signature of `/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-dep`
      hint: add your public key to the host's `nix.trusted_public_keys` and pass its private half by `--signing-key-file`; the first time, apply as root, or by sudo without a password
    `linode` takes no unsigned paths from its login, and trusts no signature of `/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-dep`
      hint: add your public key to the host's `nix.trusted_public_keys` and pass its private half by `--signing-key-file`; the first time, apply as root, or by sudo without a password
    no space is left in the store of `linode`
      hint: on the host, `nix-collect-garbage -d` makes room: it removes older generations, but for those that deployctl keeps
    `linode` has no `nix-daemon`
      hint: install Nix there, or log in as a user whose `PATH` has it
    the connection to `linode` broke while its system was copied: ssh: connect to host 192.0.2.1 port 22: Connection refused
      hint: try again: what was copied is not copied twice
    `linode` does not let us copy as root: sudo: a password is required
      hint: allow the login `nix-daemon` by sudo without a password, or sign what is copied: `--signing-key-file`
    cannot copy the system to `linode`: hash mismatch importing path '/nix/store/2c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-dep'; specified: sha256-a
    "#);
}

async fn failing(command: &str, words: &str) -> String {
    let script =
        format!("case $* in *\"{command}\"*) cat >&2 <<'E'\n{words}\nE\nexit 1 ;; esac\n{FINE}");
    let world = World::played(&script);
    let source = world.declared().await.unwrap();
    let deployer = world.deployer().await;
    let ended = world.deploy(&deployer, &source, Daemon::Login).await;
    let Err(DeployError::System(error)) = ended else {
        panic!("{ended:?}");
    };
    let mut text = format!("{error}\n");
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "  hint: {hint}");
    }
    for line in error.log() {
        let _ = writeln!(text, "  log: {line}");
    }
    text
}

#[tokio::test]
async fn what_modules_warn_of_is_told() {
    let warning = "echo 'trace: warning: `services.x` is deprecated' >&2\necho 'evaluation warning: and y' >&2\n";
    let world = World::played(&format!("{warning}{FINE}").replace('`', ""));
    world.declared().await.unwrap();
    assert_eq!(
        world.events(),
        "Evaluating\nWarned(\"services.x is deprecated\")\nWarned(\"and y\")"
    );
    world.declared().await.unwrap();
    assert_eq!(world.events(), "", "it is remembered");
}

#[tokio::test]
async fn a_former_system_is_copied_or_missed() {
    let world = World::played(FINE);
    let mut source = world.declared().await.unwrap();
    source.derivation = None;
    let deployer = world.deployer().await;
    world.log();
    world
        .deploy(&deployer, &source, Daemon::Login)
        .await
        .unwrap();
    let log = world.log();
    assert!(
        !log.contains("--realise") && log.contains(" copy "),
        "{log}"
    );

    let world = World::played("case $* in *--check-validity*) exit 1 ;; esac");
    let deployer = world.deployer().await;
    source.closure.toplevel =
        StorePath::new("/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-former").unwrap();
    let missed = world.deploy(&deployer, &source, Daemon::Login).await;
    assert_eq!(
        missed.unwrap_err().to_string(),
        "`/nix/store/0c0dyvfmpkb4wq1y8mxr1cqxkfmyjwd5-former` is neither in the store of this computer nor in that of `linode`"
    );
}
