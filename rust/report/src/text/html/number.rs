//! Numbers and times as people read them.

use deployctl_checks::{Bound, Limit};

/// Three significant digits, more before the point: `0.213`, `9.41`, `87.2`, `1240`.
pub(super) fn number(value: f64) -> String {
    with(value, decimals(value))
}

/// [`number`] without zeros that say nothing: `1`, `9.4`.
pub(super) fn round(value: f64) -> String {
    trim(number(value))
}

/// A value and its limit with as many digits as it takes to tell them apart.
pub(super) fn against(value: f64, limit: f64) -> (String, String) {
    let least = decimals(value);
    for digits in least..9 {
        let (shown, bound) = (
            with(value, digits),
            trim(with(limit, digits.max(decimals(limit)))),
        );
        if value.total_cmp(&limit).is_eq() || trim(shown.clone()) != bound {
            return (shown, bound);
        }
    }
    (with(value, least), round(limit))
}

/// `≤ 100 ms`, `≥ 9.4 Gbit/s`.
pub(super) fn limit(limit: &Limit, unit: &str) -> String {
    format!(
        "{} {}",
        sign(limit.bound),
        unit_of(&round(limit.value), unit)
    )
}

/// `≤` or `≥`.
pub(super) fn sign(bound: Bound) -> char {
    match bound {
        Bound::AtMost => '≤',
        Bound::AtLeast => '≥',
    }
}

/// A number with its unit; the blank between them never ends a line.
pub(super) fn unit_of(number: &str, unit: &str) -> String {
    if unit.is_empty() {
        number.to_owned()
    } else {
        format!("{number}\u{a0}{unit}")
    }
}

/// `2026-11-23T06:53:29Z` as `2026-11-23 06:53 UTC`; anything else as it is.
pub(super) fn time(at: &str) -> String {
    match chrono::DateTime::parse_from_rfc3339(at) {
        Ok(time) => time.naive_utc().format("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => super::cut(at, 40),
    }
}

fn decimals(value: f64) -> usize {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.1 => 3,
        v if v >= 0.01 => 4,
        v if v >= 0.001 => 5,
        _ => 6,
    }
}

fn with(value: f64, digits: usize) -> String {
    if value.abs() >= 1e9 {
        return format!("{value:.2e}");
    }
    format!("{value:.digits$}")
}

fn trim(number: String) -> String {
    if !number.contains('.') || number.contains('e') {
        return number;
    }
    number
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let all = [
            0.0, 0.000_01, 0.2131, 1.0, 9.41, 87.25, 99.96, 1240.4, 1e12, -3.5,
        ];
        let told: Vec<_> = all
            .iter()
            .map(|v| format!("{} {}", number(*v), round(*v)))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        0 0
        0.000010 0.00001
        0.213 0.213
        1.00 1
        9.41 9.41
        87.2 87.2
        100.0 100
        1240 1240
        1.00e12 1.00e12
        -3.50 -3.5
        ");
    }

    #[test]
    fn what_misses_its_limit_by_little_is_told_apart_from_it() {
        assert_eq!(against(9.396, 9.4), ("9.396".into(), "9.4".into()));
        assert_eq!(against(9.41, 9.4), ("9.41".into(), "9.4".into()));
        assert_eq!(against(100.2, 100.0), ("100.2".into(), "100".into()));
        assert_eq!(against(100.0, 100.0), ("100".into(), "100".into()));
        assert_eq!(against(41.0, 100.0), ("41.0".into(), "100".into()));
    }

    #[test]
    fn times_are_read_or_left_as_they_are() {
        assert_eq!(time("2026-11-23T06:53:29Z"), "2026-11-23 06:53 UTC");
        assert_eq!(time("2026-11-23T17:53:29+11:00"), "2026-11-23 06:53 UTC");
        assert_eq!(time("yesterday"), "yesterday");
    }
}
