//! Requests of the program itself, to servers good and bad.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};

/// What a request says: its head and its body.
type Request = (String, Value);

/// A server that a test plays, on a socket in its own folder.
struct Server {
    socket: PathBuf,
    asked: Arc<Mutex<Vec<Request>>>,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Answers every request by `answer`, which writes what it likes.
    fn new(answer: fn(&Request, usize, &mut UnixStream)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&stream);
                // Before it is answered: whoever asked may look as soon as it was.
                let number = {
                    let mut told = told.lock().unwrap();
                    told.push(request.clone());
                    told.len() - 1
                };
                answer(&request, number, &mut stream);
            }
        });
        Self {
            socket,
            asked,
            _folder: folder,
        }
    }

    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// Runs the probe against it.
    fn probe(&self, arguments: &[&str], stdin: Stdio) -> Output {
        probe(&self.socket, arguments, stdin)
    }
}

fn read(stream: &UnixStream) -> Request {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let before = head.len();
        reader.read_line(&mut head).unwrap();
        if let Some(value) = head[before..].strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

fn probe(socket: &Path, arguments: &[&str], stdin: Stdio) -> Output {
    Command::new(cargo_bin!("hostprobe"))
        .args(["--only", "inference", "--model", "tiny", "--socket"])
        .arg(socket)
        .args(arguments)
        .stdin(stdin)
        .output()
        .unwrap()
}

/// The one item of a report.
fn item(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    report["items"][0].clone()
}

/// The prompt of a request.
fn prompt(request: &Request) -> &str {
    request.1["messages"][0]["content"].as_str().unwrap()
}

/// A chunk of a chunked body.
fn chunk(stream: &mut UnixStream, text: &str) {
    let _ = write!(stream, "{:x}\r\n{text}\r\n", text.len());
}

/// As vLLM answers: a role, a token every 2 ms, the count and the server's own clock. Its template adds 20
/// tokens, and each word has two.
fn vllm(request: &Request, _: usize, stream: &mut UnixStream) {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let event = |value: Value| format!("data: {value}\n\n");
    let delta = |delta: Value| event(json!({"choices": [{"index": 0, "delta": delta}]}));
    chunk(stream, ": keepalive\n\n");
    chunk(stream, &delta(json!({"role": "assistant", "content": ""})));
    thread::sleep(Duration::from_millis(3));
    let tokens = request.1["max_tokens"].as_u64().unwrap();
    for _ in 0..tokens {
        thread::sleep(Duration::from_millis(2));
        chunk(stream, &delta(json!({"content": "x"})));
    }
    let words = prompt(request).split(' ').count();
    let last = event(json!({
        "choices": [],
        "usage": {"prompt_tokens": 20 + 2 * words, "completion_tokens": tokens},
        "metrics": {"time_to_first_token_ms": 4.5},
    }));
    chunk(stream, &last);
    chunk(stream, "data: [DONE]\n\n");
    chunk(stream, "");
}

#[test]
fn a_stream_is_measured_at_the_wanted_length_with_prompts_of_their_own() {
    let server = Server::new(vllm);
    let arguments = ["--requests", "5", "--tokens", "4", "--prompt-tokens", "128"];
    let output = server.probe(&arguments, Stdio::null());
    let item = item(&output);
    assert_eq!(item["status"], "pass", "{item}");
    let values = &item["values"];
    let number = |key: &str| {
        values[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {item}"))
    };
    assert_eq!(values["prompt_tokens_min"], 128);
    assert_eq!(values["prompt_tokens_max"], 128);
    assert_eq!(values["answer_tokens_max"], 4);
    assert_eq!(values["first_token_us"].as_array().unwrap().len(), 5);
    assert_eq!(values["between_tokens_us"].as_array().unwrap().len(), 15);
    // The role came 5 ms before the first token.
    assert!(number("first_token_p50_us") >= 5000.0);
    assert!(number("between_tokens_p50_us") >= 1500.0);
    assert!(number("answer_p50_us") > number("first_token_p50_us") + 6000.0);
    assert_eq!(values["server_first_token_p95_us"], 4500.0);

    // Two to find the length, one to warm up, five that count.
    let asked = server.asked();
    assert_eq!(asked.len(), 8);
    for (at, request) in asked.iter().enumerate() {
        assert!(
            request.1["stream_options"]["include_usage"] == true && request.1["ignore_eos"] == true
        );
        for other in &asked[at + 1..] {
            assert_ne!(prompt(request)[..12], prompt(other)[..12]);
            assert_ne!(request.1["cache_salt"], other.1["cache_salt"]);
        }
    }
}

#[test]
fn a_server_that_takes_no_more_than_the_original_api_is_asked_so() {
    let server = Server::new(|request, number, stream| {
        if request.1.get("ignore_eos").is_some() || request.1.get("cache_salt").is_some() {
            let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        } else {
            vllm(request, number, stream);
        }
    });
    let item = item(&server.probe(&["--requests", "3"], Stdio::null()));
    assert_eq!(item["status"], "pass", "{item}");
    assert_eq!(item["values"]["ignore_eos"], false);
}

#[test]
fn a_server_that_fails_under_way_fails_with_what_was_measured() {
    let server = Server::new(|request, number, stream| match number {
        0..5 => vllm(request, number, stream),
        5 => chunk(stream, "no HTTP at all"),
        6 => drop(stream.write_all(b"HTTP/1.1 500 Oops\r\n\r\n{\"error\":\"out of memory\"}")),
        _ => drop(stream.write_all(
            b"HTTP/1.1 200 OK\r\n\r\ndata: {\"error\":{\"message\":\"EngineCore died\"}}\n\n",
        )),
    });
    let output = server.probe(&["--requests", "20"], Stdio::null());
    assert_eq!(output.status.code(), Some(1));
    let item = item(&output);
    let message = item["message"].as_str().unwrap();
    let end = "does not speak HTTP: invalid HTTP version";
    assert!(
        message.starts_with("2 of 20 requests answered; `") && message.ends_with(end),
        "{item}"
    );
    assert_eq!(item["values"]["errors"], 3);
    assert_eq!(server.asked().len(), 8);
}

#[test]
fn a_slow_server_is_given_up_with_what_was_measured() {
    let server = Server::new(|request, number, stream| {
        thread::sleep(Duration::from_millis(250));
        vllm(request, number, stream);
    });
    let item = item(&server.probe(&["--requests", "1000", "--within-s", "1"], Stdio::null()));
    assert_eq!(item["status"], "fail");
    assert!(
        item["message"]
            .as_str()
            .unwrap()
            .ends_with(" of 1000 requests answered within 1 s"),
        "{item}"
    );
}

#[test]
fn the_key_comes_from_a_file_or_on_standard_input_and_is_shown_nowhere() {
    let server = Server::new(vllm);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "poison-4711\n").unwrap();
    let by_name = server.probe(
        &["--requests", "1", "--key-file", key.to_str().unwrap()],
        Stdio::null(),
    );
    let by_stdin = server.probe(
        &["--requests", "1", "--key-file", "-"],
        Stdio::from(File::open(&key).unwrap()),
    );
    for output in [by_name, by_stdin] {
        assert_eq!(item(&output)["status"], "pass", "{output:?}");
        assert!(!format!("{output:?}").contains("poison"));
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 8);
    for (head, _) in &asked {
        assert!(
            head.contains("Authorization: Bearer poison-4711\r\n"),
            "{head}"
        );
    }
    let empty = server.probe(&["--key-file", "-"], Stdio::null());
    assert_eq!(item(&empty)["message"], "`-` holds no key");
}

/// What the request's head says of who asks, slashes as JSON may write them.
fn bearer(request: &Request) -> String {
    let line = request.0.lines().find(|line| line.contains("Bearer"));
    line.unwrap().replace('/', "\\/")
}

#[test]
fn a_server_that_repeats_the_key_is_shown_without_it() {
    let refuses = Server::new(|request, _, stream| {
        let body = format!("{} {}", "x".repeat(170), bearer(request));
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: {length}\r\n\r\n{body}"
        );
    });
    let breaks_off = Server::new(|request, _, stream| {
        let error = format!("{} {}", "x".repeat(195), bearer(request));
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {{\"error\": {{\"message\": \"{error}\"}}}}\n\n"
        );
    });
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "poison/4711/poison\n").unwrap();
    for server in [refuses, breaks_off] {
        let arguments = ["--requests", "1", "--key-file", key.to_str().unwrap()];
        let output = server.probe(&arguments, Stdio::null());
        let item = item(&output);
        assert_eq!(item["status"], "fail", "{item}");
        let message = item["message"].as_str().unwrap();
        assert!(message.contains("xxx"), "{message}");
        assert!(!format!("{output:?}").contains("pois"), "{message}");
    }
}

#[test]
fn a_server_is_asked_by_tcp_as_over_a_socket() {
    let server = Server::new(vllm);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = server.socket.clone();
    thread::spawn(move || {
        for here in listener.incoming() {
            let (mut here, mut there) = (here.unwrap(), UnixStream::connect(&socket).unwrap());
            let (mut asked, mut asks) = (here.try_clone().unwrap(), there.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut asked, &mut asks));
            // Who asks may go when all has come.
            drop(std::io::copy(&mut there, &mut here));
            drop(here.shutdown(Shutdown::Both));
        }
    });
    let ask = |address: SocketAddr| {
        let place = PathBuf::from(address.to_string());
        item(&probe(&place, &["--requests", "2"], Stdio::null()))
    };
    let answered = ask(address);
    let message = format!("2 of 2 requests answered over `{address}`");
    assert_eq!(
        (&answered["status"], &answered["message"]),
        (&"pass".into(), &message.into())
    );

    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let hint = &ask(address)["hint"];
    assert_eq!(hint, "the server does not run, or listens elsewhere");
}

#[test]
fn a_socket_that_is_stale_absent_or_forbidden_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let hint = || item(&probe(&socket, &[], Stdio::null()))["hint"].clone();
    assert_eq!(hint(), "the server does not run, or listens elsewhere");
    drop(UnixListener::bind(&socket).unwrap());
    assert_eq!(hint(), "the socket is stale: whoever made it has ended");

    std::fs::remove_file(&socket).unwrap();
    let _server = UnixListener::bind(&socket).unwrap();
    let program = folder.path().join("hostprobe");
    std::fs::copy(cargo_bin!("hostprobe"), &program).unwrap();
    let set =
        |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    set(folder.path(), 0o755);
    set(&socket, 0);
    // Only root can, and has to, become another user.
    let root = std::fs::metadata(&socket).unwrap().uid() == 0;
    let mut command = Command::new(if root { "setpriv" } else { "env" });
    if root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command
        .arg(&program)
        .args(["--only", "inference", "--model", "tiny", "--socket"])
        .arg(&socket);
    let forbidden = item(&command.output().unwrap())["hint"].to_string();
    assert!(
        forbidden
            .ends_with(" is not in the socket's group; membership counts from the next login\""),
        "{forbidden}"
    );
}
