//! Prometheus' text format.

use serde::Serialize;

/// One sample.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Sample<'a> {
    /// The metric.
    pub(crate) name: &'a str,
    /// What is between the braces, as it was written.
    pub(crate) labels: &'a str,
    /// The number; infinite or none at all is allowed.
    pub(crate) value: f64,
}

/// The sample of a line, `name{labels} value [time]`. Comments are none.
pub(crate) fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|end| *end > 0)?;
    let (name, rest) = line.split_at(end);
    // Labels may hold blanks and braces; no value does.
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(labels) => labels.rsplit_once('}')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let value = words.next()?.parse().ok()?;
    let time_fits = words.next().is_none_or(|time| time.parse::<i64>().is_ok());
    let sample = Sample {
        name,
        labels,
        value,
    };
    (time_fits && words.next().is_none()).then_some(sample)
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn a_sample_has_a_name_and_a_number() {
        for (line, name, labels) in [
            ("node_load1 0.52", "node_load1", ""),
            (
                "a:b{c=\"d e} \\\" f\",g=\"\"} +Inf",
                "a:b",
                "c=\"d e} \\\" f\",g=\"\"",
            ),
            ("up{} NaN 1700000000000", "up", ""),
        ] {
            let found = sample(line).unwrap();
            assert_eq!((found.name, found.labels), (name, labels), "{line}");
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
