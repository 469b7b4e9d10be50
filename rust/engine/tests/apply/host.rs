//! A scripted host with a story, told as the list of what was asked, what was seen and how it ended.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deployctl_checks::Check;
use deployctl_core::activation::{ApplyId, Bundle, BundleFile};
use deployctl_core::name::HostName;
use deployctl_engine::apply::{Task, apply};
use deployctl_engine::clock::{Clock as _, Manual};
use deployctl_engine::event::Event;
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::run_context::RunContext;
use deployctl_engine::transport::TransportError;
use deployctl_engine::transport::fake::{Call, Fake, Reply};

const NONCE: &str = "0123456789abcdef";

type Lines = Arc<Mutex<Vec<String>>>;

pub(crate) struct Story {
    fake: Fake,
    lines: Lines,
    /// Where gates run.
    folder: tempfile::TempDir,
    pub(crate) gates: Vec<Check>,
    pub(crate) new_port: Option<u16>,
}

pub(crate) fn apply_id() -> ApplyId {
    ApplyId::new("1795392000-abcdef").unwrap()
}

impl Story {
    /// A host that takes the bundle, answers rounds of questions, and behaves like this otherwise; scripts
    /// are numbered from 1.
    pub(crate) fn new(mut behaviour: impl FnMut(&Call, u32) -> Reply + Send + 'static) -> Self {
        let lines = Lines::default();
        let told = Arc::clone(&lines);
        let mut scripts = 0;
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_owned();
        let fake = Fake::new("op@host", move |call| {
            if let Call::Run(script) = call
                && script.contains("deployctl_round")
            {
                if script.contains("extra/check/") {
                    told.lock().unwrap().push("  ask gates".to_owned());
                }
                return round(script, &here);
            }
            told.lock().unwrap().push(asked(call));
            if let Call::Run(_) | Call::Kept(_) = call {
                scripts += 1;
            }
            match call {
                Call::Put { .. } | Call::Feed { .. } => Reply::says(""),
                Call::Reconnect | Call::ReconnectAt(_) | Call::RootShell => {
                    match behaviour(call, scripts) {
                        Reply::Fail(error) => Reply::Fail(error),
                        _ => Reply::says(""),
                    }
                }
                Call::Run(_) | Call::Kept(_) => behaviour(call, scripts),
            }
        });
        Self {
            fake,
            lines,
            folder,
            gates: Vec::new(),
            new_port: None,
        }
    }

    pub(crate) fn failing_put(error: impl Fn() -> TransportError + Send + 'static) -> Self {
        let lines = Lines::default();
        let fake = Fake::new("op@host", move |_| Reply::Fail(error()));
        Self {
            fake,
            lines,
            folder: tempfile::tempdir().unwrap(),
            gates: Vec::new(),
            new_port: None,
        }
    }

    /// The same host, which offers a shell of root that stays open.
    pub(crate) fn with_root_shell(self) -> Self {
        Self {
            fake: self.fake.with_root_shell(),
            ..self
        }
    }

    /// The same, a directory.
    pub(crate) fn sandboxed(self) -> Self {
        Self {
            fake: self.fake.sandboxed(),
            ..self
        }
    }

    /// Drives an apply and tells what happened.
    pub(crate) async fn told(self, interrupt: Interrupt) -> String {
        let clock = Manual::default();
        let (lines, at) = (Arc::clone(&self.lines), clock.clone());
        let context = RunContext {
            clock: Arc::new(clock.clone()),
            sink: Arc::new(move |event: Event| {
                let line = format!("{:>6.1}s {:?}", at.monotonic().as_secs_f64(), event.kind);
                lines.lock().unwrap().push(line);
            }),
            interrupt,
            repository: None,
        };
        let task = task(self.gates, self.new_port);
        let applied = apply(Box::new(self.fake.clone()), &task, &context).await;
        let mut text = self.lines.lock().unwrap().join("\n");
        let _ = write!(text, "\n=> {:?}", applied.outcome);
        for check in &applied.checks {
            let _ = write!(text, "\n   {}: {:?}", check.check, check.status);
            if check.attempts > 1 {
                let _ = write!(text, ", asked {}×", check.attempts);
            }
        }
        drop(self.folder);
        assert!(!text.contains(NONCE), "{text}");
        text
    }
}

fn task(gates: Vec<Check>, new_port: Option<u16>) -> Task {
    Task {
        host: HostName::new("host").unwrap(),
        apply: apply_id(),
        nonce: NONCE.to_owned(),
        bundle: Bundle {
            files: vec![BundleFile {
                name: "meta".to_owned(),
                bytes: b"confirm_seconds 60\nmax_seconds 180\n".to_vec(),
                mode: 0o600,
            }],
        },
        steal: false,
        new_port,
        deadline: Duration::from_secs(60),
        starts: Duration::ZERO,
        gates,
    }
}

fn asked(call: &Call) -> String {
    match call {
        Call::Put { directory, .. } => format!("  put {directory}"),
        Call::Feed { command, .. } => format!("  feed {command}"),
        Call::Reconnect => "  reconnect".to_owned(),
        Call::ReconnectAt(port) => format!("  reconnect at {port}"),
        Call::RootShell => "  root shell".to_owned(),
        Call::Run(script) => format!("  run {}", verb(script)),
        Call::Kept(script) => format!("  kept run {}", verb(script)),
    }
}

fn verb(script: &str) -> &str {
    if script.starts_with("set --") {
        return "mend";
    }
    script.split("host.sh\" ").nth(1).unwrap_or(script).trim()
}

/// A round of questions, answered by the real shell: the marker is in the script.
fn round(script: &str, here: &Path) -> Reply {
    let output = std::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .env("HERE", here)
        .output()
        .unwrap();
    Reply::says(output.stdout)
}

/// A status frame of our apply.
pub(crate) fn frame(phase: &str, generation: u32, log: &str) -> Reply {
    Reply::says(format!(
        "deployctl-status 1\ngeneration {generation}\napply {}\nholder me@here\nphase {phase}\nbase 0\nboot same\nlog 0 {len} {len}\n{log}\nend\n",
        apply_id(),
        len = log.len(),
    ))
}

/// The same with this many seconds left.
pub(crate) fn timed(phase: &str, left: u32) -> Reply {
    Reply::says(format!(
        "deployctl-status 1\ngeneration 0\napply {}\nholder me@here\nphase {phase}\nbase 0\ndeadline {left}\nboot same\nlog 0 0 0\n\nend\n",
        apply_id(),
    ))
}

/// The same with a failure.
pub(crate) fn failed(phase: &str, failure: &str) -> Reply {
    Reply::says(format!(
        "deployctl-status 1\ngeneration 0\napply {}\nholder me@here\nphase {phase}\nbase 0\nfailure {failure}\nlog 0 0 0\n\nend\n",
        apply_id(),
    ))
}

pub(crate) fn lost() -> TransportError {
    TransportError::Lost {
        address: "op@host".to_owned(),
        cause: "the connection was terminated".to_owned(),
    }
}

/// A new connection that is not made, for this reason.
pub(crate) fn no_connection(cause: &str) -> Reply {
    Reply::Fail(TransportError::Connect {
        address: "op@host".to_owned(),
        cause: cause.to_owned(),
        hint: None,
    })
}

pub(crate) fn refused_connection() -> Reply {
    no_connection("Connection refused")
}

/// A host on which everything goes well at once.
pub(crate) fn as_planned(call: &Call) -> Reply {
    match call {
        Call::Run(script) if script.contains("confirm") => frame("committed", 1, ""),
        Call::Run(script) if script.contains("rollback") => frame("rolled-back", 0, ""),
        _ => frame("activated", 0, ""),
    }
}
