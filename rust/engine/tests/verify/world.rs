//! Hosts that a real shell on this machine plays, each in its own folder, and the story of what was asked
//! of them, when, and how it ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use deployctl_checks::link::LinkCheck;
use deployctl_checks::{Check, CheckResult, CheckStatus};
use deployctl_core::inventory::host::Architecture;
use deployctl_core::name::HostName;
use deployctl_core::plan::BlackoutWindow;
use deployctl_engine::clock::{Clock as _, Manual};
use deployctl_engine::connect::Connector;
use deployctl_engine::event::{Event, EventKind};
use deployctl_engine::interrupt::Interrupt;
use deployctl_engine::run_context::RunContext;
use deployctl_engine::transport::fake::{Call, Fake, Reply};
use deployctl_engine::transport::{Output, Transport, TransportError};
use deployctl_engine::verify::{self, HostWork, Shipments, VerifyOptions, Work};
use deployctl_report::{Outcome, Problem, Report};

use crate::ask::Ask;

/// Where shipped files lie on a host.
const CACHE: &str = "/var/cache/deployctl";

type Lines = Arc<Mutex<Vec<String>>>;
/// What happens instead of an exec; the words are its calls to `said`.
type Instead = Box<dyn FnMut(&str) -> Option<Reply> + Send>;

/// All hosts of a story.
pub(crate) struct World {
    folder: tempfile::TempDir,
    lines: Lines,
    clock: Manual,
    fakes: BTreeMap<HostName, Fake>,
    pub(crate) interrupt: Interrupt,
    pub(crate) force: bool,
    pub(crate) sessions: BTreeMap<HostName, Vec<BlackoutWindow>>,
    pub(crate) hostprobes: BTreeMap<Architecture, Result<PathBuf, Problem>>,
}

impl World {
    /// `hosts` that answer by a real shell.
    pub(crate) fn new(hosts: &[&str]) -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            lines: Lines::default(),
            clock: Manual::default(),
            fakes: BTreeMap::new(),
            interrupt: Interrupt::never(),
            force: false,
            sessions: BTreeMap::new(),
            hostprobes: BTreeMap::new(),
        };
        for host in hosts {
            world.host(host, |_| None);
        }
        world
    }

    /// A host that answers by a real shell but where `instead` says otherwise, given what is asked: the ids of
    /// the questions, `put`, or `reconnect`.
    pub(crate) fn host(
        &mut self,
        host: &str,
        instead: impl FnMut(&str) -> Option<Reply> + Send + 'static,
    ) -> Fake {
        let here = self.path(host);
        std::fs::create_dir_all(&here).unwrap();
        let (lines, clock) = (Arc::clone(&self.lines), self.clock.clone());
        let mut instead: Instead = Box::new(instead);
        let told = host.to_owned();
        let fake = Fake::new(format!("op@{host}:22"), move |call| {
            let asked = asked(call);
            let at = clock.monotonic().as_secs();
            let line = format!("{at:>4}s {told}: {asked}");
            lines.lock().unwrap().push(line);
            instead(&asked).unwrap_or_else(|| answer(&here, call))
        });
        self.fakes.insert(name(host), fake.clone());
        fake
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Makes `fake` a folder in place of a host.
    pub(crate) fn sandbox(&mut self, host: &str) {
        let fake = self.fakes.remove(&name(host)).unwrap();
        self.fakes.insert(name(host), fake.sandboxed());
    }

    /// Verifies, and tells all of it.
    pub(crate) async fn told(self, hosts: Vec<(&str, Vec<Ask>)>, links: Vec<LinkCheck>) -> String {
        self.tell(hosts, links).await
    }

    /// The same for one of several times.
    pub(crate) async fn tell(&self, hosts: Vec<(&str, Vec<Ask>)>, links: Vec<LinkCheck>) -> String {
        let folder = self.folder.path().to_str().unwrap().to_owned();
        let report = self.report(hosts, links).await;
        let mut text = std::mem::take(&mut *self.lines.lock().unwrap()).join("\n");
        for host in &report.hosts {
            let _ = match &host.outcome {
                Outcome::Verified => write!(text, "\n=> {}", host.host),
                other => write!(text, "\n=> {}: {other:?}", host.host),
            };
            tell(&mut text, &host.checks);
        }
        for link in &report.links {
            let _ = write!(text, "\n=> link {}", link.link);
            tell(&mut text, &link.checks);
        }
        text.replace(&folder, "DIR")
    }

    pub(crate) async fn report(
        &self,
        hosts: Vec<(&str, Vec<Ask>)>,
        links: Vec<LinkCheck>,
    ) -> Report {
        let hosts = hosts.into_iter().map(|(host, asks)| {
            let checks: Vec<Check> = asks.into_iter().map(|ask| ask.0).collect();
            let architecture = Architecture::X86_64;
            let work = HostWork {
                architecture,
                checks,
            };
            (name(host), Ok(work))
        });
        let work = Work {
            hosts: hosts.collect(),
            links,
            sessions: self.sessions.clone(),
        };
        let shipments = Shipments::new(self.path("repo"), self.hostprobes.clone());
        let options = VerifyOptions {
            force: self.force,
            jobs: 1,
        };
        let (told, clock) = (Arc::clone(&self.lines), self.clock.clone());
        let context = RunContext {
            clock: Arc::new(self.clock.clone()),
            sink: Arc::new(move |event: Event| {
                if matches!(event.kind, EventKind::Connected | EventKind::Checked { .. }) {
                    return;
                }
                let at = clock.monotonic().as_secs();
                let line = format!("{at:>4}s {} ! {:?}", event.host, event.kind);
                told.lock().unwrap().push(line);
            }),
            interrupt: self.interrupt.clone(),
            repository: None,
        };
        let connector = Arc::new(Hosts(self.fakes.clone()));
        verify::run(connector, work, Arc::new(shipments), options, context).await
    }
}

struct Hosts(BTreeMap<HostName, Fake>);

#[async_trait]
impl Connector for Hosts {
    async fn connect(&self, host: &HostName) -> Result<Box<dyn Transport>, TransportError> {
        match self.0.get(host) {
            Some(fake) => Ok(Box::new(fake.clone())),
            None => Err(refused(host.as_str())),
        }
    }

    fn has_password(&self) -> bool {
        false
    }
}

pub(crate) fn refused(host: &str) -> TransportError {
    TransportError::Connect {
        address: format!("op@{host}:22"),
        cause: "Connection refused".to_owned(),
        hint: None,
    }
}

pub(crate) fn lost() -> Reply {
    Reply::Fail(TransportError::Lost {
        address: "op@host:22".to_owned(),
        cause: "it is gone".to_owned(),
    })
}

pub(crate) fn late() -> Reply {
    Reply::Fail(TransportError::Timeout {
        address: "op@host:22".to_owned(),
        seconds: 65,
    })
}

pub(crate) fn name(host: &str) -> HostName {
    HostName::new(host).unwrap()
}

fn tell(text: &mut String, results: &[CheckResult]) {
    for result in results {
        let CheckResult {
            check,
            attempts,
            status,
            evidence,
            ..
        } = result;
        let word = status.word();
        let _ = write!(text, "\n   {check} {word}, asked {attempts}×");
        let why = match status {
            CheckStatus::Pass => String::new(),
            CheckStatus::Fail { hint } => hint.clone().unwrap_or_default(),
            CheckStatus::Skip { reason }
            | CheckStatus::Error { reason }
            | CheckStatus::Stale { reason } => reason.clone(),
        };
        for more in [why, evidence.clone()] {
            if !more.is_empty() {
                let _ = write!(text, "\n      {more}");
            }
        }
    }
}

/// What is asked, in words that are the same every time.
fn asked(call: &Call) -> String {
    match call {
        Call::Put { archive, directory } => {
            let folder = directory.rsplit_once('-').map_or("", |(folder, _)| folder);
            format!("put {} KiB into {folder}-…", archive.len() / 1024)
        }
        Call::Feed { command, .. } => format!("feed {command}"),
        Call::Reconnect => "reconnect".to_owned(),
        Call::ReconnectAt(port) => format!("reconnect at {port}"),
        Call::RootShell => "root shell".to_owned(),
        Call::Run(script) | Call::Kept(script) => {
            // The index of the answers names each question.
            let ids: Vec<&str> = script
                .lines()
                .filter_map(|line| line.strip_prefix("status=late; "))
                .filter_map(|line| line.trim_end_matches('"').rsplit(' ').next())
                .map(|id| id.trim_start_matches("extra/check/"))
                .collect();
            format!("ask {}", ids.join(" "))
        }
    }
}

/// What a real host would answer, with its cache in its folder.
fn answer(here: &Path, call: &Call) -> Reply {
    let cache = here.join("cache").to_str().unwrap().to_owned();
    let (script, input) = match call {
        Call::Reconnect | Call::ReconnectAt(_) | Call::RootShell | Call::Feed { .. } => {
            return Reply::says("");
        }
        Call::Run(script) | Call::Kept(script) => {
            let script = script
                .replace("date +%u:%H:%M", "echo 1:10:30")
                .replace("date +%s", "echo 1795392000");
            (script.replace(CACHE, &cache), Vec::new())
        }
        Call::Put { archive, directory } => {
            let directory = directory.replace(CACHE, &cache);
            let script =
                format!("umask 077; mkdir -p '{directory}' && tar -xpf - -C '{directory}'");
            (script, archive.clone())
        }
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", &script])
        .env("HERE", here)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    Reply::Output(Output {
        status: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: output.stderr,
    })
}
