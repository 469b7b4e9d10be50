//! All checks of one host.

use std::collections::BTreeMap;
use std::time::Duration;

use deployctl_checks::{self as checks, CheckResult, CheckStatus, Shipment};
use deployctl_core::name::{ConcernName, HostName};
use deployctl_core::observed::{PendingApply, ask_lease, read_lease};
use deployctl_report::{HostReport, Outcome};

use super::connection::{Connection, Unanswered};
use super::shipment::{Refusal, bring};
use super::{HostWork, Run, blackout_refusal};
use crate::apply::outcome;
use crate::check_queue::{CheckQueue, Step};
use crate::event::EventKind;
use crate::prepare::unanswered;

/// Connects, asks, and judges. Returns the connection for the links.
pub(super) async fn verify(
    run: &Run,
    host: HostName,
    work: HostWork,
) -> (HostReport, Option<Connection>) {
    if work.checks.is_empty() {
        return (HostReport::ended(host, Outcome::Verified), None);
    }
    let transport = match run.connector.connect(&host).await {
        Ok(transport) => transport,
        Err(error) => return (HostReport::ended(host, outcome::transport(&error)), None),
    };
    run.tell(&host, EventKind::Connected);
    let connection = Connection::new(transport);
    if connection.is_sandbox() {
        let report = HostReport {
            checks: checks::skip_all(&work.checks, "sandbox"),
            ..HostReport::ended(host, Outcome::Verified)
        };
        return (report, Some(connection));
    }
    let mut verifier = HostVerifier {
        run,
        host: &host,
        work: &work,
        connection,
        queue: CheckQueue::new(&work.checks),
        shipped: BTreeMap::new(),
        open: None,
    };
    if let Err(outcome) = verifier.make().await {
        return (HostReport::ended(host, outcome), None);
    }
    let (mut results, connection) = (verifier.queue.into_results(), verifier.connection);
    if let Some(open) = &verifier.open {
        results.insert(0, unconfirmed(open));
    }
    let report = HostReport {
        checks: results,
        ..HostReport::ended(host, Outcome::Verified)
    };
    (report, Some(connection))
}

/// The state of a host with an open apply is temporary.
fn unconfirmed(open: &PendingApply) -> CheckResult {
    let hint = "wait for it (`deployctl status`), then verify again";
    CheckResult {
        check: "activation/open".to_owned(),
        concern: ConcernName::new("activation").expect("a valid name"),
        gate: false,
        status: CheckStatus::Fail {
            hint: Some(hint.to_owned()),
        },
        expected: "no apply is open".to_owned(),
        evidence: format!(
            "{} is still open, in phase `{}`: what is found here is not confirmed",
            open.named(),
            open.phase
        ),
        attempts: 1,
        measurements: Vec::new(),
    }
}

struct HostVerifier<'a> {
    run: &'a Run,
    host: &'a HostName,
    work: &'a HostWork,
    connection: Connection,
    queue: CheckQueue<'a>,
    /// The uploaded files: the assignments to put before a question, or why a file is missing.
    shipped: BTreeMap<&'a Shipment, Result<String, Refusal>>,
    /// An apply that is open there.
    open: Option<PendingApply>,
}

impl HostVerifier<'_> {
    /// Returns `Err` if the host did not even answer the first question.
    async fn make(&mut self) -> Result<(), Outcome> {
        loop {
            if self.run.context.interrupt.thrown() {
                self.queue.break_off("interrupted");
                return Ok(());
            }
            match self.queue.next() {
                Step::Done => return Ok(()),
                Step::Ask(places) => {
                    let places = self.bring(places).await;
                    self.ask(&places).await?;
                }
                Step::AskAgain(pause, places) => {
                    let checks = places
                        .iter()
                        .map(|place| self.queue.check(*place).id.clone());
                    let checks = checks.collect();
                    self.tell(EventKind::AskingAgain { checks, pause });
                    self.wait(pause).await;
                    self.ask(&places).await?;
                }
                Step::Load(pause, places) => {
                    self.wait(pause).await;
                    self.load(places).await?;
                }
            }
        }
    }

    /// Uploads the files that the checks at `places` run; keeps the checks that can be asked.
    async fn bring(&mut self, places: Vec<usize>) -> Vec<usize> {
        let mut ready = Vec::new();
        for place in places {
            let check = self.queue.check(place);
            let Some(shipment) = &check.ships else {
                ready.push(place);
                continue;
            };
            if !self.shipped.contains_key(shipment) {
                let (run, host) = (self.run, self.host);
                let architecture = self.work.architecture;
                let uploaded = bring(run, host, architecture, shipment, &mut self.connection).await;
                self.shipped.insert(shipment, uploaded);
            }
            match &self.shipped[shipment] {
                Ok(assignments) => {
                    let assignments = assignments.clone();
                    self.queue.assign(place, &assignments);
                    ready.push(place);
                }
                Err(refusal) => {
                    let result = refusal.result(check);
                    self.queue.settle(place, result);
                }
            }
        }
        ready
    }

    async fn ask(&mut self, places: &[usize]) -> Result<(), Outcome> {
        if places.is_empty() {
            return Ok(());
        }
        let first = !self.queue.begun();
        let mut queries = self.queue.queries(places);
        if first {
            queries.push(ask_lease());
        }
        let interrupt = &self.run.context.interrupt;
        match self.connection.ask(&queries, interrupt).await {
            Ok(answers) => {
                if first {
                    self.open = read_lease(answers.get(&ask_lease().id));
                }
                self.queue.answered(places, &answers);
            }
            Err(Unanswered::Broken(error)) if first => return Err(unanswered(&error)),
            Err(error) => {
                self.queue.unanswered(places, &error.words());
                if error.is_final() {
                    self.queue.break_off(&error.words());
                }
            }
        }
        let (settled, of) = self.queue.progress();
        self.tell(EventKind::Checked { settled, of });
        Ok(())
    }

    /// Makes the checks that load the host and share one question, except during trading hours.
    async fn load(&mut self, places: Vec<usize>) -> Result<(), Outcome> {
        let mut free = Vec::new();
        for place in places {
            let check = self.queue.check(place);
            let refused = if free.is_empty() {
                blackout_refusal(self.run, self.host, &mut self.connection, check).await
            } else {
                None
            };
            match refused {
                Some(result) => self.queue.settle(place, result),
                None => free.push(place),
            }
        }
        let ready = self.bring(free).await;
        if let Some(first) = ready.first() {
            let check = self.queue.check(*first);
            self.tell(EventKind::Measuring(check.id.clone()));
        }
        self.ask(&ready).await
    }

    /// Pauses, unless a stop is requested.
    async fn wait(&self, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        tokio::select! {
            () = self.run.context.clock.sleep(pause) => {}
            () = self.run.context.interrupt.wait() => {}
        }
    }

    fn tell(&self, kind: EventKind) {
        self.run.tell(self.host, kind);
    }
}
