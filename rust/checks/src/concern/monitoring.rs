//! Exporters: that each answers, with metrics of the kind that it is there for.

use deployctl_core::inventory::monitoring::{Exporter, Monitoring};
use deployctl_core::query::{Query, quote};

use crate::answer::{Answer, Found, Unreadable, number, value};
use crate::reader::http;
use crate::{Check, Declared};

pub(super) const CONCERN: &str = "monitoring";

pub(super) fn checks(facts: &Monitoring, _: &Declared<'_>) -> Vec<Check> {
    facts
        .exporters
        .iter()
        .map(|(name, exporter)| check(name.as_str(), exporter))
        .collect()
}

/// Keeps what decides, since a whole answer may have a hundred thousand lines: some samples of each
/// metric, how many samples there were at all, and the status, which comes last.
const KEEP: &str = r#"BEGIN { for (i = 1; i < ARGC; i++) { start[i] = ARGV[i]; ARGV[i] = "" } }
/^status [0-9]+$/ { status = $2; next }
/^[A-Za-z_:]/ {
  samples++
  for (i in start) if (index($0, start[i]) == 1 && kept[i]++ < 3) print "sample " $0
}
END { print "samples " samples + 0; print "status " status + 0 }"#;

fn check(name: &str, exporter: &Exporter) -> Check {
    let (address, port) = (exporter.address.as_str(), exporter.port.number());
    let url = format!("http://{}{}", http::authority(address, port), exporter.path);
    let metrics: Vec<String> = exporter.metrics.iter().map(ToString::to_string).collect();
    let words: Vec<String> = metrics.iter().map(|metric| quote(metric)).collect();
    let query = Query::new(
        format!("monitoring/{name}"),
        format!(
            "command -v curl >/dev/null || exit 127\n{} -m 5 -w {} {} | awk {} {}",
            http::CURL,
            http::STATUS,
            quote(&url),
            quote(KEEP),
            words.join(" ")
        ),
    );
    let expected = format!("{url} has metrics {}", metrics.join(", "));
    Check::new(CONCERN, name, &query, expected, move |answer| {
        judge(answer, &metrics)
    })
}

fn judge(answer: &Answer<'_>, metrics: &[String]) -> Result<Found, Unreadable> {
    let status = http::parse(answer)?.status;
    let pairs = answer.pairs(' ')?;
    let samples: u32 = number("samples", value(&pairs, "samples")?)?;
    match status {
        200 => {}
        0 => {
            return Ok(Found::when(false, answer.errors())
                .or_hint("nothing listens there: its unit, its address"));
        }
        _ => return Ok(Found::when(false, format!("status {status}")).or_hint(refused(status))),
    }
    let found: Vec<&str> = answer
        .lines()?
        .filter_map(|line| sample(line.strip_prefix("sample ")?))
        .collect();
    let missing: Vec<&str> = metrics
        .iter()
        .map(String::as_str)
        .filter(|metric| !found.iter().any(|name| name.starts_with(metric)))
        .collect();
    let evidence = if missing.is_empty() {
        format!("{samples} samples")
    } else {
        format!("no {} among {samples} samples", missing.join(", no "))
    };
    Ok(Found::when(missing.is_empty(), evidence).or_hint(
        "another exporter listens there, a collector of it is off, or what it asks gives no answer",
    ))
}

fn refused(status: u16) -> &'static str {
    match status {
        401 | 403 => "it asks for a login that Prometheus was not given",
        404 => "it is up, and its metrics are at another path",
        500 | 503 => "it is up, and what it asks is not: its own log says more",
        _ => "something else listens there",
    }
}

/// The metric's name in a line of Prometheus' text format: `name{labels} value [time]`. Comments are none.
fn sample(line: &str) -> Option<&str> {
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|end| *end > 0)?;
    let (name, rest) = line.split_at(end);
    // Labels may hold blanks and braces; no value does.
    let rest = match rest.strip_prefix('{') {
        Some(labels) => labels.rsplit_once('}')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace();
    let value: Option<f64> = words.next()?.parse().ok();
    let time_fits = words.next().is_none_or(|time| time.parse::<i64>().is_ok());
    (value.is_some() && time_fits && words.next().is_none()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn a_sample_has_a_name_and_a_number() {
        for (line, name) in [
            ("node_load1 0.52", "node_load1"),
            ("a:b{c=\"d e} \\\" f\",g=\"\"} +Inf", "a:b"),
            ("up{} NaN 1700000000000", "up"),
        ] {
            assert_eq!(sample(line), Some(name), "{line}");
        }
        for line in [
            "# HELP node_load1 1m load average.",
            "node_load1",
            "node_load1 ",
            "node_load1 one",
            "node_load1 1 2 3",
            "node_load1{a=\"b\" 1",
            "<html>",
            "",
        ] {
            assert_eq!(sample(line), None, "{line}");
        }
    }
}
