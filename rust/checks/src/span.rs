//! Time spans as systemd writes them: `1min 30s`, `90day`.

use std::time::Duration;

use super::answer::Unreadable;

/// Reads a span: numbers with units, or one bare number of seconds.
pub(super) fn parse(text: &str) -> Result<Duration, Unreadable> {
    let wrong = || Unreadable(format!("`{}` is no time span", text.trim()));
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "us" => Duration::from_micros(1),
            "ms" => Duration::from_millis(1),
            "" | "s" | "sec" | "second" | "seconds" => Duration::from_secs(1),
            "m" | "min" | "minute" | "minutes" => Duration::from_secs(60),
            "h" | "hr" | "hour" | "hours" => Duration::from_secs(3600),
            "d" | "day" | "days" => Duration::from_secs(86_400),
            "w" | "week" | "weeks" => Duration::from_secs(7 * 86_400),
            // systemd's month is 30.44 days, its year 365.25.
            "M" | "month" | "months" => Duration::from_secs(2_629_800),
            "y" | "year" | "years" => Duration::from_secs(31_557_600),
            _ => return Err(wrong()),
        };
        rest = rest[letters..].trim_start();
        let count = u32::try_from(count).map_err(|_| wrong())?;
        total = unit
            .checked_mul(count)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_add_up() {
        for (text, seconds) in [
            ("1min", 60),
            ("1min 30s", 90),
            ("90day", 7_776_000),
            ("2h 1min", 7260),
            ("0", 0),
            ("1w", 604_800),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for bad in [
            "",
            "infinity",
            "s",
            "1parsec",
            "99999999999999999999s",
            "-1s",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
