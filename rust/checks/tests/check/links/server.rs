//! iperf3's server, for real: it starts, is known again, ends when told, by itself, or with its client,
//! and leaves nothing.
#![expect(clippy::disallowed_methods, reason = "it runs the scripts")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deployctl_checks::evaluate;
use deployctl_checks::link::{LinkCheck, Server};
use deployctl_core::query::Query;

use crate::host::section;

/// The check of throughput from the Mac, which asks, to the Linux host, which serves; with both ends on
/// this computer, one second long, at `port`.
struct Local {
    link: LinkCheck,
    port: u16,
    shell: &'static str,
}

impl Local {
    fn new(shell: &'static str, port: u16) -> Self {
        let link = super::checks()
            .into_iter()
            .find(|link| link.check.id == "lan10g/throughput/mac-mini-to-cuda")
            .unwrap();
        Self { link, port, shell }
    }

    fn server(&self) -> &Server {
        self.link.server.as_ref().unwrap()
    }

    /// The query as a round runs it: in files no longer than its cap.
    fn command(&self, query: &Query, started: &str) -> Command {
        let script = query
            .command
            .replace("10.0.0.1", "127.0.0.1")
            .replace("10.0.0.2", "127.0.0.1")
            .replace("5201", &self.port.to_string())
            .replace("-t 10 -O 2", "-t 1");
        let mut command = Command::new(self.shell);
        command
            .args([
                "-c",
                &format!(
                    "ulimit -f {}\nstarted='{started}'\n{script}",
                    query.cap.div_ceil(512)
                ),
            ])
            .stdin(Stdio::null());
        command
    }

    /// Standard output of a script that ends well.
    fn say(&self, query: &Query, started: &str) -> String {
        let output = self.command(query, started).output().unwrap();
        assert!(output.status.success(), "{query:?}\n{output:?}");
        assert!(output.stderr.is_empty(), "{query:?}\n{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn start(&self) -> String {
        self.say(&self.server().start, "")
    }

    fn stop(&self, started: &str) {
        self.say(&self.server().stop, started);
        assert_eq!(self.left(), "", "after stop");
    }

    /// The processes of this server that still run.
    fn left(&self) -> String {
        let output = Command::new("ps")
            .args(["-ww", "-eo", "pid=,args="])
            .output()
            .unwrap();
        let needle = format!("127.0.0.1 -p {}", self.port);
        let guard = format!("deployctl-iperf3 127.0.0.1 {}", self.port);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let ours = |line: &&str| line.contains(&needle) || line.contains(&guard);
        text.lines().filter(ours).collect::<Vec<_>>().join("\n")
    }

    fn wait_until_nothing_is_left(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.left().is_empty() {
            assert!(Instant::now() < deadline, "left: {}", self.left());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_server_serves_one_client_and_is_gone() {
    for (shell, port) in [("dash", 52011), ("bash", 52012)] {
        let local = Local::new(shell, port);
        let started = local.start();
        assert!(started.parse::<u32>().is_ok(), "{started}");
        assert!(!local.left().is_empty());

        let answer = local.say(&local.link.check.query, &started);
        let result = evaluate(&local.link.check, Some(&section(0, answer)));
        assert!(
            ["pass", "fail"].contains(&result.status.word()) && result.evidence.contains("Gbit/s"),
            "{result:#?}"
        );
        assert_eq!(result.measurements[0].what, "throughput");
        local.wait_until_nothing_is_left(Duration::from_secs(3));
        local.stop(&started);
    }
}

#[test]
fn a_server_without_a_client_is_stopped() {
    for (shell, port) in [("dash", 52013), ("bash", 52014)] {
        let local = Local::new(shell, port);
        let started = local.start();
        local.stop(&started);
        // Again, when it is gone, and of a number that another process has.
        local.stop(&started);
        let mut other = sleeper();
        local.stop(&other.id().to_string());
        assert!(
            other.try_wait().unwrap().is_none(),
            "a bystander was killed"
        );
        other.kill().unwrap();
        other.wait().unwrap();
        for word in ["", "absent", "taken", "silent", "1; touch /tmp/x"] {
            local.stop(word);
        }
    }
}

#[test]
fn a_server_that_nobody_stops_ends_by_itself() {
    for (shell, port) in [("dash", 52015), ("bash", 52016)] {
        let mut local = Local::new(shell, port);
        let server = local.link.server.as_mut().unwrap();
        let seconds = local.link.check.query.deadline.as_secs() + 5;
        let with = format!("'10.0.0.1' 5201 {seconds} </dev/null");
        assert!(
            server.start.command.contains(&with),
            "{}",
            server.start.command
        );
        server.start.command = server
            .start
            .command
            .replace(&with, "'10.0.0.1' 5201 1 </dev/null");
        assert!(local.start().parse::<u32>().is_ok());
        assert!(!local.left().is_empty());
        local.wait_until_nothing_is_left(Duration::from_secs(4));
    }
}

#[test]
fn what_keeps_a_server_from_listening_is_told() {
    let local = Local::new("dash", 52017);
    let listener = std::net::TcpListener::bind(("127.0.0.1", 52017)).unwrap();
    assert_eq!(local.start(), "taken");
    drop(listener);
    let listener = std::net::TcpListener::bind(("0.0.0.0", 52017)).unwrap();
    assert_eq!(local.start(), "taken");
    drop(listener);

    // An address that the host does not have.
    let mut local = Local::new("dash", 52018);
    let server = local.link.server.as_mut().unwrap();
    server.start.command = server.start.command.replace("10.0.0.1", "192.0.2.1");
    assert_eq!(local.start(), "silent");
    assert_eq!(local.left(), "");

    // No iperf3: neither there nor here, and each says so itself.
    let local = Local::new("dash", 52019);
    let mut nowhere = local.server().start.clone();
    nowhere.command.insert_str(0, "PATH=/nonexistent\n");
    assert_eq!(local.say(&nowhere, ""), "absent");
    assert_eq!(local.say(&local.link.check.query, "absent"), "absent");
    let mut client = local.link.check.query.clone();
    client.command = client.command.replace("PATH=$PATH:", "PATH=");
    assert_eq!(local.say(&client, "1"), "absent-here");
}

fn sleeper() -> Child {
    Command::new("sleep").arg("30").spawn().unwrap()
}
