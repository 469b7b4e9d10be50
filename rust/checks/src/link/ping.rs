//! Round trips: whether the other end answers every packet, and how soon; once small, once as large as
//! the link's MTU allows, so that a link that loses large packets is distinguished from one that is down.

use std::time::Duration;

use deployctl_core::query::{Query, quote};

use super::end::{End, Line, asked};
use super::interface;
use crate::answer::{Answer, Found, Unreadable, number};
use crate::{Bound, Check, Measurement};

/// How large the packets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// 56 bytes of payload.
    Small,
    /// A whole MTU each, and not to be fragmented.
    Full,
}

/// Packets per second: the fastest that Linux allows without root.
const EVERY_MS: u64 = 200;

/// How many bytes macOS lets a socket of ping send at once, unless ping asks for more: Apple's does as root.
pub(crate) const MOST: &str = "net.inet.raw.maxdgram";

/// The id of the check that throughput (full) and inference (small) need.
pub(super) fn id(line: &Line<'_>, from: &End<'_>, peer: &End<'_>, size: Size) -> String {
    let what = match size {
        Size::Small => "ping",
        Size::Full => "full-ping",
    };
    line.of_way(what, from, peer)
}

pub(super) fn check(line: &Line<'_>, from: &End<'_>, peer: &End<'_>, size: Size) -> Check {
    let pings = line.link.measure.pings;
    let limit = line.link.max_rtt_ms;
    let mtu = line.link.mtu;
    // What the headers of IP and ICMP leave.
    let payload = mtu - if peer.address.is_ipv6() { 48 } else { 28 };
    let id = id(line, from, peer, size);
    let query = Query::new(
        id.clone(),
        command(from, peer, pings, (size == Size::Full).then_some(payload)),
    )
    .with_deadline(Duration::from_millis(u64::from(pings) * EVERY_MS) + Duration::from_secs(10))
    .with_cap(64 * 1024 + usize::from(pings) * 160);
    let packets = match size {
        Size::Small => "packets".to_owned(),
        Size::Full => format!("packets of {mtu} bytes, unfragmented,"),
    };
    let expected = format!("{pings} of {pings} {packets} come back, in {limit} ms on average");
    let hint = match size {
        Size::Small => format!(
            "is `{}` on, the cable in, and does its firewall answer pings?",
            peer.host
        ),
        Size::Full => format!(
            "small packets pass and those of MTU {mtu} do not: something between {} and {} has a smaller one",
            from.interface, peer.interface
        ),
    };
    let sender = from.host.to_string();
    let check = asked(id, &query, expected, move |answer| {
        let text = answer.everything();
        let hint = too_long(&text, mtu, &sender).unwrap_or_else(|| hint.clone());
        let Some(trips) = read(answer)? else {
            return Ok(Found::when(false, text).or_hint(hint));
        };
        if trips.sent != usize::from(pings) {
            let sent = trips.sent;
            return Err(Unreadable(format!("{sent} of {pings} packets were sent")));
        }
        Ok(judge(trips, limit, &hint))
    });
    let needed = match size {
        Size::Small => interface::route_id(line, from, peer),
        Size::Full => self::id(line, from, peer, Size::Small),
    };
    check.needing(needed)
}

/// With `payload`, as large as that and not to be fragmented.
fn command(from: &End<'_>, peer: &End<'_>, pings: u16, payload: Option<u16>) -> String {
    let (address, to) = (
        quote(&from.address.to_string()),
        quote(&peer.address.to_string()),
    );
    if !from.is_mac() {
        let full = payload.map_or(String::new(), |bytes| format!(" -M 'do' -s {bytes}"));
        let interface = quote(from.interface);
        return format!(
            "ping -n -c {pings} -i 0.2 -W 2 -I {interface} -I {address}{full} {to} 2>&1"
        );
    }
    let program = if peer.address.is_ipv6() {
        "ping6 -n"
    } else {
        "ping -n -W 2000"
    };
    let Some(bytes) = payload else {
        return format!("{program} -c {pings} -i 0.2 -S {address} {to} 2>&1");
    };
    let whole = if peer.address.is_ipv6() {
        "-D -m"
    } else {
        "-D"
    };
    format!(
        "{program} -c {pings} -i 0.2 {whole} -s {bytes} -S {address} {to} 2>&1\n\
         status=$?\n\
         most=$(sysctl -n {MOST} 2>/dev/null)\n\
         [ \"$status\" -eq 0 ] || [ -z \"$most\" ] || [ \"$most\" -ge {mtu} ] || echo \"{MOST}=$most\"\n\
         exit \"$status\"",
        mtu = u32::from(bytes) + 28
    )
}

/// The hint where a Mac's socket did not take a whole packet.
fn too_long(text: &str, mtu: u16, host: &str) -> Option<String> {
    let of_setting = |line: &str| {
        line.strip_prefix(MOST)?
            .strip_prefix('=')
            .map(str::to_owned)
    };
    let most = text.lines().find_map(of_setting)?;
    text.contains("essage too long").then(|| {
        format!(
            "`{MOST}` of `{host}` is {most}, and a packet has {mtu} bytes: apply, which raises it, or `sysctl {MOST}={mtu}` there"
        )
    })
}

/// What ping counted.
struct Trips {
    sent: usize,
    received: usize,
    /// In milliseconds, one per answer.
    times: Vec<f64>,
    /// What it said besides: why packets did not even leave.
    said: Option<String>,
}

fn judge(mut trips: Trips, limit: f64, hint: &str) -> Found {
    let lost = share(trips.sent - trips.received.min(trips.sent), trips.sent);
    let losses = Measurement::new("packet loss", "%")
        .statistic("value", lost)
        .limit("value", Bound::AtMost, 0.0);
    let mut evidence = format!("{} of {} came back", trips.received, trips.sent);
    if trips.times.is_empty() {
        if let Some(said) = trips.said {
            evidence = format!("{evidence}: {said}");
        }
        return Found::when(false, evidence)
            .or_hint(hint)
            .measuring([losses]);
    }
    let samples = trips.times.clone();
    let mean = samples.iter().sum::<f64>() / count(samples.len());
    trips.times.sort_by(f64::total_cmp);
    let at = |percent| percentile(&trips.times, percent);
    let times = Measurement::new("round trip", "ms")
        .statistic("p50", at(50))
        .statistic("p95", at(95))
        .statistic("p99", at(99))
        .statistic("max", at(100))
        .statistic("mean", mean)
        .samples(samples)
        .limit("mean", Bound::AtMost, limit);
    let soon = times.holds();
    let evidence = format!(
        "{evidence}, in {mean:.3} ms on average, {:.3} at most",
        at(100)
    );
    let hint = if lost > 0.0 {
        "the link loses packets: look at the cable and at `ethtool -S` of both ends"
    } else {
        "it takes longer than declared: is the link busy, or another network in between?"
    };
    Found::when(soon && lost == 0.0, evidence)
        .or_hint(hint)
        .measuring([times, losses])
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

fn share(part: usize, whole: usize) -> f64 {
    100.0 * count(part) / count(whole.max(1))
}

/// The least of `sorted` that `percent` % of them do not exceed.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Reads the lines of single packets and the summary; `None` where ping said why it sent nothing.
///
/// `64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.045 ms`, then
/// `20 packets transmitted, 20 received, 0% packet loss, time 3805ms`.
fn read(answer: &Answer<'_>) -> Result<Option<Trips>, Unreadable> {
    let mut times = Vec::new();
    let mut summary = None;
    let mut said = None;
    for line in answer.lines()? {
        if line.contains(" bytes from ") {
            // The second answer to one packet is no round trip.
            if !line.contains("DUP!") {
                times.push(time(line)?);
            }
        } else if line.contains(" packets transmitted, ") {
            summary = Some(counts(line)?);
        } else if is_complaint(line) {
            said.get_or_insert_with(|| line.to_owned());
        }
    }
    let Some((sent, received)) = summary else {
        return match said {
            Some(_) if answer.status != 0 && times.is_empty() => Ok(None),
            _ => Err(Unreadable::new("no summary in the answer of ping")),
        };
    };
    if times.len() != received {
        return Err(Unreadable(format!(
            "ping counted {received} answers and showed {}",
            times.len()
        )));
    }
    Ok(Some(Trips {
        sent,
        received,
        times,
        said,
    }))
}

/// `ping: local error: message too long, mtu=1500`, `From 10.0.0.1 icmp_seq=1 Destination Host Unreachable`.
fn is_complaint(line: &str) -> bool {
    line.starts_with("ping: ")
        || line.starts_with("ping6: ")
        || line.starts_with("From ")
        || line.contains("bytes of data from")
}

fn time(line: &str) -> Result<f64, Unreadable> {
    let text = line
        .split_once(" time=")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .ok_or_else(|| Unreadable(format!("no time in `{line}`")))?;
    let time: f64 = number("time", text)?;
    if time.is_finite() && time >= 0.0 {
        Ok(time)
    } else {
        Err(Unreadable(format!("a packet took {time} ms")))
    }
}

fn counts(line: &str) -> Result<(usize, usize), Unreadable> {
    let mut parts = line.split(", ");
    let mut first = || {
        let part = parts.next().unwrap_or_default();
        number("packets", part.split(' ').next().unwrap_or_default())
    };
    Ok((first()?, first()?))
}
