//! Throughput by iperf3, one way and the other.
//!
//! The client's JSON counts, never its exit status: some versions end with 0 and an `error` in it.

use std::time::Duration;

use deployctl_core::query::{Query, quote};
use serde::Deserialize;

use super::end::{End, Line, asked, unreachable};
use super::ping::{self, Size};
use super::server;
use crate::answer::{Found, Unreadable};
use crate::{Bound, Check, Measurement};

/// The direction of the data, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client to the server.
    Forward,
    /// From the server to the client.
    Reverse,
}

/// Seconds that are not counted: while TCP finds its speed.
const OMIT: u16 = 2;
/// Intervals that are shown at most.
const INTERVALS: u16 = 60;

/// Who asks and who listens. Linux is the server if one end runs it: its firewall is declared,
/// while macOS asks a person at its screen.
pub(super) fn roles<'a, 'b>(one: &'a End<'b>, other: &'a End<'b>) -> (&'a End<'b>, &'a End<'b>) {
    if other.is_mac() && !one.is_mac() {
        (other, one)
    } else {
        (one, other)
    }
}

pub(super) fn check(
    line: &Line<'_>,
    client: &End<'_>,
    listener: &End<'_>,
    direction: Direction,
) -> Check {
    let (sender, receiver) = match direction {
        Direction::Forward => (client, listener),
        Direction::Reverse => (listener, client),
    };
    let measure = &line.link.measure;
    let least = line.link.min_gbits;
    let id = line.of_way("throughput", sender, receiver);
    let query = query(&id, line, client, listener, direction);
    let expected = format!(
        "{} receives {least} Gbit/s or more from {} in {} s",
        receiver.host, sender.host, measure.seconds
    );
    let hints = Hints::new(client, listener, measure.port.number());
    asked(id, &query, expected, move |answer| {
        let text = answer.text()?.trim();
        if let Some(found) = hints.of_program(text) {
            return Ok(found);
        }
        let report: Report = answer.json()?;
        match (report.error, report.end) {
            (Some(error), _) => {
                let hint = hints.of(&error);
                Ok(Found::when(false, error).or_hint(hint))
            }
            (None, Some(end)) => judge(&end, &report.intervals, least),
            (None, None) => Err(Unreadable::new("iperf3 names neither an end nor an error")),
        }
    })
    .loading()
    .needing(ping::id(line, sender, receiver, Size::Full))
}

fn query(
    id: &str,
    line: &Line<'_>,
    client: &End<'_>,
    listener: &End<'_>,
    direction: Direction,
) -> Query {
    let measure = &line.link.measure;
    let (seconds, streams) = (measure.seconds, measure.streams);
    let interval = (seconds + OMIT).div_ceil(INTERVALS);
    let back = match direction {
        Direction::Forward => "",
        Direction::Reverse => " -R",
    };
    let command = format!(
        "case ${{started:-}} in\n{}) echo \"$started\"; exit 0 ;;\nesac\n\
         {}command -v iperf3 >/dev/null || {{ echo {}; exit 0; }}\n\
         iperf3 -c {} -B {} -p {} -t {seconds} -O {OMIT} -P {streams} -i {interval} -J --connect-timeout 3000{back}",
        server::WORDS,
        server::path(client),
        server::ABSENT_HERE,
        quote(&listener.address.to_string()),
        quote(&client.address.to_string()),
        measure.port.number(),
    );
    let intervals = usize::from((seconds + OMIT) / interval + 2);
    Query::new(id, command)
        .with_deadline(deadline(seconds))
        .with_cap(server::FILE + (intervals + 8) * (usize::from(streams) + 1) * 700)
}

/// What the client may take: its measurement, connecting, and the exchange of results.
fn deadline(seconds: u16) -> Duration {
    Duration::from_secs(u64::from(seconds + OMIT) + 10)
}

fn judge(end: &Ending, intervals: &[Interval], least: f64) -> Result<Found, Unreadable> {
    let received = end.sum_received.as_ref();
    let received = received.ok_or_else(|| Unreadable::new("iperf3 says not what was received"))?;
    let rate = gbits(received)?;
    let samples = intervals.iter().map(|interval| &interval.sum);
    let samples = samples.filter(|sum| !sum.omitted).map(gbits);
    let measured = Measurement::new("throughput", "Gbit/s")
        .statistic("mean", rate)
        .samples(samples.collect::<Result<Vec<_>, _>>()?)
        .limit("mean", Bound::AtLeast, least);
    let holds = measured.holds();
    let mut evidence = format!("{rate:.3} Gbit/s");
    let mut all = vec![measured];
    let retransmits = end.sum_sent.as_ref().and_then(|sent| sent.retransmits);
    if let Some(count) = retransmits {
        evidence = format!("{evidence}, {count} retransmits");
        all.push(Measurement::new("retransmits", "segments").statistic("value", count));
    }
    if let Some(control) = &end.sender_tcp_congestion {
        evidence = format!("{evidence}, {control}");
    }
    Ok(Found::when(holds, evidence)
        .or_hint("is something else using the link or its ends? See MTU, retransmits, and `ethtool` for the speed that was agreed on")
        .measuring(all))
}

fn gbits(sum: &Sum) -> Result<f64, Unreadable> {
    let bits = sum.bits_per_second;
    if bits.is_finite() && bits >= 0.0 {
        Ok(bits / 1e9)
    } else {
        Err(Unreadable(format!("a throughput of {bits} bit/s")))
    }
}

/// The hints, by cause.
struct Hints {
    client: String,
    listener: String,
    port: u16,
    unreachable: String,
}

impl Hints {
    fn new(client: &End<'_>, listener: &End<'_>, port: u16) -> Self {
        Self {
            client: client.host.to_string(),
            listener: listener.host.to_string(),
            port,
            unreachable: unreachable(client, listener, port),
        }
    }

    /// The verdict if one of the programs did not run at all; `text` is the whole answer.
    fn of_program(&self, text: &str) -> Option<Found> {
        let Self {
            client,
            listener,
            port,
            ..
        } = self;
        let missing = |host| {
            Found::when(false, format!("there is no iperf3 on {host}")).or_hint(format!(
                "apply `{host}`: its `network` installs iperf3 where a link is measured"
            ))
        };
        match text {
            server::ABSENT_HERE => Some(missing(client)),
            server::ABSENT => Some(missing(listener)),
            server::TAKEN => Some(
                Found::when(false, format!("something listens on port {port} of {listener} already"))
                    .or_hint(format!(
                        "see `ss -ltnp` or `lsof -i :{port}` on `{listener}`; stop it, or declare another `measure.port`"
                    )),
            ),
            server::SILENT => Some(
                Found::when(false, format!("iperf3 did not begin to listen on {listener}"))
                    .or_hint("has the interface its address?"),
            ),
            _ => None,
        }
    }

    fn of(&self, error: &str) -> String {
        let error = error.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
        if has(&["busy"]) {
            "another measurement runs at the same time: try again later".to_owned()
        } else if has(&[
            "timed out",
            "timeout",
            "no route",
            "unreachable",
            "prohibited",
        ]) {
            self.unreachable.clone()
        } else if has(&["refused"]) {
            format!(
                "the server on `{}` is gone, or {}",
                self.listener, self.unreachable
            )
        } else {
            "the test broke off: see whether the link went down meanwhile".to_owned()
        }
    }
}

/// What iperf3 says by `-J`, as far as it matters.
#[derive(Deserialize)]
struct Report {
    error: Option<String>,
    end: Option<Ending>,
    #[serde(default)]
    intervals: Vec<Interval>,
}

/// The end of the JSON; empty if the test did not take place.
#[derive(Deserialize)]
struct Ending {
    sum_received: Option<Sum>,
    sum_sent: Option<Sum>,
    sender_tcp_congestion: Option<String>,
}

#[derive(Deserialize)]
struct Interval {
    sum: Sum,
}

#[derive(Deserialize)]
struct Sum {
    bits_per_second: f64,
    /// Linux alone knows.
    retransmits: Option<f64>,
    #[serde(default)]
    omitted: bool,
}
