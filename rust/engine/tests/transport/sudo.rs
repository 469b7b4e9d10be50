//! How a login becomes root, with a stand-in for sudo that can be made to behave as any of them.

use std::time::{Duration, Instant};

use deployctl_engine::transport::ssh::Become;
use deployctl_engine::transport::{Password, Secret, Transport as _, TransportError};

use crate::sshd::Server;
use crate::{command_lines_with, contract, limits};

fn with_password(word: &str) -> Become {
    Become::SudoPassword(Password::new(Secret::new(word.as_bytes()).unwrap()))
}

/// Why the script does not run; `hint` follows the cause.
async fn refusal(server: &Server, becoming: Become) -> String {
    let ssh = server.connect(becoming).await.unwrap();
    let error = ssh.run("touch never", limits()).await.unwrap_err();
    assert!(matches!(error, TransportError::Privilege { .. }), "{error}");
    format!("{error} / {}", error.hint().unwrap_or_default())
}

#[tokio::test]
async fn sudo_with_a_password_keeps_the_contract_and_the_secret() {
    let server = Server::start();
    let word = "poison s'e\"cret $x";
    server.sudo_wants(word);
    let becoming = with_password(word);
    let shown = format!("{becoming:?}");
    let ssh = server.connect(becoming).await.unwrap();
    let place = server.directory().join("put here");
    contract(&ssh, place.to_str().unwrap()).await;
    let running = tokio::join!(ssh.run("sleep 1", limits()), async {
        tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>())
            .await
            .unwrap_err();
        command_lines_with("poison s")
    });
    assert_eq!(running.1, Vec::<String>::new());
    assert!(!format!("{ssh:?}{shown}").contains("poison"));
    assert!(!server.sudo_saw("inputs").contains("poison"));
}

#[tokio::test]
async fn a_password_that_sudo_does_not_ask_for_never_leaves_this_computer() {
    let server = Server::start();
    server.sudo_wants_nothing();
    let ssh = server.connect(with_password("poison")).await.unwrap();
    contract(&ssh, server.directory().join("put there").to_str().unwrap()).await;
    // Asked for from here on, and then again not, on one connection: as an apply may change it.
    server.sudo_wants("poison");
    let asked = ssh.run("echo asked", limits()).await.unwrap();
    assert_eq!(asked.stdout, b"asked\n");
    server.sudo_wants_nothing();
    let free = ssh.run("echo free", limits()).await.unwrap();
    assert_eq!(free.stdout, b"free\n");
    let inputs = server.sudo_saw("inputs");
    assert!(
        inputs.contains("echo free") && !inputs.contains("poison"),
        "{inputs}"
    );
    assert_eq!(server.sudo_saw("offered"), "poison\n");
}

#[tokio::test]
async fn a_sudo_that_asks_in_its_own_words_is_understood() {
    let server = Server::start();
    server.sudo("own-question", "");
    server.sudo_wants("right");
    let ssh = server.connect(with_password("right")).await.unwrap();
    for _ in 0..2 {
        let output = ssh.run("echo root", limits()).await.unwrap();
        assert_eq!(output.stdout, b"root\n");
    }
    server.sudo_wants_nothing();
    ssh.run("echo free", limits()).await.unwrap();
    assert!(!server.sudo_saw("inputs").contains("right"));
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_whatever_sudo_says_of_it() {
    for words in [
        "Sorry, try again.\n",
        "Das war nichts.\n",
        "You silly, twisted boy you.\n",
        "",
    ] {
        let server = Server::start();
        server.sudo_wants("right");
        server.sudo("words", words);
        let start = Instant::now();
        let becoming = with_password("wrong");
        let told = refusal(&server, becoming.clone()).await;
        assert!(told.contains("sudo did not take the password"), "{told}");
        assert!(!told.contains("--ask-sudo-password"), "{told}");
        assert!(start.elapsed() < Duration::from_secs(5), "{words:?}");
        // The next connection of the run does not try it again.
        let told = refusal(&server, becoming).await;
        assert!(told.contains("refused a moment ago"), "{told}");
        assert_eq!(server.sudo_saw("offered"), "wrong\n");
        assert_eq!(server.sudo_saw("inputs"), "");
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_where_sudo_asks_in_its_own_words() {
    let server = Server::start();
    server.sudo("own-question", "");
    server.sudo("words", "sudo: Authentifizierung fehlgeschlagen\n");
    server.sudo_wants("right");
    let start = Instant::now();
    let told = refusal(&server, with_password("wrong")).await;
    let ended = "sudo ended after the password that was passed";
    assert!(told.contains(ended), "{told}");
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(server.sudo_saw("offered"), "wrong\n");
}

#[tokio::test]
async fn a_slow_sudo_that_asks_in_its_own_words_is_waited_for() {
    let server = Server::start();
    server.sudo("own-question", "");
    server.sudo("slow", "9");
    server.sudo_wants("right");
    let ssh = server.connect(with_password("right")).await.unwrap();
    let output = ssh.run("echo ran", limits()).await.unwrap();
    assert_eq!(output.stdout, b"ran\n");
    // The first shell came too late for the script. From then on sudo has all the time that it needs.
    assert_eq!(server.sudo_saw("offered"), "right\nright\n");
    let shell = ssh.root_shell().await.unwrap().unwrap();
    let output = shell.run("echo kept", limits()).await.unwrap();
    assert_eq!(output.stdout, b"kept\n");
    assert_eq!(server.sudo_saw("offered"), "right\nright\nright\n");
}

#[tokio::test]
async fn a_missing_password_is_asked_for_whatever_sudo_says() {
    for words in [
        "sudo: a password is required\n",
        "sudo: interactive authentication is required\n",
        "interactive authentication is required\n",
        "doas: Authentication required\n",
        "kein Passwort, kein Zutritt\n",
        "",
    ] {
        let server = Server::start();
        server.sudo_wants("right");
        server.sudo("none", words);
        let told = refusal(&server, Become::Sudo).await;
        assert!(told.contains("--ask-sudo-password"), "{told}");
    }
}

#[tokio::test]
async fn a_sudo_that_asks_nothing_needs_no_password() {
    let server = Server::start();
    let ssh = server.connect(Become::Sudo).await.unwrap();
    let output = ssh.run("echo root", limits()).await.unwrap();
    assert_eq!(output.stdout, b"root\n");
}
