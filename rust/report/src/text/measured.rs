//! Numbers behind a verdict, in a line.

use std::fmt::Write as _;

use deployctl_checks::{Bound, Measurement};

use super::{Style, shown};

/// A line for every quantity that has more to say than the evidence above it: one number is there already.
pub(super) fn measured(text: &mut String, measurements: &[Measurement], style: Style) {
    for measurement in measurements {
        if measurement.statistics.len() > 1 {
            let _ = writeln!(text, "         {}", style.dim(&line(measurement)));
        }
    }
}

/// `time to first token: p50 43.1, p95 61 ms (p95 at most 100)`.
fn line(measurement: &Measurement) -> String {
    let statistics: Vec<String> = measurement
        .statistics
        .iter()
        .map(|statistic| format!("{} {}", shown(&statistic.name), amount(statistic.value)))
        .collect();
    let limit = measurement.limit.as_ref().map_or(String::new(), |limit| {
        let bound = match limit.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        let value = amount(limit.value);
        format!(" ({} {bound} {value})", shown(&limit.statistic))
    });
    format!(
        "{}: {} {}{limit}",
        shown(&measurement.what),
        statistics.join(", "),
        shown(&measurement.unit)
    )
}

/// Three digits that count, and no zeros behind them.
fn amount(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let told = [123.45, 61.04, 9.413, 0.0123, 0.0, 100.0, -3.5].map(amount);
        assert_eq!(told, ["123", "61", "9.41", "0.012", "0", "100", "-3.5"]);
    }

    #[test]
    fn a_line_says_what_decides() {
        let latency = Measurement::new("time to first token", "ms")
            .statistic("p50", 43.12)
            .statistic("p95", 61.0)
            .limit("p95", Bound::AtMost, 100.0);
        let one = Measurement::new("throughput", "Gbit/s").statistic("value", 9.41);
        let mut text = String::new();
        measured(&mut text, &[latency, one], Style::Plain);
        assert_eq!(
            text,
            "         time to first token: p50 43.1, p95 61 ms (p95 at most 100)\n"
        );
    }
}
