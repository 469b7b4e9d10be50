//! Moments as text, in UTC.

use chrono::{DateTime, NaiveDate, Utc};
pub(crate) use deployctl_report::text::time_of_day;

/// `2026-11-23 07:14:03Z`
pub(crate) fn when(seconds: u64) -> String {
    moment(seconds).format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The day.
pub(crate) fn date(seconds: u64) -> NaiveDate {
    moment(seconds).date_naive()
}

fn moment(seconds: u64) -> DateTime<Utc> {
    let seconds = i64::try_from(seconds).ok();
    let moment = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    // No clock says what has no date.
    moment.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// `2026-11-23T07:14:03Z`, as RFC 3339 has it.
pub(crate) fn rfc3339(seconds: u64) -> String {
    when(seconds).replace(' ', "T")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges() {
        assert_eq!(when(0), "1970-01-01 00:00:00Z");
        assert_eq!(when(951_782_399), "2000-02-28 23:59:59Z");
        assert_eq!(when(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(when(1_795_392_000), "2026-11-23 00:00:00Z");
        assert_eq!(when(4_102_444_800), "2100-01-01 00:00:00Z");
        assert_eq!(rfc3339(1_795_392_003), "2026-11-23T00:00:03Z");
        assert_eq!(time_of_day(1_795_395_661), "01:01:01");
    }
}
