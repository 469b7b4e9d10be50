//! A server that repeats what it was sent: the key comes back in no answer, and goes to it whole.
#![expect(
    clippy::disallowed_methods,
    reason = "it runs the scripts and a server"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use deployctl_checks::{CheckStatus, evaluate, link};
use deployctl_core::query::Query;

use crate::host::{checks_of, inventory, section};

const KEY: &str = r#"sk-"se\cret/&.*[1]"#;

/// What `query` answers in `shell` where the server at `address` repeats the whole request, with the key in a file of
/// its own; and the request.
fn told(shell: &str, query: &Query, address: &str, status: u16) -> (Vec<u8>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("inference-api-key"), KEY).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let command = query
        .command
        .replace("/etc/deployctl/secrets", folder.path().to_str().unwrap())
        .replace(address, &format!("127.0.0.1:{port}"))
        .replace("--interface '10.0.0.2'", "")
        .replace("/usr/bin/curl", "curl");
    let child = Command::new(shell)
        .args(["-c", &command])
        .env("http_proxy", "http://127.0.0.1:1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = String::new();
    let mut bytes = [0; 4096];
    while !request.contains("\r\n\r\n") {
        let read = stream.read(&mut bytes).unwrap();
        request.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    let answer = format!(
        "HTTP/1.1 {status} Yes\r\nConnection: close\r\n\r\nyou said {request}twice {KEY}{KEY}"
    );
    stream.write_all(answer.as_bytes()).unwrap();
    drop(stream);
    let output = child.wait_with_output().unwrap();
    let mut all = output.stdout;
    all.extend(output.stderr);
    (all, request)
}

#[test]
fn a_key_comes_back_in_no_answer() {
    let own = checks_of("cuda")
        .into_iter()
        .find(|check| check.id == "gateway/models");
    let between = link::checks(inventory()).into_iter();
    let mut checks: Vec<_> = own.into_iter().collect();
    checks.extend(
        between
            .map(|link| link.check)
            .filter(|check| check.id.contains("/gateway-models/")),
    );
    assert_eq!(checks.len(), 2);
    for check in checks {
        for (shell, status) in [("dash", 200), ("bash", 401), ("dash", 500)] {
            let (answer, request) = told(shell, &check.query, "10.0.0.1:8000", status);
            assert!(
                request.contains(&format!("Authorization: Bearer {KEY}\r\n")),
                "{}: {request}",
                check.id
            );
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert!(
                text.contains("(key)(key)") && !text.contains("cret"),
                "{}: {text}",
                check.id
            );
            let result = evaluate(&check, Some(&section(0, answer)));
            let status = match result.status {
                CheckStatus::Fail { .. } if status != 200 => "fail",
                CheckStatus::Error { .. } if status == 200 => "error",
                other => panic!("{}: {other:?}", check.id),
            };
            assert!(!format!("{status} {}", result.evidence).contains("cret"));
        }
    }
}
