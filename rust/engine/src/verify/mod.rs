//! Verification: asks hosts and the links between them, and judges the answers.
//!
//! The order on one host: every check that neither loads what it measures nor needs another nor a shipped
//! file, in one exec; then checks that need those, or run a shipped file; then retries; then the checks
//! that load, each in its own exec. Hosts are asked in parallel. The links follow when all hosts are done,
//! one check after the other: a link that is measured twice at the same time is measured wrong.
//!
//! Every check ends with exactly one result, in the order of the checks; a check that could not be asked is an
//! error that says why. A host that cannot be reached at all has a separate outcome, without checks.

mod connection;
mod host;
mod link;
mod scope;
mod shipment;

use std::collections::BTreeMap;
use std::sync::Arc;

use deployctl_checks::link::LinkCheck;
use deployctl_checks::{self as checks, Check, CheckResult};
use deployctl_core::inventory::host::Architecture;
use deployctl_core::name::HostName;
use deployctl_core::plan::{BlackoutState, BlackoutWindow, ask_blackouts, blackouts_now};
use deployctl_report::{HostReport, Outcome, Report};

use crate::connect::Connector;
use crate::event::{Event, EventKind};
use crate::fleet;
use crate::run_context::RunContext;
use connection::Connection;

pub use scope::{Coverage, Held, VerifyScope};
pub use shipment::Shipments;

/// The checks of one host.
#[derive(Debug)]
pub struct HostWork {
    /// Its architecture, which selects the build of the probe.
    pub architecture: Architecture,
    /// What to ask.
    pub checks: Vec<Check>,
}

/// What all hosts are asked.
#[derive(Debug, Default)]
pub struct Work {
    /// The selected hosts, in the order of the report; `Err` if its outcome is already known. A host
    /// without checks is connected to only for links.
    pub hosts: Vec<(HostName, Result<HostWork, Box<HostReport>>)>,
    /// Checks of links, in order. Links without an end among the hosts are left out; for the others, both ends
    /// are connected to.
    pub links: Vec<LinkCheck>,
    /// When hosts must not be loaded, including hosts that are only the other end of a link.
    pub sessions: BTreeMap<HostName, Vec<BlackoutWindow>>,
}

/// How to verify.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions {
    /// Whether a host is loaded during its trading hours.
    pub force: bool,
    /// Hosts at a time.
    pub jobs: usize,
}

/// What all hosts and links of one run share.
struct Run {
    connector: Arc<dyn Connector>,
    shipments: Arc<Shipments>,
    sessions: BTreeMap<HostName, Vec<BlackoutWindow>>,
    options: VerifyOptions,
    context: RunContext,
}

impl Run {
    fn tell(&self, host: &HostName, kind: EventKind) {
        (self.context.sink)(Event {
            host: host.clone(),
            kind,
        });
    }

    /// When `host` must not be loaded.
    fn sessions(&self, host: &HostName) -> &[BlackoutWindow] {
        self.sessions.get(host).map_or(&[], Vec::as_slice)
    }
}

/// Asks all hosts in parallel, then the links between them. An error of one becomes its report.
pub async fn run(
    connector: Arc<dyn Connector>,
    work: Work,
    shipments: Arc<Shipments>,
    options: VerifyOptions,
    context: RunContext,
) -> Report {
    let run = Arc::new(Run {
        connector,
        shipments,
        sessions: work.sessions,
        options,
        context,
    });
    let selected: Vec<HostName> = work.hosts.iter().map(|(host, _)| host.clone()).collect();
    let of_host = |host: HostName, work: Result<HostWork, Box<HostReport>>| {
        let run = Arc::clone(&run);
        async move {
            match work {
                Ok(work) => host::verify(&run, host, work).await,
                Err(report) => (*report, None),
            }
        }
    };
    let done = fleet::each(work.hosts, options.jobs, of_host, |host, panic| {
        (fleet::broken(host, &panic), None)
    })
    .await;
    let mut ends = link::Ends::new();
    let mut hosts = Vec::new();
    for (report, connection) in done {
        let end = match (connection, &report.outcome) {
            (Some(connection), _) => Some(Ok(connection)),
            (None, Outcome::Unreachable { reason }) => {
                Some(Err(link::unreachable(&report.host, &reason.message)))
            }
            (None, _) => None,
        };
        ends.extend(end.map(|end| (report.host.clone(), end)));
        hosts.push(report);
    }
    let links = work
        .links
        .into_iter()
        .filter(|link| selected.contains(&link.from) || selected.contains(&link.peer))
        .collect();
    Report {
        links: link::verify(&run, links, ends).await,
        ..Report::new("verify", hosts)
    }
}

/// The result of `check` if it must not load `host` now, in trading hours by the host's clock or this machine's; `None`
/// if it may.
async fn blackout_refusal(
    run: &Run,
    host: &HostName,
    connection: &mut Connection,
    check: &Check,
) -> Option<CheckResult> {
    if run.options.force {
        return None;
    }
    let windows = run.sessions(host);
    let query = ask_blackouts(windows)?;
    let asked = connection.ask(std::slice::from_ref(&query), &run.context.interrupt);
    match asked.await {
        Err(error) => Some(checks::broken(check, &error.words())),
        Ok(answers) => match blackouts_now(
            windows,
            answers.get(&query.id),
            run.context.clock.unix_seconds(),
        ) {
            BlackoutState::Closed => None,
            BlackoutState::Open(why) => {
                let reason = format!("not while {why} on `{host}`; `--force` passes over it");
                Some(checks::skip(check, &reason))
            }
            BlackoutState::Unknown(why) => {
                let reason = format!("{why} on `{host}`; install `tzdata` there, or `--force`");
                Some(checks::broken(check, &reason))
            }
        },
    }
}
