//! Checks across two hosts, one after the other.
//!
//! The server that was started for a check on the other end is always stopped: also if the answer never came,
//! if the connection broke, or if a stop was requested. The result says if it could not be stopped; it then
//! ends by itself some seconds later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use deployctl_checks::link::{LinkCheck, Server};
use deployctl_checks::{self as checks, CheckResult, CheckStatus};
use deployctl_core::name::HostName;
use deployctl_core::query::{Query, Section, printable_line, quote};
use deployctl_report::LinkReport;

use super::connection::{Connection, Unanswered};
use super::{Run, blackout_refusal};
use crate::check_queue::unneeded;
use crate::event::EventKind;
use crate::fleet;
use crate::in_full;
use crate::interrupt::Interrupt;

/// A connection to an end, or why it failed.
pub(super) type Ends = BTreeMap<HostName, Result<Connection, String>>;

/// Makes all checks, in order.
pub(super) async fn verify(run: &Arc<Run>, links: Vec<LinkCheck>, ends: Ends) -> Vec<LinkReport> {
    if links.is_empty() {
        return Vec::new();
    }
    let links = Arc::new(links);
    let work = |links: Arc<Vec<LinkCheck>>, ends: Ends| {
        let run = Arc::clone(run);
        async move { Survey::new(&run, ends).make(&links).await }
    };
    let made = fleet::each(vec![(Arc::clone(&links), ends)], 1, work, |links, panic| {
        let reason = format!("internal error: {panic}");
        let broken = links
            .iter()
            .map(|link| checks::broken(&link.check, &reason));
        broken.collect()
    });
    let results = made.await.into_iter().flatten();
    let mut reports: Vec<LinkReport> = Vec::new();
    for (link, result) in links.iter().zip(results) {
        let name = link.link.to_string();
        match reports.iter_mut().find(|report| report.link == name) {
            Some(report) => report.checks.push(result),
            None => reports.push(LinkReport {
                link: name,
                checks: vec![result],
            }),
        }
    }
    reports
}

struct Survey<'a> {
    run: &'a Run,
    ends: Ends,
    results: Vec<CheckResult>,
}

impl<'a> Survey<'a> {
    fn new(run: &'a Run, ends: Ends) -> Self {
        Self {
            run,
            ends,
            results: Vec::new(),
        }
    }

    /// One result per check.
    async fn make(mut self, links: &[LinkCheck]) -> Vec<CheckResult> {
        for link in links {
            let result = match self.refusal(link).await {
                Some(result) => result,
                None => self.measure(link).await,
            };
            self.results.push(result);
        }
        self.results
    }

    /// The result of a check that is not made.
    async fn refusal(&mut self, link: &LinkCheck) -> Option<CheckResult> {
        let check = &link.check;
        if self.run.context.interrupt.thrown() {
            return Some(checks::broken(check, "interrupted"));
        }
        if check.ships.is_some() {
            return Some(checks::broken(
                check,
                "nothing is shipped for the check of a link",
            ));
        }
        for host in [&link.from, &link.peer] {
            match self.end(host).await {
                Ok(connection) if connection.is_sandbox() => {
                    return Some(checks::skip(check, "sandbox"));
                }
                Ok(_) => {}
                Err(reason) => return Some(checks::broken(check, &reason)),
            }
        }
        // A check that comes later or was not selected blocks no other.
        if let Some(needed) = &check.needs
            && let Some(before) = self.results.iter().find(|before| before.check == *needed)
            && before.status != CheckStatus::Pass
        {
            return Some(unneeded(check, needed));
        }
        if check.load {
            for host in [&link.from, &link.peer] {
                let run = self.run;
                let connection = match self.end(host).await {
                    Ok(connection) => connection,
                    Err(reason) => return Some(checks::broken(check, &reason)),
                };
                let refused = blackout_refusal(run, host, connection, check).await;
                if refused.is_some() {
                    return refused;
                }
            }
        }
        None
    }

    /// The connection to `host`; opened if there is none yet, and not tried twice.
    async fn end(&mut self, host: &HostName) -> Result<&mut Connection, String> {
        if !self.ends.contains_key(host) {
            let connected = self.run.connector.connect(host).await;
            let end = connected.map(Connection::new);
            let end = end.map_err(|error| unreachable(host, &in_full(&error)));
            self.ends.insert(host.clone(), end);
        }
        let end = self.ends.get_mut(host).expect("it was just put there");
        end.as_mut().map_err(|reason| reason.clone())
    }

    /// Makes a check, with its retries.
    async fn measure(&mut self, link: &LinkCheck) -> CheckResult {
        let retry = &link.check.retry;
        let mut attempts = 0;
        loop {
            self.tell(link, EventKind::Measuring(described(link)));
            let result = self.attempt(link).await;
            attempts += 1;
            let bad = matches!(
                result.status,
                CheckStatus::Fail { .. } | CheckStatus::Error { .. }
            );
            if !bad || attempts > retry.times || self.run.context.interrupt.thrown() {
                return CheckResult { attempts, ..result };
            }
            let checks = vec![link.check.id.clone()];
            let pause = retry.pause;
            self.tell(link, EventKind::AskingAgain { checks, pause });
            self.wait(pause).await;
        }
    }

    /// One try: start the server, ask, stop the server, judge.
    async fn attempt(&mut self, link: &LinkCheck) -> CheckResult {
        let Some(server) = &link.server else {
            let answer = self.question(link, "").await;
            return judge(link, answer);
        };
        let (started, word) = self.start(link, server).await;
        let answer = match started {
            Ok(()) => self.question(link, &word).await,
            Err(reason) => Err(reason),
        };
        let left = self.stop(link, server, &word).await;
        let mut result = judge(link, answer);
        if let Err(reason) = left {
            if !result.evidence.is_empty() {
                result.evidence.push_str("; ");
            }
            result.evidence.push_str(&reason);
        }
        result
    }

    /// Starts the server: whether it runs, and the handle that stops it, if one came.
    async fn start(&mut self, link: &LinkCheck, server: &Server) -> (Result<(), String>, String) {
        let peer = &link.peer;
        let answer = self
            .ask(peer, &server.start, &self.run.context.interrupt)
            .await;
        let section = match answer {
            Ok(section) => section,
            Err(reason) => return (Err(reason), String::new()),
        };
        let text = String::from_utf8_lossy(&section.stdout);
        let mut words = text.split_whitespace();
        let word = match (words.next(), words.next()) {
            (Some(word), None) => word.to_owned(),
            _ => String::new(),
        };
        let complaint = printable_line(&section.stderr, 200);
        let started = match section.status {
            None => {
                let seconds = server.start.deadline.as_secs();
                Err(format!(
                    "no server was started on `{peer}` within {seconds} s"
                ))
            }
            Some(0) if word.is_empty() => {
                Err(format!("`{peer}` does not say what server it started"))
            }
            Some(0) => Ok(()),
            Some(status) => Err(format!(
                "the server on `{peer}` could not be started (status {status}): {complaint}"
            )),
        };
        (started, word)
    }

    /// Stops the server, even if a stop was requested; over a new connection if the old one broke.
    async fn stop(&mut self, link: &LinkCheck, server: &Server, word: &str) -> Result<(), String> {
        let peer = &link.peer;
        let stop = told(&server.stop, word);
        let never = Interrupt::never();
        let mut answer = self.ask(peer, &stop, &never).await;
        if answer.is_err() {
            answer = self.ask(peer, &stop, &never).await;
        }
        let why = match answer {
            Ok(section) if section.status == Some(0) => return Ok(()),
            Ok(section) if section.status.is_none() => {
                let seconds = stop.deadline.as_secs();
                format!("no answer within {seconds} s")
            }
            Ok(section) => printable_line(&section.stderr, 120),
            Err(reason) => reason,
        };
        Err(format!("its server on `{peer}` may still run: {why}"))
    }

    /// Asks the check's own question.
    async fn question(&mut self, link: &LinkCheck, word: &str) -> Result<Section, String> {
        let query = match &link.server {
            Some(_) => told(&link.check.query, word),
            None => link.check.query.clone(),
        };
        self.ask(&link.from, &query, &self.run.context.interrupt)
            .await
    }

    async fn ask(
        &mut self,
        host: &HostName,
        query: &Query,
        interrupt: &Interrupt,
    ) -> Result<Section, String> {
        let connection = self.end(host).await?;
        let asked = connection.ask(std::slice::from_ref(query), interrupt).await;
        match asked {
            Ok(mut answers) => answers
                .remove(&query.id)
                .ok_or_else(|| format!("`{host}` gave no answer")),
            Err(Unanswered::Interrupted) => Err("interrupted".to_owned()),
            Err(error) if error.is_final() => {
                let reason = unreachable(host, &error.words());
                self.ends.insert(host.clone(), Err(reason.clone()));
                Err(reason)
            }
            Err(error) => Err(error.words()),
        }
    }

    async fn wait(&self, pause: Duration) {
        tokio::select! {
            () = self.run.context.clock.sleep(pause) => {}
            () = self.run.context.interrupt.wait() => {}
        }
    }

    fn tell(&self, link: &LinkCheck, kind: EventKind) {
        self.run.tell(&link.from, kind);
    }
}

/// Why nothing can be asked of `host`.
pub(super) fn unreachable(host: &HostName, why: &str) -> String {
    format!("`{host}` cannot be reached: {why}")
}

fn judge(link: &LinkCheck, answer: Result<Section, String>) -> CheckResult {
    match answer {
        Ok(section) => checks::evaluate(&link.check, Some(&section)),
        Err(reason) => checks::broken(&link.check, &reason),
    }
}

/// `query`, with the handle of the server.
fn told(query: &Query, word: &str) -> Query {
    Query {
        command: format!("started={}\n{}", quote(word), query.command),
        ..query.clone()
    }
}

/// `lan10g: throughput cuda → mac-mini`.
fn described(link: &LinkCheck) -> String {
    let (from, peer) = (link.from.as_str(), link.peer.as_str());
    let mut parts = link.check.id.splitn(3, '/');
    let (_, what, direction) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let direction = match direction {
        direction if direction == format!("{from}-to-{peer}") => format!("{from} → {peer}"),
        direction if direction == format!("{peer}-to-{from}") => format!("{peer} → {from}"),
        direction => direction.to_owned(),
    };
    format!("{}: {} {direction}", link.link, what.unwrap_or_default())
}
