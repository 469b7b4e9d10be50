//! Moments as text, in UTC.

pub(crate) use deployctl_report::text::time_of_day;

/// `2026-11-23 07:14:03Z`
pub(crate) fn when(seconds: u64) -> String {
    let (year, month, day) = date(seconds);
    format!("{year:04}-{month:02}-{day:02} {}Z", time_of_day(seconds))
}

/// `2026-11-23T07:14:03Z`, as RFC 3339 has it.
pub(crate) fn rfc3339(seconds: u64) -> String {
    when(seconds).replace(' ', "T")
}

/// Year, month and day by the civil-from-days algorithm.
fn date(seconds: u64) -> (u64, u64, u64) {
    let shifted = seconds / 86400 + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
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
