//! One contract for every transport: a directory, a scripted host, and a real sshd.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test fails by panicking, starts its own server, and says why it skips"
)]

mod sshd;
mod sudo;

use std::path::Path;
use std::time::{Duration, Instant};

use deployctl_core::name::HostName;
use deployctl_engine::transport::fake::{Call, Fake, Reply};
use deployctl_engine::transport::local::Local;
use deployctl_engine::transport::ssh::Become;
use deployctl_engine::transport::{Files, Limits, Output, Part, Transport, TransportError};

pub(crate) fn limits() -> Limits {
    Limits::default().within(Duration::from_secs(20))
}

fn archive(name: &str, content: &str, mode: u32) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    builder
        .append_data(&mut header, name, content.as_bytes())
        .unwrap();
    builder.into_inner().unwrap()
}

/// What every transport promises. `directory` is an absolute path on the host that does not exist yet.
pub(crate) async fn contract(transport: &dyn Transport, directory: &str) {
    streams_and_status(transport).await;
    long_scripts_and_odd_bytes(transport).await;
    files_arrive(transport, directory).await;
    files_are_fed(transport).await;
    bounds(transport).await;
    let again = transport.reconnect().await.unwrap();
    let output = again.run("echo again", limits()).await.unwrap();
    assert_eq!(output.stdout, b"again\n");
}

async fn streams_and_status(transport: &dyn Transport) {
    let output = transport
        .run("printf out; printf err >&2; exit 7", limits())
        .await
        .unwrap();
    assert_eq!(output.status, 7);
    assert_eq!(output.stdout, b"out");
    assert_eq!(output.stderr, b"err");
    let missing = transport.run("exit 127", limits()).await.unwrap();
    assert_eq!(missing.status, 127);
}

async fn long_scripts_and_odd_bytes(transport: &dyn Transport) {
    let script = format!("{}printf '\\000\\377\\n'", ": padding\n".repeat(30_000));
    let output = transport.run(&script, limits()).await.unwrap();
    assert_eq!(output.stdout, b"\0\xff\n");
}

async fn files_arrive(transport: &dyn Transport, directory: &str) {
    let good = archive("a file", "bytes\n", 0o640);
    let put = transport.put(&good, directory, limits()).await;
    put.unwrap();
    let look =
        format!("cd \"$DEPLOYCTL_ROOT{directory}\" && cat 'a file' && stat -c %a . 'a file'");
    let output = transport.run(&look, limits()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "bytes\n700\n640\n");
    let below_a_file = format!("{directory}/a file/x");
    let failed = transport.put(&good, &below_a_file, limits()).await;
    assert!(matches!(failed.unwrap_err(), TransportError::Put { .. }));
}

async fn files_are_fed(transport: &dyn Transport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::write(&path, vec![b'x'; 3_000_000]).unwrap();
    let part = || Part {
        line: "words\n".to_owned(),
        path: path.clone(),
        from: 1_000_000,
        bytes: 2_000_000,
    };
    let files = Files::new(vec![part(), part()]);
    let counted = transport.feed("exec wc -c", &files, limits()).await;
    let counted = String::from_utf8(counted.unwrap().stdout).unwrap();
    assert_eq!(counted.trim(), "4000012");
    assert_eq!((files.sent(), files.trouble()), (4_000_000, None));
    let files = Files::new(vec![part(), part()]);
    let unread = transport.feed("head -c 7; exit 5", &files, limits()).await;
    let unread = unread.unwrap();
    assert_eq!((unread.status, &*unread.stdout), (5, &b"words\nx"[..]));
}

async fn bounds(transport: &dyn Transport) {
    let small = Limits {
        stdout: 1000,
        ..limits()
    };
    let flood = transport.run("while :; do echo flood; done", small).await;
    assert!(matches!(
        flood.unwrap_err(),
        TransportError::TooMuch { cap: 1000, .. }
    ));
    let start = Instant::now();
    let brief = limits().within(Duration::from_secs(1));
    let silent = transport.run("sleep 60", brief).await;
    assert!(matches!(
        silent.unwrap_err(),
        TransportError::Timeout { seconds: 1, .. }
    ));
    assert!(start.elapsed() < Duration::from_secs(10));
    let after = transport.run("echo still here", limits()).await.unwrap();
    assert_eq!(after.stdout, b"still here\n");
}

#[tokio::test]
async fn a_directory_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let local = Local::new(root.path()).unwrap();
    contract(&local, "/var/lib/deployctl/applies/x").await;
    assert!(root.path().join("var/lib/deployctl/applies/x").is_dir());
    assert!(local.is_sandbox());
}

#[test]
fn a_directory_that_is_no_sandbox_is_refused() {
    for bad in ["", "/", "/tmp/.."] {
        let error = Local::new(Path::new(bad)).unwrap_err();
        assert!(matches!(error, TransportError::Local { .. }), "{bad:?}");
    }
}

#[tokio::test]
async fn links_do_not_lead_out_of_a_sandbox() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outside.path().join("lib/deployctl/applies")).unwrap();
    let host = HostName::new("host").unwrap();
    let sandbox = tempfile::tempdir().unwrap();
    symlink(outside.path(), sandbox.path().join("host")).unwrap();
    let error = Local::of_host(sandbox.path(), &host).unwrap_err();
    assert_names_link(&error, &sandbox.path().join("host"));

    for connection in [
        "var",
        "var/lib",
        "var/lib/deployctl",
        "var/lib/deployctl/applies",
        "var/lib/deployctl/generations",
    ] {
        let sandbox = tempfile::tempdir().unwrap();
        let local = Local::of_host(sandbox.path(), &host).unwrap();
        let place = sandbox
            .path()
            .canonicalize()
            .unwrap()
            .join("host")
            .join(connection);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(outside.path(), &place).unwrap();
        let run = local
            .run("touch \"$DEPLOYCTL_ROOT/touched\"", limits())
            .await;
        assert_names_link(&run.unwrap_err(), &place);
        assert!(!sandbox.path().join("host/touched").exists());
        let bytes = archive("escaped", "x", 0o600);
        let directory = "/var/lib/deployctl/applies/x";
        let put = local.put(&bytes, directory, limits()).await;
        assert_names_link(&put.unwrap_err(), &place);
    }
    // The sandbox's own directory may be a link.
    let links = tempfile::tempdir().unwrap();
    symlink(sandbox.path(), links.path().join("sandbox")).unwrap();
    std::fs::remove_file(sandbox.path().join("host")).unwrap();
    Local::of_host(&links.path().join("sandbox"), &host).unwrap();
}

fn assert_names_link(error: &TransportError, place: &Path) {
    use std::error::Error as _;

    let cause = error.source().unwrap().to_string();
    let text = format!("{error}: {cause}");
    assert!(text.contains(&*place.to_string_lossy()), "{text}");
    assert!(cause.contains("symbolic link"), "{text}");
}

#[tokio::test]
async fn a_script_that_outlives_its_deadline_leaves_no_process_behind() {
    let root = tempfile::tempdir().unwrap();
    let local = Local::new(root.path()).unwrap();
    let brief = limits().within(Duration::from_millis(300));
    let marker = format!("left-by-{}", std::process::id());
    let script = format!("sh -c 'sleep 77; echo \"$0\"' {marker} & sleep 77");
    local.run(&script, brief).await.unwrap_err();
    // What was killed is listed until the kernel has ended it.
    let patience = Instant::now();
    while !command_lines_with(&marker).is_empty() && patience.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(command_lines_with(&marker), Vec::<String>::new());
}

#[tokio::test]
async fn a_scripted_host_keeps_the_contract() {
    let says = |status, stdout: &[u8], stderr: &[u8]| {
        Reply::Output(Output {
            status,
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
        })
    };
    let fake = Fake::new("fake", move |call| match call {
        Call::Put { directory, .. } if directory.ends_with("file/x") => {
            says(1, b"", b"mkdir: Not a directory\n")
        }
        Call::Put { .. } | Call::Reconnect | Call::ReconnectAt(_) => says(0, b"", b""),
        Call::Feed { command, input } if command.starts_with("exec wc") => {
            says(0, input.len().to_string().as_bytes(), b"")
        }
        Call::Feed { input, .. } => says(5, &input[..7], b""),
        Call::RootShell | Call::Kept(_) => Reply::says(""),
        Call::Run(script) if script.ends_with("exit 7") => says(7, b"out", b"err"),
        Call::Run(script) if script == "exit 127" => says(127, b"", b""),
        Call::Run(script) if script.contains("padding") => says(0, b"\0\xff\n", b""),
        Call::Run(script) if script.contains("stat -c") => says(0, b"bytes\n700\n640\n", b""),
        Call::Run(script) if script.contains("flood") => says(0, &[b'x'; 2000], b""),
        Call::Run(script) if script.starts_with("sleep") => Reply::Hang,
        Call::Run(script) => says(
            0,
            format!("{}\n", script.trim_start_matches("echo ")).as_bytes(),
            b"",
        ),
    });
    contract(&fake, "/var/lib/deployctl/applies/x").await;
    assert_eq!(fake.calls().len(), 13);
}

#[tokio::test]
async fn a_host_over_ssh_keeps_the_contract() {
    let server = sshd::Server::start();
    let ssh = server.connect(Become::Root).await.unwrap();
    let place = server.directory().join("put here");
    contract(&ssh, place.to_str().unwrap()).await;
    let masters = server.masters();
    assert!(!masters.is_empty());
    drop(ssh);
    server.wait_until_no_master().await;
}

#[tokio::test]
async fn another_host_key_than_the_pinned_one_ends_the_conversation() {
    let server = sshd::Server::start();
    let error = server.connect_pinning(&sshd::another_key()).await;
    assert!(
        matches!(error, Err(TransportError::HostKey { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_unknown_host_key_is_not_taken_on_trust() {
    let server = sshd::Server::start();
    let error = server.connect_unpinned().await.unwrap_err();
    assert!(error.hint().unwrap().contains("deployctl adopt"), "{error}");
}

#[tokio::test]
async fn nobody_listening_is_told_at_once() {
    let server = sshd::Server::start();
    let error = server.connect_to_a_closed_port().await.unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

/// Command lines of running processes that hold `word`, without the one that looks.
pub(crate) fn command_lines_with(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(word) {
                found.push(line);
            }
        }
    }
    found
}
